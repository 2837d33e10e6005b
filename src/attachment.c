/*-------------------------------------------------------------------------
 *
 * attachment.c
 *		The table attachments: tables of the application's, and what their
 *		columns mean.  Its only writer.
 *
 * A mapping is a JSON object from a word of ours to where the value is:
 *
 *		"column"							a column of the table
 *		{"value": constant}					the same for every row
 *		{"column": "c", "equals": "text"}	whether the column says so
 *
 * It has no expressions: nothing that a user writes is ever run as SQL.  Values
 * are taken from rows in C, by the output functions of their types, with the
 * rights of whoever changes the row, before anything runs with ours.
 *
 * Errors: 22023 for a mapping that is not such, 42703 for a column that is not
 * there, 42809 and 0A000 for what cannot be attached, 42501 for who is not its owner.
 *
 * IDENTIFICATION
 *	  src/attachment.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "attachment.h"
#include "catalog.h"
#include "compat.h"
#include "newest.h"
#include "spi.h"

/* Columns of vendor_routing.attachments that are read (27_attachments.sql). */
enum
{
	Anum_attachment_relation = 2,
	Anum_attachment_mapping = 3,
	Anum_attachment_search_path = 5
};

/* In the order of VrAttachmentKind. */
static const char *const kind_names[] = {"ORDERS", "VENDORS"};

static NullableDatum
kind_param(VrAttachmentKind kind)
{
	return vr_param_ptr(cstring_to_text(kind_names[kind]));
}

static void
set_for_output(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
take_attachment(TupleTableSlot *slot, void *arg)
{
	VrAttachment *attachment = arg;
	bool		isnull;

	attachment->relation = DatumGetObjectId(slot_getattr(slot, Anum_attachment_relation,
														 &isnull));
	attachment->mapping = DatumGetJsonbPCopy(slot_getattr(slot, Anum_attachment_mapping,
														  &isnull));
	attachment->search_path =
		TextDatumGetCString(slot_getattr(slot, Anum_attachment_search_path, &isnull));
}

/*
 * The attached table of a kind.  Returns false where there is none.  Read
 * without a snapshot, and so without predicate locks.
 */
bool
vr_attachment_find(VrAttachmentKind kind, VrAttachment *attachment)
{
	NullableDatum key[] = {kind_param(kind)};
	Relation	table = vr_open_table("attachments");

	attachment->kind = kind;
	attachment->relation = InvalidOid;
	vr_newest_rows(table, lengthof(key), key, take_attachment, attachment);
	table_close(table, NoLock);
	return OidIsValid(attachment->relation);
}

/*
 * In a PG_CATCH: throws the error again, and where it is of a value that has not the form of
 * its type, without that.
 */
void
vr_rethrow_without_value(MemoryContext caller, const char *what)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	what = pstrdup(what);		/* made while the error was caught, it would go with that */
	error = CopyErrorData();
	FlushErrorState();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
		ReThrowError(error);
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("%s is not valid", what),
			 errdetail("It has a value of another form.")));
}

/*
 * Is this the attached table, or a partition of it?  A restore can leave triggers
 * of ours on another.
 */
bool
vr_is_attached(const VrAttachment *attachment, Relation table)
{
	Oid			relid = RelationGetRelid(table);

	return relid == attachment->relation ||
		(table->rd_rel->relispartition &&
		 list_member_oid(get_partition_ancestors(relid), attachment->relation));
}

/*
 * Makes output functions write values in one way, whatever the session says.
 * Ended by vr_end_output.
 */
