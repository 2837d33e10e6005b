-- src/response.h has the column numbers that C code reads this table by: new columns go last.
CREATE TABLE vendor_routing.responses (
	routing_id uuid NOT NULL,
	round integer NOT NULL,
	vendor_id text NOT NULL,
	score numeric(7, 4) NOT NULL,
	rank integer NOT NULL,
	wave integer NOT NULL DEFAULT 1,
	offered_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	response text,
	responded_at timestamptz,
	reason text,
	payload jsonb,
	decline_code text,
	CONSTRAINT responses_pkey PRIMARY KEY (routing_id, round, vendor_id)
) WITH (fillfactor = 45);

CREATE INDEX responses_vendor_id_expires_at_idx
	ON vendor_routing.responses (vendor_id, expires_at);

COMMENT ON TABLE vendor_routing.responses IS
	'One row per invited vendor and round: the offer, and the answer once there is one';
COMMENT ON COLUMN vendor_routing.responses.routing_id IS 'Routing the offer belongs to';
COMMENT ON COLUMN vendor_routing.responses.round IS 'Round of the routing in which it was made';
COMMENT ON COLUMN vendor_routing.responses.vendor_id IS 'Vendor it was made to';
COMMENT ON COLUMN vendor_routing.responses.score IS 'Score of the vendor at that time';
COMMENT ON COLUMN vendor_routing.responses.rank IS 'Place of the vendor in the broadcast, from 1';
COMMENT ON COLUMN vendor_routing.responses.wave IS 'Wave of the round in which it was made, from 1';
COMMENT ON COLUMN vendor_routing.responses.offered_at IS 'When it was made';
COMMENT ON COLUMN vendor_routing.responses.expires_at IS 'Until when the vendor can accept';
COMMENT ON COLUMN vendor_routing.responses.response IS 'ACCEPT, REJECT, TIMEOUT or ERROR; NULL: no answer yet';
COMMENT ON COLUMN vendor_routing.responses.responded_at IS 'When the answer was recorded';
COMMENT ON COLUMN vendor_routing.responses.reason IS 'Why, in the vendor''s words';
COMMENT ON COLUMN vendor_routing.responses.payload IS 'Anything that came with the answer, a JSON object';
COMMENT ON COLUMN vendor_routing.responses.decline_code IS 'Why it was rejected: NO_STOCK, NO_CAPACITY, PRICE, TIME, AREA, CLOSED or OTHER; NULL: not said';
COMMENT ON CONSTRAINT responses_pkey ON vendor_routing.responses IS 'One offer and one answer per vendor and round';
COMMENT ON INDEX vendor_routing.responses_vendor_id_expires_at_idx IS 'Offers of a vendor, the longest valid last: its inbox, and when it was last offered something';

SELECT pg_extension_config_dump('vendor_routing.responses', '');
