/*-------------------------------------------------------------------------
 *
 * pause.c
 *		vr_pause, vr_resume: a vendor is offered nothing for a while.
 *
 * Offers that a vendor has already stay; it may accept them.
 *
 * Locking: the row of the vendor.
 *
 * Errors: 22023 for an unknown vendor.
 *
 * IDENTIFICATION
 *	  src/pause.c
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

PG_FUNCTION_INFO_V1(vr_pause);
PG_FUNCTION_INFO_V1(vr_resume);

/*
 * vr_pause(vendor_id text, until timestamptz, reason text) returns timestamptz
 */
Datum
vr_pause(PG_FUNCTION_ARGS)
{
	const text *vendor_id = vr_arg_id(fcinfo, 0, "vendor_id");
	TimestampTz until = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	const text *reason = vr_arg_optional_text(fcinfo, 2, "reason");
	TimestampTz now = vr_now();
	VrVendorLock lock;
	VrSpi		spi;

	vr_require_writable("vr_pause()");
	(void) vr_acts_as_vendor(vendor_id);
	if (until <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must be in the future")));

	vr_spi_begin(&spi);
	vr_vendor_lock_known(vendor_id, &lock);
	vr_vendor_pause(vendor_id, &lock.tid, until, reason, now);
	vr_spi_end(&spi);

	PG_RETURN_TIMESTAMPTZ(until);
}

/*
 * vr_resume(vendor_id text) returns boolean
 */
Datum
vr_resume(PG_FUNCTION_ARGS)
{
	const text *vendor_id = vr_arg_id(fcinfo, 0, "vendor_id");
	VrVendorLock lock;
	bool		resumed;
	VrSpi		spi;

	vr_require_writable("vr_resume()");
	(void) vr_acts_as_vendor(vendor_id);

	vr_spi_begin(&spi);
	vr_vendor_lock_known(vendor_id, &lock);
	resumed = vr_vendor_resume(vendor_id, &lock.tid, DT_NOEND, vr_now());
	vr_spi_end(&spi);

	PG_RETURN_BOOL(resumed);
}
