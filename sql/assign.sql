-- A person gives an order to a vendor; never a second winner.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, capacity)
VALUES ('a1', 'Assign 1', true, '{assign}', 1), ('a2', 'Assign 2', true, '{assign}', NULL),
	('a3', 'Assign 3', true, '{assign}', NULL), ('a4', 'Assign 4', false, '{assign}', NULL);
SELECT vendor_count FROM vr_broadcast('as-1', 'retailer', vendors => ARRAY['a1', 'a2']);
-- one who has an offer, one who has none
SELECT accepted, reason, locked_vendor_id, order_id, version FROM vr_assign(vr_routing_id('as-1'), 'a1', 'olga');
SELECT accepted, reason, locked_vendor_id FROM vr_assign(vr_routing_id('as-1'), 'a1', 'olga');
SELECT accepted, reason, locked_vendor_id FROM vr_assign(vr_routing_id('as-1'), 'a3', 'olga', true);
SELECT vendor_count FROM vr_broadcast('as-2', 'retailer', vendors => ARRAY['a2']);
SELECT accepted, reason, locked_vendor_id FROM vr_assign(vr_routing_id('as-2'), 'a3', 'olga');
SELECT vendor_id, rank, response, reason, payload FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('as-2') ORDER BY rank;
SELECT event_type, vendor_id, payload FROM vr_history('as-2');
-- capacity, pause and hours stand in the way, unless forced
SELECT vendor_count FROM vr_broadcast('as-3', 'retailer', vendors => ARRAY['a2']);
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-3'), 'a1', 'olga');
SELECT vr_pause('a3', 'infinity');
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-3'), 'a3', 'olga');
SELECT vr_resume('a3'), vr_set_hours('a3', 'UTC', '[]');
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-3'), 'a3', 'olga');
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-3'), 'a1', 'olga', true);
SELECT current_orders, capacity FROM vendor_routing.vendors WHERE vendor_id = 'a1';
-- who has declined; an order that is exhausted, over, or withdrawn
SELECT vendor_count FROM vr_broadcast('as-4', 'retailer', vendors => ARRAY['a2']);
SELECT recorded FROM vr_respond(vr_routing_id('as-4'), 'a2', 'REJECT');
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-4'), 'a2', 'olga', true);
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-4'), 'a3', 'olga', true);
SELECT vendor_count FROM vr_broadcast('as-5', 'retailer', vendors => ARRAY['a2']);
SELECT cancelled FROM vr_cancel(vr_routing_id('as-5'));
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-5'), 'a2', 'olga', true);
SELECT vendor_count FROM vr_broadcast('as-6', 'retailer', vendors => ARRAY['a2']);
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 s' WHERE order_id = 'as-6';
SELECT accepted, reason FROM vr_assign(vr_routing_id('as-6'), 'a2', 'olga', true);
UPDATE vendor_routing.routings SET expires_at = now() + interval '1 h' WHERE order_id = 'as-6';
-- nobody may: not verified, blocked, unknown
SELECT vr_assign(vr_routing_id('as-6'), 'a4', 'olga', true);
SELECT vr_block('retailer', 'a3');
SELECT vr_assign(vr_routing_id('as-6'), 'a3', 'olga', true);
SELECT vr_unblock('retailer', 'a3');
SELECT vr_assign(vr_routing_id('as-6'), 'nobody', 'olga', true);
\set VERBOSITY sqlstate
SELECT vr_assign(NULL, 'a2', 'olga');
SELECT vr_assign(vr_routing_id('as-6'), NULL, 'olga');
SELECT vr_assign(vr_routing_id('as-6'), 'a2', NULL);
SELECT vr_assign(vr_routing_id('as-unknown'), 'a2', 'olga');
\set VERBOSITY default
SELECT status FROM vr_routing_status WHERE order_id = 'as-6';
SELECT violation, order_id, vendor_id FROM vr_check() WHERE order_id ~ '^as-' AND order_id <> 'as-6';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^a\d$';
