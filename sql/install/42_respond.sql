CREATE FUNCTION @extschema@.vr_respond(
	routing_id uuid,
	vendor_id text,
	response text,
	reason text DEFAULT NULL,
	payload jsonb DEFAULT NULL,
	decline_code text DEFAULT NULL,
	OUT response_recorded text,
	OUT responded_at timestamptz,
	OUT recorded boolean)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_respond';
COMMENT ON FUNCTION @extschema@.vr_respond(uuid, text, text, text, jsonb, text) IS
	'Records the answer of a vendor (ACCEPT, REJECT or ERROR) without deciding the order';
REVOKE ALL ON FUNCTION @extschema@.vr_respond(uuid, text, text, text, jsonb, text) FROM PUBLIC;
