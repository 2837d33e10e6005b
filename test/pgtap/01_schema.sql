-- The shape of what CREATE EXTENSION makes, down to the last comment.
--
-- Would catch: a column, constraint, index, trigger or argument that was added,
-- renamed, retyped or lost without anybody deciding so; a guard that does not
-- fire under session_replication_role = replica; an object without a comment; a
-- function that anybody may execute or that runs with its owner's rights; a
-- table that pg_dump leaves out; a sequence, an identity column or a foreign
-- key; a function whose result the planner may keep although it changes.
--
-- Nothing here depends on names in a list where the catalogs know them: a new
-- table without a comment is found without this file being told of it.

BEGIN;
SELECT plan(454);

-- The members of the extension, and of which kind.
CREATE TEMP VIEW member AS
SELECT d.classid, d.objid
FROM pg_depend AS d
JOIN pg_extension AS e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass
	AND d.deptype = 'e'
	AND e.extname = 'vendor_routing';

CREATE TEMP VIEW member_relation AS
SELECT c.oid, c.relkind, c.relacl, c.relowner
FROM pg_class AS c
JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

CREATE TEMP VIEW member_function AS
SELECT p.*
FROM pg_proc AS p
JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

-- Row types of tables and views, and types of arrays, are members, too, from version 17 on;
-- not here.
CREATE TEMP VIEW member_type AS
SELECT t.*
FROM pg_type AS t
JOIN member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
WHERE t.typcategory <> 'A' AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c');

-- The extension itself ------------------------------------------------------

SELECT has_extension('vendor_routing');
SELECT results_eq(
	$$SELECT extrelocatable FROM pg_extension WHERE extname = 'vendor_routing'$$,
	ARRAY[false],
	'the extension is not relocatable');
SELECT results_eq(
	$$SELECT superuser, trusted, relocatable, schema FROM pg_available_extension_versions
		WHERE name = 'vendor_routing' AND installed$$,
	$$VALUES (true, false, false, NULL::name)$$,
	'the control file: superuser, not trusted, not relocatable, no schema of its own');
SELECT has_schema('vendor_routing');
SELECT isnt_empty(
	$$SELECT 1 FROM member
		WHERE classid = 'pg_namespace'::regclass AND objid = 'vendor_routing'::regnamespace$$,
	'the schema vendor_routing is a member of the extension');
SELECT is_empty(
	$$SELECT c.oid::regclass FROM pg_class AS c
		WHERE c.relnamespace = 'vendor_routing'::regnamespace
			AND c.relkind NOT IN ('i', 'I')
			AND c.oid NOT IN (SELECT oid FROM member_relation)$$,
	'every relation in the schema is a member of the extension');
SELECT set_eq(
	$$SELECT format('%s %s', r.relkind, c.relname)
		FROM member_relation AS r JOIN pg_class AS c USING (oid)
		WHERE c.relnamespace = 'vendor_routing'::regnamespace$$,
	ARRAY['r vendors', 'r routings', 'r responses', 'r cancellations', 'r events',
		'r vendor_events', 'r policies', 'r blocklist', 'r attachments', 'r vendor_roles', 'r order_edges', 'r outbox', 'r messages', 'r inbound_messages',
		'r message_words', 'r message_texts', 'v routing_status'],
	'the schema vendor_routing has these tables and one view');
SELECT set_eq(
	$$SELECT c.relname
		FROM member_relation AS r JOIN pg_class AS c USING (oid)
		WHERE c.relnamespace <> 'vendor_routing'::regnamespace$$,
	ARRAY['vr_routing_status', 'vr_open_routings', 'vr_vendor_offers',
		'vr_vendor_performance', 'vr_cancellations', 'vr_events', 'vr_vendor_events',
		'vr_policies', 'vr_blocklist', 'vr_attachments', 'vr_message_queue', 'vr_my_offers']::name[],
	'outside of it there are these views');
SELECT set_eq(
	$$SELECT c.relname::text
		FROM pg_extension AS e, unnest(e.extconfig) AS t (id) JOIN pg_class AS c ON c.oid = t.id
		WHERE e.extname = 'vendor_routing'$$,
	$$SELECT c.relname::text
		FROM member_relation AS r JOIN pg_class AS c USING (oid)
		WHERE r.relkind = 'r'$$,
	'pg_dump takes the rows of every table, and of nothing else');
SELECT is_empty(
	$$SELECT 1 FROM pg_extension AS e, unnest(e.extcondition) AS c (condition)
		WHERE e.extname = 'vendor_routing' AND c.condition <> ''$$,
	'pg_dump takes all of their rows');

-- Tables: columns in their order, with types, nullability, defaults ----------

-- (table, column, type, takes NULL, has a default), in the order of columns.
CREATE TEMP TABLE expected_column (
	position serial, tab name, col name, type text, takes_null boolean,
	default_value text);
