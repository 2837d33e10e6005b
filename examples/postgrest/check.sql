-- Calls api.sql as PostgREST does: a transaction, the role and the claims of the token.
-- Raises an exception where something is not as it should be.

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
VALUES ('anna', 'Anna', true), ('ben', 'Ben', true);

-- Answers a request: the first column, then the status if it was set, or the SQLSTATE.
CREATE FUNCTION request(claims jsonb, query text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	PERFORM set_config('request.jwt.claims', claims::text, true), set_config('response.status', '', true),
		set_config('role', coalesce(claims ->> 'role', 'vr_anonymous'), true);
	EXECUTE query INTO answer;
	RESET ROLE;
	RETURN concat_ws(' ', answer, nullif(current_setting('response.status', true), ''));
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
CREATE PROCEDURE expect(claims jsonb, query text, expected text)
LANGUAGE plpgsql AS $$
DECLARE
	answer text := request(claims, query);
BEGIN
	IF answer IS DISTINCT FROM expected THEN
		RAISE EXCEPTION '% by %: %, not %', query, claims, answer, expected;
	END IF;
END $$;

\set shop '''{"role": "vr_shop"}'''
\set anna '''{"role": "vr_vendor", "vendor_id": "anna"}'''
\set ben '''{"role": "vr_vendor", "vendor_id": "ben"}'''
CALL expect(:shop, $$SELECT vendor_count FROM api.route_to_vendors('order-1', 'shop-7')$$, '2');
CALL expect(:anna, $$SELECT count(*) FROM api.my_offers$$, '1');
CALL expect(:anna, format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), 'LOCKED');
CALL expect(:ben, format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), 'ALREADY_LOCKED 409');
CALL expect('{"role": "vr_vendor", "vendor_id": "mallory"}',
	format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), 'NOT_INVITED 403');
CALL expect(:ben, $$SELECT count(*) FROM api.my_offers$$, '0');
CALL expect(:shop, format($$SELECT api.status(%L) ->> 'locked_vendor_id'$$, vr_routing_id('order-1')), 'anna');
CALL expect(:shop, $$SELECT created FROM api.route_to_vendors('order-2', 'shop-7')$$, 'true');
CALL expect(:ben, format($$SELECT response_recorded FROM api.respond(%L, 'REJECT', 'NO_STOCK')$$, vr_routing_id('order-2')), 'REJECT');
CALL expect(:shop, format('SELECT cancelled FROM api.cancel(%L)', vr_routing_id('order-2')), 'true');
-- what is not theirs: also not by a condition that fails on the rows of others
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('mallory', 'Mallory', true);
SELECT FROM generate_series(1, 200) AS n, vr_broadcast('secret-' || n, 'shop-7', payload => '{"address": "12 Hidden Lane"}', vendors => '{anna}');
SELECT FROM vr_broadcast('known', 'shop-7', payload => '{"address": "1 Main Street"}', vendors => '{mallory}');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
CALL expect('{"role": "vr_vendor", "vendor_id": "mallory"}', $$SELECT count(*) FROM api.my_offers WHERE payload ->> 'address' LIKE E'12 Hid%\\'$$, '0');
RESET enable_indexscan;
RESET enable_bitmapscan;
CALL expect('{"role": "vr_vendor"}', format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), '42501');
CALL expect('{"role": "vr_vendor"}', 'SELECT count(*) FROM api.my_offers', '42501');
CALL expect('{}', format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), '42501');
CALL expect(:anna, format('SELECT api.status(%L)', vr_routing_id('order-1')), '42501');
CALL expect(:anna, format('SELECT cancelled FROM api.cancel(%L)', vr_routing_id('order-1')), '42501');
CALL expect(:anna, format('SELECT reason FROM public.vr_accept(%L, %L)', vr_routing_id('order-1'), 'ben'), '42501');
CALL expect(:anna, 'SELECT count(*) FROM public.vr_vendor_offers', '42501');
CALL expect(:shop, format('SELECT reason FROM api.accept(%L)', vr_routing_id('order-1')), '42501');
SELECT 1 / (count(*) = 0)::int AS vr_check_is_empty FROM vr_check() \g /dev/null
