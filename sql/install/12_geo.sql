CREATE FUNCTION @extschema@.vr_distance_km(
	latitude1 double precision,
	longitude1 double precision,
	latitude2 double precision,
	longitude2 double precision)
RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'vr_distance_km';
COMMENT ON FUNCTION @extschema@.vr_distance_km(double precision, double precision, double precision, double precision) IS
	'Great-circle distance in kilometres between two places given in degrees; NULL where a place is not given';
REVOKE ALL ON FUNCTION @extschema@.vr_distance_km(double precision, double precision, double precision, double precision) FROM PUBLIC;
