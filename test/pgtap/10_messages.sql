-- Messages: what senders are handed, what they say of it, and what vendors write.
--
-- Would catch: a message that is lost, made twice or out of order; an offer that goes
-- out when nobody can take it; a vendor that is told of the end of what it never
-- heard of, or never told of the end of what it did; a receipt that undoes a later
-- one; a word, a button or a reply that accepts an order nobody meant; a message
-- that counts twice; code of somebody else's that runs with our rights.

BEGIN;
SET LOCAL lc_messages = 'C';
SET LOCAL client_min_messages = warning;
SET LOCAL vendor_routing.order_ttl = '2h';
SET LOCAL vendor_routing.offer_ttl = '1h';
SET LOCAL vendor_routing.max_releases = 100;
SELECT plan(642);

-- Runs a statement, as a role and with a search_path if told so.  Returns the
-- first value of a SELECT, OK of what else, or the SQLSTATE.
CREATE FUNCTION pg_temp.tries(statement text, who name DEFAULT current_user,
	path text DEFAULT current_setting('search_path'))
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := 'OK';
	is_query boolean := statement ~ '^\s*SELECT';
BEGIN
	PERFORM set_config('search_path', path, true);
	PERFORM pg_catalog.set_config('role', who, true);
	IF is_query THEN
		EXECUTE statement INTO result;
	ELSE
		EXECUTE statement;
	END IF;
	RESET ROLE;
	RETURN result;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN sqlstate;
END $$;
ALTER FUNCTION pg_temp.tries SET search_path FROM CURRENT;

-- What a query finds once statements have run; nothing of it stays.
CREATE FUNCTION pg_temp.would(statements text[], query text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	statement text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
	END LOOP;
	EXECUTE query INTO result;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate || ': ' || sqlerrm;
END $$;

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, phone, reliability_score)
VALUES ('v1', 'One', true, '+491700000001', 90), ('v2', 'Two', true, '+491700000002', 80),
	('v3', 'Three', true, NULL, 70);

-- Claims, in the sequence of the rows, or else sorted.
CREATE FUNCTION pg_temp.claim(of_channel text DEFAULT NULL, at_most integer DEFAULT 100)
RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(kind || ' ' || order_id || ' ' || vendor_id, ', ' ORDER BY order_id, vendor_id, round), 'nothing')
	FROM vr_claim_messages(of_channel, at_most)
$$;

-- What a vendor is handed.
CREATE FUNCTION pg_temp.claim_of(of_vendor text)
RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', kind, payload ->> 'reason'), ', '), 'nothing') FROM vr_claim_messages() WHERE vendor_id = of_vendor
$$;

-- The messages of an order.
CREATE FUNCTION pg_temp.messages(of_order text)
RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', vendor_id, kind, state), ', ' ORDER BY vendor_id, round,
		array_position('{OFFER,WIN,CANCELLATION}', kind)), 'none')
	FROM vendor_routing.messages WHERE routing_id = vr_routing_id(of_order)
$$;

CREATE FUNCTION pg_temp.id(of_order text, of_vendor text, of_kind text DEFAULT 'OFFER')
RETURNS uuid LANGUAGE sql AS $$
	SELECT message_id FROM vendor_routing.messages
	WHERE routing_id = vr_routing_id(of_order) AND vendor_id = of_vendor AND kind = of_kind
	ORDER BY round DESC LIMIT 1
$$;

-- All that is out has arrived.
CREATE FUNCTION pg_temp.send()
RETURNS void LANGUAGE sql AS $$
	SELECT vr_message_sent(message_id, 'x-' || message_id) FROM vendor_routing.messages WHERE state = 'LEASED'
$$;

-- All leases and pauses are over.
CREATE FUNCTION pg_temp.wait()
RETURNS void LANGUAGE sql AS $$
	UPDATE vendor_routing.messages SET due_at = now() - interval '1 s' WHERE state IN ('QUEUED', 'LEASED')
$$;

-- Lets the time of an order run out, or that of its offers only.
CREATE FUNCTION pg_temp.let_expire(of_order text, whole boolean DEFAULT true)
RETURNS void LANGUAGE sql AS $$
	UPDATE vendor_routing.responses SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s'
	WHERE routing_id = vr_routing_id(of_order);
	UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s',
		expires_at = CASE WHEN whole THEN now() - interval '1 s' ELSE expires_at END
	WHERE order_id = of_order;
$$;

-- Nothing is left of what was before.
CREATE FUNCTION pg_temp.fresh()
RETURNS void LANGUAGE sql AS $$
	SELECT vr_cancel(routing_id) FROM vendor_routing.routings WHERE status IN ('PENDING', 'EXHAUSTED', 'LOCKED');
	DELETE FROM vendor_routing.outbox;
	DELETE FROM vendor_routing.messages;
$$;

-- Arguments ------------------------------------------------------------------------------

-- Would catch: a claim that hands out nothing or everything because of a value nobody meant.
SELECT is(pg_temp.tries('SELECT count(*) FROM vr_claim_messages(' || args || ')'), expected, 'vr_claim_messages(' || left(args, 40) || ')')
FROM (VALUES
	('', '0'), ('NULL, NULL', '22004'), ('NULL, 0', '22023'), ('NULL, -1', '22023'), ('NULL, 10001', '22023'),
	('NULL, 1', '0'), ('NULL, 10000', '0'), ('NULL, 1, NULL', '22004'), ($$NULL, 1, '0'$$, '22023'),
	($$NULL, 1, '-1 s'$$, '22023'), ($$NULL, 1, '1 microsecond'$$, '0'), ($$NULL, 1, '365 days'$$, '0'),
	($$NULL, 1, '366 days'$$, '22023'), ($$''$$, '22023'), ($$'PIGEON'$$, '0'), ($$'WHATSAPP'$$, '0'),
	('repeat(''x'', 256)', '22023')
) AS t (args, expected);
SELECT is(pg_temp.tries('SELECT ' || call), expected, left(call, 60))
FROM (VALUES
	('vr_message_sent(NULL)', '22004'), ('vr_message_sent(gen_random_uuid())', 'VR006'),
	('vr_message_failed(NULL, ''x'')', '22004'), ('vr_message_failed(gen_random_uuid(), NULL)', 'VR006'),
	('vr_message_failed(gen_random_uuid(), ''x'', NULL)', 'VR006'),
	('vr_confirm_delivery(NULL, ''READ'')', '22004'), ('vr_confirm_delivery(gen_random_uuid(), ''READ'')', 'VR006'),
	('vr_confirm_delivery(gen_random_uuid(), ''FAILED'')', 'VR006'),
	('vr_confirm_delivery(gen_random_uuid(), NULL)', '22004'),
	('vr_confirm_delivery(gen_random_uuid(), ''read'')', '22023'),
	('vr_confirm_delivery(gen_random_uuid(), ''READ'', ''infinity'')', '22023'),
	('vr_confirm_delivery(gen_random_uuid(), ''READ'', NULL, '''')', '22023'),
	('vr_message_sent(gen_random_uuid(), NULL, 0)', '22023'), ('vr_message_sent(gen_random_uuid(), NULL, 1)', 'VR006'),
	('vr_message_failed(gen_random_uuid(), NULL, false, 0)', '22023'), ('vr_message_failed(gen_random_uuid(), NULL, false, 1)', 'VR006'),
	('vr_confirm_delivery(gen_random_uuid(), ''READ'', ''-infinity'')', '22023'),
	('vr_message_sent(gen_random_uuid(), '''')', '22023'),
	('vr_message_sent(gen_random_uuid(), repeat(''x'', 256))', '22023')
) AS t (call, expected);

-- Would catch: a call that writes in a transaction that must not.
SELECT is(pg_temp.would('{SET LOCAL transaction_read_only = on}', 'SELECT ' || call),
	'25006: cannot execute ' || split_part(call, '(', 1) || '() in a read-only transaction', 'read-only: ' || call)
FROM unnest(ARRAY['vr_claim_messages()', 'vr_message_sent(gen_random_uuid())', 'vr_message_failed(gen_random_uuid(), ''x'')',
	'vr_confirm_delivery(gen_random_uuid(), ''READ'')', 'vr_receive_message(''s'', ''m'', ''1'', ''x'')']) AS call;

-- What is handed out ------------------------------------------------------------------------

-- Would catch: a column of another message, a channel by chance, a lease that is not what was asked for.
SELECT FROM vr_broadcast('k-1', 'shop', 'bread', 12.50, payload => '{"note": "ring twice"}', vendors => '{v1,v2}', ttl => '10 min');
UPDATE vendor_routing.vendors SET products = '{bread}';
SELECT FROM vr_broadcast('k-2', 'shop', vendors => '{v3}');
CREATE TEMP TABLE handed AS SELECT * FROM vr_claim_messages('WHATSAPP', 100, '90 s');
SELECT results_eq('SELECT channel, kind, routing_id, order_id, round, vendor_id, vendor_name, phone, attempt,
	payload - ''expires_at'' FROM handed ORDER BY vendor_id',
	$$SELECT 'WHATSAPP', 'OFFER', vr_routing_id('k-1'), 'k-1', 1, v, n, p, 1, jsonb_build_object('order_id', 'k-1',
		'retailer_id', 'shop', 'product', 'bread', 'amount', 12.50, 'reason', NULL, 'order_payload', '{"note": "ring twice"}'::jsonb)
	FROM (VALUES ('v1', 'One', '+491700000001'), ('v2', 'Two', '+491700000002')) AS t (v, n, p)$$, 'what a vendor with a phone is sent');
