CREATE FUNCTION @extschema@.vr_broadcast(
	order_id text,
	retailer_id text,
	product text DEFAULT NULL,
	amount numeric DEFAULT NULL,
	latitude double precision DEFAULT NULL,
	longitude double precision DEFAULT NULL,
	payload jsonb DEFAULT NULL,
	vendors text[] DEFAULT NULL,
	max_vendors integer DEFAULT NULL,
	ttl interval DEFAULT NULL,
	waves jsonb DEFAULT NULL,
	policy text DEFAULT NULL,
	confirm_within interval DEFAULT NULL,
	OUT routing_id uuid,
	OUT vendor_count integer,
	OUT invited jsonb,
	OUT created boolean)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_broadcast';
COMMENT ON FUNCTION @extschema@.vr_broadcast(text, text, text, numeric, double precision, double precision, jsonb, text[], integer, interval, jsonb, text, interval) IS
	'Offers an order to the best eligible vendors, or to those named; the same order again returns the same routing';
REVOKE ALL ON FUNCTION @extschema@.vr_broadcast(text, text, text, numeric, double precision, double precision, jsonb, text[], integer, interval, jsonb, text, interval) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_broadcast_many(
	orders jsonb,
	OUT order_id text,
	OUT routing_id uuid,
	OUT vendor_count integer,
	OUT created boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100
AS 'MODULE_PATHNAME', 'vr_broadcast_many';
COMMENT ON FUNCTION @extschema@.vr_broadcast_many(jsonb) IS
	'Offers many orders, objects whose members are named as the arguments of vr_broadcast; routing_id is NULL where nobody is eligible';
REVOKE ALL ON FUNCTION @extschema@.vr_broadcast_many(jsonb) FROM PUBLIC;
