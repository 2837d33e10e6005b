/*-------------------------------------------------------------------------
 *
 * wave.c
 *		Waves: to whom an order is offered first, and to whom later.
 *
 * A broadcast policy is a JSON array of waves.  Each is an object:
 *
 *		vendors		at most so many; without it all of vendor_ids, or else
 *					vendor_routing.max_vendors, as it is when the order starts
 *		vendor_ids	only these
 *		radius_km	only vendors so near to where the order goes
 *		min_score	only vendors with such a score
 *		wait		how long until the next wave opens; without it, as long as
 *					an offer lives
 *
 * The policy is part of the routing from its start, so that nothing that is
 * changed later changes an order under way.
 *
 * Locking: the caller holds the lock of the routing.
 *
 * Errors: 22023 for waves that are not as above.
 *
 * IDENTIFICATION
 *	  src/wave.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "args.h"
#include "blocklist.h"
#include "clock.h"
#include "event.h"
#include "json.h"
#include "response.h"
#include "settings.h"
#include "spi.h"
#include "wave.h"

PG_FUNCTION_INFO_V1(vr_check_waves);

static void
refuse(int number, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("wave %d is not valid", number),
			 errdetail("%s", detail),
			 errhint("A wave is an object with any of vendors, vendor_ids, radius_km, min_score and wait.")));
}

/*
 * A number between low and high.
 */
static double
read_number(const JsonbValue *value, double low, double high,
			int number, const char *detail)
{
	double		x;

	if (value->type != jbvNumeric)
		refuse(number, detail);
	x = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(value->val.numeric)));
	if (!(x >= low && x <= high))
		refuse(number, detail);
	return x;
}

static int
read_vendors(const JsonbValue *value, int number)
{
	static const char detail[] = "vendors must be a whole number from 1 to "
		CppAsString2(VR_MAX_VENDORS_LIMIT) ".";
	double		n = read_number(value, 1, VR_MAX_VENDORS_LIMIT, number, detail);

	if (n != floor(n))
		refuse(number, detail);
	return (int) n;
}

/*
 * An interval as text, as the server reads it.
 */
static Interval *
read_wait(const JsonbValue *value, int number)
{
	static const char detail[] = "wait must be an interval, as text, of more than zero and at most 365 days.";
	Interval   *wait;
	char	   *string;

	if (value->type != jbvString)
		refuse(number, detail);
	string = pnstrdup(value->val.string.val, value->val.string.len);
	wait = DatumGetIntervalP(DirectFunctionCall3(interval_in,
												 CStringGetDatum(string),
												 ObjectIdGetDatum(InvalidOid),
												 Int32GetDatum(-1)));
	if (vr_interval_seconds(wait) <= 0 ||
		vr_interval_seconds(wait) > VR_TTL_LIMIT)
		refuse(number, detail);
	return wait;
}

static List *
read_vendor_ids(const JsonbValue *value, int number)
{
	static const char detail[] = "vendor_ids must be an array of 1 to "
		CppAsString2(VR_MAX_VENDORS_LIMIT) " different vendor ids, as texts.";
	List	   *ids = NIL;
	JsonbIterator *it;
	JsonbValue	element;
	JsonbIteratorToken token;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) < 1 ||
		JsonContainerSize(value->val.binary.data) > VR_MAX_VENDORS_LIMIT)
		refuse(number, detail);

	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		text	   *id;

		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString || element.val.string.len < 1 ||
			element.val.string.len > VR_MAX_ID_LENGTH)
			refuse(number, detail);
		id = cstring_to_text_with_len(element.val.string.val,
									  element.val.string.len);
		if (vr_text_in(id, ids))
			refuse(number, detail);
		ids = lappend(ids, id);
	}
	return ids;
}

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

/*
 * Takes a wave apart.  number counts from 1.
 */
static VrWave
parse_wave(const JsonbValue *object, int number)
{
	VrWave		wave = {0};
	JsonbIterator *it;
	JsonbValue	key;
	JsonbIteratorToken token;

	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		refuse(number, "It is not an object.");

	it = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		JsonbValue	value;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		if (key_is(&key, "vendors"))
			wave.vendors = read_vendors(&value, number);
		else if (key_is(&key, "vendor_ids"))
			wave.vendor_ids = read_vendor_ids(&value, number);
		else if (key_is(&key, "radius_km"))
			wave.radius_km =
				read_number(&value, 0.001, VR_MAX_RADIUS_KM, number,
							"radius_km must be a number from 0.001 to 20040.");
		else if (key_is(&key, "min_score"))
		{
			(void) read_number(&value, 0, 100, number,
							   "min_score must be a number from 0 to 100.");
			wave.min_score =
				DatumGetNumericCopy(NumericGetDatum(value.val.numeric));
		}
		else if (key_is(&key, "wait"))
			wave.wait = read_wait(&value, number);
		else
			refuse(number, psprintf("It has the unknown key \"%.*s\".",
									pg_mbcliplen(key.val.string.val,
												 key.val.string.len, 63),
									key.val.string.val));
	}
	if (wave.vendors == 0)
		wave.vendors = (wave.vendor_ids != NIL) ?
			list_length(wave.vendor_ids) : vr_max_vendors;
	return wave;
}

static const JsonbValue *
element(const Jsonb *waves, int number)
{
	return getIthJsonbValueFromContainer((JsonbContainer *) &waves->root, number - 1);
}

static int
count_waves(const Jsonb *waves)
{
	return JB_ROOT_COUNT(waves);
}

