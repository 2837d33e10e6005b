/*-------------------------------------------------------------------------
 *
 * geo.c
 *		Places on the earth and the distance between them.
 *
 * The earth is a sphere here: within 0.5 % of the ellipsoid, which is far
 * below what "delivers within 5 km" means.
 *
 * IDENTIFICATION
 *	  src/geo.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "geo.h"

#define EARTH_RADIUS_KM 6371.0088	/* mean radius, IUGG */
#define RADIANS(degrees) ((degrees) * (M_PI / 180.0))

PG_FUNCTION_INFO_V1(vr_distance_km);

/*
 * Refuses what is not on the globe.  Written so that NaN fails both tests.
 */
void
vr_check_place(const VrPlace *place)
{
	if (!(fabs(place->latitude) <= 90))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("latitude must be between -90 and 90 degrees")));
	if (!(fabs(place->longitude) <= 180))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("longitude must be between -180 and 180 degrees")));
}

/*
 * The place in arguments argno (latitude) and argno + 1 (longitude), or false
 * where both are NULL.
 */
bool
vr_arg_optional_place(FunctionCallInfo fcinfo, int argno, VrPlace *place)
{
	if (PG_ARGISNULL(argno) != PG_ARGISNULL(argno + 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("latitude and longitude must be given together")));
	if (PG_ARGISNULL(argno))
		return false;

	place->latitude = PG_GETARG_FLOAT8(argno);
	place->longitude = PG_GETARG_FLOAT8(argno + 1);
	vr_check_place(place);
	return true;
}

/*
 * Length of the great circle between two places, in kilometres (haversine:
 * exact also for short distances).
 */
double
vr_distance(const VrPlace *a, const VrPlace *b)
{
	double		half_latitude = sin(RADIANS(b->latitude - a->latitude) / 2);
	double		half_longitude = sin(RADIANS(b->longitude - a->longitude) / 2);
	double		h;

	h = half_latitude * half_latitude +
		cos(RADIANS(a->latitude)) * cos(RADIANS(b->latitude)) *
		half_longitude * half_longitude;

	/* Rounding may carry antipodes a hair above 1, where asin ends. */
	return 2 * EARTH_RADIUS_KM * asin(sqrt(Min(h, 1.0)));
}

/*
 * vr_distance_km(latitude1, longitude1, latitude2, longitude2) returns double
 * precision; NULL where a place is not given.
 */
Datum
vr_distance_km(PG_FUNCTION_ARGS)
{
	VrPlace		a,
				b;

	if (!vr_arg_optional_place(fcinfo, 0, &a) ||
		!vr_arg_optional_place(fcinfo, 2, &b))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(vr_distance(&a, &b));
}
