/*-------------------------------------------------------------------------
 *
 * routing.c
 *		The table routings: one row per order.  Its only writer.
 *
 * Locking: who writes a routing holds its lock (lock.c), so that the row it
 * read last is the row it writes.  vr_routing_lock_in is a compare-and-set all
 * the same: the row decides who wins, not the lock.
 *
 * Memory: what is read is allocated in the current context.
 *
 * Errors: VR001 where there is no such routing.
 *
 * IDENTIFICATION
 *	  src/routing.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"

#include "args.h"
#include "catalog.h"
#include "errors.h"
#include "lock.h"
#include "newest.h"
#include "routing.h"
#include "spi.h"

/* Columns of vendor_routing.routings that are read (21_routings.sql). */
enum
{
	Anum_routing_routing_id = 1,
	Anum_routing_order_id = 2,
	Anum_routing_status = 9,
	Anum_routing_round = 10,
	Anum_routing_wave = 11,
	Anum_routing_locked_vendor_id = 12,
	Anum_routing_locked_at = 13,
	Anum_routing_version = 14,
	Anum_routing_next_deadline = 15,
	Anum_routing_expires_at = 16
};

/* In the order of VrStatus. */
static const char *const status_names[] = {
	"PENDING", "LOCKED", "EXHAUSTED", "EXPIRED", "CANCELLED", "COMPLETED"
};

/*
 * The state machine: a bit per state that may follow.  To go back to PENDING is
 * to start a new round.  Drawn in doc/vendor_routing.md.
 */
#define TO(status) (1 << (status))

static const int transitions[] = {
	[VR_PENDING] = TO(VR_LOCKED) | TO(VR_EXHAUSTED) | TO(VR_EXPIRED) | TO(VR_CANCELLED),
	[VR_LOCKED] = TO(VR_PENDING) | TO(VR_COMPLETED) | TO(VR_CANCELLED),
	[VR_EXHAUSTED] = TO(VR_PENDING) | TO(VR_LOCKED) | TO(VR_EXPIRED) | TO(VR_CANCELLED),
	[VR_EXPIRED] = TO(VR_PENDING) | TO(VR_CANCELLED),
	[VR_CANCELLED] = 0,
	[VR_COMPLETED] = 0
};

const char *
vr_status_name(VrStatus status)
{
	return status_names[status];
}

/*
 * Finds a state by its name.  The CHECK constraint of the table knows the same
 * words.
 */
static bool
find_status(const text *name, VrStatus *status)
{
	for (int i = 0; i < lengthof(status_names); i++)
	{
		if (strlen(status_names[i]) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(status_names[i], VARDATA_ANY(name),
				   VARSIZE_ANY_EXHDR(name)) == 0)
		{
			*status = (VrStatus) i;
			return true;
		}
	}
	return false;
}

/*
 * May a routing in state from be put into the other state to?
 */
bool
vr_transition_allowed(VrStatus from, VrStatus to)
{
	return (transitions[from] & TO(to)) != 0;
}

static text *
copy_text(const Datum *values, const bool *nulls, int column)
{
	return nulls[column - 1] ? NULL : DatumGetTextPCopy(values[column - 1]);
}

/* Zero for NULL. */
static TimestampTz
time_or_zero(const Datum *values, const bool *nulls, int column)
{
	return nulls[column - 1] ? 0 : DatumGetTimestampTz(values[column - 1]);
}

/*
 * Takes a row apart.  Returns false where it is not one that the constraints of
 * the table allow: a trigger sees such rows, because it fires before them.
 */
static bool
fill(VrRouting *routing, const Datum *values, const bool *nulls)
{
	static const int required[] = {
		Anum_routing_routing_id, Anum_routing_order_id, Anum_routing_status,
		Anum_routing_round, Anum_routing_wave, Anum_routing_version,
		Anum_routing_expires_at
	};

	for (int i = 0; i < lengthof(required); i++)
	{
		if (nulls[required[i] - 1])
			return false;
	}
	if (!find_status(DatumGetTextPP(values[Anum_routing_status - 1]),
					 &routing->status))
		return false;

	routing->routing_id = *DatumGetUUIDP(values[Anum_routing_routing_id - 1]);
	routing->order_id = copy_text(values, nulls, Anum_routing_order_id);
	routing->round = DatumGetInt32(values[Anum_routing_round - 1]);
	routing->wave = DatumGetInt32(values[Anum_routing_wave - 1]);
	routing->locked_vendor_id =
		copy_text(values, nulls, Anum_routing_locked_vendor_id);
	routing->locked_at = time_or_zero(values, nulls, Anum_routing_locked_at);
	routing->version = DatumGetInt32(values[Anum_routing_version - 1]);
	routing->next_deadline =
		time_or_zero(values, nulls, Anum_routing_next_deadline);
	routing->expires_at =
		DatumGetTimestampTz(values[Anum_routing_expires_at - 1]);
	routing->waited = false;
	ItemPointerSetInvalid(&routing->tid);
	return true;
}

