-- What the reference system was seen to do wrong (the second table of design
-- section 1), row by row: the left-hand column is the title of each block.
--
-- Would catch: every one of those failures coming back.
--
-- One session can show that nothing of the kind happens in a row; that it does
-- not happen at the same time is for test/isolation and test/t.  The file runs
-- at SERIALIZABLE, the level at which the most is promised.

BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT plan(130);

-- The vendor ids invited, best first.
CREATE FUNCTION pg_temp.invited(id text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(vendor_id ORDER BY rank)
	FROM vendor_routing.responses WHERE routing_id = vr_routing_id(id)
$$;
-- What an accept answers, in one word.
CREATE FUNCTION pg_temp.accept(id text, vendor text) RETURNS text LANGUAGE sql AS $$
	SELECT reason FROM vr_accept(vr_routing_id(id), vendor)
$$;
-- How many rows a routing has of what it must not have by accident.
CREATE FUNCTION pg_temp.rows_of(id text,
	OUT routings bigint, OUT responses bigint, OUT cancellations bigint, OUT events bigint)
LANGUAGE sql AS $$
	SELECT
		(SELECT count(*) FROM vendor_routing.routings WHERE routing_id = vr_routing_id(id)),
		(SELECT count(*) FROM vendor_routing.responses WHERE routing_id = vr_routing_id(id)),
		(SELECT count(*) FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id(id)),
		(SELECT count(*) FROM vendor_routing.events WHERE routing_id = vr_routing_id(id))
$$;

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT v, 'Vendor ' || v, true FROM unnest(ARRAY['a', 'b', 'c', 'd', 'outsider']) AS v;

-- "give one order two routings and two winners when routed twice" ----------------

SELECT routing_id, created FROM vr_broadcast('twice', 'r', vendors => ARRAY['a', 'b', 'c']) \gset first_
SELECT results_eq(
	$$SELECT routing_id, vendor_count, created,
			jsonb_path_query_array(invited, '$[*].vendor_id')
		FROM vr_broadcast('twice', 'r')$$,
	$$VALUES (vr_routing_id('twice'), 3, false, '["a", "b", "c"]'::jsonb)$$,
	'routed twice: the same routing, the same vendors, created = false');
SELECT is(:'first_created'::boolean, true, 'routed twice: it was created the first time');
SELECT is(:'first_routing_id'::uuid, vr_routing_id('twice'), 'routed twice: its id goes by the order');
SELECT results_eq(
	$$SELECT vendor_count, created FROM vr_broadcast('twice', 'r2', 'tea', 99, vendors => ARRAY['outsider'])$$,
	$$VALUES (3, false)$$,
	'routed a third time, otherwise: still the same');
SELECT is(pg_temp.accept('twice', 'b'), 'LOCKED', 'routed twice: a winner');
SELECT is(pg_temp.accept('twice', 'a'), 'ALREADY_LOCKED', 'routed twice: no second winner');
SELECT is(created, false, 'routed again when it is taken: nothing new')
FROM vr_broadcast('twice', 'r');
SELECT is(pg_temp.accept('twice', 'c'), 'ALREADY_LOCKED', 'routed again when it is taken: no second winner');
SELECT is(pg_temp.accept('twice', 'outsider'), 'NOT_INVITED', 'routed again: nobody was added');
SELECT results_eq(
	$$SELECT count(*), min(locked_vendor_id), min(retailer_id) FROM vendor_routing.routings WHERE order_id = 'twice'$$,
	$$VALUES (1::bigint, 'b', 'r')$$,
	'routed often: one routing, one winner, as it was the first time');
SELECT results_eq(
	$$SELECT event_type FROM vr_history('twice')$$,
	ARRAY['VENDOR_BROADCAST_INITIATED', 'VENDOR_ACCEPTED', 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT',
		'VENDOR_RESPONSE_RECORDED', 'VENDOR_RESPONSE_RECORDED'],
	'routed often: broadcast once');

-- "let a never-invited, inactive vendor win" --------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_active, is_verified)
VALUES ('inactive', 'Inactive', false, true);
SELECT vr_broadcast('invited-only', 'r', vendors => ARRAY['a', 'b']) \g /dev/null
SELECT results_eq(
	format($$SELECT accepted, reason, locked_vendor_id, locked_at
		FROM vr_accept(vr_routing_id('invited-only'), %L)$$, vendor),
	$$VALUES (false, 'NOT_INVITED', NULL::text, NULL::timestamptz)$$,
	'NOT_INVITED: ' || vendor)
