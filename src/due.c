/*-------------------------------------------------------------------------
 *
 * due.c
 *		What is due for an order, and doing it: for vr_timeout, which is asked
 *		about one, and vr_tick, which finds them.
 *
 * Locking: the caller holds the lock of the routing and has read it since.  The
 * rows of vendors that may win, or lose the order, are locked here.
 *
 * IDENTIFICATION
 *	  src/due.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "clock.h"
#include "due.h"
#include "event.h"
#include "transition.h"

/* What became of an attempt to give the order to who accepted. */
typedef enum Award
{
	AWARD_NONE,
	AWARD_DONE,
	AWARD_BUSY					/* the vendor's row is taken: later */
} Award;

/*
 * Can the routing be written without waiting, if that matters?  Asked last, since
 * a row that is locked in vain stands in the way of others until we end.
 */
static bool
can_write(VrRouting *routing, bool wait)
{
	return wait || vr_routing_try_lock_row(routing);
}

/* The earliest answer first. */
static int
compare_answers(const ListCell *a, const ListCell *b)
{
	const VrResponse *x = lfirst(a);
	const VrResponse *y = lfirst(b);

	if (x->responded_at != y->responded_at)
		return x->responded_at < y->responded_at ? -1 : 1;
	return x->rank - y->rank;
}

/*
 * Gives the order to the first vendor who accepted in time by vr_respond, whose
 * time to change its mind is over, and who can take it.  Who has the row of one vendor
 * does not wait for that of another: somebody may do so the other way round.
 */
static Award
award_to_recorded_accept(VrRouting *routing, const List *responses,
						 VrDue *due, TimestampTz now)
{
	VrQuestion	question = {.retailer_id = routing->retailer_id, .now = now};
	List	   *accepts = NIL;
	ListCell   *cell;

	foreach(cell, responses)
	{
		const VrResponse *response = lfirst(cell);

		if (response->answer == VR_ACCEPT &&
			vr_response_is_due(response, due->ttl, now) &&
			!vr_text_in(response->vendor_id, due->passed_over))
			accepts = lappend(accepts, lfirst(cell));
	}
	if (accepts == NIL)
		return AWARD_NONE;

	list_sort(accepts, compare_answers);
	foreach(cell, accepts)
	{
		const VrResponse *response = lfirst(cell);
		VrVendorLock lock = {.wait = due->wait && !due->in_vain};
		VrWin		win = {
			.vendor_id = response->vendor_id,
			.vendor_tid = &lock.tid,
			.response = response,
			.event_type = VR_EVENT_ACCEPTED
		};
		VrGate		gate = vr_vendor_lock(response->vendor_id,
										  VR_GATES_TO_ACCEPT, &question, &lock);

		if (lock.busy)
			return AWARD_BUSY;
		if (gate == VR_GATE_NONE && !can_write(routing, due->wait))
			return AWARD_BUSY;
		due->awarding = response->vendor_id;
		if (gate == VR_GATE_NONE && vr_award(routing, &win, vr_now()))
			return AWARD_DONE;
		due->awarding = NULL;
		due->in_vain = due->in_vain || ItemPointerIsValid(&lock.tid);
	}
	return AWARD_NONE;
}

/*
 * The offers whose time is over and that were not answered.
 */
static List *
due_and_silent(const List *responses, const Interval *ttl, TimestampTz now)
{
	List	   *silent = NIL;
	ListCell   *cell;

	foreach(cell, responses)
	{
		const VrResponse *response = lfirst(cell);

		if (response->answer == VR_NO_ANSWER &&
			vr_response_is_due(response, ttl, now))
			silent = lappend(silent, lfirst(cell));
	}
	return silent;
}

/*
 * Closes these offers, and marks them as closed.
 */
static void
close_offers(VrRouting *routing, const List *silent, TimestampTz now)
{
	ListCell   *cell;

	if (silent == NIL)
		return;

	vr_responses_time_out(routing, silent, now);
	foreach(cell, silent)
	{
		VrResponse *response = lfirst(cell);

		response->answer = VR_TIMEOUT;
		vr_event_add(routing, now, VR_EVENT_TIMED_OUT, response->vendor_id, NULL);
	}
	foreach(cell, silent)
		vr_vendor_pause_if_silent(((VrResponse *) lfirst(cell))->vendor_id, now);
}

/*
 * Does what is due for an open order, in this order: an ACCEPT on record wins;
 * who said nothing is timed out; an order whose own time is over expires; the
 * next wave opens, or, where none is left and nobody can win, the order is
 * exhausted.
 */
