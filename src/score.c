/*-------------------------------------------------------------------------
 *
 * score.c
 *		The score of a vendor: 40 % its completed orders, 30 % its rating, 30 % its
 *		reliability.
 *
 * A generated column in all but form.  PostgreSQL reads and compiles the expression
 * of one anew in each statement that updates the table, whatever that sets, and
 * every accept does.
 *
 * Errors: 428C9 for who would set it.
 *
 * IDENTIFICATION
 *	  src/score.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "trigger.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_set_score);

static Datum
whole(int64 number)
{
	return NumericGetDatum(int64_to_numeric(number));
}

static Datum
tenths(int64 number)
{
	return NumericGetDatum(int64_div_fast_to_numeric(number, 1));
}

static Datum
times(Datum a, Datum b)
{
	return DirectFunctionCall2(numeric_mul, a, b);
}

static Datum
divided(Datum a, Datum b)
{
	return DirectFunctionCall2(numeric_div, a, b);
}

static Datum
plus(Datum a, Datum b)
{
	return DirectFunctionCall2(numeric_add, a, b);
}

/*
 * From the numbers of a vendor; the average rating is of 5.
 */
static Datum
compute_score(int total_orders, int completed_orders, Datum average_rating,
			  Datum reliability_score)
{
	Datum		completed = (total_orders > 0) ?
		divided(times(whole(completed_orders), whole(100)), whole(total_orders)) :
		whole(0);

	return plus(plus(times(completed, tenths(4)),
					 times(times(divided(average_rating, whole(5)), whole(100)),
						   tenths(3))),
				times(reliability_score, tenths(3)));
}

/*
 * BEFORE INSERT OR UPDATE OF what the score is made of ON vendors FOR EACH ROW.
 */
Datum
vr_set_score(PG_FUNCTION_ARGS)
{
	static const int made_of[] = {
		Anum_vendor_total_orders, Anum_vendor_completed_orders,
		Anum_vendor_average_rating, Anum_vendor_reliability_score
	};
	TriggerData *trigger = vr_own_trigger_data(fcinfo, "vendors");
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	VrRow		before;
	VrRow		row;
	HeapTuple	tuple = vr_trigger_row(trigger, &before, &row);
	Datum		values[lengthof(made_of)];
	int			column = Anum_vendor_score;
	Datum		score;
	bool		isnull = false;

	for (int i = 0; i < lengthof(made_of); i++)
	{
		if (row.nulls[made_of[i] - 1])
			return PointerGetDatum(tuple);	/* which will be refused */
		values[i] = row.values[made_of[i] - 1];
	}

	score = DirectFunctionCall2(numeric,
								compute_score(DatumGetInt32(values[0]),
											  DatumGetInt32(values[1]),
											  values[2], values[3]),
								Int32GetDatum(TupleDescAttr(tupdesc, column - 1)->atttypmod));

	/* Logical replication sets every column, this one to what it is to be. */
	if (row.before != NULL &&
		bms_is_member(column - FirstLowInvalidHeapAttributeNumber,
					  trigger->tg_updatedcols) &&
		(row.nulls[column - 1] ||
		 !DatumGetBool(DirectFunctionCall2(numeric_eq, row.values[column - 1], score))))
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"score\" cannot be set"),
				 errdetail("It follows from other columns.")));

	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, tupdesc, 1, &column,
													 &score, &isnull));
}
