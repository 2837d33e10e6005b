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
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "eligibility.h"
#include "errors.h"
#include "newest.h"
#include "response.h"
#include "spi.h"

/* Columns of vendor_routing.responses that are read (22_responses.sql). */
enum
{
	Anum_response_vendor_id = 3,
	Anum_response_offered_at = 7,
	Anum_response_expires_at = 8,
	Anum_response_response = 9,
	Anum_response_responded_at = 10
};

/* In the order of VrAnswer; no answer is NULL. */
static const char *const answer_names[] = {
	NULL, "ACCEPT", "REJECT", "ERROR", "TIMEOUT"
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
		if (strlen(answer_names[i]) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(answer_names[i], VARDATA_ANY(name),
				   VARSIZE_ANY_EXHDR(name)) == 0)
			return (VrAnswer) i;
	}
	return VR_NO_ANSWER;
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
		"SELECT routing_id, round, vendor_id, score, rank, wave, offered_at,"
		" expires_at, response, responded_at, reason, payload"
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2 AND vendor_id = $3",
		3, {UUIDOID, INT4OID, TEXTOID}
	};
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id)
	};
	Relation	table = vr_open_table("responses");
	bool		waited = false;
	TupleTableSlot *slot = vr_proven_row(table, &by_key, key, &waited);

	response->invited = (slot != NULL);
	if (slot != NULL)
	{
		bool		isnull;
		Datum		answer;

		response->expires_at =
			DatumGetTimestampTz(slot_getattr(slot, Anum_response_expires_at, &isnull));
		answer = slot_getattr(slot, Anum_response_response, &isnull);
		response->answer =
			isnull ? VR_NO_ANSWER : vr_answer_from_text(DatumGetTextPP(answer));
		response->responded_at =
			DatumGetTimestampTz(slot_getattr(slot, Anum_response_responded_at, &isnull));
		response->tid = slot->tts_tid;
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(table, NoLock);
}

/*
 * Makes an offer to each of the candidates, ranked as they come.
 */
void
vr_responses_insert(const VrRouting *routing, const List *candidates,
					TimestampTz now, TimestampTz expires_at)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.responses"
		" (routing_id, round, wave, vendor_id, score, rank, offered_at, expires_at)"
		" SELECT $1, $2, $3, v.vendor_id, v.score, v.rank, $6, $7"
		" FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5))"
		" WITH ORDINALITY AS v (vendor_id, score, rank)",
		7, {UUIDOID, INT4OID, INT4OID, TEXTARRAYOID, NUMERICARRAYOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	int			n = list_length(candidates);
	Datum	   *ids = palloc(n * sizeof(Datum));
	Datum	   *scores = palloc(n * sizeof(Datum));
	NullableDatum params[7];

	for (int i = 0; i < n; i++)
	{
		VrCandidate *candidate = list_nth(candidates, i);

		ids[i] = PointerGetDatum(candidate->vendor_id);
		scores[i] = NumericGetDatum(candidate->score);
	}
	params[0] = vr_param_ptr(&routing->routing_id);
	params[1] = vr_param(Int32GetDatum(routing->round));
	params[2] = vr_param(Int32GetDatum(routing->wave));
	params[3] = vr_param_ptr(construct_array(ids, n, TEXTOID,
											 -1, false, TYPALIGN_INT));
	params[4] = vr_param_ptr(construct_array(scores, n, NUMERICOID,
											 -1, false, TYPALIGN_INT));
	params[5] = vr_param(TimestampTzGetDatum(now));
	params[6] = vr_param(TimestampTzGetDatum(expires_at));
	vr_spi_write_exactly(&insert, params, n);
}

/*
 * The vendors invited in the current round.
 */
