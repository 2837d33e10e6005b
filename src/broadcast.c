/*-------------------------------------------------------------------------
 *
 * broadcast.c
 *		vr_broadcast: offers an order to the best vendors.
 *
 * Locking: the lock of the routing, until the new row is there: from then on
 * others wait for the transaction that made it.
 *
 * Errors: VR002 where nobody is eligible; nothing is written then.
 *
 * IDENTIFICATION
 *	  src/broadcast.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "args.h"
#include "attachment.h"
#include "blocklist.h"
#include "broadcast.h"
#include "clock.h"
#include "eligibility.h"
#include "ids.h"
#include "json.h"
#include "lock.h"
#include "order.h"
#include "policy.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"
#include "wave.h"

PG_FUNCTION_INFO_V1(vr_broadcast);

/* Whom the caller wants to invite. */
typedef struct Invitation
{
	ArrayType  *vendors;		/* these; NULL: none named */
	const text *policy;			/* as this says; NULL: none */
	const Jsonb *waves;			/* in these waves; NULL: none given */
	bool		or_nobody;		/* it is no error if nobody is eligible */
} Invitation;

static VrOrder
order_from_args(FunctionCallInfo fcinfo)
{
	VrOrder		order = {0};
	VrAttachment attachment;

	order.order_id = vr_arg_id(fcinfo, 0, "order_id");
	order.retailer_id = vr_attachment_find(VR_ATTACHED_ORDERS, &attachment) ?
		vr_arg_optional_id(fcinfo, 1, "retailer_id") :
		vr_arg_id(fcinfo, 1, "retailer_id");
	order.product = vr_arg_optional_id(fcinfo, 2, "product");
	order.amount = vr_arg_optional_amount(fcinfo, 3, "amount");
	order.has_place = vr_arg_optional_place(fcinfo, 4, &order.place);
	order.payload = vr_arg_optional_object(fcinfo, 6, "payload");
	return order;
}

/*
 * vendors, max_vendors, waves and policy are four ways to say whom to invite.
 */
static void
plan_from_args(FunctionCallInfo fcinfo, VrPlan *plan, Invitation *invitation)
{
	int			max_vendors = PG_ARGISNULL(8) ? vr_max_vendors : PG_GETARG_INT32(8);

	memset(plan, 0, sizeof(*plan));
	plan->order = order_from_args(fcinfo);
	memset(invitation, 0, sizeof(*invitation));
	invitation->vendors = PG_ARGISNULL(7) ? NULL : PG_GETARG_ARRAYTYPE_P(7);
	if (max_vendors < 1 || max_vendors > VR_MAX_VENDORS_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_vendors must be between 1 and %d",
						VR_MAX_VENDORS_LIMIT)));
	plan->offer_ttl = vr_arg_optional_positive_ttl(fcinfo, 9, "ttl");
	invitation->waves = vr_arg_waves(fcinfo, 10, true);
	invitation->policy = vr_arg_optional_id(fcinfo, 11, "policy");
	plan->confirm_within = vr_arg_optional_positive_ttl(fcinfo, 12, "confirm_within");

	if ((invitation->waves != NULL) + (invitation->policy != NULL) +
		(invitation->vendors != NULL || !PG_ARGISNULL(8)) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("vendors or max_vendors, waves and policy cannot be given together")));
	plan->waves = (invitation->waves != NULL) ?
		invitation->waves : vr_json_wave(max_vendors, NIL);
}

/*
 * The setting vendor_routing.confirm_within, for who says nothing.
 */
static const Interval *
default_confirm_within(void)
{
	Interval   *interval;

	if (vr_confirm_within == 0)
		return NULL;
	interval = palloc0(sizeof(Interval));
	interval->time = vr_confirm_within * USECS_PER_SEC;
	return interval;
}

/*
 * The vendors that the caller names.  In later rounds they are asked again.
 */
static List *
choose_named(VrRouting *routing, VrPlan *plan, ArrayType *vendors, TimestampTz now)
{
	VrQuestion	question = {
		.order = &plan->order,
		.blocked = vr_blocked_vendors(plan->order.retailer_id),
		.now = now
	};
	List	   *candidates = vr_vendors_named(vendors, &question);
	List	   *vendor_ids = NIL;
	ListCell   *cell;

	foreach(cell, candidates)
		vendor_ids = lappend(vendor_ids, ((VrCandidate *) lfirst(cell))->vendor_id);
	plan->waves = vr_json_wave(0, vendor_ids);
	routing->next_deadline = vr_offer_deadline(now, plan->offer_ttl,
											   routing->expires_at);
	return candidates;
}

