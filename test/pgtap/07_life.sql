-- The life of an order after and beside the race, and what it leaves with the
-- vendors.
--
-- Would catch: an average that drifts or gets stuck because it is rounded each
-- time; a score that does not follow; capacity that some way out does not give
-- back; a broadcast and vr_explain that do not ask the same gates.

BEGIN;
SELECT plan(22);

-- The average of many ratings ----------------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('rated', 'Rated', true);
SELECT count(*) FROM generate_series(1, 1000) AS i,
	vr_broadcast('rate-' || i, 'r', vendors => ARRAY['rated']);
SELECT count(*) FROM generate_series(1, 1000) AS i,
	vr_accept(vr_routing_id('rate-' || i), 'rated');
SELECT count(*) FROM generate_series(1, 1000) AS i,
	vr_complete(vr_routing_id('rate-' || i), CASE WHEN i % 4 = 0 THEN 'FAILED' ELSE 'DELIVERED' END,
		CASE WHEN i <= 900 THEN 3 WHEN i <= 980 THEN 5 END);
SELECT is(average_rating, round((900 * 3 + 80 * 5) / 980.0, 2), 'the average of 980 ratings is exact')
FROM vendor_routing.vendors WHERE vendor_id = 'rated';
SELECT is(ARRAY[rating_count, total_orders, completed_orders, current_orders], ARRAY[980, 1000, 750, 0],
	'ratings, orders, delivered orders, load')
FROM vendor_routing.vendors WHERE vendor_id = 'rated';
SELECT is(score, round(75 * 0.4 + average_rating / 5 * 100 * 0.3, 4), 'the score follows')
FROM vendor_routing.vendors WHERE vendor_id = 'rated';

-- Would catch: a setting that is not asked.
SET LOCAL vendor_routing.confirm_within = '90 s';
SELECT vr_broadcast('confirm-1', 'r'), vr_broadcast('confirm-2', 'r', confirm_within => '1 h') \g /dev/null
RESET vendor_routing.confirm_within;
SELECT vr_broadcast('confirm-3', 'r') \g /dev/null
SELECT results_eq($$SELECT confirm_within FROM vendor_routing.routings WHERE order_id LIKE 'confirm-%' ORDER BY order_id$$,
	$$VALUES ('90 s'::interval), ('1 h'), (NULL)$$, 'the time to confirm is that of the setting, where the call gives none');

-- Capacity comes back on every way out ----------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, capacity)
VALUES ('one', 'One at a time', true, 1), ('other', 'Other', true, NULL);
CREATE FUNCTION pg_temp.win(id text) RETURNS text LANGUAGE sql AS $$
	SELECT vr_broadcast(id, 'r', vendors => ARRAY['one', 'other'], confirm_within => '1 h');
	SELECT reason FROM vr_accept(vr_routing_id(id), 'one');
$$;
SELECT is(pg_temp.win('out-1'), 'LOCKED', 'it has its one order');
SELECT is(pg_temp.win('out-2'), 'AT_CAPACITY', 'and no room for another');
SELECT vr_cancel(vr_routing_id('out-1'));
SELECT is(pg_temp.win('out-3'), 'LOCKED', 'cancelled: there is room again');
SELECT vr_release(vr_routing_id('out-3'), 'one');
SELECT is(pg_temp.win('out-4'), 'LOCKED', 'released: there is room again');
SELECT vr_complete(vr_routing_id('out-4'), 'FAILED');
SELECT is(pg_temp.win('out-5'), 'LOCKED', 'completed: there is room again');
UPDATE vendor_routing.routings SET confirm_by = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 'out-5';
SELECT is(released, 1, 'not confirmed') FROM vr_tick();
SELECT is(pg_temp.win('out-6'), 'LOCKED', 'taken back: there is room again');
SELECT is_empty($$SELECT * FROM vr_check() WHERE vendor_id = 'one' AND violation = 'WRONG_LOAD'$$,
	'and the load is right');

-- Who is invited passes all gates, and only those ----------------------------------------

UPDATE vendor_routing.vendors SET is_active = false;
SELECT setseed(0.42);
INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_active, is_verified, products, min_order_amount, latitude, longitude,
	 service_radius_km, capacity, current_orders, reliability_score, paused_at, paused_until,
	 time_zone, working_hours)
SELECT 'x' || i, 'X', random() < 0.9, random() < 0.9,
	CASE WHEN random() < 0.5 THEN ARRAY['tea'] WHEN random() < 0.5 THEN ARRAY['rice'] END,
	(random() * 150)::int, 50 + random(), 8 + random(),
	CASE WHEN random() < 0.5 THEN 1 + random() * 60 END,
	CASE WHEN random() < 0.3 THEN 1 END, CASE WHEN random() < 0.3 THEN 1 ELSE 0 END,
	i / 4.0, now(), CASE WHEN random() < 0.2 THEN 'infinity'::timestamptz END,
	'UTC', CASE WHEN random() < 0.2 THEN '{}' ELSE '{[0,10080)}' END::int4multirange
