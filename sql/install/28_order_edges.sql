CREATE TABLE vendor_routing.order_edges (
	from_status text NOT NULL,
	to_status text NOT NULL,
	CONSTRAINT order_edges_pkey PRIMARY KEY (from_status, to_status),
	CONSTRAINT order_edges_check CHECK (from_status <> to_status)
);

COMMENT ON TABLE vendor_routing.order_edges IS
	'The state machine of the attached orders, in the words of the application; vr_attach_orders writes it, and it can be edited';
COMMENT ON COLUMN vendor_routing.order_edges.from_status IS 'An order with this status';
COMMENT ON COLUMN vendor_routing.order_edges.to_status IS 'can get this one';
COMMENT ON CONSTRAINT order_edges_pkey ON vendor_routing.order_edges IS 'Each edge once';
COMMENT ON CONSTRAINT order_edges_check ON vendor_routing.order_edges IS 'An order may always keep its status';

SELECT pg_extension_config_dump('vendor_routing.order_edges', '');