static bool
fill_from_tuple(VrRouting *routing, TupleDesc tupdesc, HeapTuple tuple)
{
	Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
	bool	   *nulls = palloc(tupdesc->natts * sizeof(bool));

	heap_deform_tuple(tuple, tupdesc, values, nulls);
	return fill(routing, values, nulls);
}

/* What may not change: an error that says so. */
static void
check_unchanged(bool unchanged, const text *order_id, const char *what)
{
	if (!unchanged)
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("%s of the routing of order \"%s\" cannot be changed here",
						what, text_to_cstring(order_id))));
}

/*
 * Refuses an update of a row that the state machine does not have, whoever
 * makes it.  A winner comes with LOCKED and goes with a new round only; a new
 * round comes with PENDING only.
 */
void
vr_routing_check_change(TupleDesc tupdesc, HeapTuple before, HeapTuple after)
{
	VrRouting	a;
	VrRouting	b;
	bool		new_round;

	/* The constraints have something to say, and will. */
	if (!fill_from_tuple(&a, tupdesc, before) ||
		!fill_from_tuple(&b, tupdesc, after))
		return;

	check_unchanged(memcmp(&a.routing_id, &b.routing_id, UUID_LEN) == 0,
					a.order_id, "routing_id");
	check_unchanged(vr_text_eq(a.order_id, b.order_id), a.order_id, "order_id");
	check_unchanged(a.version <= b.version, a.order_id, "version");

	if (a.status != b.status && !vr_transition_allowed(a.status, b.status))
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("routing of order \"%s\" cannot go from %s to %s",
						text_to_cstring(a.order_id),
						vr_status_name(a.status), vr_status_name(b.status))));

	new_round = (a.status != b.status && b.status == VR_PENDING);
	check_unchanged(b.round == a.round + (new_round ? 1 : 0), a.order_id, "round");
	if (!new_round && !(a.status != b.status && b.status == VR_LOCKED))
	{
		check_unchanged(vr_text_eq(a.locked_vendor_id, b.locked_vendor_id),
						a.order_id, "locked_vendor_id");
		check_unchanged(a.locked_at == b.locked_at, a.order_id, "locked_at");
	}
}

/*
 * Fills in a routing from a slot, and drops that.  Returns false for no slot.
 */
static bool
take_slot(VrRouting *routing, TupleTableSlot *slot, bool waited)
{
	if (slot == NULL)
		return false;
	slot_getallattrs(slot);
	if (!fill(routing, slot->tts_values, slot->tts_isnull))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of vendor_routing.routings is not valid"),
				 errhint("Put the constraints of the table back and repair its rows.")));
	routing->waited = waited;
	routing->tid = slot->tts_tid;
	ExecDropSingleTupleTableSlot(slot);
	return true;
}

/*
 * The newest version of a routing, after whoever was changing it has ended.
 * Takes no lock.  Returns false where none is seen.
 */
bool
vr_routing_find(const pg_uuid_t *routing_id, VrRouting *routing)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	bool		waited = false;
	TupleTableSlot *slot = vr_newest_row(table, lengthof(key), key, &waited);
	bool		found = take_slot(routing, slot, waited);

	table_close(table, NoLock);
	return found;
}

/*
 * Is there a routing, be it one that somebody is making at this moment?  Does
 * not wait.
 */
bool
vr_routing_exists(const pg_uuid_t *routing_id)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	TupleTableSlot *slot = vr_newest_row(table, lengthof(key), key, NULL);

	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return slot != NULL;
}

/*
 * Says that there is no such routing: VR001.
 */
void
vr_routing_unknown(const pg_uuid_t *routing_id)
{
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(routing_id)));

	ereport(ERROR,
			(errcode(ERRCODE_VR_UNKNOWN_ROUTING),
			 errmsg("routing \"%s\" does not exist", id),
			 errhint("An order that has been broadcast has the routing vr_routing_id(order_id).")));
}

/*
 * As vr_routing_find, where there must be one.
 */
void
vr_routing_read(const pg_uuid_t *routing_id, VrRouting *routing)
{
	static const VrStatement by_key = {
		"SELECT routing_id, order_id, retailer_id, product, amount, latitude,"
		" longitude, payload, status, round, wave, locked_vendor_id,"
		" locked_at, version, next_deadline, expires_at, created_at, updated_at"
		" FROM vendor_routing.routings"
		" WHERE routing_id = $1",
		1, {UUIDOID}
	};
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	bool		waited = false;
	TupleTableSlot *slot = vr_proven_row(table, &by_key, key, &waited);

	if (!take_slot(routing, slot, waited))
		vr_routing_unknown(routing_id);
	table_close(table, NoLock);
}

