-- Each outcome of vr_accept, and what is written with it.
SELECT created FROM vr_broadcast('a-1', 'retailer');
SELECT accepted, reason, locked_vendor_id, locked_at IS NOT NULL AS has_time, order_id, version
FROM vr_accept(vr_routing_id('a-1'), 'v03', '{"eta": 20}');
-- again: the same answer, and nothing more is written
SELECT accepted, reason, locked_vendor_id, version FROM vr_accept(vr_routing_id('a-1'), 'v03');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-1'), 'v01');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-1'), 'v01');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-1'), 'v11');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-1'), 'nobody');
SELECT event_type, vendor_id, payload FROM vr_history('a-1');
SELECT vendor_id, response, payload FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('a-1') AND response IS NOT NULL ORDER BY vendor_id;
SELECT count(*), count(*) FILTER (WHERE vendor_id = 'v03') AS winner, min(reason) AS reason
FROM vr_cancellations WHERE order_id = 'a-1';
SELECT current_orders FROM vendor_routing.vendors WHERE vendor_id = 'v03';

-- A loser that had answered before writes nothing, not even a transaction id.
BEGIN;
SELECT reason FROM vr_accept(vr_routing_id('a-1'), 'v01');
SELECT pg_current_xact_id_if_assigned() IS NULL AS wrote_nothing;
COMMIT;

-- A vendor that said no cannot win; one that said yes can.
SELECT created FROM vr_broadcast('a-2', 'retailer');
SELECT recorded FROM vr_respond(vr_routing_id('a-2'), 'v01', 'REJECT');
SELECT recorded FROM vr_respond(vr_routing_id('a-2'), 'v02', 'ERROR');
SELECT recorded FROM vr_respond(vr_routing_id('a-2'), 'v04', 'ACCEPT');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-2'), 'v01');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-2'), 'v02');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-2'), 'v04');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-2'), 'v01');

-- Too late by the clock, although nobody has swept: the offer is closed.
SELECT created FROM vr_broadcast('a-3', 'retailer', vendors => ARRAY['v01', 'v02']);
UPDATE vendor_routing.responses
SET offered_at = offered_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
WHERE routing_id = vr_routing_id('a-3');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-3'), 'v01');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-3'), 'v01');
SELECT status FROM vr_routing_status WHERE order_id = 'a-3';
-- the last offer to close exhausts the order
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-3'), 'v02');
SELECT status, order_status, timeout_count FROM vr_routing_status WHERE order_id = 'a-3';
SELECT event_type, vendor_id, payload FROM vr_history('a-3') OFFSET 1;

-- The order's own deadline.
SELECT created FROM vr_broadcast('a-4', 'retailer');
UPDATE vendor_routing.routings SET expires_at = now() - interval '1 minute'
WHERE order_id = 'a-4';
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-4'), 'v01');

-- Cancelled.
SELECT created FROM vr_broadcast('a-5', 'retailer');
SELECT * FROM vr_cancel(vr_routing_id('a-5'));
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-5'), 'v01');

-- Capacity is counted inside the accept, and refused once on record.
UPDATE vendor_routing.vendors SET capacity = 1 WHERE vendor_id = 'v05';
SELECT created FROM vr_broadcast('a-6', 'retailer');
SELECT created FROM vr_broadcast('a-7', 'retailer');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-6'), 'v05');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-7'), 'v05');
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('a-7'), 'v05');
SELECT event_type, vendor_id, payload FROM vr_history('a-7') OFFSET 1;
SELECT status, accepted_count, cancelled_count FROM vr_routing_status WHERE order_id = 'a-7';
-- a cancelled order gives it back
SELECT * FROM vr_cancel(vr_routing_id('a-6'));
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-7'), 'v05');
SELECT capacity, current_orders FROM vendor_routing.vendors WHERE vendor_id = 'v05';

-- Suspended after it was invited.
SELECT created FROM vr_broadcast('a-8', 'retailer');
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id = 'v01';
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v01');
UPDATE vendor_routing.vendors SET is_active = true WHERE vendor_id = 'v01';

-- A trigger of the DBA's that suppresses the row: nothing is decided, and
-- nothing remains of the attempt.
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER suppress BEFORE UPDATE ON vendor_routing.routings
FOR EACH ROW EXECUTE FUNCTION suppress();
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');
DROP TRIGGER suppress ON vendor_routing.routings;
SELECT current_orders FROM vendor_routing.vendors WHERE vendor_id = 'v02';
SELECT count(*) FROM vr_history('a-8');
-- one that suppresses what follows from a win is an error, and all is rolled
-- back: no win without its events, its answer, its cancellations
CREATE TRIGGER suppress BEFORE INSERT ON vendor_routing.events
FOR EACH ROW EXECUTE FUNCTION suppress();
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');
DROP TRIGGER suppress ON vendor_routing.events;
CREATE TRIGGER suppress BEFORE UPDATE ON vendor_routing.responses
FOR EACH ROW EXECUTE FUNCTION suppress();
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');
DROP TRIGGER suppress ON vendor_routing.responses;
CREATE TRIGGER suppress BEFORE INSERT ON vendor_routing.cancellations
FOR EACH ROW EXECUTE FUNCTION suppress();
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');
DROP TRIGGER suppress ON vendor_routing.cancellations;
SELECT status, locked_vendor_id, accepted_count, cancelled_count FROM vr_routing_status WHERE order_id = 'a-8';
DROP FUNCTION suppress();
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');

-- Without the record of losses.
SET vendor_routing.record_losses = off;
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v02');
SELECT accepted, reason FROM vr_accept(vr_routing_id('a-8'), 'v03');
RESET vendor_routing.record_losses;
SELECT vendor_id, response FROM vendor_routing.responses
WHERE routing_id = vr_routing_id('a-8') AND response IS NOT NULL;

-- Part of the caller's transaction.
SELECT created FROM vr_broadcast('a-9', 'retailer');
BEGIN;
SELECT reason FROM vr_accept(vr_routing_id('a-9'), 'v07');
ROLLBACK;
SELECT status, accepted_count, cancelled_count FROM vr_routing_status WHERE order_id = 'a-9';
BEGIN;
SAVEPOINT s;
SELECT reason FROM vr_accept(vr_routing_id('a-9'), 'v07');
ROLLBACK TO s;
SELECT reason FROM vr_accept(vr_routing_id('a-9'), 'v08');
COMMIT;
SELECT status, locked_vendor_id, accepted_count, cancelled_count FROM vr_routing_status WHERE order_id = 'a-9';
SELECT vendor_id, current_orders FROM vendor_routing.vendors WHERE vendor_id IN ('v07', 'v08') ORDER BY 1;
UPDATE vendor_routing.vendors SET capacity = NULL WHERE vendor_id = 'v05';
