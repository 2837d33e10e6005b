-- What a plain UPDATE of a single row must not do: put a NULL where a guard reads,
-- change an answer, move an offer to another vendor, rewrite what was told.
--
-- Would catch: a BEFORE trigger that takes a NULL apart.  It fires before NOT
-- NULL and CHECK are looked at, so it must leave them their errors.
-- The first version of the guards took the server down here.

BEGIN;
SELECT plan(23);

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('a', 'A', true), ('b', 'B', true);
SELECT vr_broadcast('o', 'r', vendors => ARRAY['a']) \g /dev/null

SELECT throws_ok(
	format('UPDATE vendor_routing.routings SET %I = NULL', col),
	'23502', NULL,
	format('routings without %s', col))
FROM unnest(ARRAY['status', 'routing_id', 'order_id', 'round', 'version', 'expires_at']) AS col;
SELECT throws_ok(
	$$UPDATE vendor_routing.vendors SET vendor_id = NULL WHERE vendor_id = 'b'$$, '23502', NULL,
	'a vendor not in use without vendor_id');
-- Not XX001 (data corrupted): nothing is.
SELECT throws_ok(
	$$UPDATE vendor_routing.routings SET status = 'BANANA'$$, '23514', NULL,
	'status BANANA by UPDATE');

-- Would catch: an answer that is overwritten, in whatever way.
SELECT vr_broadcast('p', 'r', vendors => ARRAY['a', 'b']) \g /dev/null
SELECT vr_respond(vr_routing_id('p'), 'a', 'REJECT') \g /dev/null
SELECT vr_accept(vr_routing_id('p'), 'b') \g /dev/null
SELECT throws_ok(
	format('UPDATE vendor_routing.%s WHERE routing_id = vr_routing_id(''p'')', change), '55000', NULL,
	change)
FROM unnest(ARRAY[
	$$responses SET response = NULL, responded_at = NULL$$,
	$$responses SET response = 'ACCEPT'$$,
	$$responses SET responded_at = now()$$,
	$$responses SET vendor_id = vendor_id || 'x'$$,
	$$responses SET round = 2$$,
	$$cancellations SET vendor_id = 'c'$$,
	$$cancellations SET reason = 'ORDER_EXPIRED'$$,
	$$cancellations SET created_at = now()$$]) AS change;
SET LOCAL session_replication_role = replica;
SELECT throws_ok(
	$$UPDATE vendor_routing.responses SET response = 'ACCEPT' WHERE routing_id = vr_routing_id('p')$$,
	'55000', NULL, 'another answer: refused to a replica too');
SET LOCAL session_replication_role = origin;
SELECT results_eq(
	$$SELECT vendor_id, response FROM vendor_routing.responses WHERE routing_id = vr_routing_id('p') ORDER BY 1$$,
	$$VALUES ('a', 'REJECT'), ('b', 'ACCEPT')$$, 'both answers are as they were given');
SELECT lives_ok(
	$$UPDATE vendor_routing.cancellations SET sent_at = now(), confirmed_at = now()$$,
	'that the message went out may be noted');
SELECT lives_ok(
	$$UPDATE vendor_routing.responses SET expires_at = expires_at + interval '1 minute'$$,
	'a deadline may be moved');

-- Would catch: rules that do not hold any more where a DBA has added a column.
ALTER TABLE vendor_routing.vendors ADD COLUMN lower_name text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED;
SELECT throws_ok($$INSERT INTO vendor_routing.vendors (vendor_id, name, phone) VALUES ('c', 'C', 'no phone')$$, '23514', NULL,
	'a vendor with a phone that is none, beside a generated column');
SELECT throws_ok($$INSERT INTO vendor_routing.vendors (vendor_id, name, working_hours) VALUES ('c', 'C', '{[0,60)}')$$, '23514', NULL,
	'and one with hours and no time zone');
ALTER TABLE vendor_routing.cancellations ADD COLUMN note text;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES (repeat('long-', 48), 'Long', true);
SELECT vr_broadcast('q', 'r', vendors => ARRAY['a', repeat('long-', 48)]) \g /dev/null
SELECT vr_accept(vr_routing_id('q'), 'a') \g /dev/null
SELECT lives_ok($$UPDATE vendor_routing.cancellations SET note = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 60) AS i) WHERE routing_id = vr_routing_id('q')$$,
	'a cancellation that is stored compressed is what it was');

SELECT * FROM finish();
ROLLBACK;
