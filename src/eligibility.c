/*-------------------------------------------------------------------------
 *
 * eligibility.c
 *		Which vendors may be invited to an order, and which of them are.
 *
 * The gates are here and nowhere else.  vr_broadcast reads vendors from the
 * best score downwards (vendors_score_idx) and stops when it has enough, so that
 * its cost does not grow with the registry.  The index is read directly, not by
 * SQL: no statistics, and no plan kept from a smaller table, can turn this into
 * reading and sorting all vendors.
 *
 * Locking: none.
 *
 * Memory: candidates are allocated in the current context.
 *
 * Errors: VR002 where nobody, or somebody named, is not eligible.
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
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "args.h"
#include "catalog.h"
#include "compat.h"
#include "eligibility.h"
#include "errors.h"
#include "geo.h"
#include "response.h"
#include "settings.h"
#include "spi.h"

/* Columns of vendor_routing.vendors that are read (20_vendors.sql). */
enum
{
	Anum_vendor_vendor_id = 1,
	Anum_vendor_name = 2,
	Anum_vendor_is_active = 4,
	Anum_vendor_is_verified = 5,
	Anum_vendor_products = 6,
	Anum_vendor_min_order_amount = 7,
	Anum_vendor_latitude = 8,
	Anum_vendor_longitude = 9,
	Anum_vendor_service_radius_km = 10,
	Anum_vendor_capacity = 11,
	Anum_vendor_current_orders = 12,
	Anum_vendor_score = 17
};

/*
 * How many vendors with the same score take turns.  Without a bound, a registry
 * in which nobody has a history yet would be read whole for every order.
 */
#define MAX_TIED_VENDORS 1000

/* What became of the vendors that were looked at, for the error message. */
typedef struct GateCounts
{
	int			failed[VR_GATE_NONE];
	int			total;
} GateCounts;

static bool
is_true(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * Does the vendor sell the product?  No product asked for, or no list: yes.
 */
static bool
sells(TupleTableSlot *slot, const text *product)
{
	bool		isnull;
	Datum		products;
	Datum	   *elements;
	int			nelements;

	if (product == NULL)
		return true;
	products = slot_getattr(slot, Anum_vendor_products, &isnull);
	if (isnull)
		return true;

	deconstruct_array(DatumGetArrayTypeP(products), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		if (vr_text_eq(DatumGetTextPP(elements[i]), product))
			return true;
	}
	return false;
}

static bool
meets_minimum(TupleTableSlot *slot, Numeric amount)
{
	bool		isnull;
	Datum		minimum = slot_getattr(slot, Anum_vendor_min_order_amount, &isnull);

	return amount == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_ge, NumericGetDatum(amount), minimum));
}

static bool
within_radius(TupleTableSlot *slot, const VrOrder *order)
{
	VrPlace		place;
	Datum		radius;
	bool		isnull;

	if (!order->has_place)
		return true;
	radius = slot_getattr(slot, Anum_vendor_service_radius_km, &isnull);
	if (isnull)
		return true;

	/* A vendor with a radius has a place: vendors_place_check. */
	place.latitude = DatumGetFloat8(slot_getattr(slot, Anum_vendor_latitude, &isnull));
	place.longitude = DatumGetFloat8(slot_getattr(slot, Anum_vendor_longitude, &isnull));
	return vr_distance(&place, &order->place) <= DatumGetFloat8(radius);
}

static bool
below_capacity(TupleTableSlot *slot)
{
	bool		unlimited;
	bool		isnull;
	Datum		capacity = slot_getattr(slot, Anum_vendor_capacity, &unlimited);
	Datum		current = slot_getattr(slot, Anum_vendor_current_orders, &isnull);

	return unlimited || DatumGetInt32(current) < DatumGetInt32(capacity);
}

/*
 * The first gate that the vendor in the slot does not pass, of those that depend
 * on it alone.
 */
VrGate
vr_vendor_gate(TupleTableSlot *slot)
{
	if (!is_true(slot, Anum_vendor_is_active))
		return VR_GATE_ACTIVE;
	if (!is_true(slot, Anum_vendor_is_verified))
		return VR_GATE_VERIFIED;
	if (!below_capacity(slot))
		return VR_GATE_CAPACITY;
	return VR_GATE_NONE;
}

/*
 * The first gate that the vendor does not pass for this order.  What the order
 * does not say (product, amount, place) is no gate.
 */
static VrGate
order_gate(TupleTableSlot *slot, const VrOrder *order)
{
	VrGate		gate = vr_vendor_gate(slot);

	if (gate != VR_GATE_NONE)
		return gate;
	if (!sells(slot, order->product))
		return VR_GATE_PRODUCT;
	if (!meets_minimum(slot, order->amount))
		return VR_GATE_MINIMUM;
	if (!within_radius(slot, order))
		return VR_GATE_RADIUS;
	return VR_GATE_NONE;
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
 * Nobody was found: says what became of the vendors that were looked at.
 */
static void
report_nobody_eligible(const VrOrder *order, const GateCounts *counts)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_NO_ELIGIBLE_VENDOR),
			 errmsg("no eligible vendor for order \"%s\"",
					text_to_cstring(order->order_id)),
			 errdetail("Active and verified vendors: %d; at capacity: %d; not selling the product: %d; with a larger minimum amount: %d; too far away: %d.",
					   counts->total,
					   counts->failed[VR_GATE_CAPACITY],
					   counts->failed[VR_GATE_PRODUCT],
					   counts->failed[VR_GATE_MINIMUM],
					   counts->failed[VR_GATE_RADIUS]),
			 errhint("Name the vendors to invite in the argument vendors, or call again when vendors have changed.")));
}

