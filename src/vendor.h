/*-------------------------------------------------------------------------
 *
 * vendor.h
 *		The table vendors: who may be invited, and how many orders they have.
 *
 * IDENTIFICATION
 *	  src/vendor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_VENDOR_H
#define VR_VENDOR_H

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

extern List *vr_vendors_select(const VrOrder *order, int max_vendors);
extern List *vr_vendors_named(ArrayType *vendor_ids);

extern VrGate vr_vendor_lock(const text *vendor_id, bool only_eligible,
							 ItemPointerData *tid);
extern void vr_vendor_count_orders(const text *vendor_id,
								   const ItemPointerData *tid, int change);
extern text *vr_vendor_id(TupleDesc tupdesc, HeapTuple tuple);
extern bool vr_vendor_in_use(const text *vendor_id);

#endif							/* VR_VENDOR_H */
