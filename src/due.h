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

/* How it is to be done. */
typedef struct VrDue
{
	const Interval *ttl;		/* shortens the offers; NULL: as they are */
	bool		wait;			/* for who has a row; else leave it for the next time */
	List	   *passed_over;	/* vendors whose ACCEPT on record cannot win */
	const text *awarding;		/* whose is being tried; NULL: nobody's */
	bool		in_vain;		/* we have the row of a vendor who cannot win */
	VrWork	   *work;
} VrDue;

extern bool vr_is_over(const VrRouting *routing);
extern bool vr_do_due(VrRouting *routing, VrDue *due, TimestampTz now);
extern bool vr_due_pass_over(VrDue *due, const pg_uuid_t *routing_id, const ErrorData *error);

#endif							/* VR_DUE_H */
