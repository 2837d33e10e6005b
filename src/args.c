/*-------------------------------------------------------------------------
 *
 * args.c
 *		Checks and conversions of what callers pass in.
 *
 * Our functions are not STRICT: a NULL where a value is needed is a mistake
 * of the caller's and gets an error that names the argument, not a NULL.
 *
 * Memory: what is returned lives in the caller's memory context.
 * Errors: 22004 for a NULL, 22023 for a value that cannot be meant, 25006
 * where nothing may be written.
 *
 * IDENTIFICATION
 *	  src/args.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "args.h"
#include "settings.h"

/*
 * Refuses to go on where nothing can be written: in a read-only transaction,
 * on a standby, in a parallel worker.  Even calls that would turn out to write
 * nothing are refused, so that one call does not work by luck and the next not.
 */
void
vr_require_writable(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

static void
require_value(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/*
 * The routing id in argument argno.
 */
const pg_uuid_t *
vr_arg_uuid(FunctionCallInfo fcinfo, int argno, const char *name)
{
	require_value(fcinfo, argno, name);
	return PG_GETARG_UUID_P(argno);
}

/*
 * Refuses a text of more than limit bytes.  Looks at the length before the
 * value is detoasted: a gigabyte is refused unread.
 */
static void
check_length(Datum value, const char *name, Size limit)
{
	if (toast_raw_datum_size(value) - VARHDRSZ > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", name),
				 errdetail("At most %zu bytes are allowed.", limit)));
}

/*
 * Refuses what cannot be an id of the application's (order, vendor, retailer,
 * product): they are any text that is not empty and not absurdly long.
 */
void
vr_check_id(Datum value, const char *name)
{
	check_length(value, name, VR_MAX_ID_LENGTH);
	if (toast_raw_datum_size(value) == VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name)));
}

/*
 * The id in argument argno.
 */
const text *
vr_arg_id(FunctionCallInfo fcinfo, int argno, const char *name)
{
	require_value(fcinfo, argno, name);
	vr_check_id(PG_GETARG_DATUM(argno), name);
	return PG_GETARG_TEXT_PP(argno);
}

/*
 * As vr_arg_id, or NULL.
 */
const text *
vr_arg_optional_id(FunctionCallInfo fcinfo, int argno, const char *name)
{
	return PG_ARGISNULL(argno) ? NULL : vr_arg_id(fcinfo, argno, name);
}

/*
 * Free text, or NULL.
 */
const text *
vr_arg_optional_text(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		return NULL;
	check_length(PG_GETARG_DATUM(argno), name, VR_MAX_TEXT_LENGTH);
	return PG_GETARG_TEXT_PP(argno);
}

/*
 * As much of a text as fits into limit bytes, or NULL: for what others say, and must not be
 * lost for its length.
 */
const text *
vr_arg_clipped_text(FunctionCallInfo fcinfo, int argno, int limit, bool *clipped)
{
	text	   *beginning;

	*clipped = !PG_ARGISNULL(argno) &&
		toast_raw_datum_size(PG_GETARG_DATUM(argno)) - VARHDRSZ > limit;
	if (!*clipped)
		return PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);
	/* With the whole of the character that crosses the limit. */
	beginning = PG_GETARG_TEXT_P_SLICE(argno, 0, limit + MAX_MULTIBYTE_CHAR_LEN);
	return cstring_to_text_with_len(VARDATA_ANY(beginning),
									pg_mbcliplen(VARDATA_ANY(beginning),
												 VARSIZE_ANY_EXHDR(beginning), limit));
}

/*
 * Refuses what is not a JSON object.
 */
void
vr_check_object(const Jsonb *value, const char *name)
{
	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
}

/*
 * A JSON object, or NULL.
 */
const Jsonb *
vr_arg_optional_object(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Jsonb	   *object;

	if (PG_ARGISNULL(argno))
		return NULL;
	object = PG_GETARG_JSONB_P(argno);
	vr_check_object(object, name);
	return object;
}

