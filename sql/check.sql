-- The invariants: each violation is found, none where all is sound, and repair
-- corrects loads only, and says so.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
SELECT 'c' || i, 'Check ' || i, true, '{check}', 50 - i FROM generate_series(1, 2) AS i;
SELECT vendor_count FROM vr_broadcast('ch-1', 'retailer', 'check');
SELECT reason FROM vr_accept(vr_routing_id('ch-1'), 'c1');
SELECT vendor_count FROM vr_broadcast('ch-2', 'retailer', 'check');
SELECT recorded FROM vr_respond(vr_routing_id('ch-2'), 'c2', 'REJECT');
SELECT violation, vendor_id FROM vr_check() WHERE order_id ~ '^ch-' OR vendor_id ~ '^c\d$';

-- Nothing is wrong with an order whose time is over, and whose last vendor accepts too late:
-- it expires when it is its turn.
SELECT vendor_count FROM vr_broadcast('ch-3', 'retailer', 'check', max_vendors => 1);
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s' WHERE routing_id = vr_routing_id('ch-3');
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 s', next_deadline = now() - interval '1 s' WHERE order_id = 'ch-3';
SELECT reason FROM vr_accept(vr_routing_id('ch-3'), (SELECT vendor_id FROM vendor_routing.responses WHERE routing_id = vr_routing_id('ch-3')));
SELECT status FROM vr_routing_status WHERE order_id = 'ch-3';
SELECT violation, vendor_id FROM vr_check() WHERE order_id ~ '^ch-' OR vendor_id ~ '^c\d$';
SELECT status FROM vr_timeout(vr_routing_id('ch-3'));

-- Breaks something behind the guards, looks, and puts it back.
CREATE PROCEDURE break(statement text) LANGUAGE plpgsql AS $$
DECLARE
	v record;
BEGIN
	EXECUTE statement;
	FOR v IN SELECT DISTINCT violation, order_id, vendor_id, repaired FROM vr_check()
		WHERE order_id ~ '^ch-' OR vendor_id ~ '^c\d$' ORDER BY 1, 2, 3
	LOOP
		RAISE INFO '% % % %', v.violation, v.order_id, v.vendor_id, v.repaired;
	END LOOP;
	ROLLBACK;
END $$;
CREATE PROCEDURE unguard(tab text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE vendor_routing.%I DISABLE TRIGGER ALL', tab);
END $$;
CALL break($$CALL unguard('responses'); DELETE FROM vendor_routing.responses WHERE vendor_id = 'c1' AND routing_id = vr_routing_id('ch-1')$$);
CALL break($$CALL unguard('responses'); DELETE FROM vendor_routing.responses WHERE vendor_id = 'c2' AND routing_id = vr_routing_id('ch-1')$$);
CALL break($$CALL unguard('cancellations'); DELETE FROM vendor_routing.cancellations WHERE vendor_id = 'c2'$$);
CALL break($$INSERT INTO vendor_routing.cancellations VALUES (vr_routing_id('ch-1'), 1, 'c1', 'ORDER_EXPIRED', now())$$);
CALL break($$INSERT INTO vendor_routing.cancellations VALUES (vr_routing_id('ch-2'), 1, 'c1', 'ORDER_EXPIRED', now())$$);
CALL break($$CALL unguard('events'); DELETE FROM vendor_routing.events WHERE event_type = 'VENDOR_ACCEPTED' AND order_id = 'ch-1'$$);
CALL break($$CALL unguard('events'); DELETE FROM vendor_routing.events WHERE event_type = 'VENDOR_RESPONSE_RECORDED' AND order_id = 'ch-2'$$);
CALL break($$CALL unguard('events'); DELETE FROM vendor_routing.events WHERE event_type = 'VENDOR_BROADCAST_INITIATED' AND order_id = 'ch-2'$$);
CALL break($$UPDATE vendor_routing.routings SET next_deadline = expires_at + interval '1 h' WHERE order_id = 'ch-2'$$);
CALL break($$UPDATE vendor_routing.responses SET expires_at = expires_at + interval '1 day' WHERE routing_id = vr_routing_id('ch-2')$$);
CALL break($$UPDATE vendor_routing.responses SET response = 'TIMEOUT', responded_at = offered_at WHERE response IS NULL AND routing_id = vr_routing_id('ch-2')$$);
CALL break($$CALL unguard('routings'); UPDATE vendor_routing.routings SET round = 2 WHERE order_id = 'ch-2'$$);
CALL break($$UPDATE vendor_routing.routings SET status = 'EXPIRED' WHERE order_id = 'ch-2'$$);
CALL break($$UPDATE vendor_routing.routings SET confirmed_at = now() WHERE order_id = 'ch-1'$$);
CALL break($$CALL unguard('routings'); DELETE FROM vendor_routing.routings WHERE order_id = 'ch-2'$$);
CALL break($$CALL unguard('vendors'); DELETE FROM vendor_routing.vendors WHERE vendor_id = 'c1'$$);
CALL break($$UPDATE vendor_routing.vendors SET current_orders = 5 WHERE vendor_id = 'c2'$$);
SELECT violation, vendor_id FROM vr_check() WHERE order_id ~ '^ch-' OR vendor_id ~ '^c\d$';

UPDATE vendor_routing.vendors SET current_orders = 5 WHERE vendor_id IN ('c1', 'c2');
SELECT violation, vendor_id, detail, repaired FROM vr_check(true) WHERE vendor_id ~ '^c\d$' ORDER BY 2;
SELECT violation, vendor_id, detail, repaired FROM vr_check(true) WHERE vendor_id ~ '^c\d$' ORDER BY 2;
SELECT vendor_id, current_orders FROM vendor_routing.vendors WHERE vendor_id ~ '^c\d$' ORDER BY 1;
SELECT vendor_id, event_type, payload FROM vr_vendor_events WHERE vendor_id ~ '^c\d$' ORDER BY 1;
DROP PROCEDURE break(text);
DROP PROCEDURE unguard(text);
SELECT cancelled FROM vr_cancel(vr_routing_id('ch-2'));
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^c\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
