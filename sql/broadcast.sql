-- The ten best are invited, best first, and the same order again is the same
-- routing.  Would catch: another order of vendors, a second routing, a wrong
-- deadline.
SET vendor_routing.offer_ttl = '1 min';
SET vendor_routing.order_ttl = '15 min';
SELECT vendor_count, created, invited -> 0 AS first, invited -> 9 ->> 'vendor_id' AS last
FROM vr_broadcast('b-1', 'retailer');
SELECT vendor_count, created, invited -> 0 AS first, invited -> 9 ->> 'vendor_id' AS last
FROM vr_broadcast('b-1', 'somebody else', 'another product', 5);
SELECT routing_id = vr_routing_id('b-1') AS same FROM vr_broadcast('b-1', 'retailer');
SELECT order_id, retailer_id, product, amount, status, round, wave, version,
	expires_at - created_at AS order_ttl, next_deadline - created_at AS offer_ttl
FROM vendor_routing.routings WHERE order_id = 'b-1';
SELECT count(*) FROM vendor_routing.responses WHERE routing_id = vr_routing_id('b-1');

-- How many: by argument, by setting, never more than there are.
SELECT vendor_count FROM vr_broadcast('b-2', 'retailer', max_vendors => 3);
SET vendor_routing.max_vendors = 2;
SELECT vendor_count FROM vr_broadcast('b-3', 'retailer');
RESET vendor_routing.max_vendors;
SELECT vendor_count FROM vr_broadcast('b-4', 'retailer', max_vendors => 1000);

-- How long: the shorter of offer and order.
SELECT created FROM vr_broadcast('b-5', 'retailer', ttl => '3 minutes');
SELECT created FROM vr_broadcast('b-6', 'retailer', ttl => '3 hours');
SELECT t.order_id, max(r.expires_at - r.offered_at) AS offer_ttl
FROM vendor_routing.responses AS r JOIN vendor_routing.routings AS t USING (routing_id)
WHERE t.order_id IN ('b-5', 'b-6') GROUP BY 1 ORDER BY 1;

-- Exactly these, in this order, whatever they sell.
UPDATE vendor_routing.vendors SET products = '{}' WHERE vendor_id = 'v09';
SELECT vendor_count, invited -> 0 ->> 'vendor_id' AS first, invited -> 1 ->> 'vendor_id' AS second
FROM vr_broadcast('b-7', 'retailer', 'rice', vendors => ARRAY['v09', 'v02']);
UPDATE vendor_routing.vendors SET products = NULL WHERE vendor_id = 'v09';

-- Nobody eligible: an error that says why, and nothing written.
UPDATE vendor_routing.vendors SET products = '{rice}', min_order_amount = 100;
SELECT vr_broadcast('b-8', 'retailer', 'wheat');
SELECT vr_broadcast('b-8', 'retailer', 'rice', 99.99);
UPDATE vendor_routing.vendors SET products = NULL, min_order_amount = 0;
SELECT count(*) FROM vendor_routing.routings WHERE order_id = 'b-8';

-- Equal scores take turns.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products)
VALUES ('t1', 'T1', true, '{turns}'), ('t2', 'T2', true, '{turns}'), ('t3', 'T3', true, '{turns}');
UPDATE vendor_routing.vendors SET products = '{other}' WHERE vendor_id LIKE 'v%';
SELECT invited -> 0 ->> 'vendor_id' AS turn FROM vr_broadcast('t-1', 'r', 'turns', max_vendors => 1);
SELECT invited -> 0 ->> 'vendor_id' AS turn FROM vr_broadcast('t-2', 'r', 'turns', max_vendors => 1);
SELECT invited -> 0 ->> 'vendor_id' AS turn FROM vr_broadcast('t-3', 'r', 'turns', max_vendors => 1);
SELECT invited -> 0 ->> 'vendor_id' AS turn FROM vr_broadcast('t-4', 'r', 'turns', max_vendors => 1);
UPDATE vendor_routing.vendors SET products = NULL WHERE vendor_id LIKE 'v%';
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id LIKE 't_';

-- Who has left the registry since has no name.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('gone', 'Gone', true);
SELECT created FROM vr_broadcast('b-gone', 'r', vendors => '{gone,v01}');
SELECT status FROM vr_timeout(vr_routing_id('b-gone'), '0');
DELETE FROM vendor_routing.vendors WHERE vendor_id = 'gone';
SELECT vendor_count, created, jsonb_path_query_array(invited, '$[*].name') AS names FROM vr_broadcast('b-gone', 'r');
