/*-------------------------------------------------------------------------
 *
 * spi.c
 *		Running our SQL statements in-process: whose rights, which names,
 *		which snapshot, which plan.
 *
 * Every write of the extension goes through here and the executor, so that
 * constraints, triggers and row security added by a DBA are honoured.
 *
 * Rights: statements run as the owner of the table vendor_routing.routings, as
 * those of referential integrity run as the owner of their table.  A role
 * needs EXECUTE on our functions and nothing on our tables.
 *
 * Names: search_path is pg_catalog while we are in here, so no operator,
 * function or type of anybody else's is ever considered.
 *
 * Snapshot: writes, and reads that decide about a write, use the latest
 * snapshot at every isolation level.
 *
 * Plans: prepared once per session and statement, and kept; one for all
 * parameters, since almost all come by a key.  A statement that joins tables, of
 * which the best plan depends on how large they are, is planned anew each time: a
 * plan of a time when they were empty would be kept too.  PostgreSQL
 * revalidates them by text when what they depend on changes, also across DROP
 * and CREATE EXTENSION.
 *
 * Errors: nothing is caught here.  Rights, settings and the SPI connection are
 * put back by the abort of the (sub)transaction, whoever catches the error.
 *
 * Memory: our code stays in the caller's memory context; results of a statement
 * are valid until the next one, or until vr_spi_end.
 *
 * IDENTIFICATION
 *	  src/spi.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "catalog.h"
#include "spi.h"

typedef struct PlanEntry
{
	const VrStatement *statement;	/* hash key */
	SPIPlanPtr	plan;
} PlanEntry;

static HTAB *plans = NULL;

static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Opens SPI with the rights of a role, and the names that it sees.  restriction is 0, or
 * SECURITY_RESTRICTED_OPERATION for a role that must leave nothing behind in the session.
 * Calls may be nested.
 */
void
vr_spi_begin_as(VrSpi *spi, Oid role, int restriction, const char *search_path)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");	/* LCOV_EXCL_LINE: does not happen */
	MemoryContextSwitchTo(caller);

	GetUserIdAndSecContext(&spi->user, &spi->security_context);
	SetUserIdAndSecContext(role, spi->security_context |
						   SECURITY_LOCAL_USERID_CHANGE | restriction);
	spi->guc_level = NewGUCNestLevel();
	set_for_now("search_path", search_path);
}

/*
 * Opens SPI with the extension's rights and names.  Calls may be nested.
 */
void
vr_spi_begin(VrSpi *spi)
{
	Relation	routings = vr_open_table("routings");
	Oid			owner = routings->rd_rel->relowner;

	table_close(routings, NoLock);
	vr_spi_begin_as(spi, owner, 0, "pg_catalog, pg_temp");

	/*
	 * All our statements come by a key.  A plan made while a table was almost
	 * empty would read all of it for as long as the session keeps the plan,
	 * and at SERIALIZABLE lock all of it against everybody.
	 */
	set_for_now("enable_seqscan", "off");

	/*
	 * Where there is no other way than to read all of a table, as of the outbox, the
	 * price of what is off would have the plan compiled, each time it is made.
	 */
	set_for_now("jit", "off");
}

/*
 * For statements that read whole tables; until vr_spi_end.
 */
void
vr_spi_allow_seqscan(void)
{
	set_for_now("enable_seqscan", "on");
}

/*
 * Settings are put back, also those that triggers have changed: a search_path that the
 * owner of a table leaves behind would be that of whoever called.
 */
void
vr_spi_end(const VrSpi *spi)
{
	MemoryContext caller = CurrentMemoryContext;

	AtEOXact_GUC(false, spi->guc_level);
	SetUserIdAndSecContext(spi->user, spi->security_context);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");	/* LCOV_EXCL_LINE: does not happen */
	MemoryContextSwitchTo(caller);
}

/*
 * The session's plan for a statement.
 */
