-- vr_attach_vendors and vr_detach_vendors: a table of the application's, of any
-- shape, and the registry that follows it.
--
-- Would catch: a name that is not quoted; a value that is run as SQL, or that
-- the settings or the search_path of whoever writes it change; a vendor that is
-- lost while an order of it is open, or that does not come back; loads, pauses
-- and hours overwritten; a trigger that is left behind, doubled, or missing on a
-- partition; a table attached or let go of by somebody who does not own it; half
-- of a change that was refused.

BEGIN;
SET LOCAL lc_messages = 'C';
SET LOCAL client_min_messages = warning;
SELECT plan(333);

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

CREATE FUNCTION pg_temp.hint_of(statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;

-- What a query finds before a statement, after it in the same transaction, and
-- once that is rolled back.
CREATE FUNCTION pg_temp.around(statement text, query text)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	before text;
	during text;
	after text;
BEGIN
	EXECUTE query INTO before;
	BEGIN
		EXECUTE statement;
		EXECUTE query INTO during;
		RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
		NULL;
	END;
	EXECUTE query INTO after;
	RETURN ARRAY[before, during, after];
END $$;

-- Ids and names of the registry, in order.
CREATE FUNCTION pg_temp.vendors()
RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(vendor_id || '=' || name
		|| CASE WHEN is_active THEN '' ELSE ' (not active)' END, ', ' ORDER BY vendor_id COLLATE "C"), '')
	FROM vendor_routing.vendors
$$;

-- The triggers of ours on tables of others, partitions included.
CREATE FUNCTION pg_temp.triggers()
RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(tgrelid::regclass || ' ' || tgname, ', '
		ORDER BY tgrelid::regclass::text, tgname), '')
	FROM pg_trigger WHERE tgfoid = 'vendor_routing.sync_vendors'::regproc
$$;

-- Begins with nothing attached and nobody in the registry.
CREATE FUNCTION pg_temp.fresh()
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM vr_detach_vendors();
	PERFORM vr_cancel(routing_id) FROM vendor_routing.routings
	WHERE status IN ('PENDING', 'LOCKED', 'EXHAUSTED');
	DELETE FROM vendor_routing.vendors;
END $$;

CREATE ROLE regress_vr_owner;
CREATE ROLE regress_vr_clerk;
CREATE ROLE regress_vr_other;
CREATE ROLE regress_vr_deputy IN ROLE regress_vr_owner;
CREATE SCHEMA regress_shop;
GRANT USAGE ON SCHEMA regress_shop TO PUBLIC;
GRANT EXECUTE ON FUNCTION vr_attach_vendors(regclass, jsonb), vr_detach_vendors()
	TO regress_vr_owner, regress_vr_other;

-- Names that lie in wait -------------------------------------------------------------

-- These come first: the session has no plans yet, so each statement of ours is
-- looked up here while the trap is set.
CREATE SCHEMA regress_trap;
GRANT USAGE ON SCHEMA regress_trap TO PUBLIC;
CREATE FUNCTION regress_trap.trap()
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'trapped' USING ERRCODE = 'TRAP0';
END $$;
SELECT format('CREATE FUNCTION regress_trap.%I(%s) RETURNS boolean LANGUAGE sql AS ''SELECT regress_trap.trap()''',
	name, arguments)
FROM (VALUES
	('substring', 'text, text'), ('regexp_replace', 'text, text, text'),
	('regexp_replace', 'text, text, text, text'), ('jsonb_to_recordset', 'jsonb'),
	('row_number', ''), ('array_position', 'text[], text'), ('octet_length', 'text'),
	('jsonb_typeof', 'jsonb'), ('now', ''), ('text', 'text'), ('sync_vendors', '')
) AS t (name, arguments) \gexec
SELECT format('CREATE FUNCTION regress_trap.operator_%s(a %s, b %s) RETURNS boolean LANGUAGE sql AS ''SELECT regress_trap.trap()''',
	n, a, b),
	format('CREATE OPERATOR regress_trap.%s (FUNCTION = regress_trap.operator_%s, LEFTARG = %s, RIGHTARG = %s)',
		operator, n, a, b)
FROM (VALUES
	(1, '=', 'text', 'text'), (2, '<>', 'text', 'text'), (3, '~', 'text', 'text'),
	(4, '=', 'bigint', 'integer'), (5, '=', 'uuid', 'uuid'), (6, '=', 'integer', 'integer'),
	(7, '>=', 'numeric', 'numeric'), (8, '>=', 'integer', 'integer')
) AS t (n, operator, a, b) \gexec
CREATE DOMAIN regress_trap.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN regress_trap.bool AS pg_catalog.bool CHECK (false);
CREATE TABLE regress_trap.vendors (vendor_id pg_catalog.text);
CREATE TABLE regress_trap.attachments (kind pg_catalog.text);
CREATE TEMP TABLE vendors (vendor_id text);
CREATE TEMP TABLE attachments (kind text);
CREATE TEMP TABLE responses (vendor_id text);
CREATE TEMP TABLE routings (order_id text);
GRANT ALL ON vendors, attachments, responses, routings TO PUBLIC;

CREATE TABLE regress_shop.trapped (id bigint PRIMARY KEY, name text, phone text);
ALTER TABLE regress_shop.trapped OWNER TO regress_vr_owner;
GRANT ALL ON regress_shop.trapped TO regress_vr_clerk;
INSERT INTO regress_shop.trapped VALUES (1, 'One', '+49 30 901820');

-- Would catch: a trap that would not have caught anything.
SELECT is(pg_temp.tries($$SELECT substring('a'::pg_catalog.text, 'a'::pg_catalog.text)$$,
		'regress_vr_clerk', 'regress_trap, pg_temp, pg_catalog'),
	'TRAP0: trapped', 'the trap catches a function');
SELECT is(pg_temp.tries($$SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text$$,
		'regress_vr_clerk', 'regress_trap, pg_temp, pg_catalog'),
	'TRAP0: trapped', 'the trap catches an operator');

-- Would catch: a name in a statement of ours that the caller's search_path resolves.
SELECT is(pg_temp.tries(
		$$SELECT public.vr_attach_vendors('regress_shop.trapped', '{"vendor_id": "id", "name": "name", "phone": "phone"}')$$,
		'regress_vr_owner', 'regress_trap, pg_temp, pg_catalog'),
	'1', 'a trap does not change attaching');
SELECT is(pg_temp.vendors(), '1=One', 'and the vendor is there');
SELECT is(pg_temp.tries(statement, 'regress_vr_clerk', 'regress_trap, pg_temp, pg_catalog'), 'OK',
	'a trap does not change: ' || statement)
FROM (VALUES
	(1, $$INSERT INTO regress_shop.trapped VALUES (2, 'Two', '0049 30 901821')$$),
	(2, $$INSERT INTO regress_shop.trapped VALUES (3, 'Three', '+49 30 901821')$$),
	(3, $$UPDATE regress_shop.trapped SET name = 'ONE' WHERE id OPERATOR(pg_catalog.=) 1$$),
	(4, $$UPDATE regress_shop.trapped SET id = 4 WHERE id OPERATOR(pg_catalog.=) 2$$),
	(5, $$DELETE FROM regress_shop.trapped WHERE id OPERATOR(pg_catalog.=) 3$$)
) AS t (n, statement) ORDER BY n;
SELECT is(pg_temp.vendors(), '1=ONE, 4=Two', 'and the registry has followed each');
SELECT is(count(*), 1::bigint, 'an order is offered to one of them')
FROM vr_broadcast('trap-1', 'r', vendors => ARRAY['1']);
SELECT is(pg_temp.tries('TRUNCATE regress_shop.trapped', 'regress_vr_clerk',
	'regress_trap, pg_temp, pg_catalog'), 'OK', 'a trap does not change TRUNCATE');
SELECT is(pg_temp.vendors(), '1=ONE (not active)', 'and the registry has followed that, too');
SELECT is(ARRAY[(SELECT count(*) FROM vendors), (SELECT count(*) FROM attachments),
		(SELECT count(*) FROM regress_trap.vendors), (SELECT count(*) FROM regress_trap.attachments)],
	ARRAY[0, 0, 0, 0]::bigint[], 'nothing went into tables that are named like ours');
SELECT is(pg_temp.tries('SELECT public.vr_detach_vendors()', 'regress_vr_owner',
	'regress_trap, pg_temp, pg_catalog'), 'true', 'a trap does not change detaching');
DROP TABLE vendors, attachments, responses, routings;

-- Who may ----------------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.owned (id text PRIMARY KEY, name text);
CREATE TABLE regress_shop.other (id text PRIMARY KEY, name text);
ALTER TABLE regress_shop.owned OWNER TO regress_vr_owner;
ALTER TABLE regress_shop.other OWNER TO regress_vr_other;
GRANT ALL ON regress_shop.owned TO regress_vr_clerk, regress_vr_other;
INSERT INTO regress_shop.owned VALUES ('a', 'Anna');
CREATE FUNCTION pg_temp.attach(relation text)
RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT vr_attach_vendors(%L, ''{"vendor_id": "id", "name": "name"}'')', relation)
$$;

