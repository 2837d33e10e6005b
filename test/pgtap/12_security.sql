-- What the role of a vendor can find out, what an owner cannot do to the audit trail,
-- and names that are SQL.
--
-- Every function and view that vr_grant_vendor gives is asked, by what the catalogs
-- say: one that is added later is asked, too.
--
-- Would catch: an order of others that answers in another way than one that does not
-- exist, be it by a word of the hint; a vendor that reads who has won out of a row, a
-- message, a detail or a hint; an audit trail that its owner can edit, through a view,
-- a rule, an upsert or a MERGE; a name of a role, schema, table or column that is run.

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL vendor_routing.order_ttl = '2h';
SET LOCAL vendor_routing.offer_ttl = '1h';
SELECT no_plan();

-- Runs a query as a role.  Returns all it says: its rows, or every field of its error.
CREATE FUNCTION pg_temp.answer(who name, query text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
	hint text;
	context text;
BEGIN
	BEGIN
		PERFORM set_config('role', who, true);
		EXECUTE 'SELECT string_agg(q::text, E''\n'') FROM (' || query || ') AS q' INTO result;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'UNDO0';
	EXCEPTION
		WHEN SQLSTATE 'UNDO0' THEN
			RETURN coalesce(result, 'no rows');
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
			RETURN concat_ws(' | ', sqlstate, sqlerrm, detail, hint, split_part(context, 'SQL statement', 1));
	END;
END $$;

-- A vendor and what it may not know ------------------------------------------------------

CREATE ROLE regress_vr_vendor;
CREATE ROLE regress_vr_app;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
VALUES ('me', 'Me', true, 90), ('the-winner', 'Name of the winner', true, 80), ('other', 'Other', true, 70);
SELECT vr_grant_vendor('regress_vr_vendor', 'me'), vr_grant_app('regress_vr_app') \g /dev/null

-- Orders that "me" has never heard of, in each state there is.
SELECT vr_broadcast('hidden ' || state, 'r', vendors => '{the-winner,other}', confirm_within => '1h')
FROM unnest('{PENDING,LOCKED,confirmed,EXHAUSTED,EXPIRED,CANCELLED,COMPLETED}'::text[]) AS state \g /dev/null
SELECT vr_accept(vr_routing_id('hidden ' || state), 'the-winner')
FROM unnest('{LOCKED,confirmed,COMPLETED}'::text[]) AS state \g /dev/null
SELECT vr_confirm(vr_routing_id('hidden ' || state), 'the-winner')
FROM unnest('{confirmed,COMPLETED}'::text[]) AS state \g /dev/null
SELECT vr_respond(vr_routing_id('hidden EXHAUSTED'), id, 'REJECT') FROM unnest('{the-winner,other}'::text[]) AS id \g /dev/null
SELECT vr_cancel(vr_routing_id('hidden CANCELLED')), vr_complete(vr_routing_id('hidden COMPLETED'), 'DELIVERED') \g /dev/null
UPDATE vendor_routing.routings SET status = 'EXPIRED', next_deadline = NULL WHERE order_id = 'hidden EXPIRED';
SELECT set_eq($$SELECT DISTINCT status FROM vendor_routing.routings$$,
	'{PENDING,LOCKED,EXHAUSTED,EXPIRED,CANCELLED,COMPLETED}'::text[], 'there is an order of others in every state');

-- Orders that "me" was offered, and did not get.
SELECT vr_broadcast('lost ' || how, 'r', vendors => '{me,the-winner}', confirm_within => '1h')
FROM unnest('{silently,rejecting,accepting,late,completed,cancelled}'::text[]) AS how \g /dev/null
SELECT vr_respond(vr_routing_id('lost rejecting'), 'me', 'REJECT'), vr_respond(vr_routing_id('lost accepting'), 'me', 'ACCEPT') \g /dev/null
SELECT vr_accept(vr_routing_id('lost ' || how), 'the-winner')
FROM unnest('{silently,rejecting,accepting,late,completed,cancelled}'::text[]) AS how \g /dev/null
SELECT vr_accept(vr_routing_id('lost late'), 'me'), vr_confirm(vr_routing_id('lost completed'), 'the-winner') \g /dev/null
SELECT vr_complete(vr_routing_id('lost completed'), 'DELIVERED'), vr_cancel(vr_routing_id('lost cancelled')) \g /dev/null
-- And one that it had, gave back, and another got.
SELECT vr_broadcast('given back', 'r', vendors => '{me,the-winner}') \g /dev/null
SELECT vr_accept(vr_routing_id('given back'), 'me') \g /dev/null
SELECT vr_release(vr_routing_id('given back'), 'me') \g /dev/null
SELECT reason FROM vr_accept(vr_routing_id('given back'), 'the-winner') \g /dev/null
SELECT is(locked_vendor_id, 'the-winner', 'the winner has what was given back')
FROM vendor_routing.routings WHERE order_id = 'given back';

-- Values for the arguments of a function, by name and type: the first ones are those
-- with which it would do something.
CREATE TEMP TABLE said (argument text, type regtype, value text);
INSERT INTO said VALUES
	('response', 'text', '''REJECT'''), ('response', 'text', '''ACCEPT'''), ('response', 'text', '''ERROR'''),
	('reason', 'text', '''PRICE'''), ('reason', 'text', 'NULL'), ('decline_code', 'text', 'NULL'),
	('payload', 'jsonb', 'NULL'), ('payload', 'jsonb', '''{"price": 1}'''),
	('order_id', 'text', '''hidden LOCKED'''), ('until', 'timestamptz', 'NULL'), ('time_zone', 'text', 'NULL'), ('hours', 'jsonb', 'NULL');

-- All calls of a function of which the catalogs know that a role may make them; %1$L is the
-- routing, %2$L the vendor.
CREATE FUNCTION pg_temp.calls(who name)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
	WITH RECURSIVE callable AS (
		SELECT p.oid, p.pronargs, format('%I.%I', n.nspname, p.proname) AS name
		FROM pg_depend AS d
		JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
		JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
		JOIN pg_namespace AS n ON n.oid = p.pronamespace
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND p.prorettype <> 'trigger'::regtype AND has_function_privilege(who, p.oid, 'EXECUTE')
	), call AS (
		SELECT c.oid, c.pronargs, 0 AS n, 'SELECT * FROM ' || c.name || '(' AS text FROM callable AS c
		UNION ALL
		SELECT c.oid, c.pronargs, c.n + 1, c.text || CASE c.n WHEN 0 THEN '' ELSE ', ' END || v.value
		FROM call AS c
		JOIN pg_proc AS p ON p.oid = c.oid
		CROSS JOIN LATERAL (
			SELECT '%1$L' AS value WHERE p.proargnames[c.n + 1] = 'routing_id'
			UNION ALL
			SELECT '%2$L' WHERE p.proargnames[c.n + 1] = 'vendor_id'
			UNION ALL
			SELECT s.value FROM said AS s
			WHERE s.argument = p.proargnames[c.n + 1] AND s.type = p.proargtypes[c.n]) AS v
		WHERE c.n < c.pronargs
	)
	SELECT text || ')' FROM call WHERE n = pronargs
$$;
CREATE TEMP TABLE calls AS SELECT call FROM pg_temp.calls('regress_vr_vendor') AS call;

SELECT is_empty($$
	SELECT p.proname FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vendor_routing')
		AND has_function_privilege('regress_vr_vendor', p.oid, 'EXECUTE')
		AND NOT EXISTS (SELECT FROM calls WHERE call LIKE '%.' || p.proname || '(%')$$,
	'all functions of a vendor are called');

SELECT is(pg_temp.answer('regress_vr_vendor', format(call, vr_routing_id(t.order_id), 'me')),
	pg_temp.answer('regress_vr_vendor', format(call, vr_routing_id('unheard of'), 'me')),
	'"' || t.order_id || '" is as one that does not exist: ' || call)
FROM calls, vendor_routing.routings AS t
WHERE call LIKE '%\%1$L%' AND t.order_id LIKE 'hidden %';
SELECT is_empty($$
	SELECT t.order_id, call FROM calls, vendor_routing.routings AS t
	WHERE call LIKE '%\%1$L%' AND t.order_id LIKE 'hidden %'
		AND pg_temp.answer('regress_vr_vendor', format(call, t.routing_id, 'me')) LIKE '%hidden %'$$,
	'nor does an answer name it');

-- Whoever may ask as an application is told, so these are orders that can be told apart.
SELECT isnt(pg_temp.answer('regress_vr_app', format('SELECT * FROM vr_respond(%L, ''me'', ''REJECT'')', vr_routing_id('hidden LOCKED'))),
	pg_temp.answer('regress_vr_app', format('SELECT * FROM vr_respond(%L, ''me'', ''REJECT'')', vr_routing_id('unheard of'))),
	'an application can tell them apart');

SELECT is_empty($$
	SELECT t.order_id, call, answer
	FROM calls, vendor_routing.routings AS t, pg_temp.answer('regress_vr_vendor', format(call, t.routing_id, 'me')) AS answer
	WHERE call LIKE '%\%1$L%' AND answer ~* 'winner'$$,
	'no function tells a vendor who has won');
SET LOCAL vendor_routing.reveal_winner = on;
SELECT isnt_empty($$
	SELECT t.order_id, call, answer
	FROM calls, vendor_routing.routings AS t, pg_temp.answer('regress_vr_vendor', format(call, t.routing_id, 'me')) AS answer
	WHERE call LIKE '%\%1$L%' AND t.order_id LIKE 'lost %' AND answer ~ 'the-winner'$$,
	'unless the setting says that it may know');
SELECT is_empty($$
	SELECT t.order_id, call, answer
	FROM calls, vendor_routing.routings AS t, pg_temp.answer('regress_vr_vendor', format(call, t.routing_id, 'me')) AS answer
	WHERE call LIKE '%\%1$L%' AND t.order_id LIKE 'hidden %' AND answer ~* 'winner'$$,
	'and even then not of an order that it was not offered');
SET LOCAL vendor_routing.reveal_winner = off;

-- Every relation of ours, as the vendor and for what it says of others.
SELECT matches(pg_temp.answer('regress_vr_vendor', format('SELECT * FROM %s', c.oid::regclass)),
	CASE c.relname WHEN 'vr_my_offers' THEN '^no rows$' ELSE '^42501 \| permission denied for (schema|table|view)' END,
	'what a vendor reads in ' || c.oid::regclass)
FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vendor_routing');
-- A function of the vendor's that is cheap would see the rows of others first, if
-- the view let it.
SELECT vr_broadcast('mine', 'r', vendors => '{me}'), vr_broadcast('theirs', 'r', vendors => '{other}') \g /dev/null
CREATE SCHEMA regress_vendor AUTHORIZATION regress_vr_vendor;
SET LOCAL ROLE regress_vr_vendor;
CREATE TABLE regress_vendor.seen (order_id text);
CREATE FUNCTION regress_vendor.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
	INSERT INTO regress_vendor.seen VALUES ($1);
	RETURN true;
END $$;
SELECT order_id FROM vr_my_offers WHERE regress_vendor.peek(order_id) \g /dev/null
SELECT set_eq('SELECT order_id FROM regress_vendor.seen', ARRAY['mine'], 'a function in a condition sees no offer of others');
RESET ROLE;

-- Would catch: conditions that reach the tables, since they are of functions that leak nothing, and
-- EXPLAIN, which counts whom they meet.
CREATE FUNCTION pg_temp.explained(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	SET LOCAL ROLE regress_vr_vendor;
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS off, TIMING off, SUMMARY off) SELECT * FROM vr_my_offers WHERE ' || condition LOOP
		plan := plan || regexp_replace(line, '''[^'']*''', 'x', 'g') || E'\n';
	END LOOP;
	RESET ROLE;
	RETURN plan;
END $$;
ANALYZE vendor_routing.routings, vendor_routing.responses;
SELECT is(pg_temp.explained(format(condition, 'theirs', vr_routing_id('theirs'), 'other', 'r')),
	pg_temp.explained(format(condition, 'nothing', vr_routing_id('nothing'), 'nobody', 'nowhere')), 'EXPLAIN says nothing of others: ' || condition)
FROM unnest('{"order_id = %1$L","order_id >= %1$L AND order_id < %1$L || ''x''","routing_id = %2$L","routing_id = %2$L AND vendor_id = %3$L",
	"vendor_id = %3$L","vendor_id = %3$L AND order_id = %1$L"}'::text[]) AS condition;

-- The audit trail and its owner -----------------------------------------------------------

CREATE ROLE regress_vr_owner;
ALTER TABLE vendor_routing.events OWNER TO regress_vr_owner;
ALTER TABLE vendor_routing.vendor_events OWNER TO regress_vr_owner;
GRANT USAGE ON SCHEMA vendor_routing TO regress_vr_owner;
GRANT ALL ON vr_events, vr_vendor_events TO regress_vr_owner;
INSERT INTO vendor_routing.vendor_events (vendor_id, event_id, event_type, occurred_at)
VALUES ('me', gen_random_uuid(), 'VENDOR_PAUSED', now());
CREATE TEMP TABLE trail AS
	SELECT e.event_id, e::text AS row FROM vendor_routing.events AS e
	UNION ALL SELECT e.event_id, e::text FROM vendor_routing.vendor_events AS e;

CREATE FUNCTION pg_temp.attempt(who name, statement text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', who, true);
	EXECUTE statement;
	RESET ROLE;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
CREATE TEMP TABLE attempts AS
SELECT format(statement, t.name, t.view, t.key) AS statement
FROM (VALUES ('vendor_routing.events', 'vr_events', 'routing_id'), ('vendor_routing.vendor_events', 'vr_vendor_events', 'vendor_id')) AS t (name, view, key),
	unnest(ARRAY[
		'UPDATE %1$s SET payload = ''{}''', 'UPDATE %1$s SET event_id = event_id', 'UPDATE ONLY %1$s SET payload = NULL',
		'DELETE FROM %1$s', 'DELETE FROM ONLY %1$s', 'TRUNCATE %1$s', 'TRUNCATE ONLY %1$s CASCADE', 'TRUNCATE %1$s RESTART IDENTITY',
		'TRUNCATE vendor_routing.events, vendor_routing.vendor_events',
		'UPDATE %2$s SET payload = ''{}''', 'DELETE FROM %2$s',
		'INSERT INTO %1$s SELECT * FROM %1$s ON CONFLICT (%3$s, event_id) DO UPDATE SET payload = ''{}''',
		'MERGE INTO %1$s AS e USING (SELECT) AS s ON true WHEN MATCHED THEN DELETE',
		'MERGE INTO %1$s AS e USING (SELECT) AS s ON true WHEN MATCHED THEN UPDATE SET payload = ''{}''',
		'WITH gone AS (DELETE FROM %1$s RETURNING 1) SELECT FROM gone']) AS statement;
SELECT is(pg_temp.attempt('regress_vr_owner', statement), '55000', 'to its owner: ' || statement) FROM attempts;
SET LOCAL session_replication_role = replica;
SELECT is(pg_temp.attempt('regress_vr_owner', statement), '55000', 'to its owner, as a replica: ' || statement) FROM attempts;
SELECT is(pg_temp.attempt(session_user, statement), '55000', 'to a superuser, as a replica: ' || statement) FROM attempts;
SET LOCAL session_replication_role = origin;
SELECT is(pg_temp.attempt('regress_vr_app', statement), '42501', 'to an application: ' || statement) FROM attempts;
SELECT set_eq('SELECT event_id, row FROM trail',
	'SELECT e.event_id, e::text FROM vendor_routing.events AS e UNION ALL SELECT e.event_id, e::text FROM vendor_routing.vendor_events AS e',
	'all is as it was');

-- Names that are SQL ----------------------------------------------------------------------

CREATE TABLE regress_x (n int);
\set evil '"a""b''; DROP TABLE regress_x; --"'
\set worse '"(e"") $$%s%n\\; DROP TABLE regress_x; /*"'
\set type '"t""(); DROP TABLE regress_x; --"'
CREATE ROLE :evil;
CREATE SCHEMA :evil AUTHORIZATION :evil;
CREATE TYPE :evil.:type AS ENUM ('CREATED', 'VALIDATED', 'CREDIT_RESERVED', 'PENDING_BIDS', 'VENDOR_ACCEPTED',
	'FULFILLMENT_STARTED', 'DELIVERED', 'CANCELLED', 'FAILED');
SELECT lives_ok(format('SELECT %s(%L)', f, quote_ident(r.rolname)), f || ' of a role that is SQL')
FROM unnest('{vr_grant_app,vr_revoke_app,vr_grant_auditor,vr_revoke_auditor,vr_grant_vendor}'::text[]) WITH ORDINALITY AS f (f, n),
	pg_roles AS r WHERE rolname ~ 'DROP TABLE' ORDER BY f.n;
SELECT lives_ok($$SELECT vr_grant_vendor(oid, 'v''; DROP TABLE regress_x; --') FROM pg_roles WHERE rolname ~ 'DROP TABLE'$$,
	'for a vendor that is SQL');
SELECT ok(vr_vendor_ids @> ARRAY['v''; DROP TABLE regress_x; --'], 'which it acts for')
FROM (SELECT set_config('role', rolname, true) FROM pg_roles WHERE rolname ~ 'DROP TABLE') AS role, LATERAL (SELECT vr_vendor_ids() WHERE set_config IS NOT NULL) AS v;
SELECT throws_ok($$SELECT vr_accept(vr_routing_id('mine'), 'me')$$, '42501', 'permission denied to act for this vendor', 'and for no other');
RESET ROLE;
SELECT lives_ok($$SELECT vr_revoke_vendor(oid) FROM pg_roles WHERE rolname ~ 'DROP TABLE'$$, 'and then it does not');

CREATE TABLE :evil.:evil (:evil text PRIMARY KEY, :worse text NOT NULL DEFAULT 'Name', "%1$s" text);
ALTER TABLE :evil.:evil OWNER TO :evil;
CREATE TABLE :evil.:worse (:evil text PRIMARY KEY, :worse :evil.:type NOT NULL DEFAULT 'CREATED', "%1$s" text, "NULL" text);
ALTER TABLE :evil.:worse OWNER TO :evil;
CREATE TEMP TABLE named AS SELECT c.oid, c.relname, e.attname AS evil, w.attname AS worse
FROM pg_class AS c JOIN pg_attribute AS e ON e.attrelid = c.oid AND e.attnum = 1 JOIN pg_attribute AS w ON w.attrelid = c.oid AND w.attnum = 2
WHERE c.relkind = 'r' AND c.relname ~ 'DROP TABLE';
SELECT lives_ok($$SELECT vr_attach_vendors(oid, jsonb_build_object('vendor_id', evil, 'name', worse, 'phone', '%1$s')) FROM named WHERE relname ~ '^a'$$,
	'a table of vendors that is SQL is attached');
INSERT INTO :evil.:evil VALUES ('v''; DROP TABLE regress_x; --', 'n''; DROP TABLE regress_x; --', '+49 30 901820'), ('w"', '%s%s%n', NULL);
UPDATE :evil.:evil SET "%1$s" = '+4930901821' WHERE "%1$s" IS NOT NULL;
SELECT is(phone, '+4930901821', 'and kept in step') FROM vendor_routing.vendors WHERE vendor_id = 'v''; DROP TABLE regress_x; --';
SELECT lives_ok($$SELECT vr_attach_orders(oid, jsonb_build_object('order_id', evil, 'status', worse, 'retailer_id', '%1$s', 'locked_vendor_id', 'NULL')) FROM named WHERE relname ~ '^\('$$,
	'a table of orders that is SQL is attached');
UPDATE vendor_routing.vendors SET is_verified = true;
INSERT INTO :evil.:worse VALUES ('o''; DROP TABLE regress_x; --', 'CREATED', 'r%s');
UPDATE :evil.:worse SET :worse = 'VALIDATED';
UPDATE :evil.:worse SET :worse = 'CREDIT_RESERVED';
SELECT ok(created, 'an order of it is offered') FROM vr_broadcast('o''; DROP TABLE regress_x; --', NULL, vendors => ARRAY['v''; DROP TABLE regress_x; --']);
SELECT ok(accepted, 'and won') FROM vr_accept(vr_routing_id('o''; DROP TABLE regress_x; --'), 'v''; DROP TABLE regress_x; --', '{"''; DROP TABLE regress_x; --": "%s"}');
SELECT is("NULL", 'v''; DROP TABLE regress_x; --', 'which its row says') FROM :evil.:worse;
SELECT is_empty($$SELECT * FROM vr_check() AS c WHERE c::text ~ 'DROP TABLE'$$, 'all of it is sound');
SELECT lives_ok('SELECT vr_detach_orders(), vr_detach_vendors()', 'and it is let go of');
SELECT has_table('regress_x'::name, 'nothing of all that was run');

SELECT * FROM finish();
ROLLBACK;
