-- Nothing before the deadline; after it, a recorded ACCEPT wins, silence times
-- out, and an order ends as EXHAUSTED or EXPIRED.
CREATE PROCEDURE make_due(due_order text) LANGUAGE sql AS $$
	UPDATE vendor_routing.responses
	SET offered_at = offered_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
	WHERE routing_id = vr_routing_id(due_order);
$$;
SELECT created FROM vr_broadcast('x-1', 'retailer', ttl => '3600 s');
SELECT * FROM vr_timeout(vr_routing_id('x-1'));
SELECT * FROM vr_timeout(vr_routing_id('x-1'), '3600 s');
SELECT count(*) AS answered FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('x-1') AND response IS NOT NULL;

CALL make_due('x-1');
SELECT * FROM vr_timeout(vr_routing_id('x-1'));
SELECT * FROM vr_timeout(vr_routing_id('x-1'));
SELECT status, timeout_count, cancelled_count FROM vr_routing_status WHERE order_id = 'x-1';
SELECT event_type, count(*) FROM vr_history('x-1') GROUP BY 1 ORDER BY 1;
-- and at last the order itself
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 minute' WHERE order_id = 'x-1';
SELECT * FROM vr_timeout(vr_routing_id('x-1'));
SELECT * FROM vr_timeout(vr_routing_id('x-1'));
SELECT status, order_status, cancelled_count FROM vr_routing_status WHERE order_id = 'x-1';
SELECT DISTINCT reason FROM vr_cancellations WHERE order_id = 'x-1';
SELECT * FROM vr_send_cancellations(vr_routing_id('x-1'));
SELECT accepted, reason FROM vr_accept(vr_routing_id('x-1'), 'v01');

-- The earliest recorded ACCEPT wins, not the best score.
SELECT created FROM vr_broadcast('x-2', 'retailer', vendors => ARRAY['v01', 'v02', 'v03']);
SELECT recorded FROM vr_respond(vr_routing_id('x-2'), 'v03', 'ACCEPT');
SELECT recorded FROM vr_respond(vr_routing_id('x-2'), 'v02', 'ACCEPT');
SELECT * FROM vr_timeout(vr_routing_id('x-2'));
CALL make_due('x-2');
SELECT * FROM vr_timeout(vr_routing_id('x-2'));
SELECT * FROM vr_timeout(vr_routing_id('x-2'));
SELECT event_type, vendor_id FROM vr_history('x-2') OFFSET 3;

-- Unless it has no capacity: then the next, then nobody.
UPDATE vendor_routing.vendors SET capacity = 0 WHERE vendor_id IN ('v07', 'v08');
SELECT created FROM vr_broadcast('x-3', 'retailer', vendors => ARRAY['v07', 'v09']);
SELECT recorded FROM vr_respond(vr_routing_id('x-3'), 'v07', 'ACCEPT');
SELECT recorded FROM vr_respond(vr_routing_id('x-3'), 'v09', 'ACCEPT');
CALL make_due('x-3');
SELECT * FROM vr_timeout(vr_routing_id('x-3'));
SELECT created FROM vr_broadcast('x-4', 'retailer', vendors => ARRAY['v07', 'v08']);
SELECT recorded FROM vr_respond(vr_routing_id('x-4'), 'v07', 'ACCEPT');
CALL make_due('x-4');
SELECT * FROM vr_timeout(vr_routing_id('x-4'));
UPDATE vendor_routing.vendors SET capacity = NULL WHERE vendor_id IN ('v07', 'v08');

-- A shorter time to live for this call only.
SELECT created FROM vr_broadcast('x-5', 'retailer', vendors => ARRAY['v01', 'v02'], ttl => '10 minutes');
SELECT * FROM vr_timeout(vr_routing_id('x-5'), '0');

-- An ACCEPT that it made due, and that cannot win now, is tried again at its own time:
-- before the other offers end, and before those of the next wave.
SELECT created FROM vr_broadcast('x-7', 'retailer', vendors => ARRAY['v01', 'v07'], ttl => '10 minutes');
SELECT created FROM vr_broadcast('x-8', 'retailer', ttl => '10 minutes', waves => '[{"vendor_ids": ["v07"]}, {"vendor_ids": ["v01"]}]');
UPDATE vendor_routing.responses
SET offered_at = offered_at - interval '5 minutes', expires_at = expires_at - interval '5 minutes'
WHERE routing_id IN (vr_routing_id('x-7'), vr_routing_id('x-8')) AND vendor_id = 'v07';
SELECT recorded FROM vr_respond(vr_routing_id('x-7'), 'v07', 'ACCEPT');
SELECT recorded FROM vr_respond(vr_routing_id('x-8'), 'v07', 'ACCEPT');
UPDATE vendor_routing.vendors SET capacity = 0 WHERE vendor_id = 'v07';
SELECT * FROM vr_timeout(vr_routing_id('x-7'), '5 minutes');
SELECT * FROM vr_timeout(vr_routing_id('x-8'), '0');
SELECT order_id, t.status, t.wave, next_deadline = r.expires_at AS tried_again
FROM vendor_routing.routings AS t JOIN vendor_routing.responses AS r USING (routing_id, round)
WHERE order_id IN ('x-7', 'x-8') AND vendor_id = 'v07' ORDER BY 1;
UPDATE vendor_routing.vendors SET capacity = NULL WHERE vendor_id = 'v07';

-- Some offers are due and others are not.
SELECT created FROM vr_broadcast('x-6', 'retailer', vendors => ARRAY['v01', 'v02', 'v03'], ttl => '10 minutes');
UPDATE vendor_routing.responses
SET offered_at = offered_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
WHERE routing_id = vr_routing_id('x-6') AND vendor_id = 'v02';
SELECT * FROM vr_timeout(vr_routing_id('x-6'));
SELECT vendor_id, response FROM vendor_routing.responses WHERE routing_id = vr_routing_id('x-6') ORDER BY 1;
SELECT accepted, reason FROM vr_accept(vr_routing_id('x-6'), 'v02');
SELECT accepted, reason FROM vr_accept(vr_routing_id('x-6'), 'v03');

-- A deadline that an accept has left behind is taken out when it is due.
SELECT next_deadline IS NOT NULL AS left_behind FROM vendor_routing.routings WHERE order_id = 'x-6';
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 minute' WHERE order_id = 'x-6';
SELECT timed_out, status FROM vr_timeout(vr_routing_id('x-6'));
SELECT next_deadline IS NOT NULL AS left_behind, version FROM vendor_routing.routings WHERE order_id = 'x-6';
DROP PROCEDURE make_due;
