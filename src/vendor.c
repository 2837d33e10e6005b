/*-------------------------------------------------------------------------
 *
 * vendor.c
 *		The table vendors: how many orders a vendor has.  The only writer of
 *		that count; everything else in the table is the application's.
 *
 * Locking: who changes the count locks the row, after the routing.
 *
 * IDENTIFICATION
 *	  src/vendor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "newest.h"
#include "spi.h"
#include "vendor.h"

/* Column of vendor_routing.vendors that is read (20_vendors.sql). */
#define Anum_vendor_vendor_id 1

/*
 * The newest version of a vendor's row, or NULL.  Waits while somebody else is
 * changing it.
 */
static TupleTableSlot *
newest_vendor(Relation vendors, const text *vendor_id)
{
	static const VrStatement exists = {
		"SELECT 1"
		" FROM vendor_routing.vendors"
		" WHERE vendor_id = $1",
		1, {TEXTOID}
	};
	NullableDatum key[] = {vr_param_ptr(vendor_id)};
	TupleTableSlot *slot;
	bool		waited = false;

	/* Not seen, and yet there: it was being moved, so look again. */
	do
		slot = vr_newest_row(vendors, lengthof(key), key, &waited);
	while (slot == NULL && vr_spi_read(&exists, key) > 0);

	return slot;
}

/*
 * Locks the row of a vendor until the end of the transaction and sets *tid to
 * its place; to be called with the routing locked.  Returns the first gate that
 * the vendor does not pass, of those that depend on it alone; who is not in the
 * registry is not active.
 *
 * With only_eligible, who does not pass is not locked: a vendor that is told
 * no does not stand in the way of others.
 *
 * The lock of the row is taken directly, because a locking query would fail
 * with 40001 at REPEATABLE READ where another order of the vendor, or an update
 * of the application's, is committed at this moment.
 */
VrGate
vr_vendor_lock(const text *vendor_id, bool only_eligible, ItemPointerData *tid)
{
	Relation	vendors = vr_open_table("vendors");
	TupleTableSlot *slot = newest_vendor(vendors, vendor_id);
	VrGate		gate = VR_GATE_ACTIVE;

	ItemPointerSetInvalid(tid);
	if (slot != NULL)
	{
		gate = vr_vendor_gate(slot);
		if (gate == VR_GATE_NONE || !only_eligible)
		{
			gate = vr_lock_row(vendors, slot) ? vr_vendor_gate(slot) : VR_GATE_ACTIVE;
			*tid = slot->tts_tid;
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(vendors, NoLock);
	return gate;
}

/*
 * Counts orders of a vendor up or down; the row is locked, and where
 * vr_vendor_lock said.  A count that somebody has corrected by hand does not go
 * below zero.
 */
void
vr_vendor_count_orders(const text *vendor_id, const ItemPointerData *tid,
					   int change)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.vendors"
		" SET current_orders = greatest(current_orders + $3, 0)"
		" WHERE ctid = $1 AND vendor_id = $2",
		3, {TIDOID, TEXTOID, INT4OID}
	};
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param(Int32GetDatum(change))
	};

	vr_spi_write_exactly(&update, params, 1);
}

/*
 * The id in a row of the table, for triggers, which fire before the constraints
 * are looked at: NULL where there is none.
 */
text *
vr_vendor_id(TupleDesc tupdesc, HeapTuple tuple)
{
	bool		isnull;
	Datum		vendor_id = heap_getattr(tuple, Anum_vendor_vendor_id, tupdesc,
										 &isnull);

	return isnull ? NULL : DatumGetTextPP(vendor_id);
}

/*
 * Does an open routing have an offer to this vendor, or has it an order that is
 * not finished?  NULL stands for any vendor.
 */
bool
vr_vendor_in_use(const text *vendor_id)
{
	static const VrStatement select = {
		"SELECT 1"
		" FROM vendor_routing.responses AS r"
		" JOIN vendor_routing.routings AS t"
		"      ON t.routing_id = r.routing_id AND t.round = r.round"
		" WHERE r.vendor_id = $1"
		" AND (t.status = 'PENDING'"
		"      OR t.status = 'LOCKED' AND t.locked_vendor_id = $1)"
		" LIMIT 1",
		1, {TEXTOID}
	};
	static const VrStatement select_any = {
		"SELECT 1"
		" FROM vendor_routing.routings"
		" WHERE status IN ('PENDING', 'LOCKED')"
		" LIMIT 1",
		0, {0}
	};
	NullableDatum params[] = {vr_param_ptr(vendor_id)};

	return vr_spi_read(vendor_id == NULL ? &select_any : &select, params) > 0;
}
