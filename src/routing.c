/*-------------------------------------------------------------------------
 *
 * routing.c
 *		The table routings, one row per order: its state machine, and reading
 *		it.  routing_write.c writes it.
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
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/uuid.h"

#include "args.h"
#include "attachment.h"
#include "catalog.h"
#include "errors.h"
#include "lock.h"
#include "newest.h"
#include "order.h"
#include "outbox.h"
#include "routing.h"
#include "spi.h"

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
 * Finds a state by its name.
 */
bool
vr_status_from_text(const text *name, VrStatus *status)
{
	for (int i = 0; i < lengthof(status_names); i++)
	{
		if (vr_text_is(name, status_names[i]))
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

static const Interval *
copy_interval(const Datum *values, const bool *nulls, int column)
{
	if (nulls[column - 1])
		return NULL;
	return DatumGetIntervalP(datumCopy(values[column - 1], false, sizeof(Interval)));
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
		Anum_routing_routing_id, Anum_routing_order_id, Anum_routing_retailer_id,
		Anum_routing_status, Anum_routing_round, Anum_routing_wave,
		Anum_routing_version, Anum_routing_expires_at, Anum_routing_created_at,
		Anum_routing_releases
	};

	for (int i = 0; i < lengthof(required); i++)
	{
		if (nulls[required[i] - 1])
			return false;
	}
	if (!vr_status_from_text(DatumGetTextPP(values[Anum_routing_status - 1]),
					 &routing->status))
		return false;

	routing->routing_id = *DatumGetUUIDP(values[Anum_routing_routing_id - 1]);
	routing->order_id = copy_text(values, nulls, Anum_routing_order_id);
	routing->retailer_id = copy_text(values, nulls, Anum_routing_retailer_id);
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
	routing->created_at =
		DatumGetTimestampTz(values[Anum_routing_created_at - 1]);
	routing->next_wave_at =
		time_or_zero(values, nulls, Anum_routing_next_wave_at);
	routing->releases = DatumGetInt32(values[Anum_routing_releases - 1]);
	routing->confirm_within =
		copy_interval(values, nulls, Anum_routing_confirm_within);
	routing->confirm_by = time_or_zero(values, nulls, Anum_routing_confirm_by);
	routing->confirmed_at =
		time_or_zero(values, nulls, Anum_routing_confirmed_at);
	routing->outcome = copy_text(values, nulls, Anum_routing_outcome);
	routing->moved = false;
	routing->changing = false;
	ItemPointerSetInvalid(&routing->tid);
	return true;
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
vr_routing_check_change(const VrRow *before, const VrRow *after)
{
	VrRouting	a;
	VrRouting	b;
	bool		new_round;

	/* The rules of the row have something to say, and will. */
	if (!fill(&a, before->values, before->nulls) ||
		!fill(&b, after->values, after->nulls))
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
 * The id of the routing in a slot.
 */
pg_uuid_t
vr_routing_id_in(TupleTableSlot *slot)
{
	bool		isnull;

	return *DatumGetUUIDP(slot_getattr(slot, Anum_routing_routing_id, &isnull));
}

/*
 * Fills in a routing from a slot.
 */
static void
fill_from(VrRouting *routing, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	if (!fill(routing, slot->tts_values, slot->tts_isnull))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of vendor_routing.routings is not valid"),
				 errhint("Put the constraints of the table back and repair its rows.")));
	routing->tid = slot->tts_tid;
}

/*
 * The same, and drops the slot.  Returns false for no slot.
 */
static bool
take_slot(VrRouting *routing, TupleTableSlot *slot, bool changing)
{
	if (slot == NULL)
		return false;
	fill_from(routing, slot);
	routing->changing = changing;
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
	bool		changing = false;
	TupleTableSlot *slot = vr_newest_row(table, lengthof(key), key, true, &changing);
	bool		found = take_slot(routing, slot, changing);

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
	bool		changing;
	TupleTableSlot *slot = vr_newest_row(table, lengthof(key), key, false, &changing);

	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return slot != NULL;
}

static void
take_routing(TupleTableSlot *slot, void *arg)
{
	fill_from(arg, slot);
}

/*
 * The routing as committed, or our own.  Does not wait.  Returns false where none is
 * seen.
 */
bool
vr_routing_find_committed(const pg_uuid_t *routing_id, VrRouting *routing)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	bool		found = (vr_newest_rows(table, lengthof(key), key, take_routing, routing) > 0);

	table_close(table, NoLock);
	return found;
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

static const VrStatement by_key = {
	"SELECT " VR_ROUTING_COLUMNS
	" FROM vendor_routing.routings"
	" WHERE routing_id = $1",
	1, {UUIDOID}
};

/*
 * The newest version of a routing; with wait, after whoever was changing it has
 * ended.  Returns false where there is none.
 */
static bool
read_newest(const pg_uuid_t *routing_id, VrRouting *routing, bool wait)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	bool		changing = false;
	TupleTableSlot *slot = vr_proven_row(table, &by_key, key, wait, &changing);
	bool		found = take_slot(routing, slot, changing);

	table_close(table, NoLock);
	return found;
}

/*
 * As vr_routing_find, where there must be one.
 */
void
vr_routing_read(const pg_uuid_t *routing_id, VrRouting *routing)
{
	if (!read_newest(routing_id, routing, true))
		vr_routing_unknown(routing_id);
}

/*
 * As vr_routing_read, for who only reports: as the calling query sees it, and without
 * waiting for anybody.
 */
void
vr_routing_read_as_seen(const pg_uuid_t *routing_id, VrRouting *routing)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("routings");
	TupleTableSlot *slot = table_slot_create(table, NULL);

	if (vr_spi_read_snapshot(&by_key, key) == 0)
		vr_routing_unknown(routing_id);
	vr_spi_copy_row(0, slot);
	(void) take_slot(routing, slot, false);
	table_close(table, NoLock);
}

