/*-------------------------------------------------------------------------
 *
 * verify.c
 *		What a row must be like in the tables that every order writes: routings,
 *		responses, cancellations, events and vendors.
 *
 * These are CHECK constraints in all but form, with the names and the errors of
 * such.  PostgreSQL reads and compiles all CHECK constraints of a table anew in
 * each statement that writes to it, which was two thirds of the work of an accept
 * (doc/design.md has the figures).  The same rules in C, in triggers, cost next to
 * nothing.  The triggers fire ENABLE ALWAYS: by the name "verify", after most
 * other BEFORE triggers; and after an UPDATE, but of vendors.
 *
 * As in a CHECK constraint, a rule about a column that is NULL holds.
 *
 * Errors: 23514.
 *
 * IDENTIFICATION
 *	  src/verify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/multirangetypes.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "compat.h"
#include "event.h"
#include "geo.h"
#include "hours.h"
#include "ids.h"
#include "response.h"
#include "routing.h"
#include "trigger.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_verify_row);
PG_FUNCTION_INFO_V1(vr_guard_routings);

/* The rule of a column, or of several: then column is not used. */
typedef struct Rule
{
	const char *constraint;
	bool		(*holds) (const VrRow *row, int column);
	int			column;
} Rule;

static bool
is_null(const VrRow *row, int column)
{
	return row->nulls[column - 1];
}

static Datum
value(const VrRow *row, int column)
{
	return row->values[column - 1];
}

/*
 * Is the column as it was?  Then its rules hold, where finding out takes time.
 * length is that of its type, passed by reference.
 */
static bool
is_unchanged(const VrRow *row, int column, int16 length)
{
	return row->before != NULL && !is_null(row, column) &&
		!is_null(row->before, column) &&
		datumIsEqual(value(row, column), value(row->before, column), false, length);
}

/* The same of a column passed by value. */
static bool
is_same(const VrRow *row, int column)
{
	return !is_null(row, column) && value(row, column) == value(row->before, column);
}

/*-------------------------------------------------------------------------
 * Rules of one column; that it is not NULL is known
 *-------------------------------------------------------------------------
 */

static bool
is_id(const VrRow *row, int column)
{
	Size		length = toast_raw_datum_size(value(row, column)) - VARHDRSZ;

	return length >= 1 && length <= VR_MAX_ID_LENGTH;
}

static bool
is_positive(const VrRow *row, int column)
{
	return DatumGetInt32(value(row, column)) >= 1;
}

static bool
is_not_negative(const VrRow *row, int column)
{
	return DatumGetInt32(value(row, column)) >= 0;
}

static bool
is_finite(const VrRow *row, int column)
{
	return !TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value(row, column)));
}

static bool
is_object(const VrRow *row, int column)
{
	return is_unchanged(row, column, -1) ||
		JB_ROOT_IS_OBJECT(DatumGetJsonbP(value(row, column)));
}

static bool
is_array(const VrRow *row, int column)
{
	if (!is_unchanged(row, column, -1))
	{
		const Jsonb *array = DatumGetJsonbP(value(row, column));

		return JB_ROOT_IS_ARRAY(array) && !JB_ROOT_IS_SCALAR(array);
	}
	return true;
}

