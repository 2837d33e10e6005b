/*-------------------------------------------------------------------------
 *
 * response.c
 *		The table responses: offers to vendors, and their answers.  Its only
 *		writer.
 *
 * Locking: while the routing is open, who writes an answer holds the lock of
 * the routing; once it is decided, the lock of the response.
 *
 * Memory: what is read is allocated in the current context.
 *
 * IDENTIFICATION
 *	  src/response.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "args.h"
#include "catalog.h"
#include "clock.h"
#include "eligibility.h"
#include "errors.h"
#include "lock.h"
#include "newest.h"
#include "order.h"
#include "response.h"
#include "rows.h"
#include "spi.h"

/* In the order of VrAnswer; no answer is NULL. */
static const char *const answer_names[] = {
	NULL, "ACCEPT", "REJECT", "ERROR", "TIMEOUT"
};

/* Why a vendor rejects; responses_decline_code_check knows the same. */
static const char *const decline_codes[] = {
	"NO_STOCK", "NO_CAPACITY", "PRICE", "TIME", "AREA", "CLOSED", "OTHER"
};

const char *
vr_answer_name(VrAnswer answer)
{
	return answer_names[answer];
}

/*
 * The answer with this name, or VR_NO_ANSWER where it is none.
 */
VrAnswer
vr_answer_from_text(const text *name)
{
	for (int i = VR_ACCEPT; i < lengthof(answer_names); i++)
	{
		if (vr_text_is(name, answer_names[i]))
			return (VrAnswer) i;
	}
	return VR_NO_ANSWER;
}

/*
 * Is this one of the words for why a vendor rejects?
 */
bool
vr_is_decline_code(const text *name)
{
	for (int i = 0; i < lengthof(decline_codes); i++)
	{
		if (vr_text_is(name, decline_codes[i]))
			return true;
	}
	return false;
}

static void
fill(VrResponse *response, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value;

	response->invited = true;
	response->vendor_id =
		DatumGetTextPCopy(slot_getattr(slot, Anum_response_vendor_id, &isnull));
	response->score =
		DatumGetNumericCopy(slot_getattr(slot, Anum_response_score, &isnull));
	response->rank = DatumGetInt32(slot_getattr(slot, Anum_response_rank, &isnull));
	response->wave = DatumGetInt32(slot_getattr(slot, Anum_response_wave, &isnull));
	response->offered_at =
		DatumGetTimestampTz(slot_getattr(slot, Anum_response_offered_at, &isnull));
	response->expires_at =
		DatumGetTimestampTz(slot_getattr(slot, Anum_response_expires_at, &isnull));
	value = slot_getattr(slot, Anum_response_response, &isnull);
	response->answer =
		isnull ? VR_NO_ANSWER : vr_answer_from_text(DatumGetTextPP(value));
	response->responded_at =
		DatumGetTimestampTz(slot_getattr(slot, Anum_response_responded_at, &isnull));
	value = slot_getattr(slot, Anum_response_decline_code, &isnull);
	response->decline_code = isnull ? NULL : DatumGetTextPCopy(value);
	response->tid = slot->tts_tid;
}

#define ALL_COLUMNS \
	"routing_id, round, vendor_id, score, rank, wave, offered_at," \
	" expires_at, response, responded_at, reason, payload, decline_code"

/*
 * Says that the vendor has no offer: VR005.
 */
void
vr_not_invited(const text *vendor_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_NOT_INVITED),
			 errmsg("vendor \"%s\" is not invited", text_to_cstring(vendor_id))));
}

/*
 * The newest version of a vendor's offer in the current round.  Takes no lock;
 * waits where the same vendor is answering in another session.
 */
