/*-------------------------------------------------------------------------
 *
 * routing_write.c
 *		The only writer of the table routings.
 *
 * Locking: who writes a routing holds its lock (lock.c), so that the row it
 * read last is the row it writes.  vr_routing_lock_in is a compare-and-set all
 * the same: the row decides who wins, not the lock.
 *
 * Errors: 09000 where a row was not written as it was read (vr_spi_not_written).
 *
 * IDENTIFICATION
 *	  src/routing_write.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"

#include "clock.h"
#include "outbox.h"
#include "routing.h"
#include "spi.h"

/*
 * An update of the row that was read last.  $1 to $3 are its place, its id and
 * its version.
 */
#define UPDATE_ROUTING(set, nparams, ...) \
	VR_ROW_STATEMENT("UPDATE vendor_routing.routings SET " set, \
					 "routing_id = $2 AND version = $3" \
					 " RETURNING ctid, version", \
					 nparams, UUIDOID, INT4OID, __VA_ARGS__)

/*
 * Runs such an update, and brings place and version up to date.  Fills in the
 * first three parameters.
 */
static void
update_routing(VrRouting *routing, const VrRowStatement *update,
			   NullableDatum *params)
{
	params[0] = vr_param_tid(&routing->tid);
	params[1] = vr_param_ptr(&routing->routing_id);
	params[2] = vr_param(Int32GetDatum(routing->version));
	if (!vr_spi_write_row(update, params))
		vr_spi_not_written();
	if (ItemPointerIsValid(&routing->tid))
		routing->tid = *(ItemPointer) DatumGetPointer(vr_spi_value(0, 1).value);
	routing->version = DatumGetInt32(vr_spi_value(0, 2).value);
}

/*
 * Puts the routing in the outbox, before *routing is brought up to date.  One that was
 * open is there.
 */
static void
put_in_outbox(const VrRouting *routing)
{
	if (routing->status != VR_PENDING && routing->status != VR_EXHAUSTED)
		vr_outbox_put_back(&routing->routing_id);
}

/*
 * Lets senders see what has changed; as put_in_outbox.
 */
static void
tell(const VrRouting *routing)
{
	put_in_outbox(routing);
	vr_wake_senders();
}

/*
 * Adds the routing of an order that has none to what vr_routings_write is to write.
 */
void
vr_routing_add(VrRows *rows, const VrRouting *routing, const VrPlan *plan,
			   TimestampTz now)
{
	const VrOrder *order = &plan->order;
	NullableDatum columns[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param_ptr(order->order_id),
		vr_param_ptr(order->retailer_id),
		vr_param_ptr(order->product),
		vr_param_ptr(order->amount),
		{Float8GetDatum(order->place.latitude), !order->has_place},
		{Float8GetDatum(order->place.longitude), !order->has_place},
		vr_param_ptr(order->payload),
		vr_param_ptr(cstring_to_text(vr_status_name(VR_PENDING))),
		vr_param(Int32GetDatum(routing->round)),
		vr_param(Int32GetDatum(routing->wave)),
		vr_param_ptr(NULL),
		vr_param_time(0),
		vr_param(Int32GetDatum(1)),
		vr_param(TimestampTzGetDatum(routing->next_deadline)),
		vr_param(TimestampTzGetDatum(routing->expires_at)),
		vr_param(TimestampTzGetDatum(now)),
		vr_param(TimestampTzGetDatum(now)),
		vr_param_ptr(plan->waves),
		vr_param_ptr(plan->offer_ttl),
		vr_param_time(routing->next_wave_at),
		vr_param_ptr(NULL),
		vr_param(Int32GetDatum(routing->releases)),
		vr_param_ptr(plan->confirm_within)
	};

	StaticAssertStmt(lengthof(columns) == Anum_routing_confirm_within,
					 "columns in the order of the table");
	vr_rows_add(rows, "routings", columns, lengthof(columns));
}

/*
 * Makes the routings that were added, but those of orders that have one already
 * that was not seen (see vr_proven_row).  Returns the ids of those made, in the order
 * in which they were added; *n says how many.
 */