SELECT is((SELECT count(DISTINCT message_id) FROM handed), 2::bigint, 'each message has an id of its own');
SELECT ok(bool_and(leased_until BETWEEN now() + interval '90 s' AND clock_timestamp() + interval '90 s'), 'for the time of the lease') FROM handed;
SELECT is(h.payload ->> 'expires_at', to_jsonb(r.expires_at) #>> '{}', 'with the end of the offer')
FROM handed AS h JOIN vendor_routing.responses AS r USING (routing_id, vendor_id) WHERE vendor_id = 'v1';
SELECT is(body, 'New order k-1 from shop: bread, 12.50. Reply ACCEPT k-1 or REJECT k-1 until '
	|| to_char((payload ->> 'expires_at')::timestamptz AT TIME ZONE 'UTC', 'HH24:MI') || '.', 'the text') FROM handed WHERE vendor_id = 'v1';
SELECT is(pg_temp.claim('WHATSAPP'), 'nothing', 'nobody else gets it');
SELECT is(pg_temp.claim('PIGEON'), 'nothing', 'a channel that nobody has');
SELECT is(pg_temp.claim('APP'), 'OFFER k-2 v3', 'a vendor without a phone');
SELECT pg_temp.wait();
SELECT results_eq('SELECT message_id, attempt FROM vr_claim_messages(''WHATSAPP'') ORDER BY vendor_id',
	'SELECT message_id, 2 FROM handed ORDER BY vendor_id', 'the lease is over: the same ids again, and counted');
SELECT is((SELECT string_agg(may_have_arrived::text, ' ') FROM vendor_routing.messages WHERE routing_id = vr_routing_id('k-1')),
	'true true', 'the first may have arrived');

-- Would catch: a sequence by anything but the time, a limit that is not kept.
SELECT pg_temp.fresh();
SELECT FROM unnest('{q-1,q-2,q-3}'::text[]) AS o, vr_broadcast(o, 'shop', vendors => '{v1,v2}');
SELECT is(pg_temp.claim(NULL, 1) = pg_temp.claim(NULL, 1), false, 'one at a time, each another');
SELECT is((SELECT count(*) FROM vr_claim_messages(NULL, 3)), 3::bigint, 'at most as many as wanted');
SELECT is((SELECT count(*) FROM vr_claim_messages(NULL, 3)), 1::bigint, 'and then the rest');
UPDATE vendor_routing.messages AS m SET due_at = now() - interval '1 min' * (substr(order_id, 3)::int * 2 + substr(m.vendor_id, 2)::int)
FROM vendor_routing.routings AS t WHERE t.routing_id = m.routing_id AND order_id ~ '^q';
SELECT is(pg_temp.claim(NULL, 1), expected, 'the longest waiting first: ' || expected)
FROM unnest('{OFFER q-3 v2,OFFER q-3 v1,OFFER q-2 v2,OFFER q-2 v1,OFFER q-1 v2,OFFER q-1 v1,nothing}'::text[]) AS expected;

-- Would catch: a channel that comes first by a message that cannot go yet, and so again and again.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('held', 'shop', vendors => '{v1}');
SELECT pg_temp.claim() \g /dev/null
SELECT vr_cancel(vr_routing_id('held')) \g /dev/null
SELECT FROM vr_broadcast('wa', 'shop', vendors => '{v2}');
SELECT FROM vr_broadcast('app', 'shop', vendors => '{v3}');
SELECT pg_temp.claim('PIGEON') \g /dev/null
UPDATE vendor_routing.messages AS m SET due_at = now() - interval '1 min' * CASE order_id WHEN 'held' THEN 9 WHEN 'app' THEN 5 ELSE 1 END
FROM vendor_routing.routings AS t WHERE t.routing_id = m.routing_id AND order_id IN ('held', 'app', 'wa') AND m.state = 'QUEUED';
SELECT is(pg_temp.claim(NULL, 1), expected, 'first the channel that has waited longest: ' || expected)
FROM unnest('{OFFER app v3,OFFER wa v2,nothing}'::text[]) AS expected;

-- Would catch: a vendor of a zone that this server does not know, who keeps messages from others.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('zone', 'shop', vendors => '{v1,v2}');
UPDATE vendor_routing.vendors SET time_zone = 'Moon/Sea', working_hours = '{[0,10080)}' WHERE vendor_id = 'v1';
SELECT is(string_agg(pg_temp.would('{}', format('SELECT %L ~ (''until '' || to_char((%L)::timestamptz AT TIME ZONE ''UTC'', ''HH24:MI''))', body, payload ->> 'expires_at')), ' '),
	'true true', 'the clock of a zone that is not known is that of UTC') FROM vr_claim_messages();
UPDATE vendor_routing.vendors SET time_zone = NULL, working_hours = NULL WHERE vendor_id = 'v1';

-- Would catch: our SQL, read by a setting of the session's.
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SELECT is(outcome, 'AMBIGUOUS', 'backslashes that mean something') FROM vr_receive_message('wa', 'scs', '491700000001', 'hello is it me');
SET LOCAL standard_conforming_strings = on;
SELECT is(outcome || ' ' || reply, 'AMBIGUOUS We did not understand you. Open for you: zone. Reply ACCEPT or REJECT, and the order.', 'and afterwards')
FROM vr_receive_message('wa', 'scs2', '491700000001', 'hello is it me');

-- Would catch: stale messages that stand before the due ones, and keep a small claim from them or make it crawl,
-- also where ANALYZE came before the rows were committed, and so has seen none.
SELECT pg_temp.fresh();
SELECT count(*) FROM generate_series(1, 1500) AS n, vr_broadcast('stale-' || n, 'shop', vendors => '{v1,v2,v3}') \g /dev/null
SELECT count(*) FROM vr_claim_messages('PIGEON') \g /dev/null
SELECT count(vr_cancel(vr_routing_id('stale-' || n))) FROM generate_series(1, 1500) AS n \g /dev/null
SELECT FROM vr_broadcast('after', 'shop', vendors => '{v1}');
UPDATE pg_class SET relpages = pg_relation_size(oid) / current_setting('block_size')::int, reltuples = 0
WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind IN ('r', 'i');
SET LOCAL statement_timeout = '60s';
-- A claim may leave some of the work to the next.
CREATE FUNCTION pg_temp.claim_soon()
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	FOR i IN 1 .. 10 LOOP
		found := pg_temp.claim(NULL, 1);
		EXIT WHEN found <> 'nothing';
	END LOOP;
	RETURN found;
END $$;
SELECT is(pg_temp.tries('SELECT pg_temp.claim_soon()'), 'OFFER after v1', 'what is due is found behind 9000 that are not to be sent any more');
SET LOCAL statement_timeout = 0;
UPDATE pg_class SET reltuples = -1 WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind IN ('r', 'i');

-- Texts -----------------------------------------------------------------------------------

-- Would catch: a text in the wrong language, a placeholder left or filled twice, an end of the offer in the wrong zone.
SELECT pg_temp.fresh();
UPDATE vendor_routing.vendors SET products = '{}';
INSERT INTO vendor_routing.message_texts VALUES
	('fr', 'OFFER', '{order}|{orders}|{retailer}|{details}|{product}|{amount}|{until}|{nothing}|{}|{ {order}|}|{'),
	('en', 'WIN', 'all: {order}'), ('fr', 'ORDER_CANCELLED', 'annulée: {order}');
SELECT is(pg_temp.would(ARRAY[
		format('UPDATE vendor_routing.vendors SET products = ''{}'', attributes = %L, time_zone = ''Asia/Tokyo'', working_hours = ''{[0,10080)}'' WHERE vendor_id = ''v1''', attributes),
		format('SELECT FROM vr_broadcast(''{retailer}'', ''{order}'', NULL, %s, vendors => ''{v1}'')', amount)],
	'SELECT replace(replace(body, to_char((payload ->> ''expires_at'')::timestamptz AT TIME ZONE coalesce(v.time_zone, ''UTC''), ''HH24:MI''), ''END''), ''{retailer}'', ''ID'')
	 FROM vr_claim_messages() AS c JOIN vendor_routing.vendors AS v USING (vendor_id)'), expected, attributes || ', ' || amount)
FROM (VALUES
	('{"language": "fr"}', '7.00', 'ID|-|{order}|: 7.00|-|7.00|END|{nothing}|{}|{ ID|}|{'),
	('{"language": "fr"}', 'NULL', 'ID|-|{order}||-|-|END|{nothing}|{}|{ ID|}|{'),
	('{"language": "de"}', '7.00', 'New order ID from {order}: 7.00. Reply ACCEPT ID or REJECT ID until END.'),
	('{"language": "FR"}', 'NULL', 'New order ID from {order}. Reply ACCEPT ID or REJECT ID until END.'),
	('{"language": 7}', 'NULL', 'New order ID from {order}. Reply ACCEPT ID or REJECT ID until END.'),
	('{"language": ""}', 'NULL', 'New order ID from {order}. Reply ACCEPT ID or REJECT ID until END.'),
	('{"language": null}', 'NULL', 'New order ID from {order}. Reply ACCEPT ID or REJECT ID until END.')
) AS t (attributes, amount, expected);
SELECT is(pg_temp.would(ARRAY[
		'SELECT FROM vr_broadcast(''t-1'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.send()',
		'UPDATE vendor_routing.vendors SET attributes = ''{"language": "fr"}'' WHERE vendor_id = ''v2'''] || string_to_array(statement, '; '),
	'SELECT string_agg(vendor_id || '': '' || body, ''; '' ORDER BY vendor_id) FROM vr_claim_messages()'), expected, statement)
FROM (VALUES
	('SELECT vr_accept(vr_routing_id(''t-1''), ''v1'')', 'v1: all: t-1; v2: Order t-1 went to another vendor. Thank you.'),
	('SELECT vr_accept(vr_routing_id(''t-1''), ''v2'')', 'v1: Order t-1 went to another vendor. Thank you.; v2: all: t-1'),
	('SELECT vr_cancel(vr_routing_id(''t-1''))', 'v1: Order t-1 has been cancelled.; v2: annulée: t-1'),
	('SELECT pg_temp.let_expire(''t-1''); SELECT vr_tick()', 'v1: Order t-1 is no longer offered.; v2: Order t-1 is no longer offered.')
) AS t (statement, expected);
DELETE FROM vendor_routing.message_texts;

-- Attempts ---------------------------------------------------------------------------------

-- Would catch: a message that is tried for ever, or given up too early, or that comes back from the dead.
SELECT pg_temp.fresh();
SET LOCAL vendor_routing.message_attempts = 3;
SET LOCAL vendor_routing.message_backoff = 0;
SELECT FROM vr_broadcast('d-1', 'shop', vendors => '{v1}');
SELECT is(pg_temp.claim() || '; ' || vr_message_failed(pg_temp.id('d-1', 'v1'), 'error ' || n), expected, 'attempt ' || n)
FROM (VALUES (1, 'OFFER d-1 v1; RETRY'), (2, 'OFFER d-1 v1; RETRY'), (3, 'OFFER d-1 v1; DEAD'), (4, 'nothing; DEAD')) AS t (n, expected);
SELECT is((SELECT concat_ws(' ', state, attempts, error, sent_at) FROM vendor_routing.messages), 'DEAD 3 error 3', 'given up, for the last reason');
SELECT FROM vr_broadcast('d-2', 'shop', vendors => '{v1}');
CREATE FUNCTION pg_temp.claim_later()
RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.wait(); RETURN pg_temp.claim(); END $$;
SELECT is(pg_temp.claim_later(), expected, expected || ' with each lease that ends: ' || n)
FROM (VALUES (1, 'OFFER d-2 v1'), (2, 'OFFER d-2 v1'), (3, 'OFFER d-2 v1'), (4, 'nothing')) AS t (n, expected);
SELECT is(pg_temp.messages('d-2'), 'v1 OFFER DEAD', 'whose lease ends too often is given up');
SELECT vr_cancel(vr_routing_id('d-1')), vr_cancel(vr_routing_id('d-2')) \g /dev/null
SELECT is(pg_temp.claim(), 'CANCELLATION d-2 v1', 'and is told of the end, if it may have arrived');

-- Would catch: a pause that does not grow, has no bound, or is the same for all.
SELECT pg_temp.fresh();
SET LOCAL vendor_routing.message_attempts = 100;
SET LOCAL vendor_routing.message_backoff = 4;
SELECT FROM vr_broadcast('b-1', 'shop', vendors => '{v1}');
CREATE TEMP TABLE pauses (n int, backoff int, pause float8);
DO $$
DECLARE
	seconds int;
BEGIN
	PERFORM pg_temp.claim();
	FOREACH seconds IN ARRAY '{4,0,3600}'::int[] LOOP
		PERFORM set_config('vendor_routing.message_backoff', seconds::text, true);
		FOR n IN 1 .. 99 LOOP
			UPDATE vendor_routing.messages SET state = 'LEASED', attempts = n, due_at = now();
			PERFORM vr_message_failed(message_id, 'x') FROM vendor_routing.messages;
			INSERT INTO pauses SELECT n, seconds, extract(epoch FROM due_at - clock_timestamp()) FROM vendor_routing.messages;
		END LOOP;
	END LOOP;
END $$;
SELECT ok(bool_and(pause BETWEEN least(backoff * 2.0 ^ least(n - 1, 30), 3600) * 0.5 - 1 AND least(backoff * 2.0 ^ least(n - 1, 30), 3600) * 1.5),
	'half to one and a half of ' || backoff || ' s, doubled each time, up to an hour') FROM pauses GROUP BY backoff ORDER BY backoff;
SELECT cmp_ok(count(DISTINCT round(pause::numeric / 100)), '>', 10::bigint, 'spread by chance') FROM pauses WHERE n > 20 AND backoff = 4;
SELECT is(pg_temp.claim(), 'nothing', 'not before its time');
SET LOCAL vendor_routing.message_attempts = 8;
SET LOCAL vendor_routing.message_backoff = 5;

-- What is still to be said ----------------------------------------------------------------------

-- Would catch: an offer that nobody can take any more, a cancellation out of the blue, one that is owed and missing.
-- v1 is told (never, in vain, perhaps, surely), then something happens; then: its offer, and what it is sent.
SELECT pg_temp.fresh();
CREATE TEMP TABLE tellings (n int, told text, how text[]);
INSERT INTO tellings VALUES
	(1, 'not looked for yet', '{SELECT 1}'),
	(2, 'in vain', '{SELECT pg_temp.claim(),"SELECT vr_message_failed(pg_temp.id(''c-1'', ''v1''), ''x'')"}'),
	(3, 'perhaps: no answer', '{SELECT pg_temp.claim(),"SELECT vr_message_failed(pg_temp.id(''c-1'', ''v1''), ''x'', true)"}'),
	(4, 'perhaps: the lease ended', '{SELECT pg_temp.claim(),SELECT pg_temp.wait()}'),
	(5, 'surely', '{SELECT pg_temp.claim(),SELECT pg_temp.send()}');
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-1'', ''shop'', vendors => ''{v1,v2}'')'] || how || string_to_array(happens, '; '),
	'SELECT coalesce(string_agg(kind || coalesce('' '' || (payload ->> ''reason''), ''''), '', ''), ''nothing'') FROM vr_claim_messages() WHERE vendor_id = ''v1'''),
	CASE WHEN n < 3 AND expected ~ 'CANCELLATION' THEN 'nothing' WHEN n >= 3 OR expected <> 'CANCELLATION' THEN expected END,
	happens || '; told: ' || told)
