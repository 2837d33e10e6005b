CREATE FUNCTION @extschema@.vr_explain(
	order_id text,
	vendor_id text,
	OUT gate text,
	OUT passed boolean,
	OUT found text,
	OUT needed text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 15
AS 'MODULE_PATHNAME', 'vr_explain';
COMMENT ON FUNCTION @extschema@.vr_explain(text, text) IS
	'Why a vendor is, or is not, offered an order: one row per gate, tested as the broadcast tests it, with what is in the tables now';
REVOKE ALL ON FUNCTION @extschema@.vr_explain(text, text) FROM PUBLIC;
