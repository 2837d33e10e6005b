CREATE TABLE vendor_routing.attachments (
	kind text NOT NULL,
	relation regclass NOT NULL,
	mapping jsonb NOT NULL,
	attached_at timestamptz NOT NULL DEFAULT now(),
	search_path text NOT NULL,
	CONSTRAINT attachments_pkey PRIMARY KEY (kind),
	CONSTRAINT attachments_kind_check CHECK (kind IN ('ORDERS', 'VENDORS')),
	CONSTRAINT attachments_mapping_check CHECK (jsonb_typeof(mapping) = 'object')
);

COMMENT ON TABLE vendor_routing.attachments IS
	'Tables of the application that the extension is kept in step with';
COMMENT ON COLUMN vendor_routing.attachments.kind IS 'ORDERS or VENDORS';
COMMENT ON COLUMN vendor_routing.attachments.relation IS 'The table';
COMMENT ON COLUMN vendor_routing.attachments.mapping IS 'What its columns mean, see vr_attach_orders and vr_attach_vendors';
COMMENT ON COLUMN vendor_routing.attachments.attached_at IS 'When it was attached';
COMMENT ON COLUMN vendor_routing.attachments.search_path IS 'That of who attached it, then pg_temp: in what the application''s own triggers find their names when the extension writes the table';
COMMENT ON CONSTRAINT attachments_pkey ON vendor_routing.attachments IS 'One table of each kind';
COMMENT ON CONSTRAINT attachments_kind_check ON vendor_routing.attachments IS 'The kinds of tables';
COMMENT ON CONSTRAINT attachments_mapping_check ON vendor_routing.attachments IS 'A JSON object';

SELECT pg_extension_config_dump('vendor_routing.attachments', '');
