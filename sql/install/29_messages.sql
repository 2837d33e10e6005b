CREATE TABLE vendor_routing.outbox (
	routing_id uuid NOT NULL,
	version integer NOT NULL DEFAULT 0,
	CONSTRAINT outbox_pkey PRIMARY KEY (routing_id)
);

COMMENT ON TABLE vendor_routing.outbox IS
	'Routings of which somebody may have to be told something';
COMMENT ON COLUMN vendor_routing.outbox.routing_id IS 'The routing';
COMMENT ON COLUMN vendor_routing.outbox.version IS 'Version of the routing up to which its messages are in the table messages';
COMMENT ON CONSTRAINT outbox_pkey ON vendor_routing.outbox IS 'Each routing once';

SELECT pg_extension_config_dump('vendor_routing.outbox', '');

-- src/message_report.c reads this table by column number: new columns go last.
CREATE TABLE vendor_routing.messages (
	message_id uuid NOT NULL DEFAULT gen_random_uuid(),
	routing_id uuid NOT NULL,
	round integer NOT NULL,
	vendor_id text NOT NULL,
	kind text NOT NULL,
	channel text NOT NULL,
	state text NOT NULL DEFAULT 'QUEUED',
	due_at timestamptz NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	may_have_arrived boolean NOT NULL DEFAULT false,
	queued_at timestamptz NOT NULL,
	sent_at timestamptz,
	delivered_at timestamptz,
	read_at timestamptz,
	external_id text,
	error text,
	failed_attempt integer,
	superseded_attempt integer,
	superseded_external_ids text[],
	CONSTRAINT messages_pkey PRIMARY KEY (routing_id, vendor_id, round, kind),
	CONSTRAINT messages_message_id_key UNIQUE (message_id),
	CONSTRAINT messages_kind_check CHECK (kind IN ('OFFER', 'WIN', 'CANCELLATION')),
	CONSTRAINT messages_state_check CHECK (state IN ('QUEUED', 'LEASED', 'SENT', 'DROPPED', 'DEAD')),
	CONSTRAINT messages_sent_at_check CHECK ((state = 'SENT') = (sent_at IS NOT NULL)),
	CONSTRAINT messages_attempts_check CHECK (attempts >= 0)
) WITH (fillfactor = 80);

CREATE INDEX messages_due_at_idx
	ON vendor_routing.messages (channel, due_at) WHERE state IN ('QUEUED', 'LEASED');
CREATE INDEX messages_external_id_idx
	ON vendor_routing.messages (external_id) WHERE external_id IS NOT NULL;

COMMENT ON TABLE vendor_routing.messages IS
	'How far the telling of a vendor is; what it is told stands in responses, cancellations and routings';
COMMENT ON COLUMN vendor_routing.messages.message_id IS 'The same at each attempt: the key by which a receiver knows a message again';
COMMENT ON COLUMN vendor_routing.messages.routing_id IS 'Routing it is about';
COMMENT ON COLUMN vendor_routing.messages.round IS 'Round of the routing it is about';
COMMENT ON COLUMN vendor_routing.messages.vendor_id IS 'Vendor that is told';
COMMENT ON COLUMN vendor_routing.messages.kind IS 'OFFER, WIN or CANCELLATION; a vendor gets them in this order';
COMMENT ON COLUMN vendor_routing.messages.channel IS 'WHATSAPP for a vendor with a phone, else APP';
COMMENT ON COLUMN vendor_routing.messages.state IS 'QUEUED; LEASED to a sender; SENT; DROPPED: not to be sent any more; DEAD: given up';
COMMENT ON COLUMN vendor_routing.messages.due_at IS 'When it may be sent, or the lease ends';
COMMENT ON COLUMN vendor_routing.messages.attempts IS 'How often it was given to a sender';
COMMENT ON COLUMN vendor_routing.messages.may_have_arrived IS 'An attempt ended without anybody knowing how';
COMMENT ON COLUMN vendor_routing.messages.queued_at IS 'When it was found';
COMMENT ON COLUMN vendor_routing.messages.sent_at IS 'When the sender said that it went out; NULL: not yet';
COMMENT ON COLUMN vendor_routing.messages.delivered_at IS 'When it arrived; NULL: not known';
COMMENT ON COLUMN vendor_routing.messages.read_at IS 'When it was read; NULL: not known';
COMMENT ON COLUMN vendor_routing.messages.external_id IS 'What the channel calls it; NULL: not known';
COMMENT ON COLUMN vendor_routing.messages.error IS 'What the last attempt that failed said';
COMMENT ON COLUMN vendor_routing.messages.failed_attempt IS 'The last attempt of which a receipt said that it did not arrive; NULL: none';
COMMENT ON COLUMN vendor_routing.messages.superseded_attempt IS 'The last attempt that went out before what it is to follow, and so has to go out again; NULL: none';
COMMENT ON COLUMN vendor_routing.messages.superseded_external_ids IS 'What the channel calls that attempt, and those before of which the same is so; empty: not known; NULL: none';
COMMENT ON CONSTRAINT messages_pkey ON vendor_routing.messages IS 'A vendor is told each thing once per round';
COMMENT ON CONSTRAINT messages_message_id_key ON vendor_routing.messages IS 'Each message has an id of its own';
COMMENT ON CONSTRAINT messages_kind_check ON vendor_routing.messages IS 'The kinds of messages';
COMMENT ON CONSTRAINT messages_state_check ON vendor_routing.messages IS 'The states of a message';
COMMENT ON CONSTRAINT messages_sent_at_check ON vendor_routing.messages IS 'What was sent has a time';
COMMENT ON CONSTRAINT messages_attempts_check ON vendor_routing.messages IS 'Counts from 0';
COMMENT ON INDEX vendor_routing.messages_due_at_idx IS 'What is to be sent, by channel, the longest waiting first';
COMMENT ON INDEX vendor_routing.messages_external_id_idx IS 'Which message a vendor replies to';

