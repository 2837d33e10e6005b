/*-------------------------------------------------------------------------
 *
 * outbox.c
 *		The table outbox: routings of which somebody may have to be told something.
 *		Its only writer.
 *
 * To accept writes nothing here.  outbox has one row for each such routing, and the
 * version of it up to which its messages have been made; a sender looks at those whose
 * version is another, and so finds what is new.
 *
 * An open routing is in the outbox.  One that nobody has to be told of any more is
 * taken out; whatever but an accept changes such a routing puts it in again
 * (routing_write.c).
 *
 * Locking: senders skip what others have, and wait for nobody.  Who takes a routing out
 * has its lock at that moment (not waiting for it), since whoever changes it puts it in
 * under that lock.
 *
 * IDENTIFICATION
 *	  src/outbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/async.h"
#include "executor/tuptable.h"
#include "utils/array.h"

#include "catalog.h"
#include "lock.h"
#include "newest.h"
#include "outbox.h"
#include "routing.h"
#include "rows.h"
#include "settings.h"
#include "spi.h"

/*
 * Tells senders that listen, if that is wanted: once per transaction, since
 * PostgreSQL sends equal notifications once.
 */
void
vr_wake_senders(void)
{
	if (vr_notify)
		Async_Notify("vendor_routing", "");
}

/*
 * Somebody may have to be told something of these routings, which are new.  The caller
 * holds their locks.
 */
void
vr_outbox_add(const pg_uuid_t *routing_ids, int n)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.outbox (routing_id, version)"
		" SELECT routing_id, version FROM " VR_ROWS
		" ON CONFLICT (routing_id) DO NOTHING"
	};
	VrRows		rows = {0};

	for (int i = 0; i < n; i++)
	{
		NullableDatum columns[] = {
			vr_param_ptr(&routing_ids[i]),
			vr_param(Int32GetDatum(0))
		};

		vr_rows_add(&rows, "outbox", columns, lengthof(columns));
	}
	(void) vr_rows_insert(&rows, &insert);
}

static bool
is_in_outbox(const pg_uuid_t *routing_id, bool wait, bool *changing)
{
	NullableDatum key[] = {vr_param_ptr(routing_id)};
	Relation	table = vr_open_table("outbox");
	TupleTableSlot *slot = vr_newest_row(table, lengthof(key), key, wait, changing);
	bool		found = (slot != NULL);

	if (found)
		ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return found;
}

/*
 * The same of a routing that was in the outbox before, and may be still.  Waits for a
 * sender that is changing it, before the INSERT could: that would fail with 40001 at
 * REPEATABLE READ, where it met a row that its snapshot does not show.
 */
void
vr_outbox_put_back(const pg_uuid_t *routing_id)
{
	bool		changing;

	if (!is_in_outbox(routing_id, true, &changing))
		vr_outbox_add(routing_id, 1);
}

/*
 * Would vr_outbox_put_back not wait?  The caller has the lock of the routing.
 */
bool
vr_outbox_is_free(const pg_uuid_t *routing_id)
{
	bool		changing = false;

	(void) is_in_outbox(routing_id, false, &changing);
	return !changing;
}

/*
 * Locks some routings of the outbox that are not as they were, that no other sender has,
 * and that have not been passed by.  One that a call is made in the middle of is: what there
 * is to tell is not yet all written.
 */
void
vr_outbox_lock_changed(VrOutboxBatch *changed)
{
	static const VrStatement select = {
		"SELECT o.routing_id, t.version, t.status IN ('PENDING', 'EXHAUSTED')"
		" FROM vendor_routing.outbox AS o"
		" JOIN LATERAL (SELECT t.version, t.status"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = o.routing_id" VR_BY_KEY ") AS t ON true"
		" WHERE o.version <> t.version AND o.routing_id <> ALL ($1)"
		" LIMIT 100"
		" FOR UPDATE OF o SKIP LOCKED",
		1, {UUIDARRAYOID},
		.joins = true
	};
	NullableDatum params[] = {vr_param_uuids(changed->passed, changed->npassed)};
	int			n;

	StaticAssertStmt(VR_OUTBOX_BATCH == 100, "the LIMIT above");
	n = vr_spi_write(&select, params);
	changed->more = (n == VR_OUTBOX_BATCH);
	changed->n = 0;
	for (int i = 0; i < n; i++)
	{
		pg_uuid_t	routing_id = *DatumGetUUIDP(vr_spi_value(i, 1).value);

		if (!vr_begin_writing(&routing_id))
		{
			changed->passed[changed->npassed++] = routing_id;
			continue;
		}
		vr_end_writing(&routing_id);
		changed->routing_ids[changed->n] = routing_id;
		changed->versions[changed->n] = DatumGetInt32(vr_spi_value(i, 2).value);
		changed->open[changed->n++] = DatumGetBool(vr_spi_value(i, 3).value);
	}
}

/*
 * Writes down how far the outbox is: of open routings the version; those that are not
 * open, and not changing at this moment, are taken out.  One whose lock others have
 * stays as it is, is passed by in this claim, and comes again in the next.
 */
void
vr_outbox_settle(VrOutboxBatch *changed)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.outbox"
		" SET version = ($2)[array_position($1, routing_id)]"
		" WHERE routing_id = ANY ($1)",
		2, {UUIDARRAYOID, INT4ARRAYOID}
	};
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.outbox"
		" WHERE routing_id = ANY ($1)",
		1, {UUIDARRAYOID}
	};
	pg_uuid_t	open[VR_OUTBOX_BATCH];
	Datum		versions[VR_OUTBOX_BATCH];
	int			nopen = 0;
	pg_uuid_t	over[VR_OUTBOX_BATCH];
	int			nover = 0;
	pg_uuid_t	locked[VR_OUTBOX_BATCH];
	int			nlocked = 0;
	VrRouting	routing;

	for (int i = 0; i < changed->n; i++)
	{
		const pg_uuid_t *routing_id = &changed->routing_ids[i];

		if (changed->open[i])
		{
			versions[nopen] = Int32GetDatum(changed->versions[i]);
			open[nopen++] = *routing_id;
			continue;
		}
		if (vr_try_lock_routing(routing_id))
		{
			locked[nlocked++] = *routing_id;
			if (vr_routing_read_if_free(routing_id, &routing))
			{
				vr_routing_leave(&routing);
				if (routing.version == changed->versions[i])
				{
					over[nover++] = *routing_id;
					continue;
				}
			}
		}
		changed->passed[changed->npassed++] = *routing_id;
	}

	if (nopen > 0)
	{
		NullableDatum params[] = {
			vr_param_uuids(open, nopen),
			vr_param_ptr(construct_array(versions, nopen, INT4OID, sizeof(int32), true,
										 TYPALIGN_INT))
		};

		(void) vr_spi_write(&update, params);
	}
	if (nover > 0)
	{
		NullableDatum params[] = {vr_param_uuids(over, nover)};

		(void) vr_spi_write(&delete, params);
	}
	/* Who puts it in again waits for our DELETE. */
	for (int i = 0; i < nlocked; i++)
		vr_unlock_routing(&locked[i]);
}
