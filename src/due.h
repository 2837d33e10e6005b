/*-------------------------------------------------------------------------
 *
 * due.h
 *		What is due for an order, and doing it.
 *
 * IDENTIFICATION
 *	  src/due.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_DUE_H
#define VR_DUE_H

#include "routing.h"

/* What was done, kind by kind. */
typedef struct VrWork
{
	int			timed_out;		/* offers */
	int			awarded;		/* orders, and so on */
	int			waves_opened;
	int			exhausted;
	int			expired;
	int			released;
} VrWork;

extern bool vr_is_over(const VrRouting *routing);
extern bool vr_do_due(VrRouting *routing, const Interval *ttl, bool wait,
					  TimestampTz now, VrWork *work);

#endif							/* VR_DUE_H */
