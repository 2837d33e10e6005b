/*-------------------------------------------------------------------------
 *
 * json.c
 *		Building small jsonb objects.
 *
 * Memory: results are allocated in the current context.
 *
 * IDENTIFICATION
 *	  src/json.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "eligibility.h"
#include "json.h"

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) key;
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_string(JsonbParseState **state, const char *string, int length)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) string;
	value.val.string.len = length;
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* NULL becomes null. */
static void
push_text(JsonbParseState **state, const text *string)
{
	JsonbValue	null = {.type = jbvNull};

	if (string == NULL)
		pushJsonbValue(state, WJB_VALUE, &null);
	else
		push_string(state, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
}

static void
push_numeric(JsonbParseState **state, Numeric number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = number;
	pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * An object with these members.
 */
Jsonb *
vr_json_object(const VrMember *members, int nmembers)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < nmembers; i++)
	{
		const VrMember *member = &members[i];

		if (member->skip)
			continue;
		push_key(&state, member->key);
		if (member->string != NULL)
			push_string(&state, member->string, strlen(member->string));
		else
			push_numeric(&state, int64_to_numeric(member->number));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * An array of candidates: [{"vendor_id", "name", "score", "rank"}].
 */
Jsonb *
vr_json_candidates(const List *candidates)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < list_length(candidates); i++)
	{
		const VrCandidate *candidate = list_nth(candidates, i);

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_key(&state, "vendor_id");
		push_text(&state, candidate->vendor_id);
		push_key(&state, "name");
		push_text(&state, candidate->name);
		push_key(&state, "score");
		push_numeric(&state, candidate->score);
		push_key(&state, "rank");
		push_numeric(&state, int64_to_numeric(i + 1));
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * A broadcast policy of one wave: so many vendors, or where there is a list,
 * those on it.  See wave.c.
 */
Jsonb *
vr_json_wave(int vendors, const List *vendor_ids)
{
	JsonbParseState *state = NULL;
	ListCell   *cell;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (vendor_ids == NIL)
	{
		push_key(&state, "vendors");
		push_numeric(&state, int64_to_numeric(vendors));
	}
	else
	{
		push_key(&state, "vendor_ids");
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		foreach(cell, vendor_ids)
		{
			const text *id = lfirst(cell);
			JsonbValue	value;

			value.type = jbvString;
			value.val.string.val = VARDATA_ANY(id);
			value.val.string.len = VARSIZE_ANY_EXHDR(id);
			pushJsonbValue(&state, WJB_ELEM, &value);
		}
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
