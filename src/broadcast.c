/*-------------------------------------------------------------------------
 *
 * broadcast.c
 *		vr_broadcast: offers an order to the best vendors.  vr_broadcast_many: so
 *		many orders at once.
 *
 * Locking: the lock of the routing, until the new row is there: from then on
 * others wait for the transaction that made it.  Many orders are taken by the ids
 * of their routings, so that two who broadcast the same ones do not wait for each
 * other in a circle.
 *
 * Memory: many orders need no more than one, but for what is returned.
 *
 * Errors: VR002 where nobody is eligible for the one order; nothing is written
 * then.
 *
 * IDENTIFICATION
 *	  src/broadcast.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

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
PG_FUNCTION_INFO_V1(vr_broadcast_many);

/* The arguments of vr_broadcast, and the members of an order of vr_broadcast_many. */
static const char *const arguments[] = {
	"order_id", "retailer_id", "product", "amount", "latitude", "longitude",
	"payload", "vendors", "max_vendors", "ttl", "waves", "policy",
	"confirm_within"
};

/* Whom the caller wants to invite. */
typedef struct Invitation
{
	ArrayType  *vendors;		/* these; NULL: none named */
	const text *policy;			/* as this says; NULL: none */
	const Jsonb *waves;			/* in these waves; NULL: none given */
	bool		or_nobody;		/* it is no error if nobody is eligible */
} Invitation;

/* What came of it. */
typedef struct Broadcast
{
	const text *order_id;
	pg_uuid_t	routing_id;
	bool		routed;			/* false: there is no routing, nobody is eligible */
	bool		created;		/* this call has made it */
	List	   *invited;
} Broadcast;

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
 * Offers an order, unless it has a routing already.
 *
 * An order has one routing, whoever broadcasts it, how often and when: after the
 * first time the same routing is found, and nothing is changed.
 */
static Broadcast
broadcast(VrPlan *plan, const Invitation *invitation)
{
	Broadcast	done = {.order_id = plan->order.order_id, .routed = true};
	VrRouting	routing;
	VrSpi		spi;

	done.routing_id = *vr_make_routing_id(plan->order.order_id);

	vr_spi_begin(&spi);
	while (!vr_routing_find(&done.routing_id, &routing))
	{
		bool		being_made;

		(void) vr_order_require_offerable(&plan->order);
		vr_lock_routing(&done.routing_id);
		being_made = vr_routing_exists(&done.routing_id);
		if (!being_made)
		{
			done.invited = start(&done.routing_id, plan, invitation);
			done.created = (done.invited != NIL);
		}
		vr_unlock_routing(&done.routing_id);
		if (!being_made)
			break;
		/* wait for whoever is making it, but without the lock */
	}
	if (!done.created && invitation->or_nobody)
		done.routed = vr_routing_find(&done.routing_id, &routing);
	else
		vr_routing_read(&done.routing_id, &routing);
	if (done.routed && !done.created)
		done.invited = vr_vendors_invited(&routing);
	vr_spi_end(&spi);

	if (done.routed)
	{
		routing.moved = done.created;
		vr_order_follow(&routing);
	}
	return done;
}

/*
 * vr_broadcast(order_id, retailer_id, product, amount, latitude, longitude,
 *				payload, vendors, max_vendors, ttl, waves, policy,
 *				confirm_within)
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
	Broadcast	done;

	vr_require_writable("vr_broadcast()");
	plan_from_args(fcinfo, &plan, &invitation);
	done = broadcast(&plan, &invitation);

	PG_RETURN_DATUM(vr_result_row(&result, (NullableDatum[]) {
		vr_param_ptr(&done.routing_id),
		vr_param(Int32GetDatum(list_length(done.invited))),
		vr_param_ptr(vr_json_candidates(done.invited)),
		vr_param(BoolGetDatum(done.created))
	}));
}

/* One of many. */
typedef struct Entry
{
	int			number;			/* in the array, from 1 */
	pg_uuid_t	routing_id;
	NullableDatum args[lengthof(arguments)];
	Datum		row[4];
	bool		nulls[4];
} Entry;

static int
compare_routing_ids(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;
	int			order = memcmp(&x->routing_id, &y->routing_id, UUID_LEN);

	return order != 0 ? order : x->number - y->number;
}

static int
compare_numbers(const void *a, const void *b)
{
	return ((const Entry *) a)->number - ((const Entry *) b)->number;
}

static void
add_number_to_error(void *arg)
{
	errcontext("order %d of vr_broadcast_many", *(int *) arg);
}

static void
refuse_orders(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("orders must be a JSON array of objects"),
			 errdetail("%s", detail),
			 errhint("The members of an object are named as the arguments of vr_broadcast().")));
}

/*
 * Refuses what is not an array of objects, and members that would be overlooked.
 */
