-- src/cancellation.h has the column numbers that C code reads this table by: new columns go last.
CREATE TABLE vendor_routing.cancellations (
	routing_id uuid NOT NULL,
	round integer NOT NULL,
	vendor_id text NOT NULL,
	reason text NOT NULL,
	created_at timestamptz NOT NULL,
	sent_at timestamptz,
	confirmed_at timestamptz,
	CONSTRAINT cancellations_pkey PRIMARY KEY (routing_id, round, vendor_id)
) WITH (fillfactor = 90);

COMMENT ON TABLE vendor_routing.cancellations IS
	'One row per vendor and round that is told: this order is not yours';
COMMENT ON COLUMN vendor_routing.cancellations.routing_id IS 'Routing the cancelled offer belongs to';
COMMENT ON COLUMN vendor_routing.cancellations.round IS 'Round of the cancelled offer';
COMMENT ON COLUMN vendor_routing.cancellations.vendor_id IS 'Vendor whose offer is cancelled';
COMMENT ON COLUMN vendor_routing.cancellations.reason IS 'ANOTHER_VENDOR_ACCEPTED, ORDER_CANCELLED or ORDER_EXPIRED; to a winner who lost it again RELEASED or NO_CONFIRM';
COMMENT ON COLUMN vendor_routing.cancellations.created_at IS 'When it was decided, in the transaction that decided it';
COMMENT ON COLUMN vendor_routing.cancellations.sent_at IS 'When the message went out; NULL: not yet';
COMMENT ON COLUMN vendor_routing.cancellations.confirmed_at IS 'When its delivery was confirmed; NULL: not yet';
COMMENT ON CONSTRAINT cancellations_pkey ON vendor_routing.cancellations IS 'A vendor is told once per round';

SELECT pg_extension_config_dump('vendor_routing.cancellations', '');
