/*-------------------------------------------------------------------------
 *
 * transition.c
 *		The transitions of a routing, each with all that belongs to it: the
 *		row, the answers, the cancellations, the load of vendors, the events.
 *
 * Locking: the caller holds the lock of the routing and has read it since, and
 * for vr_award and vr_take_back has locked the vendor's row.  vr_withdraw and
 * vr_finish lock the row of the vendor that has the order.
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

#include "args.h"
#include "cancellation.h"
#include "clock.h"
#include "event.h"
#include "json.h"
#include "order.h"
#include "settings.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"
#include "wave.h"

/*
 * To LOCKED: gives an order that nobody has to an invited vendor, whose row is locked, and
 * tells all others.
 *
 * Returns false, with nothing changed, where the routing is not as we read it a
 * moment ago, under the lock that all functions of the extension take: somebody
 * writes to the table by other means, or a trigger of the DBA's suppressed the
 * update.
 */
bool
vr_award(VrRouting *routing, const VrWin *win, TimestampTz now)
{
	int			cancelled;

	if (!vr_routing_lock_in(routing, win->vendor_id, now))
		return false;
	vr_vendor_count_orders(win->vendor_id, win->vendor_tid, 1);
	if (win->response->answer == VR_NO_ANSWER &&
		!vr_response_record(routing, win->vendor_id, win->response, VR_ACCEPT,
							&win->answer, now))
		vr_spi_not_written();
	cancelled = vr_cancellations_insert(routing, true, VR_CANCELLED_OTHER_WON, now);
	vr_event_add(routing, now, win->event_type, win->vendor_id, win->payload);
	vr_event_add(routing, now, VR_EVENT_CANCELLATIONS, win->vendor_id,
				 vr_json({"cancelled_count", .number = cancelled}));
	return true;
}

/*
 * Opens the next wave that finds anybody; offers of earlier waves stay as they
 * are.  live says whether one of those may still win, and due when the first of
 * them ends that may (0: none).  Returns false, with nothing written, where there
 * is nothing to wait for any more.
 */
static bool
open_next_wave(VrRouting *routing, bool live, TimestampTz due, TimestampTz now)
{
	List	   *candidates = NIL;
	List	   *offered = NIL;
	VrPlan		plan;
	VrGateCounts counts;

	if (routing->next_wave_at != 0)
	{
		offered = vr_responses_vendor_ids(routing);
		vr_routing_read_plan(routing, &plan);
		candidates = vr_wave_choose(routing, &plan, routing->wave + 1, offered,
									now, &counts);
	}
	if (candidates == NIL && !live)
		return false;

	if (due != 0)
		routing->next_deadline = Min(routing->next_deadline, due);
	vr_routing_set_wave(routing, now);
	if (candidates != NIL)
		vr_wave_offer(routing, &plan, candidates, list_length(offered), now);
	return true;
}

/*
 * PENDING to EXHAUSTED: nobody who was invited can win any more.  The order
 * stays with the application, which may offer it again.
 */
static void
exhaust(VrRouting *routing, TimestampTz now)
{
	vr_routing_set_status(routing, VR_EXHAUSTED, now);
	vr_event_add(routing, now, VR_EVENT_EXHAUSTED, NULL, NULL);
}

/*
 * Goes on with an open order where the next wave is due or nobody can win any
 * more: to the next wave, or to EXHAUSTED.  For live and due see open_next_wave.
 */
void
vr_advance(VrRouting *routing, bool live, TimestampTz due, TimestampTz now)
{
	if (!open_next_wave(routing, live, due, now))
		exhaust(routing, now);
}

/*
 * Goes on, if every vendor invited so far has declined.
 */
void
vr_advance_if_declined(VrRouting *routing, TimestampTz now)
{
	/* An order whose time is over gets no other wave; it expires when it is due. */
	if (now >= routing->expires_at)
		return;

	/* An ACCEPT on record can still win, whatever the time. */
	if (vr_responses_deadline(vr_responses_read(routing), NULL, DT_NOBEGIN) == 0)
		vr_advance(routing, false, 0, now);
}

/*
 * To EXPIRED: the order's own deadline has passed without a winner.
 */
void
vr_expire(VrRouting *routing, TimestampTz now)
{
	vr_routing_set_status(routing, VR_EXPIRED, now);
	vr_cancellations_insert(routing, true, VR_CANCELLED_EXPIRY, now);
	vr_event_add(routing, now, VR_EVENT_EXPIRED, NULL, NULL);
}

/*
 * To CANCELLED: the order is withdrawn, also from the vendor that has it.
 * Returns how many vendors are told by this.
 */
