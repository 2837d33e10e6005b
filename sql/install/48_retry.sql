CREATE FUNCTION @extschema@.vr_retry(
	routing_id uuid,
	exclude_declined boolean DEFAULT false,
	waves jsonb DEFAULT NULL,
	OUT retried boolean,
	OUT round integer,
	OUT vendor_count integer,
	OUT invited jsonb)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_retry';
COMMENT ON FUNCTION @extschema@.vr_retry(uuid, boolean, jsonb) IS
	'Offers an order anew that nobody took: EXHAUSTED or EXPIRED';
REVOKE ALL ON FUNCTION @extschema@.vr_retry(uuid, boolean, jsonb) FROM PUBLIC;