/* A number from low to high; NaN is greater than any. */
static bool
numeric_between(Datum number, int64 low, int64 high)
{
	return DatumGetBool(DirectFunctionCall2(numeric_ge, number,
											NumericGetDatum(int64_to_numeric(low)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, number,
										 NumericGetDatum(int64_to_numeric(high))));
}

static bool
is_amount(const VrRow *row, int column)
{
	Numeric		number = DatumGetNumeric(value(row, column));

	return !numeric_is_nan(number) && !numeric_is_inf(number) &&
		DatumGetBool(DirectFunctionCall2(numeric_ge, NumericGetDatum(number),
										 NumericGetDatum(int64_to_numeric(0))));
}

static bool
is_rating(const VrRow *row, int column)
{
	return numeric_between(value(row, column), 0, 5);
}

static bool
is_percentage(const VrRow *row, int column)
{
	return numeric_between(value(row, column), 0, 100);
}

static bool
float_between(Datum number, double low, double high)
{
	double		x = DatumGetFloat8(number);

	return x >= low && x <= high;	/* NaN is not */
}

static bool
is_latitude(const VrRow *row, int column)
{
	return float_between(value(row, column), -90, 90);
}

static bool
is_longitude(const VrRow *row, int column)
{
	return float_between(value(row, column), -180, 180);
}

/*-------------------------------------------------------------------------
 * routings
 *-------------------------------------------------------------------------
 */

static VrStatus
status_of(const VrRow *row)
{
	VrStatus	status = VR_CANCELLED;

	(void) vr_status_from_text(DatumGetTextPP(value(row, Anum_routing_status)), &status);
	return status;
}

static bool
is_status(const VrRow *row, int column)
{
	VrStatus	status;

	return vr_status_from_text(DatumGetTextPP(value(row, column)), &status);
}

static bool
is_own_id(const VrRow *row, int column)
{
	if (is_unchanged(row, Anum_routing_routing_id, UUID_LEN) &&
		is_unchanged(row, Anum_routing_order_id, -1))
		return true;
	return memcmp(DatumGetUUIDP(value(row, Anum_routing_routing_id)),
				  vr_make_routing_id(DatumGetTextPP(value(row, Anum_routing_order_id))),
				  UUID_LEN) == 0;
}

static bool
has_place(const VrRow *row, int column)
{
	if (is_null(row, Anum_routing_latitude) || is_null(row, Anum_routing_longitude))
		return is_null(row, Anum_routing_latitude) == is_null(row, Anum_routing_longitude);
	return is_latitude(row, Anum_routing_latitude) &&
		is_longitude(row, Anum_routing_longitude);
}

static bool
has_winner_if_locked(const VrRow *row, int column)
{
	bool		winner = !is_null(row, Anum_routing_locked_vendor_id);

	if (winner == is_null(row, Anum_routing_locked_at))
		return false;
	switch (status_of(row))
	{
		case VR_LOCKED:
		case VR_COMPLETED:
			return winner;
		case VR_CANCELLED:
			return true;
		default:
			return !winner;
	}
}

static bool
has_deadline_if_open(const VrRow *row, int column)
{
	if (status_of(row) == VR_PENDING && is_null(row, Anum_routing_next_deadline))
		return false;
	return (is_null(row, Anum_routing_next_deadline) ||
			is_finite(row, Anum_routing_next_deadline)) &&
		is_finite(row, Anum_routing_expires_at);
}

static bool
has_as_many_releases(const VrRow *row, int column)
{
	int			releases = DatumGetInt32(value(row, Anum_routing_releases));
	int			round = DatumGetInt32(value(row, Anum_routing_round));

	return releases >= 0 && releases <= Max(round, 1) - 1;
}

static bool
confirms_if_locked(const VrRow *row, int column)
{
	if (!is_null(row, Anum_routing_confirm_by) && !is_finite(row, Anum_routing_confirm_by))
		return false;
	return !is_null(row, Anum_routing_locked_vendor_id) ||
		(is_null(row, Anum_routing_confirm_by) && is_null(row, Anum_routing_confirmed_at));
}

static bool
has_outcome_if_completed(const VrRow *row, int column)
{
	const text *outcome = DatumGetTextPP(value(row, column));

	return status_of(row) == VR_COMPLETED &&
		(vr_text_is(outcome, "DELIVERED") || vr_text_is(outcome, "FAILED"));
}

static const Rule routing_rules[] = {
	{"routings_order_id_check", is_id, Anum_routing_order_id},
	{"routings_routing_id_check", is_own_id},
	{"routings_retailer_id_check", is_id, Anum_routing_retailer_id},
	{"routings_product_check", is_id, Anum_routing_product},
	{"routings_amount_check", is_amount, Anum_routing_amount},
	{"routings_place_check", has_place},
	{"routings_payload_check", is_object, Anum_routing_payload},
	{"routings_status_check", is_status, Anum_routing_status},
	{"routings_locked_check", has_winner_if_locked},
	{"routings_next_deadline_check", has_deadline_if_open},
	{"routings_waves_check", is_array, Anum_routing_waves},
	{"routings_next_wave_at_check", is_finite, Anum_routing_next_wave_at},
	{"routings_round_check", is_positive, Anum_routing_round},
	{"routings_wave_check", is_positive, Anum_routing_wave},
	{"routings_version_check", is_positive, Anum_routing_version},
	{"routings_releases_check", has_as_many_releases},
	{"routings_confirm_check", confirms_if_locked},
	{"routings_outcome_check", has_outcome_if_completed, Anum_routing_outcome}
};

/*-------------------------------------------------------------------------
 * responses
 *-------------------------------------------------------------------------
 */

static bool
is_answer(const VrRow *row, int column)
{
	return vr_answer_from_text(DatumGetTextPP(value(row, column))) != VR_NO_ANSWER;
}

static bool
has_time_of_answer(const VrRow *row, int column)
{
	return is_null(row, Anum_response_response) ==
		is_null(row, Anum_response_responded_at);
}

static bool
ends_after_it_began(const VrRow *row, int column)
{
	return is_finite(row, Anum_response_expires_at) &&
		DatumGetTimestampTz(value(row, Anum_response_expires_at)) >
		DatumGetTimestampTz(value(row, Anum_response_offered_at));
}

static bool
has_round_and_wave(const VrRow *row, int column)
{
	return is_positive(row, Anum_response_round) && is_positive(row, Anum_response_wave);
}

static bool
is_decline_code_of_reject(const VrRow *row, int column)
{
	return !is_null(row, Anum_response_response) &&
		vr_text_is(DatumGetTextPP(value(row, Anum_response_response)), "REJECT") &&
		vr_is_decline_code(DatumGetTextPP(value(row, column)));
}

/* The same of a text; one that is compressed may be as it was all the same. */
static bool
is_same_text(const VrRow *row, int column)
{
	return is_unchanged(row, column, -1) ||
		(!is_null(row, column) && !is_null(row->before, column) &&
		 vr_text_eq(DatumGetTextPP(value(row, column)),
					DatumGetTextPP(value(row->before, column))));
}

/* An offer stays with its vendor, and the first answer stays. */
static bool
keeps_offer(const VrRow *row)
{
	return is_unchanged(row, Anum_response_routing_id, UUID_LEN) &&
		is_same(row, Anum_response_round) &&
		is_same_text(row, Anum_response_vendor_id) &&
		(is_null(row->before, Anum_response_response) ||
		 (is_same_text(row, Anum_response_response) &&
		  is_same(row, Anum_response_responded_at)));
}

static const Rule response_rules[] = {
	{"responses_response_check", is_answer, Anum_response_response},
	{"responses_responded_at_check", has_time_of_answer},
	{"responses_expires_at_check", ends_after_it_began},
	{"responses_rank_check", is_positive, Anum_response_rank},
	{"responses_round_check", has_round_and_wave},
	{"responses_vendor_id_check", is_id, Anum_response_vendor_id},
	{"responses_payload_check", is_object, Anum_response_payload},
	{"responses_decline_code_check", is_decline_code_of_reject, Anum_response_decline_code}
};

/*-------------------------------------------------------------------------
 * cancellations and events
 *-------------------------------------------------------------------------
 */

static bool
is_word(const text *word, const char *const *words, int nwords)
{
	for (int i = 0; i < nwords; i++)
	{
		if (vr_text_is(word, words[i]))
			return true;
	}
	return false;
}

static bool
is_reason(const VrRow *row, int column)
{
	static const char *const reasons[] = {
		VR_CANCELLED_OTHER_WON, VR_CANCELLED_ORDER, VR_CANCELLED_EXPIRY,
		VR_CANCELLED_RELEASED, VR_CANCELLED_NO_CONFIRM
	};

	return is_word(DatumGetTextPP(value(row, column)), reasons, lengthof(reasons));
}

static bool
is_event_type(const VrRow *row, int column)
{
	static const char *const types[] = {
		VR_EVENT_ACCEPTED, VR_EVENT_CANCELLATIONS, VR_EVENT_RESPONSE,
		VR_EVENT_BROADCAST, VR_EVENT_REFUSED, VR_EVENT_TIMED_OUT,
		VR_EVENT_WAVE_OPENED, VR_EVENT_ASSIGNED, VR_EVENT_CONFIRMED,
		VR_EVENT_RELEASED, VR_EVENT_CANCELLED, VR_EVENT_EXHAUSTED,
		VR_EVENT_EXPIRED, VR_EVENT_RETRIED, VR_EVENT_COMPLETED
	};

	return is_word(DatumGetTextPP(value(row, column)), types, lengthof(types));
}

/* All but what a sender writes down. */
static bool
keeps_cancellation(const VrRow *row)
{
	return is_unchanged(row, Anum_cancellation_routing_id, UUID_LEN) &&
		is_same(row, Anum_cancellation_round) &&
		is_same_text(row, Anum_cancellation_vendor_id) &&
		is_same_text(row, Anum_cancellation_reason) &&
		is_same(row, Anum_cancellation_created_at);
}

static const Rule cancellation_rules[] = {
	{"cancellations_round_check", is_positive, Anum_cancellation_round},
	{"cancellations_vendor_id_check", is_id, Anum_cancellation_vendor_id},
	{"cancellations_reason_check", is_reason, Anum_cancellation_reason}
};

static const Rule event_rules[] = {
	{"events_event_type_check", is_event_type, Anum_event_event_type},
	{"events_payload_check", is_object, Anum_event_payload}
};

/*-------------------------------------------------------------------------
 * vendors
 *-------------------------------------------------------------------------
 */

/* E.164: a plus sign and up to 15 digits, the first of them not 0. */
static bool
is_phone(const VrRow *row, int column)
{
	const text *phone = DatumGetTextPP(value(row, column));
	const char *digits = VARDATA_ANY(phone);
	int			length = VARSIZE_ANY_EXHDR(phone);

	if (length < 3 || length > 16 || digits[0] != '+' || digits[1] == '0')
		return false;
	for (int i = 1; i < length; i++)
	{
		if (digits[i] < '0' || digits[i] > '9')
			return false;
	}
	return true;
}

static bool
are_products(const VrRow *row, int column)
{
	ArrayType  *products;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (is_unchanged(row, column, -1))
		return true;
	products = DatumGetArrayTypeP(value(row, column));
	if (ARR_NDIM(products) == 0)
		return true;
	if (ARR_NDIM(products) != 1)
		return false;
	deconstruct_array(products, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] || VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])) == 0)
			return false;
	}
	return true;
}

