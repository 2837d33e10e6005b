-- Bad input of every kind: a clear error with its SQLSTATE, and nothing changed.
CREATE TABLE before_errors AS
SELECT (SELECT count(*) FROM vendor_routing.routings) AS routings,
	(SELECT count(*) FROM vendor_routing.responses) AS responses,
	(SELECT count(*) FROM vendor_routing.cancellations) AS cancellations,
	(SELECT count(*) FROM vendor_routing.events) AS events;

-- The SQLSTATE and the message of a statement that fails.
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
SELECT vendor_count FROM vr_broadcast('e-1', 'retailer', vendors => ARRAY['v01', 'v02']);
UPDATE before_errors SET routings = routings + 1, responses = responses + 2, events = events + 1;

SELECT s AS statement, failure(s) FROM unnest(ARRAY[
	$$SELECT vr_broadcast(NULL, 'r')$$,
	$$SELECT vr_broadcast('', 'r')$$,
	$$SELECT vr_broadcast(repeat('x', 256), 'r')$$,
	$$SELECT vr_broadcast('e', NULL)$$,
	$$SELECT vr_broadcast('e', '')$$,
	$$SELECT vr_broadcast('e', repeat('x', 256))$$,
	$$SELECT vr_broadcast('e', 'r', '')$$,
	$$SELECT vr_broadcast('e', 'r', amount => -1)$$,
	$$SELECT vr_broadcast('e', 'r', amount => 'NaN')$$,
	$$SELECT vr_broadcast('e', 'r', amount => 'Infinity')$$,
	$$SELECT vr_broadcast('e', 'r', latitude => 1)$$,
	$$SELECT vr_broadcast('e', 'r', longitude => 1)$$,
	$$SELECT vr_broadcast('e', 'r', latitude => 'NaN', longitude => 1)$$,
	$$SELECT vr_broadcast('e', 'r', latitude => 1, longitude => 'NaN')$$,
	$$SELECT vr_broadcast('e', 'r', latitude => 91, longitude => 1)$$,
	$$SELECT vr_broadcast('e', 'r', latitude => 1, longitude => -181)$$,
	$$SELECT vr_broadcast('e', 'r', payload => '{"a":')$$,
	$$SELECT vr_broadcast('e', 'r', payload => '[1]')$$,
	$$SELECT vr_broadcast('e', 'r', payload => '"text"')$$,
	$$SELECT vr_broadcast('e', 'r', payload => 'null')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{{v01,v02}}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v01,v02,v01}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v01,NULL}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v01,""}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v01,stranger}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v01,v11}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => '{v12}')$$,
	$$SELECT vr_broadcast('e', 'r', vendors => array_fill('x'::text, ARRAY[1001]))$$,
	$$SELECT vr_broadcast('e', 'r', vendors => ARRAY[repeat('x', 256)])$$,
	$$SELECT vr_broadcast('e', 'r', max_vendors => 0)$$,
	$$SELECT vr_broadcast('e', 'r', max_vendors => -1)$$,
	$$SELECT vr_broadcast('e', 'r', max_vendors => 1001)$$,
	$$SELECT vr_broadcast('e', 'r', ttl => '-1 second')$$,
	$$SELECT vr_broadcast('e', 'r', ttl => '0')$$,
	$$SELECT vr_broadcast('e', 'r', ttl => '10000 years')$$,
	$$SELECT vr_broadcast('e', 'r', ttl => '1 month -40 days')$$,
	$$SELECT vr_broadcast('e', 'r', ttl => '1 month -30 days')$$,
	$$SELECT vr_broadcast('e', 'r', confirm_within => '1 day -1 hour')$$,
	$$SELECT vr_broadcast('e', 'r', waves => '[{"wait": "1 day -1 hour"}]')$$,
	$$SELECT vr_accept(NULL, 'v01')$$,
	$$SELECT vr_accept('not a uuid', 'v01')$$,
	$$SELECT vr_accept('00000000-0000-0000-0000-000000000000', 'v01')$$,
	$$SELECT vr_accept(vr_routing_id('e-1'), NULL)$$,
	$$SELECT vr_accept(vr_routing_id('e-1'), '')$$,
	$$SELECT vr_accept(vr_routing_id('e-1'), repeat('x', 256))$$,
	$$SELECT vr_accept(vr_routing_id('e-1'), repeat('x', 10000000))$$,
	$$SELECT vr_accept(vr_routing_id('e-1'), 'v01', '[]')$$,
	$$SELECT vr_respond(NULL, 'v01', 'ACCEPT')$$,
	$$SELECT vr_respond('00000000-0000-0000-0000-000000000000', 'v01', 'ACCEPT')$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), NULL, 'ACCEPT')$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v01', NULL)$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v01', '')$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v01', 'BANANA')$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v03', 'ACCEPT')$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v01', 'ACCEPT', repeat('x', 2001))$$,
	$$SELECT vr_respond(vr_routing_id('e-1'), 'v01', 'ACCEPT', NULL, '1')$$,
	$$SELECT vr_cancel(NULL)$$,
	$$SELECT vr_cancel('00000000-0000-0000-0000-000000000000')$$,
	$$SELECT vr_cancel(vr_routing_id('e-1'), repeat('x', 2001))$$,
	$$SELECT vr_send_cancellations(NULL)$$,
	$$SELECT vr_send_cancellations('00000000-0000-0000-0000-000000000000')$$,
	$$SELECT vr_send_cancellations(vr_routing_id('e-1'))$$,
	$$SELECT vr_timeout(NULL)$$,
	$$SELECT vr_timeout('00000000-0000-0000-0000-000000000000')$$,
	$$SELECT vr_timeout(vr_routing_id('e-1'), '-1 second')$$,
	$$SELECT vr_timeout(vr_routing_id('e-1'), '10000 years')$$,
	$$SELECT vr_status(NULL)$$,
	$$SELECT vr_status('00000000-0000-0000-0000-000000000000')$$,
	$$SELECT vr_history(NULL)$$,
	$$SELECT vr_history('')$$]) AS s;

