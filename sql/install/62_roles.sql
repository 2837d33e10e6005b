-- Roles are not shipped: these give the rights of one kind to a role of the user's.

CREATE FUNCTION @extschema@.vr_grant_app(role regrole)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_grant_app';
COMMENT ON FUNCTION @extschema@.vr_grant_app(regrole) IS
	'Lets a role do what an application does: all verbs for every vendor, and all views';
REVOKE ALL ON FUNCTION @extschema@.vr_grant_app(regrole) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_revoke_app(role regrole)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_revoke_app';
COMMENT ON FUNCTION @extschema@.vr_revoke_app(regrole) IS
	'Takes back what vr_grant_app gave';
REVOKE ALL ON FUNCTION @extschema@.vr_revoke_app(regrole) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_grant_vendor(role regrole, vendor_id text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_grant_vendor';
COMMENT ON FUNCTION @extschema@.vr_grant_vendor(regrole, text) IS
	'Lets a role act for a vendor and for no other; without a vendor, for the one that the setting vendor_routing.vendor_id names';
REVOKE ALL ON FUNCTION @extschema@.vr_grant_vendor(regrole, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_revoke_vendor(role regrole)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_revoke_vendor';
COMMENT ON FUNCTION @extschema@.vr_revoke_vendor(regrole) IS
	'Takes back what vr_grant_vendor gave, for all vendors';
REVOKE ALL ON FUNCTION @extschema@.vr_revoke_vendor(regrole) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_grant_auditor(role regrole)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_grant_auditor';
COMMENT ON FUNCTION @extschema@.vr_grant_auditor(regrole) IS
	'Lets a role read everything and change nothing';
REVOKE ALL ON FUNCTION @extschema@.vr_grant_auditor(regrole) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_revoke_auditor(role regrole)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'vr_revoke_auditor';
COMMENT ON FUNCTION @extschema@.vr_revoke_auditor(regrole) IS
	'Takes back what vr_grant_auditor gave';
REVOKE ALL ON FUNCTION @extschema@.vr_revoke_auditor(regrole) FROM PUBLIC;

CREATE FUNCTION @extschema@.vr_vendor_ids()
RETURNS text[]
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'vr_vendor_ids';
COMMENT ON FUNCTION @extschema@.vr_vendor_ids() IS
	'The vendors that the calling role acts for; NULL where it is not bound to any';
REVOKE ALL ON FUNCTION @extschema@.vr_vendor_ids() FROM PUBLIC;

-- A function, since conditions of the caller's must not reach the tables: EXPLAIN would count
-- the rows that meet them, whoever's they are, behind a security barrier too.
CREATE FUNCTION vendor_routing.my_offers()
RETURNS SETOF @extschema@.vr_vendor_offers
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'vr_my_offers';
COMMENT ON FUNCTION vendor_routing.my_offers() IS
	'What vr_my_offers shows';
REVOKE ALL ON FUNCTION vendor_routing.my_offers() FROM PUBLIC;

CREATE VIEW @extschema@.vr_my_offers AS
SELECT * FROM vendor_routing.my_offers();
COMMENT ON VIEW @extschema@.vr_my_offers IS
	'Live offers to the vendors that the calling role acts for, and to no other';
REVOKE ALL ON @extschema@.vr_my_offers FROM PUBLIC;

-- Sessions remember whom a role acts for.
CREATE FUNCTION vendor_routing.forget_identities()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_forget_identities';
COMMENT ON FUNCTION vendor_routing.forget_identities() IS
	'Makes all sessions read vendor_roles again';
REVOKE ALL ON FUNCTION vendor_routing.forget_identities() FROM PUBLIC;

CREATE TRIGGER forget_identities
	AFTER INSERT OR UPDATE OR DELETE ON vendor_routing.vendor_roles
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.forget_identities();
COMMENT ON TRIGGER forget_identities ON vendor_routing.vendor_roles IS
	'Makes all sessions read it again';
CREATE TRIGGER forget_identities_truncate
	AFTER TRUNCATE ON vendor_routing.vendor_roles
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.forget_identities();
COMMENT ON TRIGGER forget_identities_truncate ON vendor_routing.vendor_roles IS
	'Makes all sessions read it again';
ALTER TABLE vendor_routing.vendor_roles ENABLE ALWAYS TRIGGER forget_identities;
ALTER TABLE vendor_routing.vendor_roles ENABLE ALWAYS TRIGGER forget_identities_truncate;
