-- The guards: what plain SQL may not do to a routing, to what is on record, and
-- to a vendor that is in use.
--
-- Would catch: a transition the state machine does not have, made from psql or
-- by a bug in our own C; a winner changed by UPDATE, upsert or MERGE; an order
-- offered again in the same round; an audit trail that can be edited; a guard
-- that session_replication_role = replica (restore, logical replication, a
-- clumsy DBA) switches off; a winner whose vendor row is deleted; a history
-- that forgets an id when a vendor goes.

BEGIN;
SELECT plan(129);

CREATE FUNCTION pg_temp.refused(statement text, description text)
RETURNS text LANGUAGE sql AS $$
	SELECT throws_ok(statement, 'VR004', NULL, description)
$$;

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT id, 'Vendor ' || id, true
FROM unnest(ARRAY['a', 'b', 'c', 'd', 'unused', 'unused2']) AS id;

-- The 6x6 matrix ---------------------------------------------------------------

-- transitions[] in src/routing.c, and doc/vendor_routing.md: from, and what may
-- follow.  To stay in a state is no transition.
CREATE TEMP TABLE machine (position int, status text, may_become text[]);
INSERT INTO machine VALUES
	(1, 'PENDING', ARRAY['LOCKED', 'EXHAUSTED', 'EXPIRED', 'CANCELLED']),
	(2, 'LOCKED', ARRAY['PENDING', 'COMPLETED', 'CANCELLED']),
	(3, 'EXHAUSTED', ARRAY['PENDING', 'LOCKED', 'EXPIRED', 'CANCELLED']),
	(4, 'EXPIRED', ARRAY['PENDING', 'CANCELLED']),
	(5, 'CANCELLED', ARRAY[]::text[]),
	(6, 'COMPLETED', ARRAY[]::text[]);

-- Makes a routing in any state (a restore does: INSERT is not guarded).
CREATE FUNCTION pg_temp.make(id text, state text)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO vendor_routing.routings
		(routing_id, order_id, retailer_id, status, locked_vendor_id, locked_at,
		 next_deadline, expires_at, created_at, updated_at)
	SELECT vr_routing_id(id), id, 'r', state, w.vendor_id, w.since,
		CASE WHEN state IN ('PENDING', 'LOCKED', 'EXHAUSTED') THEN now() + interval '1 min' END,
		now() + interval '15 min', now(), now()
	FROM (SELECT) AS one
	LEFT JOIN (VALUES ('a', now())) AS w (vendor_id, since)
		ON state IN ('LOCKED', 'COMPLETED')
$$;

-- Updates it into another with all that has to go with it, so that only the
-- transition itself can be what is wrong.  Returns the SQLSTATE.
CREATE FUNCTION pg_temp.transition(id text, new_status text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE vendor_routing.routings SET
		status = new_status,
		round = round + (new_status = 'PENDING' AND status <> 'PENDING')::int,
		locked_vendor_id = CASE
			WHEN new_status IN ('LOCKED', 'COMPLETED') THEN coalesce(locked_vendor_id, 'a')
			WHEN new_status = 'CANCELLED' THEN locked_vendor_id
		END,
		locked_at = CASE
			WHEN new_status IN ('LOCKED', 'COMPLETED') THEN coalesce(locked_at, now())
			WHEN new_status = 'CANCELLED' THEN locked_at
		END,
		next_deadline = now() + interval '1 min',
		version = version + 1
	WHERE order_id = id;
	RETURN '00000';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

SELECT pg_temp.make(f.status || '>' || t.status, f.status)
FROM machine AS f, machine AS t \g /dev/null

SELECT is(
	pg_temp.transition(f.status || '>' || t.status, t.status),
	CASE WHEN f.status = t.status OR t.status = ANY (f.may_become) THEN '00000' ELSE 'VR004' END,
	format('%s to %s: %s', f.status, t.status,
		CASE WHEN f.status = t.status THEN 'stays'
			WHEN t.status = ANY (f.may_become) THEN 'allowed'
			ELSE 'refused' END))
FROM machine AS f, machine AS t
ORDER BY f.position, t.position;

SELECT set_eq(
	$$SELECT r.order_id, r.status FROM vendor_routing.routings AS r$$,
	$$SELECT f.status || '>' || t.status,
			CASE WHEN t.status = ANY (f.may_become) THEN t.status ELSE f.status END
		FROM machine AS f, machine AS t$$,
	'each is in the state it should be in now');

-- A winner stays -----------------------------------------------------------------

SELECT pg_temp.make(state || '!', state) FROM machine AS m (position, state) \g /dev/null

SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET locked_vendor_id = ''b'' WHERE order_id = ''%s!''', state),
	state || ': another winner')
FROM unnest(ARRAY['LOCKED', 'COMPLETED']) AS state;
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET locked_vendor_id = 'b', version = version + 1, locked_at = now(),
		updated_at = now() WHERE order_id = 'LOCKED!'$$,
	'LOCKED: another winner, with everything that goes with winning');
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET locked_vendor_id = NULL, locked_at = NULL WHERE order_id = 'LOCKED!'$$,
	'LOCKED: no winner');
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET locked_at = locked_at - interval '1 s' WHERE order_id = 'LOCKED!'$$,
	'LOCKED: won at another time');
SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET status = %L, locked_vendor_id = ''b'' WHERE order_id = ''LOCKED!''', state),
	'LOCKED to ' || state || ' with another winner')
