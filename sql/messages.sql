-- Messages: what there is to tell vendors, handed to senders; and what vendors write.
\set SHOW_CONTEXT never
-- time enough for the slowest machine
SET vendor_routing.message_backoff = '1 h';
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, phone, products, reliability_score)
VALUES ('m1', 'Mona', true, '+49170000001', '{message}', 90), ('m2', 'Mike', true, '+49170000002', '{message}', 80),
	('m3', 'Mary', true, NULL, '{message}', 70);
CREATE FUNCTION claim(channel text DEFAULT NULL, max integer DEFAULT 100)
RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', kind, order_id, vendor_id, channel, attempt)
	FROM vr_claim_messages(channel, max, '1 h') WHERE order_id LIKE 'm-%' ORDER BY 1
$$;
CREATE VIEW message AS
SELECT t.order_id, m.vendor_id, m.round, m.kind, m.state, m.attempts, m.may_have_arrived AS perhaps, m.error
FROM vendor_routing.messages AS m JOIN vendor_routing.routings AS t USING (routing_id)
WHERE t.order_id LIKE 'm-%';
CREATE FUNCTION message_id(of_order text, of_vendor text, of_kind text)
RETURNS uuid LANGUAGE sql AS $$
	SELECT message_id FROM vendor_routing.messages
	WHERE routing_id = vr_routing_id(of_order) AND vendor_id = of_vendor AND kind = of_kind ORDER BY round DESC LIMIT 1
$$;
-- what the other tests have left
SELECT count(*) >= 0 AS emptied FROM vr_claim_messages(NULL, 10000);

-- an offer goes out once, by channel
SELECT vendor_count FROM vr_broadcast('m-1', 'retailer', 'message', 12.50, vendors => '{m1,m2,m3}');
SELECT claim('WHATSAPP', 1);
SELECT claim('WHATSAPP');
SELECT claim('PIGEON');
SELECT claim();
SELECT claim();
SELECT vr_message_sent(message_id('m-1', v, 'OFFER'), 'wamid.' || v) FROM unnest('{m1,m1}'::text[]) AS v;
SELECT * FROM message ORDER BY 2, 4;

-- who fails is tried again later, or at once where the lease is over
SELECT vr_message_failed(message_id('m-1', 'm2', 'OFFER'), '429 too many requests');
SELECT claim();
UPDATE vendor_routing.messages SET due_at = now() WHERE state IN ('QUEUED', 'LEASED');
SELECT claim();
SELECT * FROM message ORDER BY 2, 4;

-- the order is taken: offers that are on their way keep back what follows them
SELECT reason FROM vr_accept(vr_routing_id('m-1'), 'm1');
SELECT claim();
SELECT vr_message_failed(message_id('m-1', 'm2', 'OFFER'), 'refused');
SELECT vr_message_failed(message_id('m-1', 'm3', 'OFFER'), 'no answer', true);
SELECT claim();
SELECT * FROM message ORDER BY 2, 4;
SELECT vr_message_sent(message_id('m-1', 'm3', 'CANCELLATION'));
SELECT vendor_id, sent_at IS NOT NULL AS sent FROM vr_cancellations WHERE order_id = 'm-1' ORDER BY 1;
SELECT count(*) FROM vendor_routing.outbox WHERE routing_id = vr_routing_id('m-1');

-- receipts come in any order
SELECT status, vr_confirm_delivery(message_id('m-1', 'm3', 'CANCELLATION'), status)
FROM unnest('{READ,DELIVERED,FAILED,READ}'::text[]) AS status;
SELECT vr_confirm_delivery(message_id('m-1', 'm1', 'WIN'), 'DELIVERED');
SELECT vr_message_failed(message_id('m-1', 'm1', 'WIN'), 'too late to fail');
SELECT vr_confirm_delivery(message_id('m-1', 'm1', 'OFFER'), 'FAILED');
SELECT vendor_id, kind, state FROM message WHERE vendor_id <> 'm2' ORDER BY 1, 2;

-- the winner gives it back: it is told, and the others are offered it anew
SELECT released, round FROM vr_release(vr_routing_id('m-1'), 'm1');
SELECT claim();
SELECT reason FROM vr_accept(vr_routing_id('m-1'), 'm2');
SELECT vr_message_sent(message_id, NULL) FROM vendor_routing.messages AS m
WHERE state = 'LEASED' AND routing_id = vr_routing_id('m-1');
SELECT claim();
SELECT cancelled FROM vr_cancel(vr_routing_id('m-1'));
SELECT claim();
SELECT vr_message_sent(message_id, NULL) FROM vendor_routing.messages AS m
WHERE state = 'LEASED' AND routing_id = vr_routing_id('m-1');
SELECT claim();

-- given up
SET vendor_routing.message_attempts = 2;
SET vendor_routing.message_backoff = 0;
SELECT created FROM vr_broadcast('m-2', 'retailer', 'message', vendors => '{m1}');
SELECT claim();
SELECT vr_message_failed(message_id('m-2', 'm1', 'OFFER'), '500');
SELECT claim();
SELECT vr_message_failed(message_id('m-2', 'm1', 'OFFER'), '500');
SELECT vr_message_failed(message_id('m-2', 'm1', 'OFFER'), '500');
SELECT claim();
SELECT channel, state, messages, max_attempts FROM vr_message_queue WHERE state = 'DEAD';
RESET vendor_routing.message_attempts;
RESET vendor_routing.message_backoff;

