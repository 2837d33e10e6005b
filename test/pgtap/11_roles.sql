-- What vr_grant_app, vr_grant_vendor and vr_grant_auditor give, over every object of
-- the extension, and whom the role of a vendor acts for.
--
-- Would catch: an object that a kind of role has and must not have, or has not and
-- must; something that is left after a revoke; a vendor's role that acts for another
-- vendor, sees the offer of another, tells a routing that does not exist from one
-- that is none of its business, or learns who has won; a session that goes on with
-- what it knew before a grant was taken back.

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL vendor_routing.order_ttl = '2h';
SET LOCAL vendor_routing.offer_ttl = '1h';
SELECT plan(81);

CREATE ROLE regress_vr_app;
CREATE ROLE "regress_vr_a""b; DROP";
CREATE ROLE regress_vr_vendor;
CREATE ROLE regress_vr_employee IN ROLE regress_vr_vendor;
CREATE ROLE regress_vr_portal;
CREATE ROLE regress_vr_auditor;
CREATE ROLE regress_vr_nobody;

-- Runs a statement as a role: the first value of a query, or the SQLSTATE.
CREATE FUNCTION pg_temp.tries(who name, statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('role', who, true);
	EXECUTE statement INTO result;
	RESET ROLE;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

-- The role matrix --------------------------------------------------------------

-- Whatever is not in here is for the owner alone.
CREATE TEMPORARY TABLE matrix (object text, app boolean, vendor boolean, auditor boolean);
INSERT INTO matrix
SELECT 'function ' || f, true, f = ANY (ARRAY['vr_accept', 'vr_respond', 'vr_confirm', 'vr_release',
		'vr_pause', 'vr_resume', 'vr_set_hours', 'vr_vendor_ids', 'vr_routing_id', 'vr_version']),
	f = ANY (ARRAY['vr_status', 'vr_history', 'vr_explain', 'vr_routing_id', 'vr_distance_km', 'vr_version'])
FROM unnest(ARRAY['vr_accept', 'vr_respond', 'vr_confirm', 'vr_release', 'vr_pause', 'vr_resume',
	'vr_set_hours', 'vr_vendor_ids', 'vr_routing_id', 'vr_version', 'vr_broadcast', 'vr_broadcast_many', 'vr_cancel',
	'vr_send_cancellations', 'vr_timeout', 'vr_tick', 'vr_retry', 'vr_assign', 'vr_complete',
	'vr_block', 'vr_unblock', 'vr_set_policy', 'vr_drop_policy', 'vr_claim_messages',
	'vr_message_sent', 'vr_message_failed', 'vr_confirm_delivery', 'vr_receive_message',
	'vr_status', 'vr_history', 'vr_explain', 'vr_distance_km']) AS f
UNION ALL
SELECT 'function my_offers', false, true, false
UNION ALL
SELECT 'view ' || v, v <> 'vr_my_offers', v = 'vr_my_offers', v <> 'vr_my_offers'
FROM unnest(ARRAY['vr_routing_status', 'vr_open_routings', 'vr_vendor_offers', 'vr_vendor_performance',
	'vr_cancellations', 'vr_events', 'vr_vendor_events', 'vr_policies', 'vr_blocklist',
	'vr_attachments', 'vr_message_queue', 'vr_my_offers']) AS v;

-- What a role may do with anything of the extension.
CREATE FUNCTION pg_temp.privileges(who name)
RETURNS TABLE (object text) LANGUAGE sql AS $$
	WITH member AS (
		SELECT d.classid, d.objid
		FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND e.extname = 'vendor_routing')
	SELECT 'function ' || p.proname
	FROM member JOIN pg_proc AS p ON classid = 'pg_proc'::regclass AND p.oid = objid
	WHERE has_function_privilege(who, p.oid, 'EXECUTE')
	UNION ALL
	SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'table ' END || c.relname
		|| CASE privilege WHEN 'SELECT' THEN '' ELSE ': ' || privilege END
	FROM member JOIN pg_class AS c ON classid = 'pg_class'::regclass AND c.oid = objid,
		unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
	WHERE relkind <> 'i' AND (has_table_privilege(who, c.oid, privilege)
		OR privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
			AND has_any_column_privilege(who, c.oid, privilege))
	UNION ALL
	SELECT 'type ' || t.typname
	FROM member JOIN pg_type AS t ON classid = 'pg_type'::regclass AND t.oid = objid
	WHERE t.typcategory <> 'A' AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
		AND has_type_privilege(who, t.oid, 'USAGE')
	UNION ALL
	SELECT 'schema ' || nspname
	FROM member JOIN pg_namespace AS n ON classid = 'pg_namespace'::regclass AND n.oid = objid
	WHERE has_schema_privilege(who, n.oid, 'USAGE') OR has_schema_privilege(who, n.oid, 'CREATE')
$$;

SELECT vr_grant_app('regress_vr_app');
SELECT vr_grant_app('"regress_vr_a""b; DROP"');
SELECT vr_grant_vendor('regress_vr_vendor', 'v1');
SELECT vr_grant_vendor('regress_vr_portal');
SELECT vr_grant_auditor('regress_vr_auditor');

SELECT set_eq($$SELECT pg_temp.privileges('regress_vr_app')$$,
	'SELECT object FROM matrix WHERE app', 'an application has this and nothing else');
SELECT set_eq($$SELECT pg_temp.privileges('regress_vr_a"b; DROP')$$,
	'SELECT object FROM matrix WHERE app', 'so has one with a name that needs quotes');
SELECT set_eq($$SELECT pg_temp.privileges('regress_vr_vendor')$$,
	'SELECT object FROM matrix WHERE vendor', 'a vendor has this and nothing else');
SELECT set_eq($$SELECT pg_temp.privileges('regress_vr_portal')$$,
	'SELECT object FROM matrix WHERE vendor', 'and so has a role of vendors');
SELECT set_eq($$SELECT pg_temp.privileges('regress_vr_auditor')$$,
	'SELECT object FROM matrix WHERE auditor', 'an auditor has this and nothing else');
SELECT is_empty($$SELECT pg_temp.privileges('regress_vr_nobody')$$, 'everybody else has nothing');

-- Who may grant, and to whom -----------------------------------------------------

SELECT is(pg_temp.tries(who, statement), '42501', who || ' may not: ' || statement)
FROM unnest(ARRAY['regress_vr_app', 'regress_vr_vendor', 'regress_vr_auditor', 'regress_vr_nobody']::name[]) AS who,
	unnest(ARRAY['SELECT vr_grant_app(''regress_vr_nobody'')', 'SELECT vr_grant_vendor(''regress_vr_nobody'', ''v1'')',
		'SELECT vr_revoke_vendor(''regress_vr_vendor'')', 'INSERT INTO vendor_routing.vendor_roles VALUES (''regress_vr_nobody'', ''v1'')']) AS statement;
SELECT throws_ok($$SELECT vr_grant_app('regress_vr_vendor')$$, '55000',
	'role "regress_vr_vendor" acts for a vendor', 'a vendor is no application');
SELECT throws_ok($$SELECT vr_grant_vendor('regress_vr_app', 'v1')$$, '55000',
	'role "regress_vr_app" is an application', 'an application is no vendor');
SELECT throws_ok($$SELECT vr_grant_app(NULL)$$, '22004', 'role must not be null', 'NULL is no role');
SELECT throws_ok($$SELECT vr_grant_app('regress_vr_unheard_of')$$, '42704', NULL, 'an unknown name is no role');
SELECT throws_ok($$SELECT vr_grant_vendor(4294967295::oid::regrole, 'v1')$$, '42704', NULL, 'a number is no role');
SELECT throws_ok($$SELECT vr_grant_vendor('regress_vr_nobody', '')$$, '22023', NULL, 'an empty id is no vendor');
SELECT lives_ok($$SELECT vr_grant_vendor('regress_vr_vendor', 'v1')$$, 'to grant again is harmless');
SELECT is_empty($$SELECT pg_temp.privileges('regress_vr_nobody')$$, 'what failed has granted nothing');

-- A vendor acts as itself --------------------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
VALUES ('v1', 'One', true, 90), ('v2', 'Two', true, 80), ('v3', 'Three', true, 70);
SELECT vr_broadcast('both', 'r', max_vendors => 2);			-- v1, v2
SELECT vr_broadcast('taken', 'r', max_vendors => 2);
SELECT accepted FROM vr_accept(vr_routing_id('taken'), 'v2');
SELECT vr_block('r3', 'v1');
SELECT vr_broadcast('theirs', 'r3', max_vendors => 2);		-- v2, v3
SELECT vr_broadcast('theirs too', 'r3', max_vendors => 2);
SELECT accepted FROM vr_accept(vr_routing_id('theirs too'), 'v3');

SELECT is(pg_temp.tries(who, format(verb, 'both', 'v2')), '42501', who || ' does not act for another: ' || verb)
FROM unnest(ARRAY['regress_vr_vendor', 'regress_vr_employee']::name[]) AS who,
	unnest(ARRAY['SELECT vr_accept(vr_routing_id(%L), %L)', 'SELECT vr_respond(vr_routing_id(%L), %L, ''REJECT'')',
		'SELECT vr_confirm(vr_routing_id(%L), %L)', 'SELECT vr_release(vr_routing_id(%L), %L)',
		'SELECT vr_pause(%2$L)', 'SELECT vr_resume(%2$L)', 'SELECT vr_set_hours(%2$L, NULL, NULL)']) AS verb;
SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT vr_accept(vr_routing_id(''both''), NULL)'), '22004',
	'nobody is not a vendor');

