/*-------------------------------------------------------------------------
 *
 * complete.c
 *		vr_complete: an order that a vendor has is over.
 *
 * Locking: the lock of the routing, then the row of the vendor.
 *
 * Errors: VR001 unknown routing; VR004 where nobody has the order, or it was
 * completed otherwise.
 *
 * IDENTIFICATION
 *	  src/complete.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "clock.h"
#include "errors.h"
#include "event.h"
#include "json.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_complete);

/*
 * How the order ended, in argument argno; routings_outcome_check knows the same
 * words.
 */
static const text *
outcome_from_arg(FunctionCallInfo fcinfo, int argno)
{
	const text *outcome = vr_arg_id(fcinfo, argno, "outcome");

	if (!vr_text_is(outcome, "DELIVERED") && !vr_text_is(outcome, "FAILED"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown outcome \"%s\"", text_to_cstring(outcome)),
				 errhint("An order ends DELIVERED or FAILED.")));
	return outcome;
}

/*
 * A rating of 0 to 5, or NULL.
 */
static Numeric
rating_from_arg(FunctionCallInfo fcinfo, int argno)
{
	Numeric		rating = vr_arg_optional_amount(fcinfo, argno, "rating");

	if (rating != NULL &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(rating),
										 NumericGetDatum(int64_to_numeric(5)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rating must be between 0 and 5")));
	return rating;
}

/*
 * vr_complete(routing_id uuid, outcome text, rating numeric)
 *
 * The same outcome again changes nothing: completed = false.
 */
Datum
vr_complete(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		3, {
			{"completed", BOOLOID},
			{"outcome_recorded", TEXTOID},
			{"vendor_id", TEXTOID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *outcome = outcome_from_arg(fcinfo, 1);
	Numeric		rating = rating_from_arg(fcinfo, 2);
	VrRouting	routing;
	bool		completed;
	VrSpi		spi;

	vr_require_writable("vr_complete()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	completed = (routing.status == VR_LOCKED);
	if (completed)
		vr_finish(&routing, outcome, rating);
	else if (routing.status != VR_COMPLETED)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" cannot be completed",
						text_to_cstring(routing.order_id)),
				 errdetail("Its status is %s.", vr_status_name(routing.status))));
	else if (routing.outcome != NULL && !vr_text_eq(routing.outcome, outcome))
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" is completed already",
						text_to_cstring(routing.order_id)),
				 errdetail("Its outcome is %s.", text_to_cstring(routing.outcome))));
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(completed)),
		vr_param_ptr(routing.outcome),
		vr_param_ptr(routing.locked_vendor_id)
	}));
}
