-- DROP and CREATE EXTENSION in one session, with plans of every kind alive; and
-- DROP leaves nothing behind.  Runs last: it drops what the others made.
CREATE FUNCTION accept_it(the_order text, the_vendor text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT reason FROM vr_accept(vr_routing_id(the_order), the_vendor));
END
$$;
PREPARE accept_it(text, text) AS SELECT reason FROM vr_accept(vr_routing_id($1), $2);
SELECT vendor_count FROM vr_broadcast('y-1', 'retailer', vendors => ARRAY['v01', 'v02', 'v03']);
SELECT accept_it('y-1', 'v02');
EXECUTE accept_it('y-1', 'v01');
DROP EXTENSION vendor_routing;
SELECT count(*) AS left_behind
FROM (SELECT relname FROM pg_class WHERE relname LIKE 'vr\_%'
	UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'vr\_%'
	UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'vendor_routing') AS l;
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT 'v0' || i, 'Vendor ' || i, true FROM generate_series(1, 3) AS i;
SELECT vendor_count FROM vr_broadcast('y-1', 'retailer');
SELECT accept_it('y-1', 'v02');
EXECUTE accept_it('y-1', 'v01');
SELECT status, locked_vendor_id, accepted_count, cancelled_count FROM vr_routing_status;
DROP FUNCTION accept_it;
DEALLOCATE accept_it;