INSERT INTO expected_column (tab, col, type, takes_null, default_value) VALUES
	('vendors', 'vendor_id', 'text', false, NULL),
	('vendors', 'name', 'text', false, NULL),
	('vendors', 'phone', 'text', true, NULL),
	('vendors', 'is_active', 'boolean', false, 'true'),
	('vendors', 'is_verified', 'boolean', false, 'false'),
	('vendors', 'products', 'text[]', true, NULL),
	('vendors', 'min_order_amount', 'numeric', false, '0'),
	('vendors', 'latitude', 'double precision', true, NULL),
	('vendors', 'longitude', 'double precision', true, NULL),
	('vendors', 'service_radius_km', 'double precision', true, NULL),
	('vendors', 'capacity', 'integer', true, NULL),
	('vendors', 'current_orders', 'integer', false, '0'),
	('vendors', 'total_orders', 'integer', false, '0'),
	('vendors', 'completed_orders', 'integer', false, '0'),
	('vendors', 'average_rating', 'numeric(3,2)', false, '0'),
	('vendors', 'reliability_score', 'numeric(5,2)', false, '0'),
	('vendors', 'score', 'numeric(7,4)', false, NULL),
	('vendors', 'attributes', 'jsonb', false, '{}'),
	('vendors', 'created_at', 'timestamp with time zone', false, 'now()'),
	('vendors', 'updated_at', 'timestamp with time zone', false, 'now()'),
	('vendors', 'rating_count', 'integer', false, '0'),
	('vendors', 'rating_sum', 'numeric', false, '0'),
	('vendors', 'paused_at', 'timestamp with time zone', true, NULL),
	('vendors', 'paused_until', 'timestamp with time zone', true, NULL),
	('vendors', 'pause_reason', 'text', true, NULL),
	('vendors', 'time_zone', 'text', true, NULL),
	('vendors', 'working_hours', 'int4multirange', true, NULL),
	('routings', 'routing_id', 'uuid', false, NULL),
	('routings', 'order_id', 'text', false, NULL),
	('routings', 'retailer_id', 'text', false, NULL),
	('routings', 'product', 'text', true, NULL),
	('routings', 'amount', 'numeric', true, NULL),
	('routings', 'latitude', 'double precision', true, NULL),
	('routings', 'longitude', 'double precision', true, NULL),
	('routings', 'payload', 'jsonb', true, NULL),
	('routings', 'status', 'text', false, 'PENDING'),
	('routings', 'round', 'integer', false, '1'),
	('routings', 'wave', 'integer', false, '1'),
	('routings', 'locked_vendor_id', 'text', true, NULL),
	('routings', 'locked_at', 'timestamp with time zone', true, NULL),
	('routings', 'version', 'integer', false, '1'),
	('routings', 'next_deadline', 'timestamp with time zone', true, NULL),
	('routings', 'expires_at', 'timestamp with time zone', false, NULL),
	('routings', 'created_at', 'timestamp with time zone', false, NULL),
	('routings', 'updated_at', 'timestamp with time zone', false, NULL),
	('routings', 'waves', 'jsonb', false, '[{"vendors": 10}]'),
	('routings', 'offer_ttl', 'interval', true, NULL),
	('routings', 'next_wave_at', 'timestamp with time zone', true, NULL),
	('routings', 'excluded_vendor_ids', 'text[]', true, NULL),
	('routings', 'releases', 'integer', false, '0'),
	('routings', 'confirm_within', 'interval', true, NULL),
	('routings', 'confirm_by', 'timestamp with time zone', true, NULL),
	('routings', 'confirmed_at', 'timestamp with time zone', true, NULL),
	('routings', 'outcome', 'text', true, NULL),
	('responses', 'routing_id', 'uuid', false, NULL),
	('responses', 'round', 'integer', false, NULL),
	('responses', 'vendor_id', 'text', false, NULL),
	('responses', 'score', 'numeric(7,4)', false, NULL),
	('responses', 'rank', 'integer', false, NULL),
	('responses', 'wave', 'integer', false, '1'),
	('responses', 'offered_at', 'timestamp with time zone', false, NULL),
	('responses', 'expires_at', 'timestamp with time zone', false, NULL),
	('responses', 'response', 'text', true, NULL),
	('responses', 'responded_at', 'timestamp with time zone', true, NULL),
	('responses', 'reason', 'text', true, NULL),
	('responses', 'payload', 'jsonb', true, NULL),
	('responses', 'decline_code', 'text', true, NULL),
	('cancellations', 'routing_id', 'uuid', false, NULL),
	('cancellations', 'round', 'integer', false, NULL),
	('cancellations', 'vendor_id', 'text', false, NULL),
	('cancellations', 'reason', 'text', false, NULL),
	('cancellations', 'created_at', 'timestamp with time zone', false, NULL),
	('cancellations', 'sent_at', 'timestamp with time zone', true, NULL),
	('cancellations', 'confirmed_at', 'timestamp with time zone', true, NULL),
	('events', 'routing_id', 'uuid', false, NULL),
	('events', 'event_id', 'uuid', false, NULL),
	('events', 'order_id', 'text', false, NULL),
	('events', 'event_type', 'text', false, NULL),
	('events', 'vendor_id', 'text', true, NULL),
	('events', 'payload', 'jsonb', true, NULL),
	('events', 'occurred_at', 'timestamp with time zone', false, NULL),
	('vendor_events', 'vendor_id', 'text', false, NULL),
	('vendor_events', 'event_id', 'uuid', false, NULL),
	('vendor_events', 'event_type', 'text', false, NULL),
	('vendor_events', 'payload', 'jsonb', true, NULL),
	('vendor_events', 'occurred_at', 'timestamp with time zone', false, NULL),
	('policies', 'policy', 'text', false, NULL),
	('policies', 'waves', 'jsonb', false, NULL),
	('policies', 'offer_ttl', 'interval', true, NULL),
	('policies', 'confirm_within', 'interval', true, NULL),
	('policies', 'updated_at', 'timestamp with time zone', false, 'now()'),
	('blocklist', 'retailer_id', 'text', false, NULL),
	('blocklist', 'vendor_id', 'text', false, NULL),
	('blocklist', 'reason', 'text', true, NULL),
	('blocklist', 'created_at', 'timestamp with time zone', false, 'now()'),
	('attachments', 'kind', 'text', false, NULL),
	('attachments', 'relation', 'regclass', false, NULL),
	('attachments', 'mapping', 'jsonb', false, NULL),
	('attachments', 'attached_at', 'timestamp with time zone', false, 'now()'),
	('attachments', 'search_path', 'text', false, NULL),
	('vendor_roles', 'role', 'regrole', false, NULL),
	('vendor_roles', 'vendor_id', 'text', false, NULL),
	('order_edges', 'from_status', 'text', false, NULL),
	('order_edges', 'to_status', 'text', false, NULL),
	('outbox', 'routing_id', 'uuid', false, NULL),
	('outbox', 'version', 'integer', false, '0'),
	('messages', 'message_id', 'uuid', false, 'gen_random_uuid()'),
	('messages', 'routing_id', 'uuid', false, NULL),
	('messages', 'round', 'integer', false, NULL),
	('messages', 'vendor_id', 'text', false, NULL),
	('messages', 'kind', 'text', false, NULL),
	('messages', 'channel', 'text', false, NULL),
	('messages', 'state', 'text', false, 'QUEUED'),
	('messages', 'due_at', 'timestamp with time zone', false, NULL),
	('messages', 'attempts', 'integer', false, '0'),
	('messages', 'may_have_arrived', 'boolean', false, 'false'),
	('messages', 'queued_at', 'timestamp with time zone', false, NULL),
	('messages', 'sent_at', 'timestamp with time zone', true, NULL),
	('messages', 'delivered_at', 'timestamp with time zone', true, NULL),
	('messages', 'read_at', 'timestamp with time zone', true, NULL),
	('messages', 'external_id', 'text', true, NULL),
	('messages', 'error', 'text', true, NULL),
	('messages', 'failed_attempt', 'integer', true, NULL),
	('messages', 'superseded_attempt', 'integer', true, NULL),
	('messages', 'superseded_external_ids', 'text[]', true, NULL),
	('inbound_messages', 'source', 'text', false, NULL),
	('inbound_messages', 'message_id', 'text', false, NULL),
	('inbound_messages', 'sender', 'text', false, NULL),
	('inbound_messages', 'body', 'text', true, NULL),
	('inbound_messages', 'context', 'jsonb', true, NULL),
	('inbound_messages', 'received_at', 'timestamp with time zone', false, NULL),
	('inbound_messages', 'vendor_id', 'text', true, NULL),
	('inbound_messages', 'routing_id', 'uuid', true, NULL),
	('inbound_messages', 'outcome', 'text', true, NULL),
	('inbound_messages', 'reply', 'text', true, NULL),
	('message_words', 'language', 'text', false, NULL),
	('message_words', 'word', 'text', false, NULL),
	('message_words', 'meaning', 'text', false, NULL),
	('message_texts', 'language', 'text', false, NULL),
	('message_texts', 'name', 'text', false, NULL),
	('message_texts', 'body', 'text', false, NULL);

