CREATE FUNCTION vendor_routing.sync_vendors()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_sync_vendors';
COMMENT ON FUNCTION vendor_routing.sync_vendors() IS
	'Keeps the registry in step with the attached table';
REVOKE ALL ON FUNCTION vendor_routing.sync_vendors() FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_attach_vendors(relation regclass, mapping jsonb)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_attach_vendors';
COMMENT ON FUNCTION @extschema@.vr_attach_vendors(regclass, jsonb) IS
	'Loads the registry from a table of the application and keeps it in step; returns how many vendors were loaded';
REVOKE ALL ON FUNCTION @extschema@.vr_attach_vendors(regclass, jsonb) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_detach_vendors()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_detach_vendors';
COMMENT ON FUNCTION @extschema@.vr_detach_vendors() IS
	'Lets go of the attached table of vendors; the registry stays as it is';
REVOKE ALL ON FUNCTION @extschema@.vr_detach_vendors() FROM PUBLIC;
