CREATE FUNCTION @extschema@.vr_check(
	repair boolean DEFAULT false,
	OUT violation text,
	OUT order_id text,
	OUT vendor_id text,
	OUT detail text,
	OUT repaired boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'vr_check';
COMMENT ON FUNCTION @extschema@.vr_check(boolean) IS
	'Proves the invariants of the whole database: one row per violation, none when all is sound; repair corrects the loads of vendors, and nothing else';
REVOKE ALL ON FUNCTION @extschema@.vr_check(boolean) FROM PUBLIC;
