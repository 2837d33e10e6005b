/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		What comes of an attempt to win an order: by vr_accept or vr_assign.
 *
 * IDENTIFICATION
 *	  src/outcome.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "outcome.h"
#include "result.h"
#include "spi.h"

/* In the order of VrOutcome. */
static const char *const outcome_names[] = {
	"LOCKED", "ALREADY_ACCEPTED", "ALREADY_LOCKED", "LOST_RACE", "NOT_INVITED",
	"ALREADY_REJECTED", "EXPIRED", "CANCELLED", "AT_CAPACITY", "UNAVAILABLE",
	"BUSY", "REJECTED"
};

const char *
vr_outcome_name(VrOutcome outcome)
{
	return outcome_names[outcome];
}

/*
 * The row that says so; of a routing that is all zero, nothing else.
 */
Datum
vr_outcome_row(FunctionCallInfo fcinfo, VrOutcome outcome,
			   const VrRouting *routing, bool tell_winner)
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
	bool		tell = tell_winner && routing->locked_vendor_id != NULL;

	return vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(outcome == VR_OUTCOME_LOCKED ||
							  outcome == VR_OUTCOME_ALREADY_ACCEPTED)),
		vr_param_ptr(cstring_to_text(outcome_names[outcome])),
		vr_param_ptr(tell ? routing->locked_vendor_id : NULL),
		{TimestampTzGetDatum(routing->locked_at), !tell},
		vr_param_ptr(routing->order_id),
		{Int32GetDatum(routing->version), routing->version == 0}
	});
}
