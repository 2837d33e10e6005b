-- src/vendor.h has the column numbers that C code reads this table by: new columns go last.
CREATE TABLE vendor_routing.vendors (
	vendor_id text NOT NULL,
	name text NOT NULL,
	phone text,
	is_active boolean NOT NULL DEFAULT true,
	is_verified boolean NOT NULL DEFAULT false,
	products text[],
	min_order_amount numeric NOT NULL DEFAULT 0,
	latitude double precision,
	longitude double precision,
	service_radius_km double precision,
	capacity integer,
	current_orders integer NOT NULL DEFAULT 0,
	total_orders integer NOT NULL DEFAULT 0,
	completed_orders integer NOT NULL DEFAULT 0,
	average_rating numeric(3, 2) NOT NULL DEFAULT 0,
	reliability_score numeric(5, 2) NOT NULL DEFAULT 0,
	score numeric(7, 4) NOT NULL,
	attributes jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	rating_count integer NOT NULL DEFAULT 0,
	rating_sum numeric NOT NULL DEFAULT 0,
	paused_at timestamptz,
	paused_until timestamptz,
	pause_reason text,
	time_zone text,
	working_hours int4multirange,
	CONSTRAINT vendors_pkey PRIMARY KEY (vendor_id),
	CONSTRAINT vendors_phone_key UNIQUE (phone)
) WITH (fillfactor = 70);

-- The best first, so that the ten best of any number are the first ten read.
CREATE INDEX vendors_score_idx
	ON vendor_routing.vendors (score DESC, vendor_id)
	WHERE is_active AND is_verified;

-- Pauses that end by themselves, and when.
CREATE INDEX vendors_paused_until_idx
	ON vendor_routing.vendors (paused_until)
	WHERE paused_until IS NOT NULL;

COMMENT ON TABLE vendor_routing.vendors IS
	'Registry of the vendors orders can be offered to';
COMMENT ON COLUMN vendor_routing.vendors.vendor_id IS 'The application''s id of the vendor, 1 to 255 bytes';
COMMENT ON COLUMN vendor_routing.vendors.name IS 'Name shown to people';
COMMENT ON COLUMN vendor_routing.vendors.phone IS 'Phone number in E.164 form (+ and 2 to 15 digits: the standard names no shortest number), one vendor each; NULL: none';
COMMENT ON COLUMN vendor_routing.vendors.is_active IS 'Takes part at all';
COMMENT ON COLUMN vendor_routing.vendors.is_verified IS 'Has been checked; only then is it offered orders';
COMMENT ON COLUMN vendor_routing.vendors.products IS 'Products sold; NULL: sells everything; empty: sells nothing';
COMMENT ON COLUMN vendor_routing.vendors.min_order_amount IS 'Smallest amount of an order it takes, in the currency of the application';
COMMENT ON COLUMN vendor_routing.vendors.latitude IS 'Degrees, north positive; NULL: unknown';
COMMENT ON COLUMN vendor_routing.vendors.longitude IS 'Degrees, east positive; NULL: unknown';
COMMENT ON COLUMN vendor_routing.vendors.service_radius_km IS 'Delivers up to this many kilometres; NULL: anywhere';
COMMENT ON COLUMN vendor_routing.vendors.capacity IS 'Most orders it has at one time; NULL: no limit';
COMMENT ON COLUMN vendor_routing.vendors.current_orders IS 'Orders it has won and not finished, kept by the extension';
COMMENT ON COLUMN vendor_routing.vendors.total_orders IS 'Orders finished, well or not';
COMMENT ON COLUMN vendor_routing.vendors.completed_orders IS 'Orders finished well';
COMMENT ON COLUMN vendor_routing.vendors.average_rating IS 'Average rating by retailers, 0 to 5';
COMMENT ON COLUMN vendor_routing.vendors.reliability_score IS 'Reliability, 0 to 100';
COMMENT ON COLUMN vendor_routing.vendors.score IS 'Rank among vendors, 0 to 100: completion % x 0.4 + rating / 5 x 100 x 0.3 + reliability x 0.3';
COMMENT ON COLUMN vendor_routing.vendors.attributes IS 'Anything else the application wants to keep, a JSON object';
COMMENT ON COLUMN vendor_routing.vendors.created_at IS 'When the row was made';
COMMENT ON COLUMN vendor_routing.vendors.updated_at IS 'When the row was last changed by the application';
COMMENT ON COLUMN vendor_routing.vendors.rating_count IS 'Ratings given to vr_complete; from the first on, average_rating is rating_sum / rating_count';
COMMENT ON COLUMN vendor_routing.vendors.rating_sum IS 'Sum of the ratings given to vr_complete';
COMMENT ON COLUMN vendor_routing.vendors.paused_at IS 'When the last pause began; unanswered offers from before do not count towards the next one';
COMMENT ON COLUMN vendor_routing.vendors.paused_until IS 'Is offered nothing before; infinity: until vr_resume; NULL: not paused';
COMMENT ON COLUMN vendor_routing.vendors.pause_reason IS 'Why it is, or was last, paused';
COMMENT ON COLUMN vendor_routing.vendors.time_zone IS 'IANA zone of working_hours';
COMMENT ON COLUMN vendor_routing.vendors.working_hours IS 'Minutes of the week, from Monday 00:00 local time, in which it is offered orders; NULL: always; see vr_set_hours';
COMMENT ON CONSTRAINT vendors_pkey ON vendor_routing.vendors IS 'One row per vendor';
COMMENT ON CONSTRAINT vendors_phone_key ON vendor_routing.vendors IS 'A phone number finds one vendor';
COMMENT ON INDEX vendor_routing.vendors_paused_until_idx IS 'Paused vendors, by when that ends: read by vr_tick';
COMMENT ON INDEX vendor_routing.vendors_score_idx IS 'Eligible vendors, best first: read by vr_broadcast';

SELECT pg_extension_config_dump('vendor_routing.vendors', '');
