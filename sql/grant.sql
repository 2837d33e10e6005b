-- Roles of applications, vendors and auditors: what each may do, and what is left when it
-- is taken back (test/pgtap/11_roles.sql tries every object).
CREATE ROLE regress_vr_application;
CREATE ROLE regress_vr_vendor;
CREATE ROLE regress_vr_reader;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, products)
VALUES ('g1', 'Grant 1', true, '{grant}'), ('g2', 'Grant 2', true, '{grant}');
SELECT vr_grant_app('regress_vr_application');
SELECT vr_grant_vendor('regress_vr_vendor', 'g1');
SELECT vr_grant_auditor('regress_vr_reader');

SET ROLE regress_vr_application;
SELECT vendor_count FROM vr_broadcast('g-1', 'retailer', 'grant', vendors => '{g1,g2}');
SELECT vr_vendor_ids();
RESET ROLE;
SET ROLE regress_vr_vendor;
SELECT vr_vendor_ids();
SELECT order_id, vendor_id, response FROM vr_my_offers;
SELECT reason FROM vr_accept(vr_routing_id('g-1'), 'g2');
SELECT reason FROM vr_accept(vr_routing_id('g-1'), 'g1');
RESET ROLE;
SET ROLE regress_vr_reader;
SELECT order_id, locked_vendor_id FROM vr_routing_status WHERE order_id = 'g-1';
SELECT vr_cancel(vr_routing_id('g-1'));
RESET ROLE;

SELECT vr_revoke_app('regress_vr_application');
SELECT vr_revoke_vendor('regress_vr_vendor');
SELECT vr_revoke_auditor('regress_vr_reader');
SET ROLE regress_vr_vendor;
SELECT reason FROM vr_accept(vr_routing_id('g-1'), 'g1');
RESET ROLE;

-- what a policy may be
SELECT vr_check_waves('[{"vendors": 3, "wait": "1 min"}, {}]');
SELECT vr_check_waves('[{"vendors": 0}]');

SELECT completed FROM vr_complete(vr_routing_id('g-1'));
UPDATE vendor_routing.vendors SET is_active = false WHERE vendor_id ~ '^g\d$';
REVOKE ALL ON SCHEMA vendor_routing FROM regress_vr_application, regress_vr_vendor, regress_vr_reader;
DROP OWNED BY regress_vr_application, regress_vr_vendor, regress_vr_reader;
DROP ROLE regress_vr_application, regress_vr_vendor, regress_vr_reader;