void
vr_response_read(const VrRouting *routing, const text *vendor_id,
				 VrResponse *response)
{
	static const VrStatement by_key = {
		"SELECT " ALL_COLUMNS
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2 AND (vendor_id = $3) IS TRUE",
		3, {UUIDOID, INT4OID, TEXTOID}
	};
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id)
	};
	Relation	table = vr_open_table("responses");
	bool		changing = false;
	TupleTableSlot *slot = vr_proven_row(table, &by_key, key, true, &changing);

	response->invited = (slot != NULL);
	if (slot != NULL)
	{
		fill(response, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(table, NoLock);
}

/*
 * Has the vendor an offer in this round, as committed or our own?  Does not wait.
 */
bool
vr_response_exists(const VrRouting *routing, const text *vendor_id)
{
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id)
	};
	Relation	table = vr_open_table("responses");
	bool		found = (vr_newest_rows(table, lengthof(key), key, NULL, NULL) > 0);

	table_close(table, NoLock);
	return found;
}

static void
take_response(TupleTableSlot *slot, void *arg)
{
	List	  **responses = arg;
	VrResponse *response = palloc(sizeof(VrResponse));

	fill(response, slot);
	*responses = lappend(*responses, response);
}

static int
compare_ranks(const ListCell *a, const ListCell *b)
{
	const VrResponse *x = lfirst(a);
	const VrResponse *y = lfirst(b);

	return x->rank - y->rank;
}

/*
 * Hands over all offers of the current round.  The caller holds the lock of the
 * routing, so nobody is changing these rows; read directly, as vr_newest_row
 * does and for the same reasons.
 */
void
vr_responses_visit(const VrRouting *routing,
				   void (*visit) (TupleTableSlot *slot, void *arg), void *arg)
{
	static const VrStatement select = {
		"SELECT " ALL_COLUMNS
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2",
		2, {UUIDOID, INT4OID}
	};
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	Relation	table = vr_open_table("responses");

	if (vr_newest_rows(table, lengthof(key), key, visit, arg) == 0)
	{
		uint64		n = vr_spi_read(&select, key);
		TupleTableSlot *slot = table_slot_create(table, NULL);

		for (uint64 i = 0; i < n; i++)
		{
			vr_spi_copy_row(i, slot);
			visit(slot, arg);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(table, NoLock);
}

/*
 * All offers of the current round, by rank; the caller holds the lock of the
 * routing.
 */
List *
vr_responses_read(const VrRouting *routing)
{
	List	   *responses = NIL;

	vr_responses_visit(routing, take_response, &responses);
	list_sort(responses, compare_ranks);
	return responses;
}

static void
take_vendor_id(TupleTableSlot *slot, void *arg)
{
	List	  **vendor_ids = arg;
	bool		isnull;

	*vendor_ids = lappend(*vendor_ids,
						  DatumGetTextPCopy(slot_getattr(slot, Anum_response_vendor_id,
														 &isnull)));
}

/*
 * The ids of the vendors invited in the current round, in no particular order; as
 * vr_responses_read.
 */
List *
vr_responses_vendor_ids(const VrRouting *routing)
{
	List	   *vendor_ids = NIL;

	vr_responses_visit(routing, take_vendor_id, &vendor_ids);
	return vendor_ids;
}

/*
 * Is the time of an offer over?  ttl, where it is not NULL, makes it end that
 * long after it was made.
 */
bool
vr_response_is_due(const VrResponse *response, const Interval *ttl,
				   TimestampTz now)
{
	return response->expires_at <= now ||
		(ttl != NULL && vr_add_interval(response->offered_at, ttl) <= now);
}

/*
 * When the first of these offers that may still win ends; 0 where none may: all
 * were declined, or were due and did not win.
 */
TimestampTz
vr_responses_deadline(const List *responses, const Interval *ttl, TimestampTz now)
{
	TimestampTz deadline = 0;
	ListCell   *cell;

	foreach(cell, responses)
	{
		const VrResponse *response = lfirst(cell);

		if (response->answer != VR_NO_ANSWER &&
			!(response->answer == VR_ACCEPT &&
			  !vr_response_is_due(response, ttl, now)))
			continue;
		if (deadline == 0 || response->expires_at < deadline)
			deadline = response->expires_at;
	}
	return deadline;
}

/*
 * Adds an offer to each of the candidates, ranked as they come, after noffered
 * others, to what vr_responses_write is to write.
 */
void
vr_responses_add(VrRows *rows, const VrRouting *routing, const List *candidates,
				 int noffered, TimestampTz now, TimestampTz expires_at)
{
	ListCell   *cell;

	foreach(cell, candidates)
	{
		const VrCandidate *candidate = lfirst(cell);
		int			rank = noffered + 1 + foreach_current_index(cell);
		NullableDatum columns[] = {
			vr_param_ptr(&routing->routing_id),
			vr_param(Int32GetDatum(routing->round)),
			vr_param_ptr(candidate->vendor_id),
			vr_param_ptr(candidate->score),
			vr_param(Int32GetDatum(rank)),
			vr_param(Int32GetDatum(routing->wave)),
			vr_param(TimestampTzGetDatum(now)),
			vr_param(TimestampTzGetDatum(expires_at))
		};

		vr_rows_add(rows, "responses", columns, lengthof(columns));
	}
}

/*
 * Makes the offers that were added.
 */
void
vr_responses_write(VrRows *rows)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.responses (" ALL_COLUMNS ")"
		" SELECT " ALL_COLUMNS " FROM " VR_ROWS
	};

	vr_rows_insert_all(rows, &insert);
}

