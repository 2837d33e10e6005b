-- A type with a name: of OUT arguments, PostgreSQL makes a description for each execution.
CREATE TYPE @extschema@.vr_accept_result AS (
	accepted boolean,
	reason text,
	locked_vendor_id text,
	locked_at timestamptz,
	order_id text,
	version integer);
COMMENT ON TYPE @extschema@.vr_accept_result IS
	'What comes of an attempt to win an order, by vr_accept or vr_assign';
REVOKE ALL ON TYPE @extschema@.vr_accept_result FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_accept(
	routing_id uuid,
	vendor_id text,
	payload jsonb DEFAULT NULL)
RETURNS @extschema@.vr_accept_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_accept';
COMMENT ON FUNCTION @extschema@.vr_accept(uuid, text, jsonb) IS
	'A vendor accepts an order: the first one wins and all others are told, in this transaction; losing is an answer, not an error';
REVOKE ALL ON FUNCTION @extschema@.vr_accept(uuid, text, jsonb) FROM PUBLIC;