int
vr_withdraw(VrRouting *routing, const text *reason)
{
	const text *winner =
		routing->status == VR_LOCKED ? routing->locked_vendor_id : NULL;
	VrVendorLock lock = {.wait = true};
	TimestampTz now;
	int			cancelled;

	if (winner != NULL)
		(void) vr_vendor_lock(winner, 0, NULL, &lock);
	now = vr_now();
	vr_routing_set_status(routing, VR_CANCELLED, now);
	cancelled = vr_cancellations_insert(routing, false, VR_CANCELLED_ORDER, now);
	if (ItemPointerIsValid(&lock.tid))
		vr_vendor_count_orders(winner, &lock.tid, -1);
	vr_event_add(routing, now, VR_EVENT_CANCELLED, winner,
				 vr_json({"cancelled_count", .number = cancelled},
						 {"reason", .string = vr_cstring(reason),
						  .skip = (reason == NULL)}));
	return cancelled;
}

/*
 * LOCKED to COMPLETED, with the load and the record of the vendor.  outcome is
 * DELIVERED or FAILED; rating is NULL where there is none.
 */
void
vr_finish(VrRouting *routing, const text *outcome, Numeric rating)
{
	const text *vendor_id = routing->locked_vendor_id;
	VrVendorLock lock = {.wait = true};
	TimestampTz now;
	char	   *rating_text = rating == NULL ? NULL :
		DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(rating)));

	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	now = vr_now();
	vr_routing_complete(routing, outcome, now);
	if (ItemPointerIsValid(&lock.tid))
		vr_vendor_finish_order(vendor_id, &lock.tid,
							   vr_text_is(outcome, "DELIVERED"), rating);
	vr_event_add(routing, now, VR_EVENT_COMPLETED, vendor_id,
				 vr_json({"outcome", .string = vr_cstring(outcome)},
						 {"rating", .string = rating_text,
						  .skip = (rating == NULL)}));
}

/*
 * To PENDING, from any state in which nobody is to have the order: a new round,
 * from the first wave on.  The deadline of the order moves, but not beyond
 * vendor_routing.order_lifetime.  Returns who is invited; NIL where nobody is to
 * be, nobody is eligible (*counts says why) or that time is over, and then the
 * caller has to end the round.
 */
List *
vr_start_round(VrRouting *routing, const VrPlan *plan, bool invite,
			   TimestampTz now, VrGateCounts *counts)
{
	List	   *candidates = NIL;

	memset(counts, 0, sizeof(*counts));
	routing->expires_at = Max(routing->expires_at,
							  vr_order_deadline(now, routing->created_at));
	routing->round++;
	routing->wave = 1;
	routing->next_wave_at = 0;
	routing->next_deadline = routing->expires_at;
	if (invite && now < routing->expires_at)
		candidates = vr_wave_choose(routing, plan, 1, NIL, now, counts);
	vr_routing_start_round(routing, plan, now);
	if (candidates != NIL)
		vr_wave_offer(routing, plan, candidates, 0, now);
	return candidates;
}

/*
 * LOCKED to PENDING: takes the order back from the vendor that has it, whose
 * row is locked and at vendor_tid (or gone), and offers it to others.  why is
 * what the vendor is told.  Returns how many are invited.  The time is that after
 * the last wait, which is in here.
 *
 * An order that has been given back too often is not offered again by itself.
 */
int
vr_take_back(VrRouting *routing, const ItemPointerData *vendor_tid,
			 const char *why, const text *reason)
{
	TimestampTz now = vr_routing_begin_round(routing);
	text	   *vendor_id = routing->locked_vendor_id;
	List	   *invited = NIL;
	VrPlan		plan;
	VrGateCounts counts;

	vr_cancellation_insert(routing, vendor_id, why, now);
	vr_event_add(routing, now, VR_EVENT_RELEASED, vendor_id,
				 vr_json({"why", .string = why},
						 {"round", .number = routing->round},
						 {"reason", .string = vr_cstring(reason),
						  .skip = (reason == NULL)}));
	if (ItemPointerIsValid(vendor_tid))
		vr_vendor_count_orders(vendor_id, vendor_tid, -1);

	vr_routing_read_plan(routing, &plan);
	if (!vr_text_in(vendor_id, plan.excluded))
		plan.excluded = lappend(plan.excluded, vendor_id);
	routing->releases++;
	invited = vr_start_round(routing, &plan, routing->releases <= vr_max_releases,
							 now, &counts);
	if (invited == NIL && now >= routing->expires_at)
		vr_expire(routing, now);
	else if (invited == NIL)
		exhaust(routing, now);
	return list_length(invited);
}

/*
 * Ends a call that has read routings under their locks: with their events, since who sees
 * one in a trigger may go on with the order, and with the application's rows.  The settings
 * and the rights are those of our caller again.
 */
void
vr_routings_end(const List *routings, VrRows *events, const VrSpi *spi)
{
	ListCell   *cell;

	foreach(cell, routings)
		vr_routing_leave(lfirst(cell));
	if (events != NULL)
		vr_events_write(events);
	vr_spi_end(spi);
	foreach(cell, routings)
		vr_order_follow(lfirst(cell));
}

void
vr_routing_end(VrRouting *routing, const VrSpi *spi)
{
	vr_routings_end(list_make1(routing), routing->events, spi);
}
