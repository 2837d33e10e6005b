-- A database may have default privileges that give PUBLIC all tables.  Nobody gets at
-- ours without the schema, but pg_stats shows what ANALYZE has seen in a table to whoever
-- may read it: names and phones.
REVOKE ALL ON ALL TABLES IN SCHEMA vendor_routing FROM PUBLIC;
