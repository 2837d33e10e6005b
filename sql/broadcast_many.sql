-- Many orders in one call: each as vr_broadcast does, all of them or none.
SELECT count(*) FROM vr_broadcast_many('[]');
SELECT order_id, routing_id = vr_routing_id(order_id) AS is_its_id, vendor_count, created
FROM vr_broadcast_many('[
	{"order_id": "many-2", "retailer_id": "shop", "max_vendors": 3},
	{"order_id": "many-1", "retailer_id": "shop", "vendors": ["v02", "v01"], "ttl": "5 min", "confirm_within": "1 hour",
	 "payload": {"items": [{"sku": 1}]}},
	{"order_id": "many-2", "retailer_id": "shop", "max_vendors": 5},
	{"order_id": "many-3", "retailer_id": "shop", "waves": [{"vendor_ids": ["v12"]}]},
	{"order_id": "many-4", "retailer_id": "shop", "waves": [{"vendors": 1}, {"vendors": 2}], "amount": 12.50,
	 "latitude": null, "longitude": null}]');
SELECT order_id, retailer_id, amount, payload, waves, confirm_within
FROM vendor_routing.routings WHERE order_id LIKE 'many-%' ORDER BY order_id;
SELECT vendor_id, rank, expires_at - offered_at AS lives FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('many-1') ORDER BY rank;
SELECT accepted, reason FROM vr_accept(vr_routing_id('many-1'), 'v02');
-- again: nothing new
SELECT order_id, vendor_count, created FROM vr_broadcast_many('[{"order_id": "many-1", "retailer_id": "shop"}]');
-- what is wrong with one of them is wrong with all
SELECT * FROM vr_broadcast_many(NULL);
SELECT * FROM vr_broadcast_many('{}');
SELECT * FROM vr_broadcast_many('1');
SELECT * FROM vr_broadcast_many('[1]');
SELECT * FROM vr_broadcast_many('[[]]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop"}, {"order_id": "many-6", "retailer": "shop"}]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop"}, {"retailer_id": "shop"}]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop"}, {"order_id": "many-6"}]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop"}, {"order_id": "many-6", "retailer_id": "shop", "vendors": ["nobody"]}]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop"}, {"order_id": "", "retailer_id": "shop"}]');
\set VERBOSITY sqlstate
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop", "ttl": "soon"}]');
SELECT * FROM vr_broadcast_many('[{"order_id": "many-5", "retailer_id": "shop", "max_vendors": "ten"}]');
\set VERBOSITY default
SELECT count(*) AS made_by_what_failed FROM vendor_routing.routings WHERE order_id IN ('many-5', 'many-6');
BEGIN;
-- Equal scores take turns, also with who is named in the same call.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products)
VALUES ('mt1', 'T1', true, '{turns}'), ('mt2', 'T2', true, '{turns}'), ('mt3', 'T3', true, '{turns}');
UPDATE vendor_routing.vendors SET is_active = (vendor_id LIKE 'mt_');
SELECT sum(vendor_count)
FROM vr_broadcast_many((
	SELECT jsonb_agg(jsonb_build_object('order_id', id, 'retailer_id', 'shop', 'product', 'turns')
		|| CASE WHEN n <= 2 THEN jsonb_build_object('vendors', ARRAY['mt' || n]) ELSE '{"max_vendors": 1}' END)
	FROM (SELECT id, row_number() OVER (ORDER BY vr_routing_id(id)) AS n
		FROM (SELECT 'turns-' || i AS id FROM generate_series(1, 6) AS i) AS o) AS o));
SELECT vendor_id, count(*) FROM vendor_routing.responses WHERE vendor_id LIKE 'mt_' GROUP BY 1 ORDER BY 1;
ROLLBACK;
BEGIN;
-- a thousand, and nothing that they have in common
SELECT count(*), sum(vendor_count), bool_and(created)
FROM vr_broadcast_many((SELECT jsonb_agg(jsonb_build_object('order_id', 'thousand-' || n, 'retailer_id', 'shop')) FROM generate_series(1, 1000) AS n));
ROLLBACK;
