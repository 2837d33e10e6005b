/*-------------------------------------------------------------------------
 *
 * newest.c
 *		The newest version of a row of ours, found without a lock.
 *
 * This is what makes losing cheap: who comes late reads the winner's name from
 * the row itself, past the executor and past the transaction's snapshot, and
 * takes no lock.
 *
 * Locking: AccessShareLock on the table and its primary key.  While another
 * transaction is changing the row we wait for the END OF THAT TRANSACTION, not
 * for the row: all who wait wake together when it commits or rolls back,
 * instead of one after the other.  The wait honours lock_timeout, deadlock
 * detection and cancel requests.
 *
 * SERIALIZABLE: reads that are not of an MVCC snapshot take no predicate locks,
 * on purpose: neither the losers of a race nor the winners of different races
 * may conflict with each other.
 *
 * Memory: slots live in the current context and keep their page pinned; the
 * caller takes what it needs, and drops them.
 *
 * IDENTIFICATION
 *	  src/newest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "newest.h"

#define MAX_KEY_COLUMNS 3

/*
 * Equality with the first columns of an index.  Ours are of three types, whose
 * operators are known here.
 */
static void
init_scan_keys(Relation index, int nkeys, const NullableDatum *key,
			   ScanKeyData *scan_keys)
{
	Assert(nkeys <= MAX_KEY_COLUMNS);

	for (int i = 0; i < nkeys; i++)
	{
		RegProcedure equal;

		switch (TupleDescAttr(RelationGetDescr(index), i)->atttypid)
		{
			case UUIDOID:
				equal = F_UUID_EQ;
				break;
			case INT4OID:
				equal = F_INT4EQ;
				break;
			case TEXTOID:
				equal = F_TEXTEQ;
				break;
			default:			/* LCOV_EXCL_LINE: no table of ours has another */
				elog(ERROR, "unexpected key type in index \"%s\"",	/* LCOV_EXCL_LINE */
					 RelationGetRelationName(index));
		}
		ScanKeyEntryInitialize(&scan_keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, index->rd_indcollation[i],
							   equal, key[i].value);
	}
}

/*
 * Starts a scan of the rows with this key.
 */
static IndexScanDesc
begin_scan(Relation table, Relation index, Snapshot snapshot,
		   int nkeys, const NullableDatum *key)
{
	ScanKeyData scan_keys[MAX_KEY_COLUMNS];
	IndexScanDesc scan = vr_index_beginscan(table, index, snapshot, nkeys);

	init_scan_keys(index, nkeys, key, scan_keys);
	index_rescan(scan, scan_keys, nkeys, NULL, 0);
	return scan;
}

/*
 * Where this session last found a row of a table.  Rows are looked at twice in a
 * row, before and after taking a lock: the second time without the index.
 */
static struct
{
	Oid			relid;
	ItemPointerData tid;
}			last_places[4];

static ItemPointer
last_place(Relation table)
{
	static int	oldest = 0;

	for (int i = 0; i < lengthof(last_places); i++)
	{
		if (last_places[i].relid == RelationGetRelid(table))
			return &last_places[i].tid;
	}
	oldest = (oldest + 1) % lengthof(last_places);
	last_places[oldest].relid = RelationGetRelid(table);
	ItemPointerSetInvalid(&last_places[oldest].tid);
	return &last_places[oldest].tid;
}

/*
 * Does the row in the slot have this key?  The columns of the primary key are the
 * first of every table of ours.
 */
