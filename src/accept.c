/*-------------------------------------------------------------------------
 *
 * accept.c
 *		vr_accept: a vendor wants the order, and the first to accept wins.
 *
 * Two passes.  The first looks at the newest versions of the routing and of the
 * vendor's offer without any lock; almost every loser gets its answer there.
 * Only where the vendor would win does the second, pursue(), take the locks and
 * look again; then nothing can change any more but by somebody who does not use
 * the extension, and the compare-and-set in vr_award decides.
 *
 * Locking: the routing, then the vendor's row; a loser's answer is recorded
 * under the lock of the response.  See lock.c.
 *
 * Errors: losing is not an error, since an error would roll back the record of
 * what the vendor said.  VR001 for an unknown routing.
 *
 * IDENTIFICATION
 *	  src/accept.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "answer.h"
#include "args.h"
#include "clock.h"
#include "event.h"
#include "identity.h"
#include "json.h"
#include "lock.h"
#include "outcome.h"
#include "response.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_accept);

/* One attempt: what was asked, and what we know. */
typedef struct Attempt
{
	const text *vendor_id;
	const Jsonb *payload;
	VrRouting	routing;
	VrResponse	response;
	TimestampTz now;			/* read after the last wait */
	bool		contested;		/* the order was still open, or being taken */
} Attempt;

/*
 * The outcome, going by what was read; VR_OUTCOME_LOCKED if the vendor would
 * win.
 */
static VrOutcome
judge(const Attempt *attempt)
{
	const VrRouting *routing = &attempt->routing;
	const VrResponse *response = &attempt->response;

	if (!response->invited)
		return VR_OUTCOME_NOT_INVITED;

	switch (routing->status)
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			if (vr_text_eq(routing->locked_vendor_id, attempt->vendor_id))
				return VR_OUTCOME_ALREADY_ACCEPTED;
			return attempt->contested ? VR_OUTCOME_LOST_RACE : VR_OUTCOME_ALREADY_LOCKED;
		case VR_CANCELLED:
			return VR_OUTCOME_CANCELLED;
		case VR_EXPIRED:
			return VR_OUTCOME_EXPIRED;
		case VR_EXHAUSTED:
		case VR_PENDING:
			break;
	}

	if (response->answer == VR_REJECT || response->answer == VR_ERROR)
		return VR_OUTCOME_ALREADY_REJECTED;
	if (response->answer == VR_TIMEOUT || routing->status == VR_EXHAUSTED ||
		attempt->now >= response->expires_at ||
		attempt->now >= routing->expires_at)
		return VR_OUTCOME_EXPIRED;
	return VR_OUTCOME_LOCKED;
}

/*
 * Reads the rest of what there is to know, after the routing.
 */
static void
look_further(Attempt *attempt)
{
	if (attempt->routing.status == VR_PENDING || attempt->routing.changing)
		attempt->contested = true;
	vr_response_read(&attempt->routing, attempt->vendor_id, &attempt->response);
	attempt->now = vr_now();
}

/*
 * Reads what there is to know, waiting for those who are changing it.
 */
static void
look(Attempt *attempt, const pg_uuid_t *routing_id)
{
	vr_routing_read(routing_id, &attempt->routing);
	look_further(attempt);
}

/*
 * There is something to decide or to write on an open order: takes the locks,
 * looks again, and gives the vendor the order if it still would win.
 */
static VrOutcome
pursue(Attempt *attempt)
{
	const pg_uuid_t routing_id = attempt->routing.routing_id;
	VrVendorLock lock = {.wait = true};
	VrWin		win = {
		.vendor_id = attempt->vendor_id,
		.vendor_tid = &lock.tid,
		.response = &attempt->response,
		.answer = {.payload = attempt->payload},
		.event_type = VR_EVENT_ACCEPTED,
		.payload = attempt->payload
	};
	VrOutcome	outcome;

	vr_routing_read_locked(&routing_id, &attempt->routing);
	look_further(attempt);
	outcome = judge(attempt);

	if (outcome == VR_OUTCOME_LOCKED)
	{
		VrQuestion	question = {
			.retailer_id = attempt->routing.retailer_id,
			.now = attempt->now
		};
		VrGate		gate = vr_vendor_lock(attempt->vendor_id, VR_GATES_TO_ACCEPT,
										  &question, &lock);

		/* A vendor suspended or blocked since it was invited is invited no more. */
		if (gate == VR_GATE_CAPACITY)
			return VR_OUTCOME_AT_CAPACITY;
		if (gate != VR_GATE_NONE)
			return VR_OUTCOME_NOT_INVITED;

		/* That may have waited: only the time can have changed. */
		attempt->now = vr_now();
		outcome = judge(attempt);
	}

	if (outcome == VR_OUTCOME_LOCKED &&
		!vr_award(&attempt->routing, &win, attempt->now))
		outcome = VR_OUTCOME_BUSY;

	/*
	 * Where others have decided the order, what is left to write is this
	 * vendor's own: let the next in the queue have its answer.
	 */
	if (outcome != VR_OUTCOME_LOCKED && attempt->routing.status != VR_PENDING)
		vr_unlock_routing(&routing_id);
	return outcome;
}

