/*-------------------------------------------------------------------------
 *
 * attach_vendors.c
 *		vr_attach_vendors, vr_detach_vendors: keeps the registry in step with a
 *		table of the application's.
 *
 * Its rows are loaded once, and from then on by triggers, in the transaction
 * that changes them.  Values are turned into text with the rights of whoever does
 * that; only then are they written with ours.
 *
 * Locking: attaching locks the table against changes.
 *
 * Memory: a context per batch of rows.
 *
 * Errors: those of attachment.c, and those of the table vendors.
 *
 * IDENTIFICATION
 *	  src/attach_vendors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "args.h"
#include "attachment.h"
#include "clock.h"
#include "spi.h"
#include "trigger.h"
#include "vendor.h"
#include "vendor_mapping.h"

PG_FUNCTION_INFO_V1(vr_attach_vendors);
PG_FUNCTION_INFO_V1(vr_detach_vendors);
PG_FUNCTION_INFO_V1(vr_sync_vendors);

/* Rows that are written by one statement. */
#define BATCH 1000

/* Seconds between two notices of how far it is. */
#define NOTICE_AFTER 5

/* On the attached table. */
static const VrTrigger triggers[] = {
	{VR_VENDORS_TRIGGER, "AFTER INSERT OR UPDATE OR DELETE", "ROW", "sync_vendors"},
	{"vr_sync_vendors_truncate", "AFTER TRUNCATE", "STATEMENT", "sync_vendors"}
};

/* Vendors on their way into the registry. */
typedef struct Load
{
	const Jsonb *mapping;
	Oid			table;			/* that fields is for */
	VrField    *fields;
	List	   *mapped;			/* names of columns, as text */
	List	   *vendor_ids;		/* of all rows, where they are wanted */
	void		(*write) (const Jsonb *rows, const List *mapped, void *arg);
	void	   *arg;
	JsonbParseState *rows;
	int			nrows;			/* of this batch */
	int			level;			/* of the settings that it is read with */
	int64		total;
	TimestampTz next_notice;
	MemoryContext caller;
	MemoryContext per_batch;
} Load;

static void
flush(Load *load)
{
	Jsonb	   *rows;

	if (load->nrows == 0)
		return;
	rows = JsonbValueToJsonb(pushJsonbValue(&load->rows, WJB_END_ARRAY, NULL));
	vr_end_output(load->level);
	load->write(rows, load->mapped, load->arg);
	load->total += load->nrows;
	load->nrows = 0;
	load->rows = NULL;
	MemoryContextReset(load->per_batch);

	if (vr_now() >= load->next_notice)
	{
		ereport(NOTICE, (errmsg("%lld vendors read so far", (long long) load->total)));
		load->next_notice = vr_now() + NOTICE_AFTER * USECS_PER_SEC;
	}
}

static void
load_row(Relation table, HeapTuple row, void *arg)
{
	Load	   *load = arg;

	if (load->table != RelationGetRelid(table))
	{
		load->table = RelationGetRelid(table);
		load->fields = vr_vendor_mapping_read(load->mapping, table);
	}
	MemoryContextSwitchTo(load->per_batch);
	if (load->nrows == 0)
	{
		load->level = vr_begin_output();
		pushJsonbValue(&load->rows, WJB_BEGIN_ARRAY, NULL);
	}
	vr_vendor_push_row(&load->rows, load->fields, row, RelationGetDescr(table));
	load->nrows++;
	if (load->nrows == BATCH)
		flush(load);
	MemoryContextSwitchTo(load->caller);
}

/*
 * Hands all rows of a table, partitions included, to write().  Returns how many
 * there are.
 */
static int64
load_all(Oid relation, const Jsonb *mapping, const VrField *fields,
		 Snapshot snapshot,
		 void (*write) (const Jsonb *rows, const List *mapped, void *arg),
		 void *arg)
{
	Load		load = {
		.mapping = mapping,
		.mapped = vr_vendor_mapped_columns(fields),
		.write = write,
		.arg = arg,
		.next_notice = vr_now() + NOTICE_AFTER * USECS_PER_SEC,
		.caller = CurrentMemoryContext,
		.per_batch = AllocSetContextCreate(CurrentMemoryContext,
										   "vendor_routing vendors",
										   ALLOCSET_DEFAULT_SIZES)
	};

	vr_attached_rows(relation, snapshot, load_row, &load);
	MemoryContextSwitchTo(load.per_batch);
	flush(&load);
	MemoryContextSwitchTo(load.caller);
	MemoryContextDelete(load.per_batch);
	return load.total;
}

