CREATE TABLE vendor_routing.policies (
	policy text NOT NULL,
	waves jsonb NOT NULL,
	offer_ttl interval,
	confirm_within interval,
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT policies_pkey PRIMARY KEY (policy),
	CONSTRAINT policies_policy_check CHECK (octet_length(policy) BETWEEN 1 AND 255),
	CONSTRAINT policies_waves_check CHECK (@extschema@.vr_check_waves(waves)),
	CONSTRAINT policies_offer_ttl_check
		CHECK (offer_ttl > '0'::interval AND offer_ttl <= '365 days'::interval),
	CONSTRAINT policies_confirm_within_check
		CHECK (confirm_within > '0'::interval AND confirm_within <= '365 days'::interval)
);

COMMENT ON TABLE vendor_routing.policies IS
	'Broadcast policies by name: how an order is offered, wave by wave';
COMMENT ON COLUMN vendor_routing.policies.policy IS 'Name, 1 to 255 bytes';
COMMENT ON COLUMN vendor_routing.policies.waves IS 'An array of waves, see vr_broadcast';
COMMENT ON COLUMN vendor_routing.policies.offer_ttl IS 'Time a vendor has to answer an offer; NULL: vendor_routing.offer_ttl';
COMMENT ON COLUMN vendor_routing.policies.confirm_within IS 'Time a winner has to confirm; NULL: vendor_routing.confirm_within';
COMMENT ON COLUMN vendor_routing.policies.updated_at IS 'When it was last changed by vr_set_policy';
COMMENT ON CONSTRAINT policies_pkey ON vendor_routing.policies IS 'One policy per name';
COMMENT ON CONSTRAINT policies_policy_check ON vendor_routing.policies IS 'Names are 1 to 255 bytes';
COMMENT ON CONSTRAINT policies_waves_check ON vendor_routing.policies IS 'Waves that vr_broadcast takes';
COMMENT ON CONSTRAINT policies_offer_ttl_check ON vendor_routing.policies IS 'More than nothing and at most a year';
COMMENT ON CONSTRAINT policies_confirm_within_check ON vendor_routing.policies IS 'More than nothing and at most a year';

SELECT pg_extension_config_dump('vendor_routing.policies', '');
