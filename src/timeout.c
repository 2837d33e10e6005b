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
#include "attempt.h"
#include "clock.h"
#include "due.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"

PG_FUNCTION_INFO_V1(vr_timeout);

/* What is asked about, and what became of it. */
typedef struct Timeout
{
	const pg_uuid_t *routing_id;
	VrDue		due;
	VrRouting	routing;
} Timeout;

static void
do_due(void *arg)
{
	Timeout    *timeout = arg;
	VrSpi		spi;

	*timeout->due.work = (VrWork) {0};
	vr_spi_begin(&spi);
	vr_routing_read_locked(timeout->routing_id, &timeout->routing);
	(void) vr_do_due(&timeout->routing, &timeout->due, vr_now());
	vr_routing_end(&timeout->routing, &spi);
}

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
	VrWork		work;
	Timeout		timeout = {
		.routing_id = vr_arg_uuid(fcinfo, 0, "routing_id"),
		.due = {
			.ttl = vr_arg_optional_ttl(fcinfo, 1, "ttl"),
			.wait = true,
			.work = &work
		}
	};
	ErrorData  *error;

	vr_require_writable("vr_timeout()");

	while ((error = vr_attempt(do_due, &timeout)) != NULL)
	{
		if (!vr_is_about_work(error) ||
			!vr_due_pass_over(&timeout.due, timeout.routing_id, error))
			ReThrowError(error);
	}

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(Int32GetDatum(work.timed_out)),
		vr_param_ptr(timeout.routing.locked_vendor_id),
		vr_param_ptr(cstring_to_text(vr_status_name(timeout.routing.status)))
	}));
}
