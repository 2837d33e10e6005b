CREATE FUNCTION @extschema@.vr_pause(
	vendor_id text,
	until timestamptz DEFAULT NULL,
	reason text DEFAULT NULL,
	OUT paused_until timestamptz)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_pause';
COMMENT ON FUNCTION @extschema@.vr_pause(text, timestamptz, text) IS
	'Offers a vendor nothing until then, or until vr_resume';
REVOKE ALL ON FUNCTION @extschema@.vr_pause(text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_resume(
	vendor_id text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_resume';
COMMENT ON FUNCTION @extschema@.vr_resume(text) IS
	'Ends the pause of a vendor; false where it had none';
REVOKE ALL ON FUNCTION @extschema@.vr_resume(text) FROM PUBLIC;
