-- Withdrawing an order tells everybody once, the winner included; cancellations
-- of an order that nobody won do not exist.
SELECT created FROM vr_broadcast('c-1', 'retailer', vendors => ARRAY['v01', 'v02', 'v03']);
SELECT vr_send_cancellations(vr_routing_id('c-1'));
SELECT recorded FROM vr_respond(vr_routing_id('c-1'), 'v02', 'REJECT');
SELECT reason FROM vr_accept(vr_routing_id('c-1'), 'v01');
SELECT * FROM vr_send_cancellations(vr_routing_id('c-1'));
SELECT * FROM vr_send_cancellations(vr_routing_id('c-1'));
SELECT vendor_id, reason FROM vr_cancellations WHERE order_id = 'c-1' ORDER BY 1;
SELECT * FROM vr_cancel(vr_routing_id('c-1'), 'out of money');
SELECT * FROM vr_cancel(vr_routing_id('c-1'), 'out of money');
SELECT vendor_id, reason FROM vr_cancellations WHERE order_id = 'c-1' ORDER BY 1;
SELECT status, order_status, locked_vendor_id, cancelled_count FROM vr_routing_status WHERE order_id = 'c-1';
SELECT event_type, vendor_id, payload FROM vr_history('c-1') OFFSET 2;
SELECT * FROM vr_send_cancellations(vr_routing_id('c-1'));
-- to the former winner too the order is over
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('c-1'), 'v01');

-- A completed order stays so.
SELECT created FROM vr_broadcast('c-2', 'retailer', vendors => ARRAY['v04', 'v06']);
SELECT reason FROM vr_accept(vr_routing_id('c-2'), 'v04');
UPDATE vendor_routing.routings SET status = 'COMPLETED' WHERE order_id = 'c-2';
SELECT vr_cancel(vr_routing_id('c-2'));
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('c-2'), 'v04');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('c-2'), 'v06');
SELECT * FROM vr_timeout(vr_routing_id('c-2'));
