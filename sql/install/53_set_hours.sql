CREATE FUNCTION @extschema@.vr_set_hours(
	vendor_id text,
	time_zone text,
	hours jsonb)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_set_hours';
COMMENT ON FUNCTION @extschema@.vr_set_hours(text, text, jsonb) IS
	'Sets the working hours of a vendor, local time in an IANA zone: [{"days": [1, 2], "from": "09:00", "to": "18:00"}], Monday is 1; both NULL: always open';
REVOKE ALL ON FUNCTION @extschema@.vr_set_hours(text, text, jsonb) FROM PUBLIC;
