/*-------------------------------------------------------------------------
 *
 * explain.c
 *		vr_explain: why a vendor is, or is not, offered an order.
 *
 * Asks the gates that the broadcast asks (gate.c), of what is in the tables now:
 * the vendor may have been different when the order was offered.
 *
 * Errors: VR001 for an order that was never broadcast.
 *
 * IDENTIFICATION
 *	  src/explain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "args.h"
#include "blocklist.h"
#include "catalog.h"
#include "clock.h"
#include "eligibility.h"
#include "ids.h"
#include "newest.h"
#include "response.h"
#include "routing.h"
#include "spi.h"
#include "wave.h"

PG_FUNCTION_INFO_V1(vr_explain);

static void
put(ReturnSetInfo *rsinfo, const char *gate, bool passed, const char *found,
	const char *needed)
{
	Datum		values[] = {
		CStringGetTextDatum(gate),
		BoolGetDatum(passed),
		CStringGetTextDatum(found),
		CStringGetTextDatum(needed)
	};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * The gates that depend on the vendor and the order.
 */
static void
put_gates(ReturnSetInfo *rsinfo, const VrQuestion *question, const text *vendor_id)
{
	Relation	vendors = vr_open_table("vendors");
	NullableDatum key[] = {vr_param_ptr(vendor_id)};
	bool		changing;
	TupleTableSlot *slot = vr_newest_row(vendors, lengthof(key), key, false,
										 &changing);
	ListCell   *cell;

	put(rsinfo, "exists", slot != NULL, slot != NULL ? "true" : "false", "true");
	if (slot != NULL)
	{
		List	   *reports = vr_vendor_gate_reports(slot, question);

		foreach(cell, reports)
		{
			const VrGateReport *report = lfirst(cell);

			put(rsinfo, report->gate, report->passed, report->found, report->needed);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(vendors, NoLock);
}

/*
 * The rank: would it be among the vendors that the wave takes?
 */
static void
put_rank(ReturnSetInfo *rsinfo, const VrQuestion *question, const text *vendor_id)
{
	VrGateCounts counts;
	List	   *best = vr_vendors_select(question, &counts);
	int			rank = 0;

	for (int i = 0; i < list_length(best) && rank == 0; i++)
	{
		if (vr_text_eq(((VrCandidate *) list_nth(best, i))->vendor_id, vendor_id))
			rank = i + 1;
	}
	put(rsinfo, "rank", rank > 0,
		rank > 0 ? psprintf("%d", rank) :
		psprintf("not among the best %d", question->wave->vendors),
		psprintf("<= %d", question->wave->vendors));
}

/*
 * What came of it: has it an offer in this round, and what did it say?
 */
static void
put_offer(ReturnSetInfo *rsinfo, const VrRouting *routing, const text *vendor_id)
{
	const VrResponse *response = NULL;
	ListCell   *cell;

	foreach(cell, vr_responses_read(routing))
	{
		if (vr_text_eq(((VrResponse *) lfirst(cell))->vendor_id, vendor_id))
			response = lfirst(cell);
	}
	if (response == NULL)
		put(rsinfo, "offer", false,
			psprintf("none in round %d", routing->round), "an offer");
	else
		put(rsinfo, "offer", true,
			psprintf("rank %d in wave %d of round %d, answer: %s",
					 response->rank, response->wave, routing->round,
					 response->answer == VR_NO_ANSWER ? "none" :
					 vr_answer_name(response->answer)),
			"an offer");
}

/*
 * vr_explain(order_id text, vendor_id text)
 */
Datum
vr_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const text *order_id = vr_arg_id(fcinfo, 0, "order_id");
	const text *vendor_id = vr_arg_id(fcinfo, 1, "vendor_id");
	VrRouting	routing;
	VrPlan		plan;
	VrWave		wave;
	VrQuestion	question;
	VrSpi		spi;

	/* Its label says so, but that of a function around it may not. */
	PreventCommandIfParallelMode("vr_explain()");
	InitMaterializedSRF(fcinfo, 0);

	vr_spi_begin(&spi);
	vr_routing_read_as_seen(vr_make_routing_id(order_id), &routing);
	vr_routing_read_plan(&routing, &plan);
	wave = vr_wave_read(plan.waves, routing.wave);
	question = (VrQuestion) {
		.order = &plan.order,
		.wave = &wave,
		.excluded = plan.excluded,
		.blocked = vr_blocked_vendors(routing.retailer_id),
		.now = vr_now()
	};
	put_gates(rsinfo, &question, vendor_id);
	put_rank(rsinfo, &question, vendor_id);
	put_offer(rsinfo, &routing, vendor_id);
	vr_spi_end(&spi);

	return (Datum) 0;
}