FROM tellings, (VALUES
	(1, 'SELECT vr_accept(vr_routing_id(''c-1''), ''v2'')', 'CANCELLATION ANOTHER_VENDOR_ACCEPTED'),
	(2, 'SELECT vr_assign(vr_routing_id(''c-1''), ''v3'', ''kim'')', 'CANCELLATION ANOTHER_VENDOR_ACCEPTED'),
	(3, 'SELECT vr_cancel(vr_routing_id(''c-1''))', 'CANCELLATION ORDER_CANCELLED'),
	(4, 'SELECT pg_temp.let_expire(''c-1''); SELECT vr_tick()', 'CANCELLATION ORDER_EXPIRED'),
	(5, 'SELECT pg_temp.let_expire(''c-1'')', 'nothing'),
	(6, 'SELECT pg_temp.let_expire(''c-1'', false)', 'nothing'),
	(7, 'SELECT vr_timeout(vr_routing_id(''c-1''), ''0'')', 'nothing'),
	(8, 'SELECT vr_respond(vr_routing_id(''c-1''), ''v1'', ''REJECT'')', 'nothing'),
	(9, 'SELECT vr_respond(vr_routing_id(''c-1''), ''v1'', ''ERROR'')', 'nothing'),
	(10, 'SELECT vr_respond(vr_routing_id(''c-1''), ''v1'', ''ACCEPT'')', 'nothing')
) AS t (m, happens, expected) ORDER BY m, n;
-- Would catch: no news for who has said something by other ways.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-2'', ''shop'', vendors => ''{v1,v2}'')',
	format('SELECT vr_respond(vr_routing_id(''c-2''), ''v1'', %L)', answer), 'SELECT vr_cancel(vr_routing_id(''c-2''))'],
	'SELECT pg_temp.claim() || ''; '' || pg_temp.messages(''c-2'')'),
	'CANCELLATION c-2 v1; v1 CANCELLATION LEASED, v2 CANCELLATION DROPPED', 'who answered ' || answer || ' is told')
FROM unnest('{ACCEPT,REJECT,ERROR}'::text[]) AS answer;
-- Would catch: a cancellation that the application has sent itself, and goes out again.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-3'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.send()',
	'SELECT vr_cancel(vr_routing_id(''c-3''))',
	'UPDATE vendor_routing.cancellations SET sent_at = now() WHERE vendor_id = ''v1'' AND routing_id = vr_routing_id(''c-3'')'],
	'SELECT pg_temp.claim()'), 'CANCELLATION c-3 v2', 'what has been sent by other means is not sent again');
-- Would catch: the end before the offer, while that is on its way.
SELECT FROM vr_broadcast('c-4', 'shop', vendors => '{v1,v2}');
SELECT pg_temp.claim() \g /dev/null
SELECT vr_accept(vr_routing_id('c-4'), 'v2') \g /dev/null
SELECT is(pg_temp.claim(), 'nothing', 'what follows waits for what is on its way');
SELECT is(vr_message_failed(pg_temp.id('c-4', 'v1'), 'x', true) || ' ' || vr_message_sent(pg_temp.id('c-4', 'v2')), 'RETRY true', 'that arrives, or may have');
SELECT is(pg_temp.claim(), 'CANCELLATION c-4 v1, WIN c-4 v2', 'and then');
SELECT is(pg_temp.messages('c-4'), 'v1 OFFER DROPPED, v1 CANCELLATION LEASED, v2 OFFER SENT, v2 WIN LEASED', 'the offer is not tried again');
-- Would catch: a sender that is not believed.
SELECT is(vr_message_sent(pg_temp.id('c-4', 'v1')) || ' ' || pg_temp.messages('c-4'),
	'true v1 OFFER SENT, v1 CANCELLATION LEASED, v2 OFFER SENT, v2 WIN LEASED', 'a sender that is late is believed');
-- Would catch: a vendor that has the offer after all, as we learn late, and is never told of its end.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-5'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()',
	'SELECT vr_message_failed(pg_temp.id(''c-5'', ''v1''), ''500'')', 'SELECT vr_accept(vr_routing_id(''c-5''), ''v2'')', 'SELECT pg_temp.claim()', learns],
	'SELECT pg_temp.claim_of(''v1'')'), 'CANCELLATION ANOTHER_VENDOR_ACCEPTED', 'it did not fail after all: ' || learns)
FROM unnest('{"SELECT vr_message_sent(pg_temp.id(''c-5'', ''v1''))","SELECT vr_confirm_delivery(pg_temp.id(''c-5'', ''v1''), ''DELIVERED'')"}'::text[]) AS learns;

-- Would catch: a cancellation that has to go out once more, since the offer went out after it, and
-- that counts as sent by what is said of the first time.
CREATE FUNCTION pg_temp.of_c(report text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(report, '$C', 'pg_temp.id(''c-6'', ''v1'', ''CANCELLATION'')')
$$;
CREATE FUNCTION pg_temp.overtaken(reports text[], before text DEFAULT 'SELECT 1') RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-6'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.wait()',
		'SELECT vr_accept(vr_routing_id(''c-6''), ''v2'')', 'SELECT pg_temp.claim()',
		'SELECT vr_message_sent(pg_temp.id(''c-6'', ''v1'', ''CANCELLATION''), ''c-a'', 1)', pg_temp.of_c(before), 'SELECT vr_message_sent(pg_temp.id(''c-6'', ''v1''), ''o-a'', 1)'] ||
		ARRAY(SELECT pg_temp.of_c(r) FROM unnest(reports) WITH ORDINALITY AS t (r, n) ORDER BY n),
		'SELECT concat_ws('' '', state, attempts, CASE WHEN read_at IS NOT NULL THEN ''read'' WHEN delivered_at IS NOT NULL THEN ''t'' ELSE ''f'' END, (SELECT sent_at IS NOT NULL FROM vendor_routing.cancellations AS c WHERE c.routing_id = m.routing_id AND c.vendor_id = ''v1''))
		 FROM vendor_routing.messages AS m WHERE message_id = pg_temp.id(''c-6'', ''v1'', ''CANCELLATION'')')
$$;
SELECT is(pg_temp.overtaken(reports::text[]), expected, 'it was overtaken: ' || reports)
FROM (VALUES
	('{}', 'QUEUED 1 f f'), ('{"SELECT vr_message_sent($C, ''c-a'', 1)"}', 'QUEUED 1 f f'), ('{"SELECT vr_message_sent($C)"}', 'QUEUED 1 f f'),
	('{"SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-a'')"}', 'QUEUED 1 f f'), ('{"SELECT vr_confirm_delivery($C, ''READ'')"}', 'QUEUED 1 f f'),
	('{"SELECT vr_confirm_delivery($C, ''FAILED'', now(), ''c-a'')"}', 'QUEUED 1 f f'),
	('{"SELECT pg_temp.claim()"}', 'LEASED 2 f f'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-a'', 1)","SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-a'')"}', 'LEASED 2 f f'),
	('{"SELECT pg_temp.claim()","SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-b'')"}', 'SENT 2 t t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)"}', 'SENT 2 f t'), ('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C)"}', 'SENT 2 f t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-a'')"}', 'SENT 2 f t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)","SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-b'')"}', 'SENT 2 t t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)","SELECT vr_confirm_delivery($C, ''FAILED'', now(), ''c-b'')"}', 'QUEUED 2 f f'),
	('{"SELECT pg_temp.claim()","SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-b'')","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-b'')"}', 'SENT 2 read t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, NULL, 2)","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-b'')"}', 'SENT 2 read t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, NULL, 2)","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-a'')"}', 'SENT 2 f t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-a'', 2)","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-a'')"}', 'SENT 2 read t'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)","SELECT vr_message_sent($C, ''c-a'', 1)","SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-a'')"}', 'SENT 2 f t')
) AS t (reports, expected);
SELECT is(pg_temp.overtaken(reports::text[], 'SELECT vr_confirm_delivery($C, ''READ'', now(), ''c-a'')'), expected, 'it was overtaken, and had been read: ' || reports)
FROM (VALUES
	('{}', 'QUEUED 1 f f'),
	('{"SELECT pg_temp.claim()","SELECT vr_confirm_delivery($C, ''FAILED'', now(), ''c-b'')"}', 'QUEUED 2 f f'),
	('{"SELECT pg_temp.claim()","SELECT vr_message_sent($C, ''c-b'', 2)","SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-b'')"}', 'SENT 2 t t')
) AS t (reports, expected);

-- Would catch: the same where it is not known what the channel called the first time, or where it was overtaken twice.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-9'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.wait()',
	'SELECT vr_accept(vr_routing_id(''c-9''), ''v2'')', 'SELECT pg_temp.claim()'] || ARRAY(SELECT replace(r, '$C', 'pg_temp.id(''c-9'', ''v1'', ''CANCELLATION'')') FROM unnest(reports::text[]) AS r) ||
	ARRAY['SELECT pg_temp.claim()', 'SELECT vr_confirm_delivery(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''READ'', now(), ''c-a'')'],
	'SELECT state || '' '' || attempts FROM vendor_routing.messages WHERE message_id = pg_temp.id(''c-9'', ''v1'', ''CANCELLATION'')'), 'LEASED 2', 'the first time is not the second: ' || reports)
FROM (VALUES
	('{"SELECT vr_confirm_delivery($C, ''DELIVERED'', now(), ''c-a'')","SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1''), ''o-a'', 1)","SELECT vr_message_sent($C, ''c-a'', 1)"}'),
	('{"SELECT vr_message_sent($C, NULL, 1)","SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1''), ''o-a'', 1)"}'),
	('{"SELECT vr_message_sent($C, NULL, 1)","SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1''), ''o-a'', 1)","SELECT vr_message_sent($C, ''c-a'', 1)"}')
) AS t (reports);
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-9'', ''shop'', vendors => ''{v1}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.wait()',
	'SELECT vr_accept(vr_routing_id(''c-9''), ''v1'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.wait()', 'SELECT vr_release(vr_routing_id(''c-9''), ''v1'')', 'SELECT pg_temp.claim()',
	'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''c-a'', 1)', 'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1''), ''o-a'', 1)', 'SELECT pg_temp.claim()',
	'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''c-b'', 2)', 'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1'', ''WIN''), ''w-a'', 1)', 'SELECT pg_temp.claim()', report],
	'SELECT state || '' '' || attempts FROM vendor_routing.messages WHERE message_id = pg_temp.id(''c-9'', ''v1'', ''CANCELLATION'')'), expected, 'twice: ' || report)
FROM (VALUES ('SELECT vr_confirm_delivery(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''DELIVERED'', now(), ''c-a'')', 'LEASED 3'),
	('SELECT vr_confirm_delivery(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''DELIVERED'', now(), ''c-b'')', 'LEASED 3'),
	('SELECT vr_confirm_delivery(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''), ''DELIVERED'', now(), ''c-c'')', 'SENT 3')) AS t (report, expected);
-- Would catch: a reply to the first time that is not known again, and so about another order.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-6'', ''shop'', vendors => ''{v1,v2}'')',
	'SELECT FROM vr_broadcast(''c-10'', ''shop'', vendors => ''{v1}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.wait()', 'SELECT vr_accept(vr_routing_id(''c-6''), ''v2'')', 'SELECT pg_temp.claim()',
	'SELECT vr_message_sent(pg_temp.id(''c-6'', ''v1'', ''CANCELLATION''), ''c-a'', 1)', 'SELECT vr_message_sent(pg_temp.id(''c-6'', ''v1''), ''o-a'', 1)'],
	'SELECT outcome FROM vr_receive_message(''wa'', ''r1'', ''491700000001'', ''reject c-10'', ''{"reply_to": "c-a"}'')'), 'AMBIGUOUS', 'a reply to the first time');
-- Would catch: what others have written to a cancellation, lost with our report.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-9'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1''))',
	'SELECT vr_accept(vr_routing_id(''c-9''), ''v2'')', 'SELECT pg_temp.claim()', 'UPDATE vendor_routing.cancellations SET sent_at = now(), confirmed_at = now() WHERE routing_id = vr_routing_id(''c-9'')',
	'SELECT vr_message_sent(pg_temp.id(''c-9'', ''v1'', ''CANCELLATION''))'],
	'SELECT confirmed_at IS NOT NULL FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id(''c-9'')'), 'true', 'confirmed by other means');

-- Would catch: a report that is lost, since what the channel says is long.
SELECT FROM vr_broadcast('c-8', 'shop', vendors => '{v1}');
SELECT is(pg_temp.claim(), 'OFFER c-8 v1', 'an offer whose sender fails at length');
SELECT is((SELECT vr_message_failed(pg_temp.id('c-8', 'v1'), repeat('e', 1999) || repeat(U&'\00e9', 1000000), true)), 'RETRY', 'is tried again');
SELECT is((SELECT error FROM vendor_routing.messages WHERE message_id = pg_temp.id('c-8', 'v1')), repeat('e', 1999), 'as much as there is room for is kept');
SELECT vr_cancel(vr_routing_id('c-8')), pg_temp.claim() \g /dev/null

