/*-------------------------------------------------------------------------
 *
 * set_hours.c
 *		vr_set_hours: when a vendor is offered orders.
 *
 * Locking: the row of the vendor.
 *
 * Errors: 22023 for an unknown vendor or zone, or hours that are not such.
 *
 * IDENTIFICATION
 *	  src/set_hours.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "args.h"
#include "clock.h"
#include "identity.h"
#include "spi.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_set_hours);

/*
 * vr_set_hours(vendor_id text, time_zone text, hours jsonb)
 */
Datum
vr_set_hours(PG_FUNCTION_ARGS)
{
	const text *vendor_id = vr_arg_id(fcinfo, 0, "vendor_id");
	const text *time_zone = vr_arg_optional_id(fcinfo, 1, "time_zone");
	const Jsonb *hours = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	VrVendorLock lock;
	VrSpi		spi;

	vr_require_writable("vr_set_hours()");
	(void) vr_acts_as_vendor(vendor_id);
	if ((time_zone == NULL) != (hours == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time_zone and hours must be given together")));

	vr_spi_begin(&spi);
	vr_check_hours(time_zone, hours);
	vr_vendor_lock_known(vendor_id, &lock);
	vr_vendor_set_hours(vendor_id, &lock.tid, time_zone, hours, vr_now());
	vr_spi_end(&spi);

	PG_RETURN_VOID();
}
