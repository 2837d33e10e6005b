CREATE FUNCTION @extschema@.vr_block(
	retailer_id text,
	vendor_id text,
	reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_block';
COMMENT ON FUNCTION @extschema@.vr_block(text, text, text) IS
	'A vendor gets no more orders of a retailer; false where it was blocked already';
REVOKE ALL ON FUNCTION @extschema@.vr_block(text, text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_unblock(
	retailer_id text,
	vendor_id text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_unblock';
COMMENT ON FUNCTION @extschema@.vr_unblock(text, text) IS
	'A vendor may get orders of a retailer again; false where it was not blocked';
REVOKE ALL ON FUNCTION @extschema@.vr_unblock(text, text) FROM PUBLIC;