-- Would catch: an owner that is not asked for, or asked for after we took our own rights.
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.owned'), 'regress_vr_other'),
	'42501: must be owner of table owned', 'who does not own it cannot attach it, whatever rights it has');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.owned'), 'regress_vr_clerk'),
	'42501: permission denied for function vr_attach_vendors', 'nor who may not call the function');
SELECT is(pg_temp.triggers() || pg_temp.vendors(), '', 'and nothing is changed');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.owned'), 'regress_vr_owner'), '1',
	'the owner can, without any right on the registry');
SELECT is(pg_temp.tries('SELECT vr_detach_vendors()', 'regress_vr_other'),
	'42501: must be owner of table owned', 'who does not own it cannot detach it');
SELECT is(pg_temp.tries('SELECT vr_detach_vendors()', 'regress_vr_clerk'),
	'42501: permission denied for function vr_detach_vendors', 'nor who may not call the function');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.other'), 'regress_vr_other'),
	'42501: must be owner of table owned', 'nor is it replaced by the table of another');
SELECT is(pg_temp.triggers(),
	'regress_shop.owned vr_sync_vendors, regress_shop.owned vr_sync_vendors_truncate',
	'and it stays attached');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.owned'), 'regress_vr_deputy'), '1',
	'a member of the role that owns it can');

-- Would catch: a trigger that runs with the rights of whoever writes.
SELECT is(pg_temp.tries(statement, 'regress_vr_clerk'), expected, 'a clerk: ' || regexp_replace(statement, '\s+', ' ', 'g'))
FROM (VALUES
	(1, $$SELECT count(*) FROM vendor_routing.vendors$$, '42501: permission denied for schema vendor_routing'),
	(2, $$INSERT INTO regress_shop.owned VALUES ('b', 'Berta'), ('c', 'Carl')$$, 'OK'),
	(3, $$UPDATE regress_shop.owned SET name = 'Bert' WHERE id = 'b'$$, 'OK'),
	(4, $$DELETE FROM regress_shop.owned WHERE id = 'c'$$, 'OK'),
	(5, $$SELECT count(*) FROM vendor_routing.vendors$$, '42501: permission denied for schema vendor_routing'),
	(6, $$CREATE TRIGGER mine AFTER INSERT ON regress_shop.owned FOR EACH ROW
		EXECUTE FUNCTION vendor_routing.sync_vendors()$$, '42501: permission denied for schema vendor_routing')
) AS t (n, statement, expected) ORDER BY n;
SELECT is(pg_temp.vendors(), 'a=Anna, b=Bert', 'and the registry has followed a clerk without any right on it');

-- Names, and types of keys -------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Whole""Salers" (
	gone integer,
	"Néw Id" bigint PRIMARY KEY,
	"Full ""Name""" text,
	"select" text,
	"x; DROP TABLE y" text[],
	"'quoted'" numeric(10, 2));
ALTER TABLE "My Shop"."Whole""Salers" DROP COLUMN gone;
INSERT INTO "My Shop"."Whole""Salers" VALUES
	(9007199254740993, 'Big', '+49 30 1', ARRAY['tea', 'rice'], 12.50),
	(-1, 'Small', NULL, NULL, NULL);

-- Would catch: a name that is not quoted, or folded to lower case.
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('"My Shop"."Whole""Salers"', '{
	"vendor_id": "Néw Id", "name": "Full \"Name\"", "phone": "select",
	"products": "x; DROP TABLE y", "min_order_amount": "''quoted''"}')$$), '2',
	'odd names: schema, table and columns');
SELECT results_eq(
	$$SELECT vendor_id, name, phone, products, min_order_amount, is_active, is_verified
		FROM vendor_routing.vendors ORDER BY vendor_id COLLATE "C"$$,
	$$VALUES
		('-1', 'Small', NULL, NULL::text[], 0::numeric, true, true),
		('9007199254740993', 'Big', '+49301', ARRAY['tea', 'rice'], 12.50, true, true)$$,
	'bigint keys, none of them rounded, and every value');
SELECT results_eq(
	'SELECT kind, relation, mapping->>''vendor_id'', attached_at <= clock_timestamp() AND attached_at >= now() FROM vr_attachments',
	$$VALUES ('VENDORS', '"My Shop"."Whole""Salers"'::regclass, 'Néw Id', true)$$,
	'vr_attachments has it');
INSERT INTO "My Shop"."Whole""Salers" VALUES (3, 'Three', NULL, '{}', 0);
UPDATE "My Shop"."Whole""Salers" SET "Full ""Name""" = 'SMALL' WHERE "Néw Id" = -1;
DELETE FROM "My Shop"."Whole""Salers" WHERE "Néw Id" > 3;
SELECT is(pg_temp.vendors(), '-1=SMALL, 3=Three', 'odd names: insert, update and delete follow');
ALTER TABLE "My Shop"."Whole""Salers" RENAME TO "Sellers, new";
ALTER TABLE "My Shop"."Sellers, new" SET SCHEMA regress_shop;
INSERT INTO regress_shop."Sellers, new" VALUES (4, 'Four');
SELECT is(pg_temp.vendors(), '-1=SMALL, 3=Three, 4=Four', 'a table that is renamed and moved is still followed');
SELECT is(pg_temp.tries('SELECT vr_detach_vendors()'), 'true', 'and can be detached');

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.by_uuid (name text, id uuid PRIMARY KEY);
INSERT INTO regress_shop.by_uuid VALUES ('U', '019A0000-0000-7000-8000-00000000ABCD');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.by_uuid')), '1', 'uuid keys');
-- Would catch: one count of ours and one of the application's, which do not fit each other after the first order.
CREATE TABLE regress_shop.counted (id text PRIMARY KEY, title text, n integer);
SELECT throws_ok($$SELECT vr_attach_vendors('regress_shop.counted', '{"vendor_id": "id", "name": "title", "total_orders": "n"}')$$, '22023', NULL,
	'all orders, and not those that were completed');
INSERT INTO regress_shop.by_uuid VALUES ('V', '{019a0000-0000-7000-8000-00000000abce}');
SELECT is(pg_temp.vendors(),
	'019a0000-0000-7000-8000-00000000abcd=U, 019a0000-0000-7000-8000-00000000abce=V',
	'uuid keys in their one form');

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.by_text (id text PRIMARY KEY, name text, note text);
INSERT INTO regress_shop.by_text VALUES ('Größe 1', 'Text'), (' a ', NULL), ('b', '');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.by_text')), '3', 'text keys');
SELECT is(pg_temp.vendors(), ' a = a , Größe 1=Text, b=b', 'text keys as they are; who has no name is called by its id');

-- Would catch: a row of which we do not know whose it is, taken or dropped in silence.
CREATE TABLE regress_shop.no_id (id text UNIQUE, name text);
INSERT INTO regress_shop.no_id VALUES (NULL, 'Nobody');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.no_id')),
	'22004: the id of an attached vendor must not be null', 'a key that is NULL, when attaching');
SELECT is(pg_temp.tries($$UPDATE regress_shop.by_text SET id = '', name = 'B' WHERE id = 'b'$$),
	'23514: new row for relation "vendors" violates check constraint "vendors_vendor_id_check"',
	'a key that is empty');

-- SQL-looking values ---------------------------------------------------------------------

-- Would catch: a value that gets into the text of a statement, or is unescaped twice.
TRUNCATE regress_shop.by_text;
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.by_text',
	'{"vendor_id": "id", "name": "name", "products": "note", "phone": "note"}')$$), '0', 'an empty table');
