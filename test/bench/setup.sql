-- What the benchmark works on: the extension with vendors, and its peers in the schema
-- peer: the same tables and indexes without their triggers, the same rows.
--
-- psql variables: vendors (in the registry), orders (open ones).
\set ON_ERROR_STOP 1
\o /dev/null
CREATE EXTENSION vendor_routing;
ALTER DATABASE :"database" SET vendor_routing.order_ttl = '1d';
ALTER DATABASE :"database" SET vendor_routing.offer_ttl = '1d';
SET vendor_routing.order_ttl = '1d';
SET vendor_routing.offer_ttl = '1d';

INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, total_orders, completed_orders, average_rating, reliability_score)
SELECT 'v' || n, 'Vendor ' || n, true, 100000, n % 100000, (n % 400) / 100.0, n % 97
FROM generate_series(1, :vendors) AS n;
-- These ten have the best scores, so that they are invited to every order.
UPDATE vendor_routing.vendors SET completed_orders = 100000 - substr(vendor_id, 2)::int, average_rating = 5, reliability_score = 100
WHERE vendor_id = ANY (ARRAY(SELECT 'v' || n FROM generate_series(1, 10) AS n));
SELECT count(*) FROM vr_broadcast_many((
	SELECT jsonb_agg(jsonb_build_object('order_id', 'order-' || n, 'retailer_id', 'shop')) FROM generate_series(1, :orders) AS n));

CREATE SCHEMA peer;
CREATE TABLE peer.vendors (LIKE vendor_routing.vendors INCLUDING ALL);
CREATE TABLE peer.routings (LIKE vendor_routing.routings INCLUDING ALL);
CREATE TABLE peer.responses (LIKE vendor_routing.responses INCLUDING ALL);
CREATE TABLE peer.cancellations (LIKE vendor_routing.cancellations INCLUDING ALL);
CREATE TABLE peer.events (LIKE vendor_routing.events INCLUDING ALL);
CREATE TABLE peer.outbox (LIKE vendor_routing.outbox INCLUDING ALL);
-- LIKE leaves out what lets an update stay on its page.
SELECT format('ALTER TABLE peer.%I SET (%s)', relname, array_to_string(reloptions, ', '))
FROM pg_class WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind = 'r' AND reloptions IS NOT NULL
	AND relname IN ('vendors', 'routings', 'responses', 'cancellations', 'events', 'outbox') \gexec
INSERT INTO peer.vendors SELECT * FROM vendor_routing.vendors;

-- Peer: one statement does all the writes of a win.
CREATE FUNCTION peer.accept_statement() RETURNS text LANGUAGE sql AS $f$
SELECT $$WITH won AS (
	UPDATE peer.routings SET status = 'LOCKED', locked_vendor_id = $2, locked_at = now(), version = version + 1, updated_at = now()
	WHERE routing_id = vr_routing_id($1) AND status = 'PENDING' AND expires_at > now()
	RETURNING routing_id, round, order_id
), answer AS (
	UPDATE peer.responses AS r SET response = 'ACCEPT', responded_at = now()
	FROM won WHERE r.routing_id = won.routing_id AND r.round = won.round AND r.vendor_id = $2
), told AS (
	INSERT INTO peer.cancellations (routing_id, round, vendor_id, reason, created_at)
	SELECT r.routing_id, r.round, r.vendor_id, 'ANOTHER_VENDOR_ACCEPTED', now()
	FROM won JOIN peer.responses AS r ON r.routing_id = won.routing_id AND r.round = won.round AND r.vendor_id <> $2
	RETURNING 1
), said AS (
	INSERT INTO peer.events (routing_id, event_id, order_id, event_type, vendor_id, payload, occurred_at)
	SELECT routing_id, gen_random_uuid(), order_id, 'VENDOR_ACCEPTED', $2, NULL::jsonb, now() FROM won
	UNION ALL
	SELECT routing_id, gen_random_uuid(), order_id, 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT', $2,
		jsonb_build_object('cancelled_count', (SELECT count(*) FROM told)), now() FROM won
), load AS (
	UPDATE peer.vendors SET current_orders = current_orders + 1 FROM won WHERE vendor_id = $2
)
SELECT true, 'LOCKED', $2 FROM won$$
$f$;

