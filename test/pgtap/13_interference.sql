-- What others do to our tables: a DBA's triggers and columns, guards that were switched
-- off, rows that are on another node of a sharded cluster.
--
-- Would catch: half of a verb where a trigger suppresses the rest; memory overrun by a
-- table with many columns; a row that is shown to who may not read it; a row that is not valid, and is taken for one; an order that
-- nobody can win because its row is not where a scan of this node looks.

BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(96);

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
VALUES ('a', 'A', true, 90), ('b', 'B', true, 80), ('c', 'C', true, 70);

-- Triggers that suppress ------------------------------------------------------------------

-- Would catch: a verb that says it has done what a trigger has undone.
CREATE FUNCTION pg_temp.suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT vr_broadcast('s', 'r') \g /dev/null
CREATE TRIGGER suppress BEFORE UPDATE ON vendor_routing.responses FOR EACH ROW EXECUTE FUNCTION pg_temp.suppress();
SELECT throws_ok(statement, '09000', 'rows of vendor_routing could not be written', 'an answer is suppressed: ' || statement)
FROM (VALUES ($$SELECT vr_respond(vr_routing_id('s'), 'a', 'REJECT')$$), ($$SELECT vr_timeout(vr_routing_id('s'), '0 s')$$)) AS t (statement);
DROP TRIGGER suppress ON vendor_routing.responses;
CREATE TRIGGER suppress BEFORE UPDATE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION pg_temp.suppress();
SELECT throws_ok(statement, '09000', 'rows of vendor_routing could not be written', 'the order is suppressed: ' || statement)
FROM (VALUES ($$SELECT vr_assign(vr_routing_id('s'), 'a', 'clerk')$$), ($$SELECT vr_cancel(vr_routing_id('s'))$$),
	($$SELECT vr_timeout(vr_routing_id('s'), '0 s')$$)) AS t (statement);
DROP TRIGGER suppress ON vendor_routing.routings;
CREATE TRIGGER suppress BEFORE UPDATE ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION pg_temp.suppress();
SELECT throws_ok(statement, '09000', 'rows of vendor_routing could not be written', 'the load is suppressed: ' || statement)
FROM (VALUES ($$SELECT vr_accept(vr_routing_id('s'), 'a')$$), ($$SELECT vr_pause('a')$$)) AS t (statement);
ALTER TABLE vendor_routing.vendors DISABLE TRIGGER suppress;
SELECT vr_broadcast('s2', 'r'), vr_accept(vr_routing_id('s2'), 'b') \g /dev/null
ALTER TABLE vendor_routing.vendors ENABLE TRIGGER suppress;
SELECT throws_ok($$SELECT vr_complete(vr_routing_id('s2'))$$, '09000', 'rows of vendor_routing could not be written', 'the record is suppressed');
DROP TRIGGER suppress ON vendor_routing.vendors;
SELECT results_eq($$SELECT status, rejected_count + timeout_count, cancelled_count FROM vr_routing_status WHERE order_id = 's'$$,
	$$VALUES ('PENDING', 0, 0)$$, 'nothing of any of them remains');

-- Would catch: an assignment to a vendor whose offer went to another.
CREATE FUNCTION pg_temp.divert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.vendor_id := 'x'; RETURN NEW; END $$;
SELECT vr_broadcast('d', 'r', vendors => ARRAY['b']) \g /dev/null
CREATE TRIGGER divert BEFORE INSERT ON vendor_routing.responses FOR EACH ROW EXECUTE FUNCTION pg_temp.divert();
SELECT throws_ok($$SELECT vr_assign(vr_routing_id('d'), 'a', 'clerk')$$, '09000', NULL, 'the offer of who is assigned is diverted');
DROP TRIGGER divert ON vendor_routing.responses;

-- Would catch: a row that is written where it was, and is not any more.
CREATE FUNCTION pg_temp.move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE vendor_routing.vendors SET attributes = attributes || '{"moved": true}';
	UPDATE vendor_routing.routings SET updated_at = clock_timestamp() WHERE routing_id = NEW.routing_id;
	UPDATE vendor_routing.responses SET rank = rank WHERE routing_id = NEW.routing_id;
	RETURN NULL;