static SPIPlanPtr
plan_for(const VrStatement *statement)
{
	PlanEntry  *entry;
	bool		found;

	if (plans == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(VrStatement *),
			.entrysize = sizeof(PlanEntry),
			.hcxt = TopMemoryContext
		};

		plans = hash_create("vendor_routing plans", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	entry = hash_search(plans, &statement, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;		/* stays so if preparing fails */
	if (entry->plan == NULL)
	{
		MemoryContext caller = CurrentMemoryContext;
		Oid			types[VR_MAX_PARAMS];
		SPIPlanPtr	plan;

		memcpy(types, statement->types, sizeof(types));
		plan = SPI_prepare_cursor(statement->sql, statement->nparams, types,
								  statement->joins ? CURSOR_OPT_CUSTOM_PLAN :
								  CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s: %s",	/* LCOV_EXCL_LINE: does not happen */
				 SPI_result_code_string(SPI_result), statement->sql);
		SPI_keepplan(plan);
		entry->plan = plan;
		MemoryContextSwitchTo(caller);
	}
	return entry->plan;
}

/*
 * An error context callback.  What PostgreSQL says of a row that a constraint refuses are
 * its values: they are for who may read the table, as we can, and not for our caller, nor
 * for the log.
 */
static void
hide_row(void *arg)
{
	if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		errdetail("What the row says is for those who may read the table.");
}

static uint64
execute_plan(SPIPlanPtr plan, int nparams, const NullableDatum *params,
			 Snapshot snapshot, bool read_only)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[VR_MAX_PARAMS];
	char		nulls[VR_MAX_PARAMS] = {0};
	ErrorContextCallback hiding = {.callback = hide_row, .previous = error_context_stack};
	int			result;

	Assert(nparams <= VR_MAX_PARAMS);
	for (int i = 0; i < nparams; i++)
	{
		/* cppcheck-suppress nullPointer ; NULL comes with no parameters */
		values[i] = params[i].value;
		/* cppcheck-suppress nullPointer */
		nulls[i] = params[i].isnull ? 'n' : ' ';
	}

	error_context_stack = &hiding;
	result = SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot,
								  read_only, true, 0);
	error_context_stack = hiding.previous;
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s",	/* LCOV_EXCL_LINE: does not happen */
			 SPI_result_code_string(result));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

static uint64
execute(const VrStatement *statement, const NullableDatum *params,
		Snapshot snapshot, bool read_only)
{
	return execute_plan(plan_for(statement), statement->nparams, params,
						snapshot, read_only);
}

/*
 * As vr_spi_write, for a statement that is not one of ours and is run once.  What
 * is quoted into it is quoted by the caller.
 */
uint64
vr_spi_write_unplanned(const char *sql, int nparams, const Oid *types,
					   const NullableDatum *params)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			copy[VR_MAX_PARAMS];
	SPIPlanPtr	plan;

	memcpy(copy, types, nparams * sizeof(Oid));
	plan = SPI_prepare(sql, nparams, copy);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s",	/* LCOV_EXCL_LINE: does not happen */
			 SPI_result_code_string(SPI_result), sql);
	MemoryContextSwitchTo(caller);
	return execute_plan(plan, nparams, params, GetLatestSnapshot(), false);
}

/*
 * Runs a statement that writes, or reads what a write depends on, on the latest
 * snapshot, as the triggers of referential integrity do: at REPEATABLE READ and
 * SERIALIZABLE the transaction's own snapshot would meet rows changed since,
 * and fail with 40001.  Returns the number of rows.
 */
uint64
vr_spi_write(const VrStatement *statement, const NullableDatum *params)
{
	return execute(statement, params, GetLatestSnapshot(), false);
}

/*
 * As vr_spi_write, for so many rows.  One that is not where it was, as where a trigger
 * of somebody's has updated it since, is found by its key.
 */
uint64
vr_spi_write_rows_at(const VrRowStatement *statement, const NullableDatum *params,
					 uint64 nrows)
{
	uint64		written = 0;

	if (!params[0].isnull)
		written = vr_spi_write(&statement->by_tid, params);
	if (written < nrows)
		written += vr_spi_write(&statement->by_key, params);
	return written;
}

/*
 * As vr_spi_write_rows_at, for one row.
 */
bool
vr_spi_write_row(const VrRowStatement *statement, const NullableDatum *params)
{
	return vr_spi_write_rows_at(statement, params, 1) == 1;
}

/*
 * Runs a statement that must write so many rows.  It does, unless a trigger or
 * a policy that somebody added to our tables forbids it silently: then nothing
 * of this call may remain.
 */
void
vr_spi_write_exactly(const VrStatement *statement, const NullableDatum *params,
					 uint64 nrows)
{
	if (vr_spi_write(statement, params) != nrows)
		vr_spi_not_written();
}

/*
 * As vr_spi_write, for a statement that reads these rows, under this name; they
 * have the layout of a table.
 */
uint64
vr_spi_write_rows(const VrStatement *statement, char *name, Relation layout,
				  Tuplestorestate *rows)
{
	EphemeralNamedRelationData relation = {
		.md = {
			.name = name,
			.reliddesc = RelationGetRelid(layout),
			.enrtype = ENR_NAMED_TUPLESTORE,
			.enrtuples = tuplestore_tuple_count(rows)
		},
		.reldata = rows
	};
	uint64		nrows;

	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed");	/* LCOV_EXCL_LINE: does not happen */
	nrows = vr_spi_write(statement, NULL);
	if (SPI_unregister_relation(name) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "SPI_unregister_relation failed");	/* LCOV_EXCL_LINE: does not happen */
	return nrows;
}

