CREATE FUNCTION @extschema@.vr_accept(
	routing_id uuid,
	vendor_id text,
	payload jsonb DEFAULT NULL,
	OUT accepted boolean,
	OUT reason text,
	OUT locked_vendor_id text,
	OUT locked_at timestamptz,
	OUT order_id text,
	OUT version integer)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_accept';
COMMENT ON FUNCTION @extschema@.vr_accept(uuid, text, jsonb) IS
	'A vendor accepts an order: the first one wins and all others are told, in this transaction; losing is an answer, not an error';
REVOKE ALL ON FUNCTION @extschema@.vr_accept(uuid, text, jsonb) FROM PUBLIC;
