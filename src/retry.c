/*-------------------------------------------------------------------------
 *
 * retry.c
 *		vr_retry: offers an order anew that nobody took.
 *
 * Locking: the lock of the routing.
 *
 * Errors: VR001 unknown routing; VR002 where nobody is eligible; VR004 where the
 * order is decided, or its lifetime is over.  Nothing is changed then.
 *
 * IDENTIFICATION
 *	  src/retry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "errors.h"
#include "event.h"
#include "json.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"
#include "wave.h"

PG_FUNCTION_INFO_V1(vr_retry);

/*
 * Adds the vendors who rejected the order in its last round to those who are
 * not invited.
 */
static void
exclude_who_declined(const VrRouting *routing, VrPlan *plan)
{
	List	   *responses = vr_responses_read(routing);
	ListCell   *cell;

	foreach(cell, responses)
	{
		const VrResponse *response = lfirst(cell);

		if ((response->answer == VR_REJECT || response->answer == VR_ERROR) &&
			!vr_text_in(response->vendor_id, plan->excluded))
			plan->excluded = lappend(plan->excluded, response->vendor_id);
	}
}

/*
 * EXHAUSTED or EXPIRED to PENDING.  Returns who is invited.
 */
static List *
retry(VrRouting *routing, bool exclude_declined, const Jsonb *waves)
{
	TimestampTz now = vr_routing_begin_round(routing);
	VrPlan		plan;
	VrGateCounts counts;
	List	   *invited;

	vr_routing_read_plan(routing, &plan);
	if (exclude_declined)
		exclude_who_declined(routing, &plan);
	if (waves != NULL)
		plan.waves = vr_waves_freeze(waves);

	vr_event_add(routing, now, VR_EVENT_RETRIED, NULL,
					vr_json({"round", .number = routing->round + 1}));
	invited = vr_start_round(routing, &plan, true, now, &counts);
	if (invited == NIL && now >= routing->expires_at)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" is too old to be offered again",
						text_to_cstring(routing->order_id)),
				 errhint("See the setting vendor_routing.order_lifetime.")));
	if (invited == NIL)
		vr_nobody_eligible(&plan.order, &counts);
	return invited;
}

/*
 * vr_retry(routing_id uuid, exclude_declined boolean, waves jsonb)
 *
 * An order that is being offered already stays as it is: retried = false.
 */
Datum
vr_retry(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		4, {
			{"retried", BOOLOID},
			{"round", INT4OID},
			{"vendor_count", INT4OID},
			{"invited", JSONBOID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	bool		exclude_declined = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	const Jsonb *waves = vr_arg_waves(fcinfo, 2, true);
	VrRouting	routing;
	List	   *invited;
	bool		retried;
	VrSpi		spi;

	vr_require_writable("vr_retry()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	retried = (routing.status != VR_PENDING);
	if (routing.status == VR_EXHAUSTED || routing.status == VR_EXPIRED)
		invited = retry(&routing, exclude_declined, waves);
	else if (routing.status == VR_PENDING)
		invited = vr_vendors_invited(&routing);
	else
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" cannot be offered again",
						text_to_cstring(routing.order_id)),
				 errdetail("Its status is %s.", vr_status_name(routing.status))));
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(retried)),
		vr_param(Int32GetDatum(routing.round)),
		vr_param(Int32GetDatum(list_length(invited))),
		vr_param_ptr(vr_json_candidates(invited))
	}));
}