SELECT pg_extension_config_dump('vendor_routing.messages', '');

CREATE TABLE vendor_routing.inbound_messages (
	source text NOT NULL,
	message_id text NOT NULL,
	sender text NOT NULL,
	body text,
	context jsonb,
	received_at timestamptz NOT NULL,
	vendor_id text,
	routing_id uuid,
	outcome text,
	reply text,
	CONSTRAINT inbound_messages_pkey PRIMARY KEY (source, message_id)
);

COMMENT ON TABLE vendor_routing.inbound_messages IS
	'What vendors have sent, each message once, and what came of it';
COMMENT ON COLUMN vendor_routing.inbound_messages.source IS 'Where it came in, such as whatsapp';
COMMENT ON COLUMN vendor_routing.inbound_messages.message_id IS 'What that source calls it';
COMMENT ON COLUMN vendor_routing.inbound_messages.sender IS 'Phone it came from, as the source writes it';
COMMENT ON COLUMN vendor_routing.inbound_messages.body IS 'Its text; NULL: none';
COMMENT ON COLUMN vendor_routing.inbound_messages.context IS 'Button and reply context, see vr_receive_message; NULL: none';
COMMENT ON COLUMN vendor_routing.inbound_messages.received_at IS 'When it was received first';
COMMENT ON COLUMN vendor_routing.inbound_messages.vendor_id IS 'Whose phone that is; NULL: nobody''s';
COMMENT ON COLUMN vendor_routing.inbound_messages.routing_id IS 'Routing it is about; NULL: not clear';
COMMENT ON COLUMN vendor_routing.inbound_messages.outcome IS 'What came of it';
COMMENT ON COLUMN vendor_routing.inbound_messages.reply IS 'What was to be answered; NULL: nothing';
COMMENT ON CONSTRAINT inbound_messages_pkey ON vendor_routing.inbound_messages IS 'A message counts once';

SELECT pg_extension_config_dump('vendor_routing.inbound_messages', '');

CREATE TABLE vendor_routing.message_words (
	language text NOT NULL,
	word text NOT NULL,
	meaning text NOT NULL,
	CONSTRAINT message_words_pkey PRIMARY KEY (language, word),
	CONSTRAINT message_words_word_check CHECK (word = lower(word) AND word ~ '^[^[:space:]]+$'),
	CONSTRAINT message_words_meaning_check CHECK (meaning IN ('ACCEPT', 'REJECT', 'NOTHING', 'UNKNOWN'))
);

COMMENT ON TABLE vendor_routing.message_words IS
	'Words that vendors use, beside those that the extension knows; see vr_receive_message';
COMMENT ON COLUMN vendor_routing.message_words.language IS 'Of the vendors for whom it has this meaning, as in attributes; en: for all';
COMMENT ON COLUMN vendor_routing.message_words.word IS 'In small letters';
COMMENT ON COLUMN vendor_routing.message_words.meaning IS 'ACCEPT or REJECT; NOTHING: a polite word; UNKNOWN: takes a meaning away that the extension knows';
COMMENT ON CONSTRAINT message_words_pkey ON vendor_routing.message_words IS 'A word has one meaning';
COMMENT ON CONSTRAINT message_words_word_check ON vendor_routing.message_words IS 'One word, in small letters';
COMMENT ON CONSTRAINT message_words_meaning_check ON vendor_routing.message_words IS 'The meanings';

SELECT pg_extension_config_dump('vendor_routing.message_words', '');

CREATE TABLE vendor_routing.message_texts (
	language text NOT NULL,
	name text NOT NULL,
	body text NOT NULL,
	CONSTRAINT message_texts_pkey PRIMARY KEY (language, name),
	CONSTRAINT message_texts_body_check CHECK (octet_length(body) BETWEEN 1 AND 2000)
);

COMMENT ON TABLE vendor_routing.message_texts IS
	'What vendors are told, where it is not to be what the extension says in English';
COMMENT ON COLUMN vendor_routing.message_texts.language IS 'Of the vendors who get it, as in attributes; en: all that have none of their own';
COMMENT ON COLUMN vendor_routing.message_texts.name IS 'A kind of message, the reason of a cancellation, or an outcome of vr_receive_message';
COMMENT ON COLUMN vendor_routing.message_texts.body IS 'The text; {order}, {orders}, {retailer}, {details}, {product}, {amount} and {until} stand for what they say';
COMMENT ON CONSTRAINT message_texts_pkey ON vendor_routing.message_texts IS 'One text per language and name';
COMMENT ON CONSTRAINT message_texts_body_check ON vendor_routing.message_texts IS '1 to 2000 bytes';

SELECT pg_extension_config_dump('vendor_routing.message_texts', '');
