/*-------------------------------------------------------------------------
 *
 * timeout.c
 *		vr_timeout: does what is due for one order.
 *
 * Locking: the lock of the routing, then of the vendors that may win.
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
#include "event.h"
#include "json.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_timeout);

/*
 * Gives the order to the first vendor who accepted in time by vr_respond and
 * can take it.
 */
static bool
award_to_recorded_accept(VrRouting *routing, const Interval *ttl, TimestampTz now)
{
	List	   *vendor_ids = vr_responses_due_accepts(routing, ttl, now);
	VrResponse	response = {.invited = true, .answer = VR_ACCEPT};
	ListCell   *cell;

	foreach(cell, vendor_ids)
	{
		text	   *vendor_id = lfirst(cell);
		ItemPointerData tid;

		if (vr_vendor_lock(vendor_id, true, &tid) == VR_GATE_NONE &&
			vr_award(routing, vendor_id, &tid, &response, NULL, now))
			return true;
	}
	return false;
}

/*
 * Closes the offers whose time is over.  Returns how many.
 */
static int
time_out_silent(VrRouting *routing, const Interval *ttl, TimestampTz now)
{
	List	   *vendor_ids = vr_responses_time_out(routing, ttl, now);
	VrEvent    *events = palloc(list_length(vendor_ids) * sizeof(VrEvent));

	for (int i = 0; i < list_length(vendor_ids); i++)
		events[i] = (VrEvent) {VR_EVENT_TIMED_OUT, list_nth(vendor_ids, i), NULL};
	if (vendor_ids != NIL)
		vr_events_insert(routing, now, events, list_length(vendor_ids));
	return list_length(vendor_ids);
}

/*
 * Does what is due for an open routing, in this order: an ACCEPT on record
 * wins; who said nothing is timed out; an order whose own time is over expires;
 * one that nobody can win any more is exhausted.  Returns how many timed out.
 */
static int
time_out_pending(VrRouting *routing, const Interval *ttl, TimestampTz now)
{
	TimestampTz deadline;
	int			timed_out;

	if (award_to_recorded_accept(routing, ttl, now))
		return 0;

	timed_out = time_out_silent(routing, ttl, now);
	if (now >= routing->expires_at)
		vr_expire(routing, now);
	else if (!vr_responses_next_deadline(routing, ttl, now, &deadline))
		vr_exhaust(routing, now);
	else
		vr_routing_set_next_deadline(routing, deadline);
	return timed_out;
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
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	const Interval *ttl = vr_arg_optional_ttl(fcinfo, 1, "ttl");
	VrRouting	routing;
	int			timed_out = 0;
	VrSpi		spi;

	vr_require_writable("vr_timeout()");

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	if (routing.status == VR_PENDING)
		timed_out = time_out_pending(&routing, ttl, vr_now());
	else if (routing.status == VR_EXHAUSTED && vr_now() >= routing.expires_at)
		vr_expire(&routing, vr_now());
	else if (routing.next_deadline != 0 && vr_now() >= routing.next_deadline)
		vr_routing_set_next_deadline(&routing, 0);	/* left by an accept */
	vr_spi_end(&spi);

	PG_RETURN_DATUM(vr_result_row(&result, (NullableDatum[]) {
		vr_param(Int32GetDatum(timed_out)),
		vr_param_ptr(routing.locked_vendor_id),
		vr_param_ptr(cstring_to_text(vr_status_name(routing.status)))
	}));
}
