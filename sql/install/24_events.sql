CREATE TABLE vendor_routing.events (
	routing_id uuid NOT NULL,
	event_id uuid NOT NULL,
	order_id text NOT NULL,
	event_type text NOT NULL,
	vendor_id text,
	payload jsonb,
	occurred_at timestamptz NOT NULL,
	CONSTRAINT events_pkey PRIMARY KEY (routing_id, event_id)
);

COMMENT ON TABLE vendor_routing.events IS
	'The audit trail: what happened to an order, written in the transaction in which it happened, never changed';
COMMENT ON COLUMN vendor_routing.events.routing_id IS 'Routing it happened to';
COMMENT ON COLUMN vendor_routing.events.event_id IS 'UUID version 7: sorts by time';
COMMENT ON COLUMN vendor_routing.events.order_id IS 'Order it happened to';
COMMENT ON COLUMN vendor_routing.events.event_type IS 'What happened';
COMMENT ON COLUMN vendor_routing.events.vendor_id IS 'Vendor it happened to or through; NULL: none in particular';
COMMENT ON COLUMN vendor_routing.events.payload IS 'Details, a JSON object; NULL: none';
COMMENT ON COLUMN vendor_routing.events.occurred_at IS 'When it was decided';
COMMENT ON CONSTRAINT events_pkey ON vendor_routing.events IS 'The events of an order, in the order of time';

SELECT pg_extension_config_dump('vendor_routing.events', '');

-- What happens to a vendor, whatever the order.
CREATE TABLE vendor_routing.vendor_events (
	vendor_id text NOT NULL,
	event_id uuid NOT NULL,
	event_type text NOT NULL,
	payload jsonb,
	occurred_at timestamptz NOT NULL,
	CONSTRAINT vendor_events_pkey PRIMARY KEY (vendor_id, event_id),
	CONSTRAINT vendor_events_vendor_id_check CHECK (octet_length(vendor_id) BETWEEN 1 AND 255),
	CONSTRAINT vendor_events_event_type_check CHECK (event_type IN (
		'VENDOR_PAUSED',
		'VENDOR_RESUMED',
		'VENDOR_HOURS_SET',
		'VENDOR_BLOCKED',
		'VENDOR_UNBLOCKED',
		'VENDOR_LOAD_REPAIRED')),
	CONSTRAINT vendor_events_payload_check CHECK (jsonb_typeof(payload) = 'object')
);

COMMENT ON TABLE vendor_routing.vendor_events IS
	'The audit trail of vendors: pauses, hours, blocklists; never changed';
COMMENT ON COLUMN vendor_routing.vendor_events.vendor_id IS 'Vendor it happened to';
COMMENT ON COLUMN vendor_routing.vendor_events.event_id IS 'UUID version 7: sorts by time';
COMMENT ON COLUMN vendor_routing.vendor_events.event_type IS 'What happened';
COMMENT ON COLUMN vendor_routing.vendor_events.payload IS 'Details, a JSON object; NULL: none';
COMMENT ON COLUMN vendor_routing.vendor_events.occurred_at IS 'When it was decided';
COMMENT ON CONSTRAINT vendor_events_pkey ON vendor_routing.vendor_events IS 'The events of a vendor, in the order of time';
COMMENT ON CONSTRAINT vendor_events_vendor_id_check ON vendor_routing.vendor_events IS 'Ids are 1 to 255 bytes';
COMMENT ON CONSTRAINT vendor_events_event_type_check ON vendor_routing.vendor_events IS 'The vocabulary of events of vendors';
COMMENT ON CONSTRAINT vendor_events_payload_check ON vendor_routing.vendor_events IS 'A JSON object';

SELECT pg_extension_config_dump('vendor_routing.vendor_events', '');