/*
 * Makes the routing of an order that has none, and offers it.  Returns who was
 * invited, or NIL where there is one after all, or nobody is eligible and that is
 * no error.  The caller holds the lock of the routing.
 */
static List *
start(const pg_uuid_t *routing_id, VrPlan *plan, const Invitation *invitation)
{
	TimestampTz now = vr_now();
	VrRouting	routing = {
		.routing_id = *routing_id,
		.order_id = (text *) plan->order.order_id,
		.round = 1,
		.wave = 1,
		.expires_at = vr_order_deadline(now, now)
	};
	VrGateCounts counts;
	List	   *candidates;

	if (plan->order.retailer_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("retailer_id must not be null")));
	if (invitation->policy != NULL)
		vr_policy_read(invitation->policy, plan);
	if (invitation->policy != NULL || invitation->waves != NULL)
		plan->waves = vr_waves_freeze(plan->waves);
	if (plan->confirm_within == NULL)
		plan->confirm_within = default_confirm_within();

	candidates = (invitation->vendors != NULL) ?
		choose_named(&routing, plan, invitation->vendors, now) :
		vr_wave_choose(&routing, plan, 1, NIL, now, &counts);
	if (candidates == NIL && invitation->or_nobody)
		return NIL;
	if (candidates == NIL)
		vr_nobody_eligible(&plan->order, &counts);

	if (!vr_routing_insert(&routing, plan, now))
		return NIL;
	vr_wave_offer(&routing, plan, candidates, 0, now);
	return candidates;
}

/*
 * Offers an order of the attached table, whose row the caller has locked, as
 * vr_broadcast does.  Returns false, with nothing changed, where nobody is
 * eligible.
 */
bool
vr_broadcast_order(const VrOrder *order, const text *policy)
{
	pg_uuid_t  *routing_id = vr_make_routing_id(order->order_id);
	VrPlan		plan = {
		.order = *order,
		.waves = vr_json_wave(vr_max_vendors, NIL)
	};
	Invitation	invitation = {.policy = policy, .or_nobody = true};
	VrRouting	routing;
	bool		offered;
	VrSpi		spi;

	vr_spi_begin(&spi);
	vr_lock_routing(routing_id);
	offered = (start(routing_id, &plan, &invitation) != NIL);
	vr_unlock_routing(routing_id);
	if (offered)
	{
		vr_routing_read(routing_id, &routing);
		routing.moved = true;
	}
	vr_spi_end(&spi);
	if (offered)
		vr_order_follow(&routing);
	return offered;
}

/*
 * vr_broadcast(order_id, retailer_id, product, amount, latitude, longitude,
 *				payload, vendors, max_vendors, ttl, waves, policy,
 *				confirm_within)
 *
 * An order has one routing, whoever broadcasts it, how often and when: after
 * the first time the same routing is returned with created = false, and
 * nothing is changed.
 */
Datum
vr_broadcast(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		4, {
			{"routing_id", UUIDOID},
			{"vendor_count", INT4OID},
			{"invited", JSONBOID},
			{"created", BOOLOID}
		}
	};
	VrPlan		plan;
	Invitation	invitation;
	pg_uuid_t  *routing_id;
	VrRouting	routing;
	List	   *invited = NIL;
	bool		created = false;
	VrSpi		spi;

	vr_require_writable("vr_broadcast()");
	plan_from_args(fcinfo, &plan, &invitation);
	routing_id = vr_make_routing_id(plan.order.order_id);

	vr_spi_begin(&spi);
	while (!vr_routing_find(routing_id, &routing))
	{
		bool		being_made;

		(void) vr_order_require_offerable(&plan.order);
		vr_lock_routing(routing_id);
		being_made = vr_routing_exists(routing_id);
		if (!being_made)
		{
			invited = start(routing_id, &plan, &invitation);
			created = (invited != NIL);
		}
		vr_unlock_routing(routing_id);
		if (!being_made)
			break;
		/* wait for whoever is making it, but without the lock */
	}
	vr_routing_read(routing_id, &routing);
	routing.moved = created;
	if (!created)
		invited = vr_vendors_invited(&routing);
	vr_spi_end(&spi);
	vr_order_follow(&routing);

	PG_RETURN_DATUM(vr_result_row(&result, (NullableDatum[]) {
		vr_param_ptr(routing_id),
		vr_param(Int32GetDatum(list_length(invited))),
		vr_param_ptr(vr_json_candidates(invited)),
		vr_param(BoolGetDatum(created))
	}));
}
