-- src/routing.c reads this table by column number: new columns go last.
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
	CONSTRAINT routings_pkey PRIMARY KEY (routing_id),
	CONSTRAINT routings_routing_id_check CHECK (routing_id = @extschema@.vr_routing_id(order_id)),
	CONSTRAINT routings_order_id_check CHECK (octet_length(order_id) BETWEEN 1 AND 255),
	CONSTRAINT routings_retailer_id_check CHECK (octet_length(retailer_id) BETWEEN 1 AND 255),
	CONSTRAINT routings_product_check CHECK (octet_length(product) BETWEEN 1 AND 255),
	CONSTRAINT routings_amount_check CHECK (amount >= 0::numeric AND amount < 'Infinity'::numeric),
	CONSTRAINT routings_place_check CHECK (
		(latitude IS NULL) = (longitude IS NULL)
		AND (latitude IS NULL OR latitude BETWEEN -90 AND 90)
		AND (longitude IS NULL OR longitude BETWEEN -180 AND 180)),
	CONSTRAINT routings_payload_check CHECK (jsonb_typeof(payload) = 'object'),
	CONSTRAINT routings_status_check CHECK (
		status IN ('PENDING', 'LOCKED', 'EXHAUSTED', 'EXPIRED', 'CANCELLED', 'COMPLETED')),
	CONSTRAINT routings_locked_check CHECK (
		(locked_vendor_id IS NULL) = (locked_at IS NULL)
		AND CASE
			WHEN status IN ('LOCKED', 'COMPLETED') THEN locked_vendor_id IS NOT NULL
			WHEN status = 'CANCELLED' THEN true
			ELSE locked_vendor_id IS NULL
		END),
	CONSTRAINT routings_next_deadline_check CHECK (
		(status <> 'PENDING' OR next_deadline IS NOT NULL)
		AND (next_deadline IS NULL OR isfinite(next_deadline))
		AND isfinite(expires_at)),
	CONSTRAINT routings_waves_check CHECK (jsonb_typeof(waves) = 'array'),
	CONSTRAINT routings_next_wave_at_check CHECK (isfinite(next_wave_at)),
	CONSTRAINT routings_releases_check CHECK (releases BETWEEN 0 AND greatest(round, 1) - 1),
	CONSTRAINT routings_confirm_check CHECK (
		isfinite(confirm_by)
		AND (locked_vendor_id IS NOT NULL OR confirm_by IS NULL AND confirmed_at IS NULL)),
	CONSTRAINT routings_outcome_check CHECK (
		outcome IS NULL OR status = 'COMPLETED' AND outcome IN ('DELIVERED', 'FAILED')),
	CONSTRAINT routings_round_check CHECK (round >= 1),
	CONSTRAINT routings_wave_check CHECK (wave >= 1),
	CONSTRAINT routings_version_check CHECK (version >= 1)
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
COMMENT ON CONSTRAINT routings_routing_id_check ON vendor_routing.routings IS 'One routing per order, by construction';
COMMENT ON CONSTRAINT routings_order_id_check ON vendor_routing.routings IS 'Ids are 1 to 255 bytes';
COMMENT ON CONSTRAINT routings_retailer_id_check ON vendor_routing.routings IS 'Ids are 1 to 255 bytes';
COMMENT ON CONSTRAINT routings_product_check ON vendor_routing.routings IS 'Names are 1 to 255 bytes';
COMMENT ON CONSTRAINT routings_amount_check ON vendor_routing.routings IS 'Finite and not negative';
COMMENT ON CONSTRAINT routings_place_check ON vendor_routing.routings IS 'Both coordinates or none, on the earth';
COMMENT ON CONSTRAINT routings_payload_check ON vendor_routing.routings IS 'A JSON object';
COMMENT ON CONSTRAINT routings_status_check ON vendor_routing.routings IS 'The states of the state machine';
COMMENT ON CONSTRAINT routings_locked_check ON vendor_routing.routings IS 'An order that is taken has a winner, an open one has none; a cancelled one keeps whom it had';
COMMENT ON CONSTRAINT routings_next_deadline_check ON vendor_routing.routings IS 'An open order has a deadline: it cannot stay open for ever';
COMMENT ON CONSTRAINT routings_waves_check ON vendor_routing.routings IS 'An array of waves';
COMMENT ON CONSTRAINT routings_next_wave_at_check ON vendor_routing.routings IS 'A wave that never comes is not planned';
COMMENT ON CONSTRAINT routings_releases_check ON vendor_routing.routings IS 'Each release starts a round';
COMMENT ON CONSTRAINT routings_confirm_check ON vendor_routing.routings IS 'Only who has the order confirms it, and not for ever';
COMMENT ON CONSTRAINT routings_outcome_check ON vendor_routing.routings IS 'Only what is completed has an outcome';
COMMENT ON CONSTRAINT routings_round_check ON vendor_routing.routings IS 'Counts from 1';
COMMENT ON CONSTRAINT routings_wave_check ON vendor_routing.routings IS 'Counts from 1';
COMMENT ON CONSTRAINT routings_version_check ON vendor_routing.routings IS 'Counts from 1';
COMMENT ON INDEX vendor_routing.routings_next_deadline_idx IS 'Routings by what is due next';

SELECT pg_extension_config_dump('vendor_routing.routings', '');
