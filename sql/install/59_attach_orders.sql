CREATE FUNCTION vendor_routing.sync_orders()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_sync_orders';
COMMENT ON FUNCTION vendor_routing.sync_orders() IS
	'Enforces the state machine of the attached orders, and tells their routings what the application does';
REVOKE ALL ON FUNCTION vendor_routing.sync_orders() FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_attach_orders(relation regclass, mapping jsonb)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_attach_orders';
COMMENT ON FUNCTION @extschema@.vr_attach_orders(regclass, jsonb) IS
	'Keeps a table of orders of the application and their routings in step, and enforces the state machine of its status column';
REVOKE ALL ON FUNCTION @extschema@.vr_attach_orders(regclass, jsonb) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_detach_orders()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_detach_orders';
COMMENT ON FUNCTION @extschema@.vr_detach_orders() IS
	'Lets go of the attached table of orders; their routings go on';
REVOKE ALL ON FUNCTION @extschema@.vr_detach_orders() FROM PUBLIC;