CREATE TEMP TABLE nasty (n int, value text);
INSERT INTO nasty VALUES
	(1, $$'); DROP TABLE vendor_routing.vendors; --$$), (2, '{"vendor_id": "x"}'), (3, '\''; SELECT 1'),
	(4, '$$ $1 %s %I'), (5, '{a,b}'), (6, 'NULL'), (7, '"'), (8, E'a\nb\tc'), (9, '\u0041'), (10, '1 OR 1=1');
INSERT INTO regress_shop.by_text SELECT value, value, value FROM nasty;
SELECT results_eq(
	'SELECT vendor_id, name, products FROM vendor_routing.vendors ORDER BY vendor_id COLLATE "C"',
	'SELECT value, value, ARRAY[value] FROM nasty ORDER BY value COLLATE "C"',
	'values that look like SQL, JSON or arrays are kept as they are');
DELETE FROM regress_shop.by_text;
SELECT is(pg_temp.vendors(), '', 'and found again');

-- Phone numbers ----------------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.phones (id integer PRIMARY KEY, phone text, expected text);
INSERT INTO regress_shop.phones VALUES
	(1, '+4930901820', '+4930901820'),
	(2, '+49 (30) 90 18-21', '+4930901821'),
	(3, '0049 30/901822', '+4930901822'),
	(4, '030 901823', NULL), (5, '', NULL), (6, 'call me', NULL), (7, NULL, NULL),
	(8, '+1', NULL), (9, '+12', '+12'),
	(10, '+123456789012345', '+123456789012345'), (11, '+1234567890123456', NULL),
	(12, '+0442079460000', NULL), (13, '+49+30', NULL), (14, '4930901824', NULL),
	(15, E' +49\t30 901825 ', '+4930901825'), (16, '+', NULL), (17, '000', NULL),
	(18, '+4930 901820', NULL), (19, '0049.30.901820', NULL),
	(20, '+49 30 901826 ext. 5', NULL);
-- Would catch: a number that is not a number of anybody; one vendor that keeps all others out.
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.phones',
	'{"vendor_id": "id", "phone": "phone"}')$$), '20', 'phone numbers of all kinds');
SELECT is((SELECT phone FROM vendor_routing.vendors WHERE vendor_id = p.id::text), p.expected,
	format('loaded: the phone %s', coalesce(quote_literal(p.phone), 'NULL')))
FROM regress_shop.phones AS p ORDER BY id;
DELETE FROM regress_shop.phones WHERE id > 0;
INSERT INTO regress_shop.phones
SELECT id, phone, expected FROM (VALUES
	(1, '+4930901820', '+4930901820'), (2, '0049 30/901822', '+4930901822'), (4, 'x', NULL),
	(5, '+49 30 901820', NULL)) AS t (id, phone, expected);
SELECT is((SELECT phone FROM vendor_routing.vendors WHERE vendor_id = p.id::text), p.expected,
	format('followed: the phone %s', quote_literal(p.phone)))
FROM regress_shop.phones AS p ORDER BY id;
-- Would catch: a vendor that is taken for another with its own number.
UPDATE regress_shop.phones SET expected = '' WHERE id = 1;
SELECT is(phone, '+4930901820', 'a vendor that is saved again keeps its number')
FROM vendor_routing.vendors WHERE vendor_id = '1';
UPDATE regress_shop.phones SET phone = '+49 30 901822' WHERE id = 1;
SELECT is(phone, NULL, 'a number that another has is left out')
FROM vendor_routing.vendors WHERE vendor_id = '1';
UPDATE regress_shop.phones SET phone = NULL WHERE id = 2;
UPDATE regress_shop.phones SET phone = '+4930901822' WHERE id = 1;
SELECT is(phone, '+4930901822', 'until that one gives it up')
FROM vendor_routing.vendors WHERE vendor_id = '1';
-- Would catch: the old id of a vendor that keeps its number from the new one.
UPDATE regress_shop.phones SET id = 11 WHERE id = 1;
SELECT is(phone, '+4930901822', 'a vendor that gets another id takes its number along')
FROM vendor_routing.vendors WHERE vendor_id = '11';
-- Would catch: a number given to two, and one that is left out without vr_check saying so.
INSERT INTO regress_shop.phones VALUES (31, '+4931', NULL), (32, '+4932', NULL);
UPDATE regress_shop.phones SET phone = CASE id WHEN 31 THEN '+4932' ELSE '+4931' END WHERE id IN (31, 32);
SELECT results_eq(
	$$SELECT vendor_id, phone FROM vendor_routing.vendors WHERE vendor_id IN ('31', '32') ORDER BY vendor_id$$,
	$$VALUES ('31', NULL), ('32', '+4931')$$,
	'of two vendors who swap their numbers in one statement, the first to be written finds its new one taken');
SELECT is(count(*), 1::bigint, 'vr_check() shows whose number is left out')
FROM vr_check() WHERE violation = 'ATTACHED_VENDOR_DIFFERS' AND detail ~ 'phone' AND vendor_id = '31';
UPDATE regress_shop.phones SET expected = 'again' WHERE id = 31;
SELECT is(phone, '+4932', 'which it has once it is written again')
FROM vendor_routing.vendors WHERE vendor_id = '31';
INSERT INTO regress_shop.phones VALUES (41, '+4941', NULL), (42, '+4942', NULL);
SELECT vr_detach_vendors() \g /dev/null
UPDATE regress_shop.phones SET phone = CASE id WHEN 41 THEN '+4942' ELSE '+4941' END WHERE id IN (41, 42);
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.phones',
	'{"vendor_id": "id", "phone": "phone"}')$$), '8', 'attached again');
SELECT results_eq(
	$$SELECT vendor_id, phone FROM vendor_routing.vendors WHERE vendor_id IN ('41', '42') ORDER BY vendor_id$$,
	$$VALUES ('41', '+4942'), ('42', '+4941')$$,
	'two vendors swapped their numbers while nothing was attached');

-- Where values come from ---------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TYPE regress_shop.state AS ENUM ('NEW', 'LIVE', 'It''s over');
CREATE TABLE regress_shop.all_kinds (
	code varchar(20) UNIQUE NOT NULL,
	label varchar(50),
	state regress_shop.state,
	checked boolean,
	tier integer,
	goods varchar(20)[],
	good text,
	least numeric(10, 2),
	lat double precision,
	lon double precision,
	radius real,
	slots smallint,
	stars numeric(2, 1),
	trust integer,
	done integer,
	asked bigint,
	shown text GENERATED ALWAYS AS (label || '!') STORED,
	PRIMARY KEY (tier));
INSERT INTO regress_shop.all_kinds VALUES
	('A', 'Anna', 'LIVE', true, 1, '{tea,"rice, white"}', 'tea', 10.50, 52.520008, 13.404954, 7.5, 3, 4.5, 90, 8, 10),
	('B', 'Bert', 'NEW', false, 2, '{}', 'a, "b" {c}', 0, NULL, 13.4, 5, NULL, 0, 0, 0, 0),
	('C', NULL, NULL, NULL, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- Would catch: a word of the mapping that is taken for another, or a value that is lost.
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.all_kinds', '{
	"vendor_id": "code", "name": "label", "is_active": {"column": "state", "equals": "LIVE"},
	"is_verified": "checked", "products": "goods", "min_order_amount": "least", "latitude": "lat",
	"longitude": "lon", "service_radius_km": "radius", "capacity": "slots", "average_rating": "stars",
	"reliability_score": "trust", "completed_orders": "done", "total_orders": "asked"}')$$), '3',
	'every word of a mapping, from columns of many types');
SELECT results_eq(
	$$SELECT vendor_id, name, is_active, is_verified, products, min_order_amount, latitude, longitude,
			service_radius_km, capacity, average_rating, reliability_score, completed_orders, total_orders, score
		FROM vendor_routing.vendors ORDER BY vendor_id$$,
	$$VALUES
		('A', 'Anna', true, true, ARRAY['tea', 'rice, white'], 10.50, 52.520008::float8, 13.404954::float8,
			7.5::float8, 3, 4.50, 90.00, 8, 10, 86.0000),
		('B', 'Bert', false, false, '{}', 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0),
		('C', 'C', false, true, NULL, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0)$$,
	'all values; half a place is none; what is NULL is as if it were not mapped');

-- Would catch: settings of a session that change what is kept.
SET LOCAL extra_float_digits = -10;
UPDATE regress_shop.all_kinds SET lat = 52.520008123, lon = 13.404954987 WHERE code = 'A';
RESET extra_float_digits;
SELECT results_eq($$SELECT latitude, longitude FROM vendor_routing.vendors WHERE vendor_id = 'A'$$,
	'VALUES (52.520008123::float8, 13.404954987::float8)',
	'coordinates are exact whatever extra_float_digits says');

SAVEPOINT dates;
CREATE TABLE regress_shop.dated (id text PRIMARY KEY, name text, closed date, seen timestamptz);
SET LOCAL datestyle = 'German';
SET LOCAL timezone = 'Asia/Tokyo';
SELECT pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.dated', '{"vendor_id": "id", "is_active": {"column": "closed", "equals": "9999-12-31"},
	"is_verified": {"column": "seen", "equals": "2026-01-01 00:00+00"}}')$$) \g /dev/null
INSERT INTO regress_shop.dated VALUES ('dated', 'D', '9999-12-31', '2026-01-01 09:00+09');
SELECT is((SELECT is_active || ' ' || is_verified FROM vendor_routing.vendors WHERE vendor_id = 'dated'), 'true true', 'what a column is compared with is spelled in one way, whatever the session has');
ROLLBACK TO dates;

