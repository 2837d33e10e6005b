-- Tables of the application's own, with keys, names and words of its own: attached
-- with one call each, and driven through to the end.
-- no notice of progress on the slowest machine
SET client_min_messages = warning;
CREATE TEMP TABLE others AS SELECT vendor_id FROM vendor_routing.vendors WHERE is_active;
UPDATE vendor_routing.vendors SET is_active = false WHERE is_active;
CREATE SCHEMA "My Shop";
CREATE TYPE "My Shop".st AS ENUM
	('new', 'paid', 'open', 'won', 'packing', 'done', 'void', 'bad', 'archived');
CREATE TABLE "My Shop"."Whole""Salers" (
	"Id" uuid PRIMARY KEY,
	title text,
	phone text,
	state text DEFAULT 'open',
	cap integer
);
CREATE TABLE "My Shop"."Order" (
	"Key" bigint PRIMARY KEY,
	shop integer DEFAULT 7,
	total numeric(10,2) DEFAULT 12.50,
	"State" "My Shop".st NOT NULL DEFAULT 'new',
	"Winner" uuid REFERENCES "My Shop"."Whole""Salers"
);
INSERT INTO "My Shop"."Whole""Salers" ("Id", title, phone, cap)
SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'W' || i, '00 49 (170) 100-' || i, 9
FROM generate_series(1, 3) AS i;

SELECT vr_attach_vendors('"My Shop"."Whole""Salers"',
	'{"vendor_id": "Id", "name": "title", "phone": "phone", "products": {"value": "attach"},
	  "is_active": {"column": "state", "equals": "open"}, "capacity": "cap"}');
SELECT vr_attach_orders('"My Shop"."Order"',
	'{"order_id": "Key", "retailer_id": "shop", "amount": "total", "product": {"value": "attach"},
	  "status": "State", "locked_vendor_id": "Winner", "auto_broadcast": true,
	  "states": {"CREATED": "new", "VALIDATED": null, "CREDIT_RESERVED": "paid",
	             "PENDING_BIDS": "open", "VENDOR_ACCEPTED": "won", "FULFILLMENT_STARTED": "packing",
	             "DELIVERED": "done", "CANCELLED": "void", "FAILED": "bad"}}');
SELECT kind, relation FROM vr_attachments ORDER BY 1;
SELECT right(vendor_id, 1) AS id, name, phone, products, capacity, is_active
FROM vendor_routing.vendors WHERE products = '{attach}' ORDER BY 1;
-- the state that the application does not have is passed by
SELECT * FROM vendor_routing.order_edges ORDER BY 1, 2;

-- from new to done
INSERT INTO "My Shop"."Order" VALUES (1);
UPDATE "My Shop"."Order" SET "State" = 'open' WHERE "Key" = 1;
UPDATE "My Shop"."Order" SET "State" = 'won' WHERE "Key" = 1;
UPDATE "My Shop"."Order" SET "State" = 'paid' WHERE "Key" = 1;
SELECT "Key", "State", "Winner" FROM "My Shop"."Order";
SELECT amount, product, status, total_vendors FROM vr_routing_status WHERE order_id = '1';
UPDATE "My Shop"."Order" SET "State" = 'won', "Winner" = '00000000-0000-0000-0000-000000000001';
SELECT accepted, reason FROM vr_accept(vr_routing_id('1'), '00000000-0000-0000-0000-000000000002');
SELECT "Key", "State", "Winner" FROM "My Shop"."Order";
UPDATE "My Shop"."Order" SET "Winner" = NULL;
UPDATE "My Shop"."Order" SET "State" = 'open', "Winner" = NULL;
UPDATE "My Shop"."Order" SET "State" = 'done';
UPDATE "My Shop"."Order" SET "Key" = 99;
UPDATE "My Shop"."Order" SET total = 13;
SELECT released, status FROM vr_release(vr_routing_id('1'), '00000000-0000-0000-0000-000000000002');
SELECT "Key", "State", "Winner" FROM "My Shop"."Order";
-- the accept is part of the application's transaction
BEGIN;
SELECT accepted, reason FROM vr_accept(vr_routing_id('1'), '00000000-0000-0000-0000-000000000003');
SELECT "Key", "State", "Winner" FROM "My Shop"."Order";
ROLLBACK;
SELECT "Key", "State", "Winner" FROM "My Shop"."Order";
SELECT accepted, reason FROM vr_accept(vr_routing_id('1'), '00000000-0000-0000-0000-000000000001');
SELECT accepted, reason FROM vr_accept(vr_routing_id('1'), '00000000-0000-0000-0000-000000000003');
UPDATE "My Shop"."Order" SET "State" = 'packing';
UPDATE "My Shop"."Order" SET "State" = 'done';
SELECT status, outcome FROM vr_routing_status WHERE order_id = '1';
UPDATE "My Shop"."Order" SET "State" = 'archived';
-- the edges are the DBA's
INSERT INTO vendor_routing.order_edges VALUES ('done', 'archived');
UPDATE "My Shop"."Order" SET "State" = 'archived';

