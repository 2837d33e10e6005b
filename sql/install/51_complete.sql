CREATE FUNCTION @extschema@.vr_complete(
	routing_id uuid,
	outcome text DEFAULT 'DELIVERED',
	rating numeric DEFAULT NULL,
	OUT completed boolean,
	OUT outcome_recorded text,
	OUT vendor_id text)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_complete';
COMMENT ON FUNCTION @extschema@.vr_complete(uuid, text, numeric) IS
	'Ends an order that a vendor has: DELIVERED or FAILED, with a rating of 0 to 5; gives the capacity back and feeds the score';
REVOKE ALL ON FUNCTION @extschema@.vr_complete(uuid, text, numeric) FROM PUBLIC;