/*
 * Rolls back what cannot be done in full.
 */
void
vr_spi_not_written(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("rows of vendor_routing could not be written"),
			 errdetail("A trigger or a row security policy suppressed them, or they were changed at the same time by other means than the functions of the extension.")));
}

/*
 * Runs a command that makes or drops something.  What is quoted into it is
 * quoted by the caller.
 */
void
vr_spi_utility(const char *sql)
{
	MemoryContext caller = CurrentMemoryContext;
	int			result = SPI_execute(sql, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute failed: %s: %s",	/* LCOV_EXCL_LINE: does not happen */
			 SPI_result_code_string(result), sql);
	MemoryContextSwitchTo(caller);
}

/*
 * Lets nothing be put off to the end of the transaction (deferred constraints, and
 * triggers), with the rights and the settings of our caller, outside of vr_spi_begin.
 */
void
vr_defer_nothing(void)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");	/* LCOV_EXCL_LINE: does not happen */
	vr_spi_utility("SET CONSTRAINTS ALL IMMEDIATE");
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");	/* LCOV_EXCL_LINE: does not happen */
	MemoryContextSwitchTo(caller);
}

/*
 * Runs a query on the latest snapshot.  Returns the number of rows.
 */
uint64
vr_spi_read(const VrStatement *statement, const NullableDatum *params)
{
	return execute(statement, params, GetLatestSnapshot(), true);
}

/*
 * Runs a query on the snapshot of the calling query: for functions that only
 * report (STABLE), so that they agree with everything else the query reads.
 */
uint64
vr_spi_read_snapshot(const VrStatement *statement, const NullableDatum *params)
{
	return execute(statement, params, GetActiveSnapshot(), true);
}

/*
 * A value of the last result; column counts from 1.  Valid until the next
 * statement.
 */
NullableDatum
vr_spi_value(uint64 row, int column)
{
	NullableDatum result;

	result.value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								 column, &result.isnull);
	return result;
}

/*
 * A value of the last result, copied into the current memory context.
 */
NullableDatum
vr_spi_copy_value(uint64 row, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
	NullableDatum result = vr_spi_value(row, column);

	if (!result.isnull)
		result.value = datumCopy(result.value, attribute->attbyval,
								 attribute->attlen);
	return result;
}

/*
 * Copies a row of the last result into a slot of the same layout.  Its place is
 * not known then.
 */
void
vr_spi_copy_row(uint64 row, TupleTableSlot *slot)
{
	ExecForceStoreHeapTuple(SPI_tuptable->vals[row], slot, false);
	ExecMaterializeSlot(slot);
	ItemPointerSetInvalid(&slot->tts_tid);
}

/*
 * A text of the last result, copied into the current memory context; NULL for
 * NULL.
 */
text *
vr_spi_text(uint64 row, int column)
{
	NullableDatum value = vr_spi_value(row, column);

	return value.isnull ? NULL : DatumGetTextPCopy(value.value);
}

/*
 * For a function that returns the rows of a query as they are, on the snapshot of the
 * calling query.
 */
void
vr_spi_return_rows(FunctionCallInfo fcinfo, const VrStatement *statement,
				   const NullableDatum *params)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	uint64		nrows;
	VrSpi		spi;

	InitMaterializedSRF(fcinfo, 0);
	vr_spi_begin(&spi);
	nrows = vr_spi_read_snapshot(statement, params);
	for (uint64 row = 0; row < nrows; row++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[row]);
	vr_spi_end(&spi);
}

/*
 * An array parameter; NULL for NIL.
 */
NullableDatum
vr_param_texts(const List *texts)
{
	int			n = list_length(texts);
	Datum	   *elements = palloc(n * sizeof(Datum));

	if (n == 0)
		return vr_param_ptr(NULL);
	for (int i = 0; i < n; i++)
		elements[i] = PointerGetDatum(list_nth(texts, i));
	return vr_param_ptr(construct_array(elements, n, TEXTOID, -1, false,
										TYPALIGN_INT));
}

/*
 * An array of n uuids.
 */
NullableDatum
vr_param_uuids(const pg_uuid_t *ids, int n)
{
	Datum	   *datums = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = UUIDPGetDatum(&ids[i]);
	return vr_param_ptr(construct_array(datums, n, UUIDOID, UUID_LEN, false,
										TYPALIGN_CHAR));
}
