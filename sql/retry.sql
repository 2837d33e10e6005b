-- An order that nobody took is offered anew, from EXHAUSTED or EXPIRED only.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'rt' || i, 'Retry ' || i, true, '{retry}', 50 - i FROM generate_series(1, 3) AS i;
SELECT vendor_count FROM vr_broadcast('ry-1', 'retailer', 'retry');
SELECT retried, round, vendor_count FROM vr_retry(vr_routing_id('ry-1'));
SELECT recorded FROM vr_respond(vr_routing_id('ry-1'), 'rt1', 'REJECT');
SELECT timed_out, status FROM vr_timeout(vr_routing_id('ry-1'), '0');
-- without who declined
SELECT retried, round, vendor_count, jsonb_path_query_array(invited, '$[*].vendor_id') AS invited
FROM vr_retry(vr_routing_id('ry-1'), true);
SELECT retried, round, vendor_count FROM vr_retry(vr_routing_id('ry-1'), true);
SELECT timed_out, status FROM vr_timeout(vr_routing_id('ry-1'), '0');
-- in other waves
SELECT retried, round, vendor_count FROM vr_retry(vr_routing_id('ry-1'), waves => '[{"vendors": 1}, {"vendors": 1}]');
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 'ry-1';
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 h', expires_at = now() - interval '1 h'
WHERE routing_id = vr_routing_id('ry-1') AND round = 3;
SELECT expired FROM vr_tick();
SELECT retried, round, vendor_count FROM vr_retry(vr_routing_id('ry-1'));
SELECT expires_at > now() AS has_time FROM vr_routing_status WHERE order_id = 'ry-1';
SELECT event_type, payload FROM vr_history('ry-1') WHERE event_type ~ '^ORDER|BROADCAST';
SELECT accepted, reason FROM vr_accept(vr_routing_id('ry-1'), 'rt2');
SELECT vr_retry(vr_routing_id('ry-1'));
SELECT completed FROM vr_complete(vr_routing_id('ry-1'));
SELECT vr_retry(vr_routing_id('ry-1'));
-- nobody eligible, or too old: nothing is changed
SELECT vendor_count FROM vr_broadcast('ry-2', 'retailer', 'retry', max_vendors => 1);
SELECT timed_out, status FROM vr_timeout(vr_routing_id('ry-2'), '0');
SELECT vr_retry(vr_routing_id('ry-2'), waves => '[{"vendor_ids": ["nobody"]}]');
UPDATE vendor_routing.routings SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
WHERE order_id = 'ry-2';
SELECT vr_retry(vr_routing_id('ry-2'));
SELECT status, round, wave FROM vr_routing_status WHERE order_id = 'ry-2';
SELECT event_type FROM vr_history('ry-2');
\set VERBOSITY sqlstate
SELECT vr_retry(NULL);
SELECT vr_retry(vr_routing_id('ry-unknown'));
SELECT vr_retry(vr_routing_id('ry-2'), false, '[]');
\set VERBOSITY default
SELECT violation, order_id, vendor_id FROM vr_check() WHERE order_id ~ '^ry-' AND order_id <> 'ry-2';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^rt\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