int
vr_begin_output(void)
{
	int			level = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		set_for_output("datestyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set_for_output("intervalstyle", "postgres");
	if (extra_float_digits < 1)
		set_for_output("extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		set_for_output("bytea_output", "hex");
	if (strcmp(pg_get_timezone_name(session_timezone), "UTC") != 0)
		set_for_output("timezone", "UTC");
	return level;
}

void
vr_end_output(int level)
{
	AtEOXact_GUC(true, level);
}

/*
 * The search_path of who attaches a table, for what runs as its owner later on,
 * whoever calls.  The temporary schema, which is the caller's, comes last, where it
 * hides no name.
 */
char *
vr_search_path_to_keep(void)
{
	return namespace_search_path[0] == '\0' ? pstrdup("pg_temp") :
		psprintf("%s, pg_temp", namespace_search_path);
}

/*
 * Writes down that a table is attached; replaces what was there.
 */
void
vr_attachment_insert(VrAttachmentKind kind, Oid relation, const Jsonb *mapping,
					 const char *search_path, TimestampTz now)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.attachments"
		" (kind, relation, mapping, attached_at, search_path)"
		" VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (kind) DO UPDATE"
		" SET relation = excluded.relation, mapping = excluded.mapping,"
		"     attached_at = excluded.attached_at, search_path = excluded.search_path",
		5, {TEXTOID, REGCLASSOID, JSONBOID, TIMESTAMPTZOID, TEXTOID}
	};
	NullableDatum params[] = {
		kind_param(kind),
		vr_param(ObjectIdGetDatum(relation)),
		vr_param_ptr(mapping),
		vr_param(TimestampTzGetDatum(now)),
		vr_param_ptr(cstring_to_text(search_path))
	};

	vr_spi_write_exactly(&insert, params, 1);
}

/*
 * Forgets the attached table.  Returns false where there is none.
 */
bool
vr_attachment_delete(VrAttachmentKind kind)
{
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.attachments"
		" WHERE kind = $1",
		1, {TEXTOID}
	};
	NullableDatum params[] = {kind_param(kind)};

	return vr_spi_write(&delete, params) == 1;
}

/*
 * A table as SQL has it.
 */
char *
vr_quoted_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

/*
 * Puts triggers of ours on a table; a restore may have done so already.
 */
void
vr_create_triggers(Relation relation, const VrTrigger *triggers, int n)
{
	for (int i = 0; i < n; i++)
		vr_spi_utility(psprintf("CREATE OR REPLACE TRIGGER %s %s ON %s"
								" FOR EACH %s EXECUTE FUNCTION vendor_routing.%s()",
								triggers[i].name, triggers[i].when,
								vr_quoted_name(RelationGetRelid(relation)),
								triggers[i].level, triggers[i].function));
}

/*
 * Takes triggers of ours off the attached table of a kind, and forgets it.
 * Returns false where there is none.  Only its owner may; the table may be gone.
 * successor is the table that is attached next: there they are replaced, since to take
 * them off takes a stronger lock than the caller has.
 */
bool
vr_detach(VrAttachmentKind kind, Oid caller, Oid successor,
		  const VrTrigger *triggers, int n)
{
	VrAttachment attachment;
	Relation	table;

	if (!vr_attachment_find(kind, &attachment))
		return false;
	table = vr_open_attached(attachment.relation);
	if (table != NULL)
	{
		relation_close(table, NoLock);
		if (!vr_is_owner_of_table(attachment.relation, caller))
			aclcheck_error(ACLCHECK_NOT_OWNER,
						   get_relkind_objtype(get_rel_relkind(attachment.relation)),
						   get_rel_name(attachment.relation));
		for (int i = 0; i < n && attachment.relation != successor; i++)
			vr_spi_utility(psprintf("DROP TRIGGER IF EXISTS %s ON %s",
									triggers[i].name,
									vr_quoted_name(attachment.relation)));
	}
	/* Replaced in place, so that there is no moment at which nothing seems attached. */
	return OidIsValid(successor) || vr_attachment_delete(kind);
}

static void
cannot_attach(Relation relation, int sqlerrcode, const char *why)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("\"%s\" cannot be attached", RelationGetRelationName(relation)),
			 errdetail("%s", why)));
}

/*
 * Opens a table that the caller wants to attach, and keeps others from changing
 * it until the end of the transaction.
 */
