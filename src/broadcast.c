/*-------------------------------------------------------------------------
 *
 * broadcast.c
 *		vr_broadcast: offers an order to the best vendors.  vr_broadcast_many: so
 *		many orders at once.
 *
 * An order that has no routing is started: whom to invite is decided, and then the
 * rows are written, those of many orders by one statement for each table.
 *
 * Locking: the lock of the routing, until the new row is there: from then on
 * others wait for the transaction that made it.  Many orders are taken by the ids
 * of their routings, so that two who broadcast the same ones do not wait for each
 * other in a circle.
 *
 * Memory: many orders need no more than MAX_STARTS, but for what is returned.
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
#include "blocklist.h"
#include "broadcast.h"
#include "clock.h"
#include "eligibility.h"
#include "event.h"
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
#include "transition.h"
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

/* Most orders that are written together, and whose locks are held meanwhile. */
#define MAX_STARTS 100

/* The broadcast of one order, and what came of it. */
typedef struct Start
{
	int			number;			/* of many */
	VrPlan		plan;
	Invitation	invitation;
	VrRouting	routing;		/* with its id; the rest once it is known */
	TimestampTz now;
	List	   *invited;
	bool		to_write;		/* it has no routing yet; its lock is held */
	bool		routed;			/* false: there is none, nobody is eligible */
	bool		created;		/* this call has made it */
} Start;

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
		.turns = plan->turns,
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
 * Decides whom to invite to an order that is to be written.  Where nobody is eligible
 * and that is no error, it is not, and its lock is given back.
 */
static void
choose(Start *start)
{
	VrPlan	   *plan = &start->plan;
	const Invitation *invitation = &start->invitation;
	VrRouting  *routing = &start->routing;
	VrGateCounts counts;

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

	start->now = vr_now();
	routing->order_id = (text *) plan->order.order_id;
	routing->round = 1;
	routing->wave = 1;
	routing->expires_at = vr_order_deadline(start->now, start->now);
	start->invited = (invitation->vendors != NULL) ?
		choose_named(routing, plan, invitation->vendors, start->now) :
		vr_wave_choose(routing, plan, 1, NIL, start->now, &counts);
	if (start->invited == NIL && !invitation->or_nobody)
		vr_nobody_eligible(&plan->order, &counts);

	start->to_write = (start->invited != NIL);
	if (!start->to_write)
		vr_unlock_routing(&routing->routing_id);
}

/*
 * Looks for the routing of an order.  Where there is none, and nobody is making one,
 * it is to be written, and its lock is held.
 */
static void
find_or_lock(Start *start)
{
	const pg_uuid_t *routing_id = &start->routing.routing_id;
	VrRouting	routing;

	while (!vr_routing_find(routing_id, &routing))
	{
		vr_order_require_offerable(&start->plan.order);
		vr_lock_routing(routing_id);
		start->to_write = !vr_routing_exists(routing_id);
		if (start->to_write)
			return;
		/* wait for whoever is making it, but without the lock */
		vr_unlock_routing(routing_id);
	}
}

/*
 * Writes the routings that have been prepared, offers them, and gives their locks
 * back.  The events are the caller's to write.
 */
static void
write_prepared(Start *starts, int n, VrRows *events)
{
	VrRows		routings = {0};
	VrRows		responses = {0};
	pg_uuid_t  *made;
	int			nmade;
	int			i_made = 0;

	for (int i = 0; i < n; i++)
	{
		if (!starts[i].to_write)
			continue;
		vr_routing_enter(&starts[i].routing);
		vr_routing_add(&routings, &starts[i].routing, &starts[i].plan, starts[i].now);
	}
	if (routings.n == 0)
		return;

	made = vr_routings_write(&routings, &nmade);
	for (int i = 0; i < n; i++)
	{
		Start	   *start = &starts[i];

		if (!start->to_write || i_made == nmade ||
			memcmp(&made[i_made], &start->routing.routing_id, UUID_LEN) != 0)
			continue;
		i_made++;
		start->created = true;
		start->routing.events = events;
		vr_wave_add(&responses, &start->routing, &start->plan, start->invited, 0,
					start->now);
	}
	/* A trigger may accept an offer at once. */
	for (int i = 0; i < n; i++)
		vr_routing_leave(&starts[i].routing);
	vr_responses_write(&responses);
	for (int i = 0; i < n; i++)
	{
		if (starts[i].to_write)
			vr_unlock_routing(&starts[i].routing.routing_id);
	}
}

/*
 * Reads the routing that an order has now, and who is invited if that was decided
 * before.  One that this call has made is read for vr_order_follow only.
 */
static void
finish(Start *start)
{
	const pg_uuid_t routing_id = start->routing.routing_id;
	VrAttachment attachment;

	start->routed = true;
	if (start->created && !vr_attachment_find(VR_ATTACHED_ORDERS, &attachment))
		return;
	if (!start->created && start->invitation.or_nobody)
		start->routed = vr_routing_find(&routing_id, &start->routing);
	else
		vr_routing_read(&routing_id, &start->routing);
	start->routing.moved = start->created;
	if (start->routed && !start->created)
		start->invited = vr_vendors_invited(&start->routing);
}