/*
 * Writes rows to the registry.  Whoever may write the attached table need not be allowed to
 * read all of it.
 */
static void
write_rows(const Jsonb *rows, const List *columns)
{
	MemoryContext caller = CurrentMemoryContext;
	VrSpi		spi;

	vr_spi_begin(&spi);
	PG_TRY();
	{
		vr_vendors_mirror(rows, columns, vr_now());
	}
	PG_CATCH();
	{
		vr_rethrow_without_value(caller, "a column of an attached vendor");
	}
	PG_END_TRY();
	vr_spi_end(&spi);
}

static void
write_batch(const Jsonb *rows, const List *mapped, void *arg)
{
	write_rows(rows, mapped);
}

/*
 * vr_attach_vendors(relation regclass, mapping jsonb) returns bigint
 */
Datum
vr_attach_vendors(PG_FUNCTION_ARGS)
{
	Oid			relid = vr_arg_relation(fcinfo, 0, "relation");
	const Jsonb *mapping = vr_arg_object(fcinfo, 1, "mapping");
	Relation	relation;
	VrField    *fields;
	Snapshot	snapshot;
	int64		loaded;
	char	   *search_path = vr_search_path_to_keep();
	VrSpi		spi;

	vr_require_writable("vr_attach_vendors()");

	relation = vr_open_attachable(relid);
	fields = vr_vendor_mapping_read(mapping, relation);
	vr_require_unique(relation, &fields[VR_FIELD_VENDOR_ID]);
	if (vr_field_is_mapped(&fields[VR_FIELD_TOTAL_ORDERS]) !=
		vr_field_is_mapped(&fields[VR_FIELD_COMPLETED_ORDERS]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("total_orders and completed_orders are mapped together, or neither"),
				 errdetail("vr_complete counts the one that is not mapped, and then they do not fit each other.")));

	vr_spi_begin(&spi);
	(void) vr_detach(VR_ATTACHED_VENDORS, spi.user, relid, triggers,
					 lengthof(triggers));
	vr_attachment_insert(VR_ATTACHED_VENDORS, relid, mapping, search_path, vr_now());
	vr_create_triggers(relation, triggers, lengthof(triggers));
	vr_spi_end(&spi);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	loaded = load_all(relid, mapping, fields, snapshot, write_batch, NULL);
	UnregisterSnapshot(snapshot);
	relation_close(relation, NoLock);
	PG_RETURN_INT64(loaded);
}

/*
 * vr_detach_vendors() returns boolean
 *
 * What is in the registry stays as it is.
 */
Datum
vr_detach_vendors(PG_FUNCTION_ARGS)
{
	bool		detached;
	VrSpi		spi;

	vr_require_writable("vr_detach_vendors()");

	vr_spi_begin(&spi);
	detached = vr_detach(VR_ATTACHED_VENDORS, spi.user, InvalidOid, triggers,
						 lengthof(triggers));
	vr_spi_end(&spi);

	PG_RETURN_BOOL(detached);
}

/*
 * Writes one row of the attached table to the registry.
 */
static void
write_row(const VrField *fields, HeapTuple tuple, TupleDesc tupdesc, bool is_new)
{
	JsonbParseState *state = NULL;
	List	   *columns = vr_vendor_mapped_columns(fields);
	Jsonb	   *rows;
	int			level;

	/* A vendor that comes back is active again. */
	if (is_new)
		columns = lappend(columns, cstring_to_text("is_active"));
	level = vr_begin_output();
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	vr_vendor_push_row(&state, fields, tuple, tupdesc);
	rows = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	vr_end_output(level);

	write_rows(rows, columns);
}

/*
 * Finds the row of a vendor as it is now.
 */
static bool
find_row(const VrAttachment *attachment, const char *vendor_id, VrAttachedRow *row)
{
	return vr_attached_find(attachment,
							vr_attached_tables(attachment->relation, AccessShareLock),
							vendor_id, row);
}

/*
 * A row is new, or not as it was.  A trigger of the application's may have changed it
 * again since; then what it says now is written.
 */
