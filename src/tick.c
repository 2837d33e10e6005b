/*-------------------------------------------------------------------------
 *
 * tick.c
 *		vr_tick: does what is due, for all orders.
 *
 * Finds routings by the index on next_deadline, earliest first, so that a pass
 * costs what is due and not what there is.
 *
 * Locking: waits for nobody, but at the beginning for who has a whole table, and MAX_WAIT
 * where a trigger or a foreign key of the application's does.  A routing
 * whose lock others have, or whose row they are changing, is skipped: any number of
 * sessions can do this at the same time.  Row locks (FOR UPDATE SKIP LOCKED) would not do:
 * they do not keep a REPEATABLE READ caller of vr_accept from meeting our update, and
 * failing.  A lock is given back after its batch, since our update makes others wait from
 * then on; so the lock table does not fill up.
 *
 * Errors: where one order cannot be done (a trigger of the DBA's may refuse it), or the
 * pause of one vendor not be ended, the others are: its work is rolled back to a
 * subtransaction, and a WARNING says why.  A cancel or a shutdown ends the call.
 *
 * Memory: a context per batch.
 *
 * IDENTIFICATION
 *	  src/tick.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "args.h"
#include "attempt.h"
#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "due.h"
#include "lock.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_tick);

/* Most routings that are locked at one time. */
#define BATCH_SIZE 100

/*
 * Longest wait for a lock, in milliseconds; and how many of them in vain until others have
 * to be there at once.
 */
#define MAX_WAIT 100
#define MAX_WAITS 10

/* Most routings of one call. */
#define MAX_TICK 1000000

/* What a call has done. */
typedef struct Tick
{
	VrWork		work;
	int			failed;
	int			processed;
	int			waits;			/* in vain */
} Tick;

/* The routings of a batch: we hold the lock of each. */
typedef struct Batch
{
	pg_uuid_t	routing_ids[BATCH_SIZE];
	int			size;
} Batch;

/*
 * Does what is due for some routings whose locks we hold.  Those that wait for
 * nothing any more (see routings_next_deadline_idx) are written in one go, and so are the
 * events, by the caller.  Returns the routings that were read.
 */
static List *
do_routings(const pg_uuid_t *routing_ids, int n, VrRows *events, VrDue *due, Tick *tick)
{
	List	   *done = NIL;
	List	   *read = NIL;

	for (int i = 0; i < n; i++)
	{
		VrRouting  *routing = palloc0(sizeof(VrRouting));
		TimestampTz now = vr_now();

		CHECK_FOR_INTERRUPTS();
		if (!vr_routing_read_if_free(&routing_ids[i], routing))
			continue;
		read = lappend(read, routing);
		routing->events = events;
		if (routing->next_deadline == 0 || routing->next_deadline > now)
			continue;
		if (vr_is_over(routing))
		{
			if (!vr_routing_try_lock_row(routing))
				continue;
			done = lappend(done, routing);
		}
		else if (!vr_do_due(routing, due, now))
			continue;
		tick->processed++;
	}
	if (done != NIL)
		vr_routings_forget_deadlines(done);
	return read;
}

/* What is attempted. */
typedef struct Work
{
	void		(*work) (void *arg);
	void	   *arg;
	int			max_wait;		/* for a lock, in milliseconds */
} Work;

/*
 * Works, and waits for others only so long: in triggers and foreign keys of the
 * application's and the DBA's, since nothing else here waits.
 */