/*
 * A JSON object.
 */
const Jsonb *
vr_arg_object(FunctionCallInfo fcinfo, int argno, const char *name)
{
	require_value(fcinfo, argno, name);
	return vr_arg_optional_object(fcinfo, argno, name);
}

/*
 * A relation.  Whether there is one is seen by who opens it.
 */
Oid
vr_arg_relation(FunctionCallInfo fcinfo, int argno, const char *name)
{
	require_value(fcinfo, argno, name);
	return PG_GETARG_OID(argno);
}

/*
 * Refuses what is not an amount of money: finite and not negative.
 */
void
vr_check_amount(Numeric amount, const char *name)
{
	Datum		zero = NumericGetDatum(int64_to_numeric(0));

	if (numeric_is_nan(amount) || numeric_is_inf(amount) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(amount), zero)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a finite number and not negative", name)));
}

/*
 * An amount of money, or NULL.
 */
Numeric
vr_arg_optional_amount(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Numeric		amount;

	if (PG_ARGISNULL(argno))
		return NULL;
	amount = PG_GETARG_NUMERIC(argno);
	vr_check_amount(amount, name);
	return amount;
}

/*
 * The length of an interval, with months of 31 days: a bound must not depend on
 * today.  One with a negative part is negative: '1 month -30 days' is, in February.
 */
double
vr_interval_seconds(const Interval *interval)
{
	if (interval->month < 0 || interval->day < 0 || interval->time < 0)
		return -1;
	return (double) interval->time / USECS_PER_SEC +
		((double) interval->month * 31 + interval->day) * SECS_PER_DAY;
}

/*
 * A time to live: zero to VR_TTL_LIMIT, or NULL.  An infinite interval (from
 * 17) is a huge one here, and so is refused.
 */
const Interval *
vr_arg_optional_ttl(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Interval   *ttl;
	double		seconds;

	if (PG_ARGISNULL(argno))
		return NULL;
	ttl = PG_GETARG_INTERVAL_P(argno);
	seconds = vr_interval_seconds(ttl);
	if (seconds < 0 || seconds > VR_TTL_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between zero and %d days",
						name, VR_TTL_LIMIT / SECS_PER_DAY)));
	return ttl;
}

/*
 * As vr_arg_optional_ttl, and more than zero.
 */
const Interval *
vr_arg_optional_positive_ttl(FunctionCallInfo fcinfo, int argno, const char *name)
{
	const Interval *ttl = vr_arg_optional_ttl(fcinfo, argno, name);

	if (ttl != NULL && vr_interval_seconds(ttl) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than zero", name)));
	return ttl;
}

/*
 * Equality of two texts, either of which may be NULL, byte by byte: what = is
 * for every deterministic collation.
 */
bool
vr_text_eq(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/*
 * Does a text say this word?
 */
bool
vr_text_is(const text *value, const char *name)
{
	return strlen(name) == VARSIZE_ANY_EXHDR(value) &&
		memcmp(name, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == 0;
}

/*
 * Is a text one of those in a list?
 */
bool
vr_text_in(const text *value, const List *texts)
{
	ListCell   *cell;

	foreach(cell, texts)
	{
		if (vr_text_eq(lfirst(cell), value))
			return true;
	}
	return false;
}

/*
 * Are these the same C string, or both NULL?
 */
bool
vr_cstring_eq(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

/*
 * A copy as a C string, or NULL.
 */
char *
vr_cstring(const text *value)
{
	return value == NULL ? NULL : text_to_cstring(value);
}

/*
 * The elements of an array of texts, copied.
 */
List *
vr_texts(Datum array)
{
	Datum	   *elements;
	int			nelements;
	List	   *texts = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &nelements);
	for (int i = 0; i < nelements; i++)
		texts = lappend(texts, DatumGetTextPCopy(elements[i]));
	return texts;
}