FROM unnest(ARRAY['COMPLETED', 'CANCELLED']) AS state;
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET status = 'CANCELLED', locked_vendor_id = NULL, locked_at = NULL
		WHERE order_id = 'LOCKED!'$$,
	'LOCKED to CANCELLED without saying who had it');
SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET status = ''CANCELLED'', locked_vendor_id = ''b'', locked_at = now() WHERE order_id = ''%s!''', state),
	state || ' to CANCELLED with a winner it never had')
FROM unnest(ARRAY['PENDING', 'EXHAUSTED', 'EXPIRED']) AS state;
SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET locked_vendor_id = ''b'', locked_at = now() WHERE order_id = ''%s!''', state),
	state || ': a winner, the state left as it is')
FROM unnest(ARRAY['PENDING', 'EXHAUSTED', 'EXPIRED', 'CANCELLED']) AS state;
SELECT throws_ok(
	format('UPDATE vendor_routing.routings SET status = ''LOCKED'' WHERE order_id = ''%s!''', state),
	'23514', NULL, state || ' to LOCKED without a winner')
FROM unnest(ARRAY['PENDING', 'EXHAUSTED']) AS state;
SELECT pg_temp.refused($$
	INSERT INTO vendor_routing.routings
		(routing_id, order_id, retailer_id, status, locked_vendor_id, locked_at, expires_at, created_at, updated_at)
	VALUES (vr_routing_id('LOCKED!'), 'LOCKED!', 'r', 'LOCKED', 'b', now(), now(), now(), now())
	ON CONFLICT (routing_id) DO UPDATE SET locked_vendor_id = excluded.locked_vendor_id$$,
	'another winner by upsert');
SELECT pg_temp.refused($$
	MERGE INTO vendor_routing.routings AS r
	USING (VALUES ('LOCKED!')) AS s (order_id) ON r.order_id = s.order_id
	WHEN MATCHED THEN UPDATE SET locked_vendor_id = 'b'$$,
	'another winner by MERGE');
SELECT results_eq(
	$$SELECT locked_vendor_id FROM vendor_routing.routings WHERE order_id IN ('LOCKED!', 'COMPLETED!')$$,
	ARRAY['a', 'a'], 'the winner is who it was');

-- A round ends and another begins: not otherwise ------------------------------------

SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET status = ''PENDING'', locked_vendor_id = NULL, locked_at = NULL,
		next_deadline = expires_at WHERE order_id = ''%s!''', state),
	state || ' to PENDING in the same round')
FROM unnest(ARRAY['LOCKED', 'EXHAUSTED', 'EXPIRED']) AS state;
SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET status = ''PENDING'', locked_vendor_id = NULL, locked_at = NULL,
		next_deadline = expires_at, round = round + 2 WHERE order_id = ''%s!''', state),
	state || ' to PENDING two rounds on')
FROM unnest(ARRAY['LOCKED', 'EXHAUSTED', 'EXPIRED']) AS state;
SELECT throws_ok(
	$$UPDATE vendor_routing.routings SET status = 'PENDING', round = round + 1, next_deadline = expires_at
		WHERE order_id = 'LOCKED!'$$,
	'23514', NULL, 'LOCKED to PENDING in a new round, keeping the winner');
SELECT pg_temp.refused(
	format('UPDATE vendor_routing.routings SET round = round + 1 WHERE order_id = ''%s!''', status),
	status || ': a new round, the state left as it is')
FROM machine ORDER BY position;
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET status = 'LOCKED', locked_vendor_id = 'b', locked_at = now(), round = round + 1
		WHERE order_id = 'PENDING!'$$,
	'PENDING to LOCKED in another round');

-- Who it is, and how often it changed --------------------------------------------

SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET order_id = 'x' WHERE order_id = 'PENDING!'$$,
	'another order_id');
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET routing_id = vr_routing_id('x') WHERE order_id = 'PENDING!'$$,
	'another routing_id');
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET order_id = 'x', routing_id = vr_routing_id('x') WHERE order_id = 'PENDING!'$$,
	'another order_id and the routing_id that goes with it');
SELECT pg_temp.transition('PENDING!', 'PENDING') \g /dev/null
SELECT is(version, 2, 'version is 2 now')
FROM vendor_routing.routings WHERE order_id = 'PENDING!';
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET version = 1 WHERE order_id = 'PENDING!'$$,
	'version counted down');
SELECT lives_ok(
	$$UPDATE vendor_routing.routings SET version = version, payload = '{"a": 1}', wave = wave + 1, next_deadline = expires_at
		WHERE order_id = 'PENDING!'$$,
	'what the state machine does not speak of may change');

-- Nothing is removed, the events are not changed ------------------------------------

INSERT INTO vendor_routing.responses
	(routing_id, round, vendor_id, score, rank, offered_at, expires_at)
VALUES (vr_routing_id('LOCKED!'), 1, 'a', 0, 1, now(), now() + interval '1 min');
INSERT INTO vendor_routing.cancellations (routing_id, round, vendor_id, reason, created_at)
VALUES (vr_routing_id('LOCKED!'), 1, 'b', 'ANOTHER_VENDOR_ACCEPTED', now());
INSERT INTO vendor_routing.events (routing_id, event_id, order_id, event_type, occurred_at)
VALUES (vr_routing_id('LOCKED!'), '019a0000-0000-7000-8000-000000000000', 'LOCKED!', 'VENDOR_ACCEPTED', now());

INSERT INTO vendor_routing.vendor_events (vendor_id, event_id, event_type, occurred_at)
VALUES ('a', '019a0000-0000-7000-8000-000000000000', 'VENDOR_PAUSED', now());

CREATE TEMP TABLE kept (statement text, description text);
INSERT INTO kept VALUES
	('DELETE FROM vendor_routing.routings', 'DELETE routings'),
	('DELETE FROM vendor_routing.responses', 'DELETE responses'),
	('DELETE FROM vendor_routing.cancellations', 'DELETE cancellations'),
	('DELETE FROM vendor_routing.events', 'DELETE events'),
	('UPDATE vendor_routing.events SET event_type = ''ORDER_EXPIRED''', 'UPDATE events'),
	('UPDATE vendor_routing.events SET payload = payload', 'UPDATE events to what they are'),
	('DELETE FROM vendor_routing.vendor_events', 'DELETE vendor_events'),
	('UPDATE vendor_routing.vendor_events SET payload = NULL', 'UPDATE vendor_events'),
	('TRUNCATE vendor_routing.vendor_events', 'TRUNCATE vendor_events'),
	('TRUNCATE vendor_routing.routings', 'TRUNCATE routings'),
	('TRUNCATE vendor_routing.responses', 'TRUNCATE responses'),
	('TRUNCATE vendor_routing.cancellations', 'TRUNCATE cancellations'),
	('TRUNCATE vendor_routing.events', 'TRUNCATE events'),
	('DELETE FROM ONLY vendor_routing.events WHERE order_id = ''LOCKED!''', 'DELETE one event');

SELECT throws_ok(statement, '55000', NULL, description || ': refused')
FROM kept;

-- As a restore or an apply worker has it.
SET LOCAL session_replication_role = replica;
SELECT throws_ok(statement, '55000', NULL, description || ': refused to a replica too')
FROM kept;
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET locked_vendor_id = 'b' WHERE order_id = 'LOCKED!'$$,
	'another winner: refused to a replica too');
SELECT pg_temp.refused(
	$$UPDATE vendor_routing.routings SET status = 'PENDING' WHERE order_id = 'COMPLETED!'$$,
	'an order completed and open again: refused to a replica too');
SELECT throws_ok(
	$$TRUNCATE vendor_routing.vendors$$, '23503', NULL,
	'TRUNCATE vendors while orders are open: refused to a replica too');
SELECT throws_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'a'$$, '23503', NULL,
	'DELETE of a vendor that has an order: refused to a replica too');
SET LOCAL session_replication_role = origin;

SELECT results_eq(
	$$SELECT (SELECT count(*) FROM vendor_routing.routings),
		(SELECT count(*) FROM vendor_routing.responses),
		(SELECT count(*) FROM vendor_routing.cancellations),
		(SELECT count(*) FROM vendor_routing.events WHERE event_type = 'VENDOR_ACCEPTED')$$,
	$$VALUES (42::bigint, 1::bigint, 1::bigint, 1::bigint)$$,
	'everything is still there');

-- Vendors in use -----------------------------------------------------------------

