-- For the demonstration: the shop's next order is offered, and a vendor or two who have an
-- offer write something.
SELECT count(*) AS offered
FROM (SELECT * FROM shop_orders AS o
		WHERE NOT EXISTS (SELECT FROM vr_routing_status AS t WHERE t.order_id = o.order_id)
		ORDER BY order_id LIMIT 1) AS o,
	vr_broadcast(o.order_id, o.retailer_id, o.product, o.amount, o.latitude, o.longitude, o.payload)
WHERE random() < 0.5;
SELECT m.outcome, m.vendor_id
FROM (SELECT f.vendor_id, f.order_id, v.phone
		FROM vr_vendor_offers AS f JOIN vendor_routing.vendors AS v USING (vendor_id)
		WHERE f.response IS NULL AND v.phone IS NOT NULL
		ORDER BY random() LIMIT 2) AS f,
	vr_receive_message('demo', gen_random_uuid()::text, f.phone,
		CASE WHEN random() < 0.2 THEN 'Accept ' WHEN random() < 0.7 THEN 'Reject ' ELSE 'Perhaps ' END || f.order_id) AS m;
SELECT processed FROM vr_tick();
