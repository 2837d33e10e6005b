/*-------------------------------------------------------------------------
 *
 * release.c
 *		vr_release: the winner backs out.  vr_confirm: the winner will deliver.
 *
 * Locking: the lock of the routing, then the row of the vendor.
 *
 * Errors: VR001 unknown routing; VR004 where the vendor does not have the order,
 * or it is too late.
 *
 * IDENTIFICATION
 *	  src/release.c
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
#include "event.h"
#include "identity.h"
#include "result.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_release);
PG_FUNCTION_INFO_V1(vr_confirm);

/*
 * Says that the vendor does not have the order: VR004.
 */
static void
does_not_have(const VrRouting *routing, const text *vendor_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_INVALID_STATE),
			 errmsg("vendor \"%s\" does not have order \"%s\"",
					text_to_cstring(vendor_id),
					text_to_cstring(routing->order_id)),
			 errdetail("The status of the order is %s.",
					   vr_status_name(routing->status))));
}

/*
 * vr_release(routing_id uuid, vendor_id text, reason text)
 *
 * Who has lost the order already, so or otherwise, is told so: released = false.
 */
Datum
vr_release(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		4, {
			{"released", BOOLOID},
			{"status", TEXTOID},
			{"round", INT4OID},
			{"vendor_count", INT4OID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	const text *reason = vr_arg_optional_text(fcinfo, 2, "reason");
	VrRouting	routing;
	bool		released;
	int			invited = 0;
	VrSpi		spi;

	vr_require_writable("vr_release()");
	vr_check_identity(routing_id, vendor_id);

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	released = (routing.status == VR_LOCKED &&
				vr_text_eq(routing.locked_vendor_id, vendor_id));
	if (released)
	{
		VrVendorLock lock = {.wait = true};

		if (routing.releases >= vr_max_releases)
			ereport(ERROR,
					(errcode(ERRCODE_VR_INVALID_STATE),
					 errmsg("order \"%s\" cannot be released any more",
							text_to_cstring(routing.order_id)),
					 errdetail("Releases so far: %d; vendor_routing.max_releases: %d.",
							   routing.releases, vr_max_releases),
					 errhint("Complete it with the outcome FAILED, or cancel it.")));
		(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
		invited = vr_take_back(&routing, &lock.tid, VR_CANCELLED_RELEASED, reason);
	}
	else if (!vr_cancellation_lost_order(routing_id, vendor_id))
		does_not_have(&routing, vendor_id);
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(released)),
		vr_param_ptr(cstring_to_text(vr_status_name(routing.status))),
		vr_param(Int32GetDatum(routing.round)),
		vr_param(Int32GetDatum(invited))
	}));
}

/*
 * vr_confirm(routing_id uuid, vendor_id text)
 *
 * Who has confirmed already gets the time of that: confirmed = false.
 */
Datum
vr_confirm(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		2, {
			{"confirmed", BOOLOID},
			{"confirmed_at", TIMESTAMPTZOID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	VrRouting	routing;
	TimestampTz now;
	bool		confirmed;
	VrSpi		spi;

	vr_require_writable("vr_confirm()");
	vr_check_identity(routing_id, vendor_id);

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	now = vr_now();
	if (!(routing.status == VR_LOCKED || routing.status == VR_COMPLETED) ||
		!vr_text_eq(routing.locked_vendor_id, vendor_id))
		does_not_have(&routing, vendor_id);

	confirmed = (routing.confirmed_at == 0 && routing.status == VR_LOCKED);
	if (confirmed)
	{
		if (routing.confirm_by != 0 && now >= routing.confirm_by)
			ereport(ERROR,
					(errcode(ERRCODE_VR_INVALID_STATE),
					 errmsg("the time for vendor \"%s\" to confirm is over",
							text_to_cstring(vendor_id))));
		vr_routing_set_confirmed(&routing, now);
		vr_event_add(&routing, now, VR_EVENT_CONFIRMED, vendor_id, NULL);
	}
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(BoolGetDatum(confirmed)),
		vr_param_time(routing.confirmed_at)
	}));
}
