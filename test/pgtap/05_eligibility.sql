-- Who is invited: each gate alone, the order of those who pass, how many.
--
-- Would catch: a gate that is not asked, or asked for an order that does not
-- say (no product, amount or place); NULL products taken for none, or none for
-- all; a bound off by one (minimum, radius, capacity); degrees taken for
-- radians, miles for kilometres, the way round the world for the way across the
-- date line; LIMIT before ORDER BY; a list of vendors that lets suspended ones
-- in, or is cut or reordered; equals of which always the same is invited; a
-- routing left behind when nobody was eligible.

BEGIN;
SELECT plan(128);

-- Broadcasts a new order; returns whom it was offered to, best first, or the
-- SQLSTATE of the error.
CREATE TEMP SEQUENCE orders;
CREATE FUNCTION pg_temp.invited(
	product text DEFAULT NULL, amount numeric DEFAULT NULL,
	latitude float8 DEFAULT NULL, longitude float8 DEFAULT NULL,
	vendors text[] DEFAULT NULL, max_vendors int DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id text := 'order-' || nextval('orders');
BEGIN
	PERFORM vr_broadcast(id, 'r', product, amount, latitude, longitude,
		vendors => vendors, max_vendors => max_vendors);
	RETURN (SELECT string_agg(r.vendor_id, ' ' ORDER BY r.rank)
		FROM vendor_routing.responses AS r WHERE r.routing_id = vr_routing_id(id));
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

-- One vendor is in question, and passes every gate; each test shuts one gate by
-- one change of it, and opens that gate again.
INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_verified, products, min_order_amount, latitude, longitude,
	 service_radius_km, capacity)
VALUES ('v', 'V', true, '{tea,rice}', 100, 51.5074, -0.1278, 10, 1);

CREATE FUNCTION pg_temp.change(assignments text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE vendor_routing.vendors SET %s WHERE vendor_id = ''v''', assignments);
END $$;

-- The order that it would be invited to: tea for 100, delivered next door.
CREATE FUNCTION pg_temp.usual() RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.invited('tea', 100, 51.5, -0.12)
$$;
SELECT is(pg_temp.usual(), 'v', 'passes every gate');

-- Each gate alone ------------------------------------------------------------------

CREATE FUNCTION pg_temp.gate(shut text, opened text, what text)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.change(shut);
	RETURN NEXT is(pg_temp.usual(), 'VR002', what || ': not invited');
	PERFORM pg_temp.change(opened);
	RETURN NEXT is(pg_temp.usual(), 'v', what || ' no more: invited');
END $$;

SELECT pg_temp.gate('is_active = false', 'is_active = true', 'inactive');
SELECT pg_temp.gate('is_verified = false', 'is_verified = true', 'unverified');
SELECT pg_temp.gate('products = ''{rice}''', 'products = ''{rice,tea}''', 'sells something else');
SELECT pg_temp.gate('products = ''{}''', 'products = ''{tea}''', 'sells nothing');
SELECT pg_temp.gate('products = ''{TEA,"tea ",te,teas}''', 'products = ''{tea}''', 'sells something of a similar name');
SELECT pg_temp.gate('products = ''{}''', 'products = NULL', 'sells nothing, then everything');
SELECT pg_temp.gate('min_order_amount = 100.01', 'min_order_amount = 100', 'minimum just above the amount');
SELECT pg_temp.gate('min_order_amount = 1e30', 'min_order_amount = 0', 'minimum beyond all');
SELECT pg_temp.gate('service_radius_km = 0.1', 'service_radius_km = 10', 'too far away');
SELECT pg_temp.gate('service_radius_km = 0.1', 'service_radius_km = NULL', 'too far away, then anywhere');
SELECT pg_temp.gate('service_radius_km = 0.1',
	'service_radius_km = NULL, latitude = NULL, longitude = NULL', 'too far away, then without a place');
