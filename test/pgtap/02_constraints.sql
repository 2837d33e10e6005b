-- What the tables themselves refuse, whoever writes: a psql session, an import,
-- a mirror of the application's table, a bug in our own C.
--
-- Would catch: a constraint that was dropped, weakened or written so that NULL,
-- NaN or an infinity slips through (a CHECK that is NULL holds, NaN is greater
-- than every number); a bound off by one; a limit counted in characters where
-- bytes are meant; a word that is in no vocabulary; a second routing of an order.
--
-- Each refusal is asked for by SQLSTATE and by the name of the constraint, so
-- that no other one does its work.  The last assertion looks into the catalogs
-- whether each constraint was broken here: one that is added needs its test.

BEGIN;
SET LOCAL lc_messages = 'C';		-- the messages name the constraint
SELECT plan(378);

CREATE TEMP TABLE broken (conname name);

-- The statement must be refused by the CHECK constraint, and by no other.
CREATE FUNCTION pg_temp.breaks(statement text, tab text, con text, description text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO broken VALUES (con);
	RETURN throws_ok(statement, '23514',
		format('new row for relation "%s" violates check constraint "%s"', tab, con),
		description);
END $$;

-- The same for PRIMARY KEY and UNIQUE.
CREATE FUNCTION pg_temp.duplicates(statement text, con text, description text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO broken VALUES (con);
	RETURN throws_ok(statement, '23505',
		format('duplicate key value violates unique constraint "%s"', con),
		description);
END $$;

-- A good row with some members replaced: text in, so that "NaN" is a number too.
CREATE FUNCTION pg_temp.vendor(replaced jsonb)
RETURNS vendor_routing.vendors LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.vendors,
		'{"vendor_id": "v1", "name": "One", "is_active": true, "is_verified": true,
		  "min_order_amount": 0, "current_orders": 0, "total_orders": 0,
		  "completed_orders": 0, "average_rating": 0, "reliability_score": 0,
		  "attributes": {}, "created_at": "2026-01-01", "updated_at": "2026-01-01",
		  "rating_count": 0, "rating_sum": 0}'
		|| replaced)
$$;
CREATE FUNCTION pg_temp.routing(replaced jsonb)
RETURNS vendor_routing.routings LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.routings,
		'{"order_id": "o1", "retailer_id": "r1", "status": "PENDING", "round": 1,
		  "wave": 1, "version": 1, "next_deadline": "2026-01-01 00:01",
		  "expires_at": "2026-01-01 00:15", "created_at": "2026-01-01",
		  "updated_at": "2026-01-01", "waves": [{"vendors": 10}], "releases": 0}'
		|| CASE WHEN octet_length(coalesce(replaced->>'order_id', 'o1')) BETWEEN 1 AND 255
			THEN jsonb_build_object('routing_id', vr_routing_id(coalesce(replaced->>'order_id', 'o1')))
			ELSE jsonb_build_object('routing_id', vr_routing_id('o1'))
			END
		|| replaced)
$$;
CREATE FUNCTION pg_temp.response(replaced jsonb)
RETURNS vendor_routing.responses LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.responses,
		jsonb_build_object('routing_id', vr_routing_id('o1'))
		|| '{"round": 1, "vendor_id": "v1", "score": 0, "rank": 1, "wave": 1,
		  "offered_at": "2026-01-01", "expires_at": "2026-01-01 00:01"}'
		|| replaced)
$$;
CREATE FUNCTION pg_temp.cancellation(replaced jsonb)
RETURNS vendor_routing.cancellations LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.cancellations,
		jsonb_build_object('routing_id', vr_routing_id('o1'))
		|| '{"round": 1, "vendor_id": "v1", "reason": "ORDER_CANCELLED",
		  "created_at": "2026-01-01"}'
		|| replaced)
$$;
CREATE FUNCTION pg_temp.event(replaced jsonb)
RETURNS vendor_routing.events LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.events,
		jsonb_build_object('routing_id', vr_routing_id('o1'))
		|| '{"event_id": "019a0000-0000-7000-8000-000000000000", "order_id": "o1",
		  "event_type": "ORDER_CANCELLED", "occurred_at": "2026-01-01"}'
		|| replaced)
$$;

CREATE FUNCTION pg_temp.vendor_event(replaced jsonb)
RETURNS vendor_routing.vendor_events LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.vendor_events,
		'{"vendor_id": "v1", "event_id": "019a0000-0000-7000-8000-000000000000",
		  "event_type": "VENDOR_PAUSED", "occurred_at": "2026-01-01"}'
		|| replaced)
$$;
CREATE FUNCTION pg_temp.policy(replaced jsonb)
RETURNS vendor_routing.policies LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.policies,
		'{"policy": "p1", "waves": [{}], "updated_at": "2026-01-01"}' || replaced)
$$;
CREATE FUNCTION pg_temp.blocked(replaced jsonb)
RETURNS vendor_routing.blocklist LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.blocklist,
		'{"retailer_id": "r1", "vendor_id": "v1", "created_at": "2026-01-01"}' || replaced)
$$;
CREATE FUNCTION pg_temp.attachment(replaced jsonb)
RETURNS vendor_routing.attachments LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.attachments,
		'{"kind": "VENDORS", "relation": "pg_catalog.pg_class", "mapping": {"vendor_id": "id"},
		  "attached_at": "2026-01-01", "search_path": "public"}' || replaced)
$$;
CREATE FUNCTION pg_temp.order_edge(replaced jsonb)
RETURNS vendor_routing.order_edges LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.order_edges,
		'{"from_status": "paid", "to_status": "open"}' || replaced)
$$;
CREATE FUNCTION pg_temp.vendor_role(replaced jsonb)
RETURNS vendor_routing.vendor_roles LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.vendor_roles,
		'{"role": "pg_monitor", "vendor_id": "v1"}' || replaced)
$$;
CREATE FUNCTION pg_temp.outbo(replaced jsonb)
RETURNS vendor_routing.outbox LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.outbox,
		jsonb_build_object('routing_id', vr_routing_id('o9'), 'version', 0) || replaced)