-- The members of a vendor that are mapped, once the table is attached so; or the error.
CREATE FUNCTION pg_temp.mapped(id text, mapping jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := pg_temp.tries(format('SELECT vr_attach_vendors(''regress_shop.all_kinds'', %L)',
		'{"vendor_id": "code"}'::jsonb || mapping));
BEGIN
	IF result = '3' THEN
		SELECT jsonb_object_agg(m.key, m.value)::text INTO result
		FROM vendor_routing.vendors AS v, jsonb_each(to_jsonb(v)) AS m
		WHERE v.vendor_id = id AND mapping ? m.key;
	END IF;
	RETURN result;
END $$;
SELECT is(pg_temp.mapped('A', mapping), expected::text, format('mapped: %s', mapping))
FROM (VALUES
	('{"name": {"value": "Same for all"}}'::jsonb, '{"name": "Same for all"}'::jsonb),
	('{"name": {"value": 42}}', '{"name": "42"}'),
	('{"name": "shown"}', '{"name": "Anna!"}'),
	('{"is_active": {"value": false}}', '{"is_active": false}'),
	('{"is_active": {"value": true}}', '{"is_active": true}'),
	('{"is_active": {"column": "state", "equals": "It''s over"}}', '{"is_active": false}'),
	('{"is_active": {"column": "tier", "equals": 1}}', '{"is_active": true}'),
	('{"is_active": {"column": "checked", "equals": false}}', '{"is_active": false}'),
	('{"is_active": {"column": "checked", "equals": true}}', '{"is_active": true}'),
	('{"is_verified": {"value": false}}', '{"is_verified": false}'),
	('{"is_verified": {"value": "yes"}}', '{"is_verified": true}'),
	('{"is_verified": {"equals": "LIVE", "column": "state"}}', '{"is_verified": true}'),
	('{"products": "good"}', '{"products": ["tea"]}'),
	('{"products": {"value": "rice"}}', '{"products": ["rice"]}'),
	('{"products": "goods"}', '{"products": ["tea", "rice, white"]}'),
	('{"min_order_amount": {"value": 12.5}}', '{"min_order_amount": 12.5}'),
	('{"capacity": {"value": 5}}', '{"capacity": 5}'),
	('{"reliability_score": {"value": 77}}', '{"reliability_score": 77.00}'),
	('{"latitude": {"value": 1.5}, "longitude": {"value": -2}, "service_radius_km": {"value": 3}}',
		'{"latitude": 1.5, "longitude": -2, "service_radius_km": 3}')
) AS t (mapping, expected);
SELECT is(pg_temp.mapped('B', '{"products": "good"}')::jsonb->'products', '["a, \"b\" {c}"]'::jsonb,
	'a single product is one, whatever is in its name');

-- Mappings that are refused ---------------------------------------------------------------------

-- Would catch: a mistake in a mapping that is guessed at or passed over.
SELECT vr_detach_vendors() \g /dev/null
SELECT is(left(pg_temp.tries(format('SELECT vr_attach_vendors(''regress_shop.all_kinds'', %L)', mapping)),
		length(expected)), expected, 'refused: ' || coalesce(mapping, 'NULL'))
FROM (VALUES
	('{}', '22023: mapping must have the key "vendor_id"'),
	('{"name": "label"}', '22023: mapping must have the key "vendor_id"'),
	('{"vendor_id": "code", "nmae": "label"}', '22023: mapping has the unknown key "nmae"'),
	('{"vendor_id": "code", "": "label"}', '22023: mapping has the unknown key ""'),
	('{"vendor_id": "code", "Name": "label"}', '22023: mapping has the unknown key "Name"'),
	('{"vendor_id": "code", "score": "trust"}', '22023: mapping has the unknown key "score"'),
	('{"vendor_id": "code", "current_orders": "done"}', '22023: mapping has the unknown key "current_orders"'),
	('{"vendor_id": "no"}', '42703: column "no" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "no"}', '42703: column "no" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "Label"}', '42703: column "Label" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": ""}', '42703: column "" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "upper(label)"}', '42703: column "upper(label)" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "all_kinds.label"}', '42703: column "all_kinds.label" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "\"label\""}', '42703: column ""label"" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "name": "ctid"}', '42703: column "ctid" of relation "all_kinds" does not exist'),
	('{"vendor_id": "code", "is_active": {"column": "no", "equals": "x"}}', '42703: column "no" of relation "all_kinds" does not exist'),
	('{"vendor_id": {"value": "x"}}', '22023: mapping of "vendor_id" is not valid'),
	('{"vendor_id": {"column": "code", "equals": "x"}}', '22023: mapping of "vendor_id" is not valid'),
	('{"vendor_id": null}', '22023: mapping of "vendor_id" is not valid'),
	('{"vendor_id": "code", "name": null}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": 1}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": true}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": []}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": ["label"]}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"column": "label"}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"equals": "x"}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"value": {"value": 1}}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"value": []}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"value": 1, "column": "label"}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "name": {"sql": "1"}}', '22023: mapping of "name" is not valid'),
	('{"vendor_id": "code", "is_active": {"column": "state", "equals": null}}', '22023: mapping of "is_active" is not valid'),
	('{"vendor_id": "code", "is_active": {"column": "state", "equals": {}}}', '22023: mapping of "is_active" is not valid'),
	('{"vendor_id": "code", "is_active": {"column": 1, "equals": "x"}}', '22023: mapping of "is_active" is not valid'),
	('{"vendor_id": "code", "is_active": {"column": "state", "equals": "x", "more": 1}}', '22023: mapping of "is_active" is not valid'),
	('[]', '22023: '), ('"code"', '22023: '), ('1', '22023: '), ('null', '22023: '),
	(NULL, '22004: '),
	('{"vendor_id": "code", "is_active": {"value": "perhaps"}}', '22P02: '),
	('{"vendor_id": "code", "capacity": "label"}', '22P02: '),
	('{"vendor_id": "label"}', '22023: the column of "vendor_id" must have a unique index of its own')
) AS t (mapping, expected);
SELECT is(pg_temp.hint_of($$SELECT vr_attach_vendors('regress_shop.all_kinds', '{"vendor_id": "code", "name": 1}')$$),
	'Give the name of a column, {"value": constant}, or {"column": name, "equals": text}.',
	'the hint says what a mapping looks like');
SELECT is(left(pg_temp.tries($$SELECT vr_attach_vendors(NULL, '{"vendor_id": "code"}')$$), 6), '22004:',
	'no relation');
SELECT is(left(pg_temp.tries($$SELECT vr_attach_vendors('999999999'::oid, '{"vendor_id": "code"}')$$), 6), '42P01:',
	'a relation that is not there');
SELECT is(pg_temp.triggers(), '', 'none of these left a trigger');
SELECT is((SELECT count(*) FROM vr_attachments), 0::bigint, 'nor an attachment');

-- Keys that do not tell rows apart ---------------------------------------------------------------

-- Would catch: two rows that fight for one vendor.
CREATE TABLE regress_shop.keys (
	none text, partial text, late text UNIQUE DEFERRABLE, latest text UNIQUE DEFERRABLE INITIALLY DEFERRED,
	half text, other text, lowered text, plain text, covering text, good text, name text,
	UNIQUE (half, other), UNIQUE (covering) INCLUDE (name), UNIQUE (good));
CREATE UNIQUE INDEX ON regress_shop.keys (partial) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX ON regress_shop.keys (lower(lowered));
CREATE INDEX ON regress_shop.keys (plain);
SELECT is(pg_temp.tries(format('SELECT vr_attach_vendors(''regress_shop.keys'', ''{"vendor_id": "%s"}'')', col)),
	CASE WHEN good THEN '0' ELSE '22023: the column of "vendor_id" must have a unique index of its own' END,
	what)
FROM (VALUES
	('none', 'an id without an index', false),
	('plain', 'an id with an index that is not unique', false),
	('partial', 'an id with a partial unique index', false),
	('late', 'an id with a deferrable unique constraint', false),
	('latest', 'an id with a deferred unique constraint', false),
	('half', 'an id that is unique together with another column', false),
	('other', 'the second column of a unique index', false),
	('lowered', 'an id of which an expression is unique', false),
	('covering', 'an id with a unique index that includes another column', true),
	('good', 'an id with a unique index', true)
) AS t (col, what, good);

-- What cannot be attached --------------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE VIEW regress_shop.a_view AS SELECT * FROM regress_shop.by_text;
CREATE MATERIALIZED VIEW regress_shop.a_matview AS SELECT * FROM regress_shop.by_text;
CREATE UNIQUE INDEX ON regress_shop.a_matview (id);
CREATE SEQUENCE regress_shop.a_sequence;
CREATE TYPE regress_shop.a_type AS (id text, name text);
CREATE FOREIGN DATA WRAPPER regress_vr_wrapper;
CREATE SERVER regress_vr_server FOREIGN DATA WRAPPER regress_vr_wrapper;
CREATE FOREIGN TABLE regress_shop.a_foreign (id text, name text) SERVER regress_vr_server;
CREATE TEMP TABLE a_temp (id text PRIMARY KEY, name text);
CREATE UNLOGGED TABLE regress_shop.an_unlogged (id text PRIMARY KEY, name text);
CREATE TABLE regress_shop.parted (id bigint PRIMARY KEY, name text, phone text) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.parted_1 PARTITION OF regress_shop.parted FOR VALUES FROM (0) TO (100);

-- Would catch: a table of which the rows come and go without a trigger, or that we must not touch.
SELECT is(pg_temp.tries(pg_temp.attach(relation)), state || ': "' || regexp_replace(relation, '^.*\.', '') || '" cannot be attached',
	'refused: ' || relation)
FROM (VALUES
	('regress_shop.a_view', '42809'), ('regress_shop.a_matview', '42809'),
	('regress_shop.a_sequence', '42809'), ('regress_shop.a_type', '42809'),
	('regress_shop.a_foreign', '42809'), ('regress_shop.by_text_pkey', '42809'),
	('a_temp', '0A000'), ('regress_shop.an_unlogged', '0A000'), ('regress_shop.parted_1', '42809'),
	('pg_catalog.pg_class', '42809'), ('vendor_routing.vendors', '42809'),
	('vendor_routing.attachments', '42809')
) AS t (relation, state);
SELECT is((SELECT count(*) FROM vr_attachments), 0::bigint, 'and nothing is attached');

-- Would catch: rows of a child that are loaded and then not followed.
CREATE TABLE regress_shop.parent (id text PRIMARY KEY, name text);
CREATE TABLE regress_shop.child () INHERITS (regress_shop.parent);
INSERT INTO regress_shop.child VALUES ('c', 'Child');
SELECT pg_temp.tries(pg_temp.attach('regress_shop.parent')) AS inherited \gset
UPDATE regress_shop.child SET name = 'CHILD';
SELECT ok(:'inherited' ~ '^(42809|0A000)' OR pg_temp.vendors() IN ('', 'c=CHILD'),
	'a table with children: refused, or without them, or followed');

-- In the same transaction, and back --------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.rows (id text PRIMARY KEY, name text, live boolean);
INSERT INTO regress_shop.rows VALUES ('a', 'Anna', true), ('b', 'Bert', true);
SELECT is(pg_temp.around($$SELECT vr_attach_vendors('regress_shop.rows', '{"vendor_id": "id", "name": "name"}')$$,
		$$SELECT pg_temp.vendors() || '|' || (SELECT count(*) FROM vr_attachments) || '|' || pg_temp.triggers()$$),
	ARRAY['|0|', 'a=Anna, b=Bert|1|regress_shop.rows vr_sync_vendors, regress_shop.rows vr_sync_vendors_truncate', '|0|'],
	'attaching is there at once, and rolls back');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '2', 'attached');
