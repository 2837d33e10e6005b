/*-------------------------------------------------------------------------
 *
 * status.c
 *		vr_status: everything about one routing.  vr_history: its timeline.
 *
 * Both only report, on the snapshot of the query that calls them.
 *
 * Errors: VR001 for an unknown routing; an unknown order has no history.
 *
 * IDENTIFICATION
 *	  src/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/tuplestore.h"

#include "args.h"
#include "ids.h"
#include "routing.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(vr_status);
PG_FUNCTION_INFO_V1(vr_history);

/*
 * vr_status(routing_id uuid) returns jsonb
 */
Datum
vr_status(PG_FUNCTION_ARGS)
{
	static const VrStatement select = {
		"SELECT pg_catalog.jsonb_build_object("
		" 'routing_id', s.routing_id, 'order_id', s.order_id,"
		" 'status', s.status, 'order_status', s.order_status,"
		" 'locked_vendor_id', s.locked_vendor_id, 'locked_at', s.locked_at,"
		" 'version', s.version, 'round', s.round, 'wave', s.wave,"
		" 'expires_at', s.expires_at, 'next_wave_at', s.next_wave_at,"
		" 'releases', s.releases, 'confirm_by', s.confirm_by,"
		" 'confirmed_at', s.confirmed_at, 'outcome', s.outcome,"
		" 'total_vendors', s.total_vendors, 'accepted_count', s.accepted_count,"
		" 'rejected_count', s.rejected_count, 'timeout_count', s.timeout_count,"
		" 'error_count', s.error_count, 'pending_count', s.pending_count,"
		" 'cancelled_count', s.cancelled_count,"
		" 'responses', ("
		"  SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
		"   'vendor_id', r.vendor_id, 'vendor_name', v.name,"
		"   'score', r.score, 'rank', r.rank, 'wave', r.wave,"
		"   'response', r.response, 'reason', r.reason,"
		"   'decline_code', r.decline_code,"
		"   'offered_at', r.offered_at, 'expires_at', r.expires_at,"
		"   'responded_at', r.responded_at,"
		"   'cancelled', c.vendor_id IS NOT NULL,"
		"   'cancellation_reason', c.reason) ORDER BY r.rank), '[]')"
		"  FROM vendor_routing.responses AS r"
		"  LEFT JOIN LATERAL (SELECT v.name"
		"   FROM vendor_routing.vendors AS v"
		"   WHERE v.vendor_id = r.vendor_id" VR_BY_KEY ") AS v ON true"
		"  LEFT JOIN LATERAL (SELECT c.vendor_id, c.reason"
		"   FROM vendor_routing.cancellations AS c"
		"   WHERE c.routing_id = r.routing_id AND c.round = r.round"
		"   AND c.vendor_id = r.vendor_id" VR_BY_KEY ") AS c ON true"
		"  WHERE r.routing_id = s.routing_id AND r.round = s.round))"
		" FROM vendor_routing.routing_status AS s"
		" WHERE s.routing_id = $1",
		1, {UUIDOID}
	};
	const pg_uuid_t *routing_id = vr_arg_uuid(fcinfo, 0, "routing_id");
	NullableDatum params[] = {vr_param_ptr(routing_id)};
	Jsonb	   *status;
	VrSpi		spi;

	vr_spi_begin(&spi);
	if (vr_spi_read_snapshot(&select, params) == 0)
		vr_routing_unknown(routing_id);
	status = DatumGetJsonbPCopy(vr_spi_value(0, 1).value);
	vr_spi_end(&spi);

	PG_RETURN_JSONB_P(status);
}

/*
 * vr_history(order_id text) returns table (occurred_at, event_type, vendor_id,
 * payload, event_id), the oldest first
 */
Datum
vr_history(PG_FUNCTION_ARGS)
{
	static const VrStatement select = {
		"SELECT occurred_at, event_type, vendor_id, payload, event_id"
		" FROM vendor_routing.events"
		" WHERE routing_id = $1"
		" ORDER BY occurred_at, event_id",
		1, {UUIDOID}
	};
	const text *order_id = vr_arg_id(fcinfo, 0, "order_id");
	NullableDatum params[] = {vr_param_ptr(vr_make_routing_id(order_id))};

	vr_spi_return_rows(fcinfo, &select, params);
	return (Datum) 0;
}