-- Would catch: the end of a round that is not told, since the vendor has heard nothing of the next.
SELECT is(pg_temp.would(ARRAY['SELECT FROM vr_broadcast(''c-7'', ''shop'', vendors => ''{v1,v2}'')', 'SELECT pg_temp.claim()', 'SELECT pg_temp.send()',
	'SELECT vr_accept(vr_routing_id(''c-7''), ''v2'')', 'SELECT pg_temp.claim()', 'SELECT vr_message_failed(pg_temp.id(''c-7'', ''v1'', ''CANCELLATION''), ''500'')',
	'SELECT vr_release(vr_routing_id(''c-7''), ''v2'')', 'UPDATE vendor_routing.vendors SET phone = NULL WHERE vendor_id = ''v1''',
	'SELECT vr_cancel(vr_routing_id(''c-7''))', 'SELECT pg_temp.claim(''APP'')'], 'SELECT pg_temp.claim(''WHATSAPP'')'), 'CANCELLATION c-7 v1', 'on another channel, by which it has heard');

-- Rounds ---------------------------------------------------------------------------------------

-- Would catch: a win of who has it no more, an end that comes after the new beginning, two rounds that are one.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('r-1', 'shop', vendors => '{v1,v2,v3}');
SELECT is(pg_temp.claim(), 'OFFER r-1 v1, OFFER r-1 v2, OFFER r-1 v3', 'round 1');
SELECT pg_temp.send();
SELECT vr_accept(vr_routing_id('r-1'), 'v1') \g /dev/null
SELECT is(pg_temp.claim('WHATSAPP'), 'WIN r-1 v1, CANCELLATION r-1 v2', 'won');
SELECT vr_message_sent(pg_temp.id('r-1', 'v1', 'WIN')) \g /dev/null
SELECT is((SELECT concat_ws(' ', released, round, vendor_count) FROM vr_release(vr_routing_id('r-1'), 'v1')), 't 2 2', 'given back');
SELECT is(pg_temp.claim(), 'CANCELLATION r-1 v1, CANCELLATION r-1 v3', 'who had it is told; the others, first, of the end of round 1');
SELECT pg_temp.send();
SELECT is(pg_temp.claim(), 'OFFER r-1 v2, OFFER r-1 v3', 'then round 2');
SELECT is((SELECT count(DISTINCT message_id) FROM vendor_routing.messages WHERE kind = 'OFFER'), 5::bigint, 'each offer has an id of its own');
SELECT pg_temp.send();
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('r-1'), 'v2')), 'LOCKED', 'won again');
SELECT is(pg_temp.claim(), 'WIN r-1 v2, CANCELLATION r-1 v3', 'each is told');
SELECT is((SELECT completed FROM vr_complete(vr_routing_id('r-1'))), true, 'delivered while the win is on its way');
SELECT pg_temp.wait();
SELECT is(pg_temp.claim(), 'WIN r-1 v2, CANCELLATION r-1 v3', 'the win is announced still');

-- Would catch: a win that is announced after it was lost.
SELECT is(pg_temp.would(ARRAY[format('SELECT FROM vr_broadcast(''r-2'', ''shop'', vendors => ''{v1,v2}'', confirm_within => %L)', within),
		'SELECT pg_temp.claim()', 'SELECT pg_temp.send()', 'SELECT vr_accept(vr_routing_id(''r-2''), ''v1'')'] || looks || ARRAY[loses],
	'SELECT pg_temp.claim_of(''v1'') || ''; '' || pg_temp.messages(''r-2'')'), expected || ', v2 OFFER SENT, v2 CANCELLATION LEASED' || CASE WHEN n = 3 THEN '' ELSE ', v2 OFFER QUEUED' END, loses || ' after ' || looks::text)
FROM (VALUES
	(1, '1 min', 'SELECT vr_release(vr_routing_id(''r-2''), ''v1'')', '{}'::text[],
		'CANCELLATION RELEASED; v1 OFFER SENT, v1 CANCELLATION LEASED'),
	(2, '1 min', 'SELECT vr_release(vr_routing_id(''r-2''), ''v1'')', '{SELECT pg_temp.claim(),SELECT pg_temp.wait()}',
		'CANCELLATION RELEASED; v1 OFFER SENT, v1 WIN DROPPED, v1 CANCELLATION LEASED'),
	(3, '1 min', 'SELECT vr_cancel(vr_routing_id(''r-2''))', '{SELECT pg_temp.claim(),SELECT pg_temp.wait()}',
		'CANCELLATION ORDER_CANCELLED; v1 OFFER SENT, v1 WIN DROPPED, v1 CANCELLATION LEASED'),
	(4, '1 microsecond', 'SELECT vr_tick()', '{}', 'CANCELLATION NO_CONFIRM; v1 OFFER SENT, v1 CANCELLATION LEASED')
) AS t (n, within, loses, looks, expected) ORDER BY n;

-- Would catch: nobody told, where a release leaves nobody to offer it to.
SELECT FROM vr_broadcast('r-3', 'shop', vendors => '{v1}');
SELECT vr_accept(vr_routing_id('r-3'), 'v1') \g /dev/null
SELECT pg_temp.claim(), pg_temp.send() \g /dev/null
SELECT is((SELECT status FROM vr_release(vr_routing_id('r-3'), 'v1')), 'EXHAUSTED', 'given back, and nobody is left');
SELECT is(pg_temp.claim(), 'CANCELLATION r-3 v1', 'who gave it back is told so');

-- Would catch: a vendor chosen by hand that hears nothing, or is offered what it has.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('r-4', 'shop', vendors => '{v1,v2}');
SELECT pg_temp.claim(), pg_temp.send() \g /dev/null
SELECT is((SELECT reason FROM vr_assign(vr_routing_id('r-4'), 'v3', 'kim')), 'LOCKED', 'assigned to who was not asked');
SELECT is(pg_temp.claim(), 'CANCELLATION r-4 v1, CANCELLATION r-4 v2, WIN r-4 v3', 'each is told');
SELECT pg_temp.send();
SELECT vr_cancel(vr_routing_id('r-4')) \g /dev/null
SELECT is(pg_temp.claim(), 'CANCELLATION r-4 v3', 'and of the end');

-- Would catch: a wave that is told before it opens, or not when it does.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('w-1', 'shop', waves => '[{"vendor_ids": ["v1"], "wait": "10 min"}, {"vendor_ids": ["v2"], "wait": "10 min"}, {"vendor_ids": ["v3"]}]');
SELECT is(pg_temp.claim(), 'OFFER w-1 v1', 'the first wave');
SELECT vr_respond(vr_routing_id('w-1'), 'v1', 'REJECT') \g /dev/null
SELECT is(pg_temp.claim(), 'OFFER w-1 v2', 'the second, when the first has declined');
UPDATE vendor_routing.routings SET next_wave_at = now(), next_deadline = now() WHERE order_id = 'w-1';
SELECT is((SELECT waves_opened FROM vr_tick()), 1, 'the time of the third comes');
SELECT is(pg_temp.claim(), 'OFFER w-1 v3', 'the third');
SELECT vr_timeout(vr_routing_id('w-1'), '0') \g /dev/null
SELECT is((SELECT concat_ws(' ', round, vendor_count) FROM vr_retry(vr_routing_id('w-1'), true)), '2 1', 'nobody took it: again');
SELECT pg_temp.send();
SELECT is((SELECT string_agg(kind || ' ' || vendor_id || ' ' || round, ', ') FROM vr_claim_messages()), 'OFFER v2 2', 'a new offer, of the new round');

-- Each state and each call -------------------------------------------------------------------------