FROM unnest(ARRAY['inactive', 'outsider', 'nobody-of-this-name']) AS vendor;
SELECT throws_ok(
	$$SELECT vr_respond(vr_routing_id('invited-only'), 'inactive', 'ACCEPT')$$, 'VR005', NULL,
	'never invited: cannot respond either');
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = 'a';
SELECT is(pg_temp.accept('invited-only', 'a'), 'NOT_INVITED', 'invited, and inactive since: does not win');
UPDATE vendor_routing.vendors SET is_active = true WHERE vendor_id = 'a';
SELECT is(status, 'PENDING', 'never invited, inactive: the order is still open')
FROM vendor_routing.routings WHERE order_id = 'invited-only';
SELECT is(pg_temp.accept('invited-only', 'b'), 'LOCKED', 'invited: wins');
SELECT results_eq(
	$$SELECT reason, locked_vendor_id FROM vr_accept(vr_routing_id('invited-only'), 'outsider')$$,
	$$VALUES ('NOT_INVITED', NULL::text)$$,
	'never invited: is not told who won');

-- "take the lock, then throw, when the vendor had not responded before" ------------

SELECT vr_broadcast('no-answer-yet', 'r', vendors => ARRAY['a', 'b', 'c']) \g /dev/null
SELECT results_eq(
	$$SELECT accepted, reason, locked_vendor_id, order_id, version
		FROM vr_accept(vr_routing_id('no-answer-yet'), 'b', '{"eta": 20}')$$,
	$$VALUES (true, 'LOCKED', 'b', 'no-answer-yet', 2)$$,
	'an accept without an earlier response wins');
SELECT results_eq(
	$$SELECT t.status, t.locked_vendor_id, t.locked_at = r.responded_at, r.response, r.payload
		FROM vendor_routing.routings AS t JOIN vendor_routing.responses AS r USING (routing_id)
		WHERE t.order_id = 'no-answer-yet' AND r.vendor_id = 'b'$$,
	$$VALUES ('LOCKED', 'b', true, 'ACCEPT', '{"eta": 20}'::jsonb)$$,
	'and its answer is on record with the lock');
SELECT results_eq(
	$$SELECT routings, responses, cancellations, events FROM pg_temp.rows_of('no-answer-yet')$$,
	$$VALUES (1::bigint, 3::bigint, 2::bigint, 3::bigint)$$,
	'and everything that goes with it');
SELECT vr_broadcast('answered-before', 'r', vendors => ARRAY['a', 'b']) \g /dev/null
SELECT vr_respond(vr_routing_id('answered-before'), 'a', 'ACCEPT', payload => '{"eta": 5}') \g /dev/null
SELECT is(pg_temp.accept('answered-before', 'a'), 'LOCKED', 'an accept with an earlier response wins as well');
SELECT is(payload, '{"eta": 5}', 'and the earlier response is as it was')
FROM vendor_routing.responses WHERE routing_id = vr_routing_id('answered-before') AND vendor_id = 'a';

-- "lose all cancellations when killed after the lock" -------------------------------

SELECT vr_broadcast('killed', 'r', vendors => ARRAY['a', 'b', 'c', 'd']) \g /dev/null
SELECT sum(current_orders) AS load FROM vendor_routing.vendors \gset before_
SAVEPOINT winner;
SELECT pg_temp.accept('killed', 'a') AS reason \gset
SELECT cancellations, events FROM pg_temp.rows_of('killed') \gset within_
SELECT sum(current_orders) AS load FROM vendor_routing.vendors \gset within_
ROLLBACK TO winner;
SELECT is(:'reason'::text, 'LOCKED', 'killed: it had won');
SELECT is(:within_cancellations, 3, 'killed: the cancellations were there together with the lock');
SELECT is(:within_load - :before_load, 1, 'killed: and so was the load');
SELECT results_eq(
	$$SELECT routings, responses, cancellations, events FROM pg_temp.rows_of('killed')$$,
	$$VALUES (1::bigint, 4::bigint, 0::bigint, 1::bigint)$$,
	'killed: of lock, cancellations and events none is left');
SELECT results_eq(
	$$SELECT status, locked_vendor_id, version FROM vendor_routing.routings WHERE order_id = 'killed'$$,
	$$VALUES ('PENDING', NULL::text, 1)$$,
	'killed: the order is open again');