Relation
vr_open_attachable(Oid relation)
{
	Relation	table;
	ListCell   *cell;

	if (get_rel_name(relation) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));

	/* Before the lock, which would keep others waiting. */
	if (!vr_is_owner_of_table(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relation)),
					   get_rel_name(relation));

	table = relation_open(relation, ShareRowExclusiveLock);
	if (table->rd_rel->relkind != RELKIND_RELATION &&
		table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		cannot_attach(table, ERRCODE_WRONG_OBJECT_TYPE,
					  "Only tables and partitioned tables can be attached.");
	if (table->rd_rel->relispartition)
		cannot_attach(table, ERRCODE_WRONG_OBJECT_TYPE,
					  "It is a partition; attach the partitioned table.");
	foreach(cell, find_all_inheritors(relation, AccessShareLock, NULL))
	{
		if (get_rel_persistence(lfirst_oid(cell)) != RELPERSISTENCE_PERMANENT)
			cannot_attach(table, ERRCODE_FEATURE_NOT_SUPPORTED,
						  "Temporary and unlogged tables lose their rows without saying so.");
	}
	if (IsCatalogRelation(table) ||
		table->rd_rel->relnamespace == get_namespace_oid("vendor_routing", true))
		cannot_attach(table, ERRCODE_WRONG_OBJECT_TYPE,
					  "It belongs to the server or to the extension.");
	if (table->rd_rel->relkind == RELKIND_RELATION &&
		find_inheritance_children(relation, NoLock) != NIL)
		cannot_attach(table, ERRCODE_WRONG_OBJECT_TYPE,
					  "It has tables that inherit from it.");
	return table;
}

/*
 * The attribute of a column; 42703 where there is none.
 */
static AttrNumber
find_column(Relation relation, const char *key, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(relation), name);

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, RelationGetRelationName(relation)),
				 errdetail("The mapping says that it has %s.", key),
				 errhint("Attach the table again, with another mapping.")));
	if (TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attgenerated ==
		VR_GENERATED_VIRTUAL)
		ereport(ERROR,	/* LCOV_EXCL_LINE: since 18 */
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of relation \"%s\" is a virtual generated column",
						name, RelationGetRelationName(relation)),
				 errhint("Make it a stored one.")));
	return attnum;
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * A JSON scalar as the text of the value; NULL for null.
 */
char *
vr_json_scalar(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return string_of(value);
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		default:
			return NULL;
	}
}

static void
bad_field(const char *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("mapping of \"%s\" is not valid", key),
			 errdetail("%s", detail),
			 errhint("Give the name of a column, {\"value\": constant}, or {\"column\": name, \"equals\": text}.")));
}

/*
 * The type of a column whose values we make from text, beneath its domain.
 * Refuses arrays, rows and ranges: a domain inside them has checks, which are code
 * of its owner's and would run with the rights of whoever calls us.
 */
Oid
vr_scalar_type(Relation relation, AttrNumber attnum, int32 *typmod)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);
	Oid			type;
	char		kind;

	*typmod = attribute->atttypmod;
	type = getBaseTypeAndTypmod(attribute->atttypid, typmod);
	kind = get_typtype(type);
	if ((kind != TYPTYPE_BASE && kind != TYPTYPE_ENUM) ||
		OidIsValid(get_element_type(type)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of relation \"%s\" has the type %s",
						NameStr(attribute->attname), RelationGetRelationName(relation),
						format_type_be(attribute->atttypid)),
				 errdetail("An id, a status, or a column that is compared has one value, not many.")));
	return type;
}

/*
 * A value as the output function of the column has it: true as t, and in a
 * char(3) x with two blanks.
 */
char *
vr_canonical(Relation relation, AttrNumber attnum, char *value)
{
	int32		typmod;
	Oid			type = vr_scalar_type(relation, attnum, &typmod);
	Oid			input;
	Oid			param;
	Oid			output;
	bool		is_varlena;
	int			level = vr_begin_output();
	char	   *canonical;

	getTypeInputInfo(type, &input, &param);
	getTypeOutputInfo(type, &output, &is_varlena);
	canonical = OidOutputFunctionCall(output,
									  OidInputFunctionCall(input, value, param, typmod));
	vr_end_output(level);
	return canonical;
}

/*
 * Finds out where a field comes from.
 */
