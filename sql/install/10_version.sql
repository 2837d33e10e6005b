CREATE FUNCTION @extschema@.vr_version()
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'vr_version';
COMMENT ON FUNCTION @extschema@.vr_version() IS
	'Version of the loaded library vendor_routing; the SQL objects have theirs in pg_extension';
REVOKE ALL ON FUNCTION @extschema@.vr_version() FROM PUBLIC;