static bool
do_due_pending(VrRouting *routing, VrDue *due, TimestampTz now)
{
	List	   *responses = vr_responses_read(routing);
	int			wave = routing->wave;
	VrWork	   *work = due->work;
	List	   *silent;
	TimestampTz written_at;
	bool		live;
	TimestampTz deadline;

	switch (award_to_recorded_accept(routing, responses, due, now))
	{
		case AWARD_DONE:
			work->awarded++;
			return true;
		case AWARD_BUSY:
			return false;
		case AWARD_NONE:
			break;
	}

	silent = due_and_silent(responses, due->ttl, now);
	if ((!due->wait && !vr_responses_try_lock(silent)) || !can_write(routing, due->wait))
		return false;
	written_at = vr_now();
	/* Its own time has ended while we waited: that is what is due now. */
	if (now < routing->expires_at && written_at >= routing->expires_at)
		return do_due_pending(routing, due, written_at);
	close_offers(routing, silent, written_at);
	work->timed_out += list_length(silent);
	live = (vr_responses_deadline(responses, due->ttl, now) != 0);
	/* An ACCEPT that only ttl made due is tried again at its own time. */
	deadline = vr_responses_deadline(responses, NULL, now);
	if (now >= routing->expires_at)
		vr_expire(routing, written_at);
	else if (!live ||
			 (routing->next_wave_at != 0 && now >= routing->next_wave_at))
		vr_advance(routing, live, deadline, written_at);
	else
		vr_routing_set_next_deadline(routing,
									 routing->next_wave_at == 0 ? deadline :
									 Min(deadline, routing->next_wave_at));

	if (routing->status == VR_EXPIRED)
		work->expired++;
	else if (routing->status == VR_EXHAUSTED)
		work->exhausted++;
	else if (routing->wave != wave)
		work->waves_opened++;
	return true;
}

/*
 * Takes the order back from a winner who has not confirmed in time.
 */
static bool
release_unconfirmed(VrRouting *routing, VrDue *due)
{
	VrVendorLock lock = {.wait = due->wait};

	(void) vr_vendor_lock(routing->locked_vendor_id, 0, NULL, &lock);
	if (lock.busy || !can_write(routing, due->wait))
		return false;
	(void) vr_take_back(routing, &lock.tid, VR_CANCELLED_NO_CONFIRM, NULL);
	due->work->released++;
	return true;
}

/*
 * Does the order wait for no time any more?  Its next_deadline may have been
 * left behind by an accept.
 */
bool
vr_is_over(const VrRouting *routing)
{
	switch (routing->status)
	{
		case VR_PENDING:
		case VR_EXHAUSTED:
			return false;
		case VR_LOCKED:
			return routing->confirm_by == 0 || routing->confirmed_at != 0;
		case VR_EXPIRED:
		case VR_CANCELLED:
		case VR_COMPLETED:
			break;
	}
	return true;
}

/*
 * Does what is due for an order at this time, and counts it.  What is written has the time
 * of the writing: until then the row of a vendor may have been waited for.  Brings *routing
 * up to date.
 *
 * Returns false where nothing could be done now because others have a row that it
 * takes, and we do not wait.
 */
bool
vr_do_due(VrRouting *routing, VrDue *due, TimestampTz now)
{
	if (routing->status == VR_PENDING)
		return do_due_pending(routing, due, now);

	if (routing->status == VR_LOCKED && !vr_is_over(routing) &&
		now >= routing->confirm_by)
		return release_unconfirmed(routing, due);

	if (!can_write(routing, due->wait))
		return false;
	if (vr_is_over(routing))
	{
		if (now >= routing->next_deadline)
			vr_routing_set_next_deadline(routing, 0);
	}
	else if (routing->status == VR_LOCKED)
		vr_routing_set_next_deadline(routing, routing->confirm_by);
	else if (now >= routing->expires_at)
	{
		vr_expire(routing, now);
		due->work->expired++;
	}
	else
		vr_routing_set_next_deadline(routing, routing->expires_at);
	return true;
}

/*
 * After an error: was it that of an ACCEPT on record which cannot win, as where the
 * application's table does not take the vendor?  Then the next attempt passes it over, with
 * a WARNING: it must not keep the order from the others, nor from its end.  One that may work
 * another time is not passed over, lest the vendor lose for somebody else's lock.
 */
bool
vr_due_pass_over(VrDue *due, const pg_uuid_t *routing_id, const ErrorData *error)
{
	if (due->awarding == NULL)
		return false;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
	}
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return false;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("routing \"%s\" cannot be won by vendor \"%s\": %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(routing_id))),
					text_to_cstring(due->awarding), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	due->passed_over = lappend(due->passed_over, unconstify(text *, due->awarding));
	due->awarding = NULL;
	due->in_vain = false;
	return true;
}