SELECT pg_temp.change('latitude = 51.5074, longitude = -0.1278, service_radius_km = 10') \g /dev/null
SELECT pg_temp.gate('latitude = 48.8566, longitude = 2.3522', 'latitude = 51.5074, longitude = -0.1278', 'in Paris');
SELECT pg_temp.gate('capacity = 0', 'capacity = 1', 'capacity 0');
SELECT pg_temp.gate('current_orders = 1', 'current_orders = 0', 'at capacity');
SELECT pg_temp.gate('current_orders = 2', 'capacity = 3', 'above capacity');
SELECT pg_temp.gate('capacity = 2', 'capacity = NULL', 'at capacity, then without limit');
SELECT pg_temp.change('products = ''{tea}'', min_order_amount = 100, capacity = 1, current_orders = 0') \g /dev/null

-- Being offered an order is not having it.
SELECT is(pg_temp.usual(), 'v', 'capacity counts orders that were won, not offers');
SELECT vr_broadcast('win', 'r', 'tea', 100, 51.5, -0.12) \g /dev/null
SELECT vr_accept(vr_routing_id('win'), 'v') \g /dev/null
SELECT is(pg_temp.usual(), 'VR002', 'with an order won, at capacity: not invited');
SELECT vr_cancel(vr_routing_id('win')) \g /dev/null
SELECT is(pg_temp.usual(), 'v', 'with that order withdrawn: invited');

-- What the order does not say is no gate ---------------------------------------------

SELECT is(pg_temp.invited(NULL, 100, 51.5, -0.12), 'v', 'order without a product: every vendor''s');
SELECT is(pg_temp.invited('tea', NULL, 51.5, -0.12), 'v', 'order without an amount: no minimum');
SELECT is(pg_temp.invited('tea', 100), 'v', 'order without a place: no radius');
SELECT is(pg_temp.invited('tea', 99.99), 'VR002', 'order of an amount below the minimum');
SELECT is(pg_temp.invited('tea', 0), 'VR002', 'order of the amount 0, which is an amount');
SELECT is(pg_temp.invited('rice', 100), 'VR002', 'order of another product');
SELECT pg_temp.change('products = ''{}''') \g /dev/null
SELECT is(pg_temp.invited(NULL, 100), 'v', 'order without a product: also for who sells nothing');
SELECT pg_temp.change('products = ''{tea}''') \g /dev/null

-- The radius, to the last bit ----------------------------------------------------------

CREATE FUNCTION pg_temp.at_radius(lat float8, lon float8, more float8)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE vendor_routing.vendors
	SET service_radius_km = vr_distance_km(latitude, longitude, lat, lon) - more
	WHERE vendor_id = 'v';
	RETURN pg_temp.invited('tea', 100, lat, lon);
END $$;
SELECT is(pg_temp.at_radius(lat, lon, more), wanted, format('radius, order in %s: %s', place, what))
FROM (VALUES ('Camden', 51.55, -0.1), ('Paris', 48.8566, 2.3522), ('Sydney', -33.8688, 151.2093)) AS p (place, lat, lon),
	(VALUES (0, 'v', 'exactly at it'), (1e-9, 'VR002', 'a micrometre beyond it'), (-1e-9, 'v', 'a micrometre within it'))
		AS r (more, wanted, what)
ORDER BY place, more;

-- Across the date line, and over the pole.
SELECT pg_temp.change('latitude = 0, longitude = 179.9, service_radius_km = 30') \g /dev/null
SELECT is(pg_temp.invited('tea', 100, 0, -179.9), 'v', 'radius 30 km, order 22 km away across the date line');
SELECT pg_temp.change('latitude = 89.9, longitude = 0') \g /dev/null
SELECT is(pg_temp.invited('tea', 100, 89.9, 180), 'v', 'radius 30 km, order 22 km away over the pole');
SELECT pg_temp.change('is_active = false') \g /dev/null

-- The best first, and how many -----------------------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 's' || i, 'S' || i, true, '{salt}', (i * 37) % 61 FROM generate_series(1, 15) AS i;
SELECT is(pg_temp.invited('salt'),
	(SELECT string_agg(vendor_id, ' ' ORDER BY score DESC) FROM (
		SELECT vendor_id, score FROM vendor_routing.vendors WHERE vendor_id LIKE 's%'
		ORDER BY score DESC LIMIT 10) AS best),
	'the ten best by score');