/*
 * Reads eligible vendors, best score first, until there are enough, and then
 * the others of the last score (see MAX_TIED_VENDORS).
 */
static List *
read_eligible(const VrOrder *order, int max_vendors)
{
	Relation	vendors = vr_open_table("vendors");
	Relation	index = vr_open_index("vendors_score_idx");
	TupleTableSlot *slot = table_slot_create(vendors, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = vr_index_beginscan(vendors, index, snapshot, 0);
	MemoryContext per_vendor = AllocSetContextCreate(CurrentMemoryContext,
													 "vendor_routing gates",
													 ALLOCSET_SMALL_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	GateCounts	counts = {{0}, 0};
	List	   *candidates = NIL;

	index_rescan(scan, NULL, 0, NULL, 0);
	while (list_length(candidates) < max_vendors + MAX_TIED_VENDORS &&
		   index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		VrCandidate *candidate;
		VrGate		gate;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(per_vendor);
		MemoryContextSwitchTo(per_vendor);
		gate = order_gate(slot, order);
		MemoryContextSwitchTo(caller);
		counts.total++;
		if (gate != VR_GATE_NONE)
		{
			counts.failed[gate]++;
			continue;
		}

		candidate = palloc(sizeof(VrCandidate));
		fill_candidate(candidate, slot);
		candidate->position = list_length(candidates);
		if (candidate->position >= max_vendors &&
			compare_scores(list_nth(candidates, max_vendors - 1), candidate) != 0)
			break;
		candidates = lappend(candidates, candidate);
	}

	MemoryContextDelete(per_vendor);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(vendors, NoLock);

	if (candidates == NIL)
		report_nobody_eligible(order, &counts);
	return candidates;
}

/*
 * Fills in when each candidate that shares its score with a neighbour was last
 * offered an order.
 */
static void
read_last_offered(List *candidates)
{
	Relation	responses = vr_open_table("responses");
	Relation	by_vendor = vr_open_index("responses_vendor_id_expires_at_idx");
	TupleTableSlot *slot = table_slot_create(responses, NULL);
	int			last = list_length(candidates) - 1;

	for (int i = 0; i <= last; i++)
	{
		VrCandidate *candidate = list_nth(candidates, i);

		if ((i > 0 && compare_scores(list_nth(candidates, i - 1), candidate) == 0) ||
			(i < last && compare_scores(candidate, list_nth(candidates, i + 1)) == 0))
			candidate->last_offered =
				vr_responses_last_offered(responses, by_vendor,
										  candidate->vendor_id, slot);
	}

	ExecDropSingleTupleTableSlot(slot);
	index_close(by_vendor, NoLock);
	table_close(responses, NoLock);
}

/*
 * The best eligible vendors for an order, at most max_vendors of them, best
 * first.  VR002 where there is none.
 */
List *
vr_vendors_select(const VrOrder *order, int max_vendors)
{
	List	   *candidates = read_eligible(order, max_vendors);

	read_last_offered(candidates);
	list_sort(candidates, compare_candidates);
	return list_truncate(candidates, max_vendors);
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
 * invited whatever the product, the amount, the place and its load; but
 * somebody unknown, inactive or unverified is a mistake.
 */
List *
vr_vendors_named(ArrayType *vendor_ids)
{
	static const VrStatement select = {
		"SELECT n.vendor_id, v.name, v.score, v.is_active AND v.is_verified"
		" FROM pg_catalog.unnest($1) WITH ORDINALITY AS n (vendor_id, position)"
		" LEFT JOIN vendor_routing.vendors AS v ON v.vendor_id = n.vendor_id"
		" ORDER BY n.position",
		1, {TEXTARRAYOID}
	};
	Datum	   *ids;
	int			nids = checked_ids(vendor_ids, &ids);
	NullableDatum params[] = {vr_param_ptr(vendor_ids)};
	List	   *candidates = NIL;

	vr_spi_read(&select, params);
	for (int i = 0; i < nids; i++)
	{
		VrCandidate *candidate = palloc0(sizeof(VrCandidate));

		candidate->vendor_id = vr_spi_text(i, 1);
		candidate->name = vr_spi_text(i, 2);
		if (candidate->name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("vendor \"%s\" does not exist",
							text_to_cstring(candidate->vendor_id))));
		if (!DatumGetBool(vr_spi_value(i, 4).value))
			ereport(ERROR,
					(errcode(ERRCODE_VR_NO_ELIGIBLE_VENDOR),
					 errmsg("vendor \"%s\" is not eligible",
							text_to_cstring(candidate->vendor_id)),
					 errdetail("Vendors must be active and verified.")));
		candidate->score = DatumGetNumericCopy(vr_spi_value(i, 3).value);
		candidates = lappend(candidates, candidate);
	}
	return candidates;
}
