/*-------------------------------------------------------------------------
 *
 * wave.h
 *		Waves: to whom an order is offered first, and to whom later.
 *
 * IDENTIFICATION
 *	  src/wave.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_WAVE_H
#define VR_WAVE_H

#include "fmgr.h"
#include "utils/jsonb.h"

#include "eligibility.h"
#include "routing.h"

/* Most waves of one order. */
#define VR_MAX_WAVES 100

extern const Jsonb *vr_arg_waves(FunctionCallInfo fcinfo, int argno, bool optional);
extern const Jsonb *vr_waves_freeze(const Jsonb *waves);
extern VrWave vr_wave_read(const Jsonb *waves, int number);
extern List *vr_wave_choose(VrRouting *routing, const VrPlan *plan,
							int first, const List *offered,
							TimestampTz now, VrGateCounts *counts);
extern void vr_wave_add(VrRows *responses, VrRouting *routing, const VrPlan *plan,
						const List *candidates, int noffered, TimestampTz now);
extern void vr_wave_offer(VrRouting *routing, const VrPlan *plan,
						  const List *candidates, int noffered, TimestampTz now);

#endif							/* VR_WAVE_H */
