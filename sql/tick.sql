-- One pass over everything that is due, each kind counted; then nothing is.
-- However slow the machine is.
SET vendor_routing.offer_ttl = '10 min';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'i' || i, 'Tick ' || i, true, '{tick}', 50 - i FROM generate_series(1, 3) AS i;
CREATE PROCEDURE offers_over(over_order text) LANGUAGE sql AS $$
	UPDATE vendor_routing.responses
	SET offered_at = offered_at - interval '2 hours', expires_at = expires_at - interval '2 hours'
	WHERE routing_id = vr_routing_id(over_order);
	UPDATE vendor_routing.routings SET next_deadline = next_deadline - interval '2 hours'
	WHERE order_id = over_order;
$$;
-- what other tests have left behind
SELECT failed FROM vr_tick();
SELECT sum(vendor_count) FROM generate_series(1, 6) AS i,
	vr_broadcast('i-' || i, 'retailer', 'tick',
		waves => CASE WHEN i = 3 THEN '[{"vendors": 2, "wait": "1 hour"}, {"vendors": 1}]' ELSE '[{"vendors": 3}]' END::jsonb,
		confirm_within => CASE WHEN i = 5 THEN interval '1 hour' END);
-- an ACCEPT on record; silence; a wave; an order that is over; a winner who is silent
SELECT recorded FROM vr_respond(vr_routing_id('i-1'), 'i2', 'ACCEPT');
SELECT reason FROM vr_accept(vr_routing_id('i-5'), 'i1');
CALL offers_over('i-1');
CALL offers_over('i-2');
CALL offers_over('i-3');
CALL offers_over('i-4');
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 s' WHERE order_id = 'i-4';
UPDATE vendor_routing.routings SET confirm_by = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 'i-5';
SELECT vr_pause('i3', 'infinity') = 'infinity' AS paused;
UPDATE vendor_routing.vendors SET paused_until = now() - interval '1 s' WHERE vendor_id = 'i3';
-- one at a time, the earliest first
SELECT processed FROM vr_tick(1);
SELECT timed_out, awarded, waves_opened, exhausted, expired, released, resumed, failed, processed, next_due > now() AS later
FROM vr_tick();
SELECT order_id, status, wave, round, locked_vendor_id FROM vr_routing_status WHERE order_id ~ '^i-' ORDER BY 1;
SELECT timed_out, awarded, waves_opened, exhausted, expired, released, resumed, failed FROM vr_tick();
SELECT processed FROM vr_tick();

-- one that cannot be done does not stop the others
SELECT sum(vendor_count) FROM generate_series(7, 9) AS i, vr_broadcast('i-' || i, 'retailer', 'tick');
CALL offers_over('i-7');
CALL offers_over('i-8');
CALL offers_over('i-9');
CREATE FUNCTION not_this_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'not this one';
END $$;
CREATE TRIGGER not_this_one BEFORE UPDATE ON vendor_routing.routings
	FOR EACH ROW WHEN (OLD.order_id = 'i-8') EXECUTE FUNCTION not_this_one();
\set SHOW_CONTEXT never
SELECT timed_out, exhausted, failed, processed FROM vr_tick();
SELECT order_id, status FROM vr_routing_status WHERE order_id IN ('i-7', 'i-8', 'i-9') ORDER BY 1;
DROP TRIGGER not_this_one ON vendor_routing.routings;
SELECT timed_out, exhausted, failed, processed FROM vr_tick();

-- a deadline that somebody has set too early is put right
SELECT vendor_count FROM vr_broadcast('i-10', 'retailer', 'tick', confirm_within => '1 hour');
SELECT reason FROM vr_accept(vr_routing_id('i-10'), 'i1');
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s' WHERE order_id IN ('i-6', 'i-7', 'i-10');
SELECT processed FROM vr_tick();
SELECT processed FROM vr_tick();

-- a trigger may raise what it likes: that order fails, the others are done
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s' WHERE order_id = 'i-10';
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'no' USING ERRCODE = current_setting('test.sqlstate');
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION refuse();
DO $$
DECLARE
	condition text;
	tick record;
BEGIN
	FOREACH condition IN ARRAY '{serialization_failure,deadlock_detected,query_canceled,admin_shutdown,out_of_memory,disk_full,too_many_connections,io_error}'::text[] LOOP
		PERFORM set_config('test.sqlstate', condition, false);
		SELECT processed, failed INTO tick FROM vr_tick();
		RAISE NOTICE '%: processed %, failed %', condition, tick.processed, tick.failed;
	END LOOP;
END $$;

-- at SERIALIZABLE a conflict is the transaction's: it is passed on, and leaves the session as
-- it was, since the tick rolls its own subtransaction back before
SET test.sqlstate = 'serialization_failure';
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT processed FROM vr_tick();
ROLLBACK;
SET default_transaction_isolation = 'serializable';
DO $$
BEGIN
	PERFORM vr_tick();
EXCEPTION WHEN serialization_failure THEN
	RAISE NOTICE 'caught';
END $$;
RESET default_transaction_isolation;
SELECT 'the session goes on';

-- who wants the session to stop is heard
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(600);
	RETURN NEW;
END $$;
SET statement_timeout = '50ms';
SELECT processed FROM vr_tick();
RESET statement_timeout;
DROP TRIGGER refuse ON vendor_routing.routings;
SELECT processed, failed FROM vr_tick();

\set VERBOSITY sqlstate
SELECT vr_tick(0);
SELECT vr_tick(NULL);
SELECT vr_tick(1000001);
BEGIN READ ONLY;
SELECT vr_tick();
ROLLBACK;
\set VERBOSITY default
DROP FUNCTION not_this_one();
DROP FUNCTION refuse();
RESET test.sqlstate;
DROP PROCEDURE offers_over(text);
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^i\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