$$;
CREATE FUNCTION pg_temp.message(replaced jsonb)
RETURNS vendor_routing.messages LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.messages,
		jsonb_build_object('message_id', gen_random_uuid(), 'routing_id', vr_routing_id('o1'))
		|| '{"round": 1, "vendor_id": "v1", "kind": "OFFER", "channel": "APP", "state": "QUEUED",
		  "due_at": "2026-01-01", "queued_at": "2026-01-01", "attempts": 0, "may_have_arrived": false}' || replaced)
$$;
CREATE FUNCTION pg_temp.inbound_message(replaced jsonb)
RETURNS vendor_routing.inbound_messages LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.inbound_messages,
		'{"source": "whatsapp", "message_id": "m1", "sender": "+491", "received_at": "2026-01-01"}' || replaced)
$$;
CREATE FUNCTION pg_temp.message_word(replaced jsonb)
RETURNS vendor_routing.message_words LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.message_words,
		'{"language": "fr", "word": "oui", "meaning": "ACCEPT"}' || replaced)
$$;
CREATE FUNCTION pg_temp.message_text(replaced jsonb)
RETURNS vendor_routing.message_texts LANGUAGE sql AS $$
	SELECT jsonb_populate_record(NULL::vendor_routing.message_texts,
		'{"language": "fr", "name": "WIN", "body": "Bravo"}' || replaced)
$$;

-- The plain INSERT of such a row; score follows from the rest.
CREATE FUNCTION pg_temp.inserting(tab text, replaced jsonb)
RETURNS text LANGUAGE sql AS $$
	SELECT format('INSERT INTO vendor_routing.%1$I (%2$s) SELECT %2$s FROM pg_temp.%3$I(%4$L)',
		tab,
		(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = format('vendor_routing.%I', tab)::regclass
				AND attnum > 0 AND NOT (tab = 'vendors' AND attname = 'score')),
		CASE tab WHEN 'policies' THEN 'policy' WHEN 'blocklist' THEN 'blocked' ELSE left(tab, -1) END,
		replaced)
$$;

-- Good rows, so that a refusal is for what was replaced ------------------------

SELECT lives_ok(pg_temp.inserting(tab, '{}'), 'a good row of ' || tab || ' is taken')
FROM unnest(ARRAY['vendors', 'routings', 'responses', 'cancellations', 'events',
	'vendor_events', 'policies', 'blocklist', 'attachments', 'vendor_roles', 'order_edges', 'outbox', 'messages',
	'inbound_messages', 'message_words', 'message_texts']) AS tab;

-- PRIMARY KEY and UNIQUE -------------------------------------------------------

SELECT pg_temp.duplicates(pg_temp.inserting('vendors', '{"name": "Another"}'),
	'vendors_pkey', 'two vendors with one id');
SELECT pg_temp.duplicates(pg_temp.inserting('routings', '{"retailer_id": "r2"}'),
	'routings_pkey', 'a second routing for one order, with its id');
SELECT pg_temp.breaks(
	pg_temp.inserting('routings', jsonb_build_object('routing_id', id)),
	'routings', 'routings_routing_id_check',
	'a second routing for one order, with the routing_id ' || what)
FROM (VALUES
	('00000000-0000-0000-0000-000000000000', 'zero'),
	('019a0000-0000-7000-8000-000000000000', 'of somebody''s own making'),
	(vr_routing_id('o2')::text, 'of another order')) AS t (id, what);
SELECT pg_temp.duplicates(pg_temp.inserting('responses', '{"rank": 2}'),
	'responses_pkey', 'two offers to one vendor in one round');
SELECT pg_temp.duplicates(pg_temp.inserting('cancellations', '{"reason": "ORDER_EXPIRED"}'),
	'cancellations_pkey', 'two cancellations for one vendor in one round');
SELECT pg_temp.duplicates(pg_temp.inserting('events', '{"event_type": "ORDER_EXPIRED"}'),
	'events_pkey', 'two events with one id');
SELECT pg_temp.duplicates(pg_temp.inserting('vendor_events', '{"event_type": "VENDOR_RESUMED"}'),
	'vendor_events_pkey', 'two events of a vendor with one id');
SELECT pg_temp.duplicates(pg_temp.inserting('policies', '{"waves": [{"vendors": 3}]}'),
	'policies_pkey', 'two policies with one name');
SELECT pg_temp.duplicates(pg_temp.inserting('blocklist', '{"reason": "rude"}'),
	'blocklist_pkey', 'a vendor blocked twice by a retailer');
SELECT pg_temp.duplicates(pg_temp.inserting('attachments', '{"relation": "pg_catalog.pg_proc"}'),
	'attachments_pkey', 'two attached tables of vendors');
SELECT pg_temp.duplicates(pg_temp.inserting('vendor_roles', '{}'),
	'vendor_roles_pkey', 'a role and a vendor twice');
SELECT pg_temp.duplicates(pg_temp.inserting('order_edges', '{}'),
	'order_edges_pkey', 'an edge twice');
SELECT lives_ok(pg_temp.inserting(tab, '{"round": 2}'), tab || ': another round is another row')
FROM unnest(ARRAY['responses', 'cancellations']) AS tab;

UPDATE vendor_routing.vendors SET phone = '+442079460000' WHERE vendor_id = 'v1';
SELECT pg_temp.duplicates(
	pg_temp.inserting('vendors', '{"vendor_id": "v2", "phone": "+442079460000"}'),
	'vendors_phone_key', 'a phone number that another vendor has, by INSERT');
SELECT lives_ok(pg_temp.inserting('vendors', '{"vendor_id": "v2"}'), 'a vendor without a phone');
SELECT lives_ok(pg_temp.inserting('vendors', '{"vendor_id": "v3"}'), 'another vendor without a phone');
SELECT pg_temp.duplicates(
	$$UPDATE vendor_routing.vendors SET phone = '+442079460000' WHERE vendor_id = 'v2'$$,
	'vendors_phone_key', 'a phone number that another vendor has, by UPDATE');

-- NOT NULL ---------------------------------------------------------------------

