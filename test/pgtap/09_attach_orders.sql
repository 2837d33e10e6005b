-- vr_attach_orders and vr_detach_orders: a table of the application's, its state
-- machine, and the routings that go with its rows.
--
-- Would catch: a mapping that is taken and cannot work; a table attached by
-- somebody who does not own it; a status that an UPDATE can reach and should not;
-- a verb that leaves the row behind, or a row that leaves its routing behind; an
-- order that is offered twice under two spellings of its id; half of a win that
-- was rolled back; code of one role's that runs with the rights of another.

BEGIN;
SET LOCAL lc_messages = 'C';
SET LOCAL client_min_messages = warning;
SELECT plan(380);

-- Runs a statement, as a role and with a search_path if told so.  Returns the
-- first value of a SELECT, OK of what else, or the SQLSTATE and the message.
CREATE FUNCTION pg_temp.tries(statement text, who name DEFAULT current_user,
	path text DEFAULT current_setting('search_path'))
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := 'OK';
	is_query boolean := statement ~ '^\s*SELECT';
BEGIN
	PERFORM set_config('search_path', path, true);
	PERFORM pg_catalog.set_config('role', who, true);
	IF is_query THEN
		EXECUTE statement INTO result;
	ELSE
		EXECUTE statement;
	END IF;
	RESET ROLE;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ': ' || sqlerrm;
END $$;
ALTER FUNCTION pg_temp.tries SET search_path FROM CURRENT;

-- What a query finds once a statement has run; nothing of it stays.
CREATE FUNCTION pg_temp.would(statement text, query text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement;
	EXECUTE query INTO result;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate;
END $$;

CREATE ROLE regress_vr_owner;
CREATE ROLE regress_vr_clerk;
CREATE ROLE regress_vr_other;
CREATE ROLE regress_vr_deputy IN ROLE regress_vr_owner;
CREATE SCHEMA regress_app;
GRANT USAGE ON SCHEMA regress_app TO PUBLIC;
GRANT CREATE ON SCHEMA regress_app TO regress_vr_owner;
GRANT EXECUTE ON FUNCTION vr_attach_orders(regclass, jsonb), vr_detach_orders()
	TO regress_vr_owner, regress_vr_other;

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
VALUES ('v1', 'One', true, 90), ('v2', 'Two', true, 80), ('v3', 'Three', true, 70);

CREATE TABLE regress_app.orders (
	id text PRIMARY KEY,
	shop text DEFAULT 'shop',
	total numeric,
	status text NOT NULL DEFAULT 'CREATED',
	winner text,
	note text);

-- A mapping of that table, and what is different.
CREATE FUNCTION pg_temp.attach(difference jsonb DEFAULT '{}', relation text DEFAULT 'regress_app.orders')
RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT vr_attach_orders(%L, %L)', relation, jsonb_build_object('order_id', 'id',
		'retailer_id', 'shop', 'status', 'status', 'locked_vendor_id', 'winner') || difference)
$$;

-- An order and its routing: status and winner of both.
CREATE FUNCTION pg_temp.stand(order_id text)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(o.status, 'gone'), o.winner) || ' / '
		|| concat_ws(' ', coalesce(t.status, 'never offered'), t.locked_vendor_id)
	FROM (SELECT $1 AS id) AS x
	LEFT JOIN regress_app.orders AS o ON o.id = x.id
	LEFT JOIN vendor_routing.routings AS t ON t.order_id = x.id
$$;

