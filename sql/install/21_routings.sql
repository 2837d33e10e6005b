-- src/routing.h has the column numbers that C code reads this table by: new columns go last.
CREATE TABLE vendor_routing.routings (
	routing_id uuid NOT NULL,
	order_id text NOT NULL,
	retailer_id text NOT NULL,
	product text,
	amount numeric,
	latitude double precision,
	longitude double precision,
	payload jsonb,
	status text NOT NULL DEFAULT 'PENDING',
	round integer NOT NULL DEFAULT 1,
	wave integer NOT NULL DEFAULT 1,
	locked_vendor_id text,
	locked_at timestamptz,
	version integer NOT NULL DEFAULT 1,
	next_deadline timestamptz,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	waves jsonb NOT NULL DEFAULT '[{"vendors": 10}]',
	offer_ttl interval,
	next_wave_at timestamptz,
	excluded_vendor_ids text[],
	releases integer NOT NULL DEFAULT 0,
	confirm_within interval,
	confirm_by timestamptz,
	confirmed_at timestamptz,
	outcome text,
	CONSTRAINT routings_pkey PRIMARY KEY (routing_id)
) WITH (fillfactor = 45);

-- An accept changes neither the column nor the predicate of this index, so that
-- the row stays on its page (HOT): the entry of a decided routing is taken out
-- later, by whoever finds it due.
CREATE INDEX routings_next_deadline_idx
	ON vendor_routing.routings (next_deadline)
	WHERE next_deadline IS NOT NULL;

COMMENT ON TABLE vendor_routing.routings IS
	'One row per order, for ever: whether a vendor has it, and which';
COMMENT ON COLUMN vendor_routing.routings.routing_id IS 'vr_routing_id(order_id)';
COMMENT ON COLUMN vendor_routing.routings.order_id IS 'The application''s id of the order, 1 to 255 bytes';
COMMENT ON COLUMN vendor_routing.routings.retailer_id IS 'The application''s id of the retailer who ordered';
COMMENT ON COLUMN vendor_routing.routings.product IS 'Product ordered; NULL: any vendor''s';
COMMENT ON COLUMN vendor_routing.routings.amount IS 'Amount of the order, in the currency of the application; NULL: not known';
COMMENT ON COLUMN vendor_routing.routings.latitude IS 'Where to deliver: degrees, north positive; NULL: does not matter';
COMMENT ON COLUMN vendor_routing.routings.longitude IS 'Where to deliver: degrees, east positive; NULL: does not matter';
COMMENT ON COLUMN vendor_routing.routings.payload IS 'Anything the vendors should see, a JSON object';
COMMENT ON COLUMN vendor_routing.routings.status IS 'PENDING, LOCKED, EXHAUSTED, EXPIRED, CANCELLED or COMPLETED';
COMMENT ON COLUMN vendor_routing.routings.round IS 'Counts from 1; one more each time the order is offered anew';
COMMENT ON COLUMN vendor_routing.routings.wave IS 'Latest wave of offers in this round, from 1';
COMMENT ON COLUMN vendor_routing.routings.locked_vendor_id IS 'The vendor who won';
COMMENT ON COLUMN vendor_routing.routings.locked_at IS 'When it won';
COMMENT ON COLUMN vendor_routing.routings.version IS 'Counts the changes of this row, from 1';
COMMENT ON COLUMN vendor_routing.routings.next_deadline IS 'When vr_tick has work here at the earliest; may be left behind by an accept';
COMMENT ON COLUMN vendor_routing.routings.expires_at IS 'When the order stops looking for a vendor';
COMMENT ON COLUMN vendor_routing.routings.created_at IS 'When the order was first broadcast';
COMMENT ON COLUMN vendor_routing.routings.updated_at IS 'When the row was last changed';
COMMENT ON COLUMN vendor_routing.routings.waves IS 'The broadcast policy it started with: an array of waves, see vr_broadcast';
COMMENT ON COLUMN vendor_routing.routings.offer_ttl IS 'Time a vendor has to answer an offer; NULL: vendor_routing.offer_ttl';
COMMENT ON COLUMN vendor_routing.routings.next_wave_at IS 'When the next wave opens at the latest; NULL: there is none in this round';
COMMENT ON COLUMN vendor_routing.routings.excluded_vendor_ids IS 'Vendors that are not invited again; NULL: none';
COMMENT ON COLUMN vendor_routing.routings.releases IS 'How often a winner has backed out, or did not confirm';
COMMENT ON COLUMN vendor_routing.routings.confirm_within IS 'Time a winner has to confirm; NULL: need not';
COMMENT ON COLUMN vendor_routing.routings.confirm_by IS 'Until when the winner must confirm; NULL: need not';
COMMENT ON COLUMN vendor_routing.routings.confirmed_at IS 'When the winner confirmed; NULL: has not';
COMMENT ON COLUMN vendor_routing.routings.outcome IS 'How it was completed: DELIVERED or FAILED; NULL: it is not completed, or was by hand';
COMMENT ON CONSTRAINT routings_pkey ON vendor_routing.routings IS 'One row per routing';
COMMENT ON INDEX vendor_routing.routings_next_deadline_idx IS 'Routings by what is due next';

SELECT pg_extension_config_dump('vendor_routing.routings', '');