static bool
has_place_if_radius(const VrRow *row, int column)
{
	return is_null(row, Anum_vendor_latitude) == is_null(row, Anum_vendor_longitude) &&
		(is_null(row, Anum_vendor_service_radius_km) ||
		 !is_null(row, Anum_vendor_latitude));
}

static bool
is_radius(const VrRow *row, int column)
{
	return DatumGetFloat8(value(row, column)) > 0 &&
		float_between(value(row, column), 0, VR_MAX_RADIUS_KM);
}

static bool
has_completed_no_more_than_all(const VrRow *row, int column)
{
	int			completed = DatumGetInt32(value(row, Anum_vendor_completed_orders));

	return completed >= 0 &&
		completed <= DatumGetInt32(value(row, Anum_vendor_total_orders));
}

static bool
has_sum_of_ratings(const VrRow *row, int column)
{
	int			count = DatumGetInt32(value(row, Anum_vendor_rating_count));

	return count >= 0 &&
		numeric_between(value(row, Anum_vendor_rating_sum), 0, (int64) count * 5);
}

static bool
has_begun_pause(const VrRow *row, int column)
{
	return !is_null(row, Anum_vendor_paused_at);
}

static bool
has_hours_and_zone(const VrRow *row, int column)
{
	return is_null(row, Anum_vendor_time_zone) ==
		is_null(row, Anum_vendor_working_hours);
}