-- Brings an order to a state on the way that leads there.
CREATE FUNCTION pg_temp.make(order_id text, state text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	way CONSTANT text[] := '{CREATED,VALIDATED,CREDIT_RESERVED,PENDING_BIDS,VENDOR_ACCEPTED,FULFILLMENT_STARTED,DELIVERED}';
BEGIN
	INSERT INTO regress_app.orders (id) VALUES (order_id);
	FOR i IN 2 .. coalesce(array_position(way, state), 6) LOOP
		CASE way[i]
			WHEN 'PENDING_BIDS' THEN PERFORM vr_broadcast(order_id, NULL);
			WHEN 'VENDOR_ACCEPTED' THEN PERFORM vr_accept(vr_routing_id(order_id), 'v1');
			ELSE UPDATE regress_app.orders SET status = way[i] WHERE id = order_id;
		END CASE;
	END LOOP;
	UPDATE regress_app.orders SET status = state WHERE id = order_id AND status <> state;
END $$;

-- Lets the time of an order run out.
CREATE FUNCTION pg_temp.let_expire(id text)
RETURNS void LANGUAGE sql AS $$
	UPDATE vendor_routing.responses SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s'
	WHERE routing_id = vr_routing_id(id);
	UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s', expires_at = now() - interval '1 s'
	WHERE order_id = id;
$$;

-- Mappings -------------------------------------------------------------------------------

-- Would catch: a mapping that is taken, and fails or does nothing at the first order.
CREATE TYPE regress_app.state AS ENUM ('CREATED', 'VALIDATED', 'CREDIT_RESERVED', 'PENDING_BIDS',
	'VENDOR_ACCEPTED', 'FULFILLMENT_STARTED', 'DELIVERED', 'CANCELLED');
CREATE TABLE regress_app.no_failed (id bigint PRIMARY KEY, shop text, status regress_app.state, winner text);
SELECT is(left(pg_temp.tries(pg_temp.attach(difference::jsonb)), length(expected)), expected,
	'refused: ' || difference)
FROM (VALUES
	(1, '{"colour": "note"}', '22023: mapping has the unknown key "colour"'),
	(2, '{"states": {"WON": "won"}}', '22023: mapping of "states" is not valid'),
	(3, '{"states": {"CREATED": "new", "VALIDATED": "new"}}', '22023: mapping of "states" is not valid'),
	(4, '{"states": {"CREATED": "VALIDATED"}}', '22023: mapping of "states" is not valid'),
	(5, '{"states": ["CREATED"]}', '22023: mapping of "states" is not valid'),
	(6, '{"states": "CREATED"}', '22023: mapping of "states" is not valid'),
	(7, '{"states": null}', '22023: mapping of "states" is not valid'),
	(8, '{"states": {"CREATED": ["new"]}}', '22023: mapping of "states" is not valid'),
	(9, '{"states": {"CREATED": {"column": "note"}}}', '22023: mapping of "states" is not valid'),
	(10, '{"auto_broadcast": "yes"}', '22023: mapping of "auto_broadcast" is not valid'),
	(11, '{"auto_broadcast": 1}', '22023: mapping of "auto_broadcast" is not valid'),
	(12, '{"auto_broadcast": null}', '22023: mapping of "auto_broadcast" is not valid'),
	(13, '{"policy": 7}', '22023: mapping of "policy" is not valid'),
	(14, '{"status": {"value": "CREATED"}}', '22023: mapping of "status" is not valid'),
	(15, '{"order_id": {"value": "1"}}', '22023: mapping of "order_id" is not valid'),
	(16, '{"locked_vendor_id": {"column": "winner", "equals": "v1"}}', '22023: mapping of "locked_vendor_id" is not valid'),
	(17, '{"status": "nowhere"}', '42703: column "nowhere" of relation "orders" does not exist'),
	(18, '{"status": "ctid"}', '42703: column "ctid" of relation "orders" does not exist'),
	(19, '{"order_id": "note"}', '22023: the column of "order_id" must have a unique index'),
	(20, '{"locked_vendor_id": "status"}', '22023: '),
	(21, '{"status": "id"}', '22023: ')
) AS t (n, difference, expected) ORDER BY n;
SELECT is(left(pg_temp.tries(format('SELECT vr_attach_orders(''regress_app.orders'', %L)', mapping)), 6), '22023:',
	'refused: ' || mapping)
FROM (VALUES
	(1, '{"retailer_id": "shop", "status": "status"}'), (2, '{"order_id": "id", "status": "status"}'),
	(3, '{"order_id": "id", "retailer_id": "shop"}'), (4, '{}'), (5, '[]'), (6, '7')
) AS t (n, mapping) ORDER BY n;
SELECT is(pg_temp.tries(pg_temp.attach(relation => 'regress_app.no_failed')),
	'22P02: invalid input value for enum regress_app.state: "FAILED"', 'a word that the enum does not have');
CREATE TABLE regress_app.generated (id text PRIMARY KEY, shop text, s text,
	status text GENERATED ALWAYS AS (s) STORED, winner text);
SELECT isnt(pg_temp.tries(pg_temp.attach(relation => 'regress_app.generated')), '',
	'a status that is generated, and cannot be written, is refused');
SELECT is((SELECT count(*) FROM vr_attachments) + (SELECT count(*) FROM vendor_routing.order_edges)
	+ (SELECT count(*) FROM pg_trigger WHERE tgfoid = 'vendor_routing.sync_orders'::regproc), 0::bigint,
	'and nothing is left of any of them');
SELECT vr_detach_orders() \g /dev/null

-- Who may --------------------------------------------------------------------------------

-- Would catch: an owner that is not asked for, or asked for after we took our own rights.
CREATE TABLE regress_app.theirs (LIKE regress_app.orders INCLUDING ALL);
CREATE TABLE regress_app.others (LIKE regress_app.orders INCLUDING ALL);
ALTER TABLE regress_app.theirs OWNER TO regress_vr_owner;
ALTER TABLE regress_app.others OWNER TO regress_vr_other;
GRANT ALL ON regress_app.theirs TO regress_vr_other, regress_vr_clerk;
SELECT is(pg_temp.tries(statement, who), expected, who || ': ' || what)
FROM (VALUES
	(1, pg_temp.attach(relation => 'regress_app.theirs'), 'regress_vr_other',
		'42501: must be owner of table theirs', 'attaches a table of another'),
	(2, pg_temp.attach(relation => 'regress_app.theirs'), 'regress_vr_clerk',
		'42501: permission denied for function vr_attach_orders', 'attaches without EXECUTE'),
	(3, pg_temp.attach(relation => 'regress_app.theirs'), 'regress_vr_deputy', '', 'attaches as a member of the owner'),
	(4, 'SELECT vr_detach_orders()', 'regress_vr_other', '42501: must be owner of table theirs', 'detaches it'),
	(5, pg_temp.attach(relation => 'regress_app.others'), 'regress_vr_other',
		'42501: must be owner of table theirs', 'puts a table in its place'),
	(6, 'SELECT vr_detach_orders()', 'regress_vr_owner', 'true', 'detaches'),
	(7, 'SELECT vr_detach_orders()', 'regress_vr_owner', 'false', 'detaches again')
) AS t (n, statement, who, expected, what) ORDER BY n;

-- The state machine, against plain UPDATE -------------------------------------------------

-- Would catch: an edge too many or too few, PENDING_BIDS without an offer, a
-- vendor that nobody has chosen.
SELECT is(pg_temp.tries(pg_temp.attach()), '', 'attached');
CREATE TEMP TABLE states (n int, state text);
INSERT INTO states SELECT ordinality, state FROM unnest('{CREATED,VALIDATED,CREDIT_RESERVED,PENDING_BIDS,VENDOR_ACCEPTED,
	FULFILLMENT_STARTED,DELIVERED,CANCELLED,FAILED}'::text[]) WITH ORDINALITY AS s (state);
CREATE TEMP TABLE allowed (a text, b text);
INSERT INTO allowed VALUES ('CREATED', 'VALIDATED'), ('VALIDATED', 'CREDIT_RESERVED'),
	('VENDOR_ACCEPTED', 'FULFILLMENT_STARTED'), ('FULFILLMENT_STARTED', 'DELIVERED');
INSERT INTO allowed SELECT state, state FROM states;
INSERT INTO allowed SELECT state, e FROM states, unnest('{CANCELLED,FAILED}'::text[]) AS e WHERE n < 7;
SELECT results_eq('SELECT from_status, to_status FROM vendor_routing.order_edges ORDER BY 1, 2',
	$$SELECT a, b FROM (SELECT * FROM allowed WHERE a <> b UNION ALL VALUES ('CREDIT_RESERVED', 'PENDING_BIDS'),
		('PENDING_BIDS', 'VENDOR_ACCEPTED')) AS e ORDER BY 1, 2$$, 'the standard edges');
SELECT pg_temp.make('pair-' || state, state) FROM states;
SELECT is((SELECT string_agg(id || '=' || status, ' ' ORDER BY id) FROM regress_app.orders),
	(SELECT string_agg('pair-' || state || '=' || state, ' ' ORDER BY state) FROM states), 'an order in each state');
SELECT is(
	pg_temp.would(format('UPDATE regress_app.orders SET status = %L WHERE id = %L', b.state, 'pair-' || a.state),
		format('SELECT status FROM regress_app.orders WHERE id = %L', 'pair-' || a.state)),
	CASE WHEN (a.state, b.state) IN (SELECT * FROM allowed) THEN b.state ELSE 'VR004' END,
	a.state || ' to ' || b.state)
FROM states AS a, states AS b ORDER BY a.n, b.n;
SELECT is(pg_temp.would('UPDATE regress_app.orders SET ' || change || ' WHERE id = ''pair-' || state || '''',
		'SELECT ''changed'''), expected, state || ': ' || change)
FROM (VALUES
	(1, 'VENDOR_ACCEPTED', $$winner = 'v2'$$, 'VR004'), (2, 'VENDOR_ACCEPTED', 'winner = NULL', 'VR004'),
	(3, 'FULFILLMENT_STARTED', $$winner = 'v2'$$, 'VR004'), (4, 'PENDING_BIDS', $$winner = 'v1'$$, 'VR004'),
	(5, 'DELIVERED', 'winner = NULL', 'VR004'), (6, 'CREATED', $$winner = 'v1'$$, 'changed'),
	(7, 'VENDOR_ACCEPTED', $$note = 'x', winner = 'v1'$$, 'changed'), (8, 'DELIVERED', $$total = 1$$, 'changed'),
	(9, 'PENDING_BIDS', $$status = 'VENDOR_ACCEPTED', winner = 'v1'$$, 'VR004'),
	(10, 'CREATED', $$status = 'lost in space'$$, 'VR004'), (11, 'CREATED', 'status = NULL', '23502'),
	(12, 'CREATED', $$id = 'elsewhere'$$, 'changed'), (13, 'PENDING_BIDS', $$id = 'elsewhere'$$, 'VR004'),
	(14, 'FULFILLMENT_STARTED', $$id = 'elsewhere'$$, 'VR004'), (15, 'DELIVERED', $$id = 'elsewhere'$$, 'VR004')
) AS t (n, state, change, expected) ORDER BY n;
SELECT is(pg_temp.would(format('INSERT INTO regress_app.orders (id, status) VALUES (''new'', %L)', state),
		'SELECT pg_temp.stand(''new'')'),
	CASE WHEN state IN ('PENDING_BIDS', 'VENDOR_ACCEPTED') THEN 'VR004' ELSE state || ' / never offered' END,
	'a new order in ' || state)
FROM states ORDER BY n;

-- Edges are the DBA's: the next UPDATE goes by them.
DELETE FROM vendor_routing.order_edges WHERE from_status = 'CREATED' AND to_status = 'VALIDATED';
INSERT INTO vendor_routing.order_edges VALUES ('CREATED', 'CREDIT_RESERVED'), ('DELIVERED', 'returned'), ('returned', 'refunded');
SELECT is(pg_temp.would(format('UPDATE regress_app.orders SET status = %L WHERE id = %L', b, id),
	format('SELECT status FROM regress_app.orders WHERE id = %L', id)), expected, what)
FROM (VALUES
	('pair-CREATED', 'VALIDATED', 'VR004', 'an edge that was removed'),
	('pair-CREATED', 'CREDIT_RESERVED', 'CREDIT_RESERVED', 'an edge that was added'),
	('pair-DELIVERED', 'returned', 'returned', 'a state of the application''s own'),
	('pair-DELIVERED', 'refunded', 'VR004', 'that is not passed over')
) AS t (id, b, expected, what);
DELETE FROM vendor_routing.order_edges WHERE to_status = 'PENDING_BIDS';
SELECT is(left(pg_temp.tries($$SELECT vr_broadcast('pair-CREDIT_RESERVED', NULL)$$), 5), 'VR004',
	'without an edge to PENDING_BIDS nothing is offered');
SELECT is(pg_temp.tries(pg_temp.attach()), '', 'attached again');
SELECT is((SELECT count(*) FROM vendor_routing.order_edges), 18::bigint, 'has the standard edges again');

-- Keys and status columns of other types ------------------------------------------------

-- Would catch: a key or a word that is compared in another form than its column has.
CREATE TYPE regress_app.word AS ENUM ('new', 'checked', 'paid', 'open', 'won', 'packing', 'done', 'void', 'bad');
CREATE FUNCTION pg_temp.drive(key_type text, status_type text, words text[], key text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ours CONSTANT text[] := '{CREATED,VALIDATED,CREDIT_RESERVED,PENDING_BIDS,VENDOR_ACCEPTED,FULFILLMENT_STARTED,DELIVERED,CANCELLED,FAILED}';
	trace text := '';
	shape text := 'SELECT array_position(%L::%s[], status) || coalesce(winner, '''') FROM regress_app.typed';
	now_at text;
BEGIN
	EXECUTE format('CREATE TABLE regress_app.typed (id %s PRIMARY KEY, shop text, status %s, winner varchar(20))', key_type, status_type);
	shape := format(shape, words, status_type);
	PERFORM vr_attach_orders('regress_app.typed', jsonb_build_object('order_id', 'id', 'retailer_id', 'shop',
		'status', 'status', 'locked_vendor_id', 'winner', 'states', jsonb_object(ours, words)));
	EXECUTE format('INSERT INTO regress_app.typed VALUES (%L, ''r'', %L)', key, words[1]);
	EXECUTE format('UPDATE regress_app.typed SET status = %L', words[2]);
	EXECUTE format('UPDATE regress_app.typed SET status = %L', words[3]);
	PERFORM vr_broadcast(key, NULL);
	EXECUTE shape INTO now_at; trace := trace || now_at || ' ';
	PERFORM vr_accept(vr_routing_id(key), 'v1');
	EXECUTE shape INTO now_at; trace := trace || now_at || ' ';
	PERFORM vr_release(vr_routing_id(key), 'v1');
	EXECUTE shape INTO now_at; trace := trace || now_at || ' ';
	PERFORM vr_accept(vr_routing_id(key), 'v2');
	EXECUTE format('UPDATE regress_app.typed SET status = %L', words[6]);
	EXECUTE shape INTO now_at; trace := trace || now_at || ' ';
	PERFORM vr_complete(vr_routing_id(key), 'DELIVERED');
	EXECUTE shape INTO now_at; trace := trace || now_at;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN trace;
	WHEN OTHERS THEN RETURN trace || sqlstate || ': ' || sqlerrm;
END $$;
SELECT is(pg_temp.drive(key_type, status_type, words::text[], key), '4 5v1 4 6v2 7v2',
	format('%s keys, a status that is %s', key_type, status_type))
FROM (VALUES
	(1, 'bigint', 'regress_app.word', '{new,checked,paid,open,won,packing,done,void,bad}', '9007199254740993'),
	(2, 'uuid', 'varchar(12)', '{new,checked,paid,open,won,packing,done,void,bad}', '019a0000-0000-7000-8000-00000000abcd'),
	(3, 'text', 'integer', '{0,1,2,3,4,5,6,7,-1}', 'Größe "1"; DROP TABLE x'),
	(4, 'varchar(30)', 'smallint', '{0,1,2,3,4,5,6,7,8}', 'a'),
	(5, 'integer', 'text', '{"Ä new","it''s","100%","o p e n","",f,g,h,i}', '-7'),
	(6, 'numeric', 'name', '{new,checked,paid,open,won,packing,done,void,bad}', '12345678901234567890'),
	-- the output of these is not what is written
	(7, 'bigint', 'char(20)', '{new,checked,paid,open,won,packing,done,void,bad}', '8'),
	(8, 'bigint', 'numeric(4,1)', '{0,1,2,3,4,5,6,7,8}', '9')
) AS t (n, key_type, status_type, words, key) ORDER BY n;

-- States that the application does not have ----------------------------------------------

-- Would catch: a gap in the chain, a verb that fails because there is no word, an
-- order that is over and offered all the same.
CREATE FUNCTION pg_temp.without(absent text[], statement text, query text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE pg_temp.attach(jsonb_build_object('states', (SELECT jsonb_object_agg(a, NULL) FROM unnest(absent) AS a)));
	EXECUTE statement;
	EXECUTE query INTO result;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate;
END $$;
SELECT is(pg_temp.without(absent::text[], statement, query), expected, format('without %s: %s', absent, what))
FROM (VALUES
	(1, '{VALIDATED,CREDIT_RESERVED}', 'SELECT', $$SELECT string_agg(to_status, ' ' ORDER BY to_status) FROM vendor_routing.order_edges WHERE from_status = 'CREATED'$$,
		'CANCELLED FAILED PENDING_BIDS', 'what led there leads on'),
	(2, '{VALIDATED,CREDIT_RESERVED}', 'SELECT', $$SELECT count(*)::text FROM vendor_routing.order_edges WHERE 'VALIDATED' IN (from_status, to_status)$$,
		'0', 'and has no edges'),
	(3, '{VALIDATED,CREDIT_RESERVED}', $$INSERT INTO regress_app.orders (id) VALUES ('a'); SELECT vr_broadcast('a', NULL)$$,
		$$SELECT pg_temp.stand('a')$$, 'PENDING_BIDS / PENDING', 'it is offered from CREATED on'),
	(4, '{FULFILLMENT_STARTED}', $$UPDATE regress_app.orders SET status = 'DELIVERED' WHERE id = 'pair-VENDOR_ACCEPTED'$$,
		$$SELECT pg_temp.stand('pair-VENDOR_ACCEPTED')$$, 'DELIVERED v1 / COMPLETED v1', 'from the vendor to the end'),
	(5, '{VENDOR_ACCEPTED}', $$SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v1')$$,
		$$SELECT pg_temp.stand('pair-PENDING_BIDS')$$, 'PENDING_BIDS v1 / LOCKED v1', 'a vendor can win'),
	(6, '{PENDING_BIDS}', $$SELECT vr_broadcast('pair-CREDIT_RESERVED', NULL); SELECT vr_accept(vr_routing_id('pair-CREDIT_RESERVED'), 'v1')$$,
		$$SELECT pg_temp.stand('pair-CREDIT_RESERVED')$$, 'VENDOR_ACCEPTED v1 / LOCKED v1', 'an order can be offered'),
	(7, '{PENDING_BIDS}', $$SELECT vr_release(vr_routing_id('pair-VENDOR_ACCEPTED'), 'v1')$$,
		$$SELECT locked_vendor_id FROM vendor_routing.routings WHERE order_id = 'pair-VENDOR_ACCEPTED'$$, NULL, 'a vendor can give it back'),
	(8, '{PENDING_BIDS}', $$INSERT INTO regress_app.orders (id, status) VALUES ('a', 'CANCELLED'); SELECT vr_broadcast('a', NULL)$$,
		'SELECT ''offered''', 'VR004', 'a cancelled order is not offered'),
	(9, '{PENDING_BIDS}', $$INSERT INTO regress_app.orders (id, status) VALUES ('a', 'DELIVERED'); SELECT vr_broadcast('a', NULL)$$,
		'SELECT ''offered''', 'VR004', 'a delivered order is not offered'),
	(10, '{CANCELLED}', $$SELECT vr_cancel(vr_routing_id('pair-PENDING_BIDS'))$$,
		$$SELECT pg_temp.stand('pair-PENDING_BIDS')$$, 'PENDING_BIDS / CANCELLED', 'vr_cancel leaves the row'),
	(11, '{CANCELLED}', $$DELETE FROM regress_app.orders WHERE id = 'pair-VENDOR_ACCEPTED'$$,
		$$SELECT pg_temp.stand('pair-VENDOR_ACCEPTED')$$, 'gone / CANCELLED v1', 'a row can be deleted')
) AS t (n, absent, statement, query, expected, what) ORDER BY n;

