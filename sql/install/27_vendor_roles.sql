CREATE TABLE vendor_routing.vendor_roles (
	role regrole NOT NULL,
	vendor_id text NOT NULL,
	CONSTRAINT vendor_roles_pkey PRIMARY KEY (role, vendor_id),
	CONSTRAINT vendor_roles_vendor_id_check CHECK (octet_length(vendor_id) BETWEEN 0 AND 255)
);

COMMENT ON TABLE vendor_routing.vendor_roles IS
	'Roles that act for a vendor and for no other; a role that has the rights of one of these is bound, too';
COMMENT ON COLUMN vendor_routing.vendor_roles.role IS 'Who acts';
COMMENT ON COLUMN vendor_routing.vendor_roles.vendor_id IS 'For whom; empty: for the vendor that the setting vendor_routing.vendor_id names';
COMMENT ON CONSTRAINT vendor_roles_pkey ON vendor_routing.vendor_roles IS 'A role may act for several vendors';
COMMENT ON CONSTRAINT vendor_roles_vendor_id_check ON vendor_routing.vendor_roles IS 'Ids are 1 to 255 bytes, or the setting has it';

SELECT pg_extension_config_dump('vendor_routing.vendor_roles', '');