-- a is invited, b has an order, c had lost one, d declined one.
SELECT vr_broadcast('open', 'r', vendors => ARRAY['a', 'd']) \g /dev/null
SELECT vr_respond(vr_routing_id('open'), 'd', 'REJECT') \g /dev/null
SELECT vr_broadcast('taken', 'r', vendors => ARRAY['b', 'c']) \g /dev/null
SELECT vr_accept(vr_routing_id('taken'), 'b') \g /dev/null

SELECT throws_ok(
	format('DELETE FROM vendor_routing.vendors WHERE vendor_id = %L', id),
	'23503', NULL, 'DELETE of a vendor that ' || what || ': refused')
FROM (VALUES ('a', 'is invited'), ('b', 'has an order'), ('d', 'declined an order that is still open')) AS t (id, what);
SELECT throws_ok(
	format('UPDATE vendor_routing.vendors SET vendor_id = ''z'' WHERE vendor_id = %L', id),
	'23503', NULL, 'another id for a vendor that ' || what || ': refused')
FROM (VALUES ('a', 'is invited'), ('b', 'has an order')) AS t (id, what);
SELECT throws_ok(
	$$TRUNCATE vendor_routing.vendors$$, '23503', NULL,
	'TRUNCATE vendors while orders are open: refused');
SELECT throws_ok(
	$$TRUNCATE vendor_routing.vendors, vendor_routing.events$$, '23503', NULL,
	'TRUNCATE of vendors together with others: refused');
SELECT lives_ok(
	$$UPDATE vendor_routing.vendors SET vendor_id = vendor_id, name = 'New name', is_active = is_active WHERE vendor_id = 'b'$$,
	'a vendor in use may change in everything else');
SELECT lives_ok(
	$$UPDATE vendor_routing.vendors SET vendor_id = 'renamed' WHERE vendor_id = 'unused'$$,
	'a vendor not in use may change its id');
SELECT lives_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id IN ('renamed', 'unused2')$$,
	'a vendor not in use may be deleted');

-- The history keeps the ids --------------------------------------------------------

SELECT lives_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'c'$$,
	'a vendor that lost may be deleted');
SELECT is(
	jsonb_path_query_array(vr_status(vr_routing_id('taken')), '$.responses[*].vendor_id'),
	'["b", "c"]', 'vr_status() still has its id');
SELECT is(
	jsonb_path_query(vr_status(vr_routing_id('taken')), '$.responses[*] ? (@.vendor_id == "c")')
		- '{offered_at,expires_at,score}'::text[],
	'{"vendor_id": "c", "vendor_name": null, "rank": 2, "wave": 1, "response": null,
	  "reason": null, "decline_code": null, "responded_at": null, "cancelled": true,
	  "cancellation_reason": "ANOTHER_VENDOR_ACCEPTED"}',
	'its offer and its cancellation are there, its name is not');
SELECT results_eq(
	$$SELECT vendor_id, vendor_name FROM vr_cancellations WHERE order_id = 'taken'$$,
	$$VALUES ('c', NULL::text)$$,
	'the view vr_cancellations still has its id');

SELECT vr_cancel(vr_routing_id('taken')) \g /dev/null
SELECT lives_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'b'$$,
	'a vendor that had an order which was cancelled may be deleted');
SELECT results_eq(
	$$SELECT event_type, vendor_id FROM vr_history('taken')$$,
	$$VALUES
		('VENDOR_BROADCAST_INITIATED', NULL),
		('VENDOR_ACCEPTED', 'b'),
		('ORDER_LOCKED_AUTO_CANCELLATIONS_SENT', 'b'),
		('ORDER_CANCELLED', 'b')$$,
	'vr_history() still says who had it');
SELECT results_eq(
	$$SELECT locked_vendor_id, locked_vendor_name FROM vr_routing_status WHERE order_id = 'taken'$$,
	$$VALUES ('b', NULL::text)$$,
	'the view vr_routing_status still says who had it');

SELECT vr_broadcast('done', 'r', vendors => ARRAY['d']) \g /dev/null
SELECT vr_accept(vr_routing_id('done'), 'd') \g /dev/null
SELECT vr_cancel(vr_routing_id('open')) \g /dev/null
SELECT throws_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'd'$$, '23503', NULL,
	'a vendor with an order to finish may not be deleted');
UPDATE vendor_routing.routings SET status = 'COMPLETED' WHERE order_id = 'done';
SELECT lives_ok(
	$$DELETE FROM vendor_routing.vendors WHERE vendor_id = 'd'$$,
	'a vendor whose orders are finished may be deleted');

SELECT * FROM finish();
ROLLBACK;
