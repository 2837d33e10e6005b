/*-------------------------------------------------------------------------
 *
 * gate.c
 *		The gates a vendor passes before it is offered an order.
 *
 * Each gate is here and nowhere else: vr_broadcast and the waves, vr_accept,
 * vr_assign and vr_explain ask the same table.
 *
 * Locking: none.
 *
 * Memory: the current context; who asks of many vendors resets it.
 *
 * Errors: VR002, raised on behalf of who asks.
 *
 * IDENTIFICATION
 *	  src/gate.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "args.h"
#include "blocklist.h"
#include "errors.h"
#include "gate.h"
#include "geo.h"
#include "hours.h"
#include "vendor.h"

/*
 * A gate: may this vendor be asked?  What the order does not say (product,
 * amount, place) is no gate.  describe() says the same in words.
 */
typedef struct Gate
{
	const char *name;
	const char *counted;		/* in the error for nobody eligible */
	bool		(*passes) (TupleTableSlot *slot, const VrQuestion *question);
	void		(*describe) (TupleTableSlot *slot, const VrQuestion *question,
							 StringInfo found, StringInfo needed);
} Gate;

static Datum
column(TupleTableSlot *slot, int number)
{
	bool		isnull;

	return slot_getattr(slot, number, &isnull);
}

static bool
is_null(TupleTableSlot *slot, int number)
{
	bool		isnull;

	(void) slot_getattr(slot, number, &isnull);
	return isnull;
}

static text *
vendor_id(TupleTableSlot *slot)
{
	return DatumGetTextPP(column(slot, Anum_vendor_vendor_id));
}

/* A value in words, as its type writes it. */
static void
append_value(StringInfo buffer, PGFunction output, Datum value)
{
	appendStringInfoString(buffer, DatumGetCString(DirectFunctionCall1(output, value)));
}

static void
append_text(StringInfo buffer, const text *value)
{
	appendBinaryStringInfo(buffer, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Active */

static bool
is_active(TupleTableSlot *slot, const VrQuestion *question)
{
	return DatumGetBool(column(slot, Anum_vendor_is_active));
}

static void
describe_active(TupleTableSlot *slot, const VrQuestion *question,
				StringInfo found, StringInfo needed)
{
	appendStringInfoString(found, is_active(slot, question) ? "true" : "false");
	appendStringInfoString(needed, "true");
}

/* Verified */

static bool
is_verified(TupleTableSlot *slot, const VrQuestion *question)
{
	return DatumGetBool(column(slot, Anum_vendor_is_verified));
}

static void
describe_verified(TupleTableSlot *slot, const VrQuestion *question,
				  StringInfo found, StringInfo needed)
{
	appendStringInfoString(found, is_verified(slot, question) ? "true" : "false");
	appendStringInfoString(needed, "true");
}

/* Score, and who may be asked in this wave at all */

static bool
good_enough(TupleTableSlot *slot, const VrQuestion *question)
{
	const VrWave *wave = question->wave;

	if (wave->vendor_ids != NIL &&
		!vr_text_in(vendor_id(slot), wave->vendor_ids))
		return false;
	return wave->min_score == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_ge,
										 column(slot, Anum_vendor_score),
										 NumericGetDatum(wave->min_score)));
}

static void
describe_score(TupleTableSlot *slot, const VrQuestion *question,
			   StringInfo found, StringInfo needed)
{
	const VrWave *wave = question->wave;

	append_value(found, numeric_out, column(slot, Anum_vendor_score));
	if (wave->vendor_ids != NIL)
	{
		if (!vr_text_in(vendor_id(slot), wave->vendor_ids))
			appendStringInfoString(found, ", not in the wave's list");
		appendStringInfoString(needed, "in the wave's list");
	}
	if (wave->min_score != NULL)
	{
		appendStringInfoString(needed, wave->vendor_ids != NIL ? ", >= " : ">= ");
		append_value(needed, numeric_out, NumericGetDatum(wave->min_score));
	}
	if (needed->len == 0)
		appendStringInfoString(needed, "any");
}

/* Excluded */

static bool
not_excluded(TupleTableSlot *slot, const VrQuestion *question)
{
	return !vr_text_in(vendor_id(slot), question->excluded);
}

static void
describe_excluded(TupleTableSlot *slot, const VrQuestion *question,
				  StringInfo found, StringInfo needed)
{
	appendStringInfoString(found, not_excluded(slot, question) ?
						   "not excluded" : "excluded from this order");
	appendStringInfoString(needed, "not excluded");
}

/* Blocklist */

static bool
not_blocked(TupleTableSlot *slot, const VrQuestion *question)
{
	if (question->retailer_id != NULL)
		return !vr_is_blocked(question->retailer_id, vendor_id(slot));
	return !vr_text_in(vendor_id(slot), question->blocked);
}