-- Would catch: a registry that follows late, or keeps what was rolled back.
SELECT is(pg_temp.around(statement, 'SELECT pg_temp.vendors()'), ARRAY['a=Anna, b=Bert', during, 'a=Anna, b=Bert'],
	regexp_replace(statement, '\s+', ' ', 'g'))
FROM (VALUES
	($$INSERT INTO regress_shop.rows VALUES ('c', 'Carl')$$, 'a=Anna, b=Bert, c=Carl'),
	($$INSERT INTO regress_shop.rows VALUES ('b', 'New'), ('c', 'New') ON CONFLICT (id) DO UPDATE SET name = excluded.name$$,
		'a=Anna, b=New, c=New'),
	($$INSERT INTO regress_shop.rows VALUES ('b', 'New'), ('c', 'New') ON CONFLICT DO NOTHING$$,
		'a=Anna, b=Bert, c=New'),
	($$UPDATE regress_shop.rows SET name = upper(name)$$, 'a=ANNA, b=BERT'),
	($$UPDATE regress_shop.rows SET id = 'z' WHERE id = 'a'$$, 'b=Bert, z=Anna'),
	($$UPDATE regress_shop.rows SET id = id || id$$, 'aa=Anna, bb=Bert'),
	($$DELETE FROM regress_shop.rows WHERE id = 'a'$$, 'b=Bert'),
	($$DELETE FROM regress_shop.rows$$, ''),
	($$TRUNCATE regress_shop.rows$$, ''),
	($$MERGE INTO regress_shop.rows AS r USING (VALUES ('a', 'A'), ('d', 'D')) AS s (id, name) ON r.id = s.id
		WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)$$, 'b=Bert, d=D'),
	($$WITH gone AS (DELETE FROM regress_shop.rows RETURNING *)
		INSERT INTO regress_shop.rows SELECT id || '2', name FROM gone$$, 'a2=Anna, b2=Bert')
) AS t (statement, during);
SELECT is(pg_temp.around('SELECT vr_detach_vendors()',
		$$SELECT pg_temp.vendors() || '|' || (SELECT count(*) FROM vr_attachments) || '|' || pg_temp.triggers()$$),
	ARRAY['a=Anna, b=Bert|1|regress_shop.rows vr_sync_vendors, regress_shop.rows vr_sync_vendors_truncate',
		'a=Anna, b=Bert|0|',
		'a=Anna, b=Bert|1|regress_shop.rows vr_sync_vendors, regress_shop.rows vr_sync_vendors_truncate'],
	'detaching is there at once, keeps the registry, and rolls back');
-- Would catch: ids that go over one another in one statement.
TRUNCATE regress_shop.rows;
INSERT INTO regress_shop.rows VALUES ('3', 'Three'), ('2', 'Two'), ('1', 'One');
UPDATE regress_shop.rows SET id = (id::int + 1)::text;
SELECT is(pg_temp.vendors(), '2=One, 3=Two, 4=Three', 'every row takes the id of the next');

INSERT INTO regress_shop.rows SELECT 'n' || i, 'Number ' || i FROM generate_series(1, 1000) AS i;
SELECT is_empty(
	$$SELECT coalesce(r.id, v.vendor_id) FROM regress_shop.rows AS r
		FULL JOIN vendor_routing.vendors AS v ON v.vendor_id = r.id AND v.name = r.name
		WHERE r.id IS NULL OR v.vendor_id IS NULL$$,
	'a thousand rows in one statement');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '1003',
	'more rows than are loaded by one statement');
UPDATE regress_shop.rows SET name = upper(name);
SELECT is(count(*), 1000::bigint, 'a thousand names changed')
FROM vendor_routing.vendors WHERE name ~ '^NUMBER \d+$';
DELETE FROM regress_shop.rows;
SELECT is(pg_temp.vendors(), '', 'and all gone');

-- Would catch: a registry that has what a row said before a trigger wrote it again, or a vendor
-- whose row is gone, or none for a row that was put back.
CREATE FUNCTION regress_shop.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		EXECUTE TG_ARGV[0] USING coalesce(NEW.id, OLD.id);
	END IF;
	RETURN NULL;
END $$;
INSERT INTO regress_shop.rows VALUES ('a', 'Anna'), ('b', 'Bert');
SELECT vr_broadcast('again', 'r', vendors => ARRAY['b']);
DELETE FROM regress_shop.rows WHERE id = 'b';
SELECT is((pg_temp.around(format('CREATE TRIGGER %s AFTER %s ON regress_shop.rows FOR EACH ROW EXECUTE FUNCTION regress_shop.again(%L); %s',
		name, split_part(statement, ' ', 1), action, statement), 'SELECT pg_temp.vendors()'))[2], during, format('%s, and a trigger %s: %s', statement, name, action))
FROM (VALUES
	($$UPDATE regress_shop.rows SET name = 'X' WHERE id = 'a'$$, $$UPDATE regress_shop.rows SET name = name || '!' WHERE id = $1$$, 'a=X!, b=Bert (not active)'),
	($$UPDATE regress_shop.rows SET name = 'X' WHERE id = 'a'$$, $$DELETE FROM regress_shop.rows WHERE id = $1$$, 'b=Bert (not active)'),
	($$UPDATE regress_shop.rows SET id = 'c' WHERE id = 'a'$$, $$INSERT INTO regress_shop.rows VALUES ('a', 'New')$$, 'a=New, b=Bert (not active), c=Anna'),
	($$INSERT INTO regress_shop.rows VALUES ('b', 'Back')$$, $$UPDATE regress_shop.rows SET name = name || '!' WHERE id = $1$$, 'a=Anna, b=Back!'),
	($$INSERT INTO regress_shop.rows VALUES ('c', 'Carl')$$, $$DELETE FROM regress_shop.rows WHERE id = $1$$, 'a=Anna, b=Bert (not active)'),
	($$DELETE FROM regress_shop.rows WHERE id = 'a'$$, $$INSERT INTO regress_shop.rows VALUES ($1, 'Again')$$, 'a=Again, b=Bert (not active)')
) AS t (statement, action, during), unnest('{before_ours,zz_after_ours}'::text[]) AS name;
SELECT vr_cancel(vr_routing_id('again')) \g /dev/null
DELETE FROM regress_shop.rows;
SELECT pg_temp.fresh();
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '0', 'attached, as it is empty');

