CREATE FUNCTION @extschema@.vr_set_policy(
	policy text,
	waves jsonb,
	offer_ttl interval DEFAULT NULL,
	confirm_within interval DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_set_policy';
COMMENT ON FUNCTION @extschema@.vr_set_policy(text, jsonb, interval, interval) IS
	'Makes or replaces a broadcast policy; orders that have started keep theirs';
REVOKE ALL ON FUNCTION @extschema@.vr_set_policy(text, jsonb, interval, interval) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_drop_policy(
	policy text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_drop_policy';
COMMENT ON FUNCTION @extschema@.vr_drop_policy(text) IS
	'Removes a broadcast policy; false where there is none';
REVOKE ALL ON FUNCTION @extschema@.vr_drop_policy(text) FROM PUBLIC;
