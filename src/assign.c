/*-------------------------------------------------------------------------
 *
 * assign.c
 *		vr_assign: a person gives an order to a vendor.
 *
 * It is decided as an accept is: the same lock, the same compare-and-set.
 *
 * Locking: the routing, then the row of the vendor.
 *
 * Errors: VR001 unknown routing; VR002 for a vendor who is not active, not
 * verified or blocked; 22023 for an unknown vendor.  Coming too late is an
 * answer.
 *
 * IDENTIFICATION
 *	  src/assign.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "clock.h"
#include "eligibility.h"
#include "event.h"
#include "json.h"
#include "outcome.h"
#include "response.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_assign);

/*
 * The outcome, going by the order alone; VR_OUTCOME_LOCKED if it can be given.
 */
static VrOutcome
judge(const VrRouting *routing, const text *vendor_id, TimestampTz now)
{
	switch (routing->status)
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			return vr_text_eq(routing->locked_vendor_id, vendor_id) ?
				VR_OUTCOME_ALREADY_ACCEPTED : VR_OUTCOME_ALREADY_LOCKED;
		case VR_CANCELLED:
			return VR_OUTCOME_CANCELLED;
		case VR_EXPIRED:
			return VR_OUTCOME_EXPIRED;
		case VR_PENDING:
		case VR_EXHAUSTED:
			break;
	}
	return now >= routing->expires_at ? VR_OUTCOME_EXPIRED : VR_OUTCOME_LOCKED;
}

/*
 * What a gate that the vendor does not pass means.
 */
static VrOutcome
judge_gate(const text *vendor_id, VrGate gate)
{
	switch (gate)
	{
		case VR_GATE_NONE:
			return VR_OUTCOME_LOCKED;
		case VR_GATE_CAPACITY:
			return VR_OUTCOME_AT_CAPACITY;
		case VR_GATE_PAUSE:
		case VR_GATE_HOURS:
			return VR_OUTCOME_UNAVAILABLE;
		default:
			vr_vendor_not_eligible(vendor_id, gate);
	}
}

/*
 * The vendor's offer among these, or NULL.
 */
static VrResponse *
find_offer(const List *responses, const text *vendor_id)
{
	ListCell   *cell;

	foreach(cell, responses)
	{
		if (vr_text_eq(((VrResponse *) lfirst(cell))->vendor_id, vendor_id))
			return lfirst(cell);
	}
	return NULL;
}

/*
 * The vendor's offer in this round; makes one where it has none.
 */
static VrResponse *
offer_to(const VrRouting *routing, const text *vendor_id, TimestampTz now)
{
	List	   *responses = vr_responses_read(routing);
	VrResponse *offer = find_offer(responses, vendor_id);
	VrCandidate candidate;

	if (offer != NULL)
		return offer;
	vr_vendor_candidate(vendor_id, &candidate);
	vr_responses_insert(routing, list_make1(&candidate), list_length(responses),
						now, routing->expires_at);
	offer = find_offer(vr_responses_read(routing), vendor_id);
	if (offer == NULL)
		vr_spi_not_written();
	return offer;
}

/*
 * Gives an order that nobody has to the vendor, if it can take it.
 */
static VrOutcome
assign(VrRouting *routing, const text *vendor_id, const text *actor, bool force)
{
	TimestampTz now = vr_now();
	VrOutcome	outcome = judge(routing, vendor_id, now);
	VrQuestion	question = {.retailer_id = routing->retailer_id, .now = now};
	VrVendorLock lock = {.wait = true};
	VrResponse *offer;
	VrWin		win = {
		.vendor_id = vendor_id,
		.vendor_tid = &lock.tid,
		.answer = {.reason = cstring_to_text("ASSIGNED")},
		.event_type = VR_EVENT_ASSIGNED
	};

	if (outcome != VR_OUTCOME_LOCKED)
		return outcome;

	vr_vendor_require(vendor_id);
	outcome = judge_gate(vendor_id,
						 vr_vendor_lock(vendor_id,
										force ? VR_GATES_HARD : VR_GATES_TO_ASSIGN,
										&question, &lock));
	if (outcome != VR_OUTCOME_LOCKED)
		return outcome;

	/* That may have waited. */
	now = vr_now();
	outcome = judge(routing, vendor_id, now);
	if (outcome != VR_OUTCOME_LOCKED)
		return outcome;

	offer = offer_to(routing, vendor_id, now);
	if (offer->answer == VR_REJECT || offer->answer == VR_ERROR)
		return VR_OUTCOME_ALREADY_REJECTED;

	win.response = offer;
	win.payload = vr_json({"actor", .string = vr_cstring(actor)},
						  {"force", .string = force ? "true" : "false"});
	if (!vr_award(routing, &win, now))
		vr_spi_not_written();
	return VR_OUTCOME_LOCKED;
}

/*
 * vr_assign(routing_id uuid, vendor_id text, actor text, force boolean)
 */
Datum
vr_assign(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	const text *actor = vr_arg_id(fcinfo, 2, "actor");
	bool		force = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	VrRouting	routing;
	VrOutcome	outcome;
	VrSpi		spi;

	vr_require_writable("vr_assign()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	outcome = assign(&routing, vendor_id, actor, force);
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_outcome_row(fcinfo, outcome, &routing, true));
}
