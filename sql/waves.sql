-- Waves: the first that finds anybody opens; the next when all have declined or
-- its time has come; offers of earlier waves live on; the last one exhausts.
-- However slow the machine is.
SET vendor_routing.offer_ttl = '10 min';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score, latitude, longitude)
SELECT 'w' || i, 'Wave ' || i, true, '{waves}', 100 - 10 * i, 50 + i / 10.0, 8
FROM generate_series(1, 6) AS i;

-- preferred first, then the two best of the others, then whoever is near
SELECT vendor_count, created FROM vr_broadcast('w-1', 'retailer', 'waves', NULL, 50.6, 8, waves => '[
	{"vendor_ids": ["nobody"]},
	{"vendor_ids": ["w5"], "wait": "1 hour"},
	{"vendors": 2, "min_score": 24, "wait": "1 hour"},
	{"radius_km": 15}]');
SELECT vendor_id, rank, wave FROM vendor_routing.responses WHERE routing_id = vr_routing_id('w-1') ORDER BY rank;
SELECT status, wave, next_wave_at IS NOT NULL AS more FROM vr_routing_status WHERE order_id = 'w-1';
-- all declined: the next wave opens at once
SELECT recorded FROM vr_respond(vr_routing_id('w-1'), 'w5', 'REJECT', 'NO_STOCK');
SELECT vendor_id, rank, wave FROM vendor_routing.responses WHERE routing_id = vr_routing_id('w-1') ORDER BY rank;
-- not all: nothing opens
SELECT recorded FROM vr_respond(vr_routing_id('w-1'), 'w1', 'REJECT', 'far too dear', NULL, 'PRICE');
SELECT status, wave, next_wave_at IS NOT NULL AS more FROM vr_routing_status WHERE order_id = 'w-1';
-- its time has come: it opens, and the earlier offer is still good
UPDATE vendor_routing.routings SET next_wave_at = now() - interval '1 s', next_deadline = now() - interval '1 s'
WHERE order_id = 'w-1';
SELECT timed_out, waves_opened, processed FROM vr_tick();
SELECT vendor_id, rank, wave, decline_code FROM vendor_routing.responses WHERE routing_id = vr_routing_id('w-1') ORDER BY rank;
SELECT accepted, reason FROM vr_accept(vr_routing_id('w-1'), 'w2');
SELECT event_type, vendor_id, payload FROM vr_history('w-1');
SELECT vendor_id, reason FROM vr_cancellations WHERE order_id = 'w-1' ORDER BY 1;

-- the last wave declined: the order stays with the application
SELECT vendor_count FROM vr_broadcast('w-2', 'retailer', 'waves', waves => '[{"vendors": 1}, {"vendors": 1}]');
SELECT recorded FROM vr_respond(vr_routing_id('w-2'), 'w1', 'REJECT');
SELECT recorded FROM vr_respond(vr_routing_id('w-2'), 'w2', 'ERROR');
SELECT status, order_status, wave, next_wave_at FROM vr_routing_status WHERE order_id = 'w-2';

-- won before the next wave: there is none any more
SELECT vendor_count FROM vr_broadcast('w-2a', 'retailer', 'waves', waves => '[{"vendors": 1, "wait": "1 hour"}, {"vendors": 1}]');
SELECT accepted FROM vr_accept(vr_routing_id('w-2a'), 'w1');
SELECT status, wave, next_wave_at FROM vr_routing_status WHERE order_id = 'w-2a';

-- what a wave leaves to the setting is as it was when the order started
SET vendor_routing.max_vendors = 1;
SELECT vendor_count FROM vr_broadcast('w-2b', 'retailer', 'waves', waves => '[{}, {"min_score": 1}, {"vendor_ids": ["w6"]}]');
RESET vendor_routing.max_vendors;
SELECT waves FROM vendor_routing.routings WHERE order_id = 'w-2b';
SELECT recorded FROM vr_respond(vr_routing_id('w-2b'), 'w1', 'REJECT');
SELECT vendor_id, rank, wave FROM vendor_routing.responses WHERE routing_id = vr_routing_id('w-2b') ORDER BY rank;

-- an offer that runs out opens it as well
SELECT vendor_count FROM vr_broadcast('w-3', 'retailer', 'waves', waves => '[{"vendors": 1, "wait": "1 hour"}, {"vendors": 1}]');
SELECT timed_out, status FROM vr_timeout(vr_routing_id('w-3'), '0');
SELECT vendor_id, wave, response FROM vendor_routing.responses WHERE routing_id = vr_routing_id('w-3') ORDER BY rank;

-- nobody in any wave: nothing is written
SELECT vr_broadcast('w-4', 'retailer', 'waves', waves => '[{"min_score": 100}, {"vendor_ids": ["nobody"]}]');
SELECT count(*) FROM vendor_routing.routings WHERE order_id = 'w-4';

-- what cannot be
\set VERBOSITY sqlstate
SELECT vr_broadcast('w-4', 'retailer', waves => '[]');
SELECT vr_broadcast('w-4', 'retailer', waves => '{}');
SELECT vr_broadcast('w-4', 'retailer', waves => '[{"vendors": 0}]');
SELECT vr_broadcast('w-4', 'retailer', waves => '[{"wait": "soon"}]');
SELECT vr_broadcast('w-4', 'retailer', waves => '[{}]', max_vendors => 3);
SELECT vr_broadcast('w-4', 'retailer', waves => '[{}]', vendors => ARRAY['w1']);
SELECT vr_broadcast('w-4', 'retailer', waves => '[{}]', policy => 'p');
SELECT vr_broadcast('w-4', 'retailer', confirm_within => '0');
\set VERBOSITY default
SELECT count(*) FROM vendor_routing.routings WHERE order_id = 'w-4';
SELECT violation, order_id, vendor_id FROM vr_check() WHERE order_id ~ '^w-';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^w\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