SELECT is(sum(current_orders), :before_load::bigint, 'killed: the load is what it was') FROM vendor_routing.vendors;
SELECT is(pg_temp.accept('killed', 'b'), 'LOCKED', 'killed: another may win');
SELECT results_eq(
	$$SELECT vendor_id, reason FROM vendor_routing.cancellations
		WHERE routing_id = vr_routing_id('killed') ORDER BY vendor_id$$,
	$$VALUES ('a', 'ANOTHER_VENDOR_ACCEPTED'), ('c', 'ANOTHER_VENDOR_ACCEPTED'), ('d', 'ANOTHER_VENDOR_ACCEPTED')$$,
	'killed: and everybody else is told, who was killed too');
SELECT is(
	(SELECT count(DISTINCT x.xmin::text) FROM (
		SELECT xmin FROM vendor_routing.routings WHERE order_id = 'killed'
		UNION ALL SELECT xmin FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id('killed')
		UNION ALL SELECT xmin FROM vendor_routing.events
			WHERE routing_id = vr_routing_id('killed') AND event_type <> 'VENDOR_BROADCAST_INITIATED') AS x),
	1::bigint, 'the lock, the cancellations and the events are of one transaction');

-- "let a vendor that had REJECTED win; record ACCEPT after the lock" ----------------

SELECT vr_broadcast('rejected', 'r', vendors => ARRAY['a', 'b', 'c', 'd']) \g /dev/null
SELECT vr_respond(vr_routing_id('rejected'), 'a', 'REJECT', 'no driver') \g /dev/null
SELECT vr_respond(vr_routing_id('rejected'), 'd', 'ERROR') \g /dev/null
SELECT results_eq(
	format($$SELECT accepted, reason FROM vr_accept(vr_routing_id('rejected'), %L)$$, vendor),
	$$VALUES (false, 'ALREADY_REJECTED')$$,
	'ALREADY_REJECTED: ' || vendor)
FROM unnest(ARRAY['a', 'd']) AS vendor;
SELECT throws_ok(
	$$SELECT vr_respond(vr_routing_id('rejected'), 'a', 'ACCEPT')$$, 'VR004', NULL,
	'who had rejected cannot answer ACCEPT');
SELECT is(status, 'PENDING', 'who had rejected did not win')
FROM vendor_routing.routings WHERE order_id = 'rejected';
SELECT pg_temp.accept('rejected', 'b') \g /dev/null
SELECT throws_ok(
	format($$SELECT vr_respond(vr_routing_id('rejected'), 'c', %L)$$, answer), 'VR004', NULL,
	answer || ' after the lock: refused')
FROM unnest(ARRAY['ACCEPT', 'REJECT', 'ERROR']) AS answer;
SELECT results_eq(
	$$SELECT vendor_id, response, reason FROM vendor_routing.responses
		WHERE routing_id = vr_routing_id('rejected') ORDER BY vendor_id$$,
	$$VALUES ('a', 'REJECT', 'no driver'), ('b', 'ACCEPT', NULL), ('c', NULL, NULL), ('d', 'ERROR', NULL)$$,
	'the answers on record are those that came in time');
SELECT is(pg_temp.accept('rejected', 'a'), 'ALREADY_LOCKED', 'who had rejected is told that the order is taken');

-- "store the response type 'BANANA'" --------------------------------------------------

SELECT vr_broadcast('banana', 'r', vendors => ARRAY['a']) \g /dev/null
SELECT throws_ok(
	format($$SELECT vr_respond(vr_routing_id('banana'), 'a', %L)$$, answer), '22023', NULL,
	format('the response "%s": refused', answer))
FROM unnest(ARRAY['BANANA', 'REJECTED', 'ACCEPTED', 'accept', 'TIMEOUT', '', ' ACCEPT']) AS answer;
SELECT throws_ok(
	$$SELECT vr_respond(vr_routing_id('banana'), 'a', NULL)$$, '22004', NULL,
	'no response at all: refused');
SELECT results_eq(
	$$SELECT r.response, t.status, (pg_temp.rows_of('banana')).events
		FROM vendor_routing.responses AS r JOIN vendor_routing.routings AS t USING (routing_id)
		WHERE t.order_id = 'banana'$$,
	$$VALUES (NULL::text, 'PENDING', 1::bigint)$$,
	'BANANA: nothing was stored');

-- "cancel the real winner when told a wrong winner; cancel vendors of an order
-- nobody won" --------------------------------------------------------------------------

