/*-------------------------------------------------------------------------
 *
 * outcome.h
 *		What comes of an attempt to win an order.
 *
 * IDENTIFICATION
 *	  src/outcome.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_OUTCOME_H
#define VR_OUTCOME_H

#include "routing.h"

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
	VR_OUTCOME_UNAVAILABLE,		/* paused, or outside its working hours */
	VR_OUTCOME_BUSY,			/* nothing decided: try again */
	VR_OUTCOME_REJECTED			/* of vr_reject_order: recorded */
} VrOutcome;

extern const char *vr_outcome_name(VrOutcome outcome);
extern Datum vr_outcome_row(FunctionCallInfo fcinfo, VrOutcome outcome,
							const VrRouting *routing, bool tell_winner);

#endif							/* VR_OUTCOME_H */