-- A vendor that is in use ----------------------------------------------------------------------------------

-- Would catch: an order whose vendor is gone, a delete in the application that
-- fails because of us, a vendor that does not come back.
INSERT INTO regress_shop.rows VALUES ('offered', 'O'), ('winner', 'W'), ('idle', 'I');
SELECT vr_broadcast('use-1', 'r', vendors => ARRAY['offered']);
SELECT vr_broadcast('use-2', 'r', vendors => ARRAY['winner']);
SELECT is(reason, 'LOCKED', 'one has an open offer, one has won')
FROM vr_accept(vr_routing_id('use-2'), 'winner');
SELECT is(pg_temp.around(statement, 'SELECT pg_temp.vendors()'),
	ARRAY['idle=I, offered=O, winner=W', during, 'idle=I, offered=O, winner=W'], 'in use: ' || statement)
FROM (VALUES
	('DELETE FROM regress_shop.rows', 'offered=O (not active), winner=W (not active)'),
	('TRUNCATE regress_shop.rows', 'offered=O (not active), winner=W (not active)'),
	($$UPDATE regress_shop.rows SET id = 'new-' || id$$,
		'new-idle=I, new-offered=O, new-winner=W, offered=O (not active), winner=W (not active)')
) AS t (statement, during);
DELETE FROM regress_shop.rows;
SELECT is(current_orders, 1, 'who has won keeps its load') FROM vendor_routing.vendors WHERE vendor_id = 'winner';
INSERT INTO regress_shop.rows VALUES ('offered', 'O2'), ('winner', 'W2');
SELECT is(pg_temp.vendors(), 'offered=O2, winner=W2', 'put back, they are active again (is_active is not mapped)');
SELECT is(current_orders, 1, 'with their load') FROM vendor_routing.vendors WHERE vendor_id = 'winner';
TRUNCATE regress_shop.rows;
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.rows',
	'{"vendor_id": "id", "name": "name", "is_active": "live"}')$$), '0', 'attached again, with is_active');
INSERT INTO regress_shop.rows VALUES ('offered', 'O3', true), ('winner', 'W3', false);
SELECT is(pg_temp.vendors(), 'offered=O3, winner=W3 (not active)', 'put back, they are what the table says (is_active is mapped)');
-- Would catch: an answer lost because the vendor was deleted in the meantime.
DELETE FROM regress_shop.rows WHERE id = 'winner';
SELECT is(outcome_recorded, 'DELIVERED', 'an order of a deleted vendor can be delivered')
FROM vr_complete(vr_routing_id('use-2'), 'DELIVERED', 5);
INSERT INTO regress_shop.rows VALUES ('winner', 'W4', true);
DELETE FROM regress_shop.rows WHERE id = 'winner';
SELECT is(pg_temp.vendors(), 'offered=O3', 'and once nothing is open, deleted is gone');
SELECT vr_cancel(vr_routing_id('use-1'));
DELETE FROM regress_shop.rows;
SELECT is(pg_temp.vendors(), '', 'as when the order is cancelled');

-- Would catch: a delete of the application's that fails, since the vendor was offered an order in
-- that moment.
CREATE FUNCTION pg_temp.offer_late() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
	PERFORM vr_broadcast('late', 'r', vendors => ARRAY[OLD.vendor_id]);
	RETURN OLD;
END $$;
CREATE TRIGGER a_late BEFORE DELETE ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION pg_temp.offer_late();
INSERT INTO regress_shop.rows VALUES ('late', 'L', true);
UPDATE vendor_routing.vendors SET is_verified = true WHERE vendor_id = 'late';
SELECT is(pg_temp.around('DELETE FROM regress_shop.rows', 'SELECT pg_temp.vendors()'), '{late=L,late=L (not active),late=L}', 'offered while it is deleted');
SELECT is(left(pg_temp.tries('DELETE FROM vendor_routing.vendors'), 6), '23503:', 'who deletes it from the registry is told');
DROP TRIGGER a_late ON vendor_routing.vendors;
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it stays''; END';
CREATE TRIGGER a_keep BEFORE DELETE ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
SELECT is(pg_temp.tries('DELETE FROM regress_shop.rows'), 'P0001: it stays', 'the error of a trigger of a DBA''s');
DROP TRIGGER a_keep ON vendor_routing.vendors;
SELECT vr_broadcast('late', 'r', vendors => '{late}') \g /dev/null
SELECT is(left(pg_temp.tries('DELETE FROM vendor_routing.vendors'), 6), '23503:', 'after which who deletes it from the registry is told as before');
SELECT vr_cancel(vr_routing_id('late')) \g /dev/null
DELETE FROM regress_shop.rows;
SELECT is(pg_temp.vendors(), '', 'and else it goes');

-- What the table does not know ---------------------------------------------------------------------------------

SELECT pg_temp.fresh();
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, capacity, products, attributes, reliability_score)
VALUES ('kept', 'By hand', false, 7, ARRAY['tea'], '{"a": 1}', 50), ('only by hand', 'By hand', true, 1, NULL, '{}', 0);
INSERT INTO regress_shop.rows VALUES ('kept', 'From the table', true), ('twin', 'Twin', true);
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '2', 'attached over a registry with rows');
SELECT results_eq(
	$$SELECT name, is_verified, capacity, products, attributes, reliability_score FROM vendor_routing.vendors WHERE vendor_id = 'kept'$$,
	$$VALUES ('From the table', false, 7, ARRAY['tea'], '{"a": 1}'::jsonb, 50.00)$$,
	'what is mapped is taken, what is not is kept');
UPDATE vendor_routing.vendors SET is_verified = true;
SELECT vr_set_hours('kept', 'UTC', '[{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}]');
SELECT vr_broadcast('keep-' || i, 'r', vendors => ARRAY['kept']) FROM generate_series(1, 3) AS i;
SELECT vr_accept(vr_routing_id('keep-' || i), 'kept') FROM generate_series(1, 3) AS i;
SELECT vr_complete(vr_routing_id('keep-1'), 'DELIVERED', 3);
SELECT vr_complete(vr_routing_id('keep-2'), 'FAILED', 4);
SELECT vr_pause('kept', 'infinity', 'On holiday');
SELECT vr_block('r', 'kept', 'rude');
CREATE TEMP TABLE kept AS SELECT * FROM vendor_routing.vendors WHERE vendor_id = 'kept';
SELECT results_eq('SELECT current_orders, total_orders, completed_orders, rating_count, rating_sum, average_rating, paused_until, working_hours IS NULL FROM kept',
	$$VALUES (1, 2, 1, 2, 7::numeric, 3.50, 'infinity'::timestamptz, false)$$, 'it has all that a vendor can have');
-- Would catch: a pause that ends, or a load that is forgotten, because somebody saved a form.
UPDATE regress_shop.rows SET name = 'Saved';
INSERT INTO regress_shop.rows VALUES ('kept', 'Saved again') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '2', 'attached again');
SELECT is(
	(SELECT to_jsonb(v) - 'name' - 'updated_at' FROM vendor_routing.vendors AS v WHERE vendor_id = 'kept'),
	(SELECT to_jsonb(k) - 'name' - 'updated_at' FROM kept AS k),
	'load, orders, ratings, pause and hours are not touched');
UPDATE regress_shop.rows SET id = 'twin2' WHERE id = 'twin';
UPDATE vendor_routing.vendors SET is_active = false, capacity = 9 WHERE vendor_id = 'twin2';
UPDATE regress_shop.rows SET name = 'Twin, saved' WHERE id = 'twin2';
SELECT results_eq($$SELECT name, is_active, capacity FROM vendor_routing.vendors WHERE vendor_id = 'twin2'$$,
	$$VALUES ('Twin, saved', false, 9)$$, 'what was set by hand and is not mapped survives an update');
SELECT is(name, 'By hand', 'a vendor that was never in the table is left alone')
FROM vendor_routing.vendors WHERE vendor_id = 'only by hand';
SELECT is(blocked.reason, 'rude', 'and so is the blocklist')
FROM vendor_routing.blocklist AS blocked WHERE vendor_id = 'kept';
SELECT lives_ok('SELECT * FROM vr_tick()', 'vr_tick goes on');
SELECT is(vr_resume('kept'), true, 'and the pause ends when it is told to');
SELECT is_empty(
	$$SELECT * FROM vr_check() WHERE violation IN ('WRONG_LOAD', 'UNKNOWN_VENDOR')$$,
	'the loads are right');

-- Values that the registry does not take ----------------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.wild (
	id text PRIMARY KEY, name text, least numeric, lat float8, lon float8, radius float8, slots int,
	stars numeric, trust numeric, done int, asked int, goods text[], good text, live text);