static bool
are_hours(const VrRow *row, int column)
{
	return is_unchanged(row, column, -1) ||
		vr_hours_are_of_a_week(value(row, column));
}

static const Rule vendor_rules[] = {
	{"vendors_vendor_id_check", is_id, Anum_vendor_vendor_id},
	{"vendors_name_check", is_id, Anum_vendor_name},
	{"vendors_phone_check", is_phone, Anum_vendor_phone},
	{"vendors_products_check", are_products, Anum_vendor_products},
	{"vendors_min_order_amount_check", is_amount, Anum_vendor_min_order_amount},
	{"vendors_latitude_check", is_latitude, Anum_vendor_latitude},
	{"vendors_longitude_check", is_longitude, Anum_vendor_longitude},
	{"vendors_place_check", has_place_if_radius},
	{"vendors_service_radius_km_check", is_radius, Anum_vendor_service_radius_km},
	{"vendors_capacity_check", is_not_negative, Anum_vendor_capacity},
	{"vendors_current_orders_check", is_not_negative, Anum_vendor_current_orders},
	{"vendors_completed_orders_check", has_completed_no_more_than_all},
	{"vendors_average_rating_check", is_rating, Anum_vendor_average_rating},
	{"vendors_reliability_score_check", is_percentage, Anum_vendor_reliability_score},
	{"vendors_attributes_check", is_object, Anum_vendor_attributes},
	{"vendors_rating_check", has_sum_of_ratings},
	{"vendors_pause_check", has_begun_pause, Anum_vendor_paused_until},
	{"vendors_time_zone_check", has_hours_and_zone},
	{"vendors_working_hours_check", are_hours, Anum_vendor_working_hours}
};

