CREATE FUNCTION @extschema@.vr_timeout(
	routing_id uuid,
	ttl interval DEFAULT NULL,
	OUT timed_out integer,
	OUT locked_vendor_id text,
	OUT status text)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_timeout';
COMMENT ON FUNCTION @extschema@.vr_timeout(uuid, interval) IS
	'Does what is due for an order: gives it to the earliest recorded ACCEPT, times out silent vendors, ends it; before the deadline it does nothing';
REVOKE ALL ON FUNCTION @extschema@.vr_timeout(uuid, interval) FROM PUBLIC;