pg_uuid_t *
vr_routings_write(VrRows *rows, int *n)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.routings (" VR_ROUTING_COLUMNS ")"
		" SELECT " VR_ROUTING_COLUMNS " FROM " VR_ROWS
		" ON CONFLICT (routing_id) DO NOTHING"
		" RETURNING routing_id"
	};
	pg_uuid_t  *made = palloc(rows->n * sizeof(pg_uuid_t));

	*n = (int) vr_rows_insert(rows, &insert);
	for (int i = 0; i < *n; i++)
		made[i] = *DatumGetUUIDP(vr_spi_value(i, 1).value);
	vr_outbox_add(made, *n);
	vr_wake_senders();
	return made;
}

/*
 * The compare-and-set: gives an order that nobody has to a vendor.  Returns true
 * and brings *routing up to date, or returns false where the row, as it is now,
 * is not as it was read.
 *
 * Where the winner need not confirm, next_deadline stays: see 21_routings.sql.
 */
bool
vr_routing_lock_in(VrRouting *routing, const text *vendor_id, TimestampTz now)
{
	static const VrRowStatement compare_and_set = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.routings"
		" SET status = 'LOCKED', locked_vendor_id = $4, locked_at = $5,"
		"     updated_at = $5, version = $6, confirm_by = $7, next_deadline = $8,"
		"     next_wave_at = NULL",
		"routing_id = $2 AND version = $3"
		" AND status = $9 AND locked_vendor_id IS NULL",
		9, UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TEXTOID);
	TimestampTz confirm_by = (routing->confirm_within == NULL) ? 0 :
		vr_add_interval(now, routing->confirm_within);
	TimestampTz next_deadline = (confirm_by == 0) ? routing->next_deadline : confirm_by;
	NullableDatum params[] = {
		vr_param_tid(&routing->tid),
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->version)),
		vr_param_ptr(vendor_id),
		vr_param(TimestampTzGetDatum(now)),
		vr_param(Int32GetDatum(routing->version + 1)),
		vr_param_time(confirm_by),
		vr_param_time(next_deadline),
		vr_param_ptr(cstring_to_text(vr_status_name(routing->status)))
	};

	Assert(vr_transition_allowed(routing->status, VR_LOCKED));
	if (!vr_spi_write_row(&compare_and_set, params))
		return false;
	ItemPointerSetInvalid(&routing->tid);	/* to learn the new one takes RETURNING */
	routing->version++;
	routing->moved = true;
	routing->status = VR_LOCKED;
	routing->locked_vendor_id = (text *) vendor_id;
	routing->locked_at = now;
	routing->confirm_by = confirm_by;
	routing->next_wave_at = 0;
	routing->next_deadline = next_deadline;
	vr_wake_senders();			/* an open routing is in the outbox */
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
	static const VrRowStatement update = UPDATE_ROUTING(
		"status = $4, next_deadline = $5, next_wave_at = NULL,"
		" version = version + 1, updated_at = $6",
		6, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
	TimestampTz next_deadline = (status == VR_EXHAUSTED) ? routing->expires_at : 0;
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param_ptr(cstring_to_text(vr_status_name(status))),
		vr_param_time(next_deadline),
		vr_param(TimestampTzGetDatum(now))
	};

	Assert(vr_transition_allowed(routing->status, status));
	update_routing(routing, &update, params);
	tell(routing);
	routing->moved = true;
	routing->status = status;
	routing->next_deadline = next_deadline;
	routing->next_wave_at = 0;
}

/*
 * Makes the routing another for senders, who have to look for cancellations that were added.
 * The caller holds its lock.
 */
void
vr_routing_touch(VrRouting *routing, TimestampTz now)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"version = version + 1, updated_at = $4", 4, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param(TimestampTzGetDatum(now))
	};

	update_routing(routing, &update, params);
	tell(routing);
}

/*
 * Moves the time at which there is work to do, 0 for never; a routing whose
 * time is right already is not touched.  The caller holds the lock of the routing.
 */
void
vr_routing_set_next_deadline(VrRouting *routing, TimestampTz next_deadline)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"next_deadline = $4", 4, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param_time(next_deadline)
	};

	if (routing->next_deadline == next_deadline)
		return;
	update_routing(routing, &update, params);
	routing->next_deadline = next_deadline;
}

/*
 * Takes away the times of routings that wait for nothing any more, as they were
 * read under their locks.
 */