END $$;
CREATE TRIGGER move AFTER INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION pg_temp.move();
CREATE TRIGGER move AFTER INSERT ON vendor_routing.cancellations FOR EACH ROW EXECUTE FUNCTION pg_temp.move();
CREATE TRIGGER move AFTER INSERT OR UPDATE ON vendor_routing.responses FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION pg_temp.move();
CREATE TRIGGER move AFTER UPDATE ON vendor_routing.routings FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION pg_temp.move();
SELECT vr_broadcast('moved ' || n, 'r') FROM generate_series(1, 4) AS n \g /dev/null
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('moved 1'), 'a')), 'LOCKED', 'rows that triggers move: won');
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('moved 1'), 'b')), 'ALREADY_LOCKED', 'rows that triggers move: lost');
SELECT is((SELECT released FROM vr_release(vr_routing_id('moved 1'), 'a')), true, 'rows that triggers move: given back');
SELECT is((SELECT reason FROM vr_assign(vr_routing_id('moved 2'), 'c', 'kim')), 'LOCKED', 'rows that triggers move: assigned');
SELECT is((SELECT completed FROM vr_complete(vr_routing_id('moved 2'))), true, 'rows that triggers move: completed');
SELECT is((SELECT recorded FROM vr_respond(vr_routing_id('moved 3'), 'a', 'REJECT')), true, 'rows that triggers move: rejected');
SELECT is((SELECT status || ' ' || timed_out FROM vr_timeout(vr_routing_id('moved 3'), '0')), 'EXHAUSTED 2', 'rows that triggers move: timed out');
SELECT is((SELECT retried FROM vr_retry(vr_routing_id('moved 3'))), true, 'rows that triggers move: offered again');
SELECT is((SELECT cancelled FROM vr_cancel(vr_routing_id('moved 4'))), true, 'rows that triggers move: withdrawn');
SELECT is_empty('SELECT * FROM vr_check()', 'rows that triggers move: everything is sound');
DROP TRIGGER move ON vendor_routing.events;
DROP TRIGGER move ON vendor_routing.cancellations;
DROP TRIGGER move ON vendor_routing.responses;
DROP TRIGGER move ON vendor_routing.routings;

