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

/* What comes of an attempt to give an order to a vendor. */
typedef enum VrOutcome
{
	VR_OUTCOME_LOCKED,			/* it has won, now */
	VR_OUTCOME_ALREADY_ACCEPTED,	/* it had won before */
	VR_OUTCOME_ALREADY_LOCKED,	/* another vendor had won before */
	VR_OUTCOME_LOST_RACE,		/* another vendor won in the meantime */
	VR_OUTCOME_NOT_INVITED,
	VR_OUTCOME_ALREADY_REJECTED,
	VR_OUTCOME_EXPIRED,
	VR_OUTCOME_CANCELLED,
	VR_OUTCOME_AT_CAPACITY,
	VR_OUTCOME_BUSY				/* nothing decided: try again */
} VrOutcome;

extern const char *vr_outcome_name(VrOutcome outcome);

extern VrOutcome vr_award(VrRouting *routing, const text *vendor_id,
						  const ItemPointerData *vendor_tid,
						  const VrResponse *response, const Jsonb *payload,
						  TimestampTz now);
extern void vr_exhaust(VrRouting *routing, TimestampTz now);
extern void vr_exhaust_if_declined(VrRouting *routing, TimestampTz now);
extern void vr_expire(VrRouting *routing, TimestampTz now);
extern int	vr_withdraw(VrRouting *routing, const text *reason, TimestampTz now);

#endif							/* VR_TRANSITION_H */
