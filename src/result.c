/*-------------------------------------------------------------------------
 *
 * result.c
 *		Rows that our functions return.
 *
 * Finding out the result type of a function from the catalogs costs more than
 * losing a race does; ours never changes, so its description is kept.
 *
 * IDENTIFICATION
 *	  src/result.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/memutils.h"

#include "result.h"

/*
 * A row with these values, allocated in the current context.
 */
Datum
vr_result_row(VrResult *result, const NullableDatum *values)
{
	Datum		datums[VR_MAX_RESULT_COLUMNS];
	bool		nulls[VR_MAX_RESULT_COLUMNS];

	if (result->tupdesc == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	tupdesc = CreateTemplateTupleDesc(result->ncolumns);

		for (int i = 0; i < result->ncolumns; i++)
			TupleDescInitEntry(tupdesc, i + 1, result->columns[i].name,
							   result->columns[i].type, -1, 0);
		result->tupdesc = BlessTupleDesc(tupdesc);
		MemoryContextSwitchTo(caller);
	}

	for (int i = 0; i < result->ncolumns; i++)
	{
		datums[i] = values[i].value;
		nulls[i] = values[i].isnull;
	}
	return HeapTupleGetDatum(heap_form_tuple(result->tupdesc, datums, nulls));
}
