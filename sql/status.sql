-- One document with everything, in one vocabulary; and the timeline.
SELECT created FROM vr_broadcast('s-1', 'retailer', 'rice', 120.50, 19.07, 72.87, '{"note": "ring twice"}',
	vendors => ARRAY['v01', 'v02', 'v03', 'v04']);
SELECT recorded FROM vr_respond(vr_routing_id('s-1'), 'v02', 'REJECT', 'too far');
SELECT recorded FROM vr_respond(vr_routing_id('s-1'), 'v03', 'ACCEPT');
SELECT vr_status(vr_routing_id('s-1')) - ARRAY['responses', 'expires_at'] AS status;
SELECT reason FROM vr_accept(vr_routing_id('s-1'), 'v01');
SELECT vr_status(vr_routing_id('s-1')) - ARRAY['responses', 'expires_at', 'locked_at'] AS status;
SELECT r - ARRAY['offered_at', 'expires_at', 'responded_at'] AS response
FROM jsonb_array_elements(vr_status(vr_routing_id('s-1')) -> 'responses') AS r;
SELECT key FROM jsonb_each(vr_status(vr_routing_id('s-1'))) ORDER BY 1;
SELECT key FROM jsonb_each(vr_status(vr_routing_id('s-1')) -> 'responses' -> 0) ORDER BY 1;
SELECT event_type, vendor_id, payload, occurred_at IS NOT NULL AS has_time, event_id IS NOT NULL AS has_id
FROM vr_history('s-1');
SELECT count(*) AS sorted_by_id
FROM (SELECT event_id < lead(event_id) OVER (ORDER BY occurred_at, event_id) AS ok FROM vr_events) AS e
WHERE NOT ok;
SELECT * FROM vr_history('never broadcast');
SELECT order_id, product, amount, payload, rank, response FROM vr_vendor_offers
WHERE order_id LIKE 's-%' ORDER BY vendor_id;
SELECT created FROM vr_broadcast('s-2', 'retailer', vendors => ARRAY['v01', 'v02']);
SELECT vendor_id, order_id, rank, response FROM vr_vendor_offers
WHERE order_id LIKE 's-%' ORDER BY vendor_id;
SELECT order_id, status, overdue FROM vr_open_routings WHERE order_id LIKE 's-%';
SELECT vendor_id, offers > 0 AS offers, wins > 0 AS wins, average_response_time IS NOT NULL AS responded
FROM vr_vendor_performance WHERE vendor_id IN ('v01', 'v12') ORDER BY 1;
-- The order's state that goes with each state of the routing.
SELECT DISTINCT status, order_status FROM vr_routing_status ORDER BY 1;
-- In a parallel query, where the server allows it only to the leader.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(vr_status(routing_id)) > 0 AS works FROM vendor_routing.routings;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