SELECT is(pg_temp.tries('regress_vr_vendor', format(verb, 'theirs', 'v1')),
	pg_temp.tries('regress_vr_vendor', format(verb, 'unheard of', 'v1')),
	'an order of others looks like none: ' || verb)
FROM unnest(ARRAY['SELECT vr_accept(vr_routing_id(%L), %L)', 'SELECT vr_respond(vr_routing_id(%L), %L, ''REJECT'')',
	'SELECT vr_confirm(vr_routing_id(%L), %L)', 'SELECT vr_release(vr_routing_id(%L), %L)']) AS verb;
SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT vr_accept(vr_routing_id(''theirs too''), ''v1'')'),
	'(f,NOT_INVITED,,,,)', 'so does one that others have won');

SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT vr_accept(vr_routing_id(''taken''), ''v1'')'),
	'(f,ALREADY_LOCKED,,,taken,2)', 'a vendor is told that it lost, and not to whom');
SELECT is(pg_temp.tries('regress_vr_vendor', 'SET vendor_routing.reveal_winner = on'), '42501', 'nor can it change that');
SET LOCAL vendor_routing.reveal_winner = on;
SELECT matches(pg_temp.tries('regress_vr_vendor', 'SELECT vr_accept(vr_routing_id(''taken''), ''v1'')'),
	'^\(f,ALREADY_LOCKED,v2,', 'unless the setting says that it may know');
