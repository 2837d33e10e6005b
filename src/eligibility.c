/*-------------------------------------------------------------------------
 *
 * eligibility.c
 *		Which vendors may be invited to an order, and which of them are.
 *
 * Vendors are read from the best score downwards (vendors_score_idx) until
 * there are enough, so that the cost of a broadcast does not grow with the
 * registry.  The index is read directly, not by
 * SQL: no statistics, and no plan kept from a smaller table, can turn this into
 * reading and sorting all vendors.
 *
 * Locking: none.
 *
 * Memory: candidates are allocated in the current context.
 *
 * Errors: VR002 where somebody named is not eligible.
 *
 * IDENTIFICATION
 *	  src/eligibility.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "eligibility.h"
#include "errors.h"
#include "gate.h"
#include "response.h"
#include "settings.h"
#include "vendor.h"

/*
 * How many vendors with the same score take turns.  Without a bound, a registry
 * in which nobody has a history yet would be read whole for every order.
 */
#define MAX_TIED_VENDORS 1000

static text *
vendor_id(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetTextPP(slot_getattr(slot, Anum_vendor_vendor_id, &isnull));
}

static void
fill_candidate(VrCandidate *candidate, TupleTableSlot *slot)
{
	bool		isnull;

	candidate->vendor_id =
		DatumGetTextPCopy(slot_getattr(slot, Anum_vendor_vendor_id, &isnull));
	candidate->name =
		DatumGetTextPCopy(slot_getattr(slot, Anum_vendor_name, &isnull));
	candidate->score =
		DatumGetNumericCopy(slot_getattr(slot, Anum_vendor_score, &isnull));
	candidate->last_offered = DT_NOBEGIN;
}

/* Best score first. */
static int
compare_scores(const VrCandidate *a, const VrCandidate *b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum(b->score),
											 NumericGetDatum(a->score)));
}

/*
 * Best score first; equal scores take turns: who was offered nothing for the
 * longest time comes first.  Where that is equal too, the order in which the
 * index gave them (by id) stays.
 */
static int
compare_candidates(const ListCell *a, const ListCell *b)
{
	const VrCandidate *x = lfirst(a);
	const VrCandidate *y = lfirst(b);
	int			result = compare_scores(x, y);

	if (result == 0)
		result = timestamp_cmp_internal(x->last_offered, y->last_offered);
	if (result == 0)
		result = x->position - y->position;
	return result;
}

/*
 * Where vendors come from: in the order of the score, or by id.
 *
 * Each is read as it is at that moment.  A snapshot would take predicate locks
 * at SERIALIZABLE, on rows that every accept updates.  The price is that a vendor
 * whose score changes at this moment may be met twice, or not: see distinct().
 */
typedef struct VendorScan
{
	Relation	vendors;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} VendorScan;

static void
begin_vendors(VendorScan *scan, bool by_score)
{
	scan->vendors = vr_open_table("vendors");
	scan->index = vr_open_index(by_score ? "vendors_score_idx" : "vendors_pkey");
	scan->slot = table_slot_create(scan->vendors, NULL);
	scan->scan = vr_index_beginscan(scan->vendors, scan->index, SnapshotSelf,
									by_score ? 0 : 1);
	if (by_score)
		index_rescan(scan->scan, NULL, 0, NULL, 0);
}

static bool
next_vendor(VendorScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

static bool
find_vendor(VendorScan *scan, const text *id)
{
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   scan->index->rd_indcollation[0], F_TEXTEQ,
						   PointerGetDatum(id));
	for (int i = 0; i < VR_MAX_LOOKS; i++)
	{
		index_rescan(scan->scan, &key, 1, NULL, 0);
		if (next_vendor(scan))
			return true;
		if (!vr_vendor_exists(id))
			break;
	}
	return false;
}

static void
end_vendors(VendorScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->vendors, NoLock);
}

/*
 * The first gate that the vendor in the slot does not pass; leaves no memory
 * behind.
 */
static VrGate
ask(TupleTableSlot *slot, const VrQuestion *question, MemoryContext per_vendor)
{
	MemoryContext caller = MemoryContextSwitchTo(per_vendor);
	VrGate		gate = vr_vendor_gate(slot, VR_GATES_ALL, question);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(per_vendor);
	return gate;
}

static VrCandidate *
new_candidate(TupleTableSlot *slot, int position)
{
	VrCandidate *candidate = palloc(sizeof(VrCandidate));

	fill_candidate(candidate, slot);
	candidate->position = position;
	return candidate;
}

/*
 * Reads eligible vendors, best score first, until there are enough, and then
 * the others of the last score (see MAX_TIED_VENDORS).
 */
