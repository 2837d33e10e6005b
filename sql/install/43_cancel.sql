CREATE FUNCTION @extschema@.vr_cancel(
	routing_id uuid,
	reason text DEFAULT NULL,
	OUT cancelled boolean,
	OUT cancelled_count integer)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_cancel';
COMMENT ON FUNCTION @extschema@.vr_cancel(uuid, text) IS
	'Withdraws an order and tells every vendor invited, the winner included';
REVOKE ALL ON FUNCTION @extschema@.vr_cancel(uuid, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_send_cancellations(
	routing_id uuid,
	OUT cancelled_count integer,
	OUT losers integer,
	OUT non_responders integer)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_send_cancellations';
COMMENT ON FUNCTION @extschema@.vr_send_cancellations(uuid) IS
	'Makes sure that every vendor who did not get a decided order is told, and counts them';
REVOKE ALL ON FUNCTION @extschema@.vr_send_cancellations(uuid) FROM PUBLIC;
