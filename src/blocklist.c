/*-------------------------------------------------------------------------
 *
 * blocklist.c
 *		The table blocklist: vendors that get no orders of a retailer.
 *		vr_block and vr_unblock, its only writers.
 *
 * It is asked when offers are made and again when the order is won, so that
 * who is blocked in between does not win.  Offers already made are not taken
 * back.
 *
 * Locking: the row of the vendor, so that two who change the same entry do it
 * one after the other, and the vendor wins before a block or not at all.
 *
 * IDENTIFICATION
 *	  src/blocklist.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "blocklist.h"
#include "catalog.h"
#include "clock.h"
#include "event.h"
#include "json.h"
#include "newest.h"
#include "spi.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_block);
PG_FUNCTION_INFO_V1(vr_unblock);

/* Column of vendor_routing.blocklist that is read (26_blocklist.sql). */
#define Anum_blocklist_vendor_id 2

static void
take_vendor_id(TupleTableSlot *slot, void *arg)
{
	List	  **vendor_ids = arg;
	bool		isnull;

	*vendor_ids = lappend(*vendor_ids,
						  DatumGetTextPCopy(slot_getattr(slot,
														 Anum_blocklist_vendor_id,
														 &isnull)));
}

static List *
read_blocklist(int nkeys, const NullableDatum *key)
{
	Relation	table = vr_open_table("blocklist");
	List	   *vendor_ids = NIL;

	vr_newest_rows(table, nkeys, key, take_vendor_id, &vendor_ids);
	table_close(table, NoLock);
	return vendor_ids;
}

/*
 * The ids of the vendors that a retailer has blocked.
 */
List *
vr_blocked_vendors(const text *retailer_id)
{
	NullableDatum key[] = {vr_param_ptr(retailer_id)};

	return read_blocklist(lengthof(key), key);
}

/*
 * Has the retailer blocked the vendor?  If the vendor's row is locked, that
 * stays so.
 */
bool
vr_is_blocked(const text *retailer_id, const text *vendor_id)
{
	NullableDatum key[] = {vr_param_ptr(retailer_id), vr_param_ptr(vendor_id)};

	return read_blocklist(lengthof(key), key) != NIL;
}

/*
 * vr_block(retailer_id text, vendor_id text, reason text) returns boolean
 */
Datum
vr_block(PG_FUNCTION_ARGS)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.blocklist"
		" (retailer_id, vendor_id, reason, created_at)"
		" VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (retailer_id, vendor_id) DO NOTHING",
		4, {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
	};
	const text *retailer_id = vr_arg_id(fcinfo, 0, "retailer_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	const text *reason = vr_arg_optional_text(fcinfo, 2, "reason");
	TimestampTz now = vr_now();
	NullableDatum params[] = {
		vr_param_ptr(retailer_id),
		vr_param_ptr(vendor_id),
		vr_param_ptr(reason),
		vr_param(TimestampTzGetDatum(now))
	};
	VrVendorLock lock;
	bool		blocked;
	VrSpi		spi;

	vr_require_writable("vr_block()");

	vr_spi_begin(&spi);
	vr_vendor_lock_known(vendor_id, &lock);
	blocked = (vr_spi_write(&insert, params) == 1);
	if (blocked)
		vr_vendor_event_insert(vendor_id, now, VR_EVENT_BLOCKED,
							   vr_json({"retailer_id", .string = vr_cstring(retailer_id)},
									   {"reason", .string = vr_cstring(reason),
										.skip = (reason == NULL)}));
	vr_spi_end(&spi);

	PG_RETURN_BOOL(blocked);
}

/*
 * vr_unblock(retailer_id text, vendor_id text) returns boolean
 */
Datum
vr_unblock(PG_FUNCTION_ARGS)
{
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.blocklist"
		" WHERE retailer_id = $1 AND vendor_id = $2",
		2, {TEXTOID, TEXTOID}
	};
	const text *retailer_id = vr_arg_id(fcinfo, 0, "retailer_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	NullableDatum params[] = {
		vr_param_ptr(retailer_id),
		vr_param_ptr(vendor_id)
	};
	VrVendorLock lock = {.wait = true};
	bool		unblocked;
	VrSpi		spi;

	vr_require_writable("vr_unblock()");

	vr_spi_begin(&spi);
	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	unblocked = (vr_spi_write(&delete, params) == 1);
	if (unblocked)
		vr_vendor_event_insert(vendor_id, vr_now(), VR_EVENT_UNBLOCKED,
							   vr_json({"retailer_id", .string = vr_cstring(retailer_id)}));
	vr_spi_end(&spi);

	PG_RETURN_BOOL(unblocked);
}
