/*-------------------------------------------------------------------------
 *
 * transition.c
 *		The transitions of a routing, each with all that belongs to it: the
 *		row, the answers, the cancellations, the load of vendors, the events.
 *
 * Locking: the caller holds the lock of the routing and has read it since, and
 * for vr_award has locked the vendor's row.  vr_withdraw locks the row of the
 * vendor it takes the order from.
 *
 * Errors: every one of them rolls the whole transition back.
 *
 * IDENTIFICATION
 *	  src/transition.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "cancellation.h"
#include "event.h"
#include "json.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

/*
 * PENDING to LOCKED: gives the order to an invited vendor, whose row is locked
 * and at vendor_tid, and tells all others.
 *
 * Returns false, with nothing changed, where the routing is not as we read it a
 * moment ago, under the lock that all functions of the extension take: somebody
 * writes to the table by other means, or a trigger of the DBA's suppressed the
 * update.
 */
bool
vr_award(VrRouting *routing, const text *vendor_id,
		 const ItemPointerData *vendor_tid, const VrResponse *response,
		 const Jsonb *payload, TimestampTz now)
{
	VrEvent		events[] = {
		{VR_EVENT_ACCEPTED, vendor_id, payload},
		{VR_EVENT_CANCELLATIONS, vendor_id, NULL}
	};
	int			cancelled;

	if (!vr_routing_lock_in(routing, vendor_id, now))
		return false;

	if (response->answer == VR_NO_ANSWER &&
		!vr_response_record(routing, vendor_id, response, VR_ACCEPT, NULL,
							payload, now))
		vr_spi_not_written();
	cancelled = vr_cancellations_insert(routing, VR_CANCELLED_OTHER_WON, now);
	events[1].payload = vr_json({"cancelled_count", .number = cancelled});
	vr_events_insert(routing, now, events, lengthof(events));
	vr_vendor_count_orders(vendor_id, vendor_tid, 1);
	return true;
}

/*
 * PENDING to EXHAUSTED: nobody who was invited can win any more.  The order
 * stays with the application, which may offer it again.
 */
void
vr_exhaust(VrRouting *routing, TimestampTz now)
{
	vr_routing_set_status(routing, VR_EXHAUSTED, now);
	vr_event_insert(routing, now, VR_EVENT_EXHAUSTED, NULL, NULL);
}

/*
 * PENDING to EXHAUSTED, if every vendor invited has declined.
 */
void
vr_exhaust_if_declined(VrRouting *routing, TimestampTz now)
{
	TimestampTz deadline;

	/* An ACCEPT on record can still win, whatever the time. */
	if (!vr_responses_next_deadline(routing, NULL, DT_NOBEGIN, &deadline))
		vr_exhaust(routing, now);
}

/*
 * To EXPIRED: the order's own deadline has passed without a winner.
 */
void
vr_expire(VrRouting *routing, TimestampTz now)
{
	vr_routing_set_status(routing, VR_EXPIRED, now);
	vr_cancellations_insert(routing, VR_CANCELLED_EXPIRY, now);
	vr_event_insert(routing, now, VR_EVENT_EXPIRED, NULL, NULL);
}

/*
 * To CANCELLED: the order is withdrawn, also from the vendor that has it.
 * Returns how many vendors are told by this.
 */
int
vr_withdraw(VrRouting *routing, const text *reason, TimestampTz now)
{
	const text *winner =
		routing->status == VR_LOCKED ? routing->locked_vendor_id : NULL;
	int			cancelled;

	vr_routing_set_status(routing, VR_CANCELLED, now);
	cancelled = vr_cancellations_insert(routing, VR_CANCELLED_ORDER, now);
	if (winner != NULL)
	{
		ItemPointerData tid;

		(void) vr_vendor_lock(winner, false, &tid);
		if (ItemPointerIsValid(&tid))
			vr_vendor_count_orders(winner, &tid, -1);
	}
	vr_event_insert(routing, now, VR_EVENT_CANCELLED, winner,
					reason == NULL ?
					vr_json({"cancelled_count", .number = cancelled}) :
					vr_json({"cancelled_count", .number = cancelled},
							{"reason", .string = text_to_cstring(reason)}));
	return cancelled;
}