SELECT results_eq(
	$$SELECT r.rank, r.score FROM vendor_routing.responses AS r
		WHERE r.routing_id = vr_routing_id('order-' || currval('pg_temp.orders')) ORDER BY r.rank$$,
	$$SELECT row_number() OVER (ORDER BY score DESC)::int, score FROM vendor_routing.vendors
		WHERE vendor_id LIKE 's%' ORDER BY score DESC LIMIT 10$$,
	'their ranks and scores are on record');
SELECT is(jsonb_array_length(invited), n, format('max_vendors %s by argument', n))
FROM unnest(ARRAY[1, 3, 15]) AS n, vr_broadcast('max-' || n, 'r', 'salt', max_vendors => n);
SELECT is(vendor_count, 15, 'max_vendors more than there are: all')
FROM vr_broadcast('max-1000', 'r', 'salt', max_vendors => 1000);
SET LOCAL vendor_routing.max_vendors = 4;
SELECT is(vendor_count, 4, 'max_vendors by setting') FROM vr_broadcast('set-4', 'r', 'salt');
SELECT is(vendor_count, 6, 'max_vendors by argument goes before the setting')
FROM vr_broadcast('set-4-6', 'r', 'salt', max_vendors => 6);
RESET vendor_routing.max_vendors;
SELECT is(vendor_count, 10, 'max_vendors is 10 otherwise') FROM vr_broadcast('unset', 'r', 'salt');
SELECT is(pg_temp.invited('salt', max_vendors => n), '22023', format('max_vendors %s: refused', n))
FROM unnest(ARRAY[0, -1, 1001]) AS n;
SELECT throws_ok(
	format('SET LOCAL vendor_routing.max_vendors = %s', n), '22023', NULL,
	format('the setting max_vendors %s: refused', n))
FROM unnest(ARRAY[0, 1001]) AS n;
UPDATE vendor_routing.vendors SET is_active = false
WHERE vendor_id = (SELECT vendor_id FROM vendor_routing.vendors WHERE vendor_id LIKE 's%' ORDER BY score DESC LIMIT 1);
SELECT is(pg_temp.invited('salt', max_vendors => 1),
	(SELECT vendor_id FROM vendor_routing.vendors WHERE vendor_id LIKE 's%' AND is_active ORDER BY score DESC LIMIT 1),
	'who is passed over makes room for the next');
UPDATE vendor_routing.vendors SET reliability_score = 100 WHERE vendor_id = 's15';
SELECT is(pg_temp.invited('salt', max_vendors => 1), 's15', 'a score that has changed counts at once');
UPDATE vendor_routing.vendors SET is_active = false;

-- Equals take turns -------------------------------------------------------------------------

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products)
SELECT id, id, true, '{equal}' FROM unnest(ARRAY['e3', 'e1', 'e2']) AS id;
SELECT is(pg_temp.invited('equal', max_vendors => 2), 'e1 e2', 'equal scores, nobody was offered anything: by id');
SELECT is(pg_temp.invited('equal', max_vendors => 2), 'e3 e1', 'who was offered nothing yet, then by id');
SELECT is(pg_temp.invited('equal', max_vendors => 1), 'e2', 'whose last offer is the longest ago');
SELECT is(pg_temp.invited('equal'), 'e1 e3 e2', 'whose last offers were together: by id; the latest last');
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
VALUES ('e9', 'e9', true, '{equal}', 1);
SELECT is(pg_temp.invited('equal', max_vendors => 1), 'e9', 'a better score goes before every turn');
SELECT is(pg_temp.invited('equal', max_vendors => 1), 'e9', 'again and again');
UPDATE vendor_routing.vendors SET is_active = false;

-- A list of vendors ----------------------------------------------------------------------------

INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_active, is_verified, products, min_order_amount, latitude, longitude,
	 service_radius_km, capacity, current_orders)