FROM generate_series(1, 400) AS i;
SELECT count(*) FROM generate_series(1, 400, 7) AS i, vr_block('r', 'x' || i);
SELECT vr_broadcast('gates', 'r', 'tea', 100, 50.5, 8.5,
	waves => '[{"vendors": 15, "min_score": 2, "radius_km": 40}]');
CREATE TEMP TABLE explained AS
SELECT v.vendor_id, bool_and(e.passed) FILTER (WHERE e.gate <> 'offer') AS passed,
	bool_or(e.passed) FILTER (WHERE e.gate = 'offer') AS invited
FROM vendor_routing.vendors AS v, vr_explain('gates', v.vendor_id) AS e
GROUP BY v.vendor_id;
SELECT is(count(*), 15::bigint, 'fifteen were invited') FROM explained WHERE invited;
SELECT is_empty('SELECT * FROM explained WHERE passed <> invited',
	'who is invited passes all gates, and nobody else does');
SELECT is(count(DISTINCT e.gate), 10::bigint, 'and every gate keeps somebody out')
FROM vendor_routing.vendors AS v, vr_explain('gates', v.vendor_id) AS e
WHERE NOT e.passed AND e.gate NOT IN ('offer', 'rank');

-- Odd values -------------------------------------------------------------------------------------

-- Would catch: a value that is taken for another since it is stored compressed.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES (repeat('supplier-', 12) || '1', 'Long', true), ('short', 'S', true);
SELECT vr_broadcast('wide-' || i, 'r', vendors => ARRAY[repeat('supplier-', 12) || '1', 'short']) FROM generate_series(1, 2) AS i;
CREATE TEMP TABLE wide AS SELECT jsonb_build_object('note', string_agg(md5(i::text), '')) AS payload FROM generate_series(1, 59) AS i;
SELECT is(a.reason, 'LOCKED', 'a wide row: an accept') FROM wide, vr_accept(vr_routing_id('wide-1'), repeat('supplier-', 12) || '1', payload) AS a;
SELECT is(a.recorded, true, 'and an answer') FROM wide, vr_respond(vr_routing_id('wide-2'), repeat('supplier-', 12) || '1', 'REJECT', payload => payload) AS a;
SELECT ok(bool_or(pg_column_compression(vendor_id) IS NOT NULL), 'which are stored compressed') FROM vendor_routing.responses WHERE vendor_id ~ '^supplier' AND payload IS NOT NULL;

-- Would catch: a row that is looked for in vain, for ever.
SET LOCAL statement_timeout = '30s';
SELECT throws_ok($$WITH gone AS (DELETE FROM vendor_routing.vendors WHERE vendor_id = 'x1' RETURNING vendor_id) SELECT vr_pause(vendor_id) FROM gone$$,
	'22023', 'vendor "x1" does not exist', 'a vendor that the same statement deletes');

-- Would catch: a load that is not given back, and a vendor that is not found, since the same statement has written its row.
SELECT vr_accept(vr_routing_id('wide-1'), 'short'); -- too late
SELECT vr_broadcast('same-1', 'r', vendors => '{short}'), vr_accept(vr_routing_id('same-1'), 'short');
WITH v AS (UPDATE vendor_routing.vendors SET name = 'Same' WHERE vendor_id = 'short' RETURNING vendor_id)
SELECT r.released FROM v, vr_release(vr_routing_id('same-1'), v.vendor_id) AS r;
SELECT is(current_orders, 0, 'an order given back by a statement that also writes the vendor') FROM vendor_routing.vendors WHERE vendor_id = 'short';
SELECT lives_ok($$UPDATE vendor_routing.vendors SET name = 'Paused' WHERE vendor_id = 'short' RETURNING vr_pause(vendor_id), vr_resume(vendor_id)$$,
	'a pause in RETURNING');

-- Would catch: a vendor whose pause cannot end, and who keeps orders from what is due.
SELECT vr_pause('short', 'infinity'), vr_pause('x2', 'infinity');
UPDATE vendor_routing.vendors SET paused_until = now() - interval '1 s' WHERE vendor_id IN ('short', 'x2');
CREATE FUNCTION pg_temp.never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;
CREATE TRIGGER never BEFORE UPDATE ON vendor_routing.vendors FOR EACH ROW WHEN (OLD.vendor_id = 'short') EXECUTE FUNCTION pg_temp.never();
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s' WHERE routing_id = vr_routing_id('wide-2');
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s' WHERE order_id = 'wide-2';
SET LOCAL client_min_messages = error;
CREATE TEMP TABLE ticked AS SELECT timed_out, resumed FROM vr_tick();
SELECT results_eq('SELECT timed_out, resumed, (SELECT string_agg(vendor_id, '' '') FROM vendor_routing.vendors WHERE paused_until < now()) FROM ticked',
	$$VALUES (1, 1, 'short')$$, 'one pause that cannot end stops neither orders nor other pauses');

SELECT * FROM finish();
ROLLBACK;
