-- Blocked by the retailer: not invited, and not the winner of what it was invited to.
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^v\d';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products, reliability_score)
VALUES ('b1', 'Block 1', true, '{block}', 50), ('b2', 'Block 2', true, '{block}', 40);
SELECT vendor_count FROM vr_broadcast('bl-1', 'shop', 'block');
SELECT vr_block('shop', 'b1', 'rude'), vr_block('shop', 'b1', 'rude');
SELECT retailer_id, vendor_id, vendor_name, reason FROM vr_blocklist;
SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('bl-1'), 'b1');
SELECT jsonb_path_query_array(invited, '$[*].vendor_id') AS invited FROM vr_broadcast('bl-2', 'shop', 'block');
SELECT jsonb_path_query_array(invited, '$[*].vendor_id') AS invited FROM vr_broadcast('bl-3', 'another shop', 'block');
SELECT vr_broadcast('bl-4', 'shop', vendors => ARRAY['b1']);
-- a recorded ACCEPT does not win either
SELECT recorded FROM vr_respond(vr_routing_id('bl-1'), 'b1', 'ACCEPT');
SELECT timed_out, locked_vendor_id, status FROM vr_timeout(vr_routing_id('bl-1'), '0');
SELECT vr_unblock('shop', 'b1'), vr_unblock('shop', 'b1');
SELECT jsonb_path_query_array(invited, '$[*].vendor_id') AS invited FROM vr_broadcast('bl-4', 'shop', 'block');
SELECT vendor_id, event_type, payload FROM vr_vendor_events WHERE vendor_id = 'b1' ORDER BY event_id;
\set VERBOSITY sqlstate
SELECT vr_block(NULL, 'b1');
SELECT vr_block('shop', NULL);
SELECT vr_block('shop', 'nobody');
SELECT vr_block('', 'b1');
SELECT vr_unblock(NULL, 'b1');
\set VERBOSITY default
SELECT count(*) FROM vr_blocklist;
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^b\d$';
UPDATE vendor_routing.vendors SET is_active = vendor_id <> 'v11' WHERE vendor_id ~ '^v\d';
