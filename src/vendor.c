/*-------------------------------------------------------------------------
 *
 * vendor.c
 *		The table vendors: what the extension keeps there, which is the orders
 *		a vendor has and has finished, pauses and hours.  Everything else in
 *		the table is the application's.
 *
 * Locking: who changes a row locks it, after the routing.
 *
 * IDENTIFICATION
 *	  src/vendor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "catalog.h"
#include "event.h"
#include "json.h"
#include "newest.h"
#include "response.h"
#include "settings.h"
#include "spi.h"
#include "vendor.h"
#include "vendor_mapping.h"

/*
 * Is the vendor in the registry?  Asked where its row was not seen: if it is there, it
 * was being moved at that moment, so look again, VR_MAX_LOOKS times at most.  What the
 * statement that calls us has deleted is never seen.
 */
bool
vr_vendor_exists(const text *vendor_id)
{
	static const VrStatement select = {
		"SELECT 1"
		" FROM vendor_routing.vendors"
		" WHERE vendor_id = $1",
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(vendor_id)};

	return vr_spi_read(&select, params) == 1;
}

/*
 * The newest version of a vendor's row, or NULL.  With wait, after whoever is
 * changing it; else *changing is set.
 */
static TupleTableSlot *
newest_vendor(Relation vendors, const text *vendor_id, bool wait, bool *changing)
{
	NullableDatum key[] = {vr_param_ptr(vendor_id)};
	TupleTableSlot *slot = NULL;

	for (int i = 0; i < VR_MAX_LOOKS; i++)
	{
		slot = vr_newest_row(vendors, lengthof(key), key, wait, changing);
		if (slot != NULL || !vr_vendor_exists(vendor_id))
			break;
	}
	return slot;
}

/*
 * Locks the row of a vendor until the end of the transaction; to be called with
 * the routing locked, where there is one.  Returns the first of these gates (a
 * set) that the vendor does not pass; who is not in the registry is not active.
 *
 * Who does not pass is not locked: a vendor that is told no does not stand in
 * the way of others.  Without gates, whoever it is is locked.  Who is asked for gates, and
 * passes them, is to win: the row of the application's comes first (vendor_mapping.c).
 *
 * The lock of the row is taken directly, because a locking query would fail
 * with 40001 at REPEATABLE READ where another order of the vendor, or an update
 * of the application's, is committed at this moment.
 */
VrGate
vr_vendor_lock(const text *vendor_id, int gates, const VrQuestion *question,
			   VrVendorLock *lock)
{
	Relation	vendors = vr_open_table_to_lock("vendors");
	VrGate		gate = VR_GATE_ACTIVE;
	bool		gone = true;

	ItemPointerSetInvalid(&lock->tid);
	/* Who has gone while we waited may have been put back. */
	while (gone)
	{
		bool		changing = false;
		TupleTableSlot *slot = newest_vendor(vendors, vendor_id, lock->wait, &changing);

		CHECK_FOR_INTERRUPTS();
		gone = false;
		lock->busy = (changing && !lock->wait);
		if (slot == NULL)
			break;
		gate = vr_vendor_gate(slot, gates, question);
		if (gate == VR_GATE_NONE && !lock->busy)
		{
			VrRowLock	result = VR_ROW_BUSY;

			if (gates == 0 || vr_vendor_keep_attached(vendor_id, lock->wait))
				result = vr_lock_row_as(vendors, slot,
										lock->exclusive ? LockTupleExclusive :
										LockTupleNoKeyExclusive, lock->wait);
			lock->busy = (result == VR_ROW_BUSY);
			gone = (result == VR_ROW_GONE);
			if (result == VR_ROW_LOCKED)
			{
				/* Also of the same version: who blocks a vendor locks its row only. */
				gate = vr_vendor_gate(slot, gates, question);
				lock->tid = slot->tts_tid;
			}
			else
				gate = VR_GATE_ACTIVE;
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(vendors, NoLock);
	return gate;
}

/*
 * Says that there is no such vendor: 22023.
 */
void
vr_vendor_unknown(const text *vendor_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("vendor \"%s\" does not exist", text_to_cstring(vendor_id))));
}

/*
 * Locks the row of a vendor who must be in the registry.
 */
void
vr_vendor_lock_known(const text *vendor_id, VrVendorLock *lock)
{
	*lock = (VrVendorLock) {.wait = true};
	(void) vr_vendor_lock(vendor_id, 0, NULL, lock);
	if (!ItemPointerIsValid(&lock->tid))
		vr_vendor_unknown(vendor_id);
}

/*
 * Refuses a vendor who is not in the registry.
 */