CREATE TEMP TABLE required (tab text, col text);
INSERT INTO required
SELECT tab, unnest(cols) FROM (VALUES
	('vendors', ARRAY['vendor_id', 'name', 'is_active', 'is_verified', 'min_order_amount',
		'current_orders', 'total_orders', 'completed_orders', 'average_rating',
		'reliability_score', 'attributes', 'created_at', 'updated_at',
		'rating_count', 'rating_sum']),
	('routings', ARRAY['routing_id', 'order_id', 'retailer_id', 'status', 'round', 'wave',
		'version', 'expires_at', 'created_at', 'updated_at', 'waves', 'releases']),
	('responses', ARRAY['routing_id', 'round', 'vendor_id', 'score', 'rank', 'wave',
		'offered_at', 'expires_at']),
	('cancellations', ARRAY['routing_id', 'round', 'vendor_id', 'reason', 'created_at']),
	('events', ARRAY['routing_id', 'event_id', 'order_id', 'event_type', 'occurred_at']),
	('vendor_events', ARRAY['vendor_id', 'event_id', 'event_type', 'occurred_at']),
	('policies', ARRAY['policy', 'waves', 'updated_at']),
	('blocklist', ARRAY['retailer_id', 'vendor_id', 'created_at']),
	('attachments', ARRAY['kind', 'relation', 'mapping', 'attached_at', 'search_path']),
	('vendor_roles', ARRAY['role', 'vendor_id']),
	('order_edges', ARRAY['from_status', 'to_status']),
	('outbox', ARRAY['routing_id', 'version']),
	('messages', ARRAY['message_id', 'routing_id', 'round', 'vendor_id', 'kind', 'channel', 'state', 'due_at', 'attempts', 'may_have_arrived', 'queued_at']),
	('inbound_messages', ARRAY['source', 'message_id', 'sender', 'received_at']),
	('message_words', ARRAY['language', 'word', 'meaning']),
	('message_texts', ARRAY['language', 'name', 'body'])
) AS t (tab, cols);

SELECT throws_ok(
	pg_temp.inserting(tab, jsonb_build_object(col, NULL)), '23502',
	format('null value in column "%s" of relation "%s" violates not-null constraint', col, tab),
	format('%s without %s', tab, col))
FROM required;
SELECT set_eq(
	$$SELECT c.relname::text, a.attname::text
		FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'vendor_routing'::regnamespace AND c.relkind = 'r'
			AND a.attnum > 0 AND a.attnotnull
			AND (c.relname, a.attname) <> ('vendors', 'score')$$,
	$$SELECT tab, col FROM required$$,
	'no column that must be given was left out here');

-- CHECK: vendors, by UPDATE -----------------------------------------------------

SELECT pg_temp.breaks(
	format('UPDATE vendor_routing.vendors SET %s WHERE vendor_id = ''v2''', assignment),
	'vendors', con, 'vendor: ' || what)