/*
 * Takes the lock of a routing and reads it.  Until the transaction ends, no
 * other call of ours changes it.
 *
 * Looking first is for a routing that is just being made: its maker gave the
 * lock back and may want it again.  We wait for the maker without the lock.
 */
void
vr_routing_read_locked(const pg_uuid_t *routing_id, VrRouting *routing)
{
	vr_routing_read(routing_id, routing);
	vr_lock_routing(routing_id);
	vr_routing_read(routing_id, routing);
}

/*
 * Makes the routing of an order.  Returns false where there is one already that
 * was not seen (see vr_proven_row).
 */
bool
vr_routing_insert(const pg_uuid_t *routing_id, const VrOrder *order,
				  TimestampTz now, TimestampTz next_deadline,
				  TimestampTz expires_at)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.routings"
		" (routing_id, order_id, retailer_id, product, amount, latitude,"
		"  longitude, payload, next_deadline, expires_at, created_at, updated_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)"
		" ON CONFLICT (routing_id) DO NOTHING",
		11, {UUIDOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, FLOAT8OID,
		FLOAT8OID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(routing_id),
		vr_param_ptr(order->order_id),
		vr_param_ptr(order->retailer_id),
		vr_param_ptr(order->product),
		vr_param_ptr(order->amount),
		{Float8GetDatum(order->place.latitude), !order->has_place},
		{Float8GetDatum(order->place.longitude), !order->has_place},
		vr_param_ptr(order->payload),
		vr_param(TimestampTzGetDatum(next_deadline)),
		vr_param(TimestampTzGetDatum(expires_at)),
		vr_param(TimestampTzGetDatum(now))
	};

	return vr_spi_write(&insert, params) == 1;
}

/*
 * The compare-and-set: gives an open routing to a vendor.  Returns true and
 * brings *routing up to date, or returns false where the row, as it is now, is
 * not open in this round any more.
 */
bool
vr_routing_lock_in(VrRouting *routing, const text *vendor_id, TimestampTz now)
{
	static const VrRowStatement compare_and_set = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.routings"
		" SET status = 'LOCKED', locked_vendor_id = $4, locked_at = $5,"
		"     version = version + 1, updated_at = $5",
		"routing_id = $2 AND round = $3"
		" AND status = 'PENDING' AND locked_vendor_id IS NULL"
		" RETURNING version",
		5, UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID);
	NullableDatum params[] = {
		vr_param_tid(&routing->tid),
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id),
		vr_param(TimestampTzGetDatum(now))
	};

	if (vr_spi_write_row(&compare_and_set, params) != 1)
		return false;
	routing->status = VR_LOCKED;
	routing->locked_vendor_id = (text *) vendor_id;
	routing->locked_at = now;
	routing->version = DatumGetInt32(vr_spi_value(0, 1).value);
	return true;
}

/*
 * Puts a routing whose lock we hold into a state without a winner of its own:
 * EXHAUSTED, which still has the order's deadline before it, EXPIRED or
 * CANCELLED, which wait for nothing.  Brings *routing up to date.
 */
void
vr_routing_set_status(VrRouting *routing, VrStatus status, TimestampTz now)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.routings"
		" SET status = $3, next_deadline = $4,"
		"     version = version + 1, updated_at = $5"
		" WHERE routing_id = $1 AND version = $2",
		5, {UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->version)),
		vr_param_ptr(cstring_to_text(vr_status_name(status))),
		{TimestampTzGetDatum(routing->expires_at), status != VR_EXHAUSTED},
		vr_param(TimestampTzGetDatum(now))
	};

	Assert(vr_transition_allowed(routing->status, status));
	vr_spi_write_exactly(&update, params, 1);
	routing->status = status;
	routing->version++;
}

/*
 * Moves the time at which there is work to do, 0 for never; a routing whose
 * time is right already is not touched.  The caller holds the lock of the routing.
 */
void
vr_routing_set_next_deadline(VrRouting *routing, TimestampTz next_deadline)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.routings"
		" SET next_deadline = $2"
		" WHERE routing_id = $1",
		2, {UUIDOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		{TimestampTzGetDatum(next_deadline), next_deadline == 0}
	};

	if (routing->next_deadline == next_deadline)
		return;
	vr_spi_write_exactly(&update, params, 1);
	routing->next_deadline = next_deadline;
}
