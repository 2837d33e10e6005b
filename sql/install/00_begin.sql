\echo Use "CREATE EXTENSION vendor_routing" to load this file. \quit

-- Every name below is qualified; nothing of anybody else's may stand in for an
-- operator, a function or a type that is not.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Plain CREATE: a schema that somebody made beforehand is refused, not adopted.
CREATE SCHEMA vendor_routing;
REVOKE ALL ON SCHEMA vendor_routing FROM PUBLIC;
COMMENT ON SCHEMA vendor_routing IS
	'Tables of the extension vendor_routing: one routing per order, its offers, answers, cancellations and events';
