-- src/eligibility.c reads this table by column number: new columns go last.
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
	score numeric(7, 4) NOT NULL GENERATED ALWAYS AS (
		CASE
			WHEN total_orders > 0
				THEN completed_orders::numeric * 100::numeric / total_orders::numeric * 0.4
			ELSE 0::numeric
		END
		+ average_rating / 5::numeric * 100::numeric * 0.3
		+ reliability_score * 0.3) STORED,
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
	CONSTRAINT vendors_phone_key UNIQUE (phone),
	CONSTRAINT vendors_vendor_id_check CHECK (octet_length(vendor_id) BETWEEN 1 AND 255),
	CONSTRAINT vendors_name_check CHECK (octet_length(name) BETWEEN 1 AND 255),
	CONSTRAINT vendors_phone_check CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
	CONSTRAINT vendors_products_check CHECK (
		array_ndims(products) = 1
		AND array_position(products, NULL) IS NULL
		AND array_position(products, '') IS NULL),
	CONSTRAINT vendors_min_order_amount_check
		CHECK (min_order_amount >= 0::numeric AND min_order_amount < 'Infinity'::numeric),
	CONSTRAINT vendors_latitude_check CHECK (latitude BETWEEN -90 AND 90),
	CONSTRAINT vendors_longitude_check CHECK (longitude BETWEEN -180 AND 180),
	CONSTRAINT vendors_place_check CHECK (
		(latitude IS NULL) = (longitude IS NULL)
		AND (service_radius_km IS NULL OR latitude IS NOT NULL)),
	CONSTRAINT vendors_service_radius_km_check
		CHECK (service_radius_km > 0 AND service_radius_km <= 20040),
	CONSTRAINT vendors_capacity_check CHECK (capacity >= 0),
	CONSTRAINT vendors_current_orders_check CHECK (current_orders >= 0),
	CONSTRAINT vendors_total_orders_check CHECK (total_orders >= 0),
	CONSTRAINT vendors_completed_orders_check
		CHECK (completed_orders BETWEEN 0 AND total_orders),
	CONSTRAINT vendors_average_rating_check CHECK (average_rating BETWEEN 0 AND 5),
	CONSTRAINT vendors_reliability_score_check CHECK (reliability_score BETWEEN 0 AND 100),
	CONSTRAINT vendors_attributes_check CHECK (jsonb_typeof(attributes) = 'object'),
	CONSTRAINT vendors_rating_check CHECK (
		rating_count >= 0 AND rating_sum BETWEEN 0::numeric AND 5::numeric * rating_count::numeric),
	CONSTRAINT vendors_pause_check CHECK (paused_until IS NULL OR paused_at IS NOT NULL),
	CONSTRAINT vendors_time_zone_check CHECK ((time_zone IS NULL) = (working_hours IS NULL)),
	CONSTRAINT vendors_working_hours_check CHECK (working_hours <@ '{[0,10080)}'::int4multirange)
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
COMMENT ON CONSTRAINT vendors_vendor_id_check ON vendor_routing.vendors IS 'Ids are 1 to 255 bytes';
COMMENT ON CONSTRAINT vendors_name_check ON vendor_routing.vendors IS 'Names are 1 to 255 bytes';
COMMENT ON CONSTRAINT vendors_phone_check ON vendor_routing.vendors IS 'Phone numbers are in E.164 form';
COMMENT ON CONSTRAINT vendors_products_check ON vendor_routing.vendors IS 'A list, and a product has a name';
COMMENT ON CONSTRAINT vendors_min_order_amount_check ON vendor_routing.vendors IS 'Finite and not negative';
COMMENT ON CONSTRAINT vendors_latitude_check ON vendor_routing.vendors IS 'Degrees on the earth';
COMMENT ON CONSTRAINT vendors_longitude_check ON vendor_routing.vendors IS 'Degrees on the earth';
COMMENT ON CONSTRAINT vendors_place_check ON vendor_routing.vendors IS 'A place has both coordinates, and a radius has a place';
COMMENT ON CONSTRAINT vendors_service_radius_km_check ON vendor_routing.vendors IS 'More than nothing and at most half way round the earth';
COMMENT ON CONSTRAINT vendors_capacity_check ON vendor_routing.vendors IS 'Not negative; it may be set below current_orders';
COMMENT ON CONSTRAINT vendors_current_orders_check ON vendor_routing.vendors IS 'Not negative';
COMMENT ON CONSTRAINT vendors_total_orders_check ON vendor_routing.vendors IS 'Not negative';
COMMENT ON CONSTRAINT vendors_completed_orders_check ON vendor_routing.vendors IS 'A part of total_orders';
COMMENT ON CONSTRAINT vendors_average_rating_check ON vendor_routing.vendors IS '0 to 5';
COMMENT ON CONSTRAINT vendors_reliability_score_check ON vendor_routing.vendors IS '0 to 100';
COMMENT ON CONSTRAINT vendors_attributes_check ON vendor_routing.vendors IS 'A JSON object';
COMMENT ON CONSTRAINT vendors_rating_check ON vendor_routing.vendors IS 'Each rating is 0 to 5';
COMMENT ON CONSTRAINT vendors_pause_check ON vendor_routing.vendors IS 'A pause has begun';
COMMENT ON CONSTRAINT vendors_time_zone_check ON vendor_routing.vendors IS 'Working hours are local time somewhere';
COMMENT ON CONSTRAINT vendors_working_hours_check ON vendor_routing.vendors IS 'A week has 10080 minutes';
COMMENT ON INDEX vendor_routing.vendors_paused_until_idx IS 'Paused vendors, by when that ends: read by vr_tick';
COMMENT ON INDEX vendor_routing.vendors_score_idx IS 'Eligible vendors, best first: read by vr_broadcast';

SELECT pg_extension_config_dump('vendor_routing.vendors', '');