void
vr_vendor_require(const text *vendor_id)
{
	Relation	vendors = vr_open_table("vendors");
	bool		changing;
	TupleTableSlot *slot = newest_vendor(vendors, vendor_id, false, &changing);

	if (slot == NULL)
		vr_vendor_unknown(vendor_id);
	ExecDropSingleTupleTableSlot(slot);
	table_close(vendors, NoLock);
}

/*
 * Counts orders of a vendor up or down; the row is locked.  A count that somebody
 * has corrected by hand does not go below zero.
 */
void
vr_vendor_count_orders(const text *vendor_id, const ItemPointerData *tid,
					   int change)
{
	static const VrRowStatement update = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.vendors"
		" SET current_orders = greatest(current_orders + $3, 0)",
		"vendor_id = $2",
		3, TEXTOID, INT4OID);
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param(Int32GetDatum(change))
	};

	if (!vr_spi_write_row(&update, params))
		vr_spi_not_written();
}

/*
 * Counts an order that is finished, and a rating, which may be NULL; what the
 * score is made of.  The row is locked.
 */
void
vr_vendor_finish_order(const text *vendor_id, const ItemPointerData *tid,
					   bool delivered, Numeric rating)
{
	static const VrRowStatement update = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.vendors"
		" SET current_orders = greatest(current_orders - 1, 0),"
		"     total_orders = total_orders + 1,"
		"     completed_orders = completed_orders + $3,"
		"     rating_count = rating_count + $4,"
		"     rating_sum = rating_sum + $5,"
		"     average_rating = CASE WHEN $4 = 0 THEN average_rating"
		"         ELSE (rating_sum + $5) / (rating_count + $4)::pg_catalog.numeric END",
		"vendor_id = $2",
		5, TEXTOID, INT4OID, INT4OID, NUMERICOID);
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param(Int32GetDatum(delivered ? 1 : 0)),
		vr_param(Int32GetDatum(rating == NULL ? 0 : 1)),
		vr_param(NumericGetDatum(rating == NULL ? int64_to_numeric(0) : rating))
	};

	if (!vr_spi_write_row(&update, params))
		vr_spi_not_written();
}

/*
 * Offers a vendor nothing until then.  The row is locked.
 */
void
vr_vendor_pause(const text *vendor_id, const ItemPointerData *tid,
				TimestampTz until, const text *reason, TimestampTz now)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.vendors"
		" SET paused_at = $3, paused_until = $4, pause_reason = $5"
		" WHERE ctid = $1 AND vendor_id = $2",
		5, {TIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param(TimestampTzGetDatum(now)),
		vr_param(TimestampTzGetDatum(until)),
		vr_param_ptr(reason)
	};

	vr_spi_write_exactly(&update, params, 1);
	vr_vendor_event_insert(vendor_id, now, VR_EVENT_PAUSED,
						   vr_json({"until", .string = timestamptz_to_str(until)},
								   {"reason",
									.string = vr_cstring(reason),
									.skip = (reason == NULL)}));
}

/*
 * Ends the pause of a vendor, if it is to end at or before then.  The row is
 * locked.  Returns false where there is nothing to end.
 */
bool
vr_vendor_resume(const text *vendor_id, const ItemPointerData *tid,
				 TimestampTz ends, TimestampTz now)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.vendors"
		" SET paused_until = NULL"
		" WHERE ctid = $1 AND vendor_id = $2 AND paused_until <= $3",
		3, {TIDOID, TEXTOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param(TimestampTzGetDatum(ends))
	};

	if (vr_spi_write(&update, params) == 0)
		return false;
	vr_vendor_event_insert(vendor_id, now, VR_EVENT_RESUMED, NULL);
	return true;
}

/*
 * The vendors whose pauses are over, at most so many.
 */
List *
vr_vendors_to_resume(int max, TimestampTz now)
{
	return vr_newest_texts_until("vendors", "vendors_paused_until_idx", now,
								 Anum_vendor_vendor_id, max);
}

/*
 * Ends the pause of a vendor, if it is over; one whose row others have is left for the
 * next time.
 */
bool
vr_vendor_end_pause(const text *vendor_id, TimestampTz now)
{
	VrVendorLock lock = {.wait = false};

	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	return ItemPointerIsValid(&lock.tid) &&
		vr_vendor_resume(vendor_id, &lock.tid, now, now);
}

/*
 * When the next pause ends, infinity included; false where there is none.
 */
bool
vr_vendors_next_resume(TimestampTz now, TimestampTz *when)
{
	return vr_newest_time_after("vendors", "vendors_paused_until_idx", now, when);
}

/*
 * When a vendor's last pause began and when it ends, or ended; the beginning of
 * time where there is none.  Returns false for no vendor.
 */