-- Would catch: a row of ours that is shown in an error to who may call, and not read.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, phone) VALUES ('h', 'Hidden', true, '+491700000019');
SELECT vr_broadcast('h' || n, 'secret shop', payload => '{"secret": 1}', vendors => '{h}') FROM generate_series(1, 2) AS n \g /dev/null
CREATE FUNCTION pg_temp.refused(of_table text, call text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('ALTER TABLE vendor_routing.%s ADD CONSTRAINT never CHECK (false) NOT VALID', of_table);
	EXECUTE 'SELECT FROM ' || call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || detail;
END $$;
SELECT is(pg_temp.refused(of_table, call), '23514 What the row says is for those who may read the table.', 'a CHECK on ' || of_table || ': ' || call)
FROM (VALUES
	('routings', 'vr_accept(vr_routing_id(''h1''), ''h'')'), ('routings', 'vr_broadcast(''h3'', ''secret shop'', vendors => ''{h}'')'),
	('responses', 'vr_respond(vr_routing_id(''h1''), ''h'', ''REJECT'', ''secret reason'')'), ('events', 'vr_cancel(vr_routing_id(''h1''), ''secret reason'')'),
	('vendors', 'vr_pause(''h'')'), ('cancellations', 'vr_cancel(vr_routing_id(''h1''))'), ('messages', 'vr_claim_messages()'),
	('inbound_messages', 'vr_receive_message(''wa'', ''h'', ''491700000019'', ''accept h1'')')
) AS t (of_table, call);
SELECT vr_cancel(vr_routing_id('h' || n)) FROM generate_series(1, 2) AS n \g /dev/null
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = 'h';

-- Triggers that go on with the order -------------------------------------------------------

-- Would catch: an event that is written before the rest of what the call writes, which then
-- does not fit; a load that is counted after the order has ended; half an order.
CREATE FUNCTION pg_temp.go_on() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
	EXECUTE format('SELECT %s', current_setting('go_on.call')) USING NEW.routing_id;
	RETURN NULL;
END $$;
CREATE FUNCTION pg_temp.begun(id text) RETURNS void LANGUAGE sql AS $$
	SELECT vr_broadcast(id, 'r', vendors => '{a,b,c}') WHERE id !~ 'waves';
	SELECT vr_broadcast(id, 'r', waves => '[{"vendor_ids": ["a"], "wait": "1 h"}, {"vendor_ids": ["b", "c"]}]') WHERE id ~ 'waves'
$$;
-- The offers of an order have run out.
CREATE FUNCTION pg_temp.make_due(id uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE vendor_routing.responses SET offered_at = now() - interval '2 min', expires_at = now() - interval '1 min' WHERE routing_id = id;
	UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 min' WHERE routing_id = id
$$;
SELECT set_config('go_on.call', 'NULL', true) \g /dev/null
CREATE TRIGGER go_on AFTER INSERT ON vendor_routing.events FOR EACH ROW WHEN (NEW.order_id LIKE 'go on%' AND NEW.event_type = current_setting('go_on.after'))
	EXECUTE FUNCTION pg_temp.go_on();
CREATE FUNCTION pg_temp.goes_on(id text, before text, call text, after text, onward text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	PERFORM set_config('go_on.after', '', true);
	IF before IS NOT NULL THEN
		PERFORM pg_temp.begun(id);
		EXECUTE 'SELECT ' || before USING vr_routing_id(id);
	END IF;
	PERFORM set_config('go_on.after', after, true), set_config('go_on.call', onward, true);
	EXECUTE 'SELECT ' || call USING vr_routing_id(id);
	PERFORM set_config('go_on.after', '', true);
	SELECT concat_ws(' ', t.status, t.locked_vendor_id, 'told', (SELECT count(*) FROM vendor_routing.cancellations AS c WHERE c.routing_id = t.routing_id)) INTO found
	FROM vendor_routing.routings AS t WHERE order_id = id;
	RETURN found || coalesce((SELECT string_agg('; ' || k.detail, '') FROM vr_check() AS k), '');
END $$;
SELECT is(pg_temp.goes_on(id, before, call, after, onward), expected, id || ' after ' || after || ': ' || onward)
FROM (VALUES
	('go on 1', 'NULL', 'vr_accept($1, ''c'')', 'VENDOR_ACCEPTED', 'vr_complete($1)', 'COMPLETED c told 2'),
	('go on 2', 'NULL', 'vr_accept($1, ''c'')', 'VENDOR_ACCEPTED', 'vr_cancel($1)', 'CANCELLED c told 3'),
	('go on 3', 'NULL', 'vr_accept($1, ''c'')', 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT', 'vr_release($1, ''c'')', 'PENDING told 3'),
	('go on 4', 'NULL', 'vr_assign($1, ''b'', ''kim'')', 'VENDOR_ASSIGNED', 'vr_cancel($1)', 'CANCELLED b told 3'),
	('go on 5', 'NULL', 'vr_timeout($1, ''0'')', 'VENDOR_TIMED_OUT', 'vr_cancel($1)', 'CANCELLED told 3'),
	('go on 6', 'NULL', 'vr_timeout($1, ''0'')', 'ORDER_EXHAUSTED', 'vr_retry($1)', 'PENDING told 0'),
	('go on 7 waves', 'NULL', 'vr_timeout($1, ''0'')', 'VENDOR_TIMED_OUT', 'vr_accept($1, ''b'')', 'LOCKED b told 2'),
	('go on 8 waves', 'NULL', 'vr_timeout($1, ''0'')', 'VENDOR_WAVE_OPENED', 'vr_accept($1, ''c'')', 'LOCKED c told 2'),
	('go on 9 waves', 'NULL', 'vr_respond($1, ''a'', ''REJECT'')', 'VENDOR_RESPONSE_RECORDED', 'vr_cancel($1)', 'CANCELLED told 3'),
	('go on 10 waves', 'NULL', 'vr_respond($1, ''a'', ''REJECT'')', 'VENDOR_WAVE_OPENED', 'vr_assign($1, ''b'', ''kim'')', 'LOCKED b told 2'),
	('go on 11', 'NULL', 'vr_respond($1, ''a'', ''ACCEPT'')', 'VENDOR_RESPONSE_RECORDED', 'vr_accept($1, ''a'')', 'LOCKED a told 2'),
	('go on 12', 'vr_timeout($1, ''0'')', 'vr_retry($1)', 'ORDER_RETRIED', 'vr_accept($1, ''a'')', 'LOCKED a told 2'),
	('go on 13', 'vr_timeout($1, ''0'')', 'vr_retry($1)', 'ORDER_RETRIED', 'vr_cancel($1)', 'CANCELLED told 3'),
	('go on 14', 'vr_accept($1, ''a'')', 'vr_release($1, ''a'')', 'VENDOR_RELEASED', 'vr_accept($1, ''b'')', 'LOCKED b told 4'),
	('go on 15', 'vr_accept($1, ''a'')', 'vr_release($1, ''a'')', 'VENDOR_RELEASED', 'vr_cancel($1)', 'CANCELLED told 5'),
	('go on 16', 'vr_accept($1, ''a'')', 'vr_accept($1, ''b'')', 'VENDOR_RESPONSE_RECORDED', 'vr_cancel($1)', 'CANCELLED a told 3'),
	('go on 17', 'vr_accept($1, ''a'')', 'vr_confirm($1, ''a'')', 'VENDOR_CONFIRMED', 'vr_complete($1)', 'COMPLETED a told 2'),
	('go on 18', NULL, 'vr_broadcast(''go on 18'', ''r'', vendors => ''{a,b,c}'')', 'VENDOR_BROADCAST_INITIATED', 'vr_accept($1, ''c'')', 'LOCKED c told 2'),
	('go on 19', NULL, 'vr_broadcast_many(''[{"order_id": "go on 19", "retailer_id": "r", "vendors": ["a", "b"]}, {"order_id": "go along", "retailer_id": "r"}]'')',
		'VENDOR_BROADCAST_INITIATED', 'vr_cancel($1)', 'CANCELLED told 2'),
	('go on 20', 'pg_temp.make_due($1)', 'vr_tick()', 'VENDOR_TIMED_OUT', 'vr_cancel($1)', 'CANCELLED told 3'),
	('go on 21', 'pg_temp.make_due($1)', 'vr_tick()', 'VENDOR_TIMED_OUT', 'vr_tick()', 'EXHAUSTED told 0')
) AS t (id, before, call, after, onward, expected);
DROP TRIGGER go_on ON vendor_routing.events;

-- Would catch: the same of who accepts what it is offered in the same moment.
CREATE TRIGGER go_on AFTER INSERT ON vendor_routing.responses FOR EACH ROW WHEN (NEW.vendor_id = 'c') EXECUTE FUNCTION pg_temp.go_on();
SELECT is(pg_temp.goes_on(id, before, call, '', 'vr_accept($1, ''c'')'), expected, 'accepted at once: ' || id)
FROM (VALUES
	('at once 1', NULL, 'vr_broadcast(''at once 1'', ''r'', vendors => ''{a,b,c}'')', 'LOCKED c told 2'),
	('at once 2', NULL, 'vr_broadcast_many(''[{"order_id": "at once 2", "retailer_id": "r"}, {"order_id": "along", "retailer_id": "r"}]'')', 'LOCKED c told 2'),
	('at once 3 waves', 'NULL', 'vr_timeout($1, ''0'')', 'LOCKED c told 2')
) AS t (id, before, call, expected);
SELECT set_config('go_on.call', 'NULL', true) \g /dev/null
DROP TRIGGER go_on ON vendor_routing.responses;
CREATE TRIGGER go_on AFTER UPDATE ON vendor_routing.responses FOR EACH ROW WHEN (NEW.response = 'ACCEPT') EXECUTE FUNCTION pg_temp.go_on();
SELECT is(pg_temp.goes_on('at once 4', 'NULL', 'vr_respond($1, ''b'', ''ACCEPT'')', '', 'vr_accept($1, ''b'')'), 'LOCKED b told 2', 'who says yes gets it at once');
DROP TRIGGER go_on ON vendor_routing.responses;

-- Would catch: a call for an order in the middle of another, of which each undoes the other:
-- a load of one too much, a loser who is not told.
CREATE FUNCTION pg_temp.in_the_middle(of_table text, what text, id text, call text, onward text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM pg_temp.begun(id);
	EXECUTE format('CREATE TRIGGER middle AFTER %s ON vendor_routing.%s FOR EACH ROW EXECUTE FUNCTION pg_temp.go_on()', what, of_table);
	BEGIN
		RETURN pg_temp.goes_on(id, NULL, call, '', onward);
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		result := SQLERRM;
	END;
	EXECUTE format('DROP TRIGGER middle ON vendor_routing.%s', of_table);
	PERFORM set_config('go_on.call', 'NULL', true);
	RETURN result || ': ' || pg_temp.goes_on(id, NULL, call, '', 'NULL');
END $$;
SELECT is(pg_temp.in_the_middle(of_table, what, id, call, onward),
	format('order "%s" is being written by the call that this one is made in: %s', id, expected), format('%s of %s: %s', what, of_table, onward))
FROM (VALUES
	('routings', 'UPDATE', 'middle 1', 'vr_accept($1, ''a'')', 'vr_complete($1)', 'LOCKED a told 2'),
	('routings', 'UPDATE', 'middle 2', 'vr_accept($1, ''a'')', 'vr_cancel($1)', 'LOCKED a told 2'),
	('routings', 'UPDATE', 'middle 3', 'vr_cancel($1)', 'vr_send_cancellations($1)', 'CANCELLED told 3'),
	('cancellations', 'INSERT', 'middle 4', 'vr_cancel($1)', 'vr_retry($1)', 'CANCELLED told 3'),
	('responses', 'UPDATE', 'middle 5', 'vr_respond($1, ''a'', ''REJECT'')', 'vr_cancel($1)', 'PENDING told 0'),
	('responses', 'UPDATE', 'middle 6', 'vr_timeout($1, ''0'')', 'vr_retry($1)', 'EXHAUSTED told 0'),
	('routings', 'INSERT OR UPDATE', 'middle 7 waves', 'vr_timeout($1, ''0'')', 'vr_timeout($1, ''0'')', 'PENDING told 0')
) AS t (of_table, what, id, call, onward, expected);
-- Would catch: a pass over all orders that meets the one that is being written; losers of
-- whom the sender takes the order for done before they are.
SELECT is(pg_temp.goes_on('middle 8', 'pg_temp.make_due($1)', 'NULL', '', 'NULL'), 'PENDING told 0', 'an order that is due');
CREATE TRIGGER middle AFTER UPDATE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION pg_temp.go_on();
SELECT is(pg_temp.goes_on('middle 8', NULL, 'vr_cancel($1)', '', 'vr_tick()'), 'CANCELLED told 3', 'vr_tick in the middle has nothing to do');
SELECT vr_broadcast('middle 9', 'r', vendors => '{a,b,c}') \g /dev/null
SELECT count(*) FROM vr_claim_messages() \g /dev/null
SELECT is(pg_temp.goes_on('middle 9', NULL, 'vr_cancel($1)', '', 'count(*) FROM vr_claim_messages()'), 'CANCELLED told 3', 'a sender in the middle');
DROP TRIGGER middle ON vendor_routing.routings;
SELECT count(vr_message_sent(message_id)) FROM vendor_routing.messages WHERE routing_id = vr_routing_id('middle 9') AND state = 'LEASED' \g /dev/null
SELECT is((SELECT count(*) FROM vr_claim_messages() WHERE order_id = 'middle 9' AND kind = 'CANCELLATION'), 3::bigint, 'leaves the cancellations to the next');
CREATE TRIGGER middle AFTER UPDATE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION pg_temp.go_on();
SELECT is(pg_temp.goes_on('middle 10 waves', 'NULL', 'vr_timeout($1, ''0'')', '', 'count(*) FROM vr_claim_messages()'), 'PENDING told 0', 'a sender in the middle of a wave');
DROP TRIGGER middle ON vendor_routing.routings;
SELECT results_eq($$SELECT order_id, string_agg(vendor_id, ' ' ORDER BY vendor_id) FROM vr_claim_messages() WHERE order_id = 'middle 10 waves' AND kind = 'OFFER' GROUP BY 1$$,
	$$VALUES ('middle 10 waves', 'b c')$$, 'who leaves the offers to the next');

-- Would catch: vr_timeout that does not pass over whom a trigger refuses, or does and says nothing.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
SELECT vr_broadcast('refuse', 'r'), vr_respond(vr_routing_id('refuse'), 'a', 'ACCEPT'), vr_respond(vr_routing_id('refuse'), 'b', 'ACCEPT') \g /dev/null
CREATE TRIGGER refuse BEFORE INSERT ON vendor_routing.events FOR EACH ROW WHEN (NEW.event_type = 'VENDOR_ACCEPTED' AND NEW.vendor_id = 'a') EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL client_min_messages = error;
SELECT is((SELECT locked_vendor_id FROM vr_timeout(vr_routing_id('refuse'), '0')), 'b', 'whom a trigger refuses is passed over');
SET LOCAL client_min_messages = warning;
DROP TRIGGER refuse ON vendor_routing.events;

-- Would catch: a tick that goes on after statement_timeout, or a cancel, since a trigger has caught
-- that and raised an error of its own.
SELECT pg_temp.begun('slow ' || n), pg_temp.make_due(vr_routing_id('slow ' || n)) FROM generate_series(1, 2) AS n \g /dev/null
CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(2);
	RETURN NEW;
EXCEPTION WHEN query_canceled THEN
	RAISE EXCEPTION 'it took too long';
END $$;
CREATE TRIGGER slow BEFORE INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION pg_temp.slow();
SET LOCAL statement_timeout = '50ms';
SELECT throws_ok('SELECT * FROM vr_tick()', 'P0001', 'it took too long', 'a tick ends with the time of its statement');
SET LOCAL statement_timeout = 0;
SELECT vr_broadcast('slow 3', 'r') \g /dev/null
ALTER TABLE vendor_routing.events DISABLE TRIGGER slow;
SELECT vr_respond(vr_routing_id('slow 3'), vendor, 'ACCEPT') FROM unnest('{a,b}'::text[]) AS vendor \g /dev/null
ALTER TABLE vendor_routing.events ENABLE TRIGGER slow;
SET LOCAL statement_timeout = '50ms';
SELECT throws_ok($$SELECT * FROM vr_timeout(vr_routing_id('slow 3'), '0')$$, 'P0001', 'it took too long', 'and vr_timeout, which passes over nobody for that');
SET LOCAL statement_timeout = 0;
DROP TRIGGER slow ON vendor_routing.events;
-- Would catch: one that ends with the time of a statement before.
CREATE FUNCTION pg_temp.tick() RETURNS text LANGUAGE sql SET statement_timeout = '1 min' AS 'SELECT concat_ws('' '', failed, processed) FROM vr_tick()';
CREATE TRIGGER refuse BEFORE INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL client_min_messages = error;
SELECT pg_sleep(0.1) \g /dev/null
SELECT is(pg_temp.tick(), '2 0', 'a tick does not end with the time of another statement');
DROP TRIGGER refuse ON vendor_routing.events;
-- Would catch: one that waits for the same lock once more with each order.
CREATE SEQUENCE pg_temp.waits;
CREATE FUNCTION pg_temp.busy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_temp AS $$
BEGIN
	IF pg_catalog.current_setting('lock_timeout') = '100ms' THEN
		PERFORM pg_catalog.nextval('waits');
	END IF;
	RAISE EXCEPTION 'busy' USING ERRCODE = '55P03';
END $$;
CREATE TRIGGER busy BEFORE INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION pg_temp.busy();
ALTER TABLE vendor_routing.events DISABLE TRIGGER busy;
SELECT pg_temp.begun('busy ' || n), pg_temp.make_due(vr_routing_id('busy ' || n)) FROM generate_series(1, 28) AS n \g /dev/null
ALTER TABLE vendor_routing.events ENABLE TRIGGER busy;
SELECT is((SELECT failed || ' failed, ' || nextval('pg_temp.waits') - 1 || ' waits' FROM vr_tick()), '30 failed, 10 waits', 'a tick does not wait for each order');
SET LOCAL client_min_messages = warning;
DROP TRIGGER busy ON vendor_routing.events;
SELECT vr_cancel(vr_routing_id('busy ' || n)) FROM generate_series(1, 28) AS n \g /dev/null
SELECT vr_cancel(vr_routing_id('slow ' || n)) FROM generate_series(1, 3) AS n \g /dev/null

-- Tables that look different ----------------------------------------------------------------

-- Would catch: more columns than there is room for.
CREATE FUNCTION pg_temp.widen(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE vendor_routing.%I %s', name,
		(SELECT string_agg(format('ADD COLUMN extra_%s int DEFAULT %s', i, i), ', ') FROM generate_series(1, 300) AS i));
END $$;
SELECT pg_temp.widen(name) FROM unnest('{vendors,routings,responses,cancellations,events}'::text[]) AS name \g /dev/null
SELECT is((SELECT created FROM vr_broadcast('wide', 'r')), true, 'with 300 columns more in each table an order is offered');
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('wide'), 'a')), 'LOCKED', 'and won');
SELECT is((SELECT count(*) FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id('wide')), 2::bigint, 'and the losers are told');
SELECT is((SELECT released FROM vr_release(vr_routing_id('wide'), 'a')), true, 'and released');

-- Would catch: a row that is not valid, and is taken for one.
SELECT vr_broadcast('odd', 'r') \g /dev/null
ALTER TABLE vendor_routing.routings DISABLE TRIGGER USER;
ALTER TABLE vendor_routing.routings ALTER COLUMN retailer_id DROP NOT NULL;
CREATE FUNCTION pg_temp.spoil(change text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'UPDATE vendor_routing.routings SET ' || change || ' WHERE order_id = ''odd''';
	PERFORM vr_accept(vr_routing_id('odd'), 'a');
END $$;
SELECT throws_ok(format('SELECT pg_temp.spoil(%L)', change), 'XX001', 'a row of vendor_routing.routings is not valid', change)
FROM (VALUES ($$status = 'BANANA'$$), ('retailer_id = NULL')) AS t (change);
ALTER TABLE vendor_routing.routings ALTER COLUMN retailer_id SET NOT NULL;
ALTER TABLE vendor_routing.routings ENABLE TRIGGER USER;

-- Would catch: a vendor that is open because the server lost its time zone.
ALTER TABLE vendor_routing.vendors DISABLE TRIGGER USER;
UPDATE vendor_routing.vendors SET time_zone = 'Atlantis/Capital', working_hours = '{[0,10080)}' WHERE vendor_id = 'c';
ALTER TABLE vendor_routing.vendors ENABLE TRIGGER USER;
SELECT vr_broadcast('zone', 'r') \g /dev/null
SELECT is((SELECT string_agg(vendor_id, ' ' ORDER BY vendor_id) FROM vendor_routing.responses WHERE routing_id = vr_routing_id('zone')), 'a b',
	'who is in a time zone that the server does not know is closed');
SELECT results_eq($$SELECT found FROM vr_explain('zone', 'c') WHERE gate = 'hours'$$,
	$$VALUES ('unknown time zone Atlantis/Capital')$$, 'which the explanation says');

-- Would catch: two answers of the same moment, of which sometimes one wins and sometimes the other.
SELECT vr_broadcast('moment ' || n, 'r', vendors => ARRAY['b', 'a']) FROM generate_series(1, 2) AS n \g /dev/null
SELECT vr_respond(vr_routing_id('moment ' || n), v, 'ACCEPT') FROM (VALUES (1, 'a'), (1, 'b'), (2, 'b'), (2, 'a')) AS t (n, v) \g /dev/null
ALTER TABLE vendor_routing.responses DISABLE TRIGGER USER;
UPDATE vendor_routing.responses SET responded_at = offered_at WHERE response = 'ACCEPT' AND routing_id IN (vr_routing_id('moment 1'), vr_routing_id('moment 2'));
ALTER TABLE vendor_routing.responses ENABLE TRIGGER USER;
SELECT is((SELECT string_agg(t.locked_vendor_id, ' ') FROM generate_series(1, 2) AS n, vr_timeout(vr_routing_id('moment ' || n), '0') AS t), 'b b',
	'of two answers at once that of the higher rank wins');

-- Would catch: a crash of a sender whose message is about what was purged.
SELECT vr_broadcast('purged', 'r', vendors => ARRAY['a']) \g /dev/null
SELECT vr_respond(vr_routing_id('purged'), 'a', 'ACCEPT'), vr_cancel(vr_routing_id('purged')) \g /dev/null
SELECT count(*) FROM vr_claim_messages() \g /dev/null
UPDATE vendor_routing.messages SET state = 'QUEUED', due_at = now() WHERE routing_id = vr_routing_id('purged');
ALTER TABLE vendor_routing.cancellations DISABLE TRIGGER USER;
DELETE FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id('purged');
ALTER TABLE vendor_routing.cancellations ENABLE TRIGGER USER;
SELECT results_eq($$SELECT kind, body FROM vr_claim_messages() WHERE order_id = 'purged'$$, $$VALUES ('CANCELLATION', 'purged')$$,
	'a message about a cancellation that was purged');

-- Would catch: a trigger function of ours that is put where it was not made for.
CREATE TRIGGER wrong BEFORE INSERT ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_routings();
SELECT throws_ok($$SELECT vr_broadcast('wrong', 'r')$$, '39P01', 'function must be fired for each row by UPDATE', 'the guard of updates on INSERT');
DROP TRIGGER wrong ON vendor_routing.routings;

-- Rows on another node -----------------------------------------------------------------------

-- On a sharded cluster the tables of this node are empty, and SQL reaches the rows all the
-- same.  So it does where they are in a child of the table.
--
-- Would catch: an order that is not there, or that nobody wins, or two do; a loser who is
-- not told.
CREATE TABLE far_routings () INHERITS (vendor_routing.routings);
CREATE TABLE far_responses () INHERITS (vendor_routing.responses);
CREATE FUNCTION pg_temp.offer_far(id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM vr_broadcast('near ' || id, 'r');
	INSERT INTO far_routings SELECT (jsonb_populate_record(t, jsonb_build_object('order_id', id, 'routing_id', vr_routing_id(id)))).*
	FROM vendor_routing.routings AS t WHERE order_id = 'near ' || id;
	INSERT INTO far_responses SELECT (jsonb_populate_record(r, jsonb_build_object('routing_id', vr_routing_id(id)))).*
	FROM vendor_routing.responses AS r WHERE routing_id = vr_routing_id('near ' || id);
END $$;
CREATE TABLE far_vendors () INHERITS (vendor_routing.vendors);
INSERT INTO far_vendors (vendor_id, name, phone, is_verified, score) VALUES ('far', 'Far', '+491700000009', true, 1);
CREATE FUNCTION pg_temp.far(id text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', status, locked_vendor_id, 'round ' || t.round) || ', ' ||
		(SELECT count(response) FROM far_responses AS r WHERE r.routing_id = t.routing_id) || ' answered, ' ||
		(SELECT count(*) FROM vendor_routing.cancellations AS c WHERE c.routing_id = t.routing_id) || ' told'
	FROM far_routings AS t WHERE order_id = id
$$;
SELECT pg_temp.offer_far('far ' || i) FROM generate_series(1, 5) AS i \g /dev/null
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('far 1'), 'a')), 'LOCKED', 'far: the first wins');
SELECT is((SELECT reason || ' ' || locked_vendor_id FROM vr_accept(vr_routing_id('far 1'), 'b')), 'ALREADY_LOCKED a', 'far: the second does not');
SELECT is(pg_temp.far('far 1'), 'LOCKED a round 1, 2 answered, 1 told', 'far: it is on record');
SELECT vr_release(vr_routing_id('far 1'), 'a') \g /dev/null
SELECT matches(pg_temp.far('far 1'), '^PENDING round 2', 'far: released');
SELECT vr_respond(vr_routing_id('far 2'), 'a', 'REJECT') \g /dev/null
SELECT vr_timeout(vr_routing_id('far 2'), '0 s') \g /dev/null
SELECT is(pg_temp.far('far 2'), 'EXHAUSTED round 1, 2 answered, 0 told', 'far: timed out');
SELECT vr_cancel(vr_routing_id('far 3')) \g /dev/null
SELECT is(pg_temp.far('far 3'), 'CANCELLED round 1, 0 answered, 2 told', 'far: cancelled');
SELECT vr_assign(vr_routing_id('far 4'), 'b', 'clerk') \g /dev/null
SELECT is(pg_temp.far('far 4'), 'LOCKED b round 1, 1 answered, 1 told', 'far: assigned');
SELECT is((SELECT concat_ws(' ', outcome, vendor_id) FROM vr_receive_message('wa', '1', '491700000009', 'accept')), 'NO_OFFER far', 'far: who writes is known');
SELECT vr_complete(vr_routing_id('far 4'), 'DELIVERED') \g /dev/null
SELECT is(pg_temp.far('far 4'), 'COMPLETED b round 1, 1 answered, 1 told', 'far: completed');

-- Would catch: a crash on a type with other columns than the library knows.
SELECT vr_broadcast('shape', 'r') \g /dev/null
ALTER TYPE vr_accept_result ALTER ATTRIBUTE version TYPE text;
SELECT throws_ok($$SELECT vr_accept(vr_routing_id('shape'), 'a')$$, '42804', 'type "vr_accept_result" has not the columns that it comes with',
	'a result with a column of another type');
ALTER TYPE vr_accept_result ALTER ATTRIBUTE version TYPE integer;
SELECT is((SELECT version FROM vr_accept(vr_routing_id('shape'), 'nobody')), 1, 'and as it was');
ALTER TYPE vr_accept_result ADD ATTRIBUTE more integer;
SELECT throws_ok($$SELECT vr_accept(vr_routing_id('shape'), 'a')$$, '42804', NULL, 'a result with another column');
ALTER TYPE vr_accept_result DROP ATTRIBUTE more;

-- Without our tables -------------------------------------------------------------------------

-- Would catch: a crash, or an error that does not say what is missing.
DROP TABLE far_routings, far_responses, far_vendors;
ALTER TABLE vendor_routing.blocklist RENAME TO elsewhere;
SELECT throws_ok($$SELECT vr_broadcast('o', 'r')$$, '42P01', 'relation "vendor_routing.blocklist" does not exist', 'without a table');
CREATE FUNCTION pg_temp.accept(uuid, text, jsonb) RETURNS record LANGUAGE c AS '$libdir/vendor_routing', 'vr_accept';
DROP EXTENSION vendor_routing;
SELECT throws_ok($$SELECT pg_temp.accept(gen_random_uuid(), 'a', NULL)$$, '3F000', 'schema "vendor_routing" does not exist',
	'the library without the extension');

SELECT * FROM finish();
ROLLBACK;
