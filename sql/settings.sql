-- Units, bounds and defaults of every setting; unknown names are refused.
SELECT vr_version() IS NOT NULL AS loaded;
SELECT name, unit, context, vartype, min_val, max_val, boot_val
FROM pg_settings WHERE name LIKE 'vendor_routing.%' ORDER BY 1;
-- the words differ between PostgreSQL versions
\set VERBOSITY sqlstate
SET vendor_routing.max_vendors = 0;
SET vendor_routing.max_vendors = 1001;
SET vendor_routing.offer_ttl = 0;
SET vendor_routing.offer_ttl = '-1 s';
SET vendor_routing.offer_ttl = '2 years';
SET vendor_routing.offer_ttl = 'soon';
SET vendor_routing.order_ttl = '0';
ALTER SYSTEM SET vendor_routing.worker_databases = 'a b';
\set VERBOSITY default
SET vendor_routing.order_ttl = '15 min';
SET vendor_routing.offer_ttl = '2 min';
SHOW vendor_routing.offer_ttl;
-- a pair that does not fit is said to be so, and the shorter one counts
SET vendor_routing.offer_ttl = '1 h';
SET vendor_routing.order_ttl = '30 min';
SET vendor_routing.order_ttl = '2 h';
RESET vendor_routing.offer_ttl;
RESET vendor_routing.order_ttl;
SET vendor_routing.no_such_setting = 1;
-- switching the record off takes a superuser, and so does what others' offers are made by
CREATE ROLE regress_vr_user;
SET ROLE regress_vr_user;
SET vendor_routing.record_losses = off;
SET vendor_routing.max_vendors = 5;
SET vendor_routing.offer_ttl = '1 s';
SET vendor_routing.order_ttl = '1 d';
SET vendor_routing.order_lifetime = '365 d';
SET vendor_routing.auto_pause_after = 1;
SET vendor_routing.auto_pause_for = '1 s';
SET vendor_routing.confirm_within = '1 min';
RESET vendor_routing.confirm_within;
RESET ROLE;
DROP ROLE regress_vr_user;
