/*-------------------------------------------------------------------------
 *
 * eligibility.h
 *		Which vendors may be invited to an order, and which of them are.
 *
 * IDENTIFICATION
 *	  src/eligibility.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ELIGIBILITY_H
#define VR_ELIGIBILITY_H

#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/numeric.h"

#include "gate.h"

/* A vendor who is, or was, offered an order; lists have them in order of rank. */
typedef struct VrCandidate
{
	text	   *vendor_id;
	text	   *name;			/* NULL: not in the registry any more */
	Numeric		score;
	TimestampTz last_offered;	/* decides between equal scores */
	int			position;		/* decides where that is equal too */
} VrCandidate;

extern VrTurns *vr_turns_begin(void);
extern List *vr_vendors_select(const VrQuestion *question, VrGateCounts *counts);
extern List *vr_vendors_invited(const VrRouting *routing);
extern void vr_vendor_candidate(const text *vendor_id, VrCandidate *candidate);
extern List *vr_vendors_named(ArrayType *vendor_ids, const VrQuestion *question);

#endif							/* VR_ELIGIBILITY_H */