/*
 * Refuses waves that cannot be used.
 */
static void
check_waves(const Jsonb *waves)
{
	if (!JB_ROOT_IS_ARRAY(waves) || JB_ROOT_IS_SCALAR(waves) ||
		count_waves(waves) < 1 || count_waves(waves) > VR_MAX_WAVES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("waves must be a JSON array of 1 to %d waves",
						VR_MAX_WAVES)));
	for (int number = 1; number <= count_waves(waves); number++)
		(void) parse_wave(element(waves, number), number);
}

/*
 * The waves in argument argno, checked; if optional, they may be NULL.
 */
const Jsonb *
vr_arg_waves(FunctionCallInfo fcinfo, int argno, bool optional)
{
	Jsonb	   *waves;

	if (PG_ARGISNULL(argno))
	{
		if (!optional)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("waves must not be null")));
		return NULL;
	}
	waves = PG_GETARG_JSONB_P(argno);
	check_waves(waves);
	return waves;
}

/*
 * vr_check_waves(waves jsonb) returns boolean: the constraint of a table.
 */
Datum
vr_check_waves(PG_FUNCTION_ARGS)
{
	check_waves(PG_GETARG_JSONB_P(0));
	PG_RETURN_BOOL(true);
}

/*
 * The waves as a routing keeps them: one that says neither vendors nor
 * vendor_ids gets what the setting says now.
 */
const Jsonb *
vr_waves_freeze(const Jsonb *waves)
{
	static const VrStatement select = {
		"SELECT pg_catalog.jsonb_agg(CASE"
		"  WHEN w.wave ? 'vendors' OR w.wave ? 'vendor_ids' THEN w.wave"
		"  ELSE w.wave || pg_catalog.jsonb_build_object('vendors', $2)"
		" END ORDER BY w.number)"
		" FROM pg_catalog.jsonb_array_elements($1) WITH ORDINALITY AS w (wave, number)",
		2, {JSONBOID, INT4OID}
	};
	NullableDatum params[] = {
		vr_param_ptr(waves),
		vr_param(Int32GetDatum(vr_max_vendors))
	};

	vr_spi_read(&select, params);
	return DatumGetJsonbPCopy(vr_spi_value(0, 1).value);
}

/*
 * A wave of a policy, counted from 1.  A policy that somebody has changed by
 * hand, and made shorter, ends with its last wave.
 */
VrWave
vr_wave_read(const Jsonb *waves, int number)
{
	check_waves(waves);
	return parse_wave(element(waves, Min(number, count_waves(waves))),
					  number);
}

/*
 * The best vendors for the first wave, from number first on, that finds any;
 * those in offered have an offer in this round already.  Sets what that wave
 * means for the routing: wave, next_wave_at and next_deadline.  Returns NIL
 * where no wave finds anybody, and then has set that there is none to come;
 * *counts says what became of the vendors looked at for the last one.
 */
List *
vr_wave_choose(VrRouting *routing, const VrPlan *plan, int first,
			   const List *offered, TimestampTz now, VrGateCounts *counts)
{
	TimestampTz offer_deadline = vr_offer_deadline(now, plan->offer_ttl,
												   routing->expires_at);
	List	   *blocked = vr_blocked_vendors(plan->order.retailer_id);

	check_waves(plan->waves);
	routing->next_wave_at = 0;
	routing->next_deadline = routing->expires_at;
	for (int number = first; number <= count_waves(plan->waves); number++)
	{
		VrWave		wave = parse_wave(element(plan->waves, number), number);
		VrQuestion	question = {
			.order = &plan->order,
			.wave = &wave,
			.excluded = plan->excluded,
			.offered = offered,
			.blocked = blocked,
			.turns = plan->turns,
			.now = now
		};
		List	   *candidates = vr_vendors_select(&question, counts);

		if (candidates == NIL)
			continue;
		routing->wave = number;
		routing->next_deadline = offer_deadline;
		if (number < count_waves(plan->waves))
		{
			routing->next_wave_at = (wave.wait != NULL) ?
				vr_add_interval(now, wave.wait) : offer_deadline;
			routing->next_deadline = Min(offer_deadline, routing->next_wave_at);
		}
		return candidates;
	}
	return NIL;
}

/*
 * Adds the offers of the routing's current wave to what vr_responses_write is to write,
 * and the event.  noffered vendors have one in this round already, and are ranked before
 * these.
 */
void
vr_wave_add(VrRows *responses, VrRouting *routing, const VrPlan *plan,
			const List *candidates, int noffered, TimestampTz now)
{
	vr_responses_add(responses, routing, candidates, noffered, now,
					 vr_offer_deadline(now, plan->offer_ttl, routing->expires_at));
	vr_event_add(routing, now,
				 noffered == 0 ? VR_EVENT_BROADCAST : VR_EVENT_WAVE_OPENED, NULL,
				 vr_json({"vendor_count", .number = list_length(candidates)},
						 {"round", .number = routing->round},
						 {"wave", .number = routing->wave}));
}

/*
 * Makes the offers of the routing's current wave, with all else written: a trigger may
 * accept one at once.
 */
void
vr_wave_offer(VrRouting *routing, const VrPlan *plan, const List *candidates,
			  int noffered, TimestampTz now)
{
	VrRows		responses = {0};

	vr_wave_add(&responses, routing, plan, candidates, noffered, now);
	vr_routing_leave(routing);
	vr_responses_write(&responses);
}
