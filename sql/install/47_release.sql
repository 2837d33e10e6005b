CREATE FUNCTION @extschema@.vr_release(
	routing_id uuid,
	vendor_id text,
	reason text DEFAULT NULL,
	OUT released boolean,
	OUT status text,
	OUT round integer,
	OUT vendor_count integer)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_release';
COMMENT ON FUNCTION @extschema@.vr_release(uuid, text, text) IS
	'The winner backs out: the order is offered anew, to others';
REVOKE ALL ON FUNCTION @extschema@.vr_release(uuid, text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_confirm(
	routing_id uuid,
	vendor_id text,
	OUT confirmed boolean,
	OUT confirmed_at timestamptz)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_confirm';
COMMENT ON FUNCTION @extschema@.vr_confirm(uuid, text) IS
	'The winner confirms that it will deliver';
REVOKE ALL ON FUNCTION @extschema@.vr_confirm(uuid, text) FROM PUBLIC;