-- Would catch: a receipt that undoes a later one, a dead message that is sent and not believed, a cancellation
-- that says another thing than its message.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('s-1', 'shop', vendors => '{v1}');
SELECT pg_temp.claim(), pg_temp.send() \g /dev/null
SELECT vr_cancel(vr_routing_id('s-1')) \g /dev/null
SELECT is(pg_temp.claim(), 'CANCELLATION s-1 v1', 'a message to try it with');
SELECT is(pg_temp.would(ARRAY['UPDATE vendor_routing.messages SET ' || becomes || ' WHERE kind = ''CANCELLATION''',
		'UPDATE vendor_routing.cancellations SET sent_at = m.sent_at, confirmed_at = m.delivered_at FROM vendor_routing.messages AS m
		 WHERE m.kind = ''CANCELLATION'' AND m.routing_id = cancellations.routing_id',
		'CREATE TEMP TABLE result ON COMMIT DROP AS SELECT ' || CASE WHEN call LIKE 'vr%' THEN call ELSE format('vr_confirm_delivery(id, %L)', call) END
		|| '::text AS value FROM (SELECT pg_temp.id(''s-1'', ''v1'', ''CANCELLATION'') AS id) AS x'],
	'SELECT concat_ws('' '', value, state, CASE WHEN delivered_at IS NOT NULL THEN ''delivered'' END, CASE WHEN read_at IS NOT NULL THEN ''read'' END,
		CASE WHEN c.sent_at IS NOT DISTINCT FROM m.sent_at AND c.confirmed_at IS NOT DISTINCT FROM m.delivered_at THEN ''/'' ELSE ''UNLIKE'' END,
		CASE WHEN may_have_arrived THEN ''perhaps'' END)
	 FROM result, vendor_routing.messages AS m JOIN vendor_routing.cancellations AS c USING (routing_id, round, vendor_id) WHERE kind = ''CANCELLATION'''),
	expected, before || ': ' || call)
FROM (VALUES
	('QUEUED', $$state = 'QUEUED'$$, '{true SENT /,RETRY QUEUED /,RETRY QUEUED / perhaps,true SENT delivered /,true SENT delivered read /,false QUEUED /}'::text[]),
	('LEASED', $$state = 'LEASED'$$, '{true SENT /,RETRY QUEUED /,RETRY QUEUED / perhaps,true SENT delivered /,true SENT delivered read /,true QUEUED /}'),
	('SENT', $$state = 'SENT', sent_at = now()$$, '{false SENT /,SENT SENT /,SENT SENT /,true SENT delivered /,true SENT delivered read /,true QUEUED /}'),
	('delivered', $$state = 'SENT', sent_at = now(), delivered_at = now()$$, '{false SENT delivered /,SENT SENT delivered /,SENT SENT delivered /,false SENT delivered /,true SENT delivered read /,false SENT delivered /}'),
	('read', $$state = 'SENT', sent_at = now(), delivered_at = now(), read_at = now()$$, '{false SENT delivered read /,SENT SENT delivered read /,SENT SENT delivered read /,false SENT delivered read /,false SENT delivered read /,false SENT delivered read /}'),
	('DROPPED', $$state = 'DROPPED'$$, '{true SENT /,DROPPED DROPPED /,DROPPED DROPPED / perhaps,true SENT delivered /,true SENT delivered read /,false DROPPED /}'),
	('DEAD', $$state = 'DEAD', attempts = 8$$, '{true SENT /,DEAD DEAD /,DEAD DEAD / perhaps,true SENT delivered /,true SENT delivered read /,false DEAD /}'),
	('SENT, for the last time', $$state = 'SENT', sent_at = now(), attempts = 8$$, '{false SENT /,SENT SENT /,SENT SENT /,true SENT delivered /,true SENT delivered read /,true DEAD /}')
) AS t (before, becomes, outcomes),
LATERAL unnest('{vr_message_sent(id),"vr_message_failed(id, ''x'')","vr_message_failed(id, ''x'', true)",DELIVERED,READ,FAILED}'::text[], outcomes) AS u (call, expected);

-- Would catch: times of the call in place of those of the channel, an external id that is lost.
SELECT is(vr_confirm_delivery(pg_temp.id('s-1', 'v1', 'CANCELLATION'), 'READ', '2026-01-02 03:04+00')
	|| ' ' || vr_confirm_delivery(pg_temp.id('s-1', 'v1', 'CANCELLATION'), 'DELIVERED', '2026-01-01 03:04+00')
	|| ' ' || vr_confirm_delivery(pg_temp.id('s-1', 'v1', 'CANCELLATION'), 'FAILED'), 'true false false', 'read, and then all the rest');
SELECT is(c.sent_at = '2026-01-02 03:04+00' AND c.confirmed_at = c.sent_at AND m.read_at = c.sent_at AND m.delivered_at = c.sent_at, true,
	'the times are those of the receipt that came first')
FROM vendor_routing.cancellations AS c JOIN vendor_routing.messages AS m USING (routing_id, vendor_id, round)
WHERE kind = 'CANCELLATION' AND routing_id = vr_routing_id('s-1');
SELECT is((SELECT string_agg(vr_message_sent(pg_temp.id('s-1', 'v1', 'CANCELLATION'), x)::text, ' ') FROM unnest('{first,NULL,second,NULL}'::text[]) AS x),
	'false false false false', 'said again');
SELECT is((SELECT external_id FROM vendor_routing.messages WHERE kind = 'CANCELLATION'), 'second', 'the last external id is kept');

-- Attempts ------------------------------------------------------------------------------------------

-- Would catch: a receipt that is faster than the sender and forgotten, so that what did not arrive counts
-- as sent; a report of an attempt that is over, by which one that is on its way is not watched any more.
CREATE FUNCTION pg_temp.reports(calls text[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id uuid := pg_temp.id('n-1', 'v1');
	call text;
	answer text;
	answers text[];
BEGIN
	FOREACH call IN ARRAY calls LOOP
		PERFORM pg_temp.wait();
		EXECUTE 'SELECT ' || replace(replace(call, 'claim', 'pg_temp.claim_of(''v1'')'), '(id', format('(%L', id)) INTO answer;
		answers := answers || answer;
	END LOOP;
	RETURN (SELECT concat_ws(' ', array_to_string(answers, ' ') || ':', state, attempts, external_id, CASE WHEN may_have_arrived THEN 'perhaps' END)
		FROM vendor_routing.messages WHERE message_id = id);
END $$;
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('n-1', 'shop', vendors => '{v1}');
SELECT pg_temp.claim('PIGEON') \g /dev/null
SELECT is(pg_temp.would('{}', format('SELECT pg_temp.reports(%L)', calls)), expected, 'reports: ' || array_to_string(calls, ', '))
FROM (VALUES
	('{claim,"vr_confirm_delivery(id, ''FAILED'')","vr_message_sent(id, ''x1'', 1)"}'::text[], 'OFFER true false: QUEUED 1 x1'),
	('{claim,"vr_confirm_delivery(id, ''FAILED'')",vr_message_sent(id)}', 'OFFER true false: QUEUED 1'),
	('{claim,"vr_confirm_delivery(id, ''FAILED'')",claim,"vr_message_sent(id, ''x1'', 1)"}', 'OFFER true OFFER false: LEASED 2 x1'),
	('{claim,"vr_confirm_delivery(id, ''FAILED'')",claim,"vr_message_sent(id, ''x1'', 1)","vr_message_sent(id, ''x2'', 2)"}', 'OFFER true OFFER false true: SENT 2 x2'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')","vr_message_sent(id, ''x1'', 1)"}', 'OFFER true true false: QUEUED 1 x1'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')",claim,"vr_message_sent(id, ''x1'', 1)"}', 'OFFER true true OFFER false: LEASED 2 x1'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')",claim,"vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')"}', 'OFFER true true OFFER false: LEASED 2 x1'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')",claim,"vr_message_sent(id, ''x2'', 2)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')"}', 'OFFER true true OFFER true false: SENT 2 x2'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')",claim,"vr_message_sent(id, ''x2'', 2)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x2'')"}', 'OFFER true true OFFER true true: QUEUED 2 x2'),
	('{claim,"vr_message_sent(id, ''x1'', 1)","vr_confirm_delivery(id, ''FAILED'', NULL, ''x1'')",claim,"vr_confirm_delivery(id, ''FAILED'', NULL, ''x2'')","vr_message_sent(id, ''x2'', 2)"}', 'OFFER true true OFFER true false: QUEUED 2 x2'),
	('{claim,"vr_message_sent(id, ''x'')",vr_confirm_delivery(id\, ''FAILED''),claim,"vr_message_sent(id, ''x'')"}', 'OFFER true true OFFER true: SENT 2 x'),
	('{claim,"vr_confirm_delivery(id, ''FAILED'')","vr_confirm_delivery(id, ''FAILED'')","vr_confirm_delivery(id, ''DELIVERED'')"}', 'OFFER true false true: SENT 1'),
	('{claim,"vr_message_failed(id, ''x'', false, 1)","vr_message_failed(id, ''x'', false, 1)"}', 'OFFER RETRY RETRY: QUEUED 1'),
	('{claim,claim,"vr_message_failed(id, ''late'', false, 1)"}', 'OFFER OFFER LEASED: LEASED 2 perhaps'),
	('{claim,"vr_message_failed(id, ''x'')",claim,"vr_message_failed(id, ''late'', false, 1)"}', 'OFFER RETRY OFFER LEASED: LEASED 2'),
	('{claim,"vr_message_failed(id, ''x'')",claim,"vr_message_failed(id, ''late'', true, 1)"}', 'OFFER RETRY OFFER LEASED: LEASED 2 perhaps'),
	('{claim,claim,"vr_message_failed(id, ''x'', false, 2)"}', 'OFFER OFFER RETRY: QUEUED 2 perhaps'),
	('{claim,claim,claim,claim,claim,claim,claim,claim,"vr_confirm_delivery(id, ''FAILED'')","vr_message_sent(id, ''x8'', 8)"}', 'OFFER OFFER OFFER OFFER OFFER OFFER OFFER OFFER true false: DEAD 8 x8 perhaps')
) AS t (calls, expected);

-- Would catch: an offer or a win that reaches a vendor last, when all is over, since it was late.
SELECT is(pg_temp.would(ARRAY['SELECT pg_temp.claim()', 'SELECT vr_cancel(vr_routing_id(''n-1''))', 'SELECT pg_temp.wait()', 'SELECT pg_temp.claim()', 'SELECT pg_temp.send()'] || late,
	'SELECT pg_temp.claim_of(''v1'') || ''; '' || pg_temp.messages(''n-1'') || '' '' || CASE WHEN sent_at IS NULL THEN ''not sent'' ELSE ''sent'' END
	 FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id(''n-1'')'), expected, 'late, after the end was told: ' || late::text)
FROM (VALUES
	('{}'::text[], 'nothing; v1 OFFER DROPPED, v1 CANCELLATION SENT sent'),
	('{SELECT vr_message_sent(pg_temp.id(''n-1''\, ''v1''))}', 'CANCELLATION ORDER_CANCELLED; v1 OFFER SENT, v1 CANCELLATION LEASED not sent'),
	('{SELECT vr_message_sent(pg_temp.id(''n-1''\, ''v1'')),SELECT pg_temp.claim(),SELECT pg_temp.send(),SELECT vr_message_sent(pg_temp.id(''n-1''\, ''v1''))}',
		'nothing; v1 OFFER SENT, v1 CANCELLATION SENT sent'),
	('{SELECT vr_confirm_delivery(pg_temp.id(''n-1''\, ''v1'')\, ''READ'')}', 'nothing; v1 OFFER SENT, v1 CANCELLATION SENT sent')
) AS t (late, expected);

-- Would catch: what is void, and its next attempt far away, that keeps back the offer of the next round.
SELECT is(pg_temp.would(ARRAY['SELECT pg_temp.claim()', 'SELECT vr_timeout(vr_routing_id(''n-1''), ''0'')', 'SELECT vr_retry(vr_routing_id(''n-1''), true)', 'SELECT pg_temp.claim(''PIGEON'')',
	'SELECT vr_message_failed(pg_temp.id(''n-1'', ''v1''), ''x'') WHERE false', 'SELECT vr_message_failed(message_id, ''x'') FROM vendor_routing.messages WHERE state = ''LEASED'''],
	'SELECT string_agg(concat_ws('' '', kind, round), '', '') FROM vr_claim_messages()'), 'OFFER 2', 'a failed offer of the round before does not hold up that of this one');

-- Would catch: a vendor that hears nothing any more, since its old channel has no sender.
SELECT FROM vr_broadcast('n-2', 'shop', vendors => '{v3,v2}');
SELECT is(pg_temp.would(ARRAY['SELECT pg_temp.claim(''PIGEON'')', before, 'UPDATE vendor_routing.vendors SET phone = ''+491700000003'' WHERE vendor_id = ''v3''', ends] || meanwhile,
	'SELECT string_agg(kind, '', '') FROM vr_claim_messages(''WHATSAPP'') WHERE vendor_id = ''v3'''), expected, 'from one channel to another: ' || concat_ws(', ', before, ends, meanwhile::text))
FROM (VALUES
	('SELECT', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v3'')', '{}'::text[], 'WIN'),
	('SELECT pg_temp.claim(''APP'')', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v3'')', '{}', NULL),
	('SELECT pg_temp.claim(''APP'')', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v3'')', '{SELECT pg_temp.wait()}', 'WIN'),
	('SELECT', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v2'')', '{}', NULL),
	('SELECT pg_temp.claim(''APP'')', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v2'')', '{}', NULL),
	('SELECT pg_temp.claim(''APP'')', 'SELECT vr_accept(vr_routing_id(''n-2''), ''v2'')', '{SELECT pg_temp.wait()}', 'CANCELLATION')
) AS t (before, ends, meanwhile, expected);

-- The queue and the outbox ------------------------------------------------------------------------

-- Would catch: a view that counts what is done, or mixes channels.
SELECT pg_temp.fresh();
SELECT is((SELECT count(*) FROM vr_message_queue), 0::bigint, 'nothing waits');
SELECT FROM generate_series(1, 4) AS n, vr_broadcast('v-' || n, 'shop', vendors => '{v1,v3}');
SELECT pg_temp.claim('PIGEON') \g /dev/null
SELECT pg_temp.claim('APP', 1), pg_temp.claim('WHATSAPP', 3) \g /dev/null
UPDATE vendor_routing.messages SET queued_at = now() - interval '1 h' WHERE state = 'LEASED';
UPDATE vendor_routing.messages SET state = 'DEAD', attempts = 7 WHERE message_id = (SELECT message_id FROM vendor_routing.messages WHERE state = 'LEASED' AND channel = 'WHATSAPP' LIMIT 1);
SELECT vr_message_sent((SELECT message_id FROM vendor_routing.messages WHERE state = 'LEASED' AND channel = 'WHATSAPP' LIMIT 1)) \g /dev/null
SELECT results_eq('SELECT channel, state, messages, max_attempts, oldest_queued_at = now() - interval ''1 h'', next_due_at IS NULL FROM vr_message_queue ORDER BY 1, 2',
	$$VALUES ('APP', 'LEASED', 1::bigint, 1, true, false), ('APP', 'QUEUED', 3, 0, false, false),
	('WHATSAPP', 'DEAD', 1, 7, true, true), ('WHATSAPP', 'LEASED', 1, 1, true, false), ('WHATSAPP', 'QUEUED', 1, 0, false, false)$$, 'what waits, by channel and state');

-- Would catch: a change that senders never see, a decided order that they look at for ever.
SELECT pg_temp.fresh();
CREATE FUNCTION pg_temp.outbox(of_order text)
RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN o.routing_id IS NULL THEN 'out' WHEN o.version = t.version THEN 'seen' ELSE 'new' END
	FROM vendor_routing.routings AS t LEFT JOIN vendor_routing.outbox AS o USING (routing_id) WHERE t.order_id = of_order
$$;
CREATE FUNCTION pg_temp.forget_cancellations(of_order text)
RETURNS void LANGUAGE sql AS $$
	ALTER TABLE vendor_routing.cancellations DISABLE TRIGGER guard_delete;
	DELETE FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id(of_order);
	ALTER TABLE vendor_routing.cancellations ENABLE ALWAYS TRIGGER guard_delete;
