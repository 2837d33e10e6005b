CREATE FUNCTION @extschema@.vr_claim_messages(
	INOUT channel text DEFAULT NULL,
	max integer DEFAULT 100,
	lease interval DEFAULT '1 minute',
	OUT message_id uuid,
	OUT kind text,
	OUT routing_id uuid,
	OUT order_id text,
	OUT round integer,
	OUT vendor_id text,
	OUT vendor_name text,
	OUT phone text,
	OUT attempt integer,
	OUT leased_until timestamptz,
	OUT body text,
	OUT payload jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100
AS 'MODULE_PATHNAME', 'vr_claim_messages';
COMMENT ON FUNCTION @extschema@.vr_claim_messages(text, integer, interval) IS
	'Hands messages that are due to a sender, for the time of the lease';
REVOKE ALL ON FUNCTION @extschema@.vr_claim_messages(text, integer, interval) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_message_sent(
	message_id uuid,
	external_id text DEFAULT NULL,
	attempt integer DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_message_sent';
COMMENT ON FUNCTION @extschema@.vr_message_sent(uuid, text, integer) IS
	'Records that a message went out; false where that was known';
REVOKE ALL ON FUNCTION @extschema@.vr_message_sent(uuid, text, integer) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_message_failed(
	message_id uuid,
	error text,
	may_have_arrived boolean DEFAULT false,
	attempt integer DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_message_failed';
COMMENT ON FUNCTION @extschema@.vr_message_failed(uuid, text, boolean, integer) IS
	'Records that a message did not go out: it is tried again later, or given up';
REVOKE ALL ON FUNCTION @extschema@.vr_message_failed(uuid, text, boolean, integer) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_confirm_delivery(
	message_id uuid,
	status text,
	at timestamptz DEFAULT NULL,
	external_id text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_confirm_delivery';
COMMENT ON FUNCTION @extschema@.vr_confirm_delivery(uuid, text, timestamptz, text) IS
	'Records a receipt: DELIVERED, READ or FAILED; false where nothing is new';
REVOKE ALL ON FUNCTION @extschema@.vr_confirm_delivery(uuid, text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_receive_message(
	source text,
	message_id text,
	sender text,
	"text" text,
	context jsonb DEFAULT NULL,
	OUT outcome text,
	OUT reply text,
	OUT vendor_id text,
	OUT routing_id uuid,
	OUT duplicate boolean)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_receive_message';
COMMENT ON FUNCTION @extschema@.vr_receive_message(text, text, text, text, jsonb) IS
	'Does what a vendor wrote, once, and says what to answer';
REVOKE ALL ON FUNCTION @extschema@.vr_receive_message(text, text, text, text, jsonb) FROM PUBLIC;

CREATE VIEW @extschema@.vr_message_queue AS
SELECT
	channel, state, count(*) AS messages, min(queued_at) AS oldest_queued_at,
	min(due_at) FILTER (WHERE state IN ('QUEUED', 'LEASED')) AS next_due_at,
	max(attempts) AS max_attempts
FROM vendor_routing.messages
WHERE state IN ('QUEUED', 'LEASED', 'DEAD')
GROUP BY channel, state;
COMMENT ON VIEW @extschema@.vr_message_queue IS
	'Messages that are waiting, on their way or given up, by channel';
REVOKE ALL ON @extschema@.vr_message_queue FROM PUBLIC;
