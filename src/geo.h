/*-------------------------------------------------------------------------
 *
 * geo.h
 *		Places on the earth and the distance between them.
 *
 * IDENTIFICATION
 *	  src/geo.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_GEO_H
#define VR_GEO_H

#include "fmgr.h"

/* Half way round the earth; nothing is further away. */
#define VR_MAX_RADIUS_KM 20040.0

typedef struct VrPlace
{
	double		latitude;		/* degrees, north positive */
	double		longitude;		/* degrees, east positive */
} VrPlace;

extern void vr_check_place(const VrPlace *place);
extern bool vr_arg_optional_place(FunctionCallInfo fcinfo, int argno,
								  VrPlace *place);
extern double vr_distance(const VrPlace *a, const VrPlace *b);

#endif							/* VR_GEO_H */