$$;
-- A sender has seen the order, and is about to take it out.
CREATE FUNCTION pg_temp.is_seen(of_order text)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO vendor_routing.outbox (routing_id, version) SELECT routing_id, version FROM vendor_routing.routings WHERE order_id = of_order
$$;
CREATE TEMP TABLE steps (n serial, step text, before text, after text);
INSERT INTO steps (step, before, after) VALUES
	('vr_broadcast(''x-1'', ''shop'', vendors => ''{v1,v2}'')', 'new', 'seen'),
	('vr_respond(vr_routing_id(''x-1''), ''v1'', ''ACCEPT'')', 'seen', 'seen'),
	('vr_accept(vr_routing_id(''x-1''), ''v1'')', 'new', 'out'),
	('vr_accept(vr_routing_id(''x-1''), ''v2'')', 'out', 'out'),
	('vr_confirm(vr_routing_id(''x-1''), ''v1'')', 'out', 'out'),
	('vr_release(vr_routing_id(''x-1''), ''v1'')', 'new', 'seen'),
	('vr_timeout(vr_routing_id(''x-1''), ''0'')', 'new', 'seen'),
	('vr_retry(vr_routing_id(''x-1''))', 'new', 'seen'),
	('vr_assign(vr_routing_id(''x-1''), ''v3'', ''kim'')', 'new', 'out'),
	('vr_send_cancellations(vr_routing_id(''x-1''))', 'out', 'out'),
	('pg_temp.forget_cancellations(''x-1'')', 'out', 'out'),
	('vr_send_cancellations(vr_routing_id(''x-1''))', 'new', 'out'),
	('vr_complete(vr_routing_id(''x-1''))', 'out', 'out'),
	('vr_broadcast(''x-1'', ''shop'')', 'out', 'out'),
	('vr_broadcast(''x-2'', ''shop'', waves => ''[{"vendor_ids": ["v1"]}, {"vendor_ids": ["v2"]}]'')', 'new', 'seen'),
	('vr_respond(vr_routing_id(''x-2''), ''v1'', ''REJECT'')', 'new', 'seen'),
	('vr_cancel(vr_routing_id(''x-2''))', 'new', 'out'),
	('vr_cancel(vr_routing_id(''x-2''))', 'out', 'out'),
	('vr_broadcast(''x-3'', ''shop'', vendors => ''{v1}'')', 'new', 'seen'),
	('vr_accept(vr_routing_id(''x-3''), ''v1'')', 'new', 'out'),
	('vr_cancel(vr_routing_id(''x-3''))', 'new', 'out'),
	('vr_broadcast(''x-4'', ''shop'', vendors => ''{v1}'')', 'new', 'seen'),
	('pg_temp.let_expire(''x-4'')', 'seen', 'seen'),
	('vr_tick() /* x-4 */', 'new', 'out'),
	('vr_retry(vr_routing_id(''x-4''))', 'new', 'seen'),
	('vr_assign(vr_routing_id(''x-4''), ''v1'', ''kim'')', 'new', 'out'),
	('vr_broadcast(''x-5'', ''shop'', vendors => ''{v1,v2}'')', 'new', 'seen'),
	('vr_accept(vr_routing_id(''x-5''), ''v1'')', 'new', 'out'),
	('pg_temp.forget_cancellations(''x-5'')', 'out', 'out'),
	('pg_temp.is_seen(''x-5'')', 'seen', 'seen'),
	('vr_send_cancellations(vr_routing_id(''x-5''))', 'new', 'out');
CREATE TEMP TABLE walked (n int, step text, found text, expected text);
DO $$
DECLARE
	s record;
	of_order text;
	found text;
BEGIN
	FOR s IN SELECT * FROM steps ORDER BY n LOOP
		of_order := substring(s.step FROM 'x-\d');
		EXECUTE 'SELECT ' || s.step;
		found := pg_temp.outbox(of_order);
		PERFORM pg_temp.claim();
		INSERT INTO walked VALUES (s.n, s.step, found || ', ' || pg_temp.outbox(of_order), s.before || ', ' || s.after);
	END LOOP;
END $$;
SELECT is(found, expected, 'the outbox after ' || step || ', before a sender looks and after') FROM walked ORDER BY n;
-- Would catch: an order whose new state is overlooked, since a savepoint with it was undone.
SELECT is(pg_temp.would(ARRAY['SELECT vr_cancel(vr_routing_id(''x-1'')) WHERE false', 'SELECT vr_cancel(vr_routing_id(''x-4''))', 'SELECT pg_temp.claim()'],
	'SELECT pg_temp.outbox(''x-4'')'), 'out', 'cancelled and seen in a savepoint');
SELECT is(pg_temp.outbox('x-4'), 'out', 'and as it was when that is undone');

-- Who may ------------------------------------------------------------------------------------------

-- Would catch: a sender that needs more than EXECUTE, and a role that may without it.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('p-1', 'shop', vendors => '{v1}');
CREATE ROLE regress_vr_sender;
CREATE ROLE regress_vr_nobody;
GRANT EXECUTE ON FUNCTION vr_claim_messages(text, integer, interval), vr_message_sent(uuid, text, integer), vr_message_failed(uuid, text, boolean, integer),
	vr_confirm_delivery(uuid, text, timestamptz, text), vr_receive_message(text, text, text, text, jsonb) TO regress_vr_sender;
GRANT SELECT ON vr_message_queue TO regress_vr_sender;
CREATE TEMP TABLE calls (n serial, call text, expected text);
INSERT INTO calls (call, expected) VALUES
	('count(*) FROM vr_claim_messages()', '1'), ('vr_message_failed(%L, ''x'')', 'RETRY'), ('vr_message_sent(%L)', 'true'),
	('vr_confirm_delivery(%L, ''READ'')', 'true'), ('outcome FROM vr_receive_message(''p'', ''p'', ''491700000001'', ''accept'')', 'LOCKED'),
	('count(*) FROM vr_message_queue', '0');
SELECT is(pg_temp.tries(format('SELECT ' || call, gen_random_uuid()), 'regress_vr_nobody'), '42501', 'without a right: ' || call) FROM calls ORDER BY n;
SELECT is(pg_temp.tries('SELECT count(*) FROM vr_claim_messages()', 'regress_vr_sender'), '1', 'with EXECUTE: it claims');
SELECT is(pg_temp.tries(format('SELECT ' || call, pg_temp.id('p-1', 'v1')), 'regress_vr_sender'), expected, 'with EXECUTE: ' || call) FROM calls WHERE n > 1 ORDER BY n;
SELECT is(pg_temp.tries('SELECT count(*) FROM vendor_routing.' || t, 'regress_vr_sender'), '42501', 'and the table ' || t || ' stays closed')
FROM unnest('{messages,outbox,inbound_messages,message_words,message_texts}'::text[]) AS t;

-- Would catch: a name of somebody else's that is found before ours.
SELECT pg_temp.fresh();
CREATE SCHEMA regress_evil;
CREATE FUNCTION regress_evil.evil(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil' USING ERRCODE = 'EVIL0'; END $$;
CREATE FUNCTION regress_evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil' USING ERRCODE = 'EVIL0'; END $$;
CREATE FUNCTION regress_evil.to_char(timestamp, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil' USING ERRCODE = 'EVIL0'; END $$;
CREATE FUNCTION regress_evil.random() RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil' USING ERRCODE = 'EVIL0'; END $$;
CREATE FUNCTION regress_evil.concat_ws(text, text, numeric) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil' USING ERRCODE = 'EVIL0'; END $$;
CREATE OPERATOR regress_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_evil.evil);
CREATE OPERATOR regress_evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_evil.evil);
CREATE OPERATOR regress_evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_evil.evil);
CREATE TABLE regress_evil.messages ();
CREATE TABLE regress_evil.vendors ();
SELECT FROM vr_broadcast('e-1', 'shop', NULL, 12.50, vendors => '{v1}');
-- A session that has made no plan of these yet would be better: DISCARD PLANS is the next best.
CREATE TEMP TABLE evils (n int, call text, expected text);
INSERT INTO evils VALUES (1, 'count(*) FROM public.vr_claim_messages()', '1'), (2, 'public.vr_message_failed(pg_temp.id(''e-1'', ''v1''), ''x'')', 'RETRY'),
	(3, 'public.vr_message_sent(pg_temp.id(''e-1'', ''v1''))', 'true'), (4, 'public.vr_confirm_delivery(pg_temp.id(''e-1'', ''v1''), ''READ'')', 'true'),
	(5, 'outcome FROM public.vr_receive_message(''e'', ''e'', ''+49 170/000.0001'', ''Accept, please'')', 'LOCKED');
ALTER FUNCTION pg_temp.id SET search_path = public, pg_catalog;
SELECT is(pg_temp.tries('SELECT ' || call, current_user, 'regress_evil, public, pg_catalog'), expected, 'among hostile names: ' || call) FROM evils ORDER BY n;

-- What vendors write ---------------------------------------------------------------------------------

-- The outcome, the order, and the reply, if it is asked for.
CREATE FUNCTION pg_temp.says(sender text, body text, context jsonb DEFAULT NULL, show_reply boolean DEFAULT false)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.outcome, t.order_id, CASE WHEN show_reply THEN '/ ' || coalesce(r.reply, '-') END)
	FROM vr_receive_message('test', gen_random_uuid()::text, sender, body, context) AS r
	LEFT JOIN vendor_routing.routings AS t USING (routing_id)
$$;
-- v1 says it, and it is undone.
CREATE FUNCTION pg_temp.tries_saying(body text, context jsonb DEFAULT NULL, sender text DEFAULT '491700000001')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.would('{SELECT 1}', format('SELECT pg_temp.says(%L, %L, %L)', sender, body, context))
$$;

-- Would catch: a caller's mistake that is taken for a vendor's message.
SELECT is(pg_temp.tries('SELECT outcome FROM vr_receive_message(' || args || ')'), expected, 'vr_receive_message(' || left(args, 50) || ')')
FROM (VALUES
	('NULL, ''m'', ''1'', ''x''', '22004'), ('''s'', NULL, ''1'', ''x''', '22004'), ('''s'', ''m'', NULL, ''x''', '22004'),
	(''''', ''m'', ''1'', ''x''', '22023'), ('''s'', '''', ''1'', ''x''', '22023'), ('''s'', ''m'', '''', ''x''', '22023'),
	('repeat(''s'', 256), ''m'', ''1'', ''x''', '22023'), ('''s'', repeat(''m'', 256), ''1'', ''x''', '22023'),
	('''s'', ''m'', repeat(''1'', 256), ''x''', '22023'), ('''s'', ''m'', ''1'', ''x'', ''[]''', '22023'), ('''s'', ''m'', ''1'', ''x'', ''7''', '22023'),
	('''s'', ''m'', ''1'', ''x'', ''null''', '22023'), ('''s'', repeat(''m'', 255), ''1'', NULL, ''{}''', 'UNKNOWN_SENDER')
) AS t (args, expected);

