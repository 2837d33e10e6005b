-- The order is over: capacity comes back, and the score follows.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, average_rating)
VALUES ('k1', 'Complete 1', true, '{complete}', 1);
SELECT sum(vendor_count) FROM generate_series(1, 4) AS i, vr_broadcast('k-' || i, 'retailer', vendors => ARRAY['k1']);
SELECT vr_complete(vr_routing_id('k-1'));
SELECT count(*) FROM generate_series(1, 3) AS i, vr_accept(vr_routing_id('k-' || i), 'k1') AS a WHERE a.accepted;
SELECT current_orders, total_orders, completed_orders, average_rating, score FROM vendor_routing.vendors WHERE vendor_id = 'k1';
SELECT * FROM vr_complete(vr_routing_id('k-1'), 'DELIVERED', 5);
SELECT * FROM vr_complete(vr_routing_id('k-1'), 'DELIVERED', 5);
SELECT vr_complete(vr_routing_id('k-1'), 'FAILED');
SELECT * FROM vr_complete(vr_routing_id('k-2'), 'FAILED', 2.5);
SELECT * FROM vr_complete(vr_routing_id('k-3'));
SELECT current_orders, total_orders, completed_orders, rating_count, average_rating, score
FROM vendor_routing.vendors WHERE vendor_id = 'k1';
SELECT order_id, status, order_status, outcome FROM vr_routing_status WHERE order_id ~ '^k-' ORDER BY 1;
SELECT event_type, vendor_id, payload FROM vr_history('k-1') OFFSET 3;
-- final
SELECT vr_cancel(vr_routing_id('k-1'));
SELECT vr_release(vr_routing_id('k-1'), 'k1');
SELECT accepted, reason FROM vr_accept(vr_routing_id('k-1'), 'k1');
\set VERBOSITY sqlstate
SELECT vr_complete(NULL);
SELECT vr_complete(vr_routing_id('k-4'), NULL);
SELECT vr_complete(vr_routing_id('k-4'), 'BANANA');
SELECT vr_complete(vr_routing_id('k-4'), 'DELIVERED', 5.01);
SELECT vr_complete(vr_routing_id('k-4'), 'DELIVERED', -1);
SELECT vr_complete(vr_routing_id('k-4'), 'DELIVERED', 'NaN');
SELECT vr_complete(vr_routing_id('k-unknown'));
\set VERBOSITY default
SELECT cancelled FROM vr_cancel(vr_routing_id('k-4'));
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = 'k1';