-- Where nothing may be written, nothing is.
BEGIN READ ONLY;
SELECT vr_status(vr_routing_id('e-1')) ->> 'status' AS status;
SELECT count(*) FROM vr_history('e-1');
SAVEPOINT s;
SELECT vr_broadcast('e', 'r');
ROLLBACK TO s;
SELECT vr_accept(vr_routing_id('e-1'), 'v01');
ROLLBACK TO s;
SELECT vr_respond(vr_routing_id('e-1'), 'v01', 'ACCEPT');
ROLLBACK TO s;
SELECT vr_cancel(vr_routing_id('e-1'));
ROLLBACK TO s;
SELECT vr_send_cancellations(vr_routing_id('e-1'));
ROLLBACK TO s;
SELECT vr_timeout(vr_routing_id('e-1'));
ROLLBACK;

-- The guards cannot be called by hand.
SELECT vendor_routing.guard_routings();

-- An id is data, whatever it looks like.
SELECT vr_accept(vr_routing_id('e-1'), $$v01'; DROP TABLE vendor_routing.routings; --$$);
SELECT created FROM vr_broadcast($$o'"%s%n\; DROP$$, $$r'"$$, vendors => ARRAY['v01']);
UPDATE before_errors SET routings = routings + 1, responses = responses + 1, events = events + 1;

SELECT (SELECT count(*) FROM vendor_routing.routings) - routings AS routings,
	(SELECT count(*) FROM vendor_routing.responses) - responses AS responses,
	(SELECT count(*) FROM vendor_routing.cancellations) - cancellations AS cancellations,
	(SELECT count(*) FROM vendor_routing.events) - events AS events
FROM before_errors;
DROP TABLE before_errors;
DROP FUNCTION failure;