-- Would catch: a vendor that is not known by the phone it has, or by one that it has not.
SELECT pg_temp.fresh();
SELECT is(pg_temp.tries_saying('hello', NULL, sender), expected, 'from ' || to_json(sender))
FROM (VALUES
	('+491700000001', 'NO_OFFER'), ('491700000001', 'NO_OFFER'), ('00491700000001', 'NO_OFFER'), ('+49 170 0000001', 'NO_OFFER'),
	('+49 (0)170 / 000.0001', 'NO_OFFER'), ('0049-170-0000001', 'NO_OFFER'), ('+49(170)0000001', 'NO_OFFER'), (E'+49\t1700000001 ', 'NO_OFFER'),
	('1700000001', 'UNKNOWN_SENDER'), ('01700000001', 'UNKNOWN_SENDER'), ('+49170000000', 'UNKNOWN_SENDER'), ('+4917000000011', 'UNKNOWN_SENDER'),
	('++491700000001', 'UNKNOWN_SENDER'), ('+491700000001x', 'UNKNOWN_SENDER'), ('v1', 'UNKNOWN_SENDER'), ('+', 'UNKNOWN_SENDER'),
	('%', 'UNKNOWN_SENDER'), (' ', 'UNKNOWN_SENDER'), ('''; DROP TABLE x; --', 'UNKNOWN_SENDER'), (repeat('4', 255), 'UNKNOWN_SENDER')
) AS t (sender, expected);
SELECT is(pg_temp.says('nobody', 'accept', NULL, true), 'UNKNOWN_SENDER / -', 'an unknown sender gets no answer');
SELECT is((SELECT concat_ws(' ', vendor_id, outcome, body, reply) FROM vendor_routing.inbound_messages WHERE sender = 'nobody'),
	'UNKNOWN_SENDER accept', 'and is on record');

-- Would catch: a text that is guessed at, and one that is clear and not understood.
SELECT is(pg_temp.tries_saying(body), 'NO_OFFER', 'without an offer: ' || coalesce(left(body, 30), 'NULL')) FROM unnest(ARRAY['accept', 'reject', 'hello', 'cannot', '', NULL]) AS body;
SELECT FROM vr_broadcast('a-1', 'shop', vendors => '{v1,v2}');
SELECT is(pg_temp.tries_saying(body), expected, 'one offer: ' || coalesce(to_json(left(body, 40))::text, 'NULL'))
FROM unnest(ARRAY['accept', 'ACCEPT', ' Accept!! ', 'accept a-1', 'ACCEPT #a-1.', '(accept)', 'a-1 accept', 'please accept', 'Accept, please.',
	'I accept the order, thank you', 'Hello! We accept.', 'accept accept', 'accept a-1 a-1', E'accept\n\na-1', E'accept\ta-1', '*ACCEPT* "a-1"',
	repeat('accept ', 40)]) WITH ORDINALITY AS a (body, n), (VALUES ('LOCKED a-1')) AS e (expected);
SELECT is(pg_temp.tries_saying(body), 'REJECTED a-1', 'one offer: ' || body)
FROM unnest('{reject,REJECT,"Reject, please",reject a-1,"a-1: reject"}'::text[]) AS body;
SELECT is(pg_temp.tries_saying(body), 'AMBIGUOUS', 'one offer: ' || coalesce(to_json(left(body, 40))::text, 'NULL'))
FROM unnest(ARRAY['CANNOT ACCEPT', 'can not accept', 'can''t accept', 'don''t accept', 'do not reject', 'accept reject', 'reject, accept', 'accept or reject?',
	'hello', 'thanks', 'please', '', '   ', E'\n', NULL, '...', 'ok', 'yes', 'no', 'y', '1', 'a-1', 'acceptance', 'accepted', 'unaccept', 'rejected', 'ACCEPT_a-1',
	'accept,reject', 'accept a-2', 'accept A-1', 'accept a-1 later', 'accept 50%', 'aceptar', 'annehmen', 'accept:a-1', 'ac cept', U&'\+01F44D', U&'accept \+01F44E',
	'не accept', repeat('accept ', 41), repeat('x', 100000), 'accept' || repeat(' ', 5000), repeat(U&'\+01F44D', 2000), '{"payload": "ACCEPT"}',
	'accept''); DROP TABLE vendor_routing.messages; --', '\', '%', '$1', '{order}']) AS body;
SELECT is(pg_temp.says('491700000001', 'hmm', NULL, true),
	'AMBIGUOUS / We did not understand you. Open for you: a-1. Reply ACCEPT or REJECT, and the order.', 'the question names the order');
SELECT is((SELECT concat_ws('; ', status, (SELECT count(*) FROM vendor_routing.responses AS r WHERE r.routing_id = t.routing_id AND response IS NOT NULL))
	FROM vendor_routing.routings AS t WHERE order_id = 'a-1'), 'PENDING; 0', 'nothing has been decided by a question');

-- Would catch: one of several that is chosen for the vendor.
SELECT FROM vr_broadcast('a-2', 'shop', vendors => '{v1,v2}');
SELECT FROM vr_broadcast('foreign', 'shop', vendors => '{v2}');
SELECT is(pg_temp.tries_saying(body), expected, 'two offers: ' || body)
FROM (VALUES
	('accept', 'AMBIGUOUS'), ('reject', 'AMBIGUOUS'), ('accept order', 'AMBIGUOUS'), ('accept a-1', 'LOCKED a-1'), ('accept a-2', 'LOCKED a-2'),
	('reject a-2', 'REJECTED a-2'), ('accept a-1 a-2', 'AMBIGUOUS'), ('accept a-1 reject a-2', 'AMBIGUOUS'), ('accept foreign', 'AMBIGUOUS'),
	('accept a-1 foreign', 'AMBIGUOUS'), ('accept nowhere', 'AMBIGUOUS'), ('a-1', 'AMBIGUOUS'), ('a-1 a-2', 'AMBIGUOUS')
) AS t (body, expected);
SELECT is(pg_temp.says('491700000001', 'accept', NULL, true),
	'AMBIGUOUS / We did not understand you. Open for you: a-1, a-2. Reply ACCEPT or REJECT, and the order.', 'the question names both, and no other''s');
-- Would catch: a question without an end.
SELECT is(pg_temp.would('{"SELECT FROM generate_series(1, 30) AS n, vr_broadcast(''many-'' || n, ''shop'', vendors => ''{v1}'')"}',
	'SELECT array_length(string_to_array(split_part(pg_temp.says(''491700000001'', ''accept'', NULL, true), ''Reply'', 1), '', ''), 1)::text'), '10', 'the question names 10 at most');

-- Would catch: a button, or a reply, that counts for another order or another vendor, or less than the text.
SELECT pg_temp.claim() \g /dev/null
SELECT vr_message_sent(pg_temp.id(o, v), 'wamid.' || o || '.' || v) FROM (VALUES ('a-1', 'v1'), ('a-1', 'v2'), ('a-2', 'v1'), ('a-2', 'v2'), ('foreign', 'v2')) AS t (o, v) \g /dev/null
SELECT is(pg_temp.tries_saying(body, replace(replace(replace(context, 'A1', vr_routing_id('a-1')::text), 'A2', vr_routing_id('a-2')::text), 'F1', vr_routing_id('foreign')::text)::jsonb),
	expected, coalesce(body, 'NULL') || ' with ' || context)
FROM (VALUES
	('x', '{"payload": "ACCEPT:A1"}', 'LOCKED a-1'), (NULL, '{"payload": "REJECT:A2"}', 'REJECTED a-2'), ('reject a-2', '{"payload": "ACCEPT:A1"}', 'LOCKED a-1'),
	('', '{"payload": "ACCEPT:A1", "reply_to": "wamid.a-2.v1"}', 'LOCKED a-1'),
	('accept a-1', '{"payload": "ACCEPT:F1"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:00000000-0000-0000-0000-000000000000"}', 'AMBIGUOUS'),
	('accept a-1', '{"payload": "accept:A1"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:a-1"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:A1 "}', 'AMBIGUOUS'),
	('accept a-1', '{"payload": "ACCEPT: A1"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": ""}', 'AMBIGUOUS'),
	('accept a-1', '{"payload": "ERROR:A1"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:{A1}"}', 'AMBIGUOUS'),
	('accept a-1', '{"payload": "ACCEPT:00000000-0000-0000-0000-00000000000g"}', 'AMBIGUOUS'), ('accept a-1', '{"payload": "ACCEPT:00000000+0000-0000-0000-000000000000"}', 'AMBIGUOUS'),
	('accept a-1', '{"payload": null}', 'LOCKED a-1'), ('accept a-1', '{"payload": 7}', 'LOCKED a-1'), ('accept a-1', '{"payload": {"a": 1}}', 'LOCKED a-1'),
	('accept', '{"reply_to": "wamid.a-1.v1"}', 'LOCKED a-1'), ('reject', '{"reply_to": "wamid.a-2.v1"}', 'REJECTED a-2'), ('accept a-1', '{"reply_to": "wamid.a-1.v1"}', 'LOCKED a-1'),
	('accept a-2', '{"reply_to": "wamid.a-1.v1"}', 'AMBIGUOUS'), ('hello', '{"reply_to": "wamid.a-1.v1"}', 'AMBIGUOUS'), ('', '{"reply_to": "wamid.a-1.v1"}', 'AMBIGUOUS'),
	(NULL, '{"reply_to": "wamid.a-1.v1"}', 'AMBIGUOUS'), ('cannot accept', '{"reply_to": "wamid.a-1.v1"}', 'AMBIGUOUS'),
	('accept', '{"reply_to": "wamid.a-1.v2"}', 'AMBIGUOUS'), ('accept', '{"reply_to": "wamid.foreign.v2"}', 'AMBIGUOUS'), ('accept', '{"reply_to": "wamid.nowhere"}', 'AMBIGUOUS'),
	('accept', '{"reply_to": ""}', 'AMBIGUOUS'), ('accept', '{"reply_to": 7}', 'AMBIGUOUS'), ('accept a-2', '{"reply_to": "wamid.nowhere"}', 'LOCKED a-2'), ('accept a-2', '{}', 'LOCKED a-2'),
	('accept a-2', '{"other": [1, 2]}', 'LOCKED a-2')
) AS t (body, context, expected);
SELECT is(pg_temp.tries_saying('accept', jsonb_build_object('reply_to', repeat('x', 100000))), 'AMBIGUOUS', 'a reply to something absurdly long');
SELECT is(pg_temp.tries_saying('x', jsonb_build_object('payload', 'ACCEPT:' || upper(vr_routing_id('a-1')::text))), 'LOCKED a-1', 'a uuid in capitals');

-- Would catch: a guess where the channel has given two messages one id.
SELECT is(pg_temp.would(ARRAY['UPDATE vendor_routing.messages SET external_id = ''same'' WHERE vendor_id = ''v1'' AND routing_id = ANY (ARRAY[vr_routing_id(''a-1''), vr_routing_id(''a-2'')])'],
	format('SELECT pg_temp.tries_saying(%L, ''{"reply_to": "same"}'')', body)), expected, body || ', to one of two messages with one id')
FROM (VALUES ('accept', 'AMBIGUOUS'), ('accept a-1', 'AMBIGUOUS')) AS t (body, expected);

-- Would catch: a reply to, or a button of, an order of which the vendor is out, that takes another.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('past', 'shop', vendors => '{v1}');
SELECT pg_temp.claim() \g /dev/null
SELECT vr_message_sent(pg_temp.id('past', 'v1'), 'wamid.past') \g /dev/null
SELECT vr_respond(vr_routing_id('past'), 'v1', 'REJECT') \g /dev/null
SELECT vr_retry(vr_routing_id('past'), true, '[{"vendor_ids": ["v2"]}]') \g /dev/null
SELECT FROM vr_broadcast('present', 'shop', vendors => '{v1}');
SELECT isnt(pg_temp.tries_saying(body, replace(context, 'ID', vr_routing_id('past')::text)::jsonb), 'LOCKED present',
	body || ' with ' || context || ', of an earlier round, does not take the order that is open')
FROM (VALUES ('accept', '{"reply_to": "wamid.past"}'), ('accept', '{"payload": "ACCEPT:ID"}'), ('accept past', '{}')) AS t (body, context);
SELECT is(pg_temp.would(ARRAY['SELECT vr_cancel(vr_routing_id(''past''))'], format('SELECT pg_temp.says(''491700000002'', %L, %L)', body, context)), expected, 'of an order that is over: ' || body || ' ' || context)
FROM (VALUES ('accept past', '{}', 'CANCELLED past'), ('reject past', '{}', 'CANCELLED past'),
	('x', format('{"payload": "ACCEPT:%s"}', vr_routing_id('past')), 'CANCELLED past'), ('accept', '{}', 'NO_OFFER')) AS t (body, context, expected);

-- Would catch: an id that is taken for a word, for another id, or for a pattern.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('decoy', 'shop', vendors => '{v1}');
SELECT is(pg_temp.would(ARRAY[format('SELECT FROM vr_broadcast(%L, ''shop'', vendors => ''{v1}'')', o)], format('SELECT pg_temp.says(''491700000001'', ''accept '' || %L)', o)), 'LOCKED ' || o, 'the id ' || o)
FROM unnest(ARRAY['ORD/2024#1', 'a.b', '.dots.', '#7', '(x)', '[x]', 'o''brien', U&'\00FCn\0131code', '100%', '{order}', 'a:b', '"q"', '\', '$1', 'A', repeat('x', 255), U&'\+01F600',
	'00000000-0000-0000-0000-000000000000', '-1', 'null']) AS o;
SELECT is(pg_temp.would(ARRAY[format('SELECT FROM vr_broadcast(%L, ''shop'', vendors => ''{v1}'')', o)], format('SELECT pg_temp.says(''491700000001'', %L)', body)), 'AMBIGUOUS',
	'the id "' || o || '": "' || body || '" may mean anything')
FROM (VALUES ('two words', 'accept two words'), ('accept', 'accept accept'), ('reject', 'accept reject'), ('accept', 'reject accept'), ('order', 'accept order'), ('i', 'I accept'),
	('please', 'accept please'), ('!', 'accept !'), ('*', 'accept *')) AS t (o, body);
SELECT is(pg_temp.would(ARRAY[format('SELECT FROM vr_broadcast(%L, ''shop'', vendors => ''{v1}'')', o)],
	format('SELECT pg_temp.says(''491700000001'', NULL, %L)', jsonb_build_object('payload', 'ACCEPT:' || vr_routing_id(o)))), 'LOCKED ' || o, 'the id "' || o || '" has a button')
FROM unnest('{two words,accept,reject,order}'::text[]) AS o;
SELECT isnt(pg_temp.would(ARRAY[format('SELECT FROM unnest(ARRAY[%L, %L]) AS o, vr_broadcast(o, ''shop'', vendors => ''{v1}'')', bare, written)],
	format('SELECT pg_temp.says(''491700000001'', ''accept '' || %L)', written)), 'LOCKED ' || bare, written || ' is not ' || bare || ', where both are open')
FROM (VALUES ('7', '#7'), ('a', 'a.'), ('x', '(x)'), ('y', '"y"')) AS t (bare, written);
SELECT is(pg_temp.would(ARRAY[format('SELECT FROM unnest(%L::text[]) AS o, vr_broadcast(o, ''shop'', vendors => ''{v1}'')', orders)],
	format('SELECT pg_temp.says(''491700000001'', %L)', body)), expected, body || ' where these are open: ' || orders)
FROM (VALUES ('{#7,7}', 'accept #7.', 'AMBIGUOUS'), ('{(7),7}', 'Accept (7), please', 'AMBIGUOUS'), ('{#7}', 'accept #7.', 'LOCKED #7'), ('{7}', 'accept (#7).', 'LOCKED 7'), ('{7}', 'accept ((((#7))))!', 'LOCKED 7'),
	('{7.}', 'accept #7.', 'LOCKED 7.')) AS t (orders, body, expected);
SELECT is(pg_temp.would('{"SELECT FROM vr_broadcast(''{orders}'', ''shop'', vendors => ''{v1}'')"}', 'SELECT pg_temp.says(''491700000001'', ''hm'', NULL, true)'),
	'AMBIGUOUS / We did not understand you. Open for you: decoy, {orders}. Reply ACCEPT or REJECT, and the order.', 'an id is not filled in as a text');

-- Would catch: a language, a word or a text of one's own that does not count, or counts for others.
SELECT pg_temp.fresh();
SELECT FROM vr_broadcast('l-1', 'shop', vendors => '{v1,v2}');
SELECT is(pg_temp.would(ARRAY[format('UPDATE vendor_routing.vendors SET attributes = jsonb_build_object(''language'', %L) WHERE vendor_id = ''v1''', language)],
	format('SELECT pg_temp.says(''491700000001'', %L)', body)), expected, language || ': ' || body)
