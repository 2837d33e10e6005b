-- The winner backs out, or does not confirm: told, excluded, its load returned,
-- and the order offered anew, once.
-- However slow the machine is.
SET vendor_routing.offer_ttl = '10 min';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'r' || i, 'Release ' || i, true, '{release}', 50 - i FROM generate_series(1, 3) AS i;
SELECT vendor_count FROM vr_broadcast('re-1', 'retailer', 'release');
SELECT reason FROM vr_accept(vr_routing_id('re-1'), 'r1');
SELECT released, status, round, vendor_count FROM vr_release(vr_routing_id('re-1'), 'r1', 'van broke down');
SELECT released, status, round, vendor_count FROM vr_release(vr_routing_id('re-1'), 'r1', 'van broke down');
SELECT status, round, wave, releases, locked_vendor_id FROM vr_routing_status WHERE order_id = 're-1';
SELECT vendor_id, round FROM vendor_routing.responses WHERE routing_id = vr_routing_id('re-1') ORDER BY 2, 1;
SELECT vendor_id, round, reason FROM vr_cancellations WHERE order_id = 're-1' ORDER BY 2, 1;
SELECT vendor_id, current_orders FROM vendor_routing.vendors WHERE vendor_id ~ '^r\d$' ORDER BY 1;
SELECT accepted, reason FROM vr_accept(vr_routing_id('re-1'), 'r1');
-- a loser of the first round wins the second
SELECT accepted, reason FROM vr_accept(vr_routing_id('re-1'), 'r2');
-- once is the limit
SELECT vr_release(vr_routing_id('re-1'), 'r2');
SELECT vr_release(vr_routing_id('re-1'), 'r3');
SELECT released, status FROM vr_release(vr_routing_id('re-1'), 'r1');
SELECT status, round, locked_vendor_id FROM vr_routing_status WHERE order_id = 're-1';
SELECT event_type, vendor_id, payload FROM vr_history('re-1');

-- nobody is left: the order stays with the application
SELECT vendor_count FROM vr_broadcast('re-2', 'retailer', vendors => ARRAY['r3']);
SELECT reason FROM vr_accept(vr_routing_id('re-2'), 'r3');
SELECT released, status, round, vendor_count FROM vr_release(vr_routing_id('re-2'), 'r3');

-- a lifetime that is over: EXPIRED
SELECT vendor_count FROM vr_broadcast('re-3', 'retailer', vendors => ARRAY['r2', 'r3']);
SELECT reason FROM vr_accept(vr_routing_id('re-3'), 'r3');
UPDATE vendor_routing.routings SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
WHERE order_id = 're-3';
SELECT released, status, round, vendor_count FROM vr_release(vr_routing_id('re-3'), 'r3');

-- Confirmation
SELECT vendor_count FROM vr_broadcast('re-4', 'retailer', vendors => ARRAY['r2', 'r3'], confirm_within => '1 hour');
SELECT vr_confirm(vr_routing_id('re-4'), 'r3');
SELECT reason FROM vr_accept(vr_routing_id('re-4'), 'r3');
SELECT confirm_by - locked_at AS within, confirmed_at FROM vr_routing_status WHERE order_id = 're-4';
SELECT vr_confirm(vr_routing_id('re-4'), 'r2');
SELECT confirmed, confirmed_at IS NOT NULL AS at FROM vr_confirm(vr_routing_id('re-4'), 'r3');
SELECT confirmed, confirmed_at IS NOT NULL AS at FROM vr_confirm(vr_routing_id('re-4'), 'r3');
SELECT event_type, vendor_id FROM vr_history('re-4') OFFSET 3;

-- too late
SELECT vendor_count FROM vr_broadcast('re-5', 'retailer', vendors => ARRAY['r2', 'r3'], confirm_within => '1 hour');
SELECT reason FROM vr_accept(vr_routing_id('re-5'), 'r3');
UPDATE vendor_routing.routings SET confirm_by = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 're-5';
SELECT vr_confirm(vr_routing_id('re-5'), 'r3');
SELECT released, processed FROM vr_tick();
SELECT status, round, locked_vendor_id, confirm_by FROM vr_routing_status WHERE order_id = 're-5';
SELECT vendor_id, reason FROM vr_cancellations WHERE order_id = 're-5' AND round = 1 ORDER BY 1;
-- and once more: not offered by itself again
SELECT reason FROM vr_accept(vr_routing_id('re-5'), 'r2');
UPDATE vendor_routing.routings SET confirm_by = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 're-5';
SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('re-5'));

\set VERBOSITY sqlstate
SELECT vr_release(NULL, 'r1');
SELECT vr_release(vr_routing_id('re-1'), NULL);
SELECT vr_release(vr_routing_id('re-unknown'), 'r1');
SELECT vr_confirm(vr_routing_id('re-unknown'), 'r1');
SELECT vr_confirm(NULL, 'r1');
\set VERBOSITY default
SELECT violation, order_id, vendor_id FROM vr_check() WHERE order_id ~ '^re-' AND order_id <> 're-3';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^r\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