/*
 * Offers these orders, unless they have a routing already; each has its plan, its
 * invitation and the id of its routing.  context, where it is not NULL, is told
 * which one an error is about.
 *
 * An order has one routing, whoever broadcasts it, how often and when: after the
 * first time the same routing is found, and nothing is changed.
 */
static void
broadcast(Start *starts, int n, ErrorContextCallback *context)
{
	VrRows		events = {0};
	List	   *routings = NIL;
	VrSpi		spi;

	vr_spi_begin(&spi);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (context != NULL)
			context->arg = &starts[i].number;
		find_or_lock(&starts[i]);
	}
	/* That may have waited, and offers run from now. */
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (context != NULL)
			context->arg = &starts[i].number;
		if (starts[i].to_write)
			choose(&starts[i]);
	}
	if (context != NULL)
		context->arg = NULL;
	write_prepared(starts, n, &events);
	for (int i = 0; i < n; i++)
	{
		finish(&starts[i]);
		if (starts[i].routed)
			routings = lappend(routings, &starts[i].routing);
	}
	vr_routings_end(routings, &events, &spi);
}

/*
 * Offers an order of the attached table, whose row the caller has locked, as
 * vr_broadcast does.  Returns false, with nothing changed, where nobody is
 * eligible.
 */
bool
vr_broadcast_order(const VrOrder *order, const text *policy)
{
	Start		start = {
		.plan = {.order = *order, .waves = vr_json_wave(vr_max_vendors, NIL)},
		.invitation = {.policy = policy, .or_nobody = true},
		.routing = {.routing_id = *vr_make_routing_id(order->order_id)}
	};
	VrRows		events = {0};
	VrSpi		spi;

	vr_spi_begin(&spi);
	vr_lock_routing(&start.routing.routing_id);
	choose(&start);
	if (start.to_write)
	{
		write_prepared(&start, 1, &events);
		finish(&start);
	}
	vr_routings_end(start.created ? list_make1(&start.routing) : NIL, &events, &spi);
	return start.created;
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
	Start		start = {0};

	vr_require_writable("vr_broadcast()");
	plan_from_args(fcinfo, &start.plan, &start.invitation);
	start.routing.routing_id = *vr_make_routing_id(start.plan.order.order_id);
	broadcast(&start, 1, NULL);

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param_ptr(&start.routing.routing_id),
		vr_param(Int32GetDatum(list_length(start.invited))),
		vr_param_ptr(vr_json_candidates(start.invited)),
		vr_param(BoolGetDatum(start.created))
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

/* Which order; of several that are written together, none in particular. */
static void
add_number_to_error(void *arg)
{
	if (arg != NULL)
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
 * Offers some of many orders.
 */
static void
broadcast_entries(Entry *entries, int n, VrTurns *turns, ErrorContextCallback *context)
{
	Start	   *starts = palloc0(n * sizeof(Start));

	for (int i = 0; i < n; i++)
	{
		LOCAL_FCINFO(args, lengthof(arguments));

		starts[i].number = entries[i].number;
		context->arg = &starts[i].number;
		fill_args(args, &entries[i]);
		plan_from_args(args, &starts[i].plan, &starts[i].invitation);
		starts[i].plan.turns = turns;
		starts[i].invitation.or_nobody = true;
		starts[i].routing.routing_id = entries[i].routing_id;
	}
	broadcast(starts, n, context);
	for (int i = 0; i < n; i++)
	{
		entries[i].row[0] = entries[i].args[0].value;
		entries[i].nulls[1] = !starts[i].routed;
		entries[i].row[2] = Int32GetDatum(list_length(starts[i].invited));
		entries[i].row[3] = BoolGetDatum(starts[i].created);
	}
}

/*
 * How many of the entries from the first on can be written together: those of
 * different orders.  Orders of an attached table are written one by one, since what
 * is written to the application's row follows the routing.
 */
static int
count_together(const Entry *entries, int n)
{
	VrAttachment attachment;
	int			together = 1;

	if (vr_attachment_find(VR_ATTACHED_ORDERS, &attachment))
		return 1;
	while (together < Min(n, MAX_STARTS) &&
		   memcmp(&entries[together - 1].routing_id, &entries[together].routing_id,
				  UUID_LEN) != 0)
		together++;
	return together;
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
	MemoryContext some = AllocSetContextCreate(caller, "vr_broadcast_many",
											   ALLOCSET_DEFAULT_SIZES);
	VrTurns    *turns = vr_turns_begin();
	ErrorContextCallback context = {.callback = add_number_to_error};
	Jsonb	   *orders;
	LOCAL_FCINFO(args, lengthof(arguments));
	Entry	   *entries;
	int			n;
	int			together;
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
	for (int i = 0; i < n; i += together)
	{
		together = count_together(&entries[i], n - i);
		MemoryContextSwitchTo(some);
		broadcast_entries(&entries[i], together, turns, &context);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(some);
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
