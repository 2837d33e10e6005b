-- A vendor that is paused is offered nothing; what it has it may still accept.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
VALUES ('u1', 'Pause 1', true, '{pause}', 50), ('u2', 'Pause 2', true, '{pause}', 40);
SELECT vendor_count FROM vr_broadcast('u-1', 'retailer', 'pause');
SELECT vr_pause('u1', reason => 'on holiday');
SELECT vr_pause('u2', '2100-01-01 00:00:00+00') = '2100-01-01 00:00:00+00' AS until;
SELECT vendor_id, pause_reason FROM vr_vendor_performance WHERE vendor_id ~ '^u\d$' ORDER BY 1;
SELECT vr_broadcast('u-2', 'retailer', 'pause');
SELECT accepted, reason FROM vr_accept(vr_routing_id('u-1'), 'u1');
SELECT vr_resume('u1'), vr_resume('u1');
SELECT jsonb_path_query_array(invited, '$[*].vendor_id') AS invited FROM vr_broadcast('u-2', 'retailer', 'pause');
-- named all the same
SELECT vendor_count FROM vr_broadcast('u-3', 'retailer', vendors => ARRAY['u2']);
-- a pause ends by itself; vr_tick writes it down
UPDATE vendor_routing.vendors SET paused_until = now() - interval '1 s' WHERE vendor_id = 'u2';
SELECT vendor_count FROM vr_broadcast('u-4', 'retailer', 'pause');
SELECT resumed FROM vr_tick();
SELECT resumed FROM vr_tick();
SELECT vendor_id, event_type, payload - 'until' AS payload FROM vr_vendor_events WHERE vendor_id ~ '^u\d$' ORDER BY event_id;

-- unanswered offers in a row, where that is switched on
SET vendor_routing.auto_pause_after = 2;
SELECT vendor_count FROM vr_broadcast('u-5', 'retailer', vendors => ARRAY['u2'], ttl => '1 h');
SELECT timed_out FROM vr_timeout(vr_routing_id('u-5'), '0');
SELECT paused_until IS NOT NULL AS paused FROM vendor_routing.vendors WHERE vendor_id = 'u2';
-- cancelled because another won: does not count
SELECT vendor_count FROM vr_broadcast('u-6', 'retailer', vendors => ARRAY['u1', 'u2'], ttl => '2 h');
SELECT reason FROM vr_accept(vr_routing_id('u-6'), 'u1');
SELECT paused_until IS NOT NULL AS paused FROM vendor_routing.vendors WHERE vendor_id = 'u2';
SELECT vendor_count FROM vr_broadcast('u-7', 'retailer', vendors => ARRAY['u2'], ttl => '3 h');
SELECT timed_out FROM vr_timeout(vr_routing_id('u-7'), '0');
SELECT paused_until > now() AS paused, pause_reason FROM vendor_routing.vendors WHERE vendor_id = 'u2';
-- what was offered before the last pause does not count, nor take a place
SELECT vr_resume('u2');
SELECT vendor_count FROM vr_broadcast('u-8', 'retailer', vendors => ARRAY['u2'], ttl => '9 h');
SELECT recorded FROM vr_respond(vr_routing_id('u-8'), 'u2', 'REJECT');
SELECT vr_pause('u2') = 'infinity' AS paused;
SELECT vr_resume('u2');
SELECT vendor_count FROM generate_series(9, 10) AS i, vr_broadcast('u-' || i, 'retailer', vendors => ARRAY['u2'], ttl => '1 h');
SELECT timed_out FROM generate_series(9, 10) AS i, vr_timeout(vr_routing_id('u-' || i), '0');
SELECT paused_until > now() AS paused, pause_reason FROM vendor_routing.vendors WHERE vendor_id = 'u2';
RESET vendor_routing.auto_pause_after;

\set VERBOSITY sqlstate
SELECT vr_pause(NULL);
SELECT vr_pause('nobody');
SELECT vr_pause('u1', now() - interval '1 s');
SELECT vr_resume(NULL);
SELECT vr_resume('nobody');
\set VERBOSITY default
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^u\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