static void
read_field(VrField *field, const JsonbValue *value, Relation relation)
{
	const char *key = field->rule->key;
	JsonbContainer *object;
	JsonbValue	buffer;
	JsonbValue *member;

	if (value->type == jbvString)
	{
		field->attnum = find_column(relation, key, string_of(value));
		return;
	}
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		bad_field(key, "It is neither a text nor an object.");
	if (field->rule->column_only)
		bad_field(key, "It must be the name of a column.");

	object = value->val.binary.data;
	if ((member = getKeyJsonValueFromContainer(object, "value", 5, &buffer)) != NULL &&
		JsonContainerSize(object) == 1)
	{
		if (member->type == jbvBinary)
			bad_field(key, "A constant is a text, a number, true, false or null.");
		field->constant = vr_json_scalar(member);
		return;
	}
	if ((member = getKeyJsonValueFromContainer(object, "column", 6, &buffer)) != NULL &&
		member->type == jbvString && JsonContainerSize(object) == 2)
	{
		field->attnum = find_column(relation, key, string_of(member));
		member = getKeyJsonValueFromContainer(object, "equals", 6, &buffer);
		if (member != NULL && member->type != jbvBinary && member->type != jbvNull)
		{
			field->equals = vr_canonical(relation, field->attnum, vr_json_scalar(member));
			return;
		}
	}
	bad_field(key, "It has other members than value, or column and equals.");
}

/*
 * Reads the fields of a mapping, in the order of the rules.  Members named in
 * other_keys are left to the caller; any other that no rule knows is refused.
 */
VrField *
vr_mapping_read(const Jsonb *mapping, const VrFieldRule *rules, int nrules,
				const char *const *other_keys, int nother, Relation relation)
{
	VrField    *fields = palloc0(nrules * sizeof(VrField));
	JsonbIterator *it = JsonbIteratorInit((JsonbContainer *) &mapping->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	uint64		seen = 0;

	for (int i = 0; i < nrules; i++)
		fields[i].rule = &rules[i];

	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		JsonbValue	value;
		char	   *name;
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		name = string_of(&key);
		(void) JsonbIteratorNext(&it, &value, true);
		for (int i = 0; i < nrules && !known; i++)
		{
			known = (strcmp(name, rules[i].key) == 0);
			if (known)
			{
				read_field(&fields[i], &value, relation);
				seen |= UINT64CONST(1) << i;
			}
		}
		for (int i = 0; i < nother && !known; i++)
			known = (strcmp(name, other_keys[i]) == 0);
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("mapping has the unknown key \"%s\"", name)));
	}

	for (int i = 0; i < nrules; i++)
	{
		if (rules[i].required && !(seen & (UINT64CONST(1) << i)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("mapping must have the key \"%s\"", rules[i].key)));
	}
	return fields;
}

/*
 * Where an attached table has the id.  The rest of its mapping may not be valid any more.
 */
VrField
vr_id_field(const VrAttachment *attachment, Relation table)
{
	static const VrFieldRule rules[] = {
		[VR_ATTACHED_ORDERS] = {"order_id", .column_only = true},
		[VR_ATTACHED_VENDORS] = {"vendor_id", .column_only = true}
	};
	VrField		field = {&rules[attachment->kind]};
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&attachment->mapping->root,
													 field.rule->key,
													 strlen(field.rule->key), &buffer);

	if (value != NULL)
		read_field(&field, value, table);
	else
		bad_field(field.rule->key, "It is missing.");
	return field;
}

/*
 * Does the index tell rows apart by this column alone?  Whether it has a predicate
 * is seen without reading that, since to read it is to run parts of it.
 */
bool
vr_is_unique_index_on(Relation index, AttrNumber attnum)
{
	return index->rd_index->indisunique && index->rd_index->indimmediate &&
		index->rd_index->indisvalid && index->rd_index->indnkeyatts == 1 &&
		index->rd_index->indkey.values[0] == attnum &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/*
 * Refuses a column whose values do not tell rows apart.
 */
void
vr_require_unique(Relation relation, const VrField *field)
{
	List	   *indexes = RelationGetIndexList(relation);
	bool		unique = false;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (vr_is_unique_index_on(index, field->attnum))
			unique = true;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	if (!unique)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the column of \"%s\" must have a unique index of its own",
						field->rule->key)));
}

/*
 * Is it the table that was attached?  A dump keeps the OID of one that has been dropped, and
 * that may be another table's where it is restored; so it must have our trigger.
 */