SELECT is(
	(SELECT array_agg(pg_get_function_identity_arguments(p.oid)) FROM pg_proc AS p
		WHERE p.proname = 'vr_send_cancellations'),
	ARRAY['routing_id uuid, OUT cancelled_count integer, OUT losers integer, OUT non_responders integer'],
	'there is no way to tell vr_send_cancellations a winner');
SELECT vr_broadcast('nobody-won', 'r', vendors => ARRAY['a', 'b']) \g /dev/null
SELECT throws_ok(
	$$SELECT vr_send_cancellations(vr_routing_id('nobody-won'))$$, 'VR004', NULL,
	'cancellations of an order nobody won: refused');
SELECT vr_respond(vr_routing_id('nobody-won'), vendor, 'REJECT')
FROM unnest(ARRAY['a', 'b']) AS vendor \g /dev/null
SELECT throws_ok(
	$$SELECT vr_send_cancellations(vr_routing_id('nobody-won'))$$, 'VR004', NULL,
	'cancellations of an order everybody declined: refused');
SELECT is(cancellations, 0::bigint, 'an order nobody won: nobody was cancelled')
FROM pg_temp.rows_of('nobody-won');
SELECT is_empty(
	$$SELECT c.routing_id, c.vendor_id FROM vendor_routing.cancellations AS c
		JOIN vendor_routing.routings AS t USING (routing_id, round)
		WHERE t.status IN ('PENDING', 'EXHAUSTED')
			OR t.status = 'LOCKED' AND t.locked_vendor_id = c.vendor_id$$,
	'in all of this file no winner and no vendor of an open order was cancelled');

-- "fail 3 of 4 concurrent cancel / timeout calls with raw unique violations" ------------

SELECT vr_broadcast('again', 'r', vendors => ARRAY['a', 'b', 'c']) \g /dev/null
SELECT vr_respond(vr_routing_id('again'), 'c', 'ACCEPT') \g /dev/null
SELECT pg_temp.accept('again', 'a') \g /dev/null
SELECT results_eq(
	$$SELECT cancelled_count, losers, non_responders FROM vr_send_cancellations(vr_routing_id('again'))$$,
	$$VALUES (2, 1, 1)$$,
	'send_cancellations, call ' || i)
FROM generate_series(1, 4) AS i;
SELECT is(cancellations, 2::bigint, 'send_cancellations: no duplicates') FROM pg_temp.rows_of('again');
SELECT results_eq(
	$$SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('again'), '0 s')$$,
	$$VALUES (0, 'a', 'LOCKED')$$,
	'timeout of an order that is taken, call ' || i)
FROM generate_series(1, 2) AS i;
SELECT results_eq(
	$$SELECT cancelled, cancelled_count FROM vr_cancel(vr_routing_id('again'), 'by mistake')$$,
	CASE i WHEN 1 THEN $$VALUES (true, 1)$$ ELSE $$VALUES (false, 0)$$ END,
	'cancel, call ' || i)
FROM generate_series(1, 4) AS i;
SELECT results_eq(
	$$SELECT vendor_id, reason FROM vendor_routing.cancellations
		WHERE routing_id = vr_routing_id('again') ORDER BY vendor_id$$,
	$$VALUES ('a', 'ORDER_CANCELLED'), ('b', 'ANOTHER_VENDOR_ACCEPTED'), ('c', 'ANOTHER_VENDOR_ACCEPTED')$$,
	'cancel: everybody is told once, the winner included');
SELECT is(count(*), 1::bigint, 'cancel: one event')
FROM vr_history('again') WHERE event_type = 'ORDER_CANCELLED';

SELECT vr_broadcast('late', 'r', vendors => ARRAY['a', 'b', 'c']) \g /dev/null
SELECT results_eq(
	$$SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('late'), '0 s')$$,
	CASE i WHEN 1 THEN $$VALUES (3, NULL::text, 'EXHAUSTED')$$ ELSE $$VALUES (0, NULL::text, 'EXHAUSTED')$$ END,
	'timeout, call ' || i)
FROM generate_series(1, 4) AS i;
SELECT results_eq(
	$$SELECT event_type, count(*) FROM vr_history('late') GROUP BY 1 ORDER BY 1$$,
	$$VALUES ('ORDER_EXHAUSTED', 1::bigint), ('VENDOR_BROADCAST_INITIATED', 1), ('VENDOR_TIMED_OUT', 3)$$,
	'timeout: no duplicates');