FROM (VALUES
	($$vendor_id = ''$$, 'vendors_vendor_id_check', 'empty id'),
	($$vendor_id = repeat('x', 256)$$, 'vendors_vendor_id_check', 'id of 256 bytes'),
	($$vendor_id = repeat('ü', 128)$$, 'vendors_vendor_id_check', 'id of 128 characters, 256 bytes'),
	($$name = ''$$, 'vendors_name_check', 'empty name'),
	($$name = repeat('x', 256)$$, 'vendors_name_check', 'name of 256 bytes'),
	($$phone = ''$$, 'vendors_phone_check', 'phone empty'),
	($$phone = '442079460000'$$, 'vendors_phone_check', 'phone without +'),
	($$phone = '00442079460000'$$, 'vendors_phone_check', 'phone with 00 for +'),
	($$phone = '+0442079460000'$$, 'vendors_phone_check', 'phone of a country that starts with 0'),
	($$phone = '+44 20 7946 0000'$$, 'vendors_phone_check', 'phone with spaces'),
	($$phone = '+44-2079460000'$$, 'vendors_phone_check', 'phone with a dash'),
	($$phone = '+44207946x'$$, 'vendors_phone_check', 'phone with a letter'),
	($$phone = '+1'$$, 'vendors_phone_check', 'phone of one digit'),
	($$phone = '+1234567890123456'$$, 'vendors_phone_check', 'phone of 16 digits'),
	($$phone = E'+442079460000\n'$$, 'vendors_phone_check', 'phone and a newline'),
	($$phone = E'x\n+442079460000'$$, 'vendors_phone_check', 'phone on a second line'),
	($$phone = '+٤٤٢٠٧٩٤٦٠٠'$$, 'vendors_phone_check', 'phone in other digits'),
	($$products = ARRAY['tea', NULL]$$, 'vendors_products_check', 'a product without a name'),
	($$products = ARRAY['tea', '']$$, 'vendors_products_check', 'a product with an empty name'),
	($$products = '{{tea,rice}}'$$, 'vendors_products_check', 'a table of products'),
	($$min_order_amount = -0.01$$, 'vendors_min_order_amount_check', 'minimum negative'),
	($$min_order_amount = 'NaN'$$, 'vendors_min_order_amount_check', 'minimum NaN'),
	($$min_order_amount = 'Infinity'$$, 'vendors_min_order_amount_check', 'minimum infinite'),
	($$min_order_amount = '-Infinity'$$, 'vendors_min_order_amount_check', 'minimum minus infinite'),
	($$latitude = 90.000001, longitude = 0$$, 'vendors_latitude_check', 'north of the pole'),
	($$latitude = -90.000001, longitude = 0$$, 'vendors_latitude_check', 'south of the pole'),
	($$latitude = 'NaN', longitude = 0$$, 'vendors_latitude_check', 'latitude NaN'),
	($$latitude = 'Infinity', longitude = 0$$, 'vendors_latitude_check', 'latitude infinite'),
	($$latitude = '-Infinity', longitude = 0$$, 'vendors_latitude_check', 'latitude minus infinite'),
	($$latitude = 0, longitude = 180.000001$$, 'vendors_longitude_check', 'too far east'),
	($$latitude = 0, longitude = -180.000001$$, 'vendors_longitude_check', 'too far west'),
	($$latitude = 0, longitude = 'NaN'$$, 'vendors_longitude_check', 'longitude NaN'),
	($$latitude = 0, longitude = 'Infinity'$$, 'vendors_longitude_check', 'longitude infinite'),
	($$latitude = 0, longitude = '-Infinity'$$, 'vendors_longitude_check', 'longitude minus infinite'),
	($$latitude = 1$$, 'vendors_place_check', 'half a place: no longitude'),
	($$longitude = 1$$, 'vendors_place_check', 'half a place: no latitude'),
	($$service_radius_km = 5$$, 'vendors_place_check', 'a radius around nowhere'),
	($$latitude = 1, longitude = 1, service_radius_km = 0$$, 'vendors_service_radius_km_check', 'radius 0'),
	($$latitude = 1, longitude = 1, service_radius_km = -1$$, 'vendors_service_radius_km_check', 'radius negative'),
	($$latitude = 1, longitude = 1, service_radius_km = 20041$$, 'vendors_service_radius_km_check', 'radius more than half way round'),
	($$latitude = 1, longitude = 1, service_radius_km = 'NaN'$$, 'vendors_service_radius_km_check', 'radius NaN'),
	($$latitude = 1, longitude = 1, service_radius_km = 'Infinity'$$, 'vendors_service_radius_km_check', 'radius infinite'),
	($$capacity = -1$$, 'vendors_capacity_check', 'capacity negative'),
	($$current_orders = -1$$, 'vendors_current_orders_check', 'current orders negative'),
	($$total_orders = -1, completed_orders = -1$$, 'vendors_completed_orders_check', 'completed orders negative'),
	($$total_orders = 1, completed_orders = 2$$, 'vendors_completed_orders_check', 'more orders completed than finished'),
	($$average_rating = 5.01$$, 'vendors_average_rating_check', 'rating more than 5'),
	($$average_rating = -0.01$$, 'vendors_average_rating_check', 'rating negative'),
	($$average_rating = 'NaN'$$, 'vendors_average_rating_check', 'rating NaN'),
	($$reliability_score = 100.01$$, 'vendors_reliability_score_check', 'reliability more than 100'),
	($$reliability_score = -0.01$$, 'vendors_reliability_score_check', 'reliability negative'),
	($$reliability_score = 'NaN'$$, 'vendors_reliability_score_check', 'reliability NaN'),
	($$attributes = '[]'$$, 'vendors_attributes_check', 'attributes an array'),
	($$attributes = '"x"'$$, 'vendors_attributes_check', 'attributes a string'),
	($$attributes = 'null'$$, 'vendors_attributes_check', 'attributes a JSON null'),
	($$rating_count = -1$$, 'vendors_rating_check', 'fewer ratings than none'),
	($$rating_sum = -1$$, 'vendors_rating_check', 'ratings negative'),
	($$rating_count = 1, rating_sum = 5.01$$, 'vendors_rating_check', 'one rating of more than 5'),
	($$rating_count = 1, rating_sum = 'NaN'$$, 'vendors_rating_check', 'ratings NaN'),
	($$paused_until = now()$$, 'vendors_pause_check', 'a pause that never began'),
	($$time_zone = 'Europe/Berlin'$$, 'vendors_time_zone_check', 'a zone without hours'),
	($$working_hours = '{[540,1080)}'$$, 'vendors_time_zone_check', 'hours without a zone'),
	($$time_zone = 'UTC', working_hours = '{[-1,60)}'$$, 'vendors_working_hours_check', 'hours before the week'),
	($$time_zone = 'UTC', working_hours = '{[0,10081)}'$$, 'vendors_working_hours_check', 'hours after the week'),
	($$time_zone = 'UTC', working_hours = '{(,60)}'$$, 'vendors_working_hours_check', 'hours without a beginning')
) AS t (assignment, con, what);

-- A total below zero is below completed_orders as well, whose CHECK comes first
-- by name; so this one is looked at alone.
-- By INSERT, and by the statements that imports use, it is no other way.
SELECT pg_temp.breaks(pg_temp.inserting('vendors', replaced),
	'vendors', con, 'INSERT of a vendor: ' || what)
FROM (VALUES
	('{"vendor_id": ""}'::jsonb, 'vendors_vendor_id_check', 'empty id'),
	('{"vendor_id": "v9", "latitude": "NaN", "longitude": 0}', 'vendors_latitude_check', 'latitude NaN'),
	('{"vendor_id": "v9", "phone": "12345"}', 'vendors_phone_check', 'phone not E.164')
) AS t (replaced, con, what);
SELECT pg_temp.breaks($$
	INSERT INTO vendor_routing.vendors (vendor_id, name) VALUES ('v1', 'One')
	ON CONFLICT (vendor_id) DO UPDATE SET capacity = -1$$,
	'vendors', 'vendors_capacity_check', 'an upsert of a vendor: capacity negative');
SELECT throws_ok(
	$$UPDATE vendor_routing.vendors SET score = 100$$, '428C9', NULL,
	'a score of one''s own');
SAVEPOINT before;
SELECT lives_ok(
	$$UPDATE vendor_routing.vendors
	SET total_orders = 0, completed_orders = 0, average_rating = 5, reliability_score = 100, score = 60$$,
	'the score that is to be, as logical replication sets it');
ROLLBACK TO before;
SELECT throws_ok(
	$$UPDATE vendor_routing.vendors SET average_rating = 10$$, '22003', NULL,
	'a rating that does not fit the type');
SELECT throws_ok(
	$$UPDATE vendor_routing.vendors SET reliability_score = 'Infinity'$$, '22003', NULL,
	'an infinite reliability');

-- What is just within the bounds is taken.
SELECT lives_ok(
	format('UPDATE vendor_routing.vendors SET %s WHERE vendor_id = ''v3''', assignment),
	'vendor: ' || what)
