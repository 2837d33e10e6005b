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

#include "response.h"
#include "routing.h"

extern bool vr_award(VrRouting *routing, const text *vendor_id,
					 const ItemPointerData *vendor_tid,
					 const VrResponse *response, const Jsonb *payload,
					 TimestampTz now);
extern void vr_exhaust(VrRouting *routing, TimestampTz now);
extern void vr_exhaust_if_declined(VrRouting *routing, TimestampTz now);
extern void vr_expire(VrRouting *routing, TimestampTz now);
extern int	vr_withdraw(VrRouting *routing, const text *reason, TimestampTz now);

#endif							/* VR_TRANSITION_H */