-- Peer: the same in PL/pgSQL, with the answers of vr_accept.
CREATE FUNCTION peer.accept(the_order text, who text, OUT accepted boolean, OUT reason text, OUT winner text)
LANGUAGE plpgsql AS $$
DECLARE
	id uuid := vr_routing_id(the_order);
	t peer.routings;
	told integer;
BEGIN
	UPDATE peer.routings SET status = 'LOCKED', locked_vendor_id = who, locked_at = now(), version = version + 1, updated_at = now()
	WHERE routing_id = id AND status = 'PENDING' AND expires_at > now()
		AND EXISTS (SELECT FROM peer.responses AS r WHERE r.routing_id = id AND r.round = routings.round AND r.vendor_id = who)
	RETURNING * INTO t;
	IF NOT FOUND THEN
		SELECT * INTO t FROM peer.routings WHERE routing_id = id;
		PERFORM FROM peer.responses WHERE routing_id = id AND round = t.round AND vendor_id = who AND response IS NULL;
		IF FOUND THEN
			UPDATE peer.responses SET response = 'ACCEPT', responded_at = now()
			WHERE routing_id = id AND round = t.round AND vendor_id = who;
			INSERT INTO peer.events (routing_id, event_id, order_id, event_type, vendor_id, payload, occurred_at)
			VALUES (id, gen_random_uuid(), the_order, 'VENDOR_RESPONSE_RECORDED', who, '{"answer": "ACCEPT"}', now());
		END IF;
		accepted := false;
		reason := 'ALREADY_LOCKED';
		winner := t.locked_vendor_id;
		RETURN;
	END IF;
	UPDATE peer.responses SET response = 'ACCEPT', responded_at = now()
	WHERE routing_id = id AND round = t.round AND vendor_id = who;
	INSERT INTO peer.cancellations (routing_id, round, vendor_id, reason, created_at)
	SELECT id, t.round, vendor_id, 'ANOTHER_VENDOR_ACCEPTED', now()
	FROM peer.responses WHERE routing_id = id AND round = t.round AND vendor_id <> who;
	GET DIAGNOSTICS told = ROW_COUNT;
	INSERT INTO peer.events (routing_id, event_id, order_id, event_type, vendor_id, payload, occurred_at)
	VALUES (id, gen_random_uuid(), the_order, 'VENDOR_ACCEPTED', who, NULL, now()),
		(id, gen_random_uuid(), the_order, 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT', who,
		 jsonb_build_object('cancelled_count', told), now());
	UPDATE peer.vendors SET current_orders = current_orders + 1 WHERE vendor_id = who;
	accepted := true;
	reason := 'LOCKED';
	winner := who;
END $$;

-- Peer: a broadcast to the ten best, in PL/pgSQL.
CREATE FUNCTION peer.broadcast(the_order text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id uuid := vr_routing_id(the_order);
BEGIN
	INSERT INTO peer.routings (routing_id, order_id, retailer_id, next_deadline, expires_at, created_at, updated_at)
	VALUES (id, the_order, 'shop', now() + interval '1 day', now() + interval '1 day', now(), now())
	ON CONFLICT (routing_id) DO NOTHING;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO peer.outbox (routing_id) VALUES (id);
	INSERT INTO peer.responses (routing_id, round, vendor_id, score, rank, wave, offered_at, expires_at)
	SELECT id, 1, vendor_id, score, row_number() OVER (ORDER BY score DESC, vendor_id), 1, now(), now() + interval '1 day'
	FROM (SELECT vendor_id, score FROM peer.vendors
		WHERE is_active AND is_verified AND (capacity IS NULL OR current_orders < capacity)
			AND (paused_until IS NULL OR paused_until < now())
		ORDER BY score DESC, vendor_id LIMIT 10) AS best;
	INSERT INTO peer.events (routing_id, event_id, order_id, event_type, payload, occurred_at)
	VALUES (id, gen_random_uuid(), the_order, 'VENDOR_BROADCAST_INITIATED', '{"vendor_count": 10, "round": 1, "wave": 1}', now());
END $$;

-- Each peer that wins orders has its own share of them.
INSERT INTO peer.routings SELECT * FROM vendor_routing.routings;
INSERT INTO peer.responses SELECT * FROM vendor_routing.responses;
INSERT INTO peer.events SELECT * FROM vendor_routing.events;
INSERT INTO peer.outbox SELECT * FROM vendor_routing.outbox;
VACUUM ANALYZE;
CHECKPOINT;