FROM (VALUES
	($$name = repeat('ü', 127) || 'x'$$, 'name of 255 bytes'),
	($$phone = '+12'$$, 'phone of 2 digits'),
	($$phone = '+123456789012345'$$, 'phone of 15 digits'),
	($$products = '{}'$$, 'sells nothing'),
	($$products = NULL$$, 'sells everything'),
	($$latitude = 90, longitude = 180, service_radius_km = 20040$$, 'everywhere, from the north pole'),
	($$latitude = -90, longitude = -180, service_radius_km = 1e-3$$, 'a metre around the south pole'),
	($$latitude = NULL, longitude = NULL, service_radius_km = NULL$$, 'nowhere'),
	($$capacity = 0$$, 'capacity 0'),
	($$rating_count = 2, rating_sum = 10$$, 'the best ratings'),
	($$paused_at = now(), paused_until = 'infinity'$$, 'paused until further notice'),
	($$time_zone = 'UTC', working_hours = '{[0,10080)}'$$, 'open the whole week'),
	($$time_zone = 'UTC', working_hours = '{}'$$, 'never open'),
	($$capacity = 1, current_orders = 2$$, 'capacity lowered below the orders it has'),
	($$total_orders = 2, completed_orders = 2, average_rating = 5, reliability_score = 100$$, 'the best there can be')
) AS t (assignment, what);
SELECT results_eq(
	$$SELECT score FROM vendor_routing.vendors WHERE vendor_id IN ('v2', 'v3') ORDER BY vendor_id$$,
	ARRAY[0, 100]::numeric[],
	'the score is 0 without a history and 100 at best');
UPDATE vendor_routing.vendors
SET total_orders = 8, completed_orders = 6, average_rating = 4.5, reliability_score = 80
WHERE vendor_id = 'v2';
SELECT is(score, 81.0, 'score = 75 % x 0.4 + 4.5 / 5 x 100 x 0.3 + 80 x 0.3')
FROM vendor_routing.vendors WHERE vendor_id = 'v2';
SELECT lives_ok(
	pg_temp.inserting('vendors', jsonb_build_object('vendor_id', repeat('v', 255))),
	'vendor: id of 255 bytes');

-- CHECK: routings, by INSERT (UPDATE is guarded: 03_guards.sql) -----------------

SELECT pg_temp.breaks(pg_temp.inserting('routings', '{"order_id": "o2"}'::jsonb || replaced),
	'routings', con, 'routing: ' || what)
