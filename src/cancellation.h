/*-------------------------------------------------------------------------
 *
 * cancellation.h
 *		The table cancellations: vendors who are told "not you".
 *
 * IDENTIFICATION
 *	  src/cancellation.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_CANCELLATION_H
#define VR_CANCELLATION_H

#include "routing.h"

/* Columns of vendor_routing.cancellations that are read (23_cancellations.sql). */
enum
{
	Anum_cancellation_routing_id = 1,
	Anum_cancellation_round = 2,
	Anum_cancellation_vendor_id = 3,
	Anum_cancellation_reason = 4,
	Anum_cancellation_created_at = 5
};

/* The vocabulary; verify.c refuses other words. */
#define VR_CANCELLED_OTHER_WON	"ANOTHER_VENDOR_ACCEPTED"
#define VR_CANCELLED_ORDER		"ORDER_CANCELLED"
#define VR_CANCELLED_EXPIRY		"ORDER_EXPIRED"
#define VR_CANCELLED_RELEASED	"RELEASED"
#define VR_CANCELLED_NO_CONFIRM "NO_CONFIRM"

/* How many vendors of a round have been told. */
typedef struct VrCancelled
{
	int			total;
	int			losers;			/* had answered */
	int			non_responders; /* had not */
} VrCancelled;

extern int	vr_cancellations_insert(const VrRouting *routing, bool was_open,
									const char *reason, TimestampTz now);
extern void vr_cancellation_insert(const VrRouting *routing, const text *vendor_id,
								   const char *reason, TimestampTz now);
extern bool vr_cancellation_lost_order(const pg_uuid_t *routing_id,
									   const text *vendor_id);
extern void vr_cancellation_mark(const pg_uuid_t *message_id, bool again);
extern VrCancelled vr_cancellations_count(const VrRouting *routing);

#endif							/* VR_CANCELLATION_H */