-- What the verbs do to the row -------------------------------------------------------------

-- Would catch: a verb that leaves the row behind.
SELECT is(pg_temp.would(statement, format('SELECT pg_temp.stand(%L)', 'pair-' || state)), expected, statement)
FROM (VALUES
	(1, 'CREDIT_RESERVED', $$SELECT vr_broadcast('pair-CREDIT_RESERVED', NULL)$$, 'PENDING_BIDS / PENDING'),
	(2, 'PENDING_BIDS', $$SELECT vr_broadcast('pair-PENDING_BIDS', NULL)$$, 'PENDING_BIDS / PENDING'),
	(3, 'PENDING_BIDS', $$SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v2')$$, 'VENDOR_ACCEPTED v2 / LOCKED v2'),
	(4, 'PENDING_BIDS', $$SELECT vr_assign(vr_routing_id('pair-PENDING_BIDS'), 'v3', 'dispatcher')$$, 'VENDOR_ACCEPTED v3 / LOCKED v3'),
	(5, 'PENDING_BIDS', $$SELECT vr_cancel(vr_routing_id('pair-PENDING_BIDS'))$$, 'CANCELLED / CANCELLED'),
	(6, 'PENDING_BIDS', $$SELECT count(vr_respond(vr_routing_id('pair-PENDING_BIDS'), v, 'REJECT')) FROM unnest('{v1,v2,v3}'::text[]) AS v$$,
		'PENDING_BIDS / EXHAUSTED'),
	(7, 'PENDING_BIDS', $$SELECT count(vr_respond(vr_routing_id('pair-PENDING_BIDS'), v, 'REJECT')) FROM unnest('{v1,v2,v3}'::text[]) AS v;
		SELECT vr_retry(vr_routing_id('pair-PENDING_BIDS'))$$, 'PENDING_BIDS / PENDING'),
	(8, 'PENDING_BIDS', $$SELECT count(vr_respond(vr_routing_id('pair-PENDING_BIDS'), v, 'REJECT')) FROM unnest('{v1,v2,v3}'::text[]) AS v;
		INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('v4', 'Four', true);
		SELECT vr_assign(vr_routing_id('pair-PENDING_BIDS'), 'v4', 'dispatcher')$$, 'VENDOR_ACCEPTED v4 / LOCKED v4'),
	(9, 'PENDING_BIDS', $$SELECT pg_temp.let_expire('pair-PENDING_BIDS'); SELECT vr_timeout(vr_routing_id('pair-PENDING_BIDS'))$$, 'FAILED / EXPIRED'),
	(10, 'PENDING_BIDS', $$SELECT pg_temp.let_expire('pair-PENDING_BIDS'); SELECT vr_tick()$$, 'FAILED / EXPIRED'),
	(11, 'PENDING_BIDS', $$SELECT pg_temp.let_expire('pair-PENDING_BIDS'); SELECT vr_tick(); SELECT vr_retry(vr_routing_id('pair-PENDING_BIDS'))$$,
		'PENDING_BIDS / PENDING'),
	(12, 'PENDING_BIDS', $$SELECT pg_temp.let_expire('pair-PENDING_BIDS'); SELECT vr_tick(); SELECT vr_cancel(vr_routing_id('pair-PENDING_BIDS'))$$,
		'CANCELLED / CANCELLED'),
	(13, 'VENDOR_ACCEPTED', $$SELECT vr_release(vr_routing_id('pair-VENDOR_ACCEPTED'), 'v1')$$, 'PENDING_BIDS / PENDING'),
	(14, 'VENDOR_ACCEPTED', $$SELECT vr_release(vr_routing_id('pair-VENDOR_ACCEPTED'), 'v1'); SELECT vr_accept(vr_routing_id('pair-VENDOR_ACCEPTED'), 'v2')$$,
		'VENDOR_ACCEPTED v2 / LOCKED v2'),
	(15, 'VENDOR_ACCEPTED', $$SELECT vr_cancel(vr_routing_id('pair-VENDOR_ACCEPTED'))$$, 'CANCELLED v1 / CANCELLED v1'),
	(16, 'VENDOR_ACCEPTED', $$SELECT vr_complete(vr_routing_id('pair-VENDOR_ACCEPTED'), 'DELIVERED')$$, 'DELIVERED v1 / COMPLETED v1'),
	(17, 'VENDOR_ACCEPTED', $$SELECT vr_complete(vr_routing_id('pair-VENDOR_ACCEPTED'), 'FAILED')$$, 'FAILED v1 / COMPLETED v1'),
	(18, 'FULFILLMENT_STARTED', $$SELECT vr_complete(vr_routing_id('pair-FULFILLMENT_STARTED'), 'DELIVERED')$$, 'DELIVERED v1 / COMPLETED v1'),
	(19, 'FULFILLMENT_STARTED', $$SELECT vr_release(vr_routing_id('pair-FULFILLMENT_STARTED'), 'v1')$$, 'PENDING_BIDS / PENDING'),
	-- the second call changes nothing, and is no error
	(20, 'PENDING_BIDS', $$SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v2'); SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v2')$$,
		'VENDOR_ACCEPTED v2 / LOCKED v2'),
	(21, 'PENDING_BIDS', $$SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v2'); SELECT vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v1')$$,
		'VENDOR_ACCEPTED v2 / LOCKED v2'),
	(22, 'FULFILLMENT_STARTED', $$SELECT vr_accept(vr_routing_id('pair-FULFILLMENT_STARTED'), 'v1'); SELECT vr_broadcast('pair-FULFILLMENT_STARTED', NULL)$$,
		'FULFILLMENT_STARTED v1 / LOCKED v1'),
	(23, 'CANCELLED', $$SELECT vr_cancel(vr_routing_id('pair-CANCELLED')); SELECT vr_broadcast('pair-CANCELLED', NULL)$$, 'CANCELLED v1 / CANCELLED v1'),
	(24, 'DELIVERED', $$SELECT vr_complete(vr_routing_id('pair-DELIVERED'), 'DELIVERED'); SELECT vr_accept(vr_routing_id('pair-DELIVERED'), 'v1')$$,
		'DELIVERED v1 / COMPLETED v1'),
	(25, 'PENDING_BIDS', $$SELECT vr_tick(); SELECT vr_timeout(vr_routing_id('pair-PENDING_BIDS'))$$, 'PENDING_BIDS / PENDING')
) AS t (n, state, statement, expected) ORDER BY n;

-- What the application does to the routing ---------------------------------------------------

-- Would catch: a vendor that keeps an order, its load or its offer after the application let go of it.
SELECT is(pg_temp.would(statement, format($$SELECT pg_temp.stand(%1$L) || ', '
		|| (SELECT count(*) FROM vendor_routing.responses WHERE routing_id = vr_routing_id(%1$L) AND response IS NULL
			AND (SELECT status FROM vendor_routing.routings WHERE order_id = %1$L) = 'PENDING') || ' open, '
		|| (SELECT count(*) FROM vr_cancellations WHERE order_id = %1$L AND reason = 'ORDER_CANCELLED') || ' told'
		|| (SELECT string_agg(', load ' || current_orders, '') FROM vendor_routing.vendors WHERE vendor_id = 'v1')$$, 'pair-' || state)),
	expected, statement)