FROM (VALUES
	('{"order_id": ""}'::jsonb, 'routings_order_id_check', 'empty order id'),
	(jsonb_build_object('order_id', repeat('x', 256)), 'routings_order_id_check', 'order id of 256 bytes'),
	(jsonb_build_object('order_id', repeat('ü', 128)), 'routings_order_id_check', 'order id of 128 characters, 256 bytes'),
	('{"retailer_id": ""}', 'routings_retailer_id_check', 'empty retailer id'),
	(jsonb_build_object('retailer_id', repeat('x', 256)), 'routings_retailer_id_check', 'retailer id of 256 bytes'),
	('{"product": ""}', 'routings_product_check', 'empty product'),
	(jsonb_build_object('product', repeat('x', 256)), 'routings_product_check', 'product of 256 bytes'),
	('{"amount": -0.01}', 'routings_amount_check', 'amount negative'),
	('{"amount": "NaN"}', 'routings_amount_check', 'amount NaN'),
	('{"amount": "Infinity"}', 'routings_amount_check', 'amount infinite'),
	('{"amount": "-Infinity"}', 'routings_amount_check', 'amount minus infinite'),
	('{"latitude": 1}', 'routings_place_check', 'half a place: no longitude'),
	('{"longitude": 1}', 'routings_place_check', 'half a place: no latitude'),
	('{"latitude": 90.000001, "longitude": 0}', 'routings_place_check', 'north of the pole'),
	('{"latitude": 0, "longitude": -180.000001}', 'routings_place_check', 'too far west'),
	('{"latitude": "NaN", "longitude": 0}', 'routings_place_check', 'latitude NaN'),
	('{"latitude": 0, "longitude": "NaN"}', 'routings_place_check', 'longitude NaN'),
	('{"latitude": "-Infinity", "longitude": 0}', 'routings_place_check', 'latitude infinite'),
	('{"latitude": 0, "longitude": "Infinity"}', 'routings_place_check', 'longitude infinite'),
	('{"payload": []}', 'routings_payload_check', 'payload an array'),
	('{"payload": "x"}', 'routings_payload_check', 'payload a string'),
	('{"payload": 1}', 'routings_payload_check', 'payload a number'),
	('{"status": "BANANA"}', 'routings_status_check', 'status BANANA'),
	('{"status": "pending"}', 'routings_status_check', 'status in small letters'),
	('{"status": ""}', 'routings_status_check', 'status empty'),
	('{"status": "VENDOR_ACCEPTED"}', 'routings_status_check', 'status in the words of the order'),
	('{"status": "LOCKED"}', 'routings_locked_check', 'LOCKED without a vendor'),
	('{"status": "COMPLETED"}', 'routings_locked_check', 'COMPLETED without a vendor'),
	('{"status": "LOCKED", "locked_vendor_id": "v1"}', 'routings_locked_check', 'LOCKED without a time'),
	('{"status": "LOCKED", "locked_at": "2026-01-01"}', 'routings_locked_check', 'LOCKED at a time by nobody'),
	('{"status": "CANCELLED", "locked_vendor_id": "v1"}', 'routings_locked_check', 'CANCELLED with a vendor who won at no time'),
	('{"locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'routings_locked_check', 'PENDING with a vendor'),
	('{"status": "EXHAUSTED", "locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'routings_locked_check', 'EXHAUSTED with a vendor'),
	('{"status": "EXPIRED", "locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'routings_locked_check', 'EXPIRED with a vendor'),
	('{"next_deadline": null}', 'routings_next_deadline_check', 'open for ever'),
	('{"next_deadline": "infinity"}', 'routings_next_deadline_check', 'due for ever'),
	('{"expires_at": "infinity"}', 'routings_next_deadline_check', 'never to expire'),
	('{"round": 0}', 'routings_round_check', 'round 0'),
	('{"wave": 0}', 'routings_wave_check', 'wave 0'),
	('{"version": 0}', 'routings_version_check', 'version 0'),
	('{"waves": {}}', 'routings_waves_check', 'waves that are no array'),
	('{"next_wave_at": "infinity"}', 'routings_next_wave_at_check', 'a wave that never opens'),
	('{"releases": -1}', 'routings_releases_check', 'fewer releases than none'),
	('{"releases": 1}', 'routings_releases_check', 'a release in the first round'),
	('{"confirm_by": "2026-01-01"}', 'routings_confirm_check', 'nobody is to confirm'),
	('{"confirmed_at": "2026-01-01"}', 'routings_confirm_check', 'nobody confirmed'),
	('{"status": "LOCKED", "locked_vendor_id": "v1", "locked_at": "2026-01-01", "confirm_by": "infinity"}', 'routings_confirm_check', 'for ever to confirm'),
	('{"outcome": "DELIVERED"}', 'routings_outcome_check', 'PENDING with an outcome'),
	('{"status": "COMPLETED", "locked_vendor_id": "v1", "locked_at": "2026-01-01", "outcome": "BANANA"}', 'routings_outcome_check', 'outcome BANANA')
) AS t (replaced, con, what);

SELECT lives_ok(pg_temp.inserting('routings', replaced), 'routing: ' || what)
FROM (VALUES
	(jsonb_build_object('order_id', repeat('o', 255), 'retailer_id', repeat('r', 255), 'product', repeat('p', 255)),
		'ids of 255 bytes'),
	('{"order_id": "o3", "amount": 0, "latitude": -90, "longitude": 180, "payload": {}}', 'amount 0 at the end of the world'),
	('{"order_id": "o4", "status": "LOCKED", "locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'LOCKED with a vendor'),
	('{"order_id": "o5", "status": "CANCELLED", "next_deadline": null}', 'CANCELLED and nobody had it'),
	('{"order_id": "o6", "status": "CANCELLED", "locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'CANCELLED and somebody had it'),
	('{"order_id": "o7", "status": "EXHAUSTED", "next_deadline": null}', 'EXHAUSTED, nothing due'),
	('{"order_id": "o8", "status": "COMPLETED", "locked_vendor_id": "v1", "locked_at": "2026-01-01", "outcome": "FAILED"}', 'COMPLETED, and it failed'),
	('{"order_id": "o9", "status": "COMPLETED", "locked_vendor_id": "v1", "locked_at": "2026-01-01"}', 'COMPLETED by hand'),
	('{"order_id": "o10", "round": 2, "releases": 1}', 'given back once')
) AS t (replaced, what);

-- CHECK: responses, by UPDATE and by INSERT --------------------------------------

SELECT pg_temp.breaks(
	format('UPDATE vendor_routing.responses SET %s WHERE vendor_id = ''v1'' AND round = 1', assignment),
	'responses', con, 'response: ' || what)
FROM (VALUES
	($$response = 'BANANA', responded_at = now()$$, 'responses_response_check', 'BANANA'),
	($$response = 'REJECTED', responded_at = now()$$, 'responses_response_check', 'REJECTED, which is not the word'),
	($$response = 'accept', responded_at = now()$$, 'responses_response_check', 'in small letters'),
	($$response = '', responded_at = now()$$, 'responses_response_check', 'empty'),
	($$response = 'PENDING', responded_at = now()$$, 'responses_response_check', 'PENDING, which is NULL here'),
	($$response = 'ACCEPT'$$, 'responses_responded_at_check', 'an answer without a time'),
	($$responded_at = now()$$, 'responses_responded_at_check', 'a time without an answer'),
	($$expires_at = offered_at$$, 'responses_expires_at_check', 'an offer over at once'),
	($$expires_at = offered_at - interval '1 s'$$, 'responses_expires_at_check', 'an offer over before it was made'),
	($$expires_at = 'infinity'$$, 'responses_expires_at_check', 'an offer that is never over'),
	($$rank = 0$$, 'responses_rank_check', 'rank 0'),
	($$wave = 0$$, 'responses_round_check', 'wave 0'),
	($$payload = '[]'$$, 'responses_payload_check', 'payload an array'),
	($$payload = 'true'$$, 'responses_payload_check', 'payload a boolean'),
	($$decline_code = 'PRICE'$$, 'responses_decline_code_check', 'declined without an answer'),
	($$response = 'ACCEPT', responded_at = now(), decline_code = 'PRICE'$$, 'responses_decline_code_check', 'accepted and declined'),
	($$response = 'REJECT', responded_at = now(), decline_code = 'BANANA'$$, 'responses_decline_code_check', 'declined for BANANA'),
	($$response = 'REJECT', responded_at = now(), decline_code = ''$$, 'responses_decline_code_check', 'declined for an empty reason')
) AS t (assignment, con, what);
SELECT pg_temp.breaks(
	pg_temp.inserting('responses', '{"vendor_id": "v2", "response": "BANANA", "responded_at": "2026-01-01"}'),
	'responses', 'responses_response_check', 'INSERT of the response BANANA');
SELECT pg_temp.breaks(pg_temp.inserting('responses', replaced), 'responses', con, 'response: ' || what)
FROM (VALUES
	('{"vendor_id": "v2", "round": 0}'::jsonb, 'responses_round_check', 'round 0'),
	('{"vendor_id": ""}', 'responses_vendor_id_check', 'vendor without an id'),
	(jsonb_build_object('vendor_id', repeat('v', 256)), 'responses_vendor_id_check', 'vendor id of 256 bytes')
) AS t (replaced, con, what);
SELECT lives_ok(
	pg_temp.inserting('responses', jsonb_build_object('vendor_id', word, 'response', word,
		'responded_at', '2026-01-01', 'payload', '{}'::jsonb)),
	'response: ' || word)
FROM unnest(ARRAY['ACCEPT', 'REJECT', 'TIMEOUT', 'ERROR']) AS word;
SELECT lives_ok(
	pg_temp.inserting('responses', jsonb_build_object('vendor_id', word, 'response', 'REJECT',
		'responded_at', '2026-01-01', 'decline_code', word)),
	'response: declined for ' || word)
FROM unnest(ARRAY['NO_STOCK', 'NO_CAPACITY', 'PRICE', 'TIME', 'AREA', 'CLOSED', 'OTHER']) AS word;

-- CHECK: cancellations and events --------------------------------------------------

SELECT pg_temp.breaks(
	pg_temp.inserting('cancellations', jsonb_build_object('vendor_id', 'v2', 'reason', word)),
	'cancellations', 'cancellations_reason_check', format('cancellation: reason "%s"', word))
FROM unnest(ARRAY['BANANA', '', 'another_vendor_accepted']) AS word;
SELECT pg_temp.breaks(pg_temp.inserting('cancellations', replaced), 'cancellations', con, 'cancellation: ' || what)
FROM (VALUES
	('{"vendor_id": "v2", "round": 0}'::jsonb, 'cancellations_round_check', 'round 0'),
	('{"vendor_id": ""}', 'cancellations_vendor_id_check', 'vendor without an id'),
	(jsonb_build_object('vendor_id', repeat('v', 256)), 'cancellations_vendor_id_check', 'vendor id of 256 bytes')
) AS t (replaced, con, what);
SELECT lives_ok(
	pg_temp.inserting('cancellations', jsonb_build_object('vendor_id', word, 'reason', word)),
	'cancellation: ' || word)
FROM unnest(ARRAY['ANOTHER_VENDOR_ACCEPTED', 'ORDER_CANCELLED', 'ORDER_EXPIRED',
	'RELEASED', 'NO_CONFIRM']) AS word;
SELECT pg_temp.breaks(
	pg_temp.inserting('events', jsonb_build_object('event_id', vr_routing_id('x'), 'event_type', word)),
	'events', 'events_event_type_check', format('event: type "%s"', word))
FROM unnest(ARRAY['BANANA', '', 'vendor_accepted']) AS word;

SELECT pg_temp.breaks(
	pg_temp.inserting('events', jsonb_build_object('event_id', vr_routing_id('x'), 'payload', payload)),
	'events', 'events_payload_check', format('event: payload %s', payload))
FROM unnest(ARRAY['[1]', 'true']::jsonb[]) AS payload;

-- CHECK: vendor_events, policies, blocklist -------------------------------------------

SELECT pg_temp.breaks(pg_temp.inserting('vendor_events',
		'{"event_id": "019a0000-0000-7000-8000-000000000001"}'::jsonb || replaced),
	'vendor_events', con, 'event of a vendor: ' || what)
FROM (VALUES
	('{"vendor_id": ""}'::jsonb, 'vendor_events_vendor_id_check', 'vendor without an id'),
	('{"event_type": "VENDOR_ACCEPTED"}', 'vendor_events_event_type_check', 'a type of the other table'),
	('{"payload": [1]}', 'vendor_events_payload_check', 'payload an array')
) AS t (replaced, con, what);
SELECT pg_temp.breaks(pg_temp.inserting('policies', '{"policy": "p2"}'::jsonb || replaced),
	'policies', con, 'policy: ' || what)
FROM (VALUES
	('{"policy": ""}'::jsonb, 'policies_policy_check', 'without a name'),
	(jsonb_build_object('policy', repeat('x', 256)), 'policies_policy_check', 'name of 256 bytes'),
	('{"offer_ttl": "0"}', 'policies_offer_ttl_check', 'offers that are over at once'),
	('{"offer_ttl": "366 days"}', 'policies_offer_ttl_check', 'offers for more than a year'),
	('{"confirm_within": "0"}', 'policies_confirm_within_check', 'no time to confirm'),
	('{"confirm_within": "366 days"}', 'policies_confirm_within_check', 'more than a year to confirm')
) AS t (replaced, con, what);

-- This one says itself what is wrong.
INSERT INTO broken VALUES ('policies_waves_check');
SELECT throws_ok(pg_temp.inserting('policies', jsonb_build_object('policy', 'p2', 'waves', waves)),
	'22023', message, format('policy: waves %s', waves))
FROM (VALUES
	('[]'::jsonb, 'waves must be a JSON array of 1 to 100 waves'),
	('{}', 'waves must be a JSON array of 1 to 100 waves'),
	('[1]', 'wave 1 is not valid'),
	('[{}, {"vendors": 0}]', 'wave 2 is not valid'),
	('[{"vendors": 1.5}]', 'wave 1 is not valid'),
	('[{"vendors": 1001}]', 'wave 1 is not valid'),
	('[{"vendors": "3"}]', 'wave 1 is not valid'),
	('[{"vendor_ids": []}]', 'wave 1 is not valid'),
	('[{"vendor_ids": ["a", "a"]}]', 'wave 1 is not valid'),
	('[{"vendor_ids": ["a", 7]}]', 'wave 1 is not valid'),
	('[{"radius_km": 0}]', 'wave 1 is not valid'),
	('[{"min_score": 101}]', 'wave 1 is not valid'),
	('[{"wait": "0 s"}]', 'wave 1 is not valid'),
	('[{"wait": 30}]', 'wave 1 is not valid'),
	('[{"banana": 1}]', 'wave 1 is not valid')
) AS t (waves, message);
SELECT lives_ok(pg_temp.inserting('policies', jsonb_build_object('policy', 'p3', 'waves', waves::jsonb,
		'offer_ttl', '365 days', 'confirm_within', '00:00:00.000001')),
	'policy: all that a wave can have')
FROM (VALUES
	('[{"vendors": 1000, "vendor_ids": ["a"], "radius_km": 0.5, "min_score": 0, "wait": "1 min"}]')
) AS t (waves);
SELECT pg_temp.breaks(pg_temp.inserting('blocklist', replaced), 'blocklist', con, 'blocklist: ' || what)
FROM (VALUES
	('{"retailer_id": ""}'::jsonb, 'blocklist_retailer_id_check', 'retailer without an id'),
	('{"vendor_id": ""}', 'blocklist_vendor_id_check', 'vendor without an id')
) AS t (replaced, con, what);

-- CHECK: vendor_roles ------------------------------------------------------------------

SELECT pg_temp.breaks(pg_temp.inserting('vendor_roles', jsonb_build_object('vendor_id', repeat('x', 256))),
	'vendor_roles', 'vendor_roles_vendor_id_check', 'role: a vendor of 256 bytes');
SELECT lives_ok(pg_temp.inserting('vendor_roles', '{"vendor_id": ""}'), 'role: the setting has its vendor');

-- CHECK: order_edges -------------------------------------------------------------------

SELECT pg_temp.breaks(pg_temp.inserting('order_edges', '{"to_status": "paid"}'), 'order_edges',
	'order_edges_check', 'edge: from a status to itself');

-- Messages -------------------------------------------------------------------------------

SELECT pg_temp.duplicates(pg_temp.inserting('outbox', '{"version": 1}'), 'outbox_pkey', 'a routing twice in the outbox');
SELECT pg_temp.duplicates(pg_temp.inserting('messages', '{"state": "DEAD"}'), 'messages_pkey', 'an offer told twice');
SELECT pg_temp.duplicates(
	pg_temp.inserting('messages', jsonb_build_object('kind', 'WIN', 'message_id', (SELECT message_id FROM vendor_routing.messages))),
	'messages_message_id_key', 'two messages with one id');
SELECT pg_temp.duplicates(pg_temp.inserting('inbound_messages', '{"sender": "+492"}'), 'inbound_messages_pkey',
	'a message that counts twice');
SELECT pg_temp.duplicates(pg_temp.inserting('message_words', '{"meaning": "REJECT"}'), 'message_words_pkey', 'a word with two meanings');
SELECT pg_temp.duplicates(pg_temp.inserting('message_texts', '{"body": "x"}'), 'message_texts_pkey', 'two texts for one thing');
SELECT pg_temp.breaks(pg_temp.inserting(tab, replaced), tab, con, tab || ': ' || replaced)
FROM (VALUES
	('messages', '{"kind": "REMINDER"}'::jsonb, 'messages_kind_check'),
	('messages', '{"kind": "WIN", "state": "LOST"}', 'messages_state_check'),
	('messages', '{"kind": "WIN", "state": "SENT"}', 'messages_sent_at_check'),
	('messages', '{"kind": "WIN", "sent_at": "2026-01-01"}', 'messages_sent_at_check'),
	('messages', '{"kind": "WIN", "attempts": -1}', 'messages_attempts_check'),
	('message_words', '{"word": "Non"}', 'message_words_word_check'),
	('message_words', '{"word": "oui oui"}', 'message_words_word_check'),
	('message_words', '{"word": ""}', 'message_words_word_check'),
	('message_words', '{"word": "non", "meaning": "PERHAPS"}', 'message_words_meaning_check'),
	('message_texts', '{"name": "LOCKED", "body": ""}', 'message_texts_body_check'),
	('message_texts', jsonb_build_object('name', 'LOCKED', 'body', repeat('x', 2001)), 'message_texts_body_check')
) AS t (tab, replaced, con);

-- CHECK: attachments -------------------------------------------------------------------

SELECT pg_temp.breaks(pg_temp.inserting('attachments', replaced), 'attachments', con, 'attachment: ' || what)
FROM (VALUES
	('{"kind": "RETAILERS"}'::jsonb, 'attachments_kind_check', 'a kind that is none'),
	('{"kind": "vendors"}', 'attachments_kind_check', 'a kind in small letters'),
	('{"kind": ""}', 'attachments_kind_check', 'an empty kind'),
	('{"kind": "ORDERS", "mapping": []}', 'attachments_mapping_check', 'mapping an array'),
	('{"kind": "ORDERS", "mapping": "id"}', 'attachments_mapping_check', 'mapping a text'),
	('{"kind": "ORDERS", "mapping": 1}', 'attachments_mapping_check', 'mapping a number')
) AS t (replaced, con, what);
SELECT lives_ok(pg_temp.inserting('attachments', '{"kind": "ORDERS", "mapping": {}}'),
	'attachment: a table of orders beside that of vendors');

-- Nothing forgotten ----------------------------------------------------------------

SELECT is_empty(
	$$SELECT conrelid::regclass, conname FROM pg_constraint
		WHERE connamespace = 'vendor_routing'::regnamespace AND contype <> 'n'
			AND conname NOT IN (SELECT conname FROM broken)$$,
	'each constraint was broken at least once');
-- The rules that the triggers verify, see src/verify.c.
SELECT set_has('SELECT conname FROM broken',
	$$SELECT unnest(ARRAY[
		'routings_order_id_check', 'routings_routing_id_check', 'routings_retailer_id_check',
		'routings_product_check', 'routings_amount_check', 'routings_place_check',
		'routings_payload_check', 'routings_status_check', 'routings_locked_check',
		'routings_next_deadline_check', 'routings_waves_check',
		'routings_next_wave_at_check', 'routings_round_check', 'routings_wave_check',
		'routings_version_check', 'routings_releases_check', 'routings_confirm_check',
		'routings_outcome_check', 'responses_response_check', 'responses_responded_at_check',
		'responses_expires_at_check', 'responses_rank_check', 'responses_round_check',
		'responses_vendor_id_check', 'responses_payload_check',
		'responses_decline_code_check', 'cancellations_round_check',
		'cancellations_vendor_id_check', 'cancellations_reason_check',
		'events_event_type_check', 'events_payload_check', 'vendors_vendor_id_check',
		'vendors_name_check', 'vendors_phone_check', 'vendors_products_check',
		'vendors_min_order_amount_check', 'vendors_latitude_check',
		'vendors_longitude_check', 'vendors_place_check', 'vendors_service_radius_km_check',
		'vendors_capacity_check', 'vendors_current_orders_check',
		'vendors_completed_orders_check', 'vendors_average_rating_check',
		'vendors_reliability_score_check', 'vendors_attributes_check',
		'vendors_rating_check', 'vendors_pause_check', 'vendors_time_zone_check',
		'vendors_working_hours_check']::name[])$$,
	'and each rule of the tables that have theirs in a trigger');

SELECT * FROM finish();
ROLLBACK;