VALUES
	('fine', 'F', true, true, NULL, 0, NULL, NULL, NULL, NULL, 0),
	('product', 'P', true, true, '{fish}', 0, NULL, NULL, NULL, NULL, 0),
	('minimum', 'M', true, true, NULL, 1000, NULL, NULL, NULL, NULL, 0),
	('radius', 'R', true, true, NULL, 0, 48.8566, 2.3522, 1, NULL, 0),
	('capacity', 'C', true, true, NULL, 0, NULL, NULL, NULL, 1, 1),
	('inactive', 'I', false, true, NULL, 0, NULL, NULL, NULL, NULL, 0),
	('unverified', 'U', true, false, NULL, 0, NULL, NULL, NULL, NULL, 0);
CREATE FUNCTION pg_temp.named(VARIADIC ids text[]) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.invited('tea', 100, 51.5, -0.12, vendors => ids)
$$;
SELECT is(pg_temp.invited('tea', 100, 51.5, -0.12), 'fine', 'without a list: only who passes every gate');
SELECT is(pg_temp.named(id), id, format('named, although it fails by its %s: invited', id))
FROM unnest(ARRAY['product', 'minimum', 'radius', 'capacity']) AS id;
SELECT is(pg_temp.named(id), 'VR002', format('named, but %s: not invited', id))
FROM unnest(ARRAY['inactive', 'unverified']) AS id;
SELECT is(pg_temp.named('fine', id), 'VR002', format('named together with one who is %s: nobody is invited', id))
FROM unnest(ARRAY['inactive', 'unverified']) AS id;
SELECT is(pg_temp.named('radius', 'fine', 'capacity', 'product', 'minimum'),
	'radius fine capacity product minimum', 'named: exactly these, in this order');
SELECT is(pg_temp.invited(vendors => ARRAY['radius', 'fine', 'product'], max_vendors => 1),
	'radius fine product', 'named: max_vendors does not cut the list');
SELECT is(pg_temp.named('fine', 'nobody'), '22023', 'named: nobody of this name');
SELECT is(pg_temp.named('fine', 'radius', 'fine'), '22023', 'named twice');
SELECT is(pg_temp.named('fine', NULL), '22004', 'named NULL');
SELECT is(pg_temp.named('fine', ''), '22023', 'named by an empty id');
SELECT is(pg_temp.invited(vendors => '{}'), '22023', 'an empty list');
SELECT is(pg_temp.invited(vendors => '{{fine,radius}}'), '22023', 'a list of lists');
SELECT vr_broadcast('full', 'r', vendors => ARRAY['capacity']) \g /dev/null
SELECT is(reason, 'AT_CAPACITY', 'named although at capacity: asked again when it accepts')
FROM vr_accept(vr_routing_id('full'), 'capacity');

-- Nobody -----------------------------------------------------------------------------------------

UPDATE vendor_routing.vendors SET is_active = false;
SELECT count(*) FROM vendor_routing.routings \gset before_
SELECT throws_ok(
	$$SELECT vr_broadcast('nobody', 'r')$$, 'VR002', 'no eligible vendor for order "nobody"',
	'nobody is eligible');
CREATE FUNCTION pg_temp.hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;
SELECT matches(pg_temp.hint($$SELECT vr_broadcast('nobody', 'r')$$), 'vendors', 'there is a hint what to do');
SELECT throws_ok(
	$$SELECT vr_broadcast('nobody', 'r', vendors => ARRAY['inactive'])$$, 'VR002', NULL,
	'nobody of those named is eligible');
SELECT is(count(*), :before_count::bigint, 'nothing was written: no routing') FROM vendor_routing.routings;
SELECT is_empty(
	$$SELECT 1 FROM vendor_routing.responses WHERE routing_id = vr_routing_id('nobody')$$,
	'nothing was written: no offer');
SELECT is_empty($$SELECT 1 FROM vr_history('nobody')$$, 'nothing was written: no event');
SELECT throws_ok(
	$$SELECT vr_status(vr_routing_id('nobody'))$$, 'VR001', NULL,
	'such an order has no routing');
