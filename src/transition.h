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

/* Who is to have an order, and what is put on record of that. */
typedef struct VrWin
{
	const text *vendor_id;
	const ItemPointerData *vendor_tid;	/* where its row is, locked */
	const VrResponse *response;	/* its offer */
	VrAnswerDetails answer;		/* goes with the ACCEPT of who has not answered */
	const char *event_type;
	const Jsonb *payload;		/* of the event; NULL: none */
} VrWin;

extern bool vr_award(VrRouting *routing, const VrWin *win, TimestampTz now);
extern void vr_advance(VrRouting *routing, bool live, TimestampTz due,
					   TimestampTz now);
extern void vr_advance_if_declined(VrRouting *routing, TimestampTz now);
extern void vr_expire(VrRouting *routing, TimestampTz now);
extern int	vr_withdraw(VrRouting *routing, const text *reason);
extern void vr_finish(VrRouting *routing, const text *outcome, Numeric rating);
extern List *vr_start_round(VrRouting *routing, const VrPlan *plan, bool invite,
							TimestampTz now, VrGateCounts *counts);
extern int	vr_take_back(VrRouting *routing, const ItemPointerData *vendor_tid,
						 const char *why, const text *reason);
extern void vr_routing_end(VrRouting *routing, const VrSpi *spi);
extern void vr_routings_end(const List *routings, VrRows *events, const VrSpi *spi);

#endif							/* VR_TRANSITION_H */
