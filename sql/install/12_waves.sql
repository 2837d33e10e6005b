CREATE FUNCTION @extschema@.vr_check_waves(waves jsonb)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'vr_check_waves';
COMMENT ON FUNCTION @extschema@.vr_check_waves(jsonb) IS
	'True for waves that vr_broadcast takes; an error that says what is wrong with others';
REVOKE ALL ON FUNCTION @extschema@.vr_check_waves(jsonb) FROM PUBLIC;
