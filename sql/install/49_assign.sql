CREATE FUNCTION @extschema@.vr_assign(
	routing_id uuid,
	vendor_id text,
	actor text,
	force boolean DEFAULT false)
RETURNS @extschema@.vr_accept_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_assign';
COMMENT ON FUNCTION @extschema@.vr_assign(uuid, text, text, boolean) IS
	'Gives an order to a vendor by hand, as if it had accepted; force passes capacity, pause and working hours, and never makes a second winner';
REVOKE ALL ON FUNCTION @extschema@.vr_assign(uuid, text, text, boolean) FROM PUBLIC;