INSERT INTO regress_shop.wild VALUES ('w', 'Wild', 0, 1, 1, 1, 1, 1, 1, 1, 1, '{tea}', 'tea', 'yes');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.wild', '{
	"vendor_id": "id", "name": "name", "min_order_amount": "least", "latitude": "lat", "longitude": "lon",
	"service_radius_km": "radius", "capacity": "slots", "average_rating": "stars", "reliability_score": "trust",
	"completed_orders": "done", "total_orders": "asked", "products": "goods", "is_active": "live"}')$$), '1',
	'a table with fewer constraints than the registry');
CREATE TEMP TABLE wild_before AS
SELECT to_jsonb(w) AS theirs, (SELECT to_jsonb(v) FROM vendor_routing.vendors AS v) AS ours FROM regress_shop.wild AS w;
-- Would catch: half of a change; an error that does not say which rule was broken.
SELECT is(left(pg_temp.tries('UPDATE regress_shop.wild SET ' || assignment), length(expected)), expected,
	'refused: ' || assignment)
FROM (SELECT assignment, CASE WHEN what ~ '^vendors_'
		THEN format('23514: new row for relation "vendors" violates check constraint "%s"', what)
		ELSE what END
	FROM (VALUES
		('slots = -1', 'vendors_capacity_check'), ('stars = 9', 'vendors_average_rating_check'),
		('stars = -1', 'vendors_average_rating_check'), ('stars = 5.01', 'vendors_average_rating_check'),
		('trust = 101', 'vendors_reliability_score_check'), ('lat = 91', 'vendors_latitude_check'),
		('lon = -181', 'vendors_longitude_check'), ('radius = 0', 'vendors_service_radius_km_check'),
		('radius = 20041', 'vendors_service_radius_km_check'),
		('least = -0.01', 'vendors_min_order_amount_check'), ('least = ''NaN''', 'vendors_min_order_amount_check'),
		('asked = 0', 'vendors_completed_orders_check'), ('done = 2', 'vendors_completed_orders_check'),
		('goods = ARRAY[''''::text]', 'vendors_products_check'), ('goods = ARRAY[NULL::text]', 'vendors_products_check'),
		('goods = ''{{a},{b}}''', 'vendors_products_check'),
		('name = repeat(''x'', 256)', 'vendors_name_check'), ('id = repeat(''x'', 256)', 'vendors_vendor_id_check'),
		('live = ''perhaps''', '22P02: a column of an attached vendor is not valid'),
		('stars = 1e6', '22003: ')
	) AS v (assignment, what)) AS t (assignment, expected);
SELECT is(left(pg_temp.tries($$INSERT INTO regress_shop.wild (id, slots) VALUES ('x', 1), ('y', -1)$$), 6), '23514:',
	'refused: one good row and one bad one');
SELECT results_eq(
	'SELECT to_jsonb(w), (SELECT to_jsonb(v) FROM vendor_routing.vendors AS v) FROM regress_shop.wild AS w',
	'SELECT theirs, ours FROM wild_before', 'and nothing is changed, here or there');
SELECT vr_detach_vendors() \g /dev/null
INSERT INTO regress_shop.wild (id, stars) SELECT 'w' || i, CASE i WHEN 1500 THEN 9 ELSE 1 END
FROM generate_series(1, 1500) AS i;
SELECT is(left(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.wild',
	'{"vendor_id": "id", "average_rating": "stars"}')$$), 6), '23514:', 'a bad row among many cannot be attached');
SELECT is(pg_temp.triggers() || (SELECT count(*) FROM vr_attachments) || pg_temp.vendors(), '0w=Wild',
	'and nothing of it is left');

-- Columns that go or change their names --------------------------------------------------------------------------------

SELECT pg_temp.fresh();
CREATE TABLE regress_shop.drifts (id text PRIMARY KEY, name text, phone text, other text);
INSERT INTO regress_shop.drifts VALUES ('d', 'Drifts');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.drifts',
	'{"vendor_id": "id", "name": "name", "phone": "phone"}')$$), '1', 'attached');
ALTER TABLE regress_shop.drifts RENAME other TO something;
ALTER TABLE regress_shop.drifts DROP COLUMN something;
ALTER TABLE regress_shop.drifts ADD COLUMN more text DEFAULT 'x';
ALTER TABLE regress_shop.drifts ALTER COLUMN phone TYPE varchar(30);
UPDATE regress_shop.drifts SET name = 'Still here';
SELECT is(pg_temp.vendors(), 'd=Still here', 'columns that are not mapped may come and go');
-- Would catch: another column taken for the one that is gone; a write that passes unseen.
CREATE FUNCTION pg_temp.drifted(alteration text, statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE alteration;
	result := pg_temp.tries(statement) || ' / ' || pg_temp.hint_of(statement) || ' / ' || pg_temp.vendors();
	RAISE EXCEPTION 'roll back' USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	RETURN result;
END $$;
SELECT is(pg_temp.drifted('ALTER TABLE regress_shop.drifts ' || alteration, statement),
	format('42703: column "%s" of relation "drifts" does not exist', col)
		|| ' / Attach the table again, with another mapping. / d=Still here',
	format('%s; %s', alteration, statement))
FROM (VALUES
	('RENAME name TO full_name', 'name'), ('DROP COLUMN name', 'name'), ('RENAME phone TO tel', 'phone'),
	('RENAME id TO key', 'id'), ('DROP COLUMN id', 'id')
) AS a (alteration, col), (VALUES
	($$INSERT INTO regress_shop.drifts SELECT * FROM regress_shop.drifts WHERE false UNION ALL SELECT (jsonb_populate_record(NULL::regress_shop.drifts, '{"id": "e", "key": "e"}')).*$$),
	('UPDATE regress_shop.drifts SET more = ''y'''), ('DELETE FROM regress_shop.drifts')
) AS s (statement);
ALTER TABLE regress_shop.drifts RENAME name TO full_name;
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.drifts', '{"vendor_id": "id", "name": "full_name"}')$$), '1',
	'attached again with the new name');
UPDATE regress_shop.drifts SET full_name = 'Mended';
SELECT is(pg_temp.vendors(), 'd=Mended', 'it is followed again');
ALTER TABLE regress_shop.drifts DROP COLUMN full_name;
SELECT is(vr_detach_vendors(), true, 'a table without a mapped column can be detached');

-- Attached again, detached, restored -------------------------------------------------------------------------------------

SELECT pg_temp.fresh();
TRUNCATE regress_shop.rows, regress_shop.by_text;
INSERT INTO regress_shop.rows VALUES ('a', 'Anna', true);
INSERT INTO regress_shop.by_text VALUES ('t', 'Text', 'Note');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '1', 'attached once');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.rows', '{"vendor_id": "name"}')$$),
	'22023: the column of "vendor_id" must have a unique index of its own', 'a second attempt that fails');
SELECT is(pg_temp.triggers(), 'regress_shop.rows vr_sync_vendors, regress_shop.rows vr_sync_vendors_truncate',
	'leaves the first');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '1', 'the same again');
SELECT is(pg_temp.triggers(), 'regress_shop.rows vr_sync_vendors, regress_shop.rows vr_sync_vendors_truncate',
	'one set of triggers');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.by_text', '{"vendor_id": "id", "name": "note"}')$$), '1',
	'another table, another mapping');
SELECT is(pg_temp.triggers(), 'regress_shop.by_text vr_sync_vendors, regress_shop.by_text vr_sync_vendors_truncate',
	'the triggers are on that one');
SELECT results_eq('SELECT relation, mapping FROM vr_attachments',
	$$VALUES ('regress_shop.by_text'::regclass, '{"vendor_id": "id", "name": "note"}'::jsonb)$$, 'and vr_attachments has that one');
INSERT INTO regress_shop.rows VALUES ('b', 'Bert', true);
UPDATE regress_shop.by_text SET note = 'NOTE';
SELECT is(pg_temp.vendors(), 'a=Anna, t=NOTE', 'only that one is followed');

-- Would catch: a restore after which nothing can be attached, or two are followed.
DELETE FROM vendor_routing.attachments;
SELECT is(pg_temp.tries($$INSERT INTO regress_shop.by_text VALUES ('u', 'U', 'U')$$), 'OK',
	'triggers without an attachment (a restore of the schema alone) are in nobody''s way');
SELECT is(pg_temp.vendors(), 'a=Anna, t=NOTE', 'and do nothing');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.by_text')), '2', 'the table can be attached');
SELECT is(pg_temp.triggers(), 'regress_shop.by_text vr_sync_vendors, regress_shop.by_text vr_sync_vendors_truncate',
	'and has one set of triggers');
