-- The REST interface of vendor_routing by PostgREST: the schema it serves, the roles it
-- changes to, and what they may do.  Run by the owner of the database, once.
--
-- PostgREST checks the token of a request, changes to the role that it names, and puts
-- its claims into request.jwt.claims.  A vendor's token has the claims
--     {"role": "vr_vendor", "vendor_id": "..."}
-- and that of the shop {"role": "vr_shop"}.  Which vendor it is, these functions take
-- from the token, never from the request.

CREATE ROLE vr_authenticator LOGIN NOINHERIT;
CREATE ROLE vr_anonymous;
CREATE ROLE vr_vendor;
CREATE ROLE vr_shop;
CREATE ROLE vr_api;
GRANT vr_anonymous, vr_vendor, vr_shop TO vr_authenticator;

-- What the functions below need, and nobody else gets.
GRANT EXECUTE ON FUNCTION vr_broadcast, vr_accept, vr_respond, vr_cancel, vr_status, vr_routing_id
	TO vr_api;
GRANT SELECT ON vr_vendor_offers TO vr_api;

CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO vr_vendor, vr_shop, vr_api;
GRANT CREATE ON SCHEMA api TO vr_api;
ALTER DEFAULT PRIVILEGES FOR ROLE vr_api REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SELECT set_config('role', 'vr_api', false);

-- Who is asking.
CREATE FUNCTION api.current_vendor_id()
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	vendor_id text := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'vendor_id';
BEGIN
	IF vendor_id IS NULL THEN
		RAISE EXCEPTION 'the token names no vendor' USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN vendor_id;
END $$;

-- POST /rpc/accept {"routing_id": "..."}: 200, or 409 for who was too late.  That is not
-- an error, which would roll back the record of what the vendor said.
CREATE FUNCTION api.accept(routing_id uuid)
RETURNS TABLE (accepted boolean, reason text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
	SELECT a.accepted, a.reason INTO accepted, reason
	FROM vr_accept(accept.routing_id, api.current_vendor_id()) AS a;
	IF NOT accepted THEN
		PERFORM set_config('response.status',
			CASE reason WHEN 'NOT_INVITED' THEN '403' WHEN 'BUSY' THEN '503' ELSE '409' END, true);
	END IF;
	RETURN NEXT;
END $$;

-- POST /rpc/respond {"routing_id": "...", "response": "REJECT", "reason": "no stock"}
CREATE FUNCTION api.respond(routing_id uuid, response text, reason text DEFAULT NULL)
RETURNS TABLE (response_recorded text, recorded boolean) LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
	SELECT r.response_recorded, r.recorded
	FROM vr_respond(respond.routing_id, api.current_vendor_id(), respond.response, respond.reason) AS r
$$;

-- GET /my_offers: what this vendor could still win.
CREATE VIEW api.my_offers WITH (security_barrier) AS
SELECT routing_id, order_id, retailer_id, product, amount, payload, offered_at, expires_at
FROM public.vr_vendor_offers
WHERE vendor_id = api.current_vendor_id();

-- POST /rpc/route_to_vendors {"order_id": "order-1", "retailer_id": "shop-7"}
CREATE FUNCTION api.route_to_vendors(order_id text, retailer_id text, product text DEFAULT NULL,
	amount numeric DEFAULT NULL, payload jsonb DEFAULT NULL)
RETURNS TABLE (routing_id uuid, vendor_count integer, created boolean) LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
	SELECT b.routing_id, b.vendor_count, b.created
	FROM vr_broadcast(order_id => route_to_vendors.order_id, retailer_id => route_to_vendors.retailer_id,
		product => route_to_vendors.product, amount => route_to_vendors.amount,
		payload => route_to_vendors.payload) AS b
$$;

-- POST /rpc/cancel {"routing_id": "..."}
CREATE FUNCTION api.cancel(routing_id uuid, reason text DEFAULT NULL)
RETURNS TABLE (cancelled boolean, cancelled_count integer) LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
	SELECT c.cancelled, c.cancelled_count FROM vr_cancel(cancel.routing_id, cancel.reason) AS c
$$;

-- GET /rpc/status?routing_id=...
CREATE FUNCTION api.status(routing_id uuid)
RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
	SELECT vr_status(status.routing_id)
$$;

GRANT EXECUTE ON FUNCTION api.current_vendor_id(), api.accept(uuid), api.respond(uuid, text, text) TO vr_vendor;
GRANT SELECT ON api.my_offers TO vr_vendor;
GRANT EXECUTE ON FUNCTION api.route_to_vendors(text, text, text, numeric, jsonb),
	api.cancel(uuid, text), api.status(uuid) TO vr_shop;

RESET role;
REVOKE CREATE ON SCHEMA api FROM vr_api;

-- A PostgREST that runs already has to read all this.
NOTIFY pgrst, 'reload schema';
