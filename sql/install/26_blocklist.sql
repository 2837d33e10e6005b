CREATE TABLE vendor_routing.blocklist (
	retailer_id text NOT NULL,
	vendor_id text NOT NULL,
	reason text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT blocklist_pkey PRIMARY KEY (retailer_id, vendor_id),
	CONSTRAINT blocklist_retailer_id_check CHECK (octet_length(retailer_id) BETWEEN 1 AND 255),
	CONSTRAINT blocklist_vendor_id_check CHECK (octet_length(vendor_id) BETWEEN 1 AND 255)
);

COMMENT ON TABLE vendor_routing.blocklist IS
	'Vendors that get no orders of a retailer';
COMMENT ON COLUMN vendor_routing.blocklist.retailer_id IS 'Whose orders';
COMMENT ON COLUMN vendor_routing.blocklist.vendor_id IS 'Who does not get them';
COMMENT ON COLUMN vendor_routing.blocklist.reason IS 'Why; NULL: not said';
COMMENT ON COLUMN vendor_routing.blocklist.created_at IS 'When it was blocked';
COMMENT ON CONSTRAINT blocklist_pkey ON vendor_routing.blocklist IS 'A vendor is blocked or is not; found by retailer';
COMMENT ON CONSTRAINT blocklist_retailer_id_check ON vendor_routing.blocklist IS 'Ids are 1 to 255 bytes';
COMMENT ON CONSTRAINT blocklist_vendor_id_check ON vendor_routing.blocklist IS 'Ids are 1 to 255 bytes';

SELECT pg_extension_config_dump('vendor_routing.blocklist', '');
