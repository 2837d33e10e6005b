/*-------------------------------------------------------------------------
 *
 * trigger.c
 *		Guards on our tables: they refuse, also to plain SQL, what the
 *		functions of the extension never do.  What a row must be like: verify.c.
 *
 * They fire ENABLE ALWAYS.  Inserting is not guarded, because a restore inserts
 * rows in every state; the rules of the tables see to those.
 *
 * Errors: 23503 (foreign
 * key violation, which it is in all but name) for a vendor that is in use;
 * 55000 for what is kept for ever.
 *
 * IDENTIFICATION
 *	  src/trigger.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "args.h"
#include "catalog.h"
#include "spi.h"
#include "trigger.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_guard_vendors);
PG_FUNCTION_INFO_V1(vr_guard_kept);

/*
 * What a trigger function is called with.
 */
TriggerData *
vr_trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	return (TriggerData *) fcinfo->context;
}

/*
 * Says that a function is a trigger of another table.
 */
void
vr_refuse_table(Relation table)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function is no trigger for table \"%s\"",
					RelationGetRelationName(table))));
}

/*
 * The same for a function that reads a row by column number, which must be one of
 * the table of ours that it is made for.
 */
TriggerData *
vr_own_trigger_data(FunctionCallInfo fcinfo, const char *table)
{
	TriggerData *trigger = vr_trigger_data(fcinfo);

	if (!vr_is_own_table(trigger->tg_relation, table))
		vr_refuse_table(trigger->tg_relation);
	return trigger;
}

/*
 * Refuses to be a trigger that is fired before a row, or once for a statement.
 */
void
vr_require_after_row(const TriggerData *trigger)
{
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be fired after each row")));

	/* A partition that is elsewhere: its rows cannot be looked up. */
	if (trigger->tg_relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a foreign table", RelationGetRelationName(trigger->tg_relation)),
				 errdetail("It belongs to an attached table, whose rows must be in this database.")));
}

static void
take_apart(TupleDesc tupdesc, HeapTuple tuple, VrRow *row, const VrRow *before)
{
	heap_deform_tuple(tuple, tupdesc, row->values, row->nulls);
	row->before = before;
}

/*
 * The row that an INSERT or UPDATE makes, taken apart; *before is the one that was
 * there, of an UPDATE.
 */
HeapTuple
vr_trigger_row(TriggerData *trigger, VrRow *before, VrRow *row)
{
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	HeapTuple	tuple = update ? trigger->tg_newtuple : trigger->tg_trigtuple;

	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!(update || TRIGGER_FIRED_BY_INSERT(trigger->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be fired for each row by INSERT or UPDATE")));
	if (update)
		take_apart(tupdesc, trigger->tg_trigtuple, before, NULL);
	take_apart(tupdesc, tuple, row, update ? before : NULL);
	return tuple;
}

/*
 * BEFORE DELETE OR UPDATE OF vendor_id ON vendors FOR EACH ROW, and BEFORE
 * TRUNCATE: a vendor that has open offers or unfinished orders keeps its row
 * and its id.
 */
Datum
vr_guard_vendors(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_own_trigger_data(fcinfo, "vendors");
	const text *vendor_id = NULL;	/* any */
	bool		in_use;
	VrSpi		spi;

	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		vendor_id = vr_vendor_id(RelationGetDescr(trigger->tg_relation),
								 trigger->tg_trigtuple);

	/* An UPDATE that names the column and leaves the value. */
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
		vr_text_eq(vendor_id,
				   vr_vendor_id(RelationGetDescr(trigger->tg_relation),
								trigger->tg_newtuple)))
		return PointerGetDatum(trigger->tg_newtuple);

	vr_spi_begin(&spi);
	in_use = vr_vendor_in_use(vendor_id);
	vr_spi_end(&spi);

	if (in_use && vendor_id != NULL && vr_vendor_is_forgotten(vendor_id))
		return PointerGetDatum(NULL);
	if (in_use && vendor_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("cannot truncate vendors while orders are open")));
	if (in_use)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("vendor \"%s\" has open offers or unfinished orders",
						text_to_cstring(vendor_id)),
				 errhint("Set is_active to false; it will be offered nothing more.")));

	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}

/*
 * Says that what somebody would change or remove stays: 55000.
 */
void
vr_refuse_change(Relation relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of table \"%s\" are kept for ever",
					RelationGetRelationName(relation)),
			 errdetail("What is on record can be neither changed nor removed.")));
}

/*
 * BEFORE anything ON tables that are kept for ever: refuses it.
 */
Datum
vr_guard_kept(PG_FUNCTION_ARGS)
{
	vr_refuse_change(vr_trigger_data(fcinfo)->tg_relation);
}