-- "time out everybody 0 s after routing with ttl 3600" -----------------------------------

SET LOCAL vendor_routing.order_ttl = '2 h';
SELECT vr_broadcast('hour', 'r', vendors => ARRAY['a', 'b'], ttl => '3600 s') \g /dev/null
SELECT results_eq(
	format($$SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('hour'), %L)$$, ttl),
	$$VALUES (0, NULL::text, 'PENDING')$$,
	'ttl 3600, timeout at once with ttl ' || coalesce(ttl, 'NULL') || ': nothing is due')
FROM (VALUES (NULL), ('3600 s'), ('365 days')) AS t (ttl);
SELECT vr_respond(vr_routing_id('hour'), 'a', 'ACCEPT') \g /dev/null
SELECT results_eq(
	$$SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('hour'), '3600 s')$$,
	$$VALUES (0, NULL::text, 'PENDING')$$,
	'ttl 3600, an ACCEPT on record: does not win before it is due');
SELECT results_eq(
	$$SELECT routings, responses, cancellations, events FROM pg_temp.rows_of('hour')$$,
	$$VALUES (1::bigint, 2::bigint, 0::bigint, 2::bigint)$$,
	'ttl 3600: nothing happened');
SELECT results_eq(
	$$SELECT DISTINCT expires_at - offered_at FROM vendor_routing.responses WHERE routing_id = vr_routing_id('hour')$$,
	ARRAY[interval '1 h'], 'ttl 3600: that is how long the offers are');
SELECT is(pg_temp.accept('hour', 'b'), 'LOCKED', 'ttl 3600: the order can be won');
RESET vendor_routing.order_ttl;

-- "accept an order that was cancelled" -----------------------------------------------------

SELECT vr_broadcast('cancelled', 'r', vendors => ARRAY['a', 'b']) \g /dev/null
SELECT vr_respond(vr_routing_id('cancelled'), 'b', 'ACCEPT') \g /dev/null
SELECT vr_cancel(vr_routing_id('cancelled')) \g /dev/null
SELECT results_eq(
	format($$SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('cancelled'), %L)$$, vendor),
	$$VALUES (false, 'CANCELLED', NULL::text)$$,
	'accept of a cancelled order by a vendor that had ' || what)
FROM (VALUES ('a', 'not answered'), ('b', 'accepted')) AS t (vendor, what);
SELECT results_eq(
	$$SELECT locked_vendor_id, status FROM vr_timeout(vr_routing_id('cancelled'), '0 s')$$,
	$$VALUES (NULL::text, 'CANCELLED')$$,
	'the ACCEPT on record does not win a cancelled order either');
SELECT is(created, false, 'a cancelled order that is routed again stays cancelled')
FROM vr_broadcast('cancelled', 'r');
SELECT is(pg_temp.accept('cancelled', 'a'), 'CANCELLED', 'and nobody can win it');

-- "re-open a locked order when the winner's vendor row is deleted" ---------------------------

SELECT vr_broadcast('deleted', 'r', vendors => ARRAY['c', 'd']) \g /dev/null
SELECT pg_temp.accept('deleted', 'c') \g /dev/null
SELECT throws_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'c'$$, '23503', NULL,
	'the winner''s vendor row cannot be deleted');
SELECT throws_ok(
	$$TRUNCATE vendor_routing.vendors$$, '23503', NULL,
	'nor all of them');
SELECT lives_ok(
	$$UPDATE vendor_routing.vendors SET is_active = false, is_verified = false WHERE vendor_id = 'c'$$,
	'the winner can be suspended');
SELECT results_eq(
	$$SELECT status, locked_vendor_id FROM vendor_routing.routings WHERE order_id = 'deleted'$$,
	$$VALUES ('LOCKED', 'c')$$,
	'and the order is still its own');
UPDATE vendor_routing.vendors SET is_active = true, is_verified = true WHERE vendor_id = 'c';
UPDATE vendor_routing.routings SET status = 'COMPLETED' WHERE locked_vendor_id = 'c' AND status = 'LOCKED';
SELECT vr_cancel(routing_id) FROM vendor_routing.responses JOIN vendor_routing.routings USING (routing_id, round)
WHERE vendor_id = 'c' AND status = 'PENDING' \g /dev/null
DELETE FROM vendor_routing.vendors WHERE vendor_id = 'c';
SELECT results_eq(
	$$SELECT status, locked_vendor_id FROM vendor_routing.routings WHERE order_id = 'deleted'$$,
	$$VALUES ('COMPLETED', 'c')$$,
	'history keeps the id of a winner that is deleted when it has finished');