static bool
read_pause(const text *vendor_id, TimestampTz *paused_at, TimestampTz *paused_until)
{
	Relation	vendors = vr_open_table("vendors");
	bool		changing = false;
	TupleTableSlot *slot = newest_vendor(vendors, vendor_id, false, &changing);
	bool		found = (slot != NULL);

	if (found)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, Anum_vendor_paused_at, &isnull);

		*paused_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
		value = slot_getattr(slot, Anum_vendor_paused_until, &isnull);
		*paused_until = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(vendors, NoLock);
	return found;
}

/*
 * Pauses a vendor that has left so many offers in a row unanswered, if that is
 * switched on.  One whose row others have is left for the next time.
 */
void
vr_vendor_pause_if_silent(const text *vendor_id, TimestampTz now)
{
	VrVendorLock lock = {.wait = false};
	TimestampTz paused_at;
	TimestampTz paused_until;

	if (vr_auto_pause_after == 0 ||
		!read_pause(vendor_id, &paused_at, &paused_until) ||
		paused_until > now ||
		!vr_responses_all_silent(vendor_id, vr_auto_pause_after, paused_at))
		return;

	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	if (ItemPointerIsValid(&lock.tid))
		vr_vendor_pause(vendor_id, &lock.tid,
						now + vr_auto_pause_for * USECS_PER_SEC,
						cstring_to_text(psprintf("%d offers in a row unanswered",
												 vr_auto_pause_after)),
						now);
}

/* What the server takes for a time of day beside this depends on the moment, or the zone. */
#define TIME_OF_DAY "\"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?$\""

/*
 * Refuses hours that are not such: 22023.  This reads the zones of the server from their
 * files, so nobody is to wait for us meanwhile.
 */
void
vr_check_hours(const text *time_zone, const Jsonb *hours)
{
	static const VrStatement zone_exists = {
		"SELECT 1"
		" FROM pg_catalog.pg_timezone_names"
		" WHERE name = $1",
		1, {TEXTOID}
	};

	static const VrStatement shape_is_right = {
		"SELECT CASE WHEN pg_catalog.jsonb_typeof($1) = 'array'"
		" THEN pg_catalog.jsonb_array_length($1) ="
		"  pg_catalog.jsonb_array_length(pg_catalog.jsonb_path_query_array($1,"
		"   'strict $[*] ? (@.type() == \"object\" && @.from like_regex " TIME_OF_DAY
		"     && @.to like_regex " TIME_OF_DAY " && @.days.type() == \"array\""
		"     && !exists(@.keyvalue() ? (@.key != \"days\" && @.key != \"from\" && @.key != \"to\"))"
		"     && !exists(@.days[*] ? (@.type() != \"number\""
		"       || !(@ == 1 || @ == 2 || @ == 3 || @ == 4 || @ == 5 || @ == 6 || @ == 7))))'))"
		" ELSE false END",
		1, {JSONBOID}
	};
	NullableDatum zone[] = {vr_param_ptr(time_zone)};

	if (hours != NULL)
	{
		NullableDatum shape[] = {vr_param_ptr(hours)};

		vr_spi_read(&shape_is_right, shape);
		if (!DatumGetBool(vr_spi_value(0, 1).value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("hours are not valid"),
					 errhint("Give an array of objects like {\"days\": [1, 2, 3, 4, 5], \"from\": \"09:00\", \"to\": \"18:00\"}; Monday is 1.")));
	}
	if (time_zone != NULL && vr_spi_read(&zone_exists, zone) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" does not exist",
						text_to_cstring(time_zone)),
				 errhint("The view pg_timezone_names has those that do.")));
}

/*
 * Sets the working hours of a vendor: a JSON array of {"days", "from", "to"},
 * or NULL with NULL for the zone, which have been checked.  The row is locked.
 */
