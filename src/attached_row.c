/*-------------------------------------------------------------------------
 *
 * attached_row.c
 *		Finding the row of an attached table by its id.
 *
 * Locking: none; the caller has locked the table.
 *
 * Rights: by code that is never that of the owner of the table (see vr_scalar_type).
 *
 * Errors: 42704 where the table has lost the unique index on its id.
 *
 * IDENTIFICATION
 *	  src/attached_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "args.h"
#include "attachment.h"
#include "attempt.h"
#include "compat.h"

/*
 * The index that tells the rows of a table apart by their id.
 */
static Relation
open_id_index(Relation table, const VrField *id)
{
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (vr_is_unique_index_on(index, id->attnum))
			return index;
		index_close(index, AccessShareLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("relation \"%s\" no longer has a unique index on its %s",
					RelationGetRelationName(table), id->rule->key),
			 errhint("Make it again, or detach the table.")));
}

/*
 * Looks for the row by one snapshot.
 */
static bool
scan_for(Relation table, Relation index, Datum id, Snapshot snapshot, TupleTableSlot *slot)
{
	Oid			type = index->rd_opcintype[0];
	Oid			equal = get_opfamily_member(index->rd_opfamily[0], type, type,
											BTEqualStrategyNumber);
	IndexScanDesc scan = vr_index_beginscan(table, index, snapshot, 1);
	ScanKeyData key;
	bool		found;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], get_opcode(equal), id);
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
		ExecMaterializeSlot(slot);
	index_endscan(scan);
	return found;
}

/* An id on its way from text. */
typedef struct Input
{
	Oid			function;
	Oid			param;
	int32		typmod;
	const char *value;
	Datum		id;
} Input;

static void
read_id(void *arg)
{
	Input	   *input = arg;

	input->id = OidInputFunctionCall(input->function, (char *) input->value,
									 input->param, input->typmod);
}

/*
 * The id as a value of the type of its column.  Returns false where it cannot be
 * one: of an order from before the table was attached, or a bad argument.
 */
static bool
id_in(Relation table, AttrNumber attnum, const char *value, Datum *id)
{
	Input		input = {.value = value};
	Oid			type = vr_scalar_type(table, attnum, &input.typmod);
	ErrorData  *error;

	getTypeInputInfo(type, &input.function, &input.param);

	/* Input functions of 15 have no other way to say no than an error. */
	error = vr_attempt(read_id, &input);
	if (error == NULL)
		*id = input.id;
	else if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION &&
			 error->sqlerrcode != ERRCODE_UNDEFINED_OBJECT)
		ReThrowError(error);
	return error == NULL;
}

/*
 * Puts the newest version of the row with this id into the slot, as committed or our own.
 * Returns false where there is none.  Equal is not the same: the caller looks whether the
 * text of the id is the one that it wants (vr_attached_find does).
 */
bool
vr_attached_row(Relation table, const VrField *id, const char *value, TupleTableSlot *slot)
{
	Relation	index;
	Datum		key;
	bool		found;

	if (!id_in(table, id->attnum, value, &key))
		return false;
	index = open_id_index(table, id);

	/*
	 * Without predicate locks, as all our reads; a row that is moved to another
	 * page at that moment can be missed, and then a snapshot decides.
	 */
	found = scan_for(table, index, key, SnapshotSelf, slot);
	if (!found)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		found = scan_for(table, index, key, snapshot, slot);
		UnregisterSnapshot(snapshot);
	}
	index_close(index, NoLock);
	return found;
}

/*
 * Finds the row with this id in one of the tables of an attached one, which are locked, as
 * it is after what the calling statement and the triggers of the application have done.  The
 * caller closes the table where there is one.
 */
bool
vr_attached_find(const VrAttachment *attachment, const List *tables, const char *id,
				 VrAttachedRow *row)
{
	ListCell   *cell;

	CommandCounterIncrement();
	foreach(cell, tables)
	{
		VrField		field;
		TupleTableSlot *slot;
		bool		found;

		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_RELATION)
			continue;
		row->table = table_open(lfirst_oid(cell), NoLock);
		field = vr_id_field(attachment, row->table);
		slot = table_slot_create(row->table, NULL);
		found = vr_attached_row(row->table, &field, id, slot);
		if (found)
		{
			int			level = vr_begin_output();

			row->tuple = ExecCopySlotHeapTuple(slot);
			found = vr_cstring_eq(vr_field_value(&field, row->tuple,
												 RelationGetDescr(row->table)), id);
			vr_end_output(level);
		}
		ExecDropSingleTupleTableSlot(slot);
		if (found)
			return true;
		table_close(row->table, NoLock);
	}
	return false;
}
