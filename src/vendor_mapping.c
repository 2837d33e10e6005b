/*-------------------------------------------------------------------------
 *
 * vendor_mapping.c
 *		What a row of the application's vendors means, where its table is attached; and
 *		keeping that row.
 *
 * Locking: the row of who is to win, where the application's orders refer to it, before
 * that of the registry (vr_vendor_lock).
 *
 * Errors: those of attachment.c; 22004 for a row without an id.
 *
 * IDENTIFICATION
 *	  src/vendor_mapping.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"

#include "args.h"
#include "newest.h"
#include "vendor_mapping.h"

/* The columns of vendors that can be mapped, by their names. */
static const VrFieldRule rules[] = {
	[VR_FIELD_VENDOR_ID] = {"vendor_id", .required = true, .column_only = true},
	{"name"},
	{"phone"},
	{"is_active"},
	{"is_verified"},
	{"products", .is_list = true},
	{"min_order_amount"},
	{"latitude"},
	{"longitude"},
	{"service_radius_km"},
	{"capacity"},
	{"average_rating"},
	{"reliability_score"},
	[VR_FIELD_TOTAL_ORDERS] = {"total_orders"},
	[VR_FIELD_COMPLETED_ORDERS] = {"completed_orders"}
};

VrField *
vr_vendor_mapping_read(const Jsonb *mapping, Relation relation)
{
	return vr_mapping_read(mapping, rules, lengthof(rules), NULL, 0, relation);
}

/*
 * The names of the columns that are mapped, as text.
 */
List *
vr_vendor_mapped_columns(const VrField *fields)
{
	List	   *names = NIL;

	for (int i = 0; i < lengthof(rules); i++)
	{
		if (vr_field_is_mapped(&fields[i]))
			names = lappend(names, cstring_to_text(rules[i].key));
	}
	return names;
}

/*
 * The id in a row, which must have one.
 */
char *
vr_vendor_id_of(const VrField *fields, HeapTuple row, TupleDesc tupdesc)
{
	int			level = vr_begin_output();
	char	   *id = vr_field_value(&fields[VR_FIELD_VENDOR_ID], row, tupdesc);

	vr_end_output(level);
	if (id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the id of an attached vendor must not be null")));
	return id;
}

/*
 * Adds a row to a JSON array: every value a string or null.
 */
void
vr_vendor_push_row(JsonbParseState **state, const VrField *fields, HeapTuple row,
				   TupleDesc tupdesc)
{
	(void) vr_vendor_id_of(fields, row, tupdesc);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(rules); i++)
	{
		char	   *text = vr_field_value(&fields[i], row, tupdesc);
		JsonbValue	value;

		value.type = jbvString;
		value.val.string.val = (char *) rules[i].key;
		value.val.string.len = strlen(rules[i].key);
		pushJsonbValue(state, WJB_KEY, &value);
		value.type = (text == NULL) ? jbvNull : jbvString;
		if (text != NULL)
		{
			value.val.string.val = text;
			value.val.string.len = strlen(text);
		}
		pushJsonbValue(state, WJB_VALUE, &value);
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Does a foreign key of one of the tables, which are locked, refer to another?
 */
static bool
refer_to(const List *tables, Oid referenced)
{
	bool		refer = false;
	ListCell   *cell;

	foreach(cell, tables)
	{
		Relation	table = table_open(lfirst_oid(cell), NoLock);
		ListCell   *key;

		foreach(key, RelationGetFKeyList(table))
		{
			if (((ForeignKeyCacheInfo *) lfirst(key))->confrelid == referenced)
				refer = true;
		}
		table_close(table, NoLock);
	}
	return refer;
}

/*
 * Keeps the application's row of who is to win from being deleted, or getting another key,
 * until the end of the transaction, where a foreign key of the attached orders will ask for
 * that: who deletes it has that row first, and asks for the one in the registry then.
 * Returns false where others have the row and we do not wait.
 */
bool
vr_vendor_keep_attached(const text *vendor_id, bool wait)
{
	VrAttachment orders;
	VrAttachment vendors;
	List	   *tables;
	VrAttachedRow row;
	TupleTableSlot *slot;
	bool		kept;

	if (!vr_attachment_find(VR_ATTACHED_VENDORS, &vendors) ||
		!vr_attachment_find(VR_ATTACHED_ORDERS, &orders))
		return true;
	if (!vr_attached_lock(orders.relation, RowExclusiveLock, wait, &tables))
		return false;
	if (!refer_to(tables, vendors.relation))
		return true;
	if (!vr_attached_lock(vendors.relation, RowShareLock, wait, &tables))
		return false;
	if (!vr_attached_find(&vendors, tables, text_to_cstring(vendor_id), &row))
		return true;

	slot = table_slot_create(row.table, NULL);
	slot->tts_tid = row.tuple->t_self;
	kept = (vr_lock_row_as(row.table, slot, LockTupleKeyShare, wait) != VR_ROW_BUSY);
	ExecDropSingleTupleTableSlot(slot);
	table_close(row.table, NoLock);
	return kept;
}