-- "let a vendor of capacity 1 win 10 of 10 orders" --------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, capacity, products)
VALUES ('small', 'Capacity one', true, 1, '{ice}'), ('big', 'No limit', true, NULL, '{}');
SELECT vr_broadcast('ice-' || i, 'r', vendors => ARRAY['small', 'big']) FROM generate_series(0, 9) AS i \g /dev/null
SELECT results_eq(
	$$SELECT pg_temp.accept('ice-' || i, 'small') FROM generate_series(0, 9) AS i$$,
	$$SELECT CASE i WHEN 0 THEN 'LOCKED' ELSE 'AT_CAPACITY' END FROM generate_series(0, 9) AS i$$,
	'capacity 1: wins 1 of 10 orders and is AT_CAPACITY for 9');
SELECT results_eq(
	$$SELECT current_orders, (SELECT count(*) FROM vendor_routing.routings WHERE locked_vendor_id = 'small')
		FROM vendor_routing.vendors WHERE vendor_id = 'small'$$,
	$$VALUES (1, 1::bigint)$$,
	'capacity 1: has 1');
UPDATE vendor_routing.vendors SET is_active = (vendor_id = 'small');
SELECT throws_ok(
	$$SELECT vr_broadcast('ice-x', 'r', 'ice')$$, 'VR002', NULL,
	'capacity 1: is not invited any more');
UPDATE vendor_routing.vendors SET is_active = true;
SELECT is(pg_temp.accept('ice-1', 'big'), 'LOCKED', 'capacity 1: what it could not take is for another');
SELECT vr_cancel(vr_routing_id('ice-0')) \g /dev/null
SELECT is(pg_temp.accept('ice-2', 'small'), 'LOCKED', 'capacity 1: with its order withdrawn it may win another');
SELECT is(pg_temp.accept('ice-3', 'small'), 'AT_CAPACITY', 'capacity 1: and not two');
SELECT vr_respond(vr_routing_id('ice-4'), 'small', 'ACCEPT') \g /dev/null
SELECT results_eq(
	$$SELECT locked_vendor_id, status FROM vr_timeout(vr_routing_id('ice-4'), '0 s')$$,
	$$VALUES (NULL::text, 'EXHAUSTED')$$,
	'capacity 1: an ACCEPT on record does not get round it');

-- "not invite the best of 61 vendors (LIMIT before ORDER BY); ignore the product" -------------

UPDATE vendor_routing.vendors SET is_active = false;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'm' || i, 'Mediocre ' || i, true, '{rice,tea}', i FROM generate_series(1, 60) AS i;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
VALUES ('best', 'Best, and the last one made', true, '{rice}', 100),
	('other', 'Better still, and sells other things', true, '{fish}', 99);
SELECT is(
	(SELECT jsonb_path_query_array(invited, '$[*].vendor_id') FROM vr_broadcast('rice', 'r', 'rice')),
	'["best", "m60", "m59", "m58", "m57", "m56", "m55", "m54", "m53", "m52"]',
	'the ten best of the 61 that sell it, the last one made first among them');
SELECT is(pg_temp.invited('rice'), ARRAY['best', 'm60', 'm59', 'm58', 'm57', 'm56', 'm55', 'm54', 'm53', 'm52'],
	'and those are whom the offers are for');
SELECT vr_broadcast('tea', 'r', 'tea', max_vendors => 3) \g /dev/null
SELECT is(pg_temp.invited('tea'), ARRAY['m60', 'm59', 'm58'], 'the best of those who sell tea');
SELECT vr_broadcast('fish', 'r', 'fish') \g /dev/null
SELECT is(pg_temp.invited('fish'), ARRAY['other'], 'the only one who sells fish');
SELECT throws_ok(
	$$SELECT vr_broadcast('gold', 'r', 'gold')$$, 'VR002', NULL,
	'nobody sells gold');

-- "carry on when the audit insert failed" ------------------------------------------------------

