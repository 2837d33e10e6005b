/*-------------------------------------------------------------------------
 *
 * timeout.c
 *		vr_timeout: does what is due for one order.
 *
 * Locking: the lock of the routing, then of the vendors concerned.
 *
 * Errors: VR001 unknown routing.  Nothing due, or nothing left to do, is not an
 * error.
 *
 * IDENTIFICATION
 *	  src/timeout.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "clock.h"
#include "due.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_timeout);

/*
 * vr_timeout(routing_id uuid, ttl interval)
 *
 * ttl shortens the offers for this call: those older than that are due.  Before
 * anything is due, nothing happens.
 */
Datum
vr_timeout(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		3, {
			{"timed_out", INT4OID},
			{"locked_vendor_id", TEXTOID},
			{"status", TEXTOID}
		}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const Interval *ttl = vr_arg_optional_ttl(fcinfo, 1, "ttl");
	VrRouting	routing;
	VrWork		work = {0};
	VrSpi		spi;

	vr_require_writable("vr_timeout()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	(void) vr_do_due(&routing, ttl, true, vr_now(), &work);
	vr_routing_end(&routing, &spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(Int32GetDatum(work.timed_out)),
		vr_param_ptr(routing.locked_vendor_id),
		vr_param_ptr(cstring_to_text(vr_status_name(routing.status)))
	}));
}