List *
vr_responses_invited(const VrRouting *routing)
{
	static const VrStatement select = {
		"SELECT r.vendor_id, v.name, r.score"
		" FROM vendor_routing.responses AS r"
		" LEFT JOIN vendor_routing.vendors AS v ON v.vendor_id = r.vendor_id"
		" WHERE r.routing_id = $1 AND r.round = $2"
		" ORDER BY r.rank",
		2, {UUIDOID, INT4OID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	uint64		n = vr_spi_read(&select, params);
	List	   *candidates = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		VrCandidate *candidate = palloc0(sizeof(VrCandidate));

		candidate->vendor_id = vr_spi_text(i, 1);
		candidate->name = vr_spi_text(i, 2);
		candidate->score = DatumGetNumericCopy(vr_spi_value(i, 3).value);
		candidates = lappend(candidates, candidate);
	}
	return candidates;
}

/*
 * When a vendor was last offered an order, or DT_NOBEGIN.  Going by the offer
 * that runs the longest, which is the end of an index; nobody depends on the
 * difference.
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
 * The ids of the vendors invited in the current round.  The caller holds the
 * lock of the routing, so nobody is changing these rows; read directly, as
 * vr_newest_row does and for the same reasons.
 */
List *
vr_responses_vendor_ids(const VrRouting *routing)
{
	static const VrStatement select = {
		"SELECT vendor_id"
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2",
		2, {UUIDOID, INT4OID}
	};
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	Relation	table = vr_open_table("responses");
	List	   *vendor_ids = vr_newest_texts(table, lengthof(key), key,
											 Anum_response_vendor_id);

	table_close(table, NoLock);
	if (vendor_ids == NIL)
	{
		uint64		n = vr_spi_read(&select, key);

		for (uint64 i = 0; i < n; i++)
			vendor_ids = lappend(vendor_ids, vr_spi_text(i, 1));
	}
	return vendor_ids;
}

/*
 * Records the first answer of a vendor to the offer that was read last.
 * Returns false, and changes nothing, where there is an answer already.
 */
bool
vr_response_record(const VrRouting *routing, const text *vendor_id,
				   const VrResponse *response, VrAnswer answer,
				   const text *reason, const Jsonb *payload, TimestampTz now)
{
	static const VrRowStatement update = VR_ROW_STATEMENT(
		"UPDATE vendor_routing.responses"
		" SET response = $5, responded_at = $6, reason = $7, payload = $8",
		"routing_id = $2 AND round = $3 AND vendor_id = $4"
		" AND response IS NULL",
		8, UUIDOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, JSONBOID);
	NullableDatum params[] = {
		vr_param_tid(&response->tid),
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(vendor_id),
		vr_param_ptr(cstring_to_text(vr_answer_name(answer))),
		vr_param(TimestampTzGetDatum(now)),
		vr_param_ptr(reason),
		vr_param_ptr(payload)
	};

	return vr_spi_write_row(&update, params) == 1;
}

/* An offer whose time is over at $4, or that is older than $3 (may be NULL). */
#define IS_DUE "(expires_at <= $4 OR offered_at + $3 <= $4)"

/*
 * Runs a statement about the due offers of the current round, and returns the
 * vendor ids it returns.
 */
static List *
due_vendors(uint64 (*run) (const VrStatement *, const NullableDatum *),
			const VrStatement *statement, const VrRouting *routing,
			const Interval *ttl, TimestampTz now)
{
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(ttl),
		vr_param(TimestampTzGetDatum(now))
	};
	uint64		n = run(statement, params);
	List	   *vendor_ids = NIL;

	for (uint64 i = 0; i < n; i++)
		vendor_ids = lappend(vendor_ids, vr_spi_text(i, 1));
	return vendor_ids;
}

/*
 * Closes the due offers that were not answered, and tells whose they are.
 */
List *
vr_responses_time_out(const VrRouting *routing, const Interval *ttl,
					  TimestampTz now)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.responses"
		" SET response = 'TIMEOUT', responded_at = $4"
		" WHERE routing_id = $1 AND round = $2 AND response IS NULL"
		" AND " IS_DUE
		" RETURNING vendor_id",
		4, {UUIDOID, INT4OID, INTERVALOID, TIMESTAMPTZOID}
	};

	return due_vendors(vr_spi_write, &update, routing, ttl, now);
}

/*
 * The vendors who accepted by vr_respond and whose time to change their mind is
 * over, the earliest first.
 */
List *
vr_responses_due_accepts(const VrRouting *routing, const Interval *ttl,
						 TimestampTz now)
{
	static const VrStatement select = {
		"SELECT vendor_id"
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2 AND response = 'ACCEPT'"
		" AND " IS_DUE
		" ORDER BY responded_at, rank",
		4, {UUIDOID, INT4OID, INTERVALOID, TIMESTAMPTZOID}
	};

	return due_vendors(vr_spi_read, &select, routing, ttl, now);
}

/*
 * When the next offer of the current round that may still win ends.  Returns
 * false where there is none: all were declined, or were due and did not win.
 */
bool
vr_responses_next_deadline(const VrRouting *routing, const Interval *ttl,
						   TimestampTz now, TimestampTz *deadline)
{
	static const VrStatement select = {
		"SELECT min(expires_at)"
		" FROM vendor_routing.responses"
		" WHERE routing_id = $1 AND round = $2"
		" AND (response IS NULL"
		"      OR response = 'ACCEPT' AND " IS_DUE " IS NOT TRUE)",
		4, {UUIDOID, INT4OID, INTERVALOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round)),
		vr_param_ptr(ttl),
		vr_param(TimestampTzGetDatum(now))
	};
	NullableDatum result;

	vr_spi_read(&select, params);
	result = vr_spi_value(0, 1);
	if (!result.isnull)
		*deadline = DatumGetTimestampTz(result.value);
	return !result.isnull;
}