void
vr_vendor_set_hours(const text *vendor_id, const ItemPointerData *tid,
					const text *time_zone, const Jsonb *hours, TimestampTz now)
{
	/* Whole minutes.  Hours that end when or before they begin end the next day. */
	static const VrStatement update = {
		"UPDATE vendor_routing.vendors"
		" SET time_zone = $3,"
		"     working_hours = CASE WHEN $4 IS NOT NULL THEN ("
		"      SELECT coalesce(pg_catalog.range_agg(pg_catalog.int4range(p.lower, p.upper)), '{}')"
		"      FROM pg_catalog.jsonb_array_elements($4) AS h (hours)"
		"      CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(h.hours -> 'days') AS d (day)"
		"      CROSS JOIN LATERAL (SELECT"
		"       (h.hours ->> 'from')::pg_catalog.time AS opens,"
		"       (h.hours ->> 'to')::pg_catalog.time AS closes) AS t"
		"      CROSS JOIN LATERAL (SELECT"
		"       (d.day::pg_catalog.numeric::pg_catalog.int4 - 1) * 1440"
		"        + pg_catalog.floor(extract(epoch FROM t.opens) / 60)::pg_catalog.int4 AS begins,"
		"       (d.day::pg_catalog.numeric::pg_catalog.int4 - 1) * 1440"
		"        + pg_catalog.ceil(extract(epoch FROM t.closes) / 60)::pg_catalog.int4"
		"        + CASE WHEN t.closes <= t.opens THEN 1440 ELSE 0 END AS ends) AS w"
		"      CROSS JOIN LATERAL (VALUES (w.begins, least(w.ends, 10080)),"
		"                                 (0, greatest(w.ends - 10080, 0))) AS p (lower, upper))"
		"     END"
		" WHERE ctid = $1 AND vendor_id = $2",
		4, {TIDOID, TEXTOID, TEXTOID, JSONBOID}
	};
	NullableDatum params[] = {
		vr_param_tid(tid),
		vr_param_ptr(vendor_id),
		vr_param_ptr(time_zone),
		vr_param_ptr(hours)
	};

	vr_spi_write_exactly(&update, params, 1);
	vr_vendor_event_insert(vendor_id, now, VR_EVENT_HOURS_SET,
						   time_zone == NULL ? NULL :
						   vr_json({"time_zone", .string = text_to_cstring(time_zone)}));
}

/*
 * Counts the orders of a vendor anew, with its row locked: who has won or lost
 * one for it and has not ended has the row, so we wait for that.  Returns
 * whether there was something to correct; detail says what, for the record.
 */
bool
vr_vendor_recount(const text *vendor_id, const char *detail, TimestampTz now)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.vendors AS v"
		" SET current_orders = l.orders"
		" FROM (SELECT count(*)::int4 AS orders"
		"       FROM vendor_routing.routings AS t"
		"       WHERE t.status = 'LOCKED' AND t.locked_vendor_id = $2) AS l"
		" WHERE v.ctid = $1 AND v.vendor_id = $2 AND v.current_orders <> l.orders",
		2, {TIDOID, TEXTOID}
	};
	VrVendorLock lock = {.wait = true};
	NullableDatum params[2];

	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	if (!ItemPointerIsValid(&lock.tid))
		return false;			/* LCOV_EXCL_LINE: removed since */
	params[0] = vr_param_tid(&lock.tid);
	params[1] = vr_param_ptr(vendor_id);
	if (vr_spi_write(&update, params) == 0)
		return false;			/* LCOV_EXCL_LINE: put right since */
	vr_vendor_event_insert(vendor_id, now, VR_EVENT_LOAD_REPAIRED,
						   vr_json({"detail", .string = detail}));
	return true;
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
		" JOIN LATERAL (SELECT t.round, t.status, t.locked_vendor_id"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = r.routing_id" VR_BY_KEY ") AS t ON t.round = r.round"
		" WHERE r.vendor_id = $1"
		" AND (t.status = 'PENDING'"
		"      OR t.status = 'LOCKED' AND t.locked_vendor_id = $1)"
		" LIMIT 1",
		1, {TEXTOID},
		.joins = true
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

/*
 * Finds whose phone it is, in E.164.  Read without predicate locks where a row is seen;
 * one that is being moved to another page at that moment can be missed, so a statement
 * has the last word.
 */
bool
vr_vendor_by_phone(const text *phone, text **vendor_id, Jsonb **attributes)
{
	static const VrStatement select = {
		"SELECT vendor_id, attributes"
		" FROM vendor_routing.vendors"
		" WHERE phone = $1",
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(phone)};
	Relation	table = vr_open_table("vendors");
	Relation	index = vr_open_index("vendors_phone_key");
	TupleTableSlot *slot = table_slot_create(table, NULL);
	bool		found = vr_newest_last(table, index, PointerGetDatum(phone), slot);

	if (found)
	{
		bool		isnull;

		*vendor_id = DatumGetTextPCopy(slot_getattr(slot, Anum_vendor_vendor_id, &isnull));
		*attributes = DatumGetJsonbPCopy(slot_getattr(slot, Anum_vendor_attributes, &isnull));
	}
	else if (vr_spi_read(&select, params) == 1)
	{
		found = true;
		*vendor_id = vr_spi_text(0, 1);
		*attributes = DatumGetJsonbPCopy(vr_spi_value(0, 2).value);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(table, NoLock);
	return found;
}
