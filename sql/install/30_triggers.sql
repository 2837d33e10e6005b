-- Guards.  They fire for everybody, also under session_replication_role =
-- replica, and refuse what the functions of the extension never do.

CREATE FUNCTION vendor_routing.guard_routings()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_guard_routings';
COMMENT ON FUNCTION vendor_routing.guard_routings() IS
	'Refuses changes of a routing that its state machine does not allow';
REVOKE ALL ON FUNCTION vendor_routing.guard_routings() FROM PUBLIC;

CREATE FUNCTION vendor_routing.verify_row()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_verify_row';
COMMENT ON FUNCTION vendor_routing.verify_row() IS
	'Refuses a row that is not as rows of its table must be, as CHECK constraints would';
REVOKE ALL ON FUNCTION vendor_routing.verify_row() FROM PUBLIC;

CREATE FUNCTION vendor_routing.set_score()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_set_score';
COMMENT ON FUNCTION vendor_routing.set_score() IS
	'Keeps the score of a vendor, as a generated column would be';
REVOKE ALL ON FUNCTION vendor_routing.set_score() FROM PUBLIC;

CREATE FUNCTION vendor_routing.guard_vendors()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_guard_vendors';
COMMENT ON FUNCTION vendor_routing.guard_vendors() IS
	'Refuses to delete or rename a vendor that has open offers or orders';
REVOKE ALL ON FUNCTION vendor_routing.guard_vendors() FROM PUBLIC;

CREATE FUNCTION vendor_routing.guard_kept()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'vr_guard_kept';
COMMENT ON FUNCTION vendor_routing.guard_kept() IS
	'Refuses to change or remove what is kept for ever';
REVOKE ALL ON FUNCTION vendor_routing.guard_kept() FROM PUBLIC;

CREATE TRIGGER guard_update
	AFTER UPDATE ON vendor_routing.routings
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_routings();
COMMENT ON TRIGGER guard_update ON vendor_routing.routings IS
	'Enforces the state machine, also against plain SQL, and what a row must be like';
CREATE TRIGGER guard_delete
	BEFORE DELETE ON vendor_routing.routings
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_delete ON vendor_routing.routings IS
	'A routing stays: an order is never routed twice';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.routings
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.routings IS
	'A routing stays: an order is never routed twice';
ALTER TABLE vendor_routing.routings ENABLE ALWAYS TRIGGER guard_update;
ALTER TABLE vendor_routing.routings ENABLE ALWAYS TRIGGER guard_delete;
ALTER TABLE vendor_routing.routings ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_delete
	BEFORE DELETE OR UPDATE OF vendor_id ON vendor_routing.vendors
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_vendors();
COMMENT ON TRIGGER guard_delete ON vendor_routing.vendors IS
	'A vendor in use keeps its row and its id';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.vendors
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_vendors();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.vendors IS
	'Vendors in use keep their rows';
ALTER TABLE vendor_routing.vendors ENABLE ALWAYS TRIGGER guard_delete;
ALTER TABLE vendor_routing.vendors ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_change
	BEFORE UPDATE OR DELETE ON vendor_routing.events
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_change ON vendor_routing.events IS
	'What happened has happened';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.events
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.events IS
	'What happened has happened';
ALTER TABLE vendor_routing.events ENABLE ALWAYS TRIGGER guard_change;
ALTER TABLE vendor_routing.events ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_change
	BEFORE UPDATE OR DELETE ON vendor_routing.vendor_events
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_change ON vendor_routing.vendor_events IS
	'What happened has happened';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.vendor_events
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.vendor_events IS
	'What happened has happened';
ALTER TABLE vendor_routing.vendor_events ENABLE ALWAYS TRIGGER guard_change;
ALTER TABLE vendor_routing.vendor_events ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_delete
	BEFORE DELETE ON vendor_routing.responses
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_delete ON vendor_routing.responses IS
	'What a vendor was offered and said is kept';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.responses
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.responses IS
	'What a vendor was offered and said is kept';
ALTER TABLE vendor_routing.responses ENABLE ALWAYS TRIGGER guard_delete;
ALTER TABLE vendor_routing.responses ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_delete
	BEFORE DELETE ON vendor_routing.cancellations
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_delete ON vendor_routing.cancellations IS
	'What a vendor was told is kept';
CREATE TRIGGER guard_truncate
	BEFORE TRUNCATE ON vendor_routing.cancellations
	FOR EACH STATEMENT EXECUTE FUNCTION vendor_routing.guard_kept();
COMMENT ON TRIGGER guard_truncate ON vendor_routing.cancellations IS
	'What a vendor was told is kept';
ALTER TABLE vendor_routing.cancellations ENABLE ALWAYS TRIGGER guard_delete;
ALTER TABLE vendor_routing.cancellations ENABLE ALWAYS TRIGGER guard_truncate;

-- What a row must be like.  AFTER UPDATE, since a BEFORE trigger locks the row first;
-- but BEFORE it on vendors, whose row is locked already whoever counts its orders.
CREATE TRIGGER verify
	BEFORE INSERT ON vendor_routing.routings
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify ON vendor_routing.routings IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.routings ENABLE ALWAYS TRIGGER verify;
CREATE TRIGGER verify
	BEFORE INSERT ON vendor_routing.responses
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify ON vendor_routing.responses IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.responses ENABLE ALWAYS TRIGGER verify;
CREATE TRIGGER verify
	BEFORE INSERT ON vendor_routing.cancellations
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify ON vendor_routing.cancellations IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.cancellations ENABLE ALWAYS TRIGGER verify;
CREATE TRIGGER verify
	BEFORE INSERT ON vendor_routing.events
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify ON vendor_routing.events IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.events ENABLE ALWAYS TRIGGER verify;
CREATE TRIGGER verify
	BEFORE INSERT OR UPDATE ON vendor_routing.vendors
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify ON vendor_routing.vendors IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.vendors ENABLE ALWAYS TRIGGER verify;
CREATE TRIGGER verify_update
	AFTER UPDATE ON vendor_routing.responses
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify_update ON vendor_routing.responses IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.responses ENABLE ALWAYS TRIGGER verify_update;
CREATE TRIGGER verify_update
	AFTER UPDATE ON vendor_routing.cancellations
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.verify_row();
COMMENT ON TRIGGER verify_update ON vendor_routing.cancellations IS
	'Refuses what no row may be';
ALTER TABLE vendor_routing.cancellations ENABLE ALWAYS TRIGGER verify_update;

CREATE TRIGGER set_score
	BEFORE INSERT OR UPDATE OF total_orders, completed_orders, average_rating, reliability_score, score
	ON vendor_routing.vendors
	FOR EACH ROW EXECUTE FUNCTION vendor_routing.set_score();
COMMENT ON TRIGGER set_score ON vendor_routing.vendors IS
	'The score follows from what it is made of';
ALTER TABLE vendor_routing.vendors ENABLE ALWAYS TRIGGER set_score;