static void
describe_blocklist(TupleTableSlot *slot, const VrQuestion *question,
				   StringInfo found, StringInfo needed)
{
	appendStringInfoString(found, not_blocked(slot, question) ?
						   "not blocked" : "blocked by the retailer");
	appendStringInfoString(needed, "not blocked");
}

/* Pause */

static bool
not_paused(TupleTableSlot *slot, const VrQuestion *question)
{
	return is_null(slot, Anum_vendor_paused_until) ||
		DatumGetTimestampTz(column(slot, Anum_vendor_paused_until)) <= question->now;
}

static void
describe_pause(TupleTableSlot *slot, const VrQuestion *question,
			   StringInfo found, StringInfo needed)
{
	if (not_paused(slot, question))
		appendStringInfoString(found, "not paused");
	else
	{
		appendStringInfoString(found, "paused until ");
		append_value(found, timestamptz_out, column(slot, Anum_vendor_paused_until));
	}
	appendStringInfoString(needed, "not paused");
}

/* Working hours */

static bool
within_hours(TupleTableSlot *slot, const VrQuestion *question)
{
	int			minute;

	if (is_null(slot, Anum_vendor_working_hours))
		return true;

	/* A zone that the server no longer knows keeps the vendor closed. */
	return vr_minute_of_week(question->now,
							 DatumGetTextPP(column(slot, Anum_vendor_time_zone)),
							 &minute) &&
		vr_hours_contain(column(slot, Anum_vendor_working_hours), minute);
}

static void
describe_hours(TupleTableSlot *slot, const VrQuestion *question,
			   StringInfo found, StringInfo needed)
{
	const text *zone;
	int			minute;

	if (is_null(slot, Anum_vendor_working_hours))
	{
		appendStringInfoString(found, "always open");
		appendStringInfoString(needed, "any time");
		return;
	}

	zone = DatumGetTextPP(column(slot, Anum_vendor_time_zone));
	if (vr_minute_of_week(question->now, zone, &minute))
		vr_hours_append_minute(found, minute);
	else
		appendStringInfoString(found, "unknown time zone");
	appendStringInfoChar(found, ' ');
	append_text(found, zone);
	vr_hours_append(needed, column(slot, Anum_vendor_working_hours));
}

/* Capacity */

static bool
below_capacity(TupleTableSlot *slot, const VrQuestion *question)
{
	return is_null(slot, Anum_vendor_capacity) ||
		DatumGetInt32(column(slot, Anum_vendor_current_orders)) <
		DatumGetInt32(column(slot, Anum_vendor_capacity));
}

static void
describe_capacity(TupleTableSlot *slot, const VrQuestion *question,
				  StringInfo found, StringInfo needed)
{
	appendStringInfo(found, "%d", DatumGetInt32(column(slot, Anum_vendor_current_orders)));
	if (is_null(slot, Anum_vendor_capacity))
		appendStringInfoString(needed, "any");
	else
		appendStringInfo(needed, "< %d", DatumGetInt32(column(slot, Anum_vendor_capacity)));
}

/* Product: no product asked for, or no list, and every vendor sells it. */

static bool
sells(TupleTableSlot *slot, const VrQuestion *question)
{
	Datum	   *elements;
	int			nelements;

	if (question->order->product == NULL || is_null(slot, Anum_vendor_products))
		return true;

	deconstruct_array(DatumGetArrayTypeP(column(slot, Anum_vendor_products)),
					  TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		if (vr_text_eq(DatumGetTextPP(elements[i]), question->order->product))
			return true;
	}
	return false;
}

static void
describe_product(TupleTableSlot *slot, const VrQuestion *question,
				 StringInfo found, StringInfo needed)
{
	if (is_null(slot, Anum_vendor_products))
		appendStringInfoString(found, "sells everything");
	else
		appendStringInfoString(found, sells(slot, question) ?
							   "sells it" : "does not sell it");
	if (question->order->product == NULL)
		appendStringInfoString(needed, "any");
	else
		append_text(needed, question->order->product);
}

/* Minimum order */

static bool
meets_minimum(TupleTableSlot *slot, const VrQuestion *question)
{
	return question->order->amount == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_ge,
										 NumericGetDatum(question->order->amount),
										 column(slot, Anum_vendor_min_order_amount)));
}

static void
describe_minimum(TupleTableSlot *slot, const VrQuestion *question,
				 StringInfo found, StringInfo needed)
{
	if (question->order->amount == NULL)
		appendStringInfoString(found, "not known");
	else
		append_value(found, numeric_out, NumericGetDatum(question->order->amount));
	appendStringInfoString(needed, ">= ");
	append_value(needed, numeric_out, column(slot, Anum_vendor_min_order_amount));
}

/*
 * Radius: of the vendor, and of the wave.  A vendor with a radius has a place
 * (vendors_place_check); one without is not known to be near.
 */