/*
 * Makes an offer to each of the candidates, ranked as they come, after noffered
 * others.
 */
void
vr_responses_insert(const VrRouting *routing, const List *candidates,
					int noffered, TimestampTz now, TimestampTz expires_at)
{
	VrRows		rows = {0};

	vr_responses_add(&rows, routing, candidates, noffered, now, expires_at);
	vr_responses_write(&rows);
}

/*
 * When a vendor was last offered an order, or DT_NOBEGIN.  Going by the offer
 * that runs the longest, which is the end of an index: one on offered_at makes a
 * broadcast to ten a quarter dearer.
 */
TimestampTz
vr_responses_last_offered(Relation table, Relation by_vendor,
						  const text *vendor_id, TupleTableSlot *slot)
{
	bool		isnull;

	if (!vr_newest_last(table, by_vendor, PointerGetDatum(vendor_id), slot))
		return DT_NOBEGIN;
	return DatumGetTimestampTz(slot_getattr(slot, Anum_response_offered_at, &isnull));
}

/*
 * Takes the lock of a vendor's answer on a routing that is decided.  Before it comes
 * the application's row of the order, where its table is attached.
 */
void
vr_response_lock(const VrRouting *routing, const text *vendor_id)
{
	(void) vr_order_lock(routing->order_id, true);
	vr_lock_response(&routing->routing_id, vendor_id);
}

/*
 * Records the first answer of a vendor to the offer that was read last.
 * Returns false, and changes nothing, where there is an answer already.
 */
bool
vr_response_record(const VrRouting *routing, const text *vendor_id,
				   const VrResponse *response, VrAnswer answer,
				   const VrAnswerDetails *details, TimestampTz now)
{
	static const VrRowStatement update = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.responses"
		" SET response = $5, responded_at = $6, reason = $7, payload = $8,"
		"     decline_code = $9",
		"routing_id = $2 AND round = $3 AND (vendor_id = $4) IS TRUE"
		" AND response IS NULL",
		9, UUIDOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID,
		TEXTOID);
	NullableDatum params[] = {
		vr_param_tid(&response->tid),
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id),
		vr_param_ptr(cstring_to_text(vr_answer_name(answer))),
		vr_param(TimestampTzGetDatum(now)),
		vr_param_ptr(details->reason),
		vr_param_ptr(details->payload),
		vr_param_ptr(details->decline_code)
	};

	return vr_spi_write_row(&update, params);
}

