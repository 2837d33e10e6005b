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

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/numeric.h"

#include "routing.h"

/*
 * The gates an eligible vendor passes, in the order in which they are tried.
 */
typedef enum VrGate
{
	VR_GATE_ACTIVE,				/* is_active */
	VR_GATE_VERIFIED,			/* is_verified */
	VR_GATE_CAPACITY,			/* below capacity */
	VR_GATE_PRODUCT,			/* sells the product */
	VR_GATE_MINIMUM,			/* the amount is large enough for it */
	VR_GATE_RADIUS,				/* the place is near enough to it */
	VR_GATE_NONE				/* passed them all; also the number of gates */
} VrGate;

/* A vendor who is, or was, offered an order; lists have them in order of rank. */
typedef struct VrCandidate
{
	text	   *vendor_id;
	text	   *name;			/* NULL: not in the registry any more */
	Numeric		score;
	TimestampTz last_offered;	/* decides between equal scores */
	int			position;		/* decides where that is equal too */
} VrCandidate;

extern VrGate vr_vendor_gate(TupleTableSlot *slot);
extern List *vr_vendors_select(const VrOrder *order, int max_vendors);
extern List *vr_vendors_named(ArrayType *vendor_ids);

#endif							/* VR_ELIGIBILITY_H */
