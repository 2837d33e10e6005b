/*-------------------------------------------------------------------------
 *
 * transition.c
 *		The transitions of a routing, each with all that belongs to it: the
 *		row, the answers, the cancellations, the load of vendors, the events.
 *
 * Locking: the caller holds the lock of the routing and has read it since, and
 * for vr_award the lock of the vendor.  vr_withdraw takes the lock of the
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

/* In the order of VrOutcome. */
static const char *const outcome_names[] = {
	"LOCKED", "ALREADY_ACCEPTED", "ALREADY_LOCKED", "LOST_RACE", "NOT_INVITED",
	"ALREADY_REJECTED", "EXPIRED", "CANCELLED", "AT_CAPACITY", "BUSY"
};

const char *
vr_outcome_name(VrOutcome outcome)
{
	return outcome_names[outcome];
}

/*
 * PENDING to LOCKED: gives the order to an invited vendor and tells all others.
 * Returns VR_OUTCOME_LOCKED, or, with nothing changed, AT_CAPACITY or BUSY.
 *
 * BUSY is for a row that is not as we read it a moment ago, under the lock that
 * all functions of the extension take: somebody writes to the table by other
 * means, or a trigger of the DBA's suppressed the update.
 */
VrOutcome
vr_award(VrRouting *routing, const text *vendor_id,
		 const ItemPointerData *vendor_tid, const VrResponse *response,
		 const Jsonb *payload, TimestampTz now)
{
	int			cancelled;

	if (!vr_vendor_take_order(vendor_id, vendor_tid))
		return VR_OUTCOME_AT_CAPACITY;
	if (!vr_routing_lock_in(routing, vendor_id, now))
	{
		vr_vendor_return_order(vendor_id);
		return VR_OUTCOME_BUSY;
	}

	if (response->answer == VR_NO_ANSWER &&
		!vr_response_record(routing, vendor_id, response, VR_ACCEPT, NULL,
							payload, now))
		vr_spi_not_written();
	cancelled = vr_cancellations_insert(routing, VR_CANCELLED_OTHER_WON, now);

	{
		VrEvent		events[] = {
			{VR_EVENT_ACCEPTED, vendor_id, payload},
			{VR_EVENT_CANCELLATIONS, vendor_id, vr_json({"cancelled_count", .number = cancelled})}
		};

		vr_events_insert(routing, now, events, lengthof(events));
	}
	return VR_OUTCOME_LOCKED;
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

		(void) vr_vendor_read_locked(winner, &tid);
		vr_vendor_return_order(winner);
	}
	vr_event_insert(routing, now, VR_EVENT_CANCELLED, winner,
					reason == NULL ?
					vr_json({"cancelled_count", .number = cancelled}) :
					vr_json({"cancelled_count", .number = cancelled},
							{"reason", .string = text_to_cstring(reason)}));
	return cancelled;
}