void
vr_routings_forget_deadlines(const List *routings)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.routings"
		" SET next_deadline = NULL"
		" WHERE ctid = ANY ($1) AND (next_deadline IS NOT NULL) IS TRUE",
		1, {TIDARRAYOID}
	};
	Datum	   *tids = palloc(list_length(routings) * sizeof(Datum));
	int			ntids = 0;
	NullableDatum params[1];
	ListCell   *cell;

	foreach(cell, routings)
	{
		VrRouting  *routing = lfirst(cell);

		if (ItemPointerIsValid(&routing->tid))
			tids[ntids++] = PointerGetDatum(&routing->tid);
		else
			vr_routing_set_next_deadline(routing, 0);	/* LCOV_EXCL_LINE: a scan missed it, see vr_proven_row */
	}
	params[0] = vr_param_ptr(construct_array(tids, ntids, TIDOID,
											 sizeof(ItemPointerData), false,
											 TYPALIGN_SHORT));
	if (ntids > 0)
		vr_spi_write_exactly(&update, params, ntids);
}

/*
 * Writes the wave that *routing says, and what comes after it, to a routing
 * whose lock we hold.
 */
void
vr_routing_set_wave(VrRouting *routing, TimestampTz now)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"wave = $4, next_wave_at = $5, next_deadline = $6,"
		" version = version + 1, updated_at = $7",
		7, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param(Int32GetDatum(routing->wave)),
		vr_param_time(routing->next_wave_at),
		vr_param_time(routing->next_deadline),
		vr_param(TimestampTzGetDatum(now))
	};

	update_routing(routing, &update, params);
	vr_wake_senders();
}

/*
 * The time at which a round begins that vr_routing_start_round is to write.  Waits
 * first for a sender that is taking the routing out of the outbox, which is the last
 * that a round waits for: offers made before that would be too short.
 */
TimestampTz
vr_routing_begin_round(const VrRouting *routing)
{
	put_in_outbox(routing);
	return vr_now();
}

/*
 * Starts the round that *routing and the plan say, with nobody having the
 * order.  The caller holds the lock of the routing.
 */
void
vr_routing_start_round(VrRouting *routing, const VrPlan *plan, TimestampTz now)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"status = 'PENDING', round = $4, wave = $5, next_wave_at = $6,"
		" next_deadline = $7, expires_at = $8, waves = $9,"
		" excluded_vendor_ids = $10, releases = $11,"
		" locked_vendor_id = NULL, locked_at = NULL,"
		" confirm_by = NULL, confirmed_at = NULL,"
		" version = version + 1, updated_at = $12",
		12, INT4OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		JSONBOID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param(Int32GetDatum(routing->round)),
		vr_param(Int32GetDatum(routing->wave)),
		vr_param_time(routing->next_wave_at),
		vr_param_time(routing->next_deadline),
		vr_param(TimestampTzGetDatum(routing->expires_at)),
		vr_param_ptr(plan->waves),
		vr_param_texts(plan->excluded),
		vr_param(Int32GetDatum(routing->releases)),
		vr_param(TimestampTzGetDatum(now))
	};

	update_routing(routing, &update, params);
	tell(routing);
	routing->moved = true;
	routing->status = VR_PENDING;
	routing->locked_vendor_id = NULL;
	routing->locked_at = 0;
	routing->confirm_by = 0;
	routing->confirmed_at = 0;
}

/*
 * Writes that the winner has confirmed.  The caller holds the lock of the
 * routing.
 */
void
vr_routing_set_confirmed(VrRouting *routing, TimestampTz now)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"confirmed_at = $4, next_deadline = NULL,"
		" version = version + 1, updated_at = $4",
		4, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param(TimestampTzGetDatum(now))
	};

	update_routing(routing, &update, params);
	routing->confirmed_at = now;
	routing->next_deadline = 0;
}

/*
 * LOCKED to COMPLETED.  The caller holds the lock of the routing.
 */
void
vr_routing_complete(VrRouting *routing, const text *outcome, TimestampTz now)
{
	static const VrRowStatement update = UPDATE_ROUTING(
		"status = 'COMPLETED', outcome = $4, next_deadline = NULL,"
		" version = version + 1, updated_at = $5",
		5, TEXTOID, TIMESTAMPTZOID);
	NullableDatum params[] = {
		{0}, {0}, {0},
		vr_param_ptr(outcome),
		vr_param(TimestampTzGetDatum(now))
	};

	update_routing(routing, &update, params);
	routing->moved = true;
	routing->status = VR_COMPLETED;
	routing->outcome = (text *) outcome;
	routing->next_deadline = 0;
}