static void
work_without_waiting(void *arg)
{
	Work	   *work = arg;
	int			level = NewGUCNestLevel();

	if (LockTimeout == 0 || LockTimeout > work->max_wait)
		(void) set_config_option("lock_timeout", psprintf("%d", work->max_wait), PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	work->work(work->arg);
	AtEOXact_GUC(true, level);
}

/*
 * Works in a subtransaction.  Returns NULL, or the error that this raised, with nothing
 * changed but *waits.
 */
static ErrorData *
attempt(void (*work) (void *arg), void *arg, int *waits)
{
	Work		limited = {work, arg, *waits < MAX_WAITS ? MAX_WAIT : 1};
	ErrorData  *error = vr_attempt(work_without_waiting, &limited);

	if (error != NULL && !vr_is_about_work(error))
		ReThrowError(error);
	if (error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		(*waits)++;
	return error;
}

/* Routings to be worked on. */
typedef struct Routings
{
	const pg_uuid_t *routing_ids;
	int			n;
	VrDue		due;
	Tick	   *tick;
} Routings;

static void
work_on_routings(void *arg)
{
	Routings   *work = arg;
	VrRows		events = {0};
	List	   *routings;
	VrSpi		spi;

	vr_spi_begin(&spi);
	routings = do_routings(work->routing_ids, work->n, &events, &work->due, work->tick);
	vr_routings_end(routings, &events, &spi);
}

/*
 * As do_routings, in a subtransaction.  Returns NULL, or the error that this raised, with
 * nothing changed.
 */
static ErrorData *
try_routings(Routings *work)
{
	Tick	   *tick = work->tick;
	Tick		before = *tick;
	ErrorData  *error;

	work->due.work = &tick->work;
	error = attempt(work_on_routings, work, &before.waits);
	if (error != NULL)
		*tick = before;
	return error;
}

/*
 * Does what is due for one routing, and warns where that fails.
 */
static void
do_one(const pg_uuid_t *routing_id, Tick *tick)
{
	Routings	work = {routing_id, 1, .tick = tick};
	ErrorData  *error;

	while ((error = try_routings(&work)) != NULL)
	{
		bool		again = vr_due_pass_over(&work.due, routing_id, error);

		if (!again)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("routing \"%s\" is due, and failed: %s",
							DatumGetCString(DirectFunctionCall1(uuid_out,
																UUIDPGetDatum(routing_id))),
							error->message),
					 error->detail ? errdetail_internal("%s", error->detail) : 0));
		FreeErrorData(error);
		if (!again)
		{
			tick->failed++;
			break;
		}
	}
}

/*
 * Does a batch, all at once if that works, else one by one, and gives the locks
 * back.
 */
static void
do_batch(Batch *batch, Tick *tick)
{
	Routings	work = {batch->routing_ids, batch->size, .tick = tick};

	if (batch->size == 1 || try_routings(&work) != NULL)
	{
		for (int i = 0; i < batch->size; i++)
			do_one(&batch->routing_ids[i], tick);
	}
	for (int i = 0; i < batch->size; i++)
		vr_unlock_routing(&batch->routing_ids[i]);
}

/*
 * Routings that are due, the earliest first.  Read as they are at each moment,
 * and so without predicate locks; each is read once more under its lock.
 */
typedef struct DueScan
{
	Relation	routings;
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
} DueScan;

static void
begin_due(DueScan *due, TimestampTz now)
{
	ScanKeyData key;

	due->routings = vr_open_table("routings");
	due->index = vr_open_index("routings_next_deadline_idx");
	due->slot = table_slot_create(due->routings, NULL);
	due->scan = vr_index_beginscan(due->routings, due->index, SnapshotSelf, 1);
	ScanKeyInit(&key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(now));
	index_rescan(due->scan, &key, 1, NULL, 0);
}

/*
 * Fills a batch with at most max routings that nobody else has, and locks them.
 * Returns false where there are no more.
 */
static bool
next_due(DueScan *due, Batch *batch, int max)
{
	batch->size = 0;
	while (batch->size < Min(max, BATCH_SIZE))
	{
		pg_uuid_t	routing_id;

		CHECK_FOR_INTERRUPTS();
		if (!index_getnext_slot(due->scan, ForwardScanDirection, due->slot))
			return false;
		routing_id = vr_routing_id_in(due->slot);
		if (vr_try_lock_routing(&routing_id))
			batch->routing_ids[batch->size++] = routing_id;
	}
	return true;
}

static void
end_due(DueScan *due)
{
	index_endscan(due->scan);
	ExecDropSingleTupleTableSlot(due->slot);
	index_close(due->index, NoLock);
	table_close(due->routings, NoLock);
}

/*
 * Locks the tables that are written and read as the statements will, while there is
 * nothing yet that others could wait for.
 */
static void
lock_tables(void)
{
	static const char *const written[] = {
		"routings", "responses", "cancellations", "events", "vendors",
		"vendor_events", "outbox"
	};
	static const char *const read[] = {"blocklist", "attachments", "order_edges"};

	for (int i = 0; i < lengthof(written); i++)
		table_close(vr_open_table_to_lock(written[i]), NoLock);
	for (int i = 0; i < lengthof(read); i++)
		table_close(vr_open_table(read[i]), NoLock);
}