/*
 * From here on the call may write the routing.  Returns false where a call that this one is
 * made in has not ended to do so.
 */
static bool
try_enter(VrRouting *routing)
{
	routing->events = NULL;
	routing->writing = vr_begin_writing(&routing->routing_id);
	return routing->writing;
}

/*
 * The same, or an error: 55000.
 */
void
vr_routing_enter(VrRouting *routing)
{
	if (!try_enter(routing))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("order \"%s\" is being written by the call that this one is made in",
						text_to_cstring(routing->order_id)),
				 errhint("Make it in a trigger of the table events, which is written last.")));
}

/*
 * The call has written all of the routing but its last rows: triggers on those may go on
 * with it.
 */
void
vr_routing_leave(VrRouting *routing)
{
	if (routing->writing)
		vr_end_writing(&routing->routing_id);
	routing->writing = false;
}

/*
 * Takes the lock of a routing and reads it.  Until the transaction ends, no
 * other call of ours changes it.
 *
 * Somebody may have changed the row, not ended, and given the lock back.  That
 * one may want the lock again, so we wait for it without.  Before the lock comes
 * the application's row of the order, where its table is attached.
 *
 * The call may write the routing now: vr_routings_end, or vr_routing_leave, says that it
 * has.  55000 for a call within one that has not.
 */
void
vr_routing_read_locked(const pg_uuid_t *routing_id, VrRouting *routing)
{
	VrAttachment attachment;
	bool		waited = false;

	if (vr_attachment_find(VR_ATTACHED_ORDERS, &attachment))
	{
		vr_routing_read(routing_id, routing);
		(void) vr_order_lock(routing->order_id, true);
		waited = routing->changing;
	}
	for (;;)
	{
		vr_lock_routing(routing_id);
		if (!read_newest(routing_id, routing, false))
			vr_routing_unknown(routing_id);
		if (!routing->changing)
			break;
		vr_unlock_routing(routing_id);
		vr_routing_read(routing_id, routing);
		waited = true;
	}
	routing->changing = waited;
	vr_routing_enter(routing);
}

/*
 * As vr_routing_read_locked, where we hold the lock.  Returns false where others are
 * changing the row all the same, where the call is made in one that has not written it,
 * or where it is gone; does not wait.
 */
bool
vr_routing_read_if_free(const pg_uuid_t *routing_id, VrRouting *routing)
{
	return read_newest(routing_id, routing, false) && !routing->changing &&
		try_enter(routing);
}

/*
 * Makes sure that writing the routing that was read last will not wait, nor the
 * application's row of the order, nor the outbox.  Returns false where others have one.
 */
bool
vr_routing_try_lock_row(VrRouting *routing)
{
	Relation	table;
	TupleTableSlot *slot;
	bool		locked;
	bool		open = (routing->status == VR_PENDING || routing->status == VR_EXHAUSTED);

	if (!vr_order_lock(routing->order_id, false) ||
		(!open && !vr_outbox_is_free(&routing->routing_id)))
		return false;
	if (!ItemPointerIsValid(&routing->tid))
		return true;			/* LCOV_EXCL_LINE: a scan missed it, see vr_proven_row */

	table = vr_open_table_to_lock("routings");
	slot = table_slot_create(table, NULL);
	slot->tts_tid = routing->tid;
	locked = (vr_lock_row(table, slot, false) == VR_ROW_LOCKED &&
			  ItemPointerEquals(&slot->tts_tid, &routing->tid));
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return locked;
}

/*
 * When the next routing after now has something due; false where none has.
 */
bool
vr_routings_next_due(TimestampTz now, TimestampTz *when)
{
	return vr_newest_time_after("routings", "routings_next_deadline_idx", now,
								when);
}

/*
 * Reads what an order was started with.
 */
void
vr_routing_read_plan(const VrRouting *routing, VrPlan *plan)
{
	NullableDatum key[] = {vr_param_ptr(&routing->routing_id)};
	Relation	table = vr_open_table("routings");
	bool		changing = false;
	TupleTableSlot *slot = vr_proven_row(table, &by_key, key, false, &changing);
	const Datum *values;
	const bool *nulls;

	if (slot == NULL)
		vr_routing_unknown(&routing->routing_id);	/* LCOV_EXCL_LINE: it was just read */
	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;

	memset(plan, 0, sizeof(*plan));
	plan->order.order_id = routing->order_id;
	plan->order.retailer_id = routing->retailer_id;
	plan->order.product = copy_text(values, nulls, Anum_routing_product);
	if (!nulls[Anum_routing_amount - 1])
		plan->order.amount = DatumGetNumericCopy(values[Anum_routing_amount - 1]);
	plan->order.has_place = !nulls[Anum_routing_latitude - 1] &&
		!nulls[Anum_routing_longitude - 1];
	if (plan->order.has_place)
	{
		plan->order.place.latitude =
			DatumGetFloat8(values[Anum_routing_latitude - 1]);
		plan->order.place.longitude =
			DatumGetFloat8(values[Anum_routing_longitude - 1]);
	}
	if (!nulls[Anum_routing_waves - 1])
		plan->waves = DatumGetJsonbPCopy(values[Anum_routing_waves - 1]);
	plan->offer_ttl = copy_interval(values, nulls, Anum_routing_offer_ttl);
	if (!nulls[Anum_routing_excluded_vendor_ids - 1])
		plan->excluded = vr_texts(values[Anum_routing_excluded_vendor_ids - 1]);
	plan->confirm_within = copy_interval(values, nulls, Anum_routing_confirm_within);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}
