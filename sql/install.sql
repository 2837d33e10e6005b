-- CREATE EXTENSION works, into the schema the user says, and refuses a storage
-- schema that somebody made beforehand.  The other tests use the vendors made
-- here: v01 (best) to v12, of which v11 is inactive and v12 not verified.
-- 18 adds a CONTEXT to the errors of a script
\set SHOW_CONTEXT never
CREATE SCHEMA vendor_routing;
CREATE EXTENSION vendor_routing;
DROP SCHEMA vendor_routing;
CREATE SCHEMA other;
CREATE EXTENSION vendor_routing SCHEMA other;
SELECT other.vr_version() = extversion AS same_version
FROM pg_extension WHERE extname = 'vendor_routing';
ALTER EXTENSION vendor_routing SET SCHEMA public;
DROP EXTENSION vendor_routing;
DROP SCHEMA other;
SELECT count(*) AS left_behind
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'vendor_routing' OR c.relname LIKE 'vr\_%';

CREATE EXTENSION vendor_routing;
SELECT n.nspname AS member_schema
FROM pg_depend AS d JOIN pg_namespace AS n ON n.oid = d.objid
WHERE d.classid = 'pg_namespace'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vendor_routing');

INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_active, is_verified, total_orders, completed_orders,
	 average_rating, reliability_score)
SELECT 'v' || to_char(i, 'FM00'), 'Vendor ' || i, i <> 11, i <> 12, 100, 100 - i, 5, 100
FROM generate_series(1, 12) AS i;
SELECT vendor_id, score FROM vendor_routing.vendors ORDER BY score DESC, vendor_id LIMIT 3;

-- time enough for the slowest machine
DO $$
BEGIN
	EXECUTE format('ALTER DATABASE %I SET vendor_routing.offer_ttl = %L', current_database(), '1 h');
	EXECUTE format('ALTER DATABASE %I SET vendor_routing.order_ttl = %L', current_database(), '2 h');
END $$;
