/*-------------------------------------------------------------------------
 *
 * result.c
 *		Rows that our functions return.
 *
 * get_call_result_type() makes a new description of the row for each call, which
 * costs more than losing a race does; here it is that of the type cache.
 *
 * IDENTIFICATION
 *	  src/result.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "result.h"

/*
 * The type of the rows of a function: that which it is declared to return; of record,
 * one with these columns.
 */
static void
find_type(VrResult *result, Oid function)
{
	result->type = get_func_rettype(function);
	result->typmod = -1;
	if (result->type == RECORDOID)
	{
		TupleDesc	tupdesc = CreateTemplateTupleDesc(result->ncolumns);

		for (int i = 0; i < result->ncolumns; i++)
			TupleDescInitEntry(tupdesc, i + 1, result->columns[i].name,
							   result->columns[i].type, -1, 0);
		result->typmod = BlessTupleDesc(tupdesc)->tdtypmod;
	}
	result->function = function;
}

/*
 * Refuses a type that somebody has altered, or that another version came with.
 */
static void
wrong_type(const VrResult *result)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("type \"%s\" has not the columns that it comes with",
					format_type_be(result->type))));
}

/*
 * A row with these values, as the function returns it.  Allocated in the current
 * context.
 */
Datum
vr_result_row(FunctionCallInfo fcinfo, VrResult *result,
			  const NullableDatum *values)
{
	Datum		datums[VR_MAX_RESULT_COLUMNS];
	bool		nulls[VR_MAX_RESULT_COLUMNS];
	TupleDesc	tupdesc;
	Datum		row;

	if (result->function != fcinfo->flinfo->fn_oid)
		find_type(result, fcinfo->flinfo->fn_oid);
	tupdesc = lookup_rowtype_tupdesc(result->type, result->typmod);
	if (tupdesc->natts != result->ncolumns)
		wrong_type(result);

	for (int i = 0; i < result->ncolumns; i++)
	{
		if (TupleDescAttr(tupdesc, i)->atttypid != result->columns[i].type)
			wrong_type(result);
		datums[i] = values[i].value;
		nulls[i] = values[i].isnull;
	}
	row = HeapTupleGetDatum(heap_form_tuple(tupdesc, datums, nulls));
	ReleaseTupleDesc(tupdesc);
	return row;
}
