-- An answer is recorded once, decides nothing, and is refused when it is late
-- or different.
SELECT created FROM vr_broadcast('r-1', 'retailer', vendors => ARRAY['v01', 'v02', 'v03']);
SELECT response_recorded, responded_at IS NOT NULL AS has_time, recorded
FROM vr_respond(vr_routing_id('r-1'), 'v01', 'ACCEPT', 'gladly', '{"eta": 10}');
SELECT response_recorded, recorded FROM vr_respond(vr_routing_id('r-1'), 'v01', 'ACCEPT');
SELECT vr_respond(vr_routing_id('r-1'), 'v01', 'REJECT');
SELECT status, locked_vendor_id, accepted_count, pending_count FROM vr_routing_status WHERE order_id = 'r-1';
SELECT response_recorded, recorded FROM vr_respond(vr_routing_id('r-1'), 'v02', 'REJECT', 'no stock');
SELECT response_recorded, recorded FROM vr_respond(vr_routing_id('r-1'), 'v03', 'ERROR', 'printer on fire');
SELECT vendor_id, response, reason, payload FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('r-1') ORDER BY vendor_id;
SELECT event_type, vendor_id, payload FROM vr_history('r-1') OFFSET 1;
SELECT vr_respond(vr_routing_id('r-1'), 'v04', 'ACCEPT');
SELECT vr_respond(vr_routing_id('r-1'), 'v01', 'BANANA');
SELECT vr_respond(vr_routing_id('r-1'), 'v01', 'TIMEOUT');
SELECT vr_respond(vr_routing_id('r-1'), 'v01', 'accept');
SELECT vr_respond(vr_routing_id('r-1'), 'v02', 'REJECT', decline_code => 'BANANA');
SELECT vr_respond(vr_routing_id('r-1'), 'v02', 'ERROR', decline_code => 'PRICE');

-- Everybody declines: exhausted at once, and the order stays open for retry.
SELECT created FROM vr_broadcast('r-2', 'retailer', vendors => ARRAY['v01', 'v02']);
SELECT recorded FROM vr_respond(vr_routing_id('r-2'), 'v01', 'REJECT');
SELECT recorded FROM vr_respond(vr_routing_id('r-2'), 'v02', 'REJECT');
SELECT status, order_status, rejected_count, cancelled_count FROM vr_routing_status WHERE order_id = 'r-2';
SELECT event_type FROM vr_history('r-2') OFFSET 3;
SELECT accepted, reason FROM vr_accept(vr_routing_id('r-2'), 'v02');

-- After the end: the identical answer is harmless, another one is refused.
SELECT created FROM vr_broadcast('r-3', 'retailer', vendors => ARRAY['v01', 'v02']);
SELECT reason FROM vr_accept(vr_routing_id('r-3'), 'v01');
SELECT vr_respond(vr_routing_id('r-3'), 'v02', 'ACCEPT');
SELECT recorded FROM vr_respond(vr_routing_id('r-3'), 'v01', 'ACCEPT');

-- After the offer's deadline.
SELECT created FROM vr_broadcast('r-4', 'retailer', vendors => ARRAY['v01', 'v02']);
UPDATE vendor_routing.responses
SET offered_at = offered_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
WHERE routing_id = vr_routing_id('r-4');
SELECT vr_respond(vr_routing_id('r-4'), 'v01', 'ACCEPT');