/*
 * Has the vendor said something in vain that is not on record yet?
 */
static bool
loss_to_record(const Attempt *attempt, VrOutcome outcome)
{
	return vr_record_losses &&
		attempt->response.invited &&
		attempt->response.answer == VR_NO_ANSWER &&
		outcome != VR_OUTCOME_LOCKED &&
		outcome != VR_OUTCOME_BUSY;
}

/*
 * Records what a vendor said in vain.  On an order that is over, that is its
 * answer.  On one that is still open, an ACCEPT on record could win after all:
 * there, an offer that ran out is closed, and a refusal for lack of capacity is
 * noted.
 */
static void
record_loss(Attempt *attempt, VrOutcome outcome)
{
	VrRouting  *routing = &attempt->routing;
	bool		open = (routing->status == VR_PENDING);
	VrAnswer	answer = open ? VR_TIMEOUT : VR_ACCEPT;
	VrAnswerDetails said = {.payload = attempt->payload};
	Jsonb	   *details = vr_json({"answer", .string = "ACCEPT"},
								  {"outcome", .string = vr_outcome_name(outcome)});

	if (open && outcome != VR_OUTCOME_EXPIRED)
	{
		vr_event_add_refused_once(routing, attempt->now, attempt->vendor_id, details);
		return;
	}

	if (!open)
		vr_response_lock(routing, attempt->vendor_id);
	if (!vr_response_record(routing, attempt->vendor_id, &attempt->response,
							answer, &said, attempt->now))
		return;
	vr_event_add(routing, attempt->now, open ? VR_EVENT_TIMED_OUT : VR_EVENT_RESPONSE,
				 attempt->vendor_id, details);
	if (open)
		vr_advance_if_declined(routing, attempt->now);
}

/*
 * A vendor wants an order.  Exactly one caller ever gets LOCKED for it, and
 * everything that follows from it is in that caller's transaction.  All others are
 * told why not; on an order that is taken, without a lock, and without a write where
 * they had answered before.  Brings *routing up to date.
 */
VrOutcome
vr_accept_order(const pg_uuid_t *routing_id, const text *vendor_id,
				const Jsonb *payload, VrRouting *routing)
{
	Attempt		attempt = {.vendor_id = vendor_id, .payload = payload};
	VrOutcome	outcome;

	look(&attempt, routing_id);
	outcome = judge(&attempt);
	if (outcome == VR_OUTCOME_LOCKED || loss_to_record(&attempt, outcome))
	{
		VrSpi		spi;

		vr_spi_begin(&spi);
		if (attempt.routing.status == VR_PENDING)
			outcome = pursue(&attempt);
		if (loss_to_record(&attempt, outcome))
			record_loss(&attempt, outcome);
		vr_routing_end(&attempt.routing, &spi);
	}
	*routing = attempt.routing;
	return outcome;
}

/*
 * vr_accept(routing_id uuid, vendor_id text, payload jsonb)
 */
Datum
vr_accept(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	const Jsonb *payload = vr_arg_optional_object(fcinfo, 2, "payload");
	VrRouting	routing = {0};
	VrOutcome	outcome = VR_OUTCOME_NOT_INVITED;

	vr_require_writable("vr_accept()");

	if (!vr_is_hidden(routing_id, vendor_id))
		outcome = vr_accept_order(routing_id, vendor_id, payload, &routing);

	/* Who won is no business of somebody who was not even asked. */
	PG_RETURN_DATUM(vr_outcome_row(fcinfo, outcome, &routing,
								   outcome != VR_OUTCOME_NOT_INVITED &&
								   vr_may_learn_winner(&routing, vendor_id)));
}
