/*-------------------------------------------------------------------------
 *
 * cancel.c
 *		vr_cancel: withdraws an order.  vr_send_cancellations: makes sure that
 *		those who did not get it are told.
 *
 * Locking: the lock of the routing, as vr_accept: of a cancel and an accept the
 * first to commit has its way.
 *
 * Errors: VR001 unknown routing, VR004 where it is too late, or too early.
 *
 * IDENTIFICATION
 *	  src/cancel.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "clock.h"
#include "errors.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_cancel);
PG_FUNCTION_INFO_V1(vr_send_cancellations);

/*
 * vr_cancel(routing_id uuid, reason text)
 *
 * An order that is cancelled already stays so: cancelled = false.
 */
Datum
vr_cancel(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		2, {
			{"cancelled", BOOLOID},
			{"cancelled_count", INT4OID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *reason = vr_arg_optional_text(fcinfo, 1, "reason");
	VrRouting	routing;
	bool		cancelled;
	int			cancelled_count = 0;
	VrSpi		spi;

	vr_require_writable("vr_cancel()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	cancelled = (routing.status != VR_CANCELLED);
	if (cancelled)
	{
		if (!vr_transition_allowed(routing.status, VR_CANCELLED))
			ereport(ERROR,
					(errcode(ERRCODE_VR_INVALID_STATE),
					 errmsg("order \"%s\" cannot be cancelled any more",
							text_to_cstring(routing.order_id)),
					 errdetail("Its status is %s.", vr_status_name(routing.status))));
		cancelled_count = vr_withdraw(&routing, reason);
	}
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(cancelled)),
		vr_param(Int32GetDatum(cancelled_count))
	}));
}

/*
 * vr_send_cancellations(routing_id uuid)
 *
 * The winning accept, the cancel or the expiry has written them in its own
 * transaction; this checks, adds what somebody has removed, and counts.
 */
Datum
vr_send_cancellations(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		3, {
			{"cancelled_count", INT4OID},
			{"losers", INT4OID},
			{"non_responders", INT4OID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const char *reason = NULL;
	VrRouting	routing;
	VrCancelled count;
	VrSpi		spi;

	vr_require_writable("vr_send_cancellations()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	switch (routing.status)
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			reason = VR_CANCELLED_OTHER_WON;
			break;
		case VR_CANCELLED:
			reason = VR_CANCELLED_ORDER;
			break;
		case VR_EXPIRED:
			reason = VR_CANCELLED_EXPIRY;
			break;
		case VR_PENDING:
		case VR_EXHAUSTED:
			ereport(ERROR,
					(errcode(ERRCODE_VR_INVALID_STATE),
					 errmsg("order \"%s\" is not decided yet",
							text_to_cstring(routing.order_id)),
					 errdetail("Its status is %s.", vr_status_name(routing.status))));
	}
	if (vr_cancellations_insert(&routing, false, reason, vr_now()) > 0)
		vr_routing_touch(&routing, vr_now());
	count = vr_cancellations_count(&routing);
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(Int32GetDatum(count.total)),
		vr_param(Int32GetDatum(count.losers)),
		vr_param(Int32GetDatum(count.non_responders))
	}));
}
