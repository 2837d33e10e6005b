/*-------------------------------------------------------------------------
 *
 * vendor.h
 *		The table vendors: how many orders a vendor has.
 *
 * IDENTIFICATION
 *	  src/vendor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_VENDOR_H
#define VR_VENDOR_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "storage/itemptr.h"

#include "eligibility.h"

extern VrGate vr_vendor_lock(const text *vendor_id, bool only_eligible,
							 ItemPointerData *tid);
extern void vr_vendor_count_orders(const text *vendor_id,
								   const ItemPointerData *tid, int change);
extern text *vr_vendor_id(TupleDesc tupdesc, HeapTuple tuple);
extern bool vr_vendor_in_use(const text *vendor_id);

#endif							/* VR_VENDOR_H */
