-- The routing id of an order never changes: another value here means that
-- existing routings are not found any more.
SELECT vr_routing_id('order-1');
SELECT vr_routing_id('order-1') = vr_routing_id('order-1') AS same,
	vr_routing_id('order-1') <> vr_routing_id('order-2') AS different;
SELECT substr(vr_routing_id('order-1')::text, 15, 1) AS version,
	substr(vr_routing_id('order-1')::text, 20, 1) IN ('8', '9', 'a', 'b') AS variant;
SELECT vr_routing_id(E'quote '' double " back \\ unicode \u00e9 %s %n') IS NOT NULL AS any_text;
-- the same in every encoding of the database
SELECT vr_routing_id(U&'caf\00e9');
\set this :DBNAME
CREATE DATABASE regress_vr_latin1 TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_vr_latin1
CREATE EXTENSION vendor_routing;
SELECT vr_routing_id(U&'caf\00e9');
\c :this
DROP DATABASE regress_vr_latin1;
SELECT vr_routing_id(NULL);
SELECT vr_routing_id('');
SELECT vr_routing_id(repeat('x', 255)) IS NOT NULL AS longest;
SELECT vr_routing_id(repeat('x', 256));

-- Kilometres on the great circle.
SELECT round(vr_distance_km(51.5074, -0.1278, 48.8566, 2.3522)::numeric, 1) AS london_paris,
	vr_distance_km(10, 20, 10, 20) AS nowhere,
	round(vr_distance_km(0, 0, 0, 180)::numeric, 1) AS antipodes,
	vr_distance_km(NULL, NULL, 1, 1) AS unknown;
SELECT vr_distance_km('NaN', 0, 0, 0);
SELECT vr_distance_km(0, 'Infinity', 0, 0);
SELECT vr_distance_km(90.1, 0, 0, 0);
SELECT vr_distance_km(0, NULL, 0, 0);