SELECT vr_broadcast('audit', 'r', vendors => ARRAY['m1', 'm2', 'm3']) \g /dev/null
ALTER TABLE vendor_routing.events ADD CONSTRAINT no_audit CHECK (false) NOT VALID;
SELECT throws_ok(statement, '23514', NULL, what || ' is rolled back when its event cannot be written')
FROM (VALUES
	($$SELECT vr_accept(vr_routing_id('audit'), 'm1')$$, 'an accept'),
	($$SELECT vr_respond(vr_routing_id('audit'), 'm1', 'REJECT')$$, 'a response'),
	($$SELECT vr_cancel(vr_routing_id('audit'))$$, 'a cancel'),
	($$SELECT vr_timeout(vr_routing_id('audit'), '0 s')$$, 'a timeout'),
	($$SELECT vr_broadcast('audit2', 'r')$$, 'a broadcast')) AS t (statement, what);
ALTER TABLE vendor_routing.events DROP CONSTRAINT no_audit;
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the disk of the auditors is full' USING ERRCODE = '53100';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON vendor_routing.events FOR EACH ROW
	WHEN (new.event_type = 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT')
	EXECUTE FUNCTION pg_temp.refuse();
SELECT throws_ok(
	$$SELECT vr_accept(vr_routing_id('audit'), 'm1')$$, '53100', NULL,
	'an accept is rolled back when its last event cannot be written');
DROP TRIGGER refuse ON vendor_routing.events;
CREATE FUNCTION pg_temp.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON vendor_routing.events FOR EACH ROW
	WHEN (new.event_type = 'VENDOR_ACCEPTED') EXECUTE FUNCTION pg_temp.swallow();
SELECT throws_ok(
	$$SELECT vr_accept(vr_routing_id('audit'), 'm1')$$, '09000', NULL,
	'an accept is rolled back when a trigger swallows its event');
DROP TRIGGER swallow ON vendor_routing.events;
SELECT results_eq(
	$$SELECT t.status, t.locked_vendor_id, t.version, r.responses, r.cancellations, r.events,
			(SELECT count(*) FROM vendor_routing.responses AS a WHERE a.routing_id = t.routing_id AND a.response IS NOT NULL),
			(SELECT sum(v.current_orders) FROM vendor_routing.vendors AS v WHERE v.vendor_id LIKE 'm%')
		FROM vendor_routing.routings AS t, pg_temp.rows_of('audit') AS r WHERE t.order_id = 'audit'$$,
	$$VALUES ('PENDING', NULL::text, 1, 3::bigint, 0::bigint, 1::bigint, 0::bigint, 0::bigint)$$,
	'and nothing of any of them remains');
SELECT is(routings, 0::bigint, 'nor of the broadcast') FROM pg_temp.rows_of('audit2');
SELECT is(pg_temp.accept('audit', 'm1'), 'LOCKED', 'when it can be written again, so can the order be won');

-- "claim SERIALIZABLE and run READ COMMITTED; at REPEATABLE READ losers get 40001" ---------------

SELECT vr_broadcast('losers', 'r', vendors => ARRAY['m1', 'm2', 'm3', 'm4']) \g /dev/null
SELECT vr_respond(vr_routing_id('losers'), 'm2', 'ACCEPT') \g /dev/null
SELECT is(current_setting('transaction_isolation'), 'serializable', 'what is SERIALIZABLE is SERIALIZABLE');
SELECT is(pg_temp.accept('losers', 'm1'), 'LOCKED', 'a winner');
SELECT results_eq(
	format($$SELECT a.accepted, a.reason, a.locked_vendor_id, a.locked_at = t.locked_at, a.order_id, a.version
		FROM vr_accept(vr_routing_id('losers'), %L) AS a JOIN vendor_routing.routings AS t
			ON t.routing_id = vr_routing_id('losers')$$, vendor),
	$$VALUES (false, 'ALREADY_LOCKED', 'm1', true, 'losers', 2)$$,
	'a loser that ' || what || ' gets a normal answer, and the winner''s name')
FROM (VALUES
	('m2', 'had accepted'), ('m3', 'had said nothing'), ('m3', 'asks again'), ('m4', 'had said nothing')
) AS t (vendor, what);
SELECT is(pg_temp.accept('losers', 'm1'), 'ALREADY_ACCEPTED', 'the winner that asks again is told so');
SELECT results_eq(
	$$SELECT vendor_id, response FROM vendor_routing.responses
		WHERE routing_id = vr_routing_id('losers') ORDER BY vendor_id$$,
	$$VALUES ('m1', 'ACCEPT'), ('m2', 'ACCEPT'), ('m3', 'ACCEPT'), ('m4', 'ACCEPT')$$,
	'nothing a vendor said is lost');

-- "count 'REJECT' where it had stored 'REJECTED'" ---------------------------------------------------

SELECT vr_broadcast('words', 'r', vendors => ARRAY['m1', 'm2', 'm3', 'm4', 'm5', 'm6']) \g /dev/null
SELECT vr_respond(vr_routing_id('words'), vendor, word)
FROM (VALUES ('m1', 'ACCEPT'), ('m2', 'REJECT'), ('m3', 'REJECT'), ('m4', 'ERROR')) AS t (vendor, word) \g /dev/null
UPDATE vendor_routing.responses SET offered_at = now() - interval '1 h', expires_at = now() + interval '1 h'
WHERE routing_id = vr_routing_id('words') AND vendor_id = 'm5';
SELECT vr_timeout(vr_routing_id('words'), '30 min') \g /dev/null
CREATE FUNCTION pg_temp.counts(id text,
	OUT total int, OUT accepted int, OUT rejected int, OUT timeout int, OUT error int,
	OUT pending int, OUT cancelled int) LANGUAGE sql AS $$
	SELECT s.total_vendors, s.accepted_count, s.rejected_count, s.timeout_count,
		s.error_count, s.pending_count, s.cancelled_count
	FROM jsonb_to_record(vr_status(vr_routing_id(id))) AS s (
		total_vendors int, accepted_count int, rejected_count int, timeout_count int,
		error_count int, pending_count int, cancelled_count int)
$$;
SELECT results_eq(
	$$SELECT total, accepted, rejected, timeout, error, pending, cancelled FROM pg_temp.counts('words')$$,
	$$VALUES (6, 1, 2, 1, 1, 1, 0)$$,
	'vr_status() counts what is stored');
SELECT results_eq(
	$$SELECT r->>'vendor_id', r->>'response'
		FROM jsonb_path_query(vr_status(vr_routing_id('words')), '$.responses[*]') AS r$$,
	$$SELECT vendor_id, response FROM vendor_routing.responses
		WHERE routing_id = vr_routing_id('words') ORDER BY rank$$,
	'vr_status() says the words that are stored');
SELECT results_eq(
	$$SELECT (s.*)::text FROM pg_temp.counts('words') AS s$$,
	$$SELECT ROW(total_vendors, accepted_count, rejected_count, timeout_count,
			error_count, pending_count, cancelled_count)::text
		FROM vr_routing_status WHERE order_id = 'words'$$,
	'the view counts the same');
SELECT set_eq(
	$$SELECT payload->>'answer' FROM vr_history('words') WHERE event_type = 'VENDOR_RESPONSE_RECORDED'$$,
	ARRAY['ACCEPT', 'REJECT', 'ERROR'],
	'the events say the words that are stored');
SELECT pg_temp.accept('words', 'm6') \g /dev/null
SELECT results_eq(
	$$SELECT total, accepted, rejected, timeout, error, pending, cancelled FROM pg_temp.counts('words')$$,
	$$VALUES (6, 2, 2, 1, 1, 0, 5)$$,
	'vr_status() counts what is stored, when the order is taken too');
SELECT results_eq(
	$$SELECT vr_status(vr_routing_id('words'))->>'status', vr_status(vr_routing_id('words'))->>'order_status'$$,
	$$VALUES ('LOCKED', 'VENDOR_ACCEPTED')$$,
	'and the states have their own words');

-- "fail at 1000 orders routed at once" ----------------------------------------------------------------

SELECT is(
	(SELECT count(*) FROM generate_series(1, 1000) AS i,
		vr_broadcast('many-' || i, 'r', 'rice', max_vendors => 3) AS b WHERE b.created AND b.vendor_count = 3),
	1000::bigint, '1000 orders routed in one statement');
SELECT is(
	(SELECT count(*) FROM generate_series(1, 1000) AS i,
		LATERAL (SELECT invited[1 + i % 3] AS vendor FROM pg_temp.invited('many-' || i) AS invited) AS v
		WHERE pg_temp.accept('many-' || i, v.vendor) = 'LOCKED'),
	1000::bigint, '1000 orders won in one statement');
SELECT results_eq(
	$$SELECT (SELECT count(*) FROM vendor_routing.routings WHERE order_id LIKE 'many-%' AND status = 'LOCKED'),
		(SELECT count(*) FROM vr_cancellations WHERE order_id LIKE 'many-%')$$,
	$$VALUES (1000::bigint, 2000::bigint)$$,
	'1000 winners and 2000 who are told');

SELECT * FROM finish();
ROLLBACK;