UPDATE vendor_routing.vendors SET is_active = true WHERE vendor_id = 'fine';
SELECT is(created, true, 'it can be broadcast when there is somebody') FROM vr_broadcast('nobody', 'r');

-- Distances ----------------------------------------------------------------------------------------

-- On a sphere of 6371.0088 km, half way round is 20015.11 km.
SELECT ok(abs(vr_distance_km(a, b, c, d) - km) <= within,
	format('%s: %s km, give or take %s (is %s)', what, km, within, round(vr_distance_km(a, b, c, d)::numeric, 3)))
FROM (VALUES
	('London to Paris', 51.5074, -0.1278, 48.8566, 2.3522, 343.6, 0.5),
	('New York to Los Angeles', 40.7128, -74.0060, 34.0522, -118.2437, 3935.8, 2),
	('Sydney to Santiago', -33.8688, 151.2093, -33.4489, -70.6693, 11340, 15),
	('a degree on the equator', 0, 0, 0, 1, 111.195, 0.001),
	('a degree on a meridian', 50, 7, 51, 7, 111.195, 0.001),
	('across the date line', 0, 179.5, 0, -179.5, 111.195, 0.001),
	('a metre', 51.5, 0, 51.5 + 1 / 111195.08, 0, 0.001, 0.000001),
	('pole to pole', 90, 0, -90, 0, 20015.115, 0.001),
	('antipodes on the equator', 0, 0, 0, 180, 20015.115, 0.001),
	('antipodes elsewhere', 51.5, -0.12, -51.5, 179.88, 20015.115, 0.001),
	('the pole, by whatever meridian', 90, -170, 90, 35, 0, 0.000001),
	('180 east and 180 west', 10, 180, 10, -180, 0, 0.000001)
) AS t (what, a, b, c, d, km, within);
SELECT is(vr_distance_km(a, b, a, b), 0::float8, format('from (%s, %s) to itself: 0', a, b))
FROM (VALUES (0, 0), (51.5074, -0.1278), (-90, 180)) AS t (a, b);
SELECT is_empty(
	$$SELECT * FROM (
		SELECT a % 91 AS a, b % 181 AS b, c % 91 AS c, d % 181 AS d
		FROM (SELECT i * 17 AS a, i * -37 AS b, i * -23 AS c, i * 53 AS d
			FROM generate_series(1, 1000) AS i) AS x) AS y
		WHERE vr_distance_km(a, b, c, d) <> vr_distance_km(c, d, a, b)
			OR NOT vr_distance_km(a, b, c, d) BETWEEN 0 AND 20015.2$$,
	'there and back is the same, and at most half way round, for 1000 pairs');
-- Rounding carries some of these to the very end of asin() and past it.
SELECT is_empty(
	$$SELECT lat FROM generate_series(-90, 90, 0.1) AS lat
		WHERE (abs(vr_distance_km(lat, -120.3, -lat, 59.7) - 20015.115) < 0.01) IS NOT TRUE
			OR vr_distance_km(lat, -120.3, -lat, 59.7) = 'NaN'$$,
	'antipodes of 1801 latitudes are half way round, and none is NaN');
SELECT is(vr_distance_km(1, 1, NULL, NULL), NULL, 'to a place that is not given: NULL');
SELECT is(vr_distance_km(NULL, NULL, 1, 1), NULL, 'from a place that is not given: NULL');
SELECT throws_ok(format('SELECT vr_distance_km(%s)', args), '22023', NULL, what || ': refused')
FROM (VALUES
	('1, NULL, 1, 1', 'half a place'),
	('1, 1, NULL, 1', 'half a place, the other half'),
	('''NaN'', 1, 1, 1', 'latitude NaN'),
	('1, 1, 1, ''NaN''', 'longitude NaN'),
	('90.001, 0, 0, 0', 'latitude beyond the pole'),
	('0, 0, 0, -180.001', 'longitude beyond 180'),
	('0, ''Infinity'', 0, 0', 'longitude infinite')) AS t (args, what);

SELECT * FROM finish();
ROLLBACK;
