/*-------------------------------------------------------------------------
 *
 * accept.c
 *		vr_accept: a vendor wants the order, and the first to accept wins.
 *
 * Two passes.  The first looks at the newest versions of the
 * routing and of the vendor's offer without any lock; almost every loser gets
 * its answer there.  Only where the vendor would win does the second,
 * pursue(), take the locks and look again; then nothing can change any more but by somebody
 * who does not use the extension, and the compare-and-set in vr_award decides.
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

#include "args.h"
#include "clock.h"
#include "event.h"
#include "json.h"
#include "lock.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_accept);

/* What comes of an attempt. */
typedef enum Outcome
{
	OUTCOME_LOCKED,				/* it has won, now */
	OUTCOME_ALREADY_ACCEPTED,	/* it had won before */
	OUTCOME_ALREADY_LOCKED,		/* another vendor had won before */
	OUTCOME_LOST_RACE,			/* another vendor won in the meantime */
	OUTCOME_NOT_INVITED,
	OUTCOME_ALREADY_REJECTED,
	OUTCOME_EXPIRED,
	OUTCOME_CANCELLED,
	OUTCOME_AT_CAPACITY,
	OUTCOME_BUSY				/* nothing decided: try again */
} Outcome;

/* In the order of Outcome. */
static const char *const outcome_names[] = {
	"LOCKED", "ALREADY_ACCEPTED", "ALREADY_LOCKED", "LOST_RACE", "NOT_INVITED",
	"ALREADY_REJECTED", "EXPIRED", "CANCELLED", "AT_CAPACITY", "BUSY"
};

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
 * The outcome, going by what was read; OUTCOME_LOCKED if the vendor would
 * win.
 */
static Outcome
judge(const Attempt *attempt)
{
	const VrRouting *routing = &attempt->routing;
	const VrResponse *response = &attempt->response;

	if (!response->invited)
		return OUTCOME_NOT_INVITED;

	switch (routing->status)
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			if (vr_text_eq(routing->locked_vendor_id, attempt->vendor_id))
				return OUTCOME_ALREADY_ACCEPTED;
			return attempt->contested ? OUTCOME_LOST_RACE : OUTCOME_ALREADY_LOCKED;
		case VR_CANCELLED:
			return OUTCOME_CANCELLED;
		case VR_EXPIRED:
			return OUTCOME_EXPIRED;
		case VR_EXHAUSTED:
		case VR_PENDING:
			break;
	}

	if (response->answer == VR_REJECT || response->answer == VR_ERROR)
		return OUTCOME_ALREADY_REJECTED;
	if (response->answer == VR_TIMEOUT || routing->status == VR_EXHAUSTED ||
		attempt->now >= response->expires_at ||
		attempt->now >= routing->expires_at)
		return OUTCOME_EXPIRED;
	return OUTCOME_LOCKED;
}

/*
 * Reads what there is to know, waiting for those who are changing it.
 */
static void
look(Attempt *attempt, const pg_uuid_t *routing_id)
{
	vr_routing_read(routing_id, &attempt->routing);
	if (attempt->routing.status == VR_PENDING || attempt->routing.waited)
		attempt->contested = true;
	vr_response_read(&attempt->routing, attempt->vendor_id, &attempt->response);
	attempt->now = vr_now();
}

/*
 * There is something to decide or to write on an open order: takes the locks,
 * looks again, and gives the vendor the order if it still would win.
 */
static Outcome
pursue(Attempt *attempt)
{
	const pg_uuid_t routing_id = attempt->routing.routing_id;
	ItemPointerData vendor_tid;
	Outcome		outcome;

	vr_lock_routing(&routing_id);
	look(attempt, &routing_id);
	outcome = judge(attempt);

	if (outcome == OUTCOME_LOCKED)
	{
		VrGate		gate = vr_vendor_lock(attempt->vendor_id, true, &vendor_tid);

		/* A vendor that was suspended since it was invited is invited no more. */
		if (gate == VR_GATE_CAPACITY)
			return OUTCOME_AT_CAPACITY;
		if (gate != VR_GATE_NONE)
			return OUTCOME_NOT_INVITED;

		/* That may have waited: only the time can have changed. */
		attempt->now = vr_now();
		outcome = judge(attempt);
	}

	if (outcome == OUTCOME_LOCKED &&
		!vr_award(&attempt->routing, attempt->vendor_id, &vendor_tid,
				  &attempt->response, attempt->payload, attempt->now))
		outcome = OUTCOME_BUSY;

	/*
	 * Where others have decided the order, what is left to write is this
	 * vendor's own: let the next in the queue have its answer.
	 */
	if (outcome != OUTCOME_LOCKED && attempt->routing.status != VR_PENDING)
		vr_unlock_routing(&routing_id);
	return outcome;
}

