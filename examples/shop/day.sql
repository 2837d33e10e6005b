-- A day of the shop, played by its own role.  Each step is what an application
-- would send; whatever is not as it should be raises an exception.
SET ROLE shop_app;

-- 300 orders are written, checked and funded.  With the credit, each is offered.
INSERT INTO shop.orders (retailer, product, total, lat, lon)
SELECT r.id, (ARRAY['rice', 'oil', 'flour'])[1 + n % 3], 10 + n, 52.52, 13.40
FROM generate_series(1, 15) AS n CROSS JOIN shop.retailers AS r;
UPDATE shop.orders SET state = 'checked';
WITH reserved AS (
	INSERT INTO shop.credit_reservations (order_id, retailer, amount)
	SELECT id, retailer, total FROM shop.orders RETURNING retailer, amount)
UPDATE shop.retailers AS r SET credit_used = credit_used + s.amount
FROM (SELECT retailer, sum(amount) AS amount FROM reserved GROUP BY 1) AS s WHERE s.retailer = r.id;
UPDATE shop.orders SET state = 'funded';

-- Wholesalers answer: of each order the first to accept wins, and its credit is
-- booked to the winner in the same transaction.  The others lose, without an error.
DO $$
DECLARE
	o record;
	offer record;
	answer record;
	wins integer;
BEGIN
	FOR o IN SELECT id, row_number() OVER (ORDER BY total, retailer) AS n FROM shop.orders LOOP
		wins := 0;
		FOR offer IN SELECT vendor_id FROM public.vr_vendor_offers
			WHERE order_id = o.id::text ORDER BY md5(vendor_id || o.n) LOOP
			EXIT WHEN o.n % 10 = 0;		-- nobody wants this one
			SELECT * INTO answer FROM public.vr_accept(public.vr_routing_id(o.id::text), offer.vendor_id);
			IF answer.reason = 'LOCKED' THEN
				wins := wins + 1;
				UPDATE shop.credit_reservations SET wholesaler = offer.vendor_id::bigint WHERE order_id = o.id;
			END IF;
		END LOOP;
		IF wins <> (o.n % 10 <> 0)::integer THEN
			RAISE EXCEPTION 'order % was won % times', o.id, wins;
		END IF;
	END LOOP;
END $$;

-- Some winners back out; the next one takes the order.
DO $$
DECLARE
	o record;
	next_vendor text;
BEGIN
	FOR o IN SELECT id, wholesaler FROM shop.orders WHERE state = 'taken' ORDER BY total, retailer LIMIT 20 LOOP
		PERFORM public.vr_release(public.vr_routing_id(o.id::text), o.wholesaler::text, 'the van broke down');
		SELECT vendor_id INTO STRICT next_vendor FROM public.vr_vendor_offers
			WHERE order_id = o.id::text AND response IS NULL AND vendor_id <> o.wholesaler::text
			ORDER BY vendor_id LIMIT 1;
		PERFORM public.vr_accept(public.vr_routing_id(o.id::text), next_vendor);
		UPDATE shop.credit_reservations SET wholesaler = next_vendor::bigint WHERE order_id = o.id;
	END LOOP;
END $$;

-- Retailers change their minds, before and after an order is taken.
UPDATE shop.orders SET state = 'cancelled'
WHERE id IN (SELECT id FROM shop.orders WHERE state IN ('taken', 'offered') ORDER BY total DESC, retailer LIMIT 15);
DELETE FROM shop.orders WHERE id IN (SELECT id FROM shop.orders WHERE state = 'offered' ORDER BY retailer, total LIMIT 5);

-- What may not be, is refused: each pair of states that no edge leads through.
DO $$
DECLARE
	o record;
	refused integer := 0;
BEGIN
	FOR o IN SELECT DISTINCT ON (a.state, s) a.id, a.state, s AS wanted
		FROM shop.orders AS a CROSS JOIN unnest(enum_range(NULL::shop.order_state)) AS s
		WHERE a.state <> s AND (a.state, s) NOT IN (('taken', 'on_the_way'))
			AND NOT (a.state IN ('taken', 'offered') AND s IN ('cancelled', 'failed')) LOOP
		BEGIN
			UPDATE shop.orders SET state = o.wanted WHERE id = o.id;
			RAISE EXCEPTION 'an order went from % to %', o.state, o.wanted;
		EXCEPTION WHEN SQLSTATE 'VR004' THEN
			refused := refused + 1;
		END;
	END LOOP;
	RAISE NOTICE '% illegal changes of state refused', refused;
END $$;

-- The rest is delivered, or not.
UPDATE shop.orders SET state = 'on_the_way' WHERE state = 'taken';
UPDATE shop.orders SET state = 'failed'
WHERE id IN (SELECT id FROM shop.orders WHERE state = 'on_the_way' ORDER BY retailer, total LIMIT 6);
UPDATE shop.orders SET state = 'delivered' WHERE state = 'on_the_way';

RESET ROLE;

-- The shop closes: offers that nobody took run out.
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'
WHERE response IS NULL AND routing_id IN (SELECT routing_id FROM vendor_routing.routings WHERE status = 'PENDING');
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 hour', next_deadline = now() - interval '1 hour'
WHERE status = 'PENDING';
SELECT expired FROM vr_tick(1000);
