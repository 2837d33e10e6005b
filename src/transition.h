/*-------------------------------------------------------------------------
 *
 * transition.h
 *		The transitions of a routing, each with all that belongs to it.
 *
 * IDENTIFICATION
 *	  src/transition.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_TRANSITION_H
#define VR_TRANSITION_H

#include "event.h"
#include "response.h"
#include "routing.h"
#include "vendor.h"

extern bool vr_award(VrRouting *routing, const VrEvent *win, const text *reason,
					 const ItemPointerData *vendor_tid,
					 const VrResponse *response, TimestampTz now);
extern void vr_advance(VrRouting *routing, bool live, TimestampTz due,
					   TimestampTz now);
extern void vr_advance_if_declined(VrRouting *routing, TimestampTz now);
extern void vr_expire(VrRouting *routing, TimestampTz now);
extern int	vr_withdraw(VrRouting *routing, const text *reason, TimestampTz now);
extern void vr_finish(VrRouting *routing, const text *outcome, Numeric rating,
					  TimestampTz now);
extern List *vr_start_round(VrRouting *routing, const VrPlan *plan, bool invite,
							TimestampTz now, VrGateCounts *counts);
extern int	vr_take_back(VrRouting *routing, const ItemPointerData *vendor_tid,
						 const char *why, const text *reason);

#endif							/* VR_TRANSITION_H */
