/*-------------------------------------------------------------------------
 *
 * cancellation.c
 *		The table cancellations: vendors who are told "not you".  Its only
 *		writer.
 *
 * Locking: the caller holds the lock of the routing.
 *
 * IDENTIFICATION
 *	  src/cancellation.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "response.h"
#include "spi.h"

/*
 * Tells every vendor invited in the current round who has not been told yet,
 * but the one that has the order.  Returns how many those are.
 */
int
vr_cancellations_insert(const VrRouting *routing, const char *reason,
						TimestampTz now)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.cancellations"
		" (routing_id, round, vendor_id, reason, created_at)"
		" SELECT $1, $2, v.vendor_id, $4, $5"
		" FROM pg_catalog.unnest($3) AS v (vendor_id)"
		" ON CONFLICT (routing_id, round, vendor_id) DO NOTHING",
		5, {UUIDOID, INT4OID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID}
	};
	const text *winner = (routing->status == VR_LOCKED ||
						  routing->status == VR_COMPLETED) ?
		routing->locked_vendor_id : NULL;
	List	   *vendor_ids = vr_responses_vendor_ids(routing);
	Datum	   *others = palloc(list_length(vendor_ids) * sizeof(Datum));
	int			nothers = 0;
	int			inserted;
	NullableDatum params[5];
	ListCell   *cell;

	foreach(cell, vendor_ids)
	{
		if (!vr_text_eq(lfirst(cell), winner))
			others[nothers++] = PointerGetDatum(lfirst(cell));
	}

	params[0] = vr_param_ptr(&routing->routing_id);
	params[1] = vr_param(Int32GetDatum(routing->round));
	params[2] = vr_param_ptr(construct_array(others, nothers, TEXTOID,
											 -1, false, TYPALIGN_INT));
	params[3] = vr_param_ptr(cstring_to_text(reason));
	params[4] = vr_param(TimestampTzGetDatum(now));
	inserted = (int) vr_spi_write(&insert, params);

	/* Fewer than all: then the others have been told before. */
	if (inserted < nothers && vr_cancellations_count(routing).total < nothers)
		vr_spi_not_written();
	return inserted;
}

/*
 * Counts the vendors of the current round who have been told.
 */
VrCancelled
vr_cancellations_count(const VrRouting *routing)
{
	static const VrStatement select = {
		"SELECT count(*)::int4,"
		" count(*) FILTER (WHERE r.response IN ('ACCEPT', 'REJECT', 'ERROR'))::int4"
		" FROM vendor_routing.cancellations AS c"
		" JOIN vendor_routing.responses AS r"
		"      ON r.routing_id = c.routing_id AND r.round = c.round"
		"      AND r.vendor_id = c.vendor_id"
		" WHERE c.routing_id = $1 AND c.round = $2",
		2, {UUIDOID, INT4OID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	VrCancelled result;

	vr_spi_read(&select, params);
	result.total = DatumGetInt32(vr_spi_value(0, 1).value);
	result.losers = DatumGetInt32(vr_spi_value(0, 2).value);
	result.non_responders = result.total - result.losers;
	return result;
}