static bool
has_trigger(Oid relation)
{
	return OidIsValid(get_trigger_oid(relation, VR_ORDERS_TRIGGER, true)) ||
		OidIsValid(get_trigger_oid(relation, VR_VENDORS_TRIGGER, true));
}

/*
 * Opens the table that was attached; NULL where it is gone.
 */
Relation
vr_open_attached(Oid relation)
{
	return has_trigger(relation) ? try_relation_open(relation, AccessShareLock) : NULL;
}

/*
 * The tables with the rows of an attached table: its partitions, and itself.  What
 * inherits from it otherwise has ids of its own, and is not attached.  The partitions
 * are locked as the caller will need them next, who has locked the table: a lock that is
 * made stronger then deadlocks with who came in between.  NIL where it is gone.
 */
List *
vr_attached_tables(Oid relation, LOCKMODE lockmode)
{
	if (!has_trigger(relation))
		return NIL;
	return get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE ?
		find_all_inheritors(relation, lockmode, NULL) : list_make1_oid(relation);
}

/*
 * Locks an attached table and its partitions.  Returns false where that would mean to wait,
 * and we do not.
 */
bool
vr_attached_lock(Oid relation, LOCKMODE lockmode, bool wait, List **tables)
{
	ListCell   *cell;

	if (wait)
		LockRelationOid(relation, lockmode);
	else if (!ConditionalLockRelationOid(relation, lockmode))
		return false;
	*tables = vr_attached_tables(relation, wait ? lockmode : NoLock);
	foreach(cell, *tables)
	{
		if (!wait && !ConditionalLockRelationOid(lfirst_oid(cell), lockmode))
			return false;
	}
	return true;
}

/*
 * Hands each row of a table, partitions included, to take().
 */
void
vr_attached_rows(Oid relation, Snapshot snapshot,
				 void (*take) (Relation table, HeapTuple row, void *arg),
				 void *arg)
{
	List	   *tables;
	ListCell   *cell;

	LockRelationOid(relation, AccessShareLock);
	tables = vr_attached_tables(relation, AccessShareLock);
	foreach(cell, tables)
	{
		Relation	table;
		TupleTableSlot *slot;
		TableScanDesc scan;

		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_RELATION)
			continue;
		table = table_open(lfirst_oid(cell), NoLock);
		slot = table_slot_create(table, NULL);
		scan = table_beginscan(table, snapshot, 0, NULL);
		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		{
			bool		should_free;

			CHECK_FOR_INTERRUPTS();
			take(table, ExecFetchSlotHeapTuple(slot, false, &should_free), arg);
		}
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
		table_close(table, NoLock);
	}
}

bool
vr_field_is_mapped(const VrField *field)
{
	return field->attnum != 0 || field->constant != NULL;
}

/*
 * One value as the text of a list of one.
 */
static char *
list_of_one(const char *value)
{
	Datum		element = CStringGetTextDatum(value);
	ArrayType  *array = construct_array(&element, 1, TEXTOID, -1, false, TYPALIGN_INT);

	return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array));
}

/*
 * The value of a field in a row, as text; NULL for NULL.
 */
char *
vr_field_value(const VrField *field, HeapTuple row, TupleDesc tupdesc)
{
	Form_pg_attribute attribute;
	Datum		value;
	bool		isnull;
	Oid			output;
	bool		is_varlena;
	char	   *result;

	if (field->attnum == 0)
		return (field->rule->is_list && field->constant != NULL) ?
			list_of_one(field->constant) : field->constant;

	value = heap_getattr(row, field->attnum, tupdesc, &isnull);
	if (isnull)
		return field->equals != NULL ? pstrdup("false") : NULL;

	attribute = TupleDescAttr(tupdesc, field->attnum - 1);
	getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
	result = OidOutputFunctionCall(output, value);
	if (field->equals != NULL)
		return pstrdup(strcmp(result, field->equals) == 0 ? "true" : "false");
	if (field->rule->is_list && !OidIsValid(get_element_type(getBaseType(attribute->atttypid))))
		return list_of_one(result);
	return result;
}
