-- PUBLIC may do nothing; a role with EXECUTE does its job and cannot touch the
-- tables; and nothing that a caller puts in its way is ever looked at.
SELECT count(*) AS public_has
FROM pg_depend AS d
CROSS JOIN LATERAL (
	SELECT p.oid::regprocedure::text AS name, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
	FROM pg_proc AS p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	UNION ALL
	SELECT c.oid::regclass::text, coalesce(c.relacl, acldefault('r', c.relowner))
	FROM pg_class AS c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
	UNION ALL
	SELECT n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner))
	FROM pg_namespace AS n WHERE d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
) AS o
CROSS JOIN LATERAL aclexplode(o.acl) AS a
WHERE d.deptype = 'e' AND a.grantee = 0
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vendor_routing');

CREATE ROLE regress_vr_nobody;
CREATE ROLE regress_vr_app;
CREATE SCHEMA regress_hostile AUTHORIZATION regress_vr_app;
GRANT EXECUTE ON FUNCTION
	vr_broadcast, vr_accept, vr_respond, vr_cancel, vr_send_cancellations,
	vr_timeout, vr_status, vr_history, vr_routing_id
TO regress_vr_app;

SET ROLE regress_vr_nobody;
SELECT vr_routing_id('p-1');
SELECT vr_accept('00000000-0000-0000-0000-000000000000', 'v01');
SELECT vr_history('p-1');
SELECT * FROM vr_events;
SELECT * FROM vendor_routing.vendors;
RESET ROLE;

SET ROLE regress_vr_app;
SELECT * FROM vendor_routing.routings;
INSERT INTO vendor_routing.vendors (vendor_id, name) VALUES ('evil', 'Evil');
SELECT * FROM vr_routing_status;
RESET ROLE;
GRANT SELECT ON vr_routing_status, vr_open_routings, vr_vendor_offers, vr_vendor_performance,
	vr_cancellations, vr_events TO regress_vr_app;
SET ROLE regress_vr_app;
SELECT order_status FROM vr_routing_status WHERE order_id = 'a-1';
SELECT count(*) >= 0 AS readable FROM vr_open_routings;
SELECT count(*) >= 0 AS readable FROM vr_vendor_offers;
SELECT count(wins) >= 0 AS readable FROM vr_vendor_performance;
SELECT count(*) >= 0 AS readable FROM vr_cancellations;
SELECT count(*) >= 0 AS readable FROM vr_events;

-- A hostile search_path: operators, functions and tables of the caller's own.
CREATE FUNCTION regress_hostile.boom(text, text) RETURNS boolean LANGUAGE plpgsql
AS 'BEGIN RAISE EXCEPTION ''hostile operator called as %'', current_user; END';
CREATE FUNCTION regress_hostile.boom(uuid, uuid) RETURNS boolean LANGUAGE plpgsql
AS 'BEGIN RAISE EXCEPTION ''hostile operator called as %'', current_user; END';
CREATE OPERATOR regress_hostile.= (FUNCTION = regress_hostile.boom, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR regress_hostile.= (FUNCTION = regress_hostile.boom, LEFTARG = uuid, RIGHTARG = uuid);
CREATE FUNCTION regress_hostile.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql
AS 'BEGIN RAISE EXCEPTION ''hostile function called as %'', current_user; END';
CREATE TEMPORARY TABLE routings (routing_id uuid);
SET search_path = regress_hostile, pg_temp, public, pg_catalog;
SELECT vendor_count, created FROM vr_broadcast('p-1', 'retailer');
SELECT recorded FROM vr_respond(vr_routing_id('p-1'), 'v02', 'REJECT');
SELECT accepted, reason FROM vr_accept(vr_routing_id('p-1'), 'v01');
SELECT accepted, reason FROM vr_accept(vr_routing_id('p-1'), 'v03');
SELECT * FROM vr_send_cancellations(vr_routing_id('p-1'));
SELECT timed_out, status FROM vr_timeout(vr_routing_id('p-1'));
SELECT vr_status(vr_routing_id('p-1')) ->> 'status' AS status;
SELECT count(*) FROM vr_history('p-1');
SELECT * FROM vr_cancel(vr_routing_id('p-1'));
-- rights and settings are the caller's again, also after an error
SELECT current_user, current_setting('search_path') AS search_path, current_setting('enable_seqscan') AS enable_seqscan;
SELECT vr_respond(vr_routing_id('p-1'), 'v04', 'ACCEPT');
SELECT current_user, current_setting('search_path') AS search_path, current_setting('enable_seqscan') AS enable_seqscan;
DO $$
BEGIN
	PERFORM public.vr_respond(public.vr_routing_id('p-1'), 'v04', 'ACCEPT');
EXCEPTION WHEN SQLSTATE 'VR004' THEN
	RAISE NOTICE 'caught as % with search_path %', current_user, current_setting('search_path');
END
$$;
RESET search_path;
DROP TABLE routings;
RESET ROLE;
DROP SCHEMA regress_hostile CASCADE;
DROP OWNED BY regress_vr_app;
DROP ROLE regress_vr_app;
DROP ROLE regress_vr_nobody;