FROM (VALUES
	(0, 'PENDING_BIDS', 'SELECT', 'PENDING_BIDS / PENDING, 3 open, 0 told, load 2'),
	(1, 'PENDING_BIDS', $$UPDATE regress_app.orders SET status = 'CANCELLED' WHERE id = 'pair-PENDING_BIDS'$$,
		'CANCELLED / CANCELLED, 0 open, 3 told, load 2'),
	(2, 'VENDOR_ACCEPTED', $$UPDATE regress_app.orders SET status = 'CANCELLED' WHERE id = 'pair-VENDOR_ACCEPTED'$$,
		'CANCELLED v1 / CANCELLED v1, 0 open, 1 told, load 1'),
	(3, 'PENDING_BIDS', $$UPDATE regress_app.orders SET status = 'FAILED' WHERE id = 'pair-PENDING_BIDS'$$,
		'FAILED / CANCELLED, 0 open, 3 told, load 2'),
	(4, 'FULFILLMENT_STARTED', $$UPDATE regress_app.orders SET status = 'FAILED' WHERE id = 'pair-FULFILLMENT_STARTED'$$,
		'FAILED v1 / COMPLETED v1, 0 open, 0 told, load 1'),
	(5, 'FULFILLMENT_STARTED', $$UPDATE regress_app.orders SET status = 'DELIVERED' WHERE id = 'pair-FULFILLMENT_STARTED'$$,
		'DELIVERED v1 / COMPLETED v1, 0 open, 0 told, load 1'),
	(6, 'PENDING_BIDS', $$DELETE FROM regress_app.orders WHERE id = 'pair-PENDING_BIDS'$$, 'gone / CANCELLED, 0 open, 3 told, load 2'),
	(7, 'VENDOR_ACCEPTED', $$DELETE FROM regress_app.orders WHERE id = 'pair-VENDOR_ACCEPTED'$$, 'gone / CANCELLED v1, 0 open, 1 told, load 1'),
	(8, 'DELIVERED', $$DELETE FROM regress_app.orders WHERE id = 'pair-DELIVERED'$$, 'gone / COMPLETED v1, 0 open, 0 told, load 2'),
	(9, 'PENDING_BIDS', 'TRUNCATE regress_app.orders', 'gone / CANCELLED, 0 open, 3 told, load 0'),
	(10, 'FULFILLMENT_STARTED', 'TRUNCATE regress_app.orders', 'gone / CANCELLED v1, 0 open, 1 told, load 0'),
	(11, 'DELIVERED', 'TRUNCATE regress_app.orders', 'gone / COMPLETED v1, 0 open, 0 told, load 0')
) AS t (n, state, statement, expected) ORDER BY n;
-- Would catch: an order that comes back under the id of one that is over.
SELECT is(pg_temp.would($$DELETE FROM regress_app.orders WHERE id = 'pair-PENDING_BIDS';
	INSERT INTO regress_app.orders (id, status) VALUES ('pair-PENDING_BIDS', 'CREDIT_RESERVED')$$, 'SELECT ''taken'''),
	'VR004', 'the id of an order that was offered is not used again');

-- Errors --------------------------------------------------------------------------------------

SELECT is(left(pg_temp.tries(statement), 5), expected, statement)
FROM (VALUES
	(1, $$SELECT vr_broadcast('nowhere', 'r')$$, 'VR003'), (2, $$SELECT vr_broadcast('pair-CREATED', NULL)$$, 'VR004'),
	(3, $$SELECT vr_broadcast('pair-VALIDATED', NULL)$$, 'VR004'),
	(4, $$SELECT vr_accept(vr_routing_id('pair-CREATED'), 'v1')$$, 'VR001'),
	(5, $$SELECT vr_cancel(vr_routing_id('pair-DELIVERED'))$$, 'VR004')
) AS t (n, statement, expected) ORDER BY n;
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('pair-CANCELLED'), 'v2')), 'CANCELLED', 'a cancelled order is not won');

-- The application's transaction --------------------------------------------------------------------

-- Would catch: half of a win that was rolled back.
SAVEPOINT application;
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v1')), 'LOCKED', 'a win');
UPDATE regress_app.orders SET note = 'paid' WHERE id = 'pair-PENDING_BIDS';
SAVEPOINT inner_one;
UPDATE regress_app.orders SET status = 'FULFILLMENT_STARTED' WHERE id = 'pair-PENDING_BIDS';
ROLLBACK TO inner_one;
SELECT is(pg_temp.stand('pair-PENDING_BIDS'), 'VENDOR_ACCEPTED v1 / LOCKED v1', 'the inner savepoint gives the status back');
ROLLBACK TO application;
SELECT is(pg_temp.stand('pair-PENDING_BIDS'), 'PENDING_BIDS / PENDING', 'the outer one the win');
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('pair-PENDING_BIDS'), 'v2')), 'LOCKED', 'and another can win');
SELECT is(pg_temp.stand('pair-PENDING_BIDS'), 'VENDOR_ACCEPTED v2 / LOCKED v2', 'on both sides');

-- Offered by itself ------------------------------------------------------------------------------------

SELECT is(pg_temp.tries(pg_temp.attach('{"auto_broadcast": true, "amount": "total"}')), '', 'attached, to be offered by itself');
INSERT INTO regress_app.orders (id, total, status) VALUES ('auto-1', 12.5, 'CREDIT_RESERVED'), ('auto-2', 1, 'VALIDATED'), ('auto-3', 1, 'CREATED');
UPDATE regress_app.orders SET status = 'CREDIT_RESERVED' WHERE id = 'auto-2';
SELECT is(pg_temp.stand(id), expected, id)
FROM (VALUES ('auto-1', 'PENDING_BIDS / PENDING'), ('auto-2', 'PENDING_BIDS / PENDING'), ('auto-3', 'CREATED / never offered')) AS t (id, expected);
SELECT is((SELECT ARRAY[retailer_id, amount::text] FROM vendor_routing.routings WHERE order_id = 'auto-1'), ARRAY['shop', '12.5'],
	'with what its row says');
INSERT INTO regress_app.orders (id, total, status) SELECT 'many-' || i, i, 'VALIDATED' FROM generate_series(1, 100) AS i;
UPDATE regress_app.orders SET status = 'CREDIT_RESERVED' WHERE id LIKE 'many-%';
SELECT is((SELECT count(*) FROM regress_app.orders AS o JOIN vendor_routing.routings AS t ON t.order_id = o.id
		WHERE o.id LIKE 'many-%' AND o.status = 'PENDING_BIDS' AND t.status = 'PENDING' AND t.amount = o.total),
	100::bigint, 'a hundred in one UPDATE');
UPDATE regress_app.orders SET status = 'CANCELLED' WHERE id LIKE 'many-%';
SELECT is((SELECT count(*) FROM vendor_routing.routings WHERE order_id LIKE 'many-%' AND status = 'CANCELLED'),
	100::bigint, 'and cancelled in one');
SET LOCAL client_min_messages = error;
UPDATE vendor_routing.vendors SET is_active = false;
INSERT INTO regress_app.orders (id, status) VALUES ('nobody', 'CREDIT_RESERVED');
UPDATE vendor_routing.vendors SET is_active = true;
SET LOCAL client_min_messages = warning;
SELECT is(pg_temp.stand('nobody'), 'CREDIT_RESERVED / never offered', 'nobody is eligible: the order stays');
SELECT is(pg_temp.would($$SELECT vr_broadcast('nobody', NULL)$$, $$SELECT pg_temp.stand('nobody')$$), 'PENDING_BIDS / PENDING',
	'and can be offered later');

-- Would catch: a trigger of the application's that takes an order further, and the
-- change before it that is judged afterwards, as if it were the last.
CREATE FUNCTION regress_app.go_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.status = 'VALIDATED' THEN
		UPDATE regress_app.orders SET status = 'CREDIT_RESERVED' WHERE id = NEW.id;
	ELSIF NEW.status = 'CREDIT_RESERVED' AND NEW.note = 'no credit' THEN
		UPDATE regress_app.orders SET status = 'FAILED' WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER app_go_on AFTER UPDATE ON regress_app.orders FOR EACH ROW EXECUTE FUNCTION regress_app.go_on();
SELECT is(pg_temp.would($$UPDATE regress_app.orders SET status = 'VALIDATED' WHERE id = 'auto-3'$$, $$SELECT pg_temp.stand('auto-3')$$),
	'PENDING_BIDS / PENDING', 'a trigger takes the order on');
SELECT is(pg_temp.would($$UPDATE regress_app.orders SET status = 'VALIDATED', note = 'no credit' WHERE id = 'auto-3'$$,
	$$SELECT pg_temp.stand('auto-3')$$), 'FAILED / never offered', 'an order that a trigger has ended is not offered');
DROP TRIGGER app_go_on ON regress_app.orders;

-- Would catch: a change of the application's that nobody hears of, because a trigger of its own has touched the row since.
CREATE FUNCTION regress_app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE regress_app.orders SET note = 'touched' WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END $$;
SELECT is(pg_temp.would(format('CREATE TRIGGER %s AFTER INSERT OR UPDATE ON regress_app.orders FOR EACH ROW EXECUTE FUNCTION regress_app.touch(); %s', name, statement),
	$$SELECT pg_temp.stand('auto-1')$$), expected, format('a trigger touches the row (%s): %s', name, statement))
FROM unnest('{before_ours,zz_after_ours}'::text[]) AS name, (VALUES
	($$UPDATE regress_app.orders SET status = 'CANCELLED' WHERE id = 'auto-1'$$, 'CANCELLED / CANCELLED'),
	($$UPDATE regress_app.orders SET status = 'VENDOR_ACCEPTED' WHERE id = 'auto-1'$$, 'VR004'),
	($$UPDATE regress_app.orders SET winner = 'v2' WHERE id = 'auto-1'$$, 'VR004'),
	($$SELECT vr_accept(vr_routing_id('auto-1'), 'v1')$$, 'VENDOR_ACCEPTED v1 / LOCKED v1'),
	($$SELECT vr_accept(vr_routing_id('auto-1'), 'v1'); UPDATE regress_app.orders SET status = 'FAILED' WHERE id = 'auto-1'$$, 'FAILED v1 / COMPLETED v1')
) AS t (statement, expected);
SELECT is(pg_temp.would($$CREATE TRIGGER before_ours AFTER INSERT ON regress_app.orders FOR EACH ROW EXECUTE FUNCTION regress_app.touch();
	INSERT INTO regress_app.orders (id, status) VALUES ('auto-9', 'CREDIT_RESERVED')$$, $$SELECT pg_temp.stand('auto-9')$$),
	'PENDING_BIDS / PENDING', 'a trigger touches a new row: it is offered all the same');

-- Would catch: a verb that fails because a trigger has taken the order further than it did.
CREATE FUNCTION regress_app.give_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE regress_app.orders SET status = 'CANCELLED' WHERE id = NEW.id;
	RETURN NULL;
END $$;
SELECT is(pg_temp.would(format($s$SELECT vr_accept(vr_routing_id('auto-1'), 'v1'); CREATE TRIGGER %s AFTER UPDATE ON regress_app.orders FOR EACH ROW
	WHEN (OLD.status = 'VENDOR_ACCEPTED' AND NEW.status = 'PENDING_BIDS') EXECUTE FUNCTION regress_app.give_up();
	SELECT vr_release(vr_routing_id('auto-1'), 'v1')$s$, name), $$SELECT pg_temp.stand('auto-1')$$), 'CANCELLED / CANCELLED', 'a trigger gives up what comes back: ' || name)
FROM unnest('{before_ours,zz_after_ours}'::text[]) AS name;
CREATE FUNCTION regress_app.complete() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	PERFORM vr_complete(NEW.routing_id);
	RETURN NULL;
END $$;
SELECT is(pg_temp.would($$CREATE TRIGGER complete AFTER INSERT ON vendor_routing.events FOR EACH ROW WHEN (NEW.event_type = 'VENDOR_ACCEPTED') EXECUTE FUNCTION regress_app.complete();
	SELECT vr_accept(vr_routing_id('auto-1'), 'v1')$$, $$SELECT pg_temp.stand('auto-1')$$), 'DELIVERED v1 / COMPLETED v1', 'a trigger of the DBA''s completes what is won');

