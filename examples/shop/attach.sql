-- All that vendor_routing needs to know of the shop.
CREATE EXTENSION vendor_routing;

SELECT vr_attach_vendors('shop.wholesalers', '{
	"vendor_id": "id", "name": "name", "phone": "whatsapp",
	"is_active": {"column": "state", "equals": "open"},
	"products": "sells", "capacity": "max_orders",
	"latitude": "lat", "longitude": "lon", "service_radius_km": "delivers_km"}') AS wholesalers;

SELECT vr_attach_orders('shop.orders', '{
	"order_id": "id", "retailer_id": "retailer", "product": "product", "amount": "total",
	"latitude": "lat", "longitude": "lon", "status": "state", "locked_vendor_id": "wholesaler",
	"auto_broadcast": true,
	"states": {"CREATED": "draft", "VALIDATED": "checked", "CREDIT_RESERVED": "funded",
	           "PENDING_BIDS": "offered", "VENDOR_ACCEPTED": "taken",
	           "FULFILLMENT_STARTED": "on_the_way", "DELIVERED": "delivered",
	           "CANCELLED": "cancelled", "FAILED": "failed"}}');

-- The role of the application: its own tables, and the functions it calls.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_app') THEN
		CREATE ROLE shop_app;
	END IF;
END $$;
GRANT USAGE ON SCHEMA shop TO shop_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_app;
GRANT EXECUTE ON FUNCTION vr_routing_id(text), vr_accept(uuid, text, jsonb),
	vr_release(uuid, text, text), vr_respond(uuid, text, text, text, jsonb, text) TO shop_app;
GRANT SELECT ON vr_vendor_offers TO shop_app;