-- bodies: of the extension, and of one's own
UPDATE vendor_routing.vendors SET attributes = '{"language": "fr"}' WHERE vendor_id = 'm2';
INSERT INTO vendor_routing.message_texts VALUES ('fr', 'OFFER', 'Commande {order} ({product}, {amount} EUR) {?} {} {');
SELECT created FROM vr_broadcast('m-3', 'retailer', 'message', 7, vendors => '{m1,m2}');
SELECT vendor_id, regexp_replace(body, '\d\d:\d\d', 'HH:MI') FROM vr_claim_messages() ORDER BY 1;

-- what vendors write
CREATE FUNCTION says(sender text, body text, context jsonb DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', outcome, vendor_id, duplicate, reply)
	FROM vr_receive_message('test', md5(concat_ws('/', sender, body, context)), sender, body, context)
$$;
SELECT body, says('49170000001', body)
FROM unnest(ARRAY['hello', 'CANNOT ACCEPT', 'accept reject', 'Accept m-3?', 'accept m-9', 'Accept, please', 'Accept, please', 'reject m-3', '', NULL]) AS body;
SELECT says(sender, 'reject')
FROM unnest(ARRAY['+49 (0)170/000.002', '0049170-000002', '49170000009', 'nobody']) AS sender;
SELECT created FROM vr_broadcast('m-4', 'retailer', 'message', vendors => '{m1,m2}');
SELECT created FROM vr_broadcast('m-5', 'retailer', 'message', vendors => '{m1,m2}');
SELECT says('49170000001', 'accept');
SELECT says('49170000001', 'accept m-4 m-5');
SELECT says('49170000001', 'ACCEPT #m-5.');
SELECT says('49170000002', 'accept m-5');
INSERT INTO vendor_routing.message_words VALUES ('fr', 'oui', 'ACCEPT');
SELECT says('49170000002', 'oui m-4');
SELECT says('49170000001', 'oui m-4');
SELECT says('49170000001', 'x', jsonb_build_object('payload', 'ACCEPT:' || vr_routing_id('m-4')));
SELECT says('49170000001', 'x', jsonb_build_object('payload', 'REJECT:' || vr_routing_id('nowhere')));
SELECT says('49170000001', 'x', '{"payload": "ACCEPT:m-4"}');
-- a reply says which order
SELECT created FROM vr_broadcast('m-6', 'retailer', 'message', vendors => '{m1}');
SELECT created FROM vr_broadcast('m-7', 'retailer', 'message', vendors => '{m1}');
SELECT count(*) FROM claim();
SELECT vr_message_sent(message_id('m-6', 'm1', 'OFFER'), 'wamid.six');
SELECT says('49170000001', 'accept', '{"reply_to": "wamid.six"}');
SELECT says('49170000001', 'accept m-7', '{"reply_to": "wamid.six"}');
SELECT says('49170000001', 'accept', '{"reply_to": "wamid.nine"}');
SELECT says('49170000001', repeat('accept ', 41));
SELECT count(*), max(octet_length(body)) FROM vendor_routing.inbound_messages WHERE source = 'test';

\set VERBOSITY sqlstate
SELECT vr_claim_messages('', 1);
SELECT vr_claim_messages(NULL, 0);
SELECT vr_claim_messages(NULL, 10001);
SELECT vr_claim_messages(NULL, NULL);
SELECT vr_claim_messages(NULL, 1, '0');
SELECT vr_claim_messages(NULL, 1, NULL);
SELECT vr_message_sent(NULL);
SELECT vr_message_sent(vr_routing_id('m-1'));
SELECT vr_message_failed(vr_routing_id('m-1'), 'x');
SELECT vr_confirm_delivery(vr_routing_id('m-1'), 'READ');
SELECT vr_confirm_delivery(message_id('m-1', 'm1', 'WIN'), 'SEEN');
SELECT vr_confirm_delivery(message_id('m-1', 'm1', 'WIN'), 'READ', 'infinity');
SELECT vr_receive_message(NULL, 'x', 'x', 'x');
SELECT vr_receive_message('test', '', 'x', 'x');
SELECT vr_receive_message('test', 'x', NULL, 'x');
SELECT vr_receive_message('test', 'x', 'x', 'x', '[]');
\set VERBOSITY default

SELECT violation, order_id, detail FROM vr_check() WHERE order_id LIKE 'm-%';
DELETE FROM vendor_routing.outbox WHERE routing_id = vr_routing_id('m-7');
SELECT violation, order_id, detail FROM vr_check() WHERE order_id LIKE 'm-%';
INSERT INTO vendor_routing.outbox VALUES (vr_routing_id('m-7'));

DROP FUNCTION claim(text, integer), message_id(text, text, text), says(text, text, jsonb);
DROP VIEW message;
DELETE FROM vendor_routing.message_texts;
DELETE FROM vendor_routing.message_words;
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^m\d$';