-- Would catch: an order that is withdrawn because its row was deleted, though a trigger has put it back.
CREATE FUNCTION regress_app.put_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO regress_app.orders SELECT OLD.*;
	RETURN NULL;
END $$;
SELECT is(pg_temp.would(format('CREATE TRIGGER %s AFTER DELETE ON regress_app.orders FOR EACH ROW EXECUTE FUNCTION regress_app.put_back();
	DELETE FROM regress_app.orders WHERE id = ''auto-1''', name), $$SELECT pg_temp.stand('auto-1')$$), expected, 'put back by a trigger: ' || name)
FROM (VALUES ('before_ours', 'PENDING_BIDS / PENDING'), ('zz_after_ours', 'VR004')) AS t (name, expected);

-- Would catch: a win that the row does not show, and nobody notices.
CREATE FUNCTION regress_app.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.status := OLD.status;
	RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE UPDATE ON regress_app.orders FOR EACH ROW EXECUTE FUNCTION regress_app.keep();
SELECT isnt(pg_temp.would($$SELECT vr_accept(vr_routing_id('auto-1'), 'v1')$$, $$SELECT pg_temp.stand('auto-1')$$),
	'PENDING_BIDS v1 / LOCKED v1', 'a trigger cannot take back the status alone');
SELECT isnt(pg_temp.would($$SELECT vr_attach_orders('regress_app.orders', '{"order_id": "id", "retailer_id": "shop", "status": "status"}');
	SELECT vr_accept(vr_routing_id('auto-1'), 'v1')$$, $$SELECT pg_temp.stand('auto-1')$$),
	'PENDING_BIDS / LOCKED v1', 'nor where no winner is mapped');
DROP TRIGGER keep ON regress_app.orders;
CREATE TABLE regress_app.elsewhere (n int);
INSERT INTO regress_app.elsewhere VALUES (1);
CREATE RULE elsewhere AS ON UPDATE TO regress_app.orders DO INSTEAD UPDATE regress_app.elsewhere SET n = n + 1;
SELECT isnt(pg_temp.would($$SELECT vr_accept(vr_routing_id('auto-1'), 'v1')$$, $$SELECT pg_temp.stand('auto-1')$$),
	'PENDING_BIDS / LOCKED v1', 'nor can a rule write elsewhere');
DROP RULE elsewhere ON regress_app.orders;

-- One order, one routing ---------------------------------------------------------------------------------

-- Would catch: two winners of one order, under two spellings of its id.
CREATE COLLATION regress_app.any_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE FUNCTION pg_temp.spelled(key_type text, key text, other text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE regress_app.spelled (id %s PRIMARY KEY, shop text, status text, winner text)', key_type);
	EXECUTE pg_temp.attach('{"auto_broadcast": true}', 'regress_app.spelled');
	EXECUTE format('INSERT INTO regress_app.spelled VALUES (%L, ''r'', ''CREDIT_RESERVED'')', key);
	PERFORM vr_broadcast(other, NULL);
	RAISE EXCEPTION 'offered twice' USING ERRCODE = 'UNDO0';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SELECT is(pg_temp.spelled(key_type, key, other), 'VR003', format('%s: %s is not %s', key_type, left(other, 40), left(key, 40)))
FROM (VALUES ('bigint', '1', '01'), ('bigint', '1', ' +1'), ('numeric', '1', '1.0'),
	('uuid', '019a0000-0000-7000-8000-00000000abcd', '{019A0000-0000-7000-8000-00000000ABCD}'),
	('text COLLATE regress_app.any_case', 'a', 'A'), ('name', repeat('x', 63), repeat('x', 70))) AS t (key_type, key, other);

-- Partitions ----------------------------------------------------------------------------------------------

-- Would catch: a row that is looked for in one partition only, an id that changes
-- because the change is a DELETE and an INSERT.
CREATE TABLE regress_app.parted (winner text, id bigint PRIMARY KEY, shop text, status text) PARTITION BY HASH (id);
CREATE TABLE regress_app.parted_0 PARTITION OF regress_app.parted FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE regress_app.parted_1 (status text, gone int, shop text, id bigint NOT NULL, winner text);
ALTER TABLE regress_app.parted_1 DROP COLUMN gone;
ALTER TABLE regress_app.parted ATTACH PARTITION regress_app.parted_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE regress_app.parted_2 PARTITION OF regress_app.parted FOR VALUES WITH (MODULUS 3, REMAINDER 2);
SELECT is(pg_temp.tries(pg_temp.attach('{"auto_broadcast": true}', 'regress_app.parted')), '', 'a partitioned table');
INSERT INTO regress_app.parted (id, shop, status) SELECT i, 'r', 'CREDIT_RESERVED' FROM generate_series(1, 30) AS i;
SELECT is((SELECT count(DISTINCT tableoid) || ' ' || count(*) FILTER (WHERE status = 'PENDING_BIDS') FROM regress_app.parted), '3 30',
	'offered in each partition');
SELECT count(*) FROM generate_series(1, 30) AS i, vr_accept(vr_routing_id(i::text), 'v' || i % 3 + 1) \g /dev/null
SELECT is((SELECT count(*) FROM regress_app.parted WHERE status = 'VENDOR_ACCEPTED' AND winner = 'v' || id % 3 + 1), 30::bigint,
	'won in each partition');
UPDATE regress_app.parted SET status = 'FULFILLMENT_STARTED';
SELECT is((SELECT string_agg(DISTINCT pg_temp.would(format('UPDATE regress_app.parted SET id = id + 1000 WHERE id = %s', id),
		'SELECT ''changed'''), ' ') FROM regress_app.parted), 'VR004', 'no order gets another id, nor another partition');
UPDATE regress_app.parted SET status = 'DELIVERED' WHERE id <= 10;
UPDATE regress_app.parted_1 SET status = 'CANCELLED' WHERE id > 10;
DELETE FROM regress_app.parted WHERE id > 20 AND tableoid = 'regress_app.parted_2'::regclass;
SELECT is_empty($$SELECT t.order_id, t.status, o.status FROM vendor_routing.routings AS t
	LEFT JOIN regress_app.parted AS o ON o.id::text = t.order_id WHERE t.order_id ~ '^\d+$' AND t.status <>
	CASE coalesce(o.status, 'CANCELLED') WHEN 'DELIVERED' THEN 'COMPLETED' WHEN 'CANCELLED' THEN 'CANCELLED' ELSE 'LOCKED' END$$,
	'delivered, cancelled and deleted in each partition');
UPDATE regress_app.parted SET status = 'DELIVERED' WHERE status = 'FULFILLMENT_STARTED';

-- Would catch: an order that nobody can withdraw, since its row is gone and no trigger said so.
INSERT INTO regress_app.parted (id, shop, status) VALUES (31, 'r', 'CREDIT_RESERVED');
SELECT format('TRUNCATE %s', tableoid::regclass) FROM regress_app.parted WHERE id = 31 \gexec
SELECT is(pg_temp.tries($$SELECT vr_accept(vr_routing_id('31'), 'v1')$$), 'VR003: order "31" does not exist', 'nobody wins what is gone');
SELECT is(pg_temp.tries($$SELECT cancelled FROM vr_cancel(vr_routing_id('31'))$$), 'true', 'but it can be withdrawn');

-- Whose rights -----------------------------------------------------------------------------------------------

-- What ran as whom.
CREATE TABLE regress_app.audit (what text, who name DEFAULT current_user);
GRANT INSERT, SELECT ON regress_app.audit TO PUBLIC;
GRANT EXECUTE ON FUNCTION vr_broadcast, vr_accept, vr_routing_id TO regress_vr_owner, regress_vr_clerk;
CREATE FUNCTION pg_temp.audited()
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT string_agg(DISTINCT what || ' as ' || who, ', ') INTO result FROM regress_app.audit;
	DELETE FROM regress_app.audit;
	RETURN result;
END $$;

-- Would catch: a trigger of the application's that does not find its names, or has
-- the rights of a vendor, or of ours.
CREATE FUNCTION regress_app.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES ('status ' || NEW.status);
	RETURN NEW;
END $$;
ALTER FUNCTION regress_app.note OWNER TO regress_vr_owner;
INSERT INTO regress_app.theirs (id, status) VALUES ('theirs-1', 'CREDIT_RESERVED'), ('theirs-2', 'CREDIT_RESERVED');
CREATE TRIGGER note BEFORE UPDATE ON regress_app.theirs FOR EACH ROW EXECUTE FUNCTION regress_app.note();
SELECT is(pg_temp.tries(pg_temp.attach(relation => 'regress_app.theirs'), path => 'regress_app, public'), '', 'a table of an ordinary role');
SELECT is(pg_temp.tries($$SELECT created FROM public.vr_broadcast('theirs-1', NULL)$$, 'regress_vr_clerk', 'pg_catalog'), 'true',
	'a clerk without a right on it offers an order');
SELECT is(pg_temp.audited(), 'status PENDING_BIDS as regress_vr_owner', 'a trigger runs as the owner of the table, and finds its names');

