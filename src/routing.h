/*-------------------------------------------------------------------------
 *
 * routing.h
 *		The table routings: one row per order.
 *
 * IDENTIFICATION
 *	  src/routing.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ROUTING_H
#define VR_ROUTING_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "geo.h"
#include "rows.h"
#include "trigger.h"

/* Columns of vendor_routing.routings that are read (21_routings.sql). */
enum
{
	Anum_routing_routing_id = 1,
	Anum_routing_order_id = 2,
	Anum_routing_retailer_id = 3,
	Anum_routing_product = 4,
	Anum_routing_amount = 5,
	Anum_routing_latitude = 6,
	Anum_routing_longitude = 7,
	Anum_routing_payload = 8,
	Anum_routing_status = 9,
	Anum_routing_round = 10,
	Anum_routing_wave = 11,
	Anum_routing_locked_vendor_id = 12,
	Anum_routing_locked_at = 13,
	Anum_routing_version = 14,
	Anum_routing_next_deadline = 15,
	Anum_routing_expires_at = 16,
	Anum_routing_created_at = 17,
	Anum_routing_waves = 19,
	Anum_routing_offer_ttl = 20,
	Anum_routing_next_wave_at = 21,
	Anum_routing_excluded_vendor_ids = 22,
	Anum_routing_releases = 23,
	Anum_routing_confirm_within = 24,
	Anum_routing_confirm_by = 25,
	Anum_routing_confirmed_at = 26,
	Anum_routing_outcome = 27
};

/* All of them, in their order. */
#define VR_ROUTING_COLUMNS \
	"routing_id, order_id, retailer_id, product, amount, latitude, longitude," \
	" payload, status, round, wave, locked_vendor_id, locked_at, version," \
	" next_deadline, expires_at, created_at, updated_at, waves, offer_ttl," \
	" next_wave_at, excluded_vendor_ids, releases, confirm_within, confirm_by," \
	" confirmed_at, outcome"

typedef enum VrStatus
{
	VR_PENDING,					/* open: the next accept wins */
	VR_LOCKED,					/* a vendor has won */
	VR_EXHAUSTED,				/* everybody invited said no, or nothing */
	VR_EXPIRED,					/* the order's deadline passed */
	VR_CANCELLED,				/* withdrawn by the application */
	VR_COMPLETED				/* done */
} VrStatus;

/* What the functions need to know of a row. */
typedef struct VrRouting
{
	pg_uuid_t	routing_id;
	text	   *order_id;
	text	   *retailer_id;
	VrStatus	status;
	int			round;
	int			wave;
	text	   *locked_vendor_id;	/* NULL: nobody */
	TimestampTz locked_at;		/* valid with locked_vendor_id */
	int			version;
	TimestampTz next_deadline;	/* 0: none */
	TimestampTz expires_at;
	TimestampTz created_at;
	TimestampTz next_wave_at;	/* 0: none */
	int			releases;
	const Interval *confirm_within; /* NULL: a winner need not confirm */
	TimestampTz confirm_by;		/* 0: need not be confirmed */
	TimestampTz confirmed_at;	/* 0: is not */
	text	   *outcome;		/* NULL: not completed */
	bool		writing;		/* the call may write it, see vr_begin_writing */
	VrRows	   *events;			/* that the call writes last; NULL: none */
	bool		moved;			/* this call has put it into another state */
	bool		changing;		/* somebody else was, or is, changing it */
	ItemPointerData tid;		/* where this version is; invalid: unknown */
} VrRouting;

/* An order, as the application describes it to vr_broadcast. */
typedef struct VrOrder
{
	const text *order_id;
	const text *retailer_id;
	const text *product;		/* NULL: any */
	Numeric		amount;			/* NULL: not known */
	bool		has_place;
	VrPlace		place;
	const Jsonb *payload;		/* NULL: none */
} VrOrder;

/* When vendors were last offered an order, going by what one call has made. */
typedef struct VrTurns VrTurns;

/* What an order was started with, and keeps. */
typedef struct VrPlan
{
	VrOrder		order;
	const Jsonb *waves;
	const Interval *offer_ttl;	/* NULL: the setting */
	const Interval *confirm_within; /* NULL: need not be confirmed */
	List	   *excluded;		/* vendor ids that are not invited */
	VrTurns    *turns;			/* NULL: all offers made so far are written */
} VrPlan;

extern const char *vr_status_name(VrStatus status);
extern bool vr_transition_allowed(VrStatus from, VrStatus to);
extern bool vr_status_from_text(const text *name, VrStatus *status);
extern void vr_routing_check_change(const VrRow *before, const VrRow *after);

extern bool vr_routing_find(const pg_uuid_t *routing_id, VrRouting *routing);
extern pg_uuid_t vr_routing_id_in(TupleTableSlot *slot);
extern bool vr_routing_find_committed(const pg_uuid_t *routing_id, VrRouting *routing);
extern bool vr_routing_exists(const pg_uuid_t *routing_id);
pg_noreturn extern void vr_routing_unknown(const pg_uuid_t *routing_id);
extern void vr_routing_read(const pg_uuid_t *routing_id, VrRouting *routing);
extern void vr_routing_read_as_seen(const pg_uuid_t *routing_id, VrRouting *routing);
extern void vr_routing_read_locked(const pg_uuid_t *routing_id, VrRouting *routing);
extern bool vr_routing_read_if_free(const pg_uuid_t *routing_id, VrRouting *routing);
extern void vr_routing_enter(VrRouting *routing);
extern void vr_routing_leave(VrRouting *routing);
extern bool vr_routing_try_lock_row(VrRouting *routing);
extern void vr_routing_read_plan(const VrRouting *routing, VrPlan *plan);
extern bool vr_routings_next_due(TimestampTz now, TimestampTz *when);

extern void vr_routing_add(VrRows *rows, const VrRouting *routing,
						   const VrPlan *plan, TimestampTz now);
extern pg_uuid_t *vr_routings_write(VrRows *rows, int *n);
extern bool vr_routing_lock_in(VrRouting *routing, const text *vendor_id,
							   TimestampTz now);
extern void vr_routing_set_status(VrRouting *routing, VrStatus status,
								  TimestampTz now);
extern void vr_routing_touch(VrRouting *routing, TimestampTz now);
extern void vr_routing_set_next_deadline(VrRouting *routing,
										 TimestampTz next_deadline);
extern void vr_routings_forget_deadlines(const List *routings);
extern void vr_routing_set_wave(VrRouting *routing, TimestampTz now);
extern TimestampTz vr_routing_begin_round(const VrRouting *routing);
extern void vr_routing_start_round(VrRouting *routing, const VrPlan *plan,
								   TimestampTz now);
extern void vr_routing_set_confirmed(VrRouting *routing, TimestampTz now);
extern void vr_routing_complete(VrRouting *routing, const text *outcome,
								TimestampTz now);

#endif							/* VR_ROUTING_H */