static void
sync_row(const VrAttachment *attachment, const VrField *fields, TriggerData *trigger,
		 HeapTuple tuple, TupleTableSlot *slot, bool is_new)
{
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	VrAttachedRow now;

	if (table_tuple_satisfies_snapshot(trigger->tg_relation, slot, SnapshotSelf))
		write_row(fields, tuple, tupdesc, is_new);
	else if (find_row(attachment, vr_vendor_id_of(fields, tuple, tupdesc), &now))
	{
		write_row(vr_vendor_mapping_read(attachment->mapping, now.table), now.tuple,
				  RelationGetDescr(now.table), is_new);
		table_close(now.table, NoLock);
	}
}

/*
 * Takes a vendor whose row is gone out of the registry, unless somebody has put it back.
 */
static void
forget_row(const VrAttachment *attachment, const char *vendor_id)
{
	VrAttachedRow now;
	VrSpi		spi;

	if (find_row(attachment, vendor_id, &now))
	{
		table_close(now.table, NoLock);
		return;
	}
	vr_spi_begin(&spi);
	vr_vendor_forget(cstring_to_text(vendor_id));
	vr_spi_end(&spi);
}

/*
 * AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, and AFTER TRUNCATE, on the
 * attached table.
 */
Datum
vr_sync_vendors(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_trigger_data(fcinfo);
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	VrAttachment attachment;
	VrField    *fields;

	if (!vr_attachment_find(VR_ATTACHED_VENDORS, &attachment) ||
		!vr_is_attached(&attachment, trigger->tg_relation))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		VrSpi		spi;

		vr_spi_begin(&spi);
		vr_vendors_forget_all();
		vr_spi_end(&spi);
		return PointerGetDatum(NULL);
	}

	vr_require_after_row(trigger);
	fields = vr_vendor_mapping_read(attachment.mapping, trigger->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		sync_row(&attachment, fields, trigger, trigger->tg_trigtuple, trigger->tg_trigslot, true);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		forget_row(&attachment, vr_vendor_id_of(fields, trigger->tg_trigtuple, tupdesc));
	else
	{
		char	   *before = vr_vendor_id_of(fields, trigger->tg_trigtuple, tupdesc);
		char	   *after = vr_vendor_id_of(fields, trigger->tg_newtuple, tupdesc);
		bool		is_new = (strcmp(before, after) != 0);

		if (is_new)
			forget_row(&attachment, before);
		sync_row(&attachment, fields, trigger, trigger->tg_newtuple, trigger->tg_newslot,
				 is_new);
	}
	return PointerGetDatum(NULL);
}

/* Drift on its way to whoever asked. */
typedef struct Drift
{
	VrDriftFound found;
	void	   *arg;
} Drift;

static void
compare_batch(const Jsonb *rows, const List *mapped, void *arg)
{
	Drift	   *drift = arg;
	uint64		n = vr_vendors_differing(rows, mapped);

	for (uint64 i = 0; i < n; i++)
		drift->found(NULL, vr_spi_text(i, 1), text_to_cstring(vr_spi_text(i, 2)),
					 drift->arg);
}

static void
take_vendor_id(Relation table, HeapTuple row, void *arg)
{
	Load	   *load = arg;

	if (load->table != RelationGetRelid(table))
	{
		load->table = RelationGetRelid(table);
		load->fields = vr_vendor_mapping_read(load->mapping, table);
	}
	load->vendor_ids = lappend(load->vendor_ids,
							   cstring_to_text(vr_vendor_id_of(load->fields, row,
															RelationGetDescr(table))));
}

/*
 * Finds where the registry is not as the attached table says, by the snapshot of
 * the calling query.
 */
void
vr_attached_vendors_drift(VrDriftFound found, void *arg)
{
	Drift		drift = {found, arg};
	VrAttachment attachment;
	Relation	relation;
	Load		load = {0};
	uint64		n;

	if (!vr_attachment_find(VR_ATTACHED_VENDORS, &attachment))
		return;
	relation = vr_open_attached(attachment.relation);
	if (relation == NULL)
	{
		found(NULL, NULL, "the attached table of vendors is gone, or has lost its triggers", arg);
		return;
	}
	(void) load_all(attachment.relation, attachment.mapping,
					vr_vendor_mapping_read(attachment.mapping, relation),
					GetActiveSnapshot(), compare_batch, &drift);

	load.mapping = attachment.mapping;
	vr_attached_rows(attachment.relation, GetActiveSnapshot(), take_vendor_id, &load);
	n = vr_vendors_beyond(load.vendor_ids);
	for (uint64 i = 0; i < n; i++)
		found(NULL, vr_spi_text(i, 1), "is active, and not in the attached table", arg);
	relation_close(relation, NoLock);
}