SET LOCAL vendor_routing.reveal_winner = off;
SELECT matches(pg_temp.tries('regress_vr_app', 'SELECT vr_accept(vr_routing_id(''taken''), ''v1'')'),
	'^\(f,ALREADY_LOCKED,v2,', 'an application is told');
SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT string_agg(order_id || '' '' || vendor_id, '','') FROM vr_my_offers'),
	'both v1', 'a vendor sees its own offers');
SELECT is(pg_temp.tries('regress_vr_employee', 'SELECT string_agg(order_id || '' '' || vendor_id, '','') FROM vr_my_offers'),
	'both v1', 'so does who has its rights');
SELECT is(pg_temp.tries('regress_vr_portal', 'SELECT count(*) FROM vr_my_offers'), '0', 'without a vendor there is none');
SELECT is(pg_temp.tries('regress_vr_portal', 'SELECT vr_accept(vr_routing_id(''both''), ''v2'')'), '42501',
	'without a vendor there is nothing to accept');
SELECT is(pg_temp.tries('regress_vr_portal', 'SET vendor_routing.vendor_id = ''v2'''), '42501', 'it does not choose one itself');
SET LOCAL vendor_routing.vendor_id = 'v2';
SELECT is(pg_temp.tries('regress_vr_portal', 'SELECT string_agg(order_id || '' '' || vendor_id, '','' ORDER BY order_id) FROM vr_my_offers'),
	'both v2,theirs v2', 'the setting says which it is');
SELECT is(pg_temp.tries('regress_vr_portal', 'SELECT vr_accept(vr_routing_id(''both''), ''v1'')'), '42501', 'and which it is not');
SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT vr_vendor_ids()'), '{v1}', 'the setting is nothing to who has a vendor of its own');
SELECT matches(pg_temp.tries('regress_vr_vendor', 'SELECT vr_accept(vr_routing_id(''both''), ''v1'')'),
	'^\(t,LOCKED,v1,', 'a vendor wins');
SELECT is(pg_temp.tries('regress_vr_app', 'SELECT vr_vendor_ids()'), NULL, 'an application is not bound');
-- Would catch: a repeated call that is no answer any more, since the order has gone on.
SELECT is(pg_temp.tries('regress_vr_vendor', 'SELECT released FROM vr_release(vr_routing_id(''both''), ''v1'')'), expected, 'given back, and again: ' || expected)
FROM unnest('{true,false}'::text[]) AS expected;

-- Revokes ----------------------------------------------------------------------

SELECT vr_grant_vendor('regress_vr_vendor', 'v3');
SELECT is(pg_temp.tries('regress_vr_employee', 'SELECT vr_vendor_ids()'), '{v1,v3}', 'a role may act for several vendors');
REVOKE regress_vr_vendor FROM regress_vr_employee;
SELECT is(pg_temp.tries('regress_vr_employee', 'SELECT vr_accept(vr_routing_id(''theirs''), ''v3'')'), '42501',
	'who is not in the role any more has its rights no more');
