/*-------------------------------------------------------------------------
 *
 * respond.c
 *		vr_respond: records what a vendor says, without deciding the order.
 *
 * Locking: the lock of the routing.  So an answer is either before the decision
 * and part of it, or after it and refused.
 *
 * Errors: VR001 unknown routing, VR005 not invited, VR004 too late or not what
 * was answered before.
 *
 * IDENTIFICATION
 *	  src/respond.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "answer.h"
#include "args.h"
#include "clock.h"
#include "errors.h"
#include "event.h"
#include "identity.h"
#include "json.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_respond);

/*
 * The answer in argument argno: one of those a vendor can give.
 */
static VrAnswer
answer_from_arg(FunctionCallInfo fcinfo, int argno)
{
	const text *name = vr_arg_id(fcinfo, argno, "response");
	VrAnswer	answer = vr_answer_from_text(name);

	if (answer == VR_NO_ANSWER || answer == VR_TIMEOUT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown response \"%s\"", text_to_cstring(name)),
				 errhint("A vendor answers ACCEPT, REJECT or ERROR.")));
	return answer;
}

/*
 * What came with the answer.  A reason that is the word for one is a decline
 * code, too.
 */
static VrAnswerDetails
details_from_args(FunctionCallInfo fcinfo, VrAnswer answer)
{
	VrAnswerDetails details = {
		.reason = vr_arg_optional_text(fcinfo, 3, "reason"),
		.payload = vr_arg_optional_object(fcinfo, 4, "payload"),
		.decline_code = vr_arg_optional_id(fcinfo, 5, "decline_code")
	};

	if (details.decline_code != NULL && !vr_is_decline_code(details.decline_code))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown decline_code \"%s\"",
						text_to_cstring(details.decline_code)),
				 errhint("Give NO_STOCK, NO_CAPACITY, PRICE, TIME, AREA, CLOSED or OTHER, and the rest in reason.")));
	if (details.decline_code != NULL && answer != VR_REJECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("decline_code goes with REJECT only")));
	if (details.decline_code == NULL && answer == VR_REJECT &&
		details.reason != NULL && vr_is_decline_code(details.reason))
		details.decline_code = details.reason;
	return details;
}

/*
 * Refuses an answer that comes when there is nothing to answer any more.
 */
static void
check_open(const VrRouting *routing, const VrResponse *response,
		   const text *vendor_id, TimestampTz now)
{
	if (response->answer != VR_NO_ANSWER)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("vendor \"%s\" has already answered %s",
						text_to_cstring(vendor_id),
						vr_answer_name(response->answer))));
	if (routing->status != VR_PENDING)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" takes no answers any more",
						text_to_cstring(routing->order_id)),
				 errdetail("Its status is %s.", vr_status_name(routing->status))));
	if (now >= response->expires_at || now >= routing->expires_at)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("the offer to vendor \"%s\" has expired",
						text_to_cstring(vendor_id))));
}

/*
 * Records an answer that is the vendor's first, on an open order.
 */
static void
record(VrRouting *routing, const text *vendor_id, const VrResponse *response,
	   VrAnswer answer, const VrAnswerDetails *details, TimestampTz now)
{
	/* Nothing else follows from it: a trigger may give the vendor the order at once. */
	if (answer == VR_ACCEPT)
		vr_routing_leave(routing);
	if (!vr_response_record(routing, vendor_id, response, answer, details, now))
		vr_spi_not_written();
	vr_event_add(routing, now, VR_EVENT_RESPONSE, vendor_id,
					vr_json({"answer", .string = vr_answer_name(answer)},
							{"decline_code",
							 .string = vr_cstring(details->decline_code),
							 .skip = (details->decline_code == NULL)}));
	if (answer != VR_ACCEPT)
		vr_advance_if_declined(routing, now);
}

/*
 * What a REJECT comes to; VR_OUTCOME_REJECTED if it is to be recorded.
 */
static VrOutcome
judge_reject(const VrRouting *routing, const VrResponse *response,
			 const text *vendor_id, TimestampTz now)
{
	if (!response->invited)
		return VR_OUTCOME_NOT_INVITED;
	if (response->answer == VR_REJECT || response->answer == VR_ERROR)
		return VR_OUTCOME_ALREADY_REJECTED;
	switch (routing->status)
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			return vr_text_eq(routing->locked_vendor_id, vendor_id) ?
				VR_OUTCOME_ALREADY_ACCEPTED : VR_OUTCOME_ALREADY_LOCKED;
		case VR_CANCELLED:
			return VR_OUTCOME_CANCELLED;
		case VR_EXPIRED:
		case VR_EXHAUSTED:
			return VR_OUTCOME_EXPIRED;
		case VR_PENDING:
			break;
	}
	if (response->answer == VR_ACCEPT)
		return VR_OUTCOME_ALREADY_ACCEPTED;
	if (response->answer == VR_TIMEOUT || now >= response->expires_at ||
		now >= routing->expires_at)
		return VR_OUTCOME_EXPIRED;
	return VR_OUTCOME_REJECTED;
}

/*
 * A vendor does not want an order.  That it comes too late, or again, is an outcome
 * and no error.  Brings *routing up to date.
 */
VrOutcome
vr_reject_order(const pg_uuid_t *routing_id, const text *vendor_id,
				const Jsonb *payload, VrRouting *routing)
{
	VrAnswerDetails details = {.payload = payload};
	VrResponse	response;
	VrOutcome	outcome;
	TimestampTz now;
	VrSpi		spi;

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, routing);
	vr_response_read(routing, vendor_id, &response);
	now = vr_now();
	outcome = judge_reject(routing, &response, vendor_id, now);
	if (outcome == VR_OUTCOME_REJECTED)
		record(routing, vendor_id, &response, VR_REJECT, &details, now);
	vr_routing_end(routing, &spi);
	return outcome;
}

/*
 * vr_respond(routing_id uuid, vendor_id text, response text, reason text,
 *			  payload jsonb, decline_code text)
 *
 * The identical answer again changes nothing and returns recorded = false, also
 * after the order is decided.
 */
Datum
vr_respond(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		3, {
			{"response_recorded", TEXTOID},
			{"responded_at", TIMESTAMPTZOID},
			{"recorded", BOOLOID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	VrAnswer	answer = answer_from_arg(fcinfo, 2);
	VrAnswerDetails details = details_from_args(fcinfo, answer);
	VrRouting	routing;
	VrResponse	response;
	TimestampTz now;
	bool		recorded;
	VrSpi		spi;

	vr_require_writable("vr_respond()");
	vr_check_identity(routing_id, vendor_id);

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	vr_response_read(&routing, vendor_id, &response);
	now = vr_now();

	if (!response.invited)
		vr_not_invited(vendor_id);

	recorded = (response.answer != answer);
	if (recorded)
	{
		check_open(&routing, &response, vendor_id, now);
		record(&routing, vendor_id, &response, answer, &details, now);
	}
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param_ptr(cstring_to_text(vr_answer_name(answer))),
		vr_param(TimestampTzGetDatum(recorded ? now : response.responded_at)),
		vr_param(BoolGetDatum(recorded))
	}));
}
