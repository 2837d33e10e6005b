-- Loads the example city: its vendors, and the orders of a day.
--
-- \copy reads files relative to where psql was started, so start it here:
--
--     cd examples/city && psql -d DATABASE -f load.sql
--
-- All or nothing: a second load is refused, because the vendors are there.

\set ON_ERROR_STOP on

BEGIN;

\copy vendor_routing.vendors (vendor_id, name, phone, products, min_order_amount, latitude, longitude, service_radius_km, capacity, total_orders, completed_orders, average_rating, reliability_score, is_active, is_verified) FROM 'vendors.csv' WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')

-- The shop's own table: vendor_routing is told of an order when it is offered.
CREATE TABLE shop_orders (
	order_id    text PRIMARY KEY,
	retailer_id text NOT NULL,
	product     text NOT NULL,
	amount      numeric(10,2) NOT NULL,
	latitude    double precision NOT NULL,
	longitude   double precision NOT NULL,
	payload     jsonb NOT NULL
);

COMMENT ON TABLE shop_orders IS 'Example: the orders of the shops, as the application has them.';

\copy shop_orders FROM 'orders.csv' WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')

COMMIT;

ANALYZE vendor_routing.vendors, shop_orders;