UPDATE regress_shop.by_text SET name = 'T' WHERE id = 't';
SELECT is(pg_temp.vendors(), 'a=Anna, t=T, u=U', 'that work');
DELETE FROM vendor_routing.attachments;
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '2', 'or another table can');
SELECT pg_temp.vendors() AS followed \gset
INSERT INTO regress_shop.by_text VALUES ('v', 'V', 'V');
UPDATE regress_shop.by_text SET name = 'changed';
DELETE FROM regress_shop.by_text WHERE id = 't';
SELECT is(pg_temp.vendors(), :'followed', 'rows of a table with triggers of old are not mixed in');
TRUNCATE regress_shop.by_text;
SELECT is(pg_temp.vendors(), :'followed', 'nor does its TRUNCATE empty the registry');

INSERT INTO regress_shop.rows VALUES ('y', 'Yan', true);
SELECT pg_temp.vendors() AS followed \gset
SELECT is(vr_detach_vendors(), true, 'detached');
SELECT is(vr_detach_vendors(), false, 'there was nothing to detach');
SELECT is(pg_temp.vendors(), :'followed', 'the registry stays');
INSERT INTO regress_shop.rows VALUES ('z', 'Zoe', true);
SELECT is(pg_temp.vendors(), :'followed', 'and follows nobody');
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.rows')), '4', 'attached');
DROP TABLE regress_shop.rows;
SELECT is(pg_temp.tries('SELECT vr_detach_vendors()'), 'true', 'a table that was dropped can be detached');

-- Partitioned tables ------------------------------------------------------------------------------------------------------------

-- Would catch: rows that are written in a partition, past the table.
SELECT pg_temp.fresh();
CREATE TABLE regress_shop.parted_2 (phone text, gone int, name text, id bigint NOT NULL);
ALTER TABLE regress_shop.parted_2 DROP COLUMN gone;
ALTER TABLE regress_shop.parted ATTACH PARTITION regress_shop.parted_2 FOR VALUES FROM (100) TO (200);
INSERT INTO regress_shop.parted VALUES (1, 'One', '+491'), (101, 'Hundred and one', '+49101');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.parted',
	'{"vendor_id": "id", "name": "name", "phone": "phone"}')$$), '2', 'a partitioned table');
SELECT results_eq('SELECT vendor_id, name, phone FROM vendor_routing.vendors ORDER BY vendor_id COLLATE "C"',
	$$VALUES ('1', 'One', '+491'), ('101', 'Hundred and one', '+49101')$$,
	'with the rows of all partitions, also where columns are in another order');
CREATE TABLE regress_shop.parted_3 PARTITION OF regress_shop.parted FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.parted_3_1 PARTITION OF regress_shop.parted_3 DEFAULT;
SELECT is(pg_temp.around(statement, 'SELECT pg_temp.vendors()'),
	ARRAY['1=One, 101=Hundred and one', during, '1=One, 101=Hundred and one'], 'partitions: ' || statement)
FROM (VALUES
	($$INSERT INTO regress_shop.parted VALUES (2, 'Two'), (102, 'X')$$, '1=One, 101=Hundred and one, 102=X, 2=Two'),
	($$INSERT INTO regress_shop.parted_1 (id, name) VALUES (2, 'Two')$$, '1=One, 101=Hundred and one, 2=Two'),
	($$INSERT INTO regress_shop.parted_2 (id, name) VALUES (102, 'X')$$, '1=One, 101=Hundred and one, 102=X'),
	($$INSERT INTO regress_shop.parted VALUES (201, 'Later')$$, '1=One, 101=Hundred and one, 201=Later'),
	($$INSERT INTO regress_shop.parted_3_1 VALUES (201, 'Later')$$, '1=One, 101=Hundred and one, 201=Later'),
	($$UPDATE regress_shop.parted_2 SET name = 'Y'$$, '1=One, 101=Y'),
	($$UPDATE regress_shop.parted SET id = id + 1$$, '102=Hundred and one, 2=One'),
	($$UPDATE regress_shop.parted SET id = 150 WHERE id = 1$$, '101=Hundred and one, 150=One'),
	($$DELETE FROM regress_shop.parted_2$$, '1=One'),
	($$DELETE FROM regress_shop.parted$$, ''),
	($$TRUNCATE regress_shop.parted$$, '')
) AS t (statement, during);
UPDATE regress_shop.parted SET id = 151 WHERE id = 1;
SELECT is(phone, '+491', 'a row that moves to another partition keeps its phone')
FROM vendor_routing.vendors WHERE vendor_id = '151';
-- PostgreSQL has no trigger for this on a partition of a table that has one.
SAVEPOINT truncated;
TRUNCATE regress_shop.parted_2;
SELECT is(string_agg(vendor_id, ', ' ORDER BY vendor_id), '101, 151', 'vr_check() shows vendors of a partition that was truncated')
FROM vr_check() WHERE violation = 'ATTACHED_VENDOR_DIFFERS';
ROLLBACK TO truncated;
SELECT is(vr_detach_vendors(), true, 'a partitioned table can be detached');
SELECT unalike(pg_temp.triggers(), '%parted%', 'and no partition keeps a trigger');

-- All in all ------------------------------------------------------------------------------------------------------------------------

SELECT is_empty('SELECT * FROM vr_check()', 'vr_check() finds nothing wrong after all this');

-- What only the registry knows -------------------------------------------------------------

-- Would catch: a radius set by hand that makes every later change of the application's fail.
CREATE TABLE regress_shop.near (id text PRIMARY KEY, name text, lat float8, lon float8);
INSERT INTO regress_shop.near VALUES ('near', 'Near', 1, 2);
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.near',
	'{"vendor_id": "id", "name": "name", "latitude": "lat", "longitude": "lon"}')$$), '1', 'a table without a radius');
UPDATE vendor_routing.vendors SET service_radius_km = 7 WHERE vendor_id = 'near';
UPDATE regress_shop.near SET name = 'Nearer';
SELECT is(service_radius_km, 7::float8, 'a radius set by hand stays') FROM vendor_routing.vendors WHERE vendor_id = 'near';
UPDATE regress_shop.near SET lat = NULL;
SELECT is((name, service_radius_km)::text, '(Nearer,)', 'and goes with the place') FROM vendor_routing.vendors WHERE vendor_id = 'near';

-- Would catch: a row of the registry that is shown to who may only write the attached table.
CREATE FUNCTION pg_temp.told(statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END $$;
SELECT is(pg_temp.told($$UPDATE regress_shop.near SET lat = 91, lon = 0$$),
	'What the row says is for those who may read the table.', 'the error of a constraint shows nothing of the registry');

-- Would catch: a value of the row that is shown to who may not read it, but write it.
CREATE TABLE regress_shop.forms (id text PRIMARY KEY, note text, stars text, phone text);
INSERT INTO regress_shop.forms VALUES ('f1', 'x', '4', '+49170000001'), ('f2', 'x', '3', NULL), ('f3', 'x', '3', 'none');
SELECT is(pg_temp.tries($$SELECT vr_attach_vendors('regress_shop.forms', '{"vendor_id": "id", "average_rating": "stars", "phone": "phone"}')$$), '3', 'a rating that is a text');
-- Would catch: a subtransaction for each row, of which 64 slow the snapshots of everybody.
UPDATE regress_shop.forms SET note = 'y';
SELECT is((SELECT array_agg(DISTINCT v.xmin = f.xmin) FROM vendor_routing.vendors AS v JOIN regress_shop.forms AS f ON f.id = v.vendor_id),
	'{t}', 'what leaves the phones as they are is written by the transaction itself');
UPDATE regress_shop.forms SET phone = '+49170000002';
SELECT is((SELECT string_agg(vendor_id || ' ' || coalesce(phone, 'none'), ', ' ORDER BY vendor_id) FROM vendor_routing.vendors WHERE vendor_id LIKE 'f_'),
	'f1 +49170000002, f2 none, f3 none', 'and what changes them is written');
ALTER TABLE regress_shop.forms DISABLE TRIGGER USER;
UPDATE regress_shop.forms SET stars = 'call Anna' WHERE id = 'f1';
ALTER TABLE regress_shop.forms ENABLE TRIGGER USER;
SELECT is(pg_temp.tries('UPDATE regress_shop.forms SET note = ''z'''), '22P02: a column of an attached vendor is not valid', 'an error of another column');
SELECT vr_detach_vendors();
DROP TABLE regress_shop.forms;
SELECT is(pg_temp.tries(pg_temp.attach('regress_shop.near')), '1', 'attached again');

-- Would catch: an attached table that was dropped, and nobody notices.
DROP TABLE regress_shop.near;
SELECT results_eq($$SELECT detail FROM vr_check() WHERE violation = 'ATTACHED_VENDOR_DIFFERS'$$,
	$$VALUES ('the attached table of vendors is gone, or has lost its triggers')$$, 'vr_check() says that the attached table is gone');

SELECT * FROM finish();
ROLLBACK;
