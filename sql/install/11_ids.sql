CREATE FUNCTION @extschema@.vr_routing_id(order_id text)
RETURNS uuid
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'vr_routing_id';
COMMENT ON FUNCTION @extschema@.vr_routing_id(text) IS
	'The routing id of an order: a UUID version 5, the same everywhere and for ever';
REVOKE ALL ON FUNCTION @extschema@.vr_routing_id(text) FROM PUBLIC;