-- what is not there, not ready, or over, is not offered
SELECT created FROM vr_broadcast('no number', NULL);
SELECT created FROM vr_broadcast('4711', NULL);
INSERT INTO "My Shop"."Order" VALUES (2, 7, 1, 'new'), (3, 7, 1, 'paid'), (4, 7, 1, 'paid'), (5, 7, 1, 'paid'), (6, 7, 1, 'paid');
SELECT created FROM vr_broadcast('2', NULL);
UPDATE "My Shop"."Order" SET "State" = 'void' WHERE "Key" IN (2, 3);
SELECT created FROM vr_broadcast('2', NULL);
SELECT reason FROM vr_accept(vr_routing_id('3'), '00000000-0000-0000-0000-000000000001');
DELETE FROM "My Shop"."Order" WHERE "Key" = 4;
INSERT INTO "My Shop"."Order" VALUES (4, 7, 1, 'paid');
SELECT cancelled FROM vr_cancel(vr_routing_id('5'));
UPDATE "My Shop"."Order" SET "State" = 'bad' WHERE "Key" = 6;
SELECT "Key", "State" FROM "My Shop"."Order" ORDER BY 1;
SELECT order_id, status FROM vr_routing_status WHERE product = 'attach' ORDER BY 1;

-- completed and expired by the routing, whatever the application has marked
INSERT INTO "My Shop"."Order" VALUES (7, 7, 1, 'paid'), (8, 7, 1, 'paid');
SELECT reason FROM vr_accept(vr_routing_id('7'), '00000000-0000-0000-0000-000000000001');
SELECT completed FROM vr_complete(vr_routing_id('7'), 'FAILED');
UPDATE vendor_routing.responses SET expires_at = clock_timestamp(), offered_at = clock_timestamp() - interval '1 s'
WHERE routing_id = vr_routing_id('8');
UPDATE vendor_routing.routings SET expires_at = clock_timestamp(), next_deadline = clock_timestamp()
WHERE order_id = '8';
SELECT status FROM vr_timeout(vr_routing_id('8'));
SELECT "Key", "State", "Winner" FROM "My Shop"."Order" WHERE "Key" > 6 ORDER BY 1;

-- nobody can take it: the order waits with the application
UPDATE "My Shop"."Whole""Salers" SET state = 'closed';
INSERT INTO "My Shop"."Order" VALUES (9, 7, 1, 'paid');
SELECT "Key", "State" FROM "My Shop"."Order" WHERE "Key" = 9;
UPDATE "My Shop"."Whole""Salers" SET state = 'open';
SELECT created FROM vr_broadcast('9', NULL);
SELECT "Key", "State" FROM "My Shop"."Order" WHERE "Key" = 9;

-- a difference shows
SELECT violation, detail FROM vr_check() WHERE violation ~ '^ATTACHED' AND detail !~ 'no row|not in the attached';
ALTER TABLE "My Shop"."Order" DISABLE TRIGGER USER;
UPDATE "My Shop"."Order" SET "State" = 'won' WHERE "Key" = 9;
ALTER TABLE "My Shop"."Order" ENABLE TRIGGER USER;
SELECT violation, order_id, detail FROM vr_check() WHERE violation ~ '^ATTACHED' AND detail !~ 'no row|not in the attached';
SELECT cancelled FROM vr_cancel(vr_routing_id('9'));

-- bad mappings
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop"}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "nowhere"}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": {"value": "x"}}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "State"}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "State", "states": {"WON": "won"}}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "State", "states": {"CREATED": "new", "VALIDATED": "new"}}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "State", "auto_broadcast": "yes"}');
SELECT vr_attach_orders('"My Shop"."Order"', '{"order_id": "Key", "retailer_id": "shop", "status": "State", "colour": "red"}');
SELECT vr_attach_orders('vr_routing_status', '{}');
SELECT vr_attach_orders('vendor_routing.routings', '{}');

-- a column that is gone
ALTER TABLE "My Shop"."Order" RENAME shop TO retailer;
INSERT INTO "My Shop"."Order" VALUES (10);
ALTER TABLE "My Shop"."Order" RENAME retailer TO shop;

DELETE FROM "My Shop"."Order";
DELETE FROM "My Shop"."Whole""Salers";
SELECT vr_detach_orders(), vr_detach_vendors();
SELECT vr_detach_orders(), vr_detach_vendors();
SELECT count(*) FROM vendor_routing.order_edges;
DROP SCHEMA "My Shop" CASCADE;
UPDATE vendor_routing.vendors SET is_active = true WHERE vendor_id IN (SELECT vendor_id FROM others);