SELECT has_table('vendor_routing', tab, 'table ' || tab)
FROM (SELECT tab, min(position) AS first FROM expected_column GROUP BY tab) AS t
ORDER BY first;

-- src/*.c reads the tables by column number: the order counts.
SELECT results_eq(
	format($$SELECT attname FROM pg_attribute
		WHERE attrelid = 'vendor_routing.%I'::regclass AND attnum > 0
		ORDER BY attnum$$, tab),
	format($$SELECT col FROM expected_column WHERE tab = %L ORDER BY position$$, tab),
	tab || ' has these columns in this order, and none was ever dropped')
FROM (SELECT tab, min(position) AS first FROM expected_column GROUP BY tab) AS t
ORDER BY first;

SELECT col_type_is('vendor_routing', tab, col, type, format('%s.%s is %s', tab, col, type))
FROM expected_column ORDER BY position;

SELECT CASE WHEN takes_null
	THEN col_is_null('vendor_routing', tab, col, format('%s.%s may be NULL', tab, col))
	ELSE col_not_null('vendor_routing', tab, col, format('%s.%s is NOT NULL', tab, col))
	END
FROM expected_column ORDER BY position;

SELECT CASE
	WHEN default_value IS NULL
		THEN col_hasnt_default('vendor_routing', tab, col, format('%s.%s has no default', tab, col))
	WHEN default_value = 'generated'
		THEN results_eq(
			format($$SELECT attgenerated FROM pg_attribute
				WHERE attrelid = 'vendor_routing.%I'::regclass AND attname = %L$$, tab, col),
			ARRAY['s']::"char"[],
			format('%s.%s is generated and stored', tab, col))
	ELSE col_default_is('vendor_routing', tab, col, default_value,
		format('%s.%s has the default %s', tab, col, default_value))
	END
FROM expected_column
WHERE default_value IS NOT NULL OR tab = 'routings'
ORDER BY position;

-- Keys, indexes, constraints --------------------------------------------------

SELECT col_is_pk('vendor_routing', 'vendors', ARRAY['vendor_id']::name[], 'one row per vendor');
SELECT col_is_pk('vendor_routing', 'routings', ARRAY['routing_id']::name[], 'one row per routing');
SELECT col_is_pk('vendor_routing', 'responses', ARRAY['routing_id', 'round', 'vendor_id']::name[],
	'one response per vendor and round');
SELECT col_is_pk('vendor_routing', 'cancellations', ARRAY['routing_id', 'round', 'vendor_id']::name[],
	'one cancellation per vendor and round');
SELECT col_is_pk('vendor_routing', 'events', ARRAY['routing_id', 'event_id']::name[],
	'one row per event');
SELECT col_is_pk('vendor_routing', 'vendor_events', ARRAY['vendor_id', 'event_id']::name[],
	'one row per event of a vendor');
SELECT col_is_pk('vendor_routing', 'policies', ARRAY['policy']::name[], 'one row per policy');
SELECT col_is_pk('vendor_routing', 'blocklist', ARRAY['retailer_id', 'vendor_id']::name[],
	'a vendor is blocked or is not');
SELECT col_is_pk('vendor_routing', 'attachments', ARRAY['kind']::name[], 'one attached table of each kind');
SELECT col_is_pk('vendor_routing', 'vendor_roles', ARRAY['role', 'vendor_id']::name[], 'a role and a vendor once');
SELECT col_is_pk('vendor_routing', 'order_edges', ARRAY['from_status', 'to_status']::name[], 'each edge once');
SELECT col_is_pk('vendor_routing', 'outbox', 'routing_id', 'each routing once');
SELECT col_is_pk('vendor_routing', 'messages', ARRAY['routing_id', 'vendor_id', 'round', 'kind']::name[],
	'a vendor is told each thing once per round');
SELECT col_is_pk('vendor_routing', 'inbound_messages', ARRAY['source', 'message_id']::name[], 'a message counts once');
SELECT col_is_pk('vendor_routing', 'message_words', ARRAY['language', 'word']::name[], 'a word has one meaning');
SELECT col_is_pk('vendor_routing', 'message_texts', ARRAY['language', 'name']::name[], 'one text per language and name');
SELECT col_is_unique('vendor_routing', 'vendors', ARRAY['phone']::name[], 'one vendor per phone');
SELECT is_empty(
	$$SELECT c.conrelid::regclass, c.conname
		FROM pg_constraint AS c JOIN member_relation AS r ON r.oid = c.conrelid
		WHERE c.contype = 'p'
			AND EXISTS (SELECT 1 FROM pg_attribute
				WHERE attrelid = c.conrelid AND attname = 'routing_id' AND attnotnull)
			AND (SELECT attname FROM pg_attribute
				WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) <> 'routing_id'$$,
	'the primary key of everything that belongs to a routing starts with routing_id');

-- NOT NULL has rows here too from version 18 on: those are above.
SELECT set_eq(
	$$SELECT conname FROM pg_constraint AS c JOIN member_relation AS r ON r.oid = c.conrelid
		WHERE c.contype <> 'n'$$,
	ARRAY[
		'vendors_pkey', 'vendors_phone_key', 'routings_pkey', 'responses_pkey',
		'cancellations_pkey', 'events_pkey', 'vendor_events_pkey',
		'vendor_events_vendor_id_check', 'vendor_events_event_type_check',
		'vendor_events_payload_check', 'policies_pkey', 'policies_policy_check',
		'policies_waves_check', 'policies_offer_ttl_check', 'policies_confirm_within_check',
		'blocklist_pkey', 'blocklist_retailer_id_check', 'blocklist_vendor_id_check',
		'attachments_pkey', 'attachments_kind_check', 'attachments_mapping_check',
		'vendor_roles_pkey', 'vendor_roles_vendor_id_check', 'order_edges_pkey',
		'order_edges_check', 'outbox_pkey', 'messages_pkey', 'messages_message_id_key',
		'messages_kind_check', 'messages_state_check', 'messages_sent_at_check',
		'messages_attempts_check', 'inbound_messages_pkey', 'message_words_pkey',
		'message_words_word_check', 'message_words_meaning_check', 'message_texts_pkey',
		'message_texts_body_check']::name[],
	'the constraints are these (02_constraints.sql breaks each of them)');
SELECT is_empty(
	$$SELECT conrelid::regclass, conname FROM pg_constraint AS c
		JOIN member_relation AS r ON r.oid = c.conrelid
		WHERE NOT c.convalidated OR c.condeferrable$$,
	'every constraint is validated and checked at once');

SELECT indexes_are('vendor_routing', 'vendors',
	ARRAY['vendors_pkey', 'vendors_phone_key', 'vendors_score_idx',
		'vendors_paused_until_idx']::name[]);
SELECT indexes_are('vendor_routing', 'routings',
	ARRAY['routings_pkey', 'routings_next_deadline_idx']::name[]);
SELECT indexes_are('vendor_routing', 'responses',
	ARRAY['responses_pkey', 'responses_vendor_id_expires_at_idx']::name[]);
SELECT indexes_are('vendor_routing', 'cancellations', ARRAY['cancellations_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'events', ARRAY['events_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'vendor_events', ARRAY['vendor_events_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'policies', ARRAY['policies_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'blocklist', ARRAY['blocklist_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'attachments', ARRAY['attachments_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'vendor_roles', ARRAY['vendor_roles_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'order_edges', ARRAY['order_edges_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'outbox', ARRAY['outbox_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'messages', ARRAY['messages_pkey', 'messages_message_id_key',
	'messages_due_at_idx', 'messages_external_id_idx']::name[]);
SELECT indexes_are('vendor_routing', 'inbound_messages', ARRAY['inbound_messages_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'message_words', ARRAY['message_words_pkey']::name[]);
SELECT indexes_are('vendor_routing', 'message_texts', ARRAY['message_texts_pkey']::name[]);
SELECT is(
	pg_get_indexdef('vendor_routing.vendors_paused_until_idx'::regclass),
	'CREATE INDEX vendors_paused_until_idx ON vendor_routing.vendors USING btree (paused_until) WHERE (paused_until IS NOT NULL)',
	'the pauses that end next come first in an index');
SELECT is(
	pg_get_indexdef('vendor_routing.vendors_score_idx'::regclass),
	'CREATE INDEX vendors_score_idx ON vendor_routing.vendors USING btree (score DESC, vendor_id) WHERE (is_active AND is_verified)',
	'the best eligible vendors come first in an index');
SELECT is(
	pg_get_indexdef('vendor_routing.routings_next_deadline_idx'::regclass),
	'CREATE INDEX routings_next_deadline_idx ON vendor_routing.routings USING btree (next_deadline) WHERE (next_deadline IS NOT NULL)',
	'what is due next comes first in an index');
SELECT is(
	pg_get_indexdef('vendor_routing.responses_vendor_id_expires_at_idx'::regclass),
	'CREATE INDEX responses_vendor_id_expires_at_idx ON vendor_routing.responses USING btree (vendor_id, expires_at)',
	'the inbox of a vendor is in an index');
SELECT is_empty(
	$$SELECT a.attrelid::regclass, a.attname
		FROM pg_index AS i
		JOIN pg_attribute AS a ON a.attrelid = i.indrelid
			AND (a.attnum = ANY (i.indkey)
				OR pg_get_expr(i.indpred, i.indrelid) ~ ('\m' || a.attname || '\M'))
		WHERE a.attrelid = 'vendor_routing.routings'::regclass
			AND a.attname IN ('status', 'locked_vendor_id', 'locked_at', 'version', 'updated_at', 'confirm_by')
			OR a.attrelid = 'vendor_routing.responses'::regclass
			AND a.attname IN ('response', 'responded_at', 'reason', 'payload', 'decline_code')
			OR a.attrelid = 'vendor_routing.vendors'::regclass
			AND a.attname IN ('current_orders', 'paused_at', 'rating_sum')$$,
	'no index has a column that an accept changes (HOT updates)');

SELECT is_empty(
	$$SELECT c.oid::regclass FROM pg_class AS c
		WHERE c.relkind = 'S'
			AND (c.relnamespace = 'vendor_routing'::regnamespace
				OR c.oid IN (SELECT oid FROM member_relation))$$,
	'there are no sequences');
SELECT is_empty(
	$$SELECT a.attrelid::regclass, a.attname
		FROM pg_attribute AS a JOIN member_relation AS r ON r.oid = a.attrelid
		WHERE a.attidentity <> ''$$,
	'there are no identity columns');
SELECT is_empty(
	$$SELECT c.conrelid::regclass, c.conname FROM pg_constraint AS c
		WHERE c.contype = 'f'
			AND (c.conrelid IN (SELECT oid FROM member_relation)
				OR c.confrelid IN (SELECT oid FROM member_relation))$$,
	'there are no foreign keys');
SELECT is_empty(
	$$SELECT oid::regclass FROM pg_class AS c JOIN member_relation AS r USING (oid)
		WHERE c.relkind = 'r' AND c.relpersistence <> 'p'$$,
	'every table survives a crash');

-- Triggers --------------------------------------------------------------------

SELECT set_eq(
	$$SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t
		JOIN member_relation AS r ON r.oid = t.tgrelid
		WHERE NOT t.tgisinternal$$,
	ARRAY[
		'CREATE TRIGGER set_score BEFORE INSERT OR UPDATE OF total_orders, completed_orders, average_rating, reliability_score, score ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION vendor_routing.set_score()',
		'CREATE TRIGGER verify BEFORE INSERT ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify BEFORE INSERT ON vendor_routing.responses FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify BEFORE INSERT ON vendor_routing.cancellations FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify BEFORE INSERT ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify BEFORE INSERT OR UPDATE ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify_update AFTER UPDATE ON vendor_routing.responses FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER verify_update AFTER UPDATE ON vendor_routing.cancellations FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row()',
		'CREATE TRIGGER guard_update AFTER UPDATE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_routings()',
		'CREATE TRIGGER forget_identities_truncate AFTER TRUNCATE ON vendor_routing.vendor_roles FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.forget_identities()',
		'CREATE TRIGGER forget_identities AFTER INSERT OR DELETE OR UPDATE ON vendor_routing.vendor_roles FOR EACH ROW EXECUTE FUNCTION vendor_routing.forget_identities()',
		'CREATE TRIGGER guard_delete BEFORE DELETE ON vendor_routing.routings FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.routings FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_delete BEFORE DELETE OR UPDATE OF vendor_id ON vendor_routing.vendors FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_vendors()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.vendors FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_vendors()',
		'CREATE TRIGGER guard_change BEFORE DELETE OR UPDATE ON vendor_routing.events FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.events FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_change BEFORE DELETE OR UPDATE ON vendor_routing.vendor_events FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.vendor_events FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_delete BEFORE DELETE ON vendor_routing.responses FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.responses FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_delete BEFORE DELETE ON vendor_routing.cancellations FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept()',
		'CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON vendor_routing.cancellations FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept()'],
	'the triggers are these (03_guards.sql and 06_guard_rows.sql have each of them refuse)');
SELECT is_empty(
	$$SELECT t.tgrelid::regclass, t.tgname, t.tgenabled FROM pg_trigger AS t
		JOIN member_relation AS r ON r.oid = t.tgrelid
		WHERE NOT t.tgisinternal AND t.tgenabled <> 'A'$$,
	'every trigger is ENABLE ALWAYS');
SELECT is_empty(
	$$SELECT r.oid::regclass FROM member_relation AS r
		WHERE r.relkind = 'r'
			AND r.oid NOT IN ('vendor_routing.policies'::regclass, 'vendor_routing.blocklist'::regclass,
				'vendor_routing.attachments'::regclass, 'vendor_routing.order_edges'::regclass,
				'vendor_routing.outbox'::regclass, 'vendor_routing.messages'::regclass,
				'vendor_routing.inbound_messages'::regclass,
				'vendor_routing.message_words'::regclass, 'vendor_routing.message_texts'::regclass)
			AND NOT EXISTS (
			SELECT 1 FROM pg_trigger AS t
			WHERE t.tgrelid = r.oid AND t.tgtype & 32 <> 0 AND t.tgenabled = 'A')$$,
	'every table of what happened is guarded against TRUNCATE');

-- Types -----------------------------------------------------------------------

SELECT is(
	(SELECT string_agg(format('%s %s %s', t.oid::regtype, a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY t.typname, a.attnum)
		FROM member_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid),
	'vr_accept_result accepted boolean, vr_accept_result reason text, vr_accept_result locked_vendor_id text, '
	'vr_accept_result locked_at timestamp with time zone, vr_accept_result order_id text, vr_accept_result version integer',
	'the types are these');

-- Functions -------------------------------------------------------------------

SELECT set_eq(
	$$SELECT n.nspname = 'vendor_routing', p.proname::text,
			pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid)
		FROM member_function AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace$$,
	$$VALUES
		(false, 'vr_version', '', 'text'),
		(false, 'vr_routing_id', 'order_id text', 'uuid'),
		(false, 'vr_distance_km', 'latitude1 double precision, longitude1 double precision, latitude2 double precision, longitude2 double precision', 'double precision'),
		(false, 'vr_broadcast', 'order_id text, retailer_id text, product text, amount numeric, latitude double precision, longitude double precision, payload jsonb, vendors text[], max_vendors integer, ttl interval, waves jsonb, policy text, confirm_within interval, OUT routing_id uuid, OUT vendor_count integer, OUT invited jsonb, OUT created boolean', 'record'),
		(false, 'vr_accept', 'routing_id uuid, vendor_id text, payload jsonb', 'vr_accept_result'),
		(false, 'vr_respond', 'routing_id uuid, vendor_id text, response text, reason text, payload jsonb, decline_code text, OUT response_recorded text, OUT responded_at timestamp with time zone, OUT recorded boolean', 'record'),
		(false, 'vr_cancel', 'routing_id uuid, reason text, OUT cancelled boolean, OUT cancelled_count integer', 'record'),
		(false, 'vr_send_cancellations', 'routing_id uuid, OUT cancelled_count integer, OUT losers integer, OUT non_responders integer', 'record'),
		(false, 'vr_timeout', 'routing_id uuid, ttl interval, OUT timed_out integer, OUT locked_vendor_id text, OUT status text', 'record'),
		(false, 'vr_status', 'routing_id uuid', 'jsonb'),
		(false, 'vr_history', 'order_id text, OUT occurred_at timestamp with time zone, OUT event_type text, OUT vendor_id text, OUT payload jsonb, OUT event_id uuid', 'SETOF record'),
		(false, 'vr_check_waves', 'waves jsonb', 'boolean'),
		(false, 'vr_tick', 'max integer, OUT timed_out integer, OUT awarded integer, OUT waves_opened integer, OUT exhausted integer, OUT expired integer, OUT released integer, OUT resumed integer, OUT failed integer, OUT processed integer, OUT next_due timestamp with time zone', 'record'),
		(false, 'vr_release', 'routing_id uuid, vendor_id text, reason text, OUT released boolean, OUT status text, OUT round integer, OUT vendor_count integer', 'record'),
		(false, 'vr_confirm', 'routing_id uuid, vendor_id text, OUT confirmed boolean, OUT confirmed_at timestamp with time zone', 'record'),
		(false, 'vr_retry', 'routing_id uuid, exclude_declined boolean, waves jsonb, OUT retried boolean, OUT round integer, OUT vendor_count integer, OUT invited jsonb', 'record'),
		(false, 'vr_assign', 'routing_id uuid, vendor_id text, actor text, force boolean', 'vr_accept_result'),
		(false, 'vr_complete', 'routing_id uuid, outcome text, rating numeric, OUT completed boolean, OUT outcome_recorded text, OUT vendor_id text', 'record'),
		(false, 'vr_pause', 'vendor_id text, until timestamp with time zone, reason text, OUT paused_until timestamp with time zone', 'timestamp with time zone'),
		(false, 'vr_resume', 'vendor_id text', 'boolean'),
		(false, 'vr_set_hours', 'vendor_id text, time_zone text, hours jsonb', 'void'),
		(false, 'vr_block', 'retailer_id text, vendor_id text, reason text', 'boolean'),
		(false, 'vr_unblock', 'retailer_id text, vendor_id text', 'boolean'),
		(false, 'vr_set_policy', 'policy text, waves jsonb, offer_ttl interval, confirm_within interval', 'void'),
		(false, 'vr_drop_policy', 'policy text', 'boolean'),
		(false, 'vr_explain', 'order_id text, vendor_id text, OUT gate text, OUT passed boolean, OUT found text, OUT needed text', 'SETOF record'),
		(false, 'vr_check', 'repair boolean, OUT violation text, OUT order_id text, OUT vendor_id text, OUT detail text, OUT repaired boolean', 'SETOF record'),
		(false, 'vr_attach_vendors', 'relation regclass, mapping jsonb', 'bigint'),
		(false, 'vr_detach_vendors', '', 'boolean'),
		(true, 'sync_vendors', '', 'trigger'),
		(false, 'vr_attach_orders', 'relation regclass, mapping jsonb', 'void'),
		(false, 'vr_detach_orders', '', 'boolean'),
		(true, 'sync_orders', '', 'trigger'),
		(true, 'verify_row', '', 'trigger'),
		(true, 'set_score', '', 'trigger'),
		(true, 'forget_identities', '', 'trigger'),
		(false, 'vr_broadcast_many', 'orders jsonb, OUT order_id text, OUT routing_id uuid, OUT vendor_count integer, OUT created boolean', 'SETOF record'),
		(false, 'vr_vendor_ids', '', 'text[]'),
		(true, 'my_offers', '', 'SETOF vr_vendor_offers'),
		(false, 'vr_grant_vendor', 'role regrole, vendor_id text', 'void'),
		(false, 'vr_grant_app', 'role regrole', 'void'),
		(false, 'vr_revoke_app', 'role regrole', 'void'),
		(false, 'vr_revoke_vendor', 'role regrole', 'void'),
		(false, 'vr_grant_auditor', 'role regrole', 'void'),
		(false, 'vr_revoke_auditor', 'role regrole', 'void'),
		(false, 'vr_claim_messages', 'INOUT channel text, max integer, lease interval, OUT message_id uuid, OUT kind text, OUT routing_id uuid, OUT order_id text, OUT round integer, OUT vendor_id text, OUT vendor_name text, OUT phone text, OUT attempt integer, OUT leased_until timestamp with time zone, OUT body text, OUT payload jsonb', 'SETOF record'),
		(false, 'vr_message_sent', 'message_id uuid, external_id text, attempt integer', 'boolean'),
		(false, 'vr_message_failed', 'message_id uuid, error text, may_have_arrived boolean, attempt integer', 'text'),
		(false, 'vr_confirm_delivery', 'message_id uuid, status text, at timestamp with time zone, external_id text', 'boolean'),
		(false, 'vr_receive_message', 'source text, message_id text, sender text, text text, context jsonb, OUT outcome text, OUT reply text, OUT vendor_id text, OUT routing_id uuid, OUT duplicate boolean', 'record'),
		(true, 'guard_routings', '', 'trigger'),
		(true, 'guard_vendors', '', 'trigger'),
		(true, 'guard_kept', '', 'trigger')$$,
	'the functions are these, with these arguments and results');
SELECT set_eq(
	$$SELECT p.proname::text, pg_get_function_arguments(p.oid)
		FROM member_function AS p WHERE p.pronargdefaults > 0$$,
	$$VALUES
		('vr_broadcast', 'order_id text, retailer_id text, product text DEFAULT NULL::text, amount numeric DEFAULT NULL::numeric, latitude double precision DEFAULT NULL::double precision, longitude double precision DEFAULT NULL::double precision, payload jsonb DEFAULT NULL::jsonb, vendors text[] DEFAULT NULL::text[], max_vendors integer DEFAULT NULL::integer, ttl interval DEFAULT NULL::interval, waves jsonb DEFAULT NULL::jsonb, policy text DEFAULT NULL::text, confirm_within interval DEFAULT NULL::interval, OUT routing_id uuid, OUT vendor_count integer, OUT invited jsonb, OUT created boolean'),
		('vr_accept', 'routing_id uuid, vendor_id text, payload jsonb DEFAULT NULL::jsonb'),
		('vr_respond', 'routing_id uuid, vendor_id text, response text, reason text DEFAULT NULL::text, payload jsonb DEFAULT NULL::jsonb, decline_code text DEFAULT NULL::text, OUT response_recorded text, OUT responded_at timestamp with time zone, OUT recorded boolean'),
		('vr_cancel', 'routing_id uuid, reason text DEFAULT NULL::text, OUT cancelled boolean, OUT cancelled_count integer'),
		('vr_timeout', 'routing_id uuid, ttl interval DEFAULT NULL::interval, OUT timed_out integer, OUT locked_vendor_id text, OUT status text'),
		('vr_tick', 'max integer DEFAULT 1000, OUT timed_out integer, OUT awarded integer, OUT waves_opened integer, OUT exhausted integer, OUT expired integer, OUT released integer, OUT resumed integer, OUT failed integer, OUT processed integer, OUT next_due timestamp with time zone'),
		('vr_release', 'routing_id uuid, vendor_id text, reason text DEFAULT NULL::text, OUT released boolean, OUT status text, OUT round integer, OUT vendor_count integer'),
		('vr_retry', 'routing_id uuid, exclude_declined boolean DEFAULT false, waves jsonb DEFAULT NULL::jsonb, OUT retried boolean, OUT round integer, OUT vendor_count integer, OUT invited jsonb'),
		('vr_assign', 'routing_id uuid, vendor_id text, actor text, force boolean DEFAULT false'),
		('vr_complete', 'routing_id uuid, outcome text DEFAULT ''DELIVERED''::text, rating numeric DEFAULT NULL::numeric, OUT completed boolean, OUT outcome_recorded text, OUT vendor_id text'),
		('vr_pause', 'vendor_id text, until timestamp with time zone DEFAULT NULL::timestamp with time zone, reason text DEFAULT NULL::text, OUT paused_until timestamp with time zone'),
		('vr_block', 'retailer_id text, vendor_id text, reason text DEFAULT NULL::text'),
		('vr_set_policy', 'policy text, waves jsonb, offer_ttl interval DEFAULT NULL::interval, confirm_within interval DEFAULT NULL::interval'),
		('vr_claim_messages', 'INOUT channel text DEFAULT NULL::text, max integer DEFAULT 100, lease interval DEFAULT ''00:01:00''::interval, OUT message_id uuid, OUT kind text, OUT routing_id uuid, OUT order_id text, OUT round integer, OUT vendor_id text, OUT vendor_name text, OUT phone text, OUT attempt integer, OUT leased_until timestamp with time zone, OUT body text, OUT payload jsonb'),
		('vr_grant_vendor', 'role regrole, vendor_id text DEFAULT NULL::text'),
		('vr_message_sent', 'message_id uuid, external_id text DEFAULT NULL::text, attempt integer DEFAULT NULL::integer'),
		('vr_message_failed', 'message_id uuid, error text, may_have_arrived boolean DEFAULT false, attempt integer DEFAULT NULL::integer'),
		('vr_confirm_delivery', 'message_id uuid, status text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, external_id text DEFAULT NULL::text'),
		('vr_receive_message', 'source text, message_id text, sender text, text text, context jsonb DEFAULT NULL::jsonb, OUT outcome text, OUT reply text, OUT vendor_id text, OUT routing_id uuid, OUT duplicate boolean'),
		('vr_check', 'repair boolean DEFAULT false, OUT violation text, OUT order_id text, OUT vendor_id text, OUT detail text, OUT repaired boolean')$$,
	'what may be left out, and what it is then');
SELECT set_eq(
	$$SELECT p.proname::text, l.lanname::text, p.provolatile::text, p.proparallel::text, p.proisstrict
		FROM member_function AS p JOIN pg_language AS l ON l.oid = p.prolang$$,
	$$VALUES
		('vr_version', 'c', 'i', 's', true),
		('vr_routing_id', 'c', 'i', 's', false),
		('vr_distance_km', 'c', 'i', 's', false),
		('vr_broadcast', 'c', 'v', 'u', false),
		('vr_accept', 'c', 'v', 'u', false),
		('vr_respond', 'c', 'v', 'u', false),
		('vr_cancel', 'c', 'v', 'u', false),
		('vr_send_cancellations', 'c', 'v', 'u', false),
		('vr_timeout', 'c', 'v', 'u', false),
		('vr_status', 'c', 's', 'r', false),
		('vr_history', 'c', 's', 'r', false),
		('vr_check_waves', 'c', 'i', 's', true),
		('vr_tick', 'c', 'v', 'u', false),
		('vr_release', 'c', 'v', 'u', false),
		('vr_confirm', 'c', 'v', 'u', false),
		('vr_retry', 'c', 'v', 'u', false),
		('vr_assign', 'c', 'v', 'u', false),
		('vr_complete', 'c', 'v', 'u', false),
		('vr_pause', 'c', 'v', 'u', false),
		('vr_resume', 'c', 'v', 'u', false),
		('vr_set_hours', 'c', 'v', 'u', false),
		('vr_block', 'c', 'v', 'u', false),
		('vr_unblock', 'c', 'v', 'u', false),
		('vr_set_policy', 'c', 'v', 'u', false),
		('vr_drop_policy', 'c', 'v', 'u', false),
		('vr_explain', 'c', 's', 'u', false),
		('vr_check', 'c', 'v', 'u', false),
		('vr_attach_vendors', 'c', 'v', 'u', false),
		('vr_detach_vendors', 'c', 'v', 'u', false),
		('sync_vendors', 'c', 'v', 'u', false),
		('vr_attach_orders', 'c', 'v', 'u', false),
		('vr_detach_orders', 'c', 'v', 'u', false),
		('sync_orders', 'c', 'v', 'u', false),
		('verify_row', 'c', 'v', 'u', false),
		('set_score', 'c', 'v', 'u', false),
		('forget_identities', 'c', 'v', 'u', false),
		('vr_broadcast_many', 'c', 'v', 'u', false),
		('vr_vendor_ids', 'c', 's', 'r', false),
		('my_offers', 'c', 's', 'r', false),
		('vr_grant_app', 'c', 'v', 'u', false),
		('vr_revoke_app', 'c', 'v', 'u', false),
		('vr_revoke_vendor', 'c', 'v', 'u', false),
		('vr_grant_auditor', 'c', 'v', 'u', false),
		('vr_revoke_auditor', 'c', 'v', 'u', false),
		('vr_grant_vendor', 'c', 'v', 'u', false),
		('vr_claim_messages', 'c', 'v', 'u', false),
		('vr_message_sent', 'c', 'v', 'u', false),
		('vr_message_failed', 'c', 'v', 'u', false),
		('vr_confirm_delivery', 'c', 'v', 'u', false),
		('vr_receive_message', 'c', 'v', 'u', false),
		('guard_routings', 'c', 'v', 'u', false),
		('guard_vendors', 'c', 'v', 'u', false),
		('guard_kept', 'c', 'v', 'u', false)$$,
	'language, volatility, parallel safety, strictness');
SELECT is_empty(
	$$SELECT oid::regprocedure FROM member_function WHERE prosecdef$$,
	'no function is SECURITY DEFINER');
SELECT is_empty(
	$$SELECT oid::regprocedure FROM member_function WHERE proleakproof$$,
	'no function claims to be LEAKPROOF');
SELECT is_empty(
	$$SELECT proname FROM member_function GROUP BY proname HAVING count(*) > 1$$,
	'there is one signature per name');
SELECT is_empty(
	$$SELECT oid::regprocedure FROM member_function
		WHERE pronamespace <> 'vendor_routing'::regnamespace AND proname !~ '^vr_'$$,
	'outside of the schema vendor_routing every function is named vr_*');
SELECT is_empty(
	$$SELECT oid::regprocedure, probin FROM member_function
		WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
			AND probin <> '$libdir/vendor_routing'$$,
	'every C function is in this library');

-- Views -----------------------------------------------------------------------

SELECT columns_are('vr_routing_status', ARRAY['routing_id', 'order_id', 'retailer_id',
	'product', 'amount', 'status', 'order_status', 'locked_vendor_id',
	'locked_vendor_name', 'locked_at', 'version', 'round', 'wave', 'expires_at',
	'total_vendors', 'accepted_count', 'rejected_count', 'timeout_count',
	'error_count', 'pending_count', 'cancelled_count', 'created_at', 'updated_at',
	'next_wave_at', 'releases', 'confirm_by', 'confirmed_at', 'outcome']::name[]);
SELECT columns_are('vr_open_routings', ARRAY['routing_id', 'order_id', 'retailer_id',
	'product', 'amount', 'status', 'round', 'wave', 'next_deadline', 'expires_at',
	'created_at', 'open_for', 'overdue']::name[]);
SELECT columns_are('vr_vendor_offers', ARRAY['vendor_id', 'routing_id', 'order_id',
	'retailer_id', 'product', 'amount', 'latitude', 'longitude', 'payload', 'round',
	'wave', 'rank', 'offered_at', 'expires_at', 'response', 'responded_at']::name[]);
SELECT columns_are('vr_vendor_performance', ARRAY['vendor_id', 'name', 'is_active',
	'is_verified', 'score', 'capacity', 'current_orders', 'total_orders',
	'completed_orders', 'average_rating', 'reliability_score', 'offers', 'accepts',
	'rejects', 'timeouts', 'errors', 'wins', 'average_response_time',
	'rating_count', 'paused_until', 'pause_reason']::name[]);
SELECT columns_are('vr_cancellations', ARRAY['order_id', 'routing_id', 'round',
	'vendor_id', 'vendor_name', 'reason', 'created_at', 'sent_at', 'confirmed_at']::name[]);
SELECT columns_are('vr_events', ARRAY['occurred_at', 'order_id', 'routing_id',
	'event_type', 'vendor_id', 'payload', 'event_id']::name[]);
SELECT columns_are('vr_vendor_events', ARRAY['occurred_at', 'vendor_id', 'event_type',
	'payload', 'event_id']::name[]);
SELECT columns_are('vr_policies', ARRAY['policy', 'waves', 'offer_ttl', 'confirm_within',
	'updated_at']::name[]);
SELECT columns_are('vr_blocklist', ARRAY['retailer_id', 'vendor_id', 'vendor_name', 'reason',
	'created_at']::name[]);
SELECT columns_are('vr_attachments', ARRAY['kind', 'relation', 'mapping', 'attached_at', 'search_path']::name[]);

-- Comments: computed, so that what is added later is asked for its own ----------

SELECT is_empty(
	$$SELECT pg_describe_object(m.classid, m.objid, 0)
		FROM member AS m
		-- The comment of the row type of a table is that of the table.
		WHERE NOT (m.classid = 'pg_type'::regclass AND m.objid NOT IN (SELECT oid FROM member_type))
			AND coalesce(obj_description(m.objid, m.classid::regclass::text::name), '') = ''$$,
	'every member of the extension has a comment');
SELECT is_empty(
	$$SELECT a.attrelid::regclass, a.attname
		FROM pg_attribute AS a JOIN member_relation AS r ON r.oid = a.attrelid
		WHERE r.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
			AND coalesce(col_description(a.attrelid, a.attnum), '') = ''$$,
	'every column of a table has a comment');
SELECT is_empty(
	$$SELECT c.conrelid::regclass, c.conname
		FROM pg_constraint AS c JOIN member_relation AS r ON r.oid = c.conrelid
		WHERE c.contype <> 'n'
			AND coalesce(obj_description(c.oid, 'pg_constraint'), '') = ''$$,
	'every constraint has a comment');
SELECT is_empty(
	$$SELECT i.indexrelid::regclass
		FROM pg_index AS i JOIN member_relation AS r ON r.oid = i.indrelid
		WHERE coalesce(obj_description(i.indexrelid, 'pg_class'), '') = ''
			AND NOT EXISTS (SELECT 1 FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)$$,
	'every index that is not a constraint''s has a comment');
SELECT is_empty(
	$$SELECT t.tgrelid::regclass, t.tgname
		FROM pg_trigger AS t JOIN member_relation AS r ON r.oid = t.tgrelid
		WHERE NOT t.tgisinternal
			AND coalesce(obj_description(t.oid, 'pg_trigger'), '') = ''$$,
	'every trigger has a comment');

-- Privileges: what PUBLIC may do, the built-in defaults included --------------

SELECT is_empty(
	$$SELECT p.oid::regprocedure, a.privilege_type
		FROM member_function AS p,
			aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
		WHERE a.grantee = 0$$,
	'PUBLIC may execute no function');
SELECT is_empty(
	$$SELECT r.oid::regclass, a.privilege_type
		FROM member_relation AS r,
			aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) AS a
		WHERE a.grantee = 0$$,
	'PUBLIC may do nothing with a table or a view');
SELECT is_empty(
	$$SELECT t.oid::regtype, a.privilege_type
		FROM member_type AS t,
			aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) AS a
		WHERE a.grantee = 0$$,
	'PUBLIC may not use a type');
SELECT is_empty(
	$$SELECT c.attrelid::regclass, c.attname, a.privilege_type
		FROM pg_attribute AS c JOIN member_relation AS r ON r.oid = c.attrelid,
			aclexplode(c.attacl) AS a$$,
	'nobody was granted a single column');
SELECT is_empty(
	$$SELECT n.nspname, a.privilege_type
		FROM pg_namespace AS n,
			aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
		WHERE n.nspname = 'vendor_routing' AND a.grantee = 0$$,
	'PUBLIC may not use the schema');
SELECT is_empty(
	$$SELECT p.oid::regprocedure, a.grantee::regrole
		FROM member_function AS p,
			aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
		WHERE a.grantee <> p.proowner$$,
	'nobody but its owner may execute a function');

-- Settings --------------------------------------------------------------------

-- They are there once the library is loaded.
SELECT is(vr_version(), extversion, 'the library is that of the extension')
FROM pg_extension WHERE extname = 'vendor_routing';
SELECT set_eq(
	$$SELECT name, vartype, boot_val, unit, min_val, max_val, context
		FROM pg_settings WHERE name LIKE 'vendor\_routing.%'$$,
	$$VALUES
		('vendor_routing.max_vendors', 'integer', '10', NULL, '1', '1000', 'superuser'),
		('vendor_routing.offer_ttl', 'integer', '60', 's', '1', '31536000', 'superuser'),
		('vendor_routing.order_ttl', 'integer', '900', 's', '1', '31536000', 'superuser'),
		('vendor_routing.order_lifetime', 'integer', '86400', 's', '1', '31536000', 'superuser'),
		('vendor_routing.confirm_within', 'integer', '0', 's', '0', '31536000', 'user'),
		('vendor_routing.max_releases', 'integer', '1', NULL, '0', '100', 'superuser'),
		('vendor_routing.auto_pause_after', 'integer', '0', NULL, '0', '1000', 'superuser'),
		('vendor_routing.auto_pause_for', 'integer', '3600', 's', '1', '31536000', 'superuser'),
		('vendor_routing.record_losses', 'bool', 'on', NULL, NULL, NULL, 'superuser'),
		('vendor_routing.reveal_winner', 'bool', 'off', NULL, NULL, NULL, 'superuser'),
		('vendor_routing.vendor_id', 'string', '', NULL, NULL, NULL, 'superuser'),
		('vendor_routing.notify', 'bool', 'off', NULL, NULL, NULL, 'user'),
		('vendor_routing.message_attempts', 'integer', '8', NULL, '1', '100', 'user'),
		('vendor_routing.message_backoff', 'integer', '5', 's', '0', '3600', 'user'),
		('vendor_routing.worker', 'bool', 'on', NULL, NULL, NULL, 'sighup'),
		('vendor_routing.worker_databases', 'string', '', NULL, NULL, NULL, 'sighup'),
		('vendor_routing.worker_role', 'string', '', NULL, NULL, NULL, 'sighup'),
		('vendor_routing.worker_naptime', 'integer', '1000', 'ms', '10', '3600000', 'sighup')$$,
	'the settings are these, with units and bounds');
SELECT throws_ok(
	$$SET vendor_routing.no_such_setting = 1$$, '42602', NULL,
	'the prefix vendor_routing is reserved');

SELECT * FROM finish();
ROLLBACK;