static void
check_orders(Jsonb *orders)
{
	JsonbIterator *it = JsonbIteratorInit(&orders->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			depth = 0;

	if (!JB_ROOT_IS_ARRAY(orders) || JB_ROOT_IS_SCALAR(orders))
		refuse_orders("It is something else.");
	while ((token = JsonbIteratorNext(&it, &value, depth == 2)) != WJB_DONE)
	{
		bool		known = false;

		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			depth++;
		if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
		if (depth == 1 && token == WJB_ELEM)
			refuse_orders("An element of it is something else.");
		if (token == WJB_BEGIN_ARRAY && depth == 2)
			refuse_orders("An element of it is an array.");
		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < lengthof(arguments) && !known; i++)
			known = (value.val.string.len == strlen(arguments[i]) &&
					 memcmp(value.val.string.val, arguments[i],
							value.val.string.len) == 0);
		if (!known)
			refuse_orders(psprintf("An object has the unknown member \"%.*s\".",
								   pg_mbcliplen(value.val.string.val,
												value.val.string.len, 63),
								   value.val.string.val));
	}
}

/*
 * Takes an array of orders apart, by the types of the arguments of vr_broadcast.
 */
static Entry *
read_orders(const Jsonb *orders, int *n)
{
	static const VrStatement select = {
		"SELECT o.*"
		" FROM pg_catalog.jsonb_to_recordset($1) AS o"
		" (order_id text, retailer_id text, product text, amount numeric,"
		"  latitude float8, longitude float8, payload jsonb, vendors text[],"
		"  max_vendors int4, ttl interval, waves jsonb, policy text,"
		"  confirm_within interval)",
		1, {JSONBOID}
	};
	NullableDatum params[] = {vr_param_ptr(orders)};
	Entry	   *entries;

	*n = (int) vr_spi_read(&select, params);
	entries = palloc0(Max(*n, 1) * sizeof(Entry));
	for (int i = 0; i < *n; i++)
	{
		entries[i].number = i + 1;
		for (int j = 0; j < lengthof(arguments); j++)
			entries[i].args[j] = vr_spi_copy_value(i, j + 1);
	}
	return entries;
}

/*
 * The call of vr_broadcast that an order stands for.
 */
static void
fill_args(FunctionCallInfo args, const Entry *entry)
{
	memset(args, 0, SizeForFunctionCallInfo(lengthof(arguments)));
	args->nargs = lengthof(arguments);
	memcpy(args->args, entry->args, sizeof(entry->args));
}

/*
 * Offers one of many orders.
 */
static void
broadcast_entry(Entry *entry)
{
	LOCAL_FCINFO(args, lengthof(arguments));
	VrPlan		plan;
	Invitation	invitation;
	Broadcast	done;

	fill_args(args, entry);
	plan_from_args(args, &plan, &invitation);
	invitation.or_nobody = true;
	done = broadcast(&plan, &invitation);

	entry->row[0] = entry->args[0].value;
	entry->nulls[1] = !done.routed;
	entry->row[2] = Int32GetDatum(list_length(done.invited));
	entry->row[3] = BoolGetDatum(done.created);
}

/*
 * vr_broadcast_many(orders jsonb)
 *
 * All of them or none, but for those that nobody is eligible for.
 */
Datum
vr_broadcast_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext one = AllocSetContextCreate(caller, "vr_broadcast_many",
											  ALLOCSET_DEFAULT_SIZES);
	ErrorContextCallback context = {.callback = add_number_to_error};
	Jsonb	   *orders;
	LOCAL_FCINFO(args, lengthof(arguments));
	Entry	   *entries;
	int			n;
	VrSpi		spi;

	vr_require_writable("vr_broadcast_many()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("orders must not be null")));
	orders = PG_GETARG_JSONB_P(0);
	check_orders(orders);
	InitMaterializedSRF(fcinfo, 0);
	vr_spi_begin(&spi);
	entries = read_orders(orders, &n);
	vr_spi_end(&spi);

	context.previous = error_context_stack;
	error_context_stack = &context;
	for (int i = 0; i < n; i++)
	{
		context.arg = &entries[i].number;
		fill_args(args, &entries[i]);
		entries[i].routing_id = *vr_make_routing_id(vr_arg_id(args, 0, "order_id"));
	}
	qsort(entries, n, sizeof(Entry), compare_routing_ids);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		context.arg = &entries[i].number;
		MemoryContextSwitchTo(one);
		broadcast_entry(&entries[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(one);
	}
	error_context_stack = context.previous;

	qsort(entries, n, sizeof(Entry), compare_numbers);
	for (int i = 0; i < n; i++)
	{
		entries[i].row[1] = UUIDPGetDatum(&entries[i].routing_id);
		tuplestore_putvalues(result->setResult, result->setDesc,
							 entries[i].row, entries[i].nulls);
	}
	return (Datum) 0;
}
