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
#include "clock.h"
#include "eligibility.h"
#include "event.h"
#include "ids.h"
#include "json.h"
#include "lock.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(vr_broadcast);

/* How an order is to be offered. */
typedef struct Offer
{
	ArrayType  *vendors;		/* these; NULL: the best */
	int			max_vendors;
	const Interval *ttl;		/* NULL: the setting */
} Offer;

static VrOrder
order_from_args(FunctionCallInfo fcinfo)
{
	VrOrder		order = {0};

	order.order_id = vr_arg_id(fcinfo, 0, "order_id");
	order.retailer_id = vr_arg_id(fcinfo, 1, "retailer_id");
	order.product = vr_arg_optional_id(fcinfo, 2, "product");
	order.amount = vr_arg_optional_amount(fcinfo, 3, "amount");
	order.has_place = vr_arg_optional_place(fcinfo, 4, &order.place);
	order.payload = vr_arg_optional_object(fcinfo, 6, "payload");
	return order;
}

static Offer
offer_from_args(FunctionCallInfo fcinfo)
{
	Offer		offer;

	offer.vendors = PG_ARGISNULL(7) ? NULL : PG_GETARG_ARRAYTYPE_P(7);
	offer.max_vendors = PG_ARGISNULL(8) ? vr_max_vendors : PG_GETARG_INT32(8);
	if (offer.max_vendors < 1 || offer.max_vendors > VR_MAX_VENDORS_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_vendors must be between 1 and %d",
						VR_MAX_VENDORS_LIMIT)));
	offer.ttl = vr_arg_optional_ttl(fcinfo, 9, "ttl");
	return offer;
}

/*
 * Makes the routing of an order that has none, and offers it.  Returns who was
 * invited, or NIL where there is one after all.  The caller holds the lock of
 * the routing.
 */
static List *
start(const pg_uuid_t *routing_id, const VrOrder *order, const Offer *offer)
{
	TimestampTz now = vr_now();
	TimestampTz order_deadline = vr_order_deadline(now);
	TimestampTz offer_deadline = vr_offer_deadline(now, offer->ttl, order_deadline);
	VrRouting	routing = {
		.routing_id = *routing_id,
		.order_id = (text *) order->order_id,
		.round = 1,
		.wave = 1
	};
	List	   *candidates;

	if (offer_deadline <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than zero")));

	candidates = (offer->vendors != NULL) ?
		vr_vendors_named(offer->vendors) :
		vr_vendors_select(order, offer->max_vendors);

	if (!vr_routing_insert(routing_id, order, now, offer_deadline, order_deadline))
		return NIL;
	vr_responses_insert(&routing, candidates, now, offer_deadline);
	vr_event_insert(&routing, now, VR_EVENT_BROADCAST, NULL,
					vr_json({"vendor_count", .number = list_length(candidates)},
							{"round", .number = routing.round},
							{"wave", .number = routing.wave}));
	return candidates;
}

/*
 * vr_broadcast(order_id, retailer_id, product, amount, latitude, longitude,
 *				payload, vendors, max_vendors, ttl)
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
	VrOrder		order;
	Offer		offer;
	pg_uuid_t  *routing_id;
	VrRouting	routing;
	List	   *invited = NIL;
	bool		created = false;
	VrSpi		spi;

	vr_require_writable("vr_broadcast()");
	order = order_from_args(fcinfo);
	offer = offer_from_args(fcinfo);
	routing_id = vr_make_routing_id(order.order_id);

	vr_spi_begin(&spi);
	while (!vr_routing_find(routing_id, &routing))
	{
		bool		being_made;

		vr_lock_routing(routing_id);
		being_made = vr_routing_exists(routing_id);
		if (!being_made)
		{
			invited = start(routing_id, &order, &offer);
			created = (invited != NIL);
		}
		vr_unlock_routing(routing_id);
		if (!being_made)
			break;
		/* wait for whoever is making it, but without the lock */
	}
	if (!created)
	{
		vr_routing_read(routing_id, &routing);
		invited = vr_responses_invited(&routing);
	}
	vr_spi_end(&spi);

	PG_RETURN_DATUM(vr_result_row(&result, (NullableDatum[]) {
		vr_param_ptr(routing_id),
		vr_param(Int32GetDatum(list_length(invited))),
		vr_param_ptr(vr_json_candidates(invited)),
		vr_param(BoolGetDatum(created))
	}));
}