static List *
read_best(const VrQuestion *question, MemoryContext per_vendor,
		  VrGateCounts *counts)
{
	int			max_vendors = question->wave->vendors;
	VendorScan	scan;
	List	   *candidates = NIL;

	begin_vendors(&scan, true);
	while (list_length(candidates) < max_vendors + MAX_TIED_VENDORS &&
		   next_vendor(&scan))
	{
		VrCandidate *candidate;
		VrGate		gate;

		CHECK_FOR_INTERRUPTS();
		if (vr_text_in(vendor_id(scan.slot), question->offered))
			continue;
		gate = ask(scan.slot, question, per_vendor);
		counts->total++;
		if (gate != VR_GATE_NONE)
			counts->failed[gate]++;
		if (gate == VR_GATE_SCORE)
			break;				/* and all others are worse */
		if (gate != VR_GATE_NONE)
			continue;

		candidate = new_candidate(scan.slot, list_length(candidates));
		if (candidate->position >= max_vendors &&
			compare_scores(list_nth(candidates, max_vendors - 1), candidate) != 0)
			break;
		candidates = lappend(candidates, candidate);
	}
	end_vendors(&scan);
	return candidates;
}

/*
 * Reads those on the list of a wave who are eligible, best score first.
 */
static List *
read_listed(const VrQuestion *question, MemoryContext per_vendor,
			VrGateCounts *counts)
{
	VendorScan	scan;
	List	   *candidates = NIL;
	ListCell   *cell;

	begin_vendors(&scan, false);
	foreach(cell, question->wave->vendor_ids)
	{
		VrGate		gate;

		CHECK_FOR_INTERRUPTS();
		if (vr_text_in(lfirst(cell), question->offered) ||
			!find_vendor(&scan, lfirst(cell)))
			continue;
		gate = ask(scan.slot, question, per_vendor);
		counts->total++;
		if (gate == VR_GATE_NONE)
			candidates = lappend(candidates,
								 new_candidate(scan.slot, list_length(candidates)));
		else
			counts->failed[gate]++;
	}
	end_vendors(&scan);
	list_sort(candidates, compare_candidates);
	return candidates;
}

/*
 * The turns of a call that makes many orders: offers that it has not written yet,
 * and what was read of other vendors.
 */
struct VrTurns
{
	HTAB	   *vendors;
};

typedef struct Turn
{
	char		vendor_id[VR_MAX_ID_LENGTH + 1];	/* hash key */
	TimestampTz last_offered;
} Turn;

/*
 * Nobody has had a turn; lives in the current context.
 */
VrTurns *
vr_turns_begin(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(((Turn *) NULL)->vendor_id),
		.entrysize = sizeof(Turn),
		.hcxt = CurrentMemoryContext
	};
	VrTurns    *turns = palloc(sizeof(VrTurns));

	turns->vendors = hash_create("vendor_routing turns", 64, &ctl,
								 HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return turns;
}

/*
 * The turn of a vendor; *found says whether there is one already.
 */
static Turn *
turn_of(VrTurns *turns, const text *vendor_id, bool *found)
{
	char		key[VR_MAX_ID_LENGTH + 1];

	text_to_cstring_buffer(vendor_id, key, sizeof(key));
	return hash_search(turns->vendors, key, HASH_ENTER, found);
}

/*
 * These are offered an order now.
 */
static void
take_turns(VrTurns *turns, const List *candidates, TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, candidates)
	{
		bool		found;

		turn_of(turns, ((VrCandidate *) lfirst(cell))->vendor_id,
				&found)->last_offered = now;
	}
}

/*
 * Fills in when each candidate that shares its score with a neighbour was last
 * offered an order.
 */
static void
read_last_offered(List *candidates, VrTurns *turns)
{
	Relation	responses = vr_open_table("responses");
	Relation	by_vendor = vr_open_index("responses_vendor_id_expires_at_idx");
	TupleTableSlot *slot = table_slot_create(responses, NULL);
	int			last = list_length(candidates) - 1;

	for (int i = 0; i <= last; i++)
	{
		VrCandidate *candidate = list_nth(candidates, i);
		Turn	   *turn = NULL;
		bool		found = false;

		if (!(i > 0 && compare_scores(list_nth(candidates, i - 1), candidate) == 0) &&
			!(i < last && compare_scores(candidate, list_nth(candidates, i + 1)) == 0))
			continue;
		if (turns != NULL)
			turn = turn_of(turns, candidate->vendor_id, &found);
		candidate->last_offered = (turn != NULL && found) ? turn->last_offered :
			vr_responses_last_offered(responses, by_vendor,
									  candidate->vendor_id, slot);
		if (turn != NULL)
			turn->last_offered = candidate->last_offered;
	}

	ExecDropSingleTupleTableSlot(slot);
	index_close(by_vendor, NoLock);
	table_close(responses, NoLock);
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	const text *x = ((const VrCandidate *) lfirst(a))->vendor_id;
	const text *y = ((const VrCandidate *) lfirst(b))->vendor_id;
	int			x_length = VARSIZE_ANY_EXHDR(x);
	int			y_length = VARSIZE_ANY_EXHDR(y);

	if (x_length != y_length)
		return x_length - y_length;
	return memcmp(VARDATA_ANY(x), VARDATA_ANY(y), x_length);
}

