-- What the owner of the shop wants to see, and what must be true.
\pset footer off
\echo
SELECT state, count(*) AS orders, sum(total) AS total, count(DISTINCT wholesaler) AS wholesalers
FROM shop.orders GROUP BY state ORDER BY state;
SELECT count(*) AS orders_with_credit, sum(amount) AS credit FROM shop.credit_reservations;

DO $$
BEGIN
	IF EXISTS (SELECT FROM vr_check()) THEN
		RAISE EXCEPTION 'the shop and its routings disagree: %', (SELECT string_agg(detail, '; ') FROM vr_check());
	END IF;
	IF EXISTS (SELECT FROM shop.orders WHERE state NOT IN ('delivered', 'cancelled', 'failed')) THEN
		RAISE EXCEPTION 'an order is stuck';
	END IF;
	IF EXISTS (SELECT FROM shop.orders AS o FULL JOIN shop.credit_reservations AS c ON c.order_id = o.id
		WHERE (o.state = 'delivered') IS DISTINCT FROM (c.order_id IS NOT NULL)
			OR c.order_id IS NOT NULL AND (c.wholesaler IS DISTINCT FROM o.wholesaler OR c.amount <> o.total)) THEN
		RAISE EXCEPTION 'credit is booked for what was not delivered, or to who did not deliver it';
	END IF;
	IF (SELECT sum(credit_used) FROM shop.retailers) <> (SELECT sum(amount) FROM shop.credit_reservations) THEN
		RAISE EXCEPTION 'credit was lost';
	END IF;
	IF EXISTS (SELECT FROM vendor_routing.vendors WHERE current_orders <> 0) THEN
		RAISE EXCEPTION 'a wholesaler still has orders';
	END IF;
END $$;
\echo 'Every order has ended, each with one wholesaler or none, and the credit adds up.'