SELECT vr_revoke_app('regress_vr_app'), vr_revoke_app('"regress_vr_a""b; DROP"'), vr_revoke_vendor('regress_vr_vendor'),
	vr_revoke_vendor('regress_vr_portal'), vr_revoke_auditor('regress_vr_auditor');
SELECT is_empty('SELECT r.rolname, p FROM pg_roles AS r, pg_temp.privileges(r.rolname) AS p WHERE r.rolname LIKE ''regress\_vr\_%''',
	'a revoke takes back everything');
SELECT is_empty('SELECT * FROM vendor_routing.vendor_roles', 'also whom a role acted for');
SELECT lives_ok($$SELECT vr_grant_app('regress_vr_vendor')$$, 'then a vendor may become an application');
SELECT matches(pg_temp.tries('regress_vr_vendor', 'SELECT vr_respond(vr_routing_id(''theirs''), ''v2'', ''REJECT'')'),
	'^\(REJECT,', 'which acts for everybody');

-- Would catch: the vendor of a role that was dropped, left for the next role with its number.
CREATE ROLE regress_vr_gone;
SELECT vr_grant_vendor('regress_vr_gone', 'v1');
DROP OWNED BY regress_vr_gone;
DROP ROLE regress_vr_gone;
SELECT vr_grant_vendor('regress_vr_portal', 'v2');
SELECT results_eq('SELECT role::text, vendor_id FROM vendor_routing.vendor_roles', $$VALUES ('regress_vr_portal', 'v2')$$, 'a role that is gone acts for nobody');

-- Would catch: the same where a dump was restored, in which the number is another role's.
CREATE ROLE regress_vr_stranger;
INSERT INTO vendor_routing.vendor_roles VALUES ('regress_vr_stranger', 'v1');
SELECT vr_grant_vendor('regress_vr_stranger', 'v2'), vr_grant_vendor('regress_vr_stranger', 'v3');
SELECT is(pg_temp.tries('regress_vr_stranger', 'SELECT vr_vendor_ids()'), '{v2,v3}', 'what a role was not granted is not its own');
SELECT vr_revoke_vendor('regress_vr_stranger');
INSERT INTO vendor_routing.vendor_roles VALUES ('regress_vr_stranger', 'v1');
SELECT lives_ok($$SELECT vr_grant_app('regress_vr_stranger')$$, 'nor in its way');
SELECT vr_revoke_app('regress_vr_stranger');

-- Would catch: the same where the next role may ask for the version.
GRANT EXECUTE ON FUNCTION vr_version TO regress_vr_stranger;
INSERT INTO vendor_routing.vendor_roles VALUES ('regress_vr_stranger', 'v1');
SELECT lives_ok($$SELECT vr_grant_app('regress_vr_stranger')$$, 'what every kind may call was granted by nobody');
SELECT vr_revoke_app('regress_vr_stranger');

-- Would catch: a vendor's role that acts for all of them, since it may not accept any more.
SELECT vr_grant_vendor('regress_vr_stranger', 'v1');
REVOKE EXECUTE ON FUNCTION vr_accept FROM regress_vr_stranger;
SELECT vr_grant_auditor('regress_vr_stranger'), vr_grant_vendor('regress_vr_stranger', 'v2');
SELECT is(pg_temp.tries('regress_vr_stranger', 'SELECT vr_vendor_ids()'), '{v1,v2}', 'whom a role acts for stays so, whatever else it may or may not');
SELECT vr_revoke_vendor('regress_vr_stranger'), vr_revoke_auditor('regress_vr_stranger');

-- Would catch: offers that come twice to who has them by two ways.
CREATE ROLE regress_vr_twice IN ROLE regress_vr_portal;
SELECT vr_grant_vendor('regress_vr_twice', 'v2'), vr_grant_vendor('regress_vr_twice');
SELECT is(pg_temp.tries('regress_vr_twice', 'SELECT vr_vendor_ids()'), '{v2}', 'a vendor is one, by whatever ways');

-- Would catch: an application that is bound to a vendor, since it is a member of its role.
CREATE ROLE regress_vr_child IN ROLE regress_vr_portal;
SELECT throws_ok($$SELECT vr_grant_app('regress_vr_child')$$, '55000', 'role "regress_vr_child" acts for a vendor', 'a member of the role of a vendor');
CREATE ROLE regress_vr_root SUPERUSER;
SELECT lives_ok($$SELECT vr_grant_app('regress_vr_root')$$, 'a superuser is bound to none');

-- Would catch: functions that are granted in a schema that is closed.
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
CREATE ROLE regress_vr_late;
SELECT vr_grant_app('regress_vr_late');
SELECT is(has_schema_privilege('regress_vr_late', 'public', 'USAGE'), true, 'the schema of the functions is granted where PUBLIC has it not');

SELECT * FROM finish();
ROLLBACK;