/*
 * Has the vendor said something in vain that is not on record yet?
 */
static bool
loss_to_record(const Attempt *attempt, Outcome outcome)
{
	return vr_record_losses &&
		attempt->response.invited &&
		attempt->response.answer == VR_NO_ANSWER &&
		outcome != OUTCOME_LOCKED &&
		outcome != OUTCOME_BUSY;
}

/*
 * Records what a vendor said in vain.  On an order that is over, that is its
 * answer.  On one that is still open, an ACCEPT on record could win after all:
 * there, an offer that ran out is closed, and a refusal for lack of capacity is
 * noted.
 */
static void
record_loss(Attempt *attempt, Outcome outcome)
{
	VrRouting  *routing = &attempt->routing;
	bool		open = (routing->status == VR_PENDING);
	VrAnswer	answer = open ? VR_TIMEOUT : VR_ACCEPT;
	Jsonb	   *details = vr_json({"answer", .string = "ACCEPT"},
								  {"outcome", .string = outcome_names[outcome]});

	if (open && outcome != OUTCOME_EXPIRED)
	{
		vr_event_insert_refused_once(routing, attempt->now,
									 attempt->vendor_id, details);
		return;
	}

	if (!open)
		vr_lock_response(&routing->routing_id, attempt->vendor_id);
	if (!vr_response_record(routing, attempt->vendor_id, &attempt->response,
							answer, NULL, attempt->payload, attempt->now))
		return;
	vr_event_insert(routing, attempt->now,
					open ? VR_EVENT_TIMED_OUT : VR_EVENT_RESPONSE,
					attempt->vendor_id, details);
	if (open)
		vr_exhaust_if_declined(routing, attempt->now);
}

/*
 * vr_accept(routing_id uuid, vendor_id text, payload jsonb)
 *
 * Exactly one caller ever gets LOCKED for an order, and everything that follows
 * from it is in that caller's transaction.  All others get a row that says why
 * not; on an order that is taken, without a lock, and without a write where
 * they had answered before.
 */
Datum
vr_accept(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		6, {
			{"accepted", BOOLOID},
			{"reason", TEXTOID},
			{"locked_vendor_id", TEXTOID},
			{"locked_at", TIMESTAMPTZOID},
			{"order_id", TEXTOID},
			{"version", INT4OID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	Attempt		attempt = {
		.vendor_id = vr_arg_id(fcinfo, 1, "vendor_id"),
		.payload = vr_arg_optional_object(fcinfo, 2, "payload")
	};
	Outcome	outcome;
	bool		tell_winner;

	vr_require_writable("vr_accept()");

	look(&attempt, routing_id);
	outcome = judge(&attempt);
	if (outcome == OUTCOME_LOCKED || loss_to_record(&attempt, outcome))
	{
		VrSpi		spi;

		vr_spi_begin(&spi);
		if (attempt.routing.status == VR_PENDING)
			outcome = pursue(&attempt);
		if (loss_to_record(&attempt, outcome))
			record_loss(&attempt, outcome);
		vr_spi_end(&spi);
	}

	/* Who won is no business of somebody who was not even asked. */
	tell_winner = (attempt.routing.locked_vendor_id != NULL &&
				   outcome != OUTCOME_NOT_INVITED);

	PG_RETURN_DATUM(vr_result_row(&result, (NullableDatum[]) {
		vr_param(BoolGetDatum(outcome == OUTCOME_LOCKED ||
							  outcome == OUTCOME_ALREADY_ACCEPTED)),
		vr_param_ptr(cstring_to_text(outcome_names[outcome])),
		vr_param_ptr(tell_winner ? attempt.routing.locked_vendor_id : NULL),
		{TimestampTzGetDatum(attempt.routing.locked_at), !tell_winner},
		vr_param_ptr(attempt.routing.order_id),
		vr_param(Int32GetDatum(attempt.routing.version))
	}));
}
