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

#include "access/table.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "newest.h"
#include "response.h"
#include "spi.h"

/* Columns of vendor_routing.cancellations that are read (23_cancellations.sql). */
enum
{
	Anum_cancellation_vendor_id = 3,
	Anum_cancellation_reason = 4
};

/*
 * Tells these vendors, unless they have been told.  Returns how many were not.
 */
static int
tell(const VrRouting *routing, const List *vendor_ids, const char *reason,
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
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_texts(vendor_ids),
		vr_param_ptr(cstring_to_text(reason)),
		vr_param(TimestampTzGetDatum(now))
	};

	return vendor_ids == NIL ? 0 : (int) vr_spi_write(&insert, params);
}

/*
 * Tells every vendor invited in the current round who has not been told yet,
 * but the one that has the order.  Returns how many those are.
 */
int
vr_cancellations_insert(const VrRouting *routing, const char *reason,
						TimestampTz now)
{
	const text *winner = (routing->status == VR_LOCKED ||
						  routing->status == VR_COMPLETED) ?
		routing->locked_vendor_id : NULL;
	List	   *others = NIL;
	List	   *vendor_ids = vr_responses_vendor_ids(routing);
	int			told;
	ListCell   *cell;

	foreach(cell, vendor_ids)
	{
		if (!vr_text_eq(lfirst(cell), winner))
			others = lappend(others, lfirst(cell));
	}
	told = tell(routing, others, reason, now);

	/* Fewer than all: then the others have been told before. */
	if (told < list_length(others) &&
		vr_cancellations_count(routing).total < list_length(others))
		vr_spi_not_written();
	return told;
}

/*
 * Tells one vendor, who had the order in the current round and has it no more.
 */
void
vr_cancellation_insert(const VrRouting *routing, const text *vendor_id,
					   const char *reason, TimestampTz now)
{
	if (tell(routing, list_make1((void *) vendor_id), reason, now) != 1)
		vr_spi_not_written();
}

/* A vendor, and what there is to find out. */
typedef struct LostOrder
{
	const text *vendor_id;
	bool		found;
} LostOrder;

static void
look_for_lost_order(TupleTableSlot *slot, void *arg)
{
	LostOrder  *lost = arg;
	bool		isnull;
	const text *vendor_id =
		DatumGetTextPP(slot_getattr(slot, Anum_cancellation_vendor_id, &isnull));
	const text *reason =
		DatumGetTextPP(slot_getattr(slot, Anum_cancellation_reason, &isnull));

	if (vr_text_eq(vendor_id, lost->vendor_id) &&
		(vr_text_is(reason, VR_CANCELLED_RELEASED) ||
		 vr_text_is(reason, VR_CANCELLED_NO_CONFIRM)))
		lost->found = true;
}

/*
 * Has the vendor had this order in an earlier round, and lost it again?
 */
bool
vr_cancellation_lost_order(const VrRouting *routing, const text *vendor_id)
{
	NullableDatum key[] = {vr_param_ptr(&routing->routing_id)};
	Relation	table = vr_open_table("cancellations");
	LostOrder	lost = {.vendor_id = vendor_id};

	vr_newest_rows(table, lengthof(key), key, look_for_lost_order, &lost);
	table_close(table, NoLock);
	return lost.found;
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

/*
 * Writes to the cancellation that a message is about, if it is, whether it was sent and
 * has arrived.
 */
void
vr_cancellation_mark(const pg_uuid_t *message_id)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.cancellations AS c"
		" SET sent_at = CASE m.state WHEN 'SENT' THEN coalesce(c.sent_at, m.sent_at) END,"
		"     confirmed_at = coalesce(c.confirmed_at, m.delivered_at)"
		" FROM vendor_routing.messages AS m"
		" WHERE m.message_id = $1 AND m.kind = 'CANCELLATION'"
		" AND c.routing_id = m.routing_id AND c.round = m.round AND c.vendor_id = m.vendor_id",
		1, {UUIDOID}
	};
	NullableDatum params[] = {vr_param_ptr(message_id)};

	(void) vr_spi_write(&update, params);
}