-- Would catch: a caller whose search_path puts code of its own into that trigger.
CREATE SCHEMA regress_trap AUTHORIZATION regress_vr_clerk;
GRANT USAGE ON SCHEMA regress_trap TO PUBLIC;
CREATE FUNCTION regress_trap.upper(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO regress_app.audit VALUES ('a function of the clerk''s');
	RETURN $1;
END $$;
CREATE FUNCTION regress_app.shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.note := upper('won');
	RETURN NEW;
END $$;
DROP TRIGGER note ON regress_app.theirs;
CREATE TRIGGER shout BEFORE UPDATE ON regress_app.theirs FOR EACH ROW EXECUTE FUNCTION regress_app.shout();
SELECT is(pg_temp.tries($$SELECT reason FROM public.vr_accept(public.vr_routing_id('theirs-1'), 'v1')$$,
	'regress_vr_clerk', 'regress_trap, pg_catalog'), 'LOCKED', 'a clerk with a trap in its search_path');
SELECT is(pg_temp.audited(), NULL, 'does not get code of its own run as the owner');
DROP TRIGGER shout ON regress_app.theirs;

-- Would catch: code of the owner's that runs as whoever calls, or with our rights:
-- checks of a domain inside another type, predicates of indexes, and triggers that
-- are put off until the rights have changed back.
SELECT is(pg_temp.tries($$SELECT created FROM vr_broadcast('theirs-2', NULL)$$), 'true', 'an order that is due soon');
CREATE FUNCTION regress_app.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO regress_app.audit VALUES ('a deferred trigger');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON regress_app.theirs DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION regress_app.later();
SELECT pg_temp.let_expire('theirs-2') \g /dev/null
SET LOCAL client_min_messages = error;
SELECT count(*) FROM vr_tick() \g /dev/null
SET LOCAL client_min_messages = warning;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT isnt(pg_temp.audited(), 'a deferred trigger as ' || current_user, 'a deferred trigger of the owner''s does not run as the caller of vr_tick');
DROP TRIGGER later ON regress_app.theirs;

-- Would catch: what the owner's trigger leaves in the session of a superuser who calls: a
-- cursor that is read at COMMIT, a setting, a temporary object.
CREATE FUNCTION regress_app.linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE TG_ARGV[0];
	RETURN NULL;
END $$;
CREATE FUNCTION pg_temp.lingers(command text, who name DEFAULT current_user)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	before text := current_setting('search_path');
BEGIN
	EXECUTE format('CREATE TRIGGER linger AFTER UPDATE ON regress_app.theirs FOR EACH ROW EXECUTE FUNCTION regress_app.linger(%L)', command);
	INSERT INTO regress_app.theirs (id, status) VALUES ('linger', 'CREDIT_RESERVED');
	result := pg_temp.tries($s$SELECT created FROM vr_broadcast('linger', NULL)$s$, who);
	IF current_setting('search_path') <> before THEN
		result := result || ', and search_path is ' || current_setting('search_path');
	END IF;
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT is(left(pg_temp.lingers(command), 6), expected, 'the owner''s trigger: ' || command)
FROM (VALUES
	('SELECT 1', 'true'),
	('DECLARE c CURSOR WITH HOLD FOR SELECT 1', '42501:'),
	('CREATE TEMP VIEW lingers AS SELECT 1', '42501:'),
	('CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_catalog.length(VALUE) >= 0)', '42501:'),
	('CREATE TYPE pg_temp.uuid AS ENUM (''a'')', '42501:'),
	('CREATE TYPE pg_temp.pair AS (a int)', '42501:'),
	('CREATE FUNCTION pg_temp.harmless() RETURNS int LANGUAGE sql AS ''SELECT 1''', 'true'),
	('SET SESSION AUTHORIZATION DEFAULT', '42501:'),
	('SELECT set_config(''search_path'', ''regress_trap'', false)', 'true')
) AS t (command, expected);
SELECT is(left(pg_temp.lingers('DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'regress_vr_clerk'), 6), '42501:',
	'nor if the superuser has set a role: it commits all the same');

-- Would catch: code of the owner's that is run as the superuser who has set another session.
CREATE FUNCTION pg_temp.lingers_in_session(who name)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CREATE TRIGGER linger AFTER UPDATE ON regress_app.theirs FOR EACH ROW
		EXECUTE FUNCTION regress_app.linger('DECLARE c CURSOR WITH HOLD FOR SELECT 1');
	INSERT INTO regress_app.theirs (id, status) VALUES ('linger', 'CREDIT_RESERVED');
	PERFORM set_config('session_authorization', who, true);
	PERFORM vr_broadcast('linger', NULL);
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SELECT is(pg_temp.lingers_in_session('regress_vr_clerk'), '42501', 'nor if it has set a session: it commits all the same');

CREATE FUNCTION regress_app.ok(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM regress_app.ok_writes();
	RETURN true;
END $$;
CREATE FUNCTION regress_app.ok_writes() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO regress_app.audit VALUES ('ok()');
END $$;
CREATE DOMAIN regress_app.checked AS text CHECK (regress_app.ok(VALUE));
-- Attached by its owner; offered by a clerk.
CREATE FUNCTION pg_temp.sneak(columns text, difference jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE regress_app.sneaky (%s)', columns);
	EXECUTE 'ALTER TABLE regress_app.sneaky OWNER TO regress_vr_owner';
	INSERT INTO regress_app.sneaky (id, status) VALUES ('{a}', 'CREDIT_RESERVED');
	result := pg_temp.tries(pg_temp.attach(difference, 'regress_app.sneaky'), 'regress_vr_owner');
	IF result <> '' THEN
		RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
	END IF;
	-- an entry of the cache of relations does not keep its predicate
	EXECUTE 'ALTER TABLE regress_app.sneaky ADD COLUMN more int';
	DELETE FROM regress_app.audit;
	result := pg_temp.tries($s$SELECT created FROM vr_broadcast('{a}', NULL)$s$, 'regress_vr_clerk');
	result := result || coalesce(' ' || (SELECT string_agg(DISTINCT what || ' as ' || who, ', ') FROM regress_app.audit
		WHERE who <> 'regress_vr_owner'), '');
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT is(left(pg_temp.sneak(columns, difference::jsonb), 5), expected, what)
FROM (VALUES
	('id regress_app.checked PRIMARY KEY, shop text DEFAULT ''r'', status text, winner text', '{}', 'true', 'a key that is of a domain'),
	('id regress_app.checked[] PRIMARY KEY, shop text DEFAULT ''r'', status text, winner text', '{}', '0A000', 'a key that is an array of a domain'),
	('id text PRIMARY KEY, shop text DEFAULT ''r'', status text, winner text, x regress_app.checked[]',
		'{"product": {"column": "x", "equals": "{y}"}}', '0A000', 'a constant that is compared with an array of a domain'),
	('id text, shop text DEFAULT ''r'', status text, winner text, UNIQUE (id), EXCLUDE (id WITH =) WHERE (regress_app.ok(''x''))', '{}',
		'true', 'the predicate of a constraint'),
	('id text PRIMARY KEY, shop text DEFAULT ''r'', status regress_app.checked, winner regress_app.checked', '{}',
		'true', 'a status and a winner that are of a domain')
) AS t (columns, difference, expected, what);
-- A partial index comes before the primary key.
CREATE FUNCTION pg_temp.sneak_index()
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	CREATE TABLE regress_app.sneaky (id text, shop text DEFAULT 'r', status text, winner text);
	CREATE UNIQUE INDEX ON regress_app.sneaky (id) WHERE regress_app.ok('x');
	ALTER TABLE regress_app.sneaky ADD PRIMARY KEY (id);
	ALTER TABLE regress_app.sneaky OWNER TO regress_vr_owner;
	INSERT INTO regress_app.sneaky (id, status) VALUES ('a', 'CREDIT_RESERVED');
	PERFORM pg_temp.tries(pg_temp.attach(relation => 'regress_app.sneaky'), 'regress_vr_owner');
	ALTER TABLE regress_app.sneaky ADD COLUMN more int;
	ALTER INDEX regress_app.sneaky_id_idx SET (fillfactor = 90);
	DELETE FROM regress_app.audit;
	result := pg_temp.tries($s$SELECT created FROM vr_broadcast('a', NULL)$s$, 'regress_vr_clerk');
	result := result || coalesce(' ' || (SELECT string_agg(DISTINCT what || ' as ' || who, ', ') FROM regress_app.audit
		WHERE who <> 'regress_vr_owner'), '');
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION
	WHEN SQLSTATE 'UNDO0' THEN RETURN result;
	WHEN OTHERS THEN RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT is(pg_temp.sneak_index(), 'true', 'the predicate of an index');

-- Detached -----------------------------------------------------------------------------------------------------

-- Would catch: a trigger or an edge that stays, a routing that goes.
SELECT is(pg_temp.tries(pg_temp.attach('{"auto_broadcast": true}')), '', 'the first table again');
INSERT INTO regress_app.orders (id, status) VALUES ('last-1', 'CREDIT_RESERVED');
-- A table that inherits from it later on has ids of its own.
CREATE TABLE regress_app.archive () INHERITS (regress_app.orders);
INSERT INTO regress_app.orders (id, status) VALUES ('kin', 'CREDIT_RESERVED');
INSERT INTO regress_app.archive (id, status) VALUES ('kin-old', 'CREDIT_RESERVED');
SELECT is(left(pg_temp.tries($$SELECT created FROM vr_broadcast('kin-old', NULL)$$), 5), 'VR003', 'what is in a table that inherits is not attached');
SELECT is(pg_temp.tries($$DELETE FROM regress_app.orders WHERE id = 'kin'$$), 'OK', 'and is in nobody''s way');
SELECT is(pg_temp.stand('kin'), 'gone / CANCELLED', 'also not where an order goes');
DROP TABLE regress_app.archive;
SELECT is(vr_detach_orders(), true, 'detached');
SELECT is((SELECT count(*) FROM vr_attachments) + (SELECT count(*) FROM vendor_routing.order_edges)
	+ (SELECT count(*) FROM pg_trigger WHERE tgfoid = 'vendor_routing.sync_orders'::regproc), 0::bigint, 'nothing of it is left');
INSERT INTO regress_app.orders (id, status) VALUES ('last-2', 'CREDIT_RESERVED');
SELECT is(pg_temp.stand('last-2'), 'CREDIT_RESERVED / never offered', 'a new order is not offered');
SELECT is((SELECT reason FROM vr_accept(vr_routing_id('last-1'), 'v1')), 'LOCKED', 'one that was offered can be won');
SELECT is(pg_temp.stand('last-1'), 'PENDING_BIDS / LOCKED v1', 'and its row is let alone');
UPDATE regress_app.orders SET status = 'anything' WHERE id = 'last-1';
DELETE FROM regress_app.orders WHERE id LIKE 'auto%';
SELECT is(pg_temp.stand('auto-1'), 'gone / PENDING', 'a row that is deleted leaves the routing alone');

-- Would catch: an id that is spelled in one way in one session, and otherwise in another.
CREATE TABLE regress_app.timely (id timestamptz PRIMARY KEY, shop text DEFAULT 'r', status text, winner text);
SET LOCAL timezone = 'UTC';
SELECT is(pg_temp.tries(pg_temp.attach('{"auto_broadcast": true}', 'regress_app.timely')), '', 'a table with a time for its key');
INSERT INTO regress_app.timely (id, status) VALUES ('2026-01-01 12:00:00+00', 'CREDIT_RESERVED');
SET LOCAL timezone = 'Europe/Berlin';
DELETE FROM regress_app.timely;
SELECT is(pg_temp.stand('2026-01-01 12:00:00+00'), 'gone / CANCELLED', 'in another zone it is the same order');
SELECT vr_detach_orders();

-- Would catch: a setting of ours that the application's triggers see.
CREATE TABLE regress_app.clocks (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text, zone text);
CREATE FUNCTION regress_app.zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.zone := current_setting('timezone');
	RETURN NEW;
END $$;
CREATE TRIGGER zone BEFORE UPDATE ON regress_app.clocks FOR EACH ROW EXECUTE FUNCTION regress_app.zone();
SET LOCAL timezone = 'Asia/Tokyo';
SELECT FROM vr_attach_orders('regress_app.clocks', '{"order_id": "id", "retailer_id": "shop", "status": "status", "locked_vendor_id": "winner", "auto_broadcast": true}');
INSERT INTO regress_app.clocks (id, status) VALUES ('clock', 'CREDIT_RESERVED');
SELECT is(status || ' ' || zone, 'PENDING_BIDS Asia/Tokyo', 'triggers have the time zone of the session') FROM regress_app.clocks;
SELECT vr_detach_orders();
SET LOCAL timezone = 'Europe/Berlin';

-- Would catch: a value that is spelled as the session has it, and so is another order there.
CREATE FUNCTION pg_temp.spelled_by(key_type text, key text, setting text, value text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE regress_app.by_setting (id %s PRIMARY KEY, shop text DEFAULT ''r'', status text, winner text)', key_type);
	EXECUTE pg_temp.attach('{"auto_broadcast": true}', 'regress_app.by_setting');
	EXECUTE format('INSERT INTO regress_app.by_setting (id, status) VALUES (%L, ''CREDIT_RESERVED'')', key);
	PERFORM set_config(setting, value, true);
	DELETE FROM regress_app.by_setting;
	RAISE EXCEPTION '%', (SELECT status FROM vendor_routing.routings ORDER BY created_at DESC LIMIT 1) USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	RETURN sqlerrm;
END $$;
SELECT is(pg_temp.spelled_by(key_type, key, setting, value), 'CANCELLED', format('%s %s is the same order with %s', key_type, key, setting))
FROM (VALUES ('interval', '1 day 02:03:04', 'intervalstyle', 'iso_8601'), ('bytea', '\x00ff41', 'bytea_output', 'escape'),
	('date', '2026-01-02', 'datestyle', 'German'), ('float8', '0.1', 'extra_float_digits', '-5')) AS t (key_type, key, setting, value);

-- Would catch: a table that cannot be attached because of one that is gone.
CREATE TABLE regress_app.kid () INHERITS (regress_app.orders);
DROP TABLE regress_app.kid;
SELECT is(pg_temp.tries(pg_temp.attach()), '', 'a table that had a child once');
SELECT is(pg_temp.tries(pg_temp.attach()), '', 'attached again');
SELECT vr_detach_orders() \g /dev/null

-- Would catch: an order that says nothing of itself, or something that cannot be.
CREATE TABLE regress_app.loose (id text UNIQUE, shop text, status text, winner text, lat text, lon text, extra text);
INSERT INTO regress_app.loose VALUES ('before', 'r', NULL);
SELECT is(pg_temp.tries(pg_temp.attach('{"latitude": "lat", "longitude": "lon", "payload": "extra"}', 'regress_app.loose')), '', 'a table in which all may be missing');
SELECT is(pg_temp.tries(statement), expected, 'a row from before, without a status: ' || statement)
FROM (VALUES ('UPDATE regress_app.loose SET shop = ''s'' WHERE id = ''before''', 'OK'), ('UPDATE regress_app.loose SET status = ''CREATED'' WHERE id = ''before''', 'OK')) AS t (statement, expected);
SELECT is(left(pg_temp.tries(format('INSERT INTO regress_app.loose VALUES (%s)', values)), length(expected)), expected, 'refused: ' || values)
FROM (VALUES ('NULL, ''r'', ''CREATED''', '22004: the id of an attached order must not be null'), ('''x'', ''r'', NULL', 'VR004:')) AS t (values, expected);
INSERT INTO regress_app.loose (id, shop, status, lat, lon, extra) VALUES ('loose-1', NULL, 'CREDIT_RESERVED', NULL, NULL, NULL),
	('loose-2', 'r', 'CREDIT_RESERVED', '91', '0', NULL), ('loose-3', 'r', 'CREDIT_RESERVED', 'north', '0', NULL),
	('loose-4', 'r', 'CREDIT_RESERVED', NULL, NULL, '[1]'), ('loose-5', 'r', 'CREDIT_RESERVED', '52.5', '13.25', '{"fragile": true}'),
	('loose-6', 'r', 'CREDIT_RESERVED', '52.5', NULL, NULL), ('loose-7', 'r', 'CREDIT_RESERVED', NULL, NULL, '{"secret": 1'),
	('loose-8', 'r', 'CREDIT_RESERVED', '1', '1e999', NULL), ('loose-9', 'r', 'CREDIT_RESERVED', NULL, NULL, repeat('[', 100000));
SELECT is(left(pg_temp.tries(format('SELECT vr_broadcast(%L, NULL)', id)), length(expected)), expected, 'cannot be offered: ' || expected)
FROM (VALUES ('loose-1', '22004: retailer_id must not be null'), ('loose-2', '22023: latitude'), ('loose-3', '22P02: latitude of an attached order is not valid'),
	('loose-4', '22023: payload must be'), ('loose-7', '22P02: payload of an attached order is not valid'), ('loose-8', '22003: longitude of an attached order is not valid'),
	('loose-9', '54001: stack depth limit exceeded')) AS t (id, expected);
-- Would catch: what the row says, in an error for who may offer it and not read it.
CREATE FUNCTION pg_temp.all_of_error(statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
	context text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', sqlerrm, detail, hint, context);
END $$;
SELECT unalike(pg_temp.all_of_error(format('SELECT vr_broadcast(%L, NULL)', id)), '%' || value || '%', id || ' does not tell ' || value)
FROM (VALUES ('loose-2', '91'), ('loose-3', 'north'), ('loose-4', '[1]'), ('loose-7', 'secret'), ('loose-8', '1e999')) AS t (id, value);
SELECT vr_broadcast(id, NULL) FROM (VALUES ('loose-5'), ('loose-6')) AS t (id) \g /dev/null
SELECT results_eq($$SELECT latitude, longitude, payload FROM vendor_routing.routings WHERE order_id LIKE 'loose-%' ORDER BY order_id$$,
	$$VALUES (52.5::float8, 13.25::float8, '{"fragile": true}'::jsonb), (NULL, NULL, NULL)$$, 'the place and the payload come from the row');
SELECT is(left(pg_temp.tries($$UPDATE regress_app.loose SET status = NULL WHERE id = 'loose-5'$$), 6), 'VR004:', 'a status is not taken away');

-- Would catch: a win that is written to a row that a trigger has put aside, or to none.
CREATE TRIGGER aside BEFORE UPDATE ON regress_app.loose FOR EACH ROW EXECUTE FUNCTION regress_app.later();
SELECT is(pg_temp.tries($$SELECT vr_accept(vr_routing_id('loose-5'), 'v1')$$), '09000: the attached row of an order could not be written',
	'a trigger that keeps the row as it is');
DROP TRIGGER aside ON regress_app.loose;
CREATE FUNCTION regress_app.remove() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM regress_app.loose WHERE id = NEW.id;
	RETURN NULL;
END $$;
CREATE TRIGGER remove AFTER UPDATE ON regress_app.loose FOR EACH ROW EXECUTE FUNCTION regress_app.remove();
SELECT is(pg_temp.would($$SELECT vr_accept(vr_routing_id('loose-5'), 'v1')$$, $$SELECT status || ' ' || locked_vendor_id FROM vendor_routing.routings WHERE order_id = 'loose-5'$$),
	'CANCELLED v1', 'a trigger that removes the row when it is won: the order is withdrawn');
DROP TRIGGER remove ON regress_app.loose;
ALTER TABLE regress_app.loose DISABLE TRIGGER USER;
DELETE FROM regress_app.loose WHERE id = 'loose-5';
ALTER TABLE regress_app.loose ENABLE TRIGGER USER;
SELECT is(left(pg_temp.tries($$SELECT vr_accept(vr_routing_id('loose-5'), 'v1')$$), 6), 'VR003:', 'a row that went unseen: nobody wins the order');
ALTER TABLE regress_app.loose DROP CONSTRAINT loose_id_key;
SELECT is(pg_temp.tries($$SELECT vr_accept(vr_routing_id('loose-6'), 'v1')$$), '42704: relation "loose" no longer has a unique index on its order_id',
	'without its unique index');
SELECT vr_detach_orders();
SELECT vr_cancel(vr_routing_id(id)) FROM (VALUES ('loose-5'), ('loose-6')) AS t (id) \g /dev/null

-- Would catch: a winner that the row has otherwise than the routing, so that nobody can win.
CREATE TABLE regress_app.padded (id text PRIMARY KEY, shop text, status text, winner char(10));
SELECT is(left(pg_temp.tries(pg_temp.attach('{}', 'regress_app.padded')), 6), '22023:', 'a column that pads the winner');

-- Would catch: an argument that is not of the type of the column, and is an error of that type.
CREATE TABLE regress_app.by_role (id regrole PRIMARY KEY, shop text, status text, winner text);
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.by_role')), '', 'a table with a role for its key');
SELECT is(left(pg_temp.tries($$SELECT vr_broadcast('regress_vr_nobody_at_all', NULL)$$), 6), 'VR003:', 'a role that does not exist is an order that does not');
CREATE TABLE regress_app.by_class (id regclass PRIMARY KEY, shop text, status text, winner text);
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.by_class')), '', 'a table with a table for its key');
SELECT is(left(pg_temp.tries($$SELECT vr_broadcast('regress_app.nothing', NULL)$$), 6), '42P01:', 'another error of the type is not hidden');
SELECT vr_detach_orders();

-- Would catch: a row that says other than the routing that was there before it.
SELECT vr_broadcast(id, 'r') FROM (VALUES ('early-1'), ('early-2')) AS t (id) \g /dev/null
SELECT vr_accept(vr_routing_id('early-2'), 'v1') \g /dev/null
SELECT vr_complete(vr_routing_id('early-2'), 'DELIVERED') \g /dev/null
CREATE TABLE regress_app.wordless (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text);
SELECT is(pg_temp.tries(pg_temp.attach('{"states": {"VENDOR_ACCEPTED": null, "FAILED": null}}', 'regress_app.wordless')), '', 'a table that has no words for some states');
SELECT is(pg_temp.tries(format('INSERT INTO regress_app.wordless (id, status, winner) VALUES (%L, %L, %L)', id, status, winner)), expected, format('%s: %s', id, expected))
FROM (VALUES ('early-1', 'FULFILLMENT_STARTED', NULL, 'VR004: order "early-1" cannot become FULFILLMENT_STARTED'),
	('early-2', 'CANCELLED', NULL, 'VR004: the vendor of order "early-2" cannot be changed here'),
	('early-2', 'CANCELLED', 'v1', 'VR004: order "early-2" cannot become CANCELLED')) AS t (id, status, winner, expected);
INSERT INTO regress_app.wordless (id, status) VALUES ('wordless', 'CREDIT_RESERVED');
SELECT vr_broadcast('wordless', NULL), vr_accept(vr_routing_id('wordless'), 'v1') \g /dev/null
SELECT is((SELECT status || ' ' || winner FROM regress_app.wordless), 'PENDING_BIDS v1', 'where there is no word for what it is, the status stays');
SELECT is(pg_temp.tries($$UPDATE regress_app.wordless SET status = 'FULFILLMENT_STARTED' WHERE id = 'wordless'$$), 'OK', 'and the application may say what it likes');
SELECT vr_detach_orders();
SELECT vr_cancel(vr_routing_id('early-1')), vr_cancel(vr_routing_id('wordless')) \g /dev/null

-- Would catch: a row that stays behind where a trigger of a DBA's has gone on with the order, and
-- has not put it into another state.
CREATE TABLE regress_app.onward (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text);
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.onward')), '', 'a table for orders that go on');
CREATE FUNCTION pg_temp.onward() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
	EXECUTE format('SELECT %s', current_setting('onward.call')) USING NEW.routing_id;
	RETURN NULL;
END $$;
CREATE TRIGGER onward AFTER INSERT ON vendor_routing.events FOR EACH ROW WHEN (NEW.event_type = 'VENDOR_ACCEPTED') EXECUTE FUNCTION pg_temp.onward();
SELECT is(pg_temp.would(format($$
	INSERT INTO regress_app.onward (id, status) VALUES ('onward', 'CREDIT_RESERVED');
	SELECT set_config('onward.call', %L, true), vr_broadcast('onward', NULL), vr_accept(vr_routing_id('onward'), 'v1')$$, call),
	'SELECT concat_ws('' '', status, winner, (SELECT string_agg(violation, '' '') FROM vr_check() WHERE order_id = ''onward'')) FROM regress_app.onward'), expected, 'in a trigger of VENDOR_ACCEPTED: ' || call)
FROM (VALUES ('vr_confirm($1, ''v1'')', 'VENDOR_ACCEPTED v1'), ('vr_complete($1)', 'DELIVERED v1'), ('vr_cancel($1)', 'CANCELLED v1'),
	('vr_release($1, ''v1'')', 'PENDING_BIDS'), ('vr_status($1)', 'VENDOR_ACCEPTED v1')) AS t (call, expected);
DROP TRIGGER onward ON vendor_routing.events;

-- Would catch: an ACCEPT on record that the table refuses, and that keeps the order from who
-- accepted as well, and from its end.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'not this one' USING ERRCODE = current_setting('refuse.code');
END $$;
SET LOCAL client_min_messages = error;
CREATE TRIGGER refuse BEFORE UPDATE ON regress_app.onward FOR EACH ROW WHEN (NEW.winner = 'v1') EXECUTE FUNCTION pg_temp.refuse();
CREATE FUNCTION pg_temp.accepted(ttl interval, VARIADIC vendors text[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO regress_app.onward (id, status) VALUES ('refused', 'CREDIT_RESERVED');
	SELECT vr_broadcast('refused', NULL);
	SELECT vr_respond(vr_routing_id('refused'), vendor, 'ACCEPT') FROM unnest(vendors) AS vendor;
	UPDATE vendor_routing.responses SET offered_at = offered_at - ttl, expires_at = expires_at - ttl WHERE routing_id = vr_routing_id('refused');
	UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s', expires_at = expires_at - ttl WHERE order_id = 'refused';
$$;
SELECT is(pg_temp.would(format('SELECT set_config(''refuse.code'', %L, true), pg_temp.accepted(%L, %s); SELECT %s', code, ttl, vendors, call),
	'SELECT concat_ws('' '', status, winner, (SELECT status FROM vendor_routing.routings WHERE order_id = ''refused'')) FROM regress_app.onward'),
	expected, format('%s of %s, %s ago, %s: %s', code, vendors, ttl, call, expected))
FROM (VALUES ('P0001', '2 min', '''v1'', ''v2''', 'VENDOR_ACCEPTED v2 LOCKED'), ('23503', '2 min', '''v1'', ''v2''', 'VENDOR_ACCEPTED v2 LOCKED'),
	('P0001', '2 min', '''v2'', ''v1''', 'VENDOR_ACCEPTED v2 LOCKED'), ('P0001', '2 min', '''v1''', 'PENDING_BIDS EXHAUSTED'),
	('P0001', '1 day', '''v1''', 'FAILED EXPIRED')) AS t (code, ttl, vendors, expected),
	unnest('{vr_tick(),"vr_timeout(vr_routing_id(''refused''))"}'::text[]) AS call;
-- Would catch: a vendor who loses because somebody had a lock at that moment.
SELECT is(pg_temp.would(format('SELECT set_config(''refuse.code'', %L, true), pg_temp.accepted(''2 min'', ''v1'', ''v2''); SELECT vr_tick()', code),
	'SELECT concat_ws('' '', status, winner, (SELECT status FROM vendor_routing.routings WHERE order_id = ''refused'')) FROM regress_app.onward'),
	'PENDING_BIDS PENDING', 'who accepted first is tried again after ' || code)
FROM unnest('{55P03,40P01,53100,57014,58030,XX000}'::text[]) AS code;
SELECT is(pg_temp.would('SELECT set_config(''refuse.code'', ''40P01'', true), pg_temp.accepted(''2 min'', ''v1'', ''v2''); SELECT vr_timeout(vr_routing_id(''refused''))', 'SELECT 1'),
	'40P01', 'which vr_timeout says');
-- Would catch: the same of what is put off to the end of the transaction, and then refuses all that a tick has done.
DROP TRIGGER refuse ON regress_app.onward;
CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON regress_app.onward DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.winner = 'v1') EXECUTE FUNCTION pg_temp.refuse();
SELECT is(pg_temp.would('SET CONSTRAINTS ALL DEFERRED; SELECT set_config(''refuse.code'', ''P0001'', true), pg_temp.accepted(''2 min'', ''v1'', ''v2''); SELECT vr_tick(); SET CONSTRAINTS ALL IMMEDIATE',
	'SELECT concat_ws('' '', status, winner, (SELECT status FROM vendor_routing.routings WHERE order_id = ''refused'')) FROM regress_app.onward'),
	'VENDOR_ACCEPTED v2 LOCKED', 'refused later');
SET LOCAL client_min_messages = warning;
SELECT vr_detach_orders();

-- Both tables -------------------------------------------------------------------------------------------------

-- Would catch: orders that nobody can win, since the mapping of the vendors is not valid any more, or
-- what is left of an attachment has the OID of something else.
CREATE TABLE regress_app.suppliers (id text PRIMARY KEY, name text);
CREATE TABLE regress_app.purchases (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text REFERENCES regress_app.suppliers);
INSERT INTO regress_app.suppliers VALUES ('s1', 'S1');
SELECT vr_attach_vendors('regress_app.suppliers', '{"vendor_id": "id", "name": "name"}') \g /dev/null
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.purchases')), '', 'to which that of the orders refers');
UPDATE vendor_routing.vendors SET is_verified = true WHERE vendor_id = 's1';
INSERT INTO regress_app.purchases (id, status) VALUES ('both', 'CREDIT_RESERVED');
SELECT vr_broadcast('both', NULL, vendors => '{s1}') \g /dev/null
SELECT is(pg_temp.would(change, $$SELECT reason FROM vr_accept(vr_routing_id('both'), 's1')$$), 'LOCKED', 'won after ' || change)
FROM unnest(ARRAY['ALTER TABLE regress_app.suppliers DROP COLUMN name',
	$$UPDATE vendor_routing.attachments SET relation = 'regress_app.suppliers_pkey'::regclass WHERE kind = 'ORDERS'$$,
	$$UPDATE vendor_routing.attachments SET relation = 'regress_app.suppliers_pkey'::regclass WHERE kind = 'VENDORS'$$]) AS change;
SELECT is(left(pg_temp.would($$UPDATE vendor_routing.attachments SET mapping = '{"name": "name"}' WHERE kind = 'VENDORS'$$,
	$$SELECT reason FROM vr_accept(vr_routing_id('both'), 's1')$$), 5), '22023', 'a mapping without an id is an error');
SELECT vr_detach_orders(), vr_detach_vendors();

-- Would catch: a partition that loses its rows in a crash.
CREATE TABLE regress_app.parts (id int PRIMARY KEY, shop text, status text, winner text) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE regress_app.parts_1 PARTITION OF regress_app.parts FOR VALUES FROM (0) TO (10);
SELECT is(left(pg_temp.tries(pg_temp.attach('{}', 'regress_app.parts')), 6), '0A000:', 'a partition that is unlogged');

-- Would catch: a table that has got the OID of one that was attached, and dropped before a dump, and
-- is taken for that.
CREATE TABLE regress_app.former (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text);
CREATE TABLE regress_app.stranger (id text PRIMARY KEY, secret text);
ALTER TABLE regress_app.stranger OWNER TO regress_vr_owner;
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.former')), '', 'a table that is dropped');
INSERT INTO regress_app.former (id, status) VALUES ('former', 'CREDIT_RESERVED');
SELECT vr_broadcast('former', NULL) \g /dev/null
DROP TABLE regress_app.former;
UPDATE vendor_routing.attachments SET relation = 'regress_app.stranger'::regclass;
SELECT is(pg_temp.tries($$SELECT reason FROM vr_accept(vr_routing_id('former'), 'v1')$$), 'LOCKED', 'an order goes on without it');
SELECT is(pg_temp.tries($$SELECT created FROM vr_broadcast('unattached', 'r')$$), 'true', 'and another begins');
SELECT results_eq($$SELECT detail FROM vr_check() WHERE violation = 'ATTACHED_ORDER_DIFFERS'$$,
	$$VALUES ('the attached table of orders is gone, or has lost its triggers')$$, 'which vr_check() says');
SELECT is(pg_temp.tries('SELECT vr_detach_orders()', 'regress_vr_other'), 'true', 'nobody owns what is gone');
SELECT vr_cancel(vr_routing_id(id)) FROM (VALUES ('former'), ('unattached')) AS t (id) \g /dev/null

-- Would catch: a table that cannot be emptied, since each order takes a lock.
CREATE TABLE regress_app.many (id text PRIMARY KEY, shop text DEFAULT 'r', status text, winner text);
SELECT is(pg_temp.tries(pg_temp.attach('{}', 'regress_app.many')), '', 'a table with many orders');
CREATE FUNCTION pg_temp.held(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory');
BEGIN
	INSERT INTO regress_app.many (id, status) SELECT 'many ' || n, 'CREDIT_RESERVED' FROM generate_series(1, 20) AS n;
	PERFORM vr_broadcast('many ' || n, NULL) FROM generate_series(1, 20) AS n;
	EXECUTE statement;
	ASSERT (SELECT count(*) FROM vendor_routing.routings WHERE order_id LIKE 'many %' AND status <> 'CANCELLED') = 0;
	RAISE EXCEPTION '%', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') - before USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	RETURN SQLERRM;
END $$;
SELECT is(pg_temp.held(statement), 0::bigint, 'no lock stays for each: ' || statement)
FROM unnest('{TRUNCATE regress_app.many,DELETE FROM regress_app.many,UPDATE regress_app.many SET status = ''CANCELLED''}'::text[]) AS statement;
SELECT vr_detach_orders();

-- All in all ----------------------------------------------------------------------------------------------------

SELECT is_empty('SELECT * FROM vr_check()', 'vr_check() finds nothing wrong after all this');

SELECT * FROM finish();
ROLLBACK;