/*
 * The same candidates without any that comes twice, in another order.
 */
static List *
distinct(List *candidates)
{
	List	   *result = NIL;
	ListCell   *cell;

	list_sort(candidates, compare_ids);
	foreach(cell, candidates)
	{
		if (result == NIL ||
			!vr_text_eq(((VrCandidate *) llast(result))->vendor_id,
						((VrCandidate *) lfirst(cell))->vendor_id))
			result = lappend(result, lfirst(cell));
	}
	return result;
}

/*
 * The best eligible vendors, as many as the wave wants, best first; NIL where
 * there is none.  *counts says what became of those that were looked at.
 */
List *
vr_vendors_select(const VrQuestion *question, VrGateCounts *counts)
{
	MemoryContext per_vendor = AllocSetContextCreate(CurrentMemoryContext,
													 "vendor_routing gates",
													 ALLOCSET_SMALL_SIZES);
	List	   *candidates;

	memset(counts, 0, sizeof(*counts));
	candidates = (question->wave->vendor_ids == NIL) ?
		read_best(question, per_vendor, counts) :
		read_listed(question, per_vendor, counts);
	MemoryContextDelete(per_vendor);

	read_last_offered(candidates, question->turns);
	list_sort(candidates, compare_candidates);
	candidates = distinct(list_truncate(candidates, question->wave->vendors));
	list_sort(candidates, compare_candidates);
	if (question->turns != NULL)
		take_turns(question->turns, candidates, question->now);
	return candidates;
}

/*
 * The ids in an array given by the caller, checked.
 */
static int
checked_ids(ArrayType *vendor_ids, Datum **ids)
{
	bool	   *nulls;
	int			nids;

	if (ARR_NDIM(vendor_ids) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("vendors must be a one-dimensional array and not empty")));

	deconstruct_array(vendor_ids, TEXTOID, -1, false, TYPALIGN_INT,
					  ids, &nulls, &nids);
	if (nids > VR_MAX_VENDORS_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("vendors must not have more than %d elements",
						VR_MAX_VENDORS_LIMIT)));

	for (int i = 0; i < nids; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("vendors must not contain nulls")));
		vr_check_id((*ids)[i], "an element of vendors");
		for (int j = 0; j < i; j++)
		{
			if (vr_text_eq(DatumGetTextPP((*ids)[i]), DatumGetTextPP((*ids)[j])))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("vendors contains \"%s\" more than once",
								TextDatumGetCString((*ids)[i]))));
		}
	}
	return nids;
}

/*
 * The vendors that the caller names, in the caller's order.  Who is named is
 * invited whatever the product, the amount, the place, the hours and its load;
 * but somebody unknown, or who could not win, is a mistake.
 */
List *
vr_vendors_named(ArrayType *vendor_ids, const VrQuestion *question)
{
	Datum	   *ids;
	int			nids = checked_ids(vendor_ids, &ids);
	VendorScan	scan;
	List	   *candidates = NIL;

	begin_vendors(&scan, false);
	for (int i = 0; i < nids; i++)
	{
		const text *id = DatumGetTextPP(ids[i]);
		VrGate		gate;

		if (!find_vendor(&scan, id))
			vr_vendor_unknown(id);
		gate = vr_vendor_gate(scan.slot, VR_GATES_HARD, question);
		if (gate != VR_GATE_NONE)
			vr_vendor_not_eligible(id, gate);
		candidates = lappend(candidates, new_candidate(scan.slot, i));
	}
	end_vendors(&scan);
	if (question->turns != NULL)
		take_turns(question->turns, candidates, question->now);
	return candidates;
}

/*
 * A vendor in the registry, whatever the gates say.
 */
void
vr_vendor_candidate(const text *vendor_id, VrCandidate *candidate)
{
	VendorScan	scan;

	begin_vendors(&scan, false);
	if (!find_vendor(&scan, vendor_id))
		vr_vendor_unknown(vendor_id);	/* LCOV_EXCL_LINE: callers have its row locked */
	fill_candidate(candidate, scan.slot);
	candidate->position = 0;
	end_vendors(&scan);
}

/*
 * The vendors who have an offer in the current round; the caller holds the lock
 * of the routing, or only wants to tell.
 */
List *
vr_vendors_invited(const VrRouting *routing)
{
	List	   *responses = vr_responses_read(routing);
	List	   *candidates = NIL;
	VendorScan	scan;
	ListCell   *cell;

	begin_vendors(&scan, false);
	foreach(cell, responses)
	{
		const VrResponse *response = lfirst(cell);
		VrCandidate *candidate = palloc0(sizeof(VrCandidate));
		bool		isnull;

		candidate->vendor_id = response->vendor_id;
		candidate->score = response->score;
		if (find_vendor(&scan, response->vendor_id))
			candidate->name =
				DatumGetTextPCopy(slot_getattr(scan.slot, Anum_vendor_name, &isnull));
		candidates = lappend(candidates, candidate);
	}
	end_vendors(&scan);
	return candidates;
}
