-- Broadcast policies by name; an order keeps the one it started with.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'p' || i, 'Policy ' || i, true, '{policy}', 50 - i FROM generate_series(1, 4) AS i;
SELECT vr_set_policy('two', '[{"vendors": 1, "wait": "1 hour"}, {}]', '10 min', '5 min');
SELECT policy, waves, offer_ttl, confirm_within FROM vr_policies;
SET vendor_routing.max_vendors = 2;
SELECT vendor_count FROM vr_broadcast('po-1', 'retailer', 'policy', policy => 'two');
RESET vendor_routing.max_vendors;
SELECT waves, offer_ttl, confirm_within FROM vendor_routing.routings WHERE order_id = 'po-1';
-- what is changed now does not change it
SELECT vr_set_policy('two', '[{"vendors": 4}]');
SELECT vr_set_policy('two', '[{"vendors": 4}]');
SELECT policy, waves, offer_ttl, confirm_within FROM vr_policies;
SELECT recorded FROM vr_respond(vr_routing_id('po-1'), 'p1', 'REJECT');
SELECT vendor_id, wave, expires_at - offered_at AS ttl FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('po-1') ORDER BY rank;
-- the call counts more than the policy
SELECT vr_set_policy('two', '[{"vendors": 1}]', '10 min', '5 min');
SELECT vendor_count FROM vr_broadcast('po-2', 'retailer', 'policy', policy => 'two', ttl => '1 min', confirm_within => '2 min');
SELECT offer_ttl, confirm_within FROM vendor_routing.routings WHERE order_id = 'po-2';
SELECT vr_drop_policy('two'), vr_drop_policy('two');
SELECT vr_broadcast('po-3', 'retailer', policy => 'two');
SELECT vr_set_policy('bad', '[{"radius": 5}]');
\set VERBOSITY sqlstate
SELECT vr_set_policy(NULL, '[{}]');
SELECT vr_set_policy('', '[{}]');
SELECT vr_set_policy('bad', NULL);
SELECT vr_set_policy('bad', '[{}]', '0');
SELECT vr_set_policy('bad', '[{}]', NULL, '-1 s');
SELECT vr_drop_policy(NULL);
\set VERBOSITY default
SELECT count(*) FROM vr_policies;
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^p\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