/*
 * Locks the rows of these offers.  Returns false, without waiting, where others
 * have one of them.
 */
bool
vr_responses_try_lock(const List *responses)
{
	Relation	table;
	TupleTableSlot *slot;
	bool		locked = true;
	ListCell   *cell;

	if (responses == NIL)
		return true;
	table = vr_open_table_to_lock("responses");
	slot = table_slot_create(table, NULL);
	foreach(cell, responses)
	{
		VrResponse *response = lfirst(cell);

		if (!ItemPointerIsValid(&response->tid))
			continue;			/* LCOV_EXCL_LINE: a scan missed it, see vr_proven_row */
		slot->tts_tid = response->tid;
		locked = (vr_lock_row(table, slot, false) == VR_ROW_LOCKED);
		if (!locked)
			break;
		response->tid = slot->tts_tid;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return locked;
}

/*
 * Closes these offers, which were not answered.
 */
void
vr_responses_time_out(const VrRouting *routing, const List *responses,
					  TimestampTz now)
{
	static const VrRowStatement update = {
		{"UPDATE vendor_routing.responses"
		" SET response = 'TIMEOUT', responded_at = $2"
		" WHERE ctid = ANY ($1) AND (routing_id = $3 AND round = $4) IS TRUE"
		" AND response IS NULL",
		4, {TIDARRAYOID, TIMESTAMPTZOID, UUIDOID, INT4OID}},
		{"UPDATE vendor_routing.responses"
		" SET response = 'TIMEOUT', responded_at = $2"
		" WHERE routing_id = $3 AND round = $4 AND (vendor_id = ANY ($5)) IS TRUE"
		" AND response IS NULL",
		5, {TIDARRAYOID, TIMESTAMPTZOID, UUIDOID, INT4OID, TEXTARRAYOID}}
	};
	int			n = list_length(responses);
	Datum	   *tids = palloc(n * sizeof(Datum));
	List	   *vendor_ids = NIL;
	bool		know_places = true;
	NullableDatum params[5];
	ListCell   *cell;

	foreach(cell, responses)
	{
		VrResponse *response = lfirst(cell);

		tids[foreach_current_index(cell)] = PointerGetDatum(&response->tid);
		know_places = know_places && ItemPointerIsValid(&response->tid);
		vendor_ids = lappend(vendor_ids, response->vendor_id);
	}
	params[0] = vr_param_ptr(know_places ?
							 construct_array(tids, n, TIDOID,
											 sizeof(ItemPointerData), false,
											 TYPALIGN_SHORT) : NULL);
	params[1] = vr_param(TimestampTzGetDatum(now));
	params[2] = vr_param_ptr(&routing->routing_id);
	params[3] = vr_param(Int32GetDatum(routing->round));
	params[4] = vr_param_texts(vendor_ids);
	if (vr_spi_write_rows_at(&update, params, n) != n)
		vr_spi_not_written();
}

/*
 * Were the last n offers to a vendor, of those that ended without another vendor
 * winning, all made after since and all left unanswered?
 */
bool
vr_responses_all_silent(const text *vendor_id, int n, TimestampTz since)
{
	static const VrStatement select = {
		"SELECT count(*) FILTER (WHERE l.response = 'TIMEOUT')::int4"
		" FROM (SELECT response"
		"       FROM vendor_routing.responses"
		"       WHERE vendor_id = $1 AND response IS NOT NULL AND offered_at > $3"
		"       AND expires_at > $3"	/* for the index */
		"       ORDER BY expires_at DESC"
		"       LIMIT $2) AS l",
		3, {TEXTOID, INT8OID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(vendor_id),
		vr_param(Int64GetDatum(n)),
		vr_param(TimestampTzGetDatum(since))
	};

	vr_spi_read(&select, params);
	return DatumGetInt32(vr_spi_value(0, 1).value) >= n;
}
