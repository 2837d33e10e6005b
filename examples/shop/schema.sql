-- The shop, as it was before it knew of vendor_routing: its own keys, its own
-- words, its own rules.
CREATE SCHEMA shop;

CREATE TABLE shop.retailers (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE,
	credit_limit numeric(12,2) NOT NULL CHECK (credit_limit >= 0),
	credit_used numeric(12,2) NOT NULL DEFAULT 0,
	CHECK (credit_used BETWEEN 0 AND credit_limit)
);

CREATE TABLE shop.wholesalers (
	id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	name text NOT NULL,
	whatsapp text,
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
	sells text[] NOT NULL,
	max_orders integer NOT NULL DEFAULT 20,
	lat double precision NOT NULL,
	lon double precision NOT NULL,
	delivers_km double precision NOT NULL DEFAULT 12
);

CREATE TYPE shop.order_state AS ENUM
	('draft', 'checked', 'funded', 'offered', 'taken', 'on_the_way', 'delivered', 'cancelled', 'failed');

CREATE TABLE shop.orders (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	retailer uuid NOT NULL REFERENCES shop.retailers,
	product text NOT NULL,
	total numeric(12,2) NOT NULL CHECK (total > 0),
	lat double precision NOT NULL,
	lon double precision NOT NULL,
	state shop.order_state NOT NULL DEFAULT 'draft',
	wholesaler bigint REFERENCES shop.wholesalers,
	updated_at timestamptz NOT NULL DEFAULT now()
);

-- What is reserved while an order is under way, and spent once it is delivered.
CREATE TABLE shop.credit_reservations (
	order_id uuid PRIMARY KEY REFERENCES shop.orders ON DELETE CASCADE,
	retailer uuid NOT NULL REFERENCES shop.retailers,
	amount numeric(12,2) NOT NULL,
	wholesaler bigint REFERENCES shop.wholesalers
);

CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at := clock_timestamp();
	RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON shop.orders
	FOR EACH ROW EXECUTE FUNCTION shop.touch();

-- An order that ends without a delivery gives its credit back.
CREATE FUNCTION shop.give_credit_back() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	back numeric;
BEGIN
	DELETE FROM shop.credit_reservations WHERE order_id = OLD.id RETURNING amount INTO back;
	UPDATE shop.retailers SET credit_used = credit_used - back WHERE id = OLD.retailer AND back IS NOT NULL;
	RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER give_credit_back AFTER UPDATE OF state ON shop.orders
	FOR EACH ROW WHEN (NEW.state IN ('cancelled', 'failed') AND NEW.state <> OLD.state)
	EXECUTE FUNCTION shop.give_credit_back();
CREATE TRIGGER give_credit_back_of_deleted BEFORE DELETE ON shop.orders
	FOR EACH ROW EXECUTE FUNCTION shop.give_credit_back();

INSERT INTO shop.retailers (name, credit_limit)
SELECT 'Corner shop ' || i, 1000000 FROM generate_series(1, 20) AS i;
INSERT INTO shop.wholesalers (name, whatsapp, sells, lat, lon)
SELECT 'Wholesaler ' || i, '+49 170 1000' || lpad(i::text, 3, '0'),
	CASE i % 3 WHEN 0 THEN '{rice,oil}' WHEN 1 THEN '{rice}' ELSE '{oil,flour}' END::text[],
	52.52 + (i % 7 - 3) * 0.01, 13.40 + (i % 5 - 2) * 0.01
FROM generate_series(1, 40) AS i;