/*-------------------------------------------------------------------------
 * Verifying
 *-------------------------------------------------------------------------
 */

static const struct
{
	const char *table;
	const Rule *rules;
	int			nrules;
	int			ncolumns;		/* that the rules read; a DBA may add others */
	bool		(*keeps) (const VrRow *row);	/* what no UPDATE changes */
}			tables[] = {
	{"routings", routing_rules, lengthof(routing_rules), Anum_routing_outcome},
	{"responses", response_rules, lengthof(response_rules), Anum_response_decline_code,
	keeps_offer},
	{"cancellations", cancellation_rules, lengthof(cancellation_rules),
	Anum_cancellation_created_at, keeps_cancellation},
	{"events", event_rules, lengthof(event_rules), Anum_event_payload},
	{"vendors", vendor_rules, lengthof(vendor_rules), Anum_vendor_working_hours}
};

/*
 * A column that is NOT NULL, and is NULL all the same: the constraint has something to
 * say, and will.
 */
static bool
lacks_value(TupleDesc tupdesc, int ncolumns, const VrRow *row)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (row->nulls[i] && TupleDescAttr(tupdesc, i)->attnotnull)
			return true;
	}
	return false;
}

static void
verify(Relation relation, const VrRow *row)
{
	const char *name = RelationGetRelationName(relation);
	int			table = 0;

	while (table < lengthof(tables) && strcmp(tables[table].table, name) != 0)
		table++;
	if (table == lengthof(tables) || !vr_is_own_table(relation, tables[table].table))
		vr_refuse_table(relation);
	if (lacks_value(RelationGetDescr(relation), tables[table].ncolumns, row))
		return;
	if (row->before != NULL && tables[table].keeps != NULL && !tables[table].keeps(row))
		vr_refuse_change(relation);

	for (int i = 0; i < tables[table].nrules; i++)
	{
		const Rule *rule = &tables[table].rules[i];

		if ((rule->column == 0 || !is_null(row, rule->column)) &&
			!rule->holds(row, rule->column))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("new row for relation \"%s\" violates check constraint \"%s\"",
							name, rule->constraint),
					 errtableconstraint(relation, rule->constraint)));
	}
}

/*
 * BEFORE INSERT, AFTER UPDATE, BEFORE UPDATE ON vendors FOR EACH ROW: refuses a row
 * that breaks a rule of its table.
 */
Datum
vr_verify_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_trigger_data(fcinfo);
	VrRow		before;
	VrRow		row;
	HeapTuple	tuple = vr_trigger_row(trigger, &before, &row);

	verify(trigger->tg_relation, &row);
	return PointerGetDatum(tuple);
}

/*
 * AFTER UPDATE ON routings FOR EACH ROW: the state machine, and what a row must be
 * like.
 */
Datum
vr_guard_routings(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_own_trigger_data(fcinfo, "routings");
	VrRow		before;
	VrRow		row;
	HeapTuple	tuple = vr_trigger_row(trigger, &before, &row);

	if (row.before == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be fired for each row by UPDATE")));
	vr_routing_check_change(&before, &row);
	verify(trigger->tg_relation, &row);
	return PointerGetDatum(tuple);
}