FROM (VALUES ('de', 'Annehmen, bitte', 'LOCKED l-1'), ('de', 'accept', 'LOCKED l-1'), ('de', 'Auftrag l-1 ablehnen', 'REJECTED l-1'), ('de', 'aceptar', 'AMBIGUOUS'),
	('de', 'nicht annehmen', 'AMBIGUOUS'), ('de', 'annehmen reject', 'AMBIGUOUS'), ('es', 'Acepto, gracias', 'LOCKED l-1'), ('es', 'aceptar', 'LOCKED l-1'), ('es', 'rechazo', 'REJECTED l-1'),
	('es', 'rechazar', 'REJECTED l-1'), ('es', 'no acepto', 'AMBIGUOUS'), ('pt', 'aceito', 'LOCKED l-1'), ('pt', 'Aceitar pedido l-1, obrigado', 'LOCKED l-1'), ('pt', 'recuso', 'REJECTED l-1'),
	('pt', 'recusar', 'REJECTED l-1'), ('pt', E'n\u00e3o aceito', 'AMBIGUOUS'), ('xx', 'accept', 'LOCKED l-1'), ('xx', 'annehmen', 'AMBIGUOUS')) AS t (language, body, expected);
INSERT INTO vendor_routing.message_words VALUES ('en', 'sure', 'ACCEPT'), ('en', 'thanks', 'UNKNOWN'), ('pl', 'biore', 'ACCEPT'), ('pl', 'nie', 'REJECT'), ('pl', 'prosze', 'NOTHING'),
	('pl', 'i', 'UNKNOWN'), ('pl', 'accept', 'UNKNOWN'), ('xx', 'accept', 'REJECT'), ('xx', 'reject', 'NOTHING'), ('xx', 'accept.', 'ACCEPT');
SELECT is(pg_temp.would(ARRAY[format('UPDATE vendor_routing.vendors SET attributes = jsonb_build_object(''language'', %L) WHERE vendor_id = ''v1''', language)],
	format('SELECT pg_temp.says(''491700000001'', %L)', body)), expected, 'words of one''s own: ' || coalesce(language, 'none') || ': ' || body)
FROM (VALUES (NULL, 'SURE!', 'LOCKED l-1'), ('de', 'sure', 'LOCKED l-1'), (NULL, 'accept, thanks', 'AMBIGUOUS'), (NULL, 'biore', 'AMBIGUOUS'), ('pl', 'Biore, prosze', 'LOCKED l-1'),
	('pl', 'nie', 'REJECTED l-1'), ('pl', 'nie biore', 'AMBIGUOUS'), ('pl', 'sure i nie', 'AMBIGUOUS'), ('pl', 'i biore', 'AMBIGUOUS'), ('pl', 'accept', 'AMBIGUOUS'), ('xx', 'accept', 'REJECTED l-1'),
	('xx', 'reject', 'AMBIGUOUS'), ('xx', 'accept reject', 'REJECTED l-1')) AS t (language, body, expected);
DELETE FROM vendor_routing.message_words;
INSERT INTO vendor_routing.message_texts VALUES ('de', 'LOCKED', '{order} ist Ihrer'), ('en', 'REJECTED', 'no {order}, {orders}'), ('de', 'AMBIGUOUS', 'Was? {orders}'), ('en', 'NO_OFFER', 'none'),
	('de', 'UNKNOWN_SENDER', 'wer?');
SELECT is(pg_temp.would(ARRAY[format('UPDATE vendor_routing.vendors SET attributes = jsonb_build_object(''language'', %L) WHERE vendor_id = ''v1''', language)],
	format('SELECT pg_temp.says(%L, %L, NULL, true)', sender, body)), expected, 'texts of one''s own: ' || coalesce(language, 'none') || ': ' || body)
FROM (VALUES ('de', '491700000001', 'accept', 'LOCKED l-1 / l-1 ist Ihrer'), (NULL, '491700000001', 'accept', 'LOCKED l-1 / Order l-1 is yours.'), ('de', '491700000001', 'reject', 'REJECTED l-1 / no l-1, l-1'),
	('de', '491700000001', 'hm', 'AMBIGUOUS / Was? l-1'), ('de', 'nobody', 'hm', 'UNKNOWN_SENDER / -')) AS t (language, sender, body, expected);
DELETE FROM vendor_routing.message_texts;

-- Would catch: an outcome that is not that of vr_accept, or a reply of another one.
SELECT is(pg_temp.would(before, format('SELECT pg_temp.says(''491700000001'', %L, NULL, true)', body)), expected, before::text || ': ' || body)
FROM (VALUES
	('{"SELECT vr_accept(vr_routing_id(''l-1''), ''v2'')"}'::text[], 'accept l-1', 'ALREADY_LOCKED l-1 / Order l-1 went to another vendor before you answered.'),
	('{"SELECT vr_accept(vr_routing_id(''l-1''), ''v2'')"}', 'reject l-1', 'ALREADY_LOCKED l-1 / Order l-1 went to another vendor before you answered.'),
	('{"SELECT vr_accept(vr_routing_id(''l-1''), ''v2'')"}', 'accept', 'NO_OFFER / There is no open offer for you.'),
	('{"SELECT vr_accept(vr_routing_id(''l-1''), ''v1'')"}', 'accept l-1', 'ALREADY_ACCEPTED l-1 / You have accepted order l-1 already.'),
	('{"SELECT vr_accept(vr_routing_id(''l-1''), ''v1'')"}', 'reject l-1', 'ALREADY_ACCEPTED l-1 / You have accepted order l-1 already.'),
	('{"SELECT vr_respond(vr_routing_id(''l-1''), ''v1'', ''ACCEPT'')"}', 'reject l-1', 'ALREADY_ACCEPTED l-1 / You have accepted order l-1 already.'),
	('{"SELECT vr_respond(vr_routing_id(''l-1''), ''v1'', ''ACCEPT'')"}', 'accept l-1', 'LOCKED l-1 / Order l-1 is yours.'),
	('{"SELECT vr_respond(vr_routing_id(''l-1''), ''v1'', ''REJECT'')"}', 'accept l-1', 'ALREADY_REJECTED l-1 / You have rejected order l-1 before.'),
	('{"SELECT vr_respond(vr_routing_id(''l-1''), ''v1'', ''REJECT'')"}', 'reject l-1', 'ALREADY_REJECTED l-1 / You have rejected order l-1 before.'),
	('{"SELECT vr_cancel(vr_routing_id(''l-1''))"}', 'accept l-1', 'CANCELLED l-1 / Order l-1 has been cancelled.'),
	('{"SELECT pg_temp.let_expire(''l-1'')"}', 'accept l-1', 'EXPIRED l-1 / The offer of order l-1 has ended.'),
	('{"SELECT pg_temp.let_expire(''l-1'')"}', 'reject l-1', 'EXPIRED l-1 / The offer of order l-1 has ended.'),
	('{"SELECT vr_timeout(vr_routing_id(''l-1''), ''0'')"}', 'accept l-1', 'EXPIRED l-1 / The offer of order l-1 has ended.'),
	('{"UPDATE vendor_routing.vendors SET capacity = 0 WHERE vendor_id = ''v1''"}', 'accept', 'AT_CAPACITY l-1 / You have as many orders as you can take. Order l-1 was not given to you.'),
	('{"UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = ''v1''"}', 'accept', 'NOT_INVITED l-1 / Order l-1 is not offered to you.'),
	('{"UPDATE vendor_routing.vendors SET is_verified = false WHERE vendor_id = ''v1''"}', 'accept l-1', 'NOT_INVITED l-1 / Order l-1 is not offered to you.'),
	('{"SELECT vr_block(''shop'', ''v1'')"}', 'accept', 'NOT_INVITED l-1 / Order l-1 is not offered to you.'),
	('{"UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = ''v1''"}', 'reject', 'REJECTED l-1 / You have rejected order l-1.'),
	('{"SELECT vr_pause(''v1'')"}', 'accept', 'LOCKED l-1 / Order l-1 is yours.')
) AS t (before, body, expected);

-- Would catch: a message that counts twice, one that is taken for another, a first answer that is forgotten.
CREATE FUNCTION pg_temp.received(source text, message_id text, sender text, body text)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' / ', outcome, reply, vendor_id, routing_id = vr_routing_id('l-1'), duplicate) FROM vr_receive_message(source, message_id, sender, body)
$$;
CREATE FUNCTION pg_temp.facts()
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT count(*) FROM vendor_routing.events), (SELECT count(*) FROM vendor_routing.inbound_messages),
		(SELECT md5(string_agg(t::text, '' ORDER BY order_id)) FROM vendor_routing.routings AS t), (SELECT md5(string_agg(r::text, '' ORDER BY r::text)) FROM vendor_routing.responses AS r))
$$;
SELECT is(pg_temp.received('wa', 'm1', 'nobody', 'accept'), 'UNKNOWN_SENDER / f', 'an unknown sender');
SELECT is(pg_temp.received('wa', 'm1', '491700000001', 'accept'), 'UNKNOWN_SENDER / t', 'the same id, whoever it says it is from');
SELECT is(pg_temp.received('wa', 'm2', '491700000001', 'hm'), 'AMBIGUOUS / We did not understand you. Open for you: l-1. Reply ACCEPT or REJECT, and the order. / v1 / f', 'a question');
SELECT is(pg_temp.received('wa', 'm2', '491700000001', 'accept'), 'AMBIGUOUS / We did not understand you. Open for you: l-1. Reply ACCEPT or REJECT, and the order. / v1 / t', 'the same id with another text');
SELECT is(pg_temp.received('wa', 'm3', '491700000001', 'accept'), 'LOCKED / Order l-1 is yours. / v1 / t / f', 'won');
CREATE TEMP TABLE stood AS SELECT pg_temp.facts() AS facts;
SELECT is(pg_temp.received('wa', 'm3', '491700000001', 'accept'), 'LOCKED / Order l-1 is yours. / v1 / t / t', 'again');
SELECT is(pg_temp.received('wa', 'm3', '491700000002', 'reject'), 'LOCKED / Order l-1 is yours. / v1 / t / t', 'again, with everything else different');
SELECT is((SELECT facts FROM stood), pg_temp.facts(), 'nothing is changed by that');
SELECT is(pg_temp.received('sms', 'm3', '491700000001', 'accept'), 'NO_OFFER / There is no open offer for you. / v1 / f', 'the same id of another source is another message');
SELECT vr_cancel(vr_routing_id('l-1')) \g /dev/null
SELECT is(pg_temp.received('wa', 'm3', '491700000001', 'accept'), 'LOCKED / Order l-1 is yours. / v1 / t / t', 'and for ever the first answer');
-- Would catch: a server that ends, because a trigger receives the message that it is called for.
CREATE FUNCTION pg_temp.receive_again() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM vr_receive_message('wa', 'm4', '491700000001', 'accept');
	RETURN NULL;
END $$;
SELECT FROM vr_broadcast('l-2', 'shop', vendors => '{v1}');
SELECT is(pg_temp.would(ARRAY['CREATE TRIGGER again AFTER INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION pg_temp.receive_again()'],
	'SELECT pg_temp.received(''wa'', ''m4'', ''491700000001'', ''accept'')'), '55000: message "m4" of source "wa" is being received', 'a message within itself');
SELECT is(pg_temp.received('wa', 'm4', '491700000001', 'reject'), 'REJECTED / You have rejected order l-2. / v1 / f / f', 'of that, nothing is left');
SELECT is((SELECT payload ->> 'message_id' FROM vendor_routing.events WHERE event_type = 'VENDOR_ACCEPTED' AND order_id = 'l-1'), 'm3', 'the event says by which message');

SELECT is((SELECT string_agg(violation || ' ' || order_id, ', ') FROM vr_check()), NULL, 'vr_check finds nothing');

SELECT * FROM finish();
ROLLBACK;