/*
 * Does what is due, for at most max routings.
 */
static void
do_due(Tick *tick, int max)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_batch = AllocSetContextCreate(caller, "vendor_routing batch",
													ALLOCSET_DEFAULT_SIZES);
	Batch		batch;
	DueScan		due;
	bool		more = true;

	lock_tables();
	begin_due(&due, vr_now());
	while (more && tick->processed < max)
	{
		more = next_due(&due, &batch, max - tick->processed);
		MemoryContextSwitchTo(per_batch);
		if (batch.size > 0)
			do_batch(&batch, tick);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(per_batch);
	}
	end_due(&due);
	MemoryContextDelete(per_batch);
}

/* Vendors whose pauses are over. */
typedef struct Rested
{
	List	   *vendor_ids;
	int			resumed;
} Rested;

static void
resume_vendors(void *arg)
{
	Rested	   *rested = arg;
	TimestampTz now = vr_now();
	ListCell   *cell;
	VrSpi		spi;

	vr_spi_begin(&spi);
	foreach(cell, rested->vendor_ids)
		rested->resumed += vr_vendor_end_pause(lfirst(cell), now);
	vr_spi_end(&spi);
}

/*
 * Ends pauses that are over, all at once if that works, else one by one.  Returns how
 * many.  What an error says of the row of a vendor is not for everybody.
 */
static int
end_pauses(List *vendor_ids, Tick *tick)
{
	Rested		all = {vendor_ids};
	int			resumed = 0;
	ListCell   *cell;

	if (vendor_ids == NIL || attempt(resume_vendors, &all, &tick->waits) == NULL)
		return all.resumed;
	foreach(cell, vendor_ids)
	{
		Rested		one = {list_make1(lfirst(cell))};
		ErrorData  *error = attempt(resume_vendors, &one, &tick->waits);

		if (error == NULL)
			resumed += one.resumed;
		else
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("pause of vendor \"%s\" is over, and could not be ended: %s",
							text_to_cstring(lfirst(cell)), error->message)));
	}
	return resumed;
}

/*
 * When there is something to do next; false where nothing waits for a time.
 */
static bool
next_time(TimestampTz now, TimestampTz *when)
{
	TimestampTz resume;
	bool		found = vr_routings_next_due(now, when);

	if (vr_vendors_next_resume(now, &resume) && !TIMESTAMP_IS_NOEND(resume) &&
		(!found || resume < *when))
	{
		*when = resume;
		found = true;
	}
	return found;
}

/*
 * vr_tick(max integer)
 */
Datum
vr_tick(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		10, {
			{"timed_out", INT4OID},
			{"awarded", INT4OID},
			{"waves_opened", INT4OID},
			{"exhausted", INT4OID},
			{"expired", INT4OID},
			{"released", INT4OID},
			{"resumed", INT4OID},
			{"failed", INT4OID},
			{"processed", INT4OID},
			{"next_due", TIMESTAMPTZOID}
		}
	};
	int			max;
	Tick		tick = {0};
	List	   *rested;
	int			resumed;
	TimestampTz next_due = 0;
	bool		has_next;
	VrSpi		spi;

	vr_require_writable("vr_tick()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("max must not be null")));
	max = PG_GETARG_INT32(0);
	if (max < 1 || max > MAX_TICK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must be between 1 and %d", MAX_TICK)));

	/* What is refused at the end of the transaction would be refused for all orders. */
	vr_defer_nothing();
	do_due(&tick, max);

	vr_spi_begin(&spi);
	rested = vr_vendors_to_resume(max, vr_now());
	vr_spi_end(&spi);
	resumed = end_pauses(rested, &tick);

	vr_spi_begin(&spi);
	has_next = next_time(vr_now(), &next_due);
	vr_spi_end(&spi);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param(Int32GetDatum(tick.work.timed_out)),
		vr_param(Int32GetDatum(tick.work.awarded)),
		vr_param(Int32GetDatum(tick.work.waves_opened)),
		vr_param(Int32GetDatum(tick.work.exhausted)),
		vr_param(Int32GetDatum(tick.work.expired)),
		vr_param(Int32GetDatum(tick.work.released)),
		vr_param(Int32GetDatum(resumed)),
		vr_param(Int32GetDatum(tick.failed)),
		vr_param(Int32GetDatum(tick.processed)),
		{TimestampTzGetDatum(next_due), !has_next}
	}));
}
