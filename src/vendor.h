/*-------------------------------------------------------------------------
 *
 * vendor.h
 *		The table vendors: what the extension keeps there.
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

#include "gate.h"

/* Columns of vendor_routing.vendors that are read (20_vendors.sql). */
enum
{
	Anum_vendor_vendor_id = 1,
	Anum_vendor_name = 2,
	Anum_vendor_phone = 3,
	Anum_vendor_is_active = 4,
	Anum_vendor_is_verified = 5,
	Anum_vendor_products = 6,
	Anum_vendor_min_order_amount = 7,
	Anum_vendor_latitude = 8,
	Anum_vendor_longitude = 9,
	Anum_vendor_service_radius_km = 10,
	Anum_vendor_capacity = 11,
	Anum_vendor_current_orders = 12,
	Anum_vendor_total_orders = 13,
	Anum_vendor_completed_orders = 14,
	Anum_vendor_average_rating = 15,
	Anum_vendor_reliability_score = 16,
	Anum_vendor_score = 17,
	Anum_vendor_attributes = 18,
	Anum_vendor_rating_count = 21,
	Anum_vendor_rating_sum = 22,
	Anum_vendor_paused_at = 23,
	Anum_vendor_paused_until = 24,
	Anum_vendor_time_zone = 26,
	Anum_vendor_working_hours = 27
};

/* How vr_vendor_lock goes about it. */
typedef struct VrVendorLock
{
	bool		wait;			/* for who has the row; else give up: busy */
	bool		busy;			/* out: others have the row, nothing is known */
	bool		exclusive;		/* its phone may change, or it goes */
	ItemPointerData tid;		/* out: where the row is; invalid: not locked */
} VrVendorLock;

/* How often the row of a vendor is looked for that is there, and not where it was. */
#define VR_MAX_LOOKS 100

extern bool vr_vendor_exists(const text *vendor_id);
extern VrGate vr_vendor_lock(const text *vendor_id, int gates,
							 const VrQuestion *question, VrVendorLock *lock);
pg_noreturn extern void vr_vendor_unknown(const text *vendor_id);
extern void vr_vendor_require(const text *vendor_id);
extern void vr_vendor_lock_known(const text *vendor_id, VrVendorLock *lock);
extern void vr_vendor_count_orders(const text *vendor_id,
								   const ItemPointerData *tid, int change);
extern void vr_vendor_finish_order(const text *vendor_id,
								   const ItemPointerData *tid, bool delivered,
								   Numeric rating);
extern void vr_vendor_pause(const text *vendor_id, const ItemPointerData *tid,
							TimestampTz until, const text *reason,
							TimestampTz now);
extern bool vr_vendor_resume(const text *vendor_id, const ItemPointerData *tid,
							 TimestampTz ends, TimestampTz now);
extern List *vr_vendors_to_resume(int max, TimestampTz now);
extern bool vr_vendor_end_pause(const text *vendor_id, TimestampTz now);
extern bool vr_vendors_next_resume(TimestampTz now, TimestampTz *when);
extern void vr_vendor_pause_if_silent(const text *vendor_id, TimestampTz now);
extern void vr_check_hours(const text *time_zone, const Jsonb *hours);
extern void vr_vendor_set_hours(const text *vendor_id, const ItemPointerData *tid,
								const text *time_zone, const Jsonb *hours,
								TimestampTz now);
extern bool vr_vendor_recount(const text *vendor_id, const char *detail,
							  TimestampTz now);
extern void vr_vendors_mirror(const Jsonb *rows, const List *columns,
							  TimestampTz now);
extern void vr_vendor_forget(const text *vendor_id);
extern bool vr_vendor_is_forgotten(const text *vendor_id);
extern void vr_vendors_forget_all(void);
extern uint64 vr_vendors_differing(const Jsonb *rows, const List *columns);
extern uint64 vr_vendors_beyond(const List *vendor_ids);
extern bool vr_vendor_by_phone(const text *phone, text **vendor_id,
							   Jsonb **attributes);
extern text *vr_vendor_id(TupleDesc tupdesc, HeapTuple tuple);
extern bool vr_vendor_in_use(const text *vendor_id);

#endif							/* VR_VENDOR_H */
