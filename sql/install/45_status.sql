CREATE FUNCTION @extschema@.vr_status(routing_id uuid)
RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'vr_status';
COMMENT ON FUNCTION @extschema@.vr_status(uuid) IS
	'Everything about one routing in one document: state, winner, counts, and each vendor''s offer and answer';
REVOKE ALL ON FUNCTION @extschema@.vr_status(uuid) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_history(
	order_id text,
	OUT occurred_at timestamptz,
	OUT event_type text,
	OUT vendor_id text,
	OUT payload jsonb,
	OUT event_id uuid)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'vr_history';
COMMENT ON FUNCTION @extschema@.vr_history(text) IS
	'What happened to an order, the oldest first; no rows for an order that was never broadcast';
REVOKE ALL ON FUNCTION @extschema@.vr_history(text) FROM PUBLIC;