static bool
has_key(TupleTableSlot *slot, int nkeys, const NullableDatum *key)
{
	for (int i = 0; i < nkeys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, i);
		bool		isnull;
		Datum		value = slot_getattr(slot, i + 1, &isnull);

		if (isnull)
			return false;
		if (attribute->atttypid == TEXTOID ?
			!vr_text_eq(DatumGetTextPP(value), DatumGetTextPP(key[i].value)) :
			!datumIsEqual(value, key[i].value, attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

/*
 * The row where the last one was, if that has this key and is seen.  The table is
 * locked, so it does not get shorter between the look at its length and the next.
 */
static bool
fetch_at_last_place(Relation table, int nkeys, const NullableDatum *key,
					Snapshot snapshot, TupleTableSlot *slot)
{
	ItemPointer place = last_place(table);

	if (!ItemPointerIsValid(place) ||
		ItemPointerGetBlockNumber(place) >= RelationGetNumberOfBlocks(table))
		return false;
	if (table_tuple_fetch_row_version(table, place, snapshot, slot) &&
		has_key(slot, nkeys, key))
		return true;
	ExecClearTuple(slot);
	return false;
}

/*
 * Puts the newest version of the row into the slot, whoever wrote it.  *writer
 * is the other transaction that is changing it now, if any.
 */
static bool
dirty_fetch(Relation table, int nkeys, const NullableDatum *key,
			TupleTableSlot *slot, TransactionId *writer)
{
	SnapshotData dirty;
	bool		found;

	InitDirtySnapshot(dirty);
	found = fetch_at_last_place(table, nkeys, key, &dirty, slot);
	if (!found)
	{
		Relation	index = index_open(vr_primary_key_index(table), AccessShareLock);
		IndexScanDesc scan = begin_scan(table, index, &dirty, nkeys, key);

		found = index_getnext_slot(scan, ForwardScanDirection, slot);
		if (found)
			*last_place(table) = slot->tts_tid;
		index_endscan(scan);
		index_close(index, NoLock);
	}
	if (found)
		*writer = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
	return found;
}

/*
 * The newest version of a row that is committed or our own, or NULL where none
 * is seen.  key is the primary key.
 *
 * *changing is set, never cleared, where another transaction is changing the
 * row.  With wait it has ended when we return; else what is returned may be
 * uncommitted.
 *
 * NULL does not prove that there is no such row: see vr_proven_row.
 */
TupleTableSlot *
vr_newest_row(Relation table, int nkeys, const NullableDatum *key,
			  bool wait, bool *changing)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TransactionId writer;

	while (dirty_fetch(table, nkeys, key, slot, &writer))
	{
		ItemPointerData tid = slot->tts_tid;

		if (!TransactionIdIsValid(writer))
			return slot;
		*changing = true;
		if (!wait)
			return slot;
		ExecClearTuple(slot);	/* no page is pinned while we wait */
		XactLockTableWait(writer, table, &tid, XLTW_Update);
	}
	ExecDropSingleTupleTableSlot(slot);
	return NULL;
}

/*
 * As vr_newest_row, but NULL only where there is no such row.  A dirty scan can
 * pass by a row that is being moved to another page at that moment, and on a
 * sharded cluster the rows are on other nodes; so where it sees nothing we ask
 * once more by SQL.  by_key selects the row by primary key, with all columns of
 * the table in their order.
 */
TupleTableSlot *
vr_proven_row(Relation table, const VrStatement *by_key,
			  const NullableDatum *key, bool wait, bool *changing)
{
	TupleTableSlot *slot = vr_newest_row(table, by_key->nparams, key,
										 wait, changing);
	VrSpi		spi;

	if (slot != NULL)
		return slot;

	vr_spi_begin(&spi);
	if (vr_spi_read(by_key, key) == 1)
	{
		slot = table_slot_create(table, NULL);
		vr_spi_copy_row(0, slot);
	}
	vr_spi_end(&spi);
	return slot;
}

/*
 * As vr_lock_row, with a lock of that mode.
 */
VrRowLock
vr_lock_row_as(Relation table, TupleTableSlot *slot, LockTupleMode mode, bool wait)
{
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	ExecClearTuple(slot);
	/* Also a version that the statement which calls us has just written. */
	CommandCounterIncrement();
	result = table_tuple_lock(table, &tid, GetLatestSnapshot(), slot,
							  GetCurrentCommandId(false),
							  mode,
							  wait ? LockWaitBlock : LockWaitSkip,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_WouldBlock)
		return VR_ROW_BUSY;
	return result == TM_Ok ? VR_ROW_LOCKED : VR_ROW_GONE;
}

/*
 * Locks the row in the slot against changes by others until the end of the
 * transaction and brings the slot up to date.  Where others are changing it,
 * waits for them, or with wait false returns VR_ROW_BUSY.
 */
VrRowLock
vr_lock_row(Relation table, TupleTableSlot *slot, bool wait)
{
	return vr_lock_row_as(table, slot, LockTupleNoKeyExclusive, wait);
}

/*
 * All rows whose primary key starts with this key, as committed or our own; waits for
 * nobody.  They are handed to take(), which copies what it needs; NULL: only counted.
 * Where somebody is changing one of the rows, it may come twice.  Returns how many there
 * were.
 */
int
vr_newest_rows(Relation table, int nkeys, const NullableDatum *key,
			   void (*take) (TupleTableSlot *slot, void *arg), void *arg)
{
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	int			n = 0;

	/* Some tables are not used by everybody. */
	if (RelationGetNumberOfBlocks(table) == 0)
		return 0;

	index = index_open(vr_primary_key_index(table), AccessShareLock);
	slot = table_slot_create(table, NULL);
	scan = begin_scan(table, index, SnapshotSelf, nkeys, key);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		if (take != NULL)
			take(slot, arg);
		n++;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	return n;
}

/*
 * Puts the last row with this value in the first column of the index into the
 * slot.  Waits for nobody: what others have not committed is not seen.
 */
bool
vr_newest_last(Relation table, Relation index, Datum value, TupleTableSlot *slot)
{
	NullableDatum key = {value, false};
	IndexScanDesc scan = begin_scan(table, index, SnapshotSelf, 1, &key);
	bool		found = index_getnext_slot(scan, BackwardScanDirection, slot);

	index_endscan(scan);
	return found;
}

/*
 * A scan of an index on a time, and on rows whose time is not NULL.
 */
typedef struct TimeScan
{
	Relation	table;
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
} TimeScan;

static void
begin_time_scan(TimeScan *scan, const char *table, const char *index,
				StrategyNumber strategy, RegProcedure compare, TimestampTz limit)
{
	ScanKeyData key;

	scan->table = vr_open_table(table);
	scan->index = vr_open_index(index);
	scan->slot = table_slot_create(scan->table, NULL);
	scan->scan = vr_index_beginscan(scan->table, scan->index, SnapshotSelf, 1);
	ScanKeyInit(&key, 1, strategy, compare, TimestampTzGetDatum(limit));
	index_rescan(scan->scan, &key, 1, NULL, 0);
}

static void
end_time_scan(TimeScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}

/*
 * The first time after that one in an index on a time.  As vr_newest_last.
 */
bool
vr_newest_time_after(const char *table, const char *index, TimestampTz after,
					 TimestampTz *when)
{
	TimeScan	scan;
	bool		found;

	begin_time_scan(&scan, table, index, BTGreaterStrategyNumber,
					F_TIMESTAMPTZ_GT, after);
	found = index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot);
	if (found)
	{
		bool		isnull;

		*when = DatumGetTimestampTz(slot_getattr(scan.slot,
												 scan.index->rd_index->indkey.values[0],
												 &isnull));
	}
	end_time_scan(&scan);
	return found;
}

/*
 * A text column of the rows whose time in such an index is then or before, the
 * earliest first, at most max of them.  As vr_newest_last.
 */
List *
vr_newest_texts_until(const char *table, const char *index, TimestampTz until,
					  int column, int max)
{
	TimeScan	scan;
	List	   *texts = NIL;

	begin_time_scan(&scan, table, index, BTLessEqualStrategyNumber,
					F_TIMESTAMPTZ_LE, until);
	while (list_length(texts) < max &&
		   index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot))
	{
		bool		isnull;

		texts = lappend(texts, DatumGetTextPCopy(slot_getattr(scan.slot, column,
															  &isnull)));
	}
	end_time_scan(&scan);
	return texts;
}
