-- What the gateway has in the database: a role with the rights it needs, and the keys of
-- those who may call it.
--
-- Keys are kept as SHA-256: they are long and random, so that is enough, and a copy of the
-- table opens nothing.  They are looked up by the hash; how long that takes says nothing
-- of the key.

CREATE ROLE vr_gateway;
GRANT EXECUTE ON FUNCTION
	vr_broadcast, vr_accept, vr_respond, vr_cancel, vr_status, vr_routing_id,
	vr_claim_messages, vr_message_sent, vr_message_failed, vr_confirm_delivery, vr_receive_message
	TO vr_gateway;
GRANT SELECT ON vr_open_routings, vr_message_queue TO vr_gateway;

CREATE SCHEMA gateway;
GRANT USAGE ON SCHEMA gateway TO vr_gateway;

CREATE TABLE gateway.api_keys (
	key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
	vendor_id text,
	created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON gateway.api_keys TO vr_gateway;
COMMENT ON TABLE gateway.api_keys IS 'Who may call the gateway';
COMMENT ON COLUMN gateway.api_keys.key_sha256 IS 'SHA-256 of the key';
COMMENT ON COLUMN gateway.api_keys.vendor_id IS 'The vendor it acts as; NULL: an operator, who acts for all';
COMMENT ON COLUMN gateway.api_keys.created_at IS 'When it was given out';

-- Gives out a key; it is shown this once.
CREATE FUNCTION gateway.create_key(vendor_id text)
RETURNS text LANGUAGE sql AS $$
	WITH new AS (SELECT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '') AS key),
		stored AS (INSERT INTO gateway.api_keys (key_sha256, vendor_id)
			SELECT sha256(convert_to(key, 'UTF8')), create_key.vendor_id FROM new)
	SELECT key FROM new
$$;
REVOKE ALL ON FUNCTION gateway.create_key(text) FROM PUBLIC;