/* How far a vendor may be from the order, or a negative number for any distance. */
static double
radius(TupleTableSlot *slot, const VrQuestion *question)
{
	double		result = -1;

	if (!is_null(slot, Anum_vendor_service_radius_km))
		result = DatumGetFloat8(column(slot, Anum_vendor_service_radius_km));
	if (question->wave->radius_km > 0 &&
		(result < 0 || question->wave->radius_km < result))
		result = question->wave->radius_km;
	return result;
}

/* False where it is not known. */
static bool
distance(TupleTableSlot *slot, const VrQuestion *question, double *km)
{
	VrPlace		place;

	if (!question->order->has_place || is_null(slot, Anum_vendor_latitude))
		return false;
	place.latitude = DatumGetFloat8(column(slot, Anum_vendor_latitude));
	place.longitude = DatumGetFloat8(column(slot, Anum_vendor_longitude));
	*km = vr_distance(&place, &question->order->place);
	return true;
}

static bool
within_radius(TupleTableSlot *slot, const VrQuestion *question)
{
	double		km;

	if (!question->order->has_place || radius(slot, question) < 0)
		return true;
	return distance(slot, question, &km) && km <= radius(slot, question);
}

static void
describe_radius(TupleTableSlot *slot, const VrQuestion *question,
				StringInfo found, StringInfo needed)
{
	double		km;

	if (distance(slot, question, &km))
		appendStringInfo(found, "%.3f km", km);
	else
		appendStringInfoString(found, "not known");
	if (!question->order->has_place || radius(slot, question) < 0)
		appendStringInfoString(needed, "any");
	else
		appendStringInfo(needed, "<= %g km", radius(slot, question));
}

static const Gate gates[] = {
	[VR_GATE_ACTIVE] = {"active", "not active", is_active, describe_active},
	[VR_GATE_VERIFIED] = {"verified", "not verified", is_verified, describe_verified},
	[VR_GATE_SCORE] = {"score", "not good enough for the wave", good_enough, describe_score},
	[VR_GATE_EXCLUDED] = {"excluded", "excluded from the order", not_excluded, describe_excluded},
	[VR_GATE_BLOCKLIST] = {"blocklist", "blocked by the retailer", not_blocked, describe_blocklist},
	[VR_GATE_PAUSE] = {"pause", "paused", not_paused, describe_pause},
	[VR_GATE_HOURS] = {"hours", "outside working hours", within_hours, describe_hours},
	[VR_GATE_CAPACITY] = {"capacity", "at capacity", below_capacity, describe_capacity},
	[VR_GATE_PRODUCT] = {"product", "not selling the product", sells, describe_product},
	[VR_GATE_MINIMUM] = {"minimum", "with a larger minimum amount", meets_minimum, describe_minimum},
	[VR_GATE_RADIUS] = {"radius", "too far away", within_radius, describe_radius}
};

/*
 * The first of these gates (a set, see VR_GATE_BIT) that the vendor in the slot
 * does not pass.
 */
VrGate
vr_vendor_gate(TupleTableSlot *slot, int which, const VrQuestion *question)
{
	for (int i = 0; i < lengthof(gates); i++)
	{
		if ((which & VR_GATE_BIT(i)) && !gates[i].passes(slot, question))
			return (VrGate) i;
	}
	return VR_GATE_NONE;
}

/*
 * How the vendor in the slot does at each gate.
 */
List *
vr_vendor_gate_reports(TupleTableSlot *slot, const VrQuestion *question)
{
	List	   *reports = NIL;

	for (int i = 0; i < lengthof(gates); i++)
	{
		VrGateReport *report = palloc(sizeof(VrGateReport));
		StringInfoData found;
		StringInfoData needed;

		initStringInfo(&found);
		initStringInfo(&needed);
		gates[i].describe(slot, question, &found, &needed);
		report->gate = gates[i].name;
		report->passed = gates[i].passes(slot, question);
		report->found = found.data;
		report->needed = needed.data;
		reports = lappend(reports, report);
	}
	return reports;
}

/*
 * Says that a vendor who was named cannot have the order: VR002.
 */
void
vr_vendor_not_eligible(const text *vendor_id, VrGate gate)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_NO_ELIGIBLE_VENDOR),
			 errmsg("vendor \"%s\" is not eligible", text_to_cstring(vendor_id)),
			 errdetail("It is %s.", gates[gate].counted)));
}

/*
 * Nobody was found: VR002, with what became of the vendors that were looked at.
 */
void
vr_nobody_eligible(const VrOrder *order, const VrGateCounts *counts)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "Active and verified vendors: %d", counts->total);
	for (int i = 0; i < lengthof(gates); i++)
	{
		if (counts->failed[i] > 0)
			appendStringInfo(&detail, "; %s: %d", gates[i].counted, counts->failed[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_VR_NO_ELIGIBLE_VENDOR),
			 errmsg("no eligible vendor for order \"%s\"",
					text_to_cstring(order->order_id)),
			 errdetail("%s.", detail.data),
			 errhint("Name the vendors to invite in the argument vendors, or call again when vendors have changed.")));
}
