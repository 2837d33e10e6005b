-- Why a vendor did not get the order: a row per gate, by the code of the broadcast.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_active, is_verified, products, reliability_score, latitude, longitude,
	 service_radius_km, capacity, current_orders, min_order_amount)
VALUES
	('e1', 'Good', true, true, '{explain}', 50, 50, 8, 100, 5, 0, 10),
	('e2', 'Bad', false, false, '{tea}', 10, 51, 8, 1, 0, 0, 1000);
SELECT vr_block('shop', 'e2'), vr_set_hours('e2', 'UTC', '[]'), vr_pause('e2') = 'infinity';
SELECT vendor_count FROM vr_broadcast('ex-1', 'shop', 'explain', 100, 50, 8, waves => '[{"vendors": 1, "min_score": 12}]');
SELECT * FROM vr_explain('ex-1', 'e1');
SELECT gate, passed, regexp_replace(found, '^\w{3} \d\d:\d\d', 'now') AS found, needed
FROM vr_explain('ex-1', 'e2');
SELECT * FROM vr_explain('ex-1', 'nobody');
-- excluded after it has given the order back
SELECT reason FROM vr_accept(vr_routing_id('ex-1'), 'e1');
SELECT released, status FROM vr_release(vr_routing_id('ex-1'), 'e1');
SELECT * FROM vr_explain('ex-1', 'e1') WHERE NOT passed;
\set VERBOSITY sqlstate
SELECT * FROM vr_explain(NULL, 'e1');
SELECT * FROM vr_explain('ex-1', NULL);
SELECT * FROM vr_explain('ex-unknown', 'e1');
\set VERBOSITY default
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^e\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
