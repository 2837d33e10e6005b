/*-------------------------------------------------------------------------
 *
 * attach_orders.c
 *		vr_attach_orders, vr_detach_orders, and the trigger on the attached
 *		table, which enforces the state machine of its status column and tells
 *		the routing what the application does.
 *
 * The trigger fires AFTER, so that it sees what the application's own triggers
 * have made of the row; an error takes the change back all the same.  What the
 * extension writes there itself comes by here too, and finds nothing left to do.
 *
 * Locking: attaching locks the table against changes.  The trigger has the row
 * of the order, and takes the lock of its routing.
 *
 * Errors: those of attachment.c; VR004 for a change that the state machine does
 * not have.
 *
 * IDENTIFICATION
 *	  src/attach_orders.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "args.h"
#include "attachment.h"
#include "broadcast.h"
#include "clock.h"
#include "errors.h"
#include "ids.h"
#include "lock.h"
#include "order.h"
#include "order_mapping.h"
#include "routing.h"
#include "spi.h"
#include "transition.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(vr_attach_orders);
PG_FUNCTION_INFO_V1(vr_detach_orders);
PG_FUNCTION_INFO_V1(vr_sync_orders);

/* On the attached table. */
static const VrTrigger triggers[] = {
	{VR_ORDERS_TRIGGER, "AFTER INSERT OR UPDATE OR DELETE", "ROW", "sync_orders"},
	{"vr_sync_orders_truncate", "AFTER TRUNCATE", "STATEMENT", "sync_orders"}
};

/*
 * Lets go of the attached table, with its state machine.
 */
static bool
detach(Oid caller, Oid successor)
{
	vr_order_edges_forget();
	return vr_detach(VR_ATTACHED_ORDERS, caller, successor, triggers, lengthof(triggers));
}

/*
 * vr_attach_orders(relation regclass, mapping jsonb)
 */
Datum
vr_attach_orders(PG_FUNCTION_ARGS)
{
	Oid			relid = vr_arg_relation(fcinfo, 0, "relation");
	const Jsonb *argument = vr_arg_object(fcinfo, 1, "mapping");
	Relation	relation;
	VrOrderMapping mapping;
	char	   *search_path = vr_search_path_to_keep();
	VrSpi		spi;

	vr_require_writable("vr_attach_orders()");

	relation = vr_open_attachable(relid);
	mapping = vr_order_mapping_read(argument, relation);
	vr_require_unique(relation, vr_order_id_field(&mapping));
	vr_order_check_mapping(&mapping, relation);

	vr_spi_begin(&spi);
	(void) detach(spi.user, relid);
	vr_attachment_insert(VR_ATTACHED_ORDERS, relid, argument, search_path, vr_now());
	vr_order_edges_fill(&mapping);
	vr_create_triggers(relation, triggers, lengthof(triggers));
	vr_spi_end(&spi);

	relation_close(relation, NoLock);
	PG_RETURN_VOID();
}

/*
 * vr_detach_orders() returns boolean
 *
 * Orders that are being offered stay so.
 */
Datum
vr_detach_orders(PG_FUNCTION_ARGS)
{
	bool		detached;
	VrSpi		spi;

	vr_require_writable("vr_detach_orders()");

	vr_spi_begin(&spi);
	detached = detach(spi.user, InvalidOid);
	vr_spi_end(&spi);

	PG_RETURN_BOOL(detached);
}

pg_noreturn static void
refuse(const VrOrderRow *row, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_INVALID_STATE),
			 errmsg("order \"%s\" cannot become %s", text_to_cstring(row->order_id),
					row->status ? row->status : "NULL"),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

/*
 * Refuses a status that does not follow from the one before; NULL: none.  What we
 * write ourselves follows from the routing.
 */
static void
check_edge(const VrOrderRow *before, const VrOrderRow *after)
{
	if (after->status == NULL)
		refuse(after, "An attached order has a status.", NULL);
	if (before == NULL || before->status == NULL ||
		strcmp(before->status, after->status) == 0)
		return;
	if (vr_order_is_following(after->order_id, after->state))
		return;
	if (!vr_order_edge_exists(before->status, after->status))
		refuse(after, psprintf("Its status is %s, and vendor_routing.order_edges does not lead from there.",
							   before->status), NULL);
}

/*
 * Refuses a status that says other than the routing; NULL: the order has none.
 */
static void
check_status(const VrOrderMapping *mapping, const VrOrderRow *row, const VrRouting *routing)
{
	/* Where the application has no word for it, it says nothing. */
	if (routing != NULL && mapping->words[vr_order_state_of(routing)] == NULL)
		return;

	switch (row->state)
	{
		case VR_ORDER_CREATED:
		case VR_ORDER_VALIDATED:
		case VR_ORDER_CREDIT_RESERVED:
			if (routing != NULL)
				refuse(row, "It has been offered to vendors.", NULL);
			break;
		case VR_ORDER_PENDING_BIDS:
			if (routing == NULL || vr_order_state_of(routing) != VR_ORDER_PENDING_BIDS)
				refuse(row, "It is not being offered to vendors.",
					   "Call vr_broadcast, or vr_release to take it back from a vendor.");
			break;
		case VR_ORDER_VENDOR_ACCEPTED:
			if (routing == NULL || routing->status != VR_LOCKED)
				refuse(row, "No vendor has accepted it.",
					   "Call vr_accept, or vr_assign to give it to a vendor.");
			break;
		case VR_ORDER_FULFILLMENT_STARTED:
			if (routing != NULL && vr_order_state_of(routing) == VR_ORDER_PENDING_BIDS)
				refuse(row, "No vendor has accepted it.", NULL);
			break;
		default:
			break;
	}
}

/*
 * Refuses a winner that is not that of the routing.
 */
static void
check_winner(const VrOrderRow *row, const VrRouting *routing)
{
	if (!vr_cstring_eq(row->winner, vr_cstring(routing->locked_vendor_id)))
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("the vendor of order \"%s\" cannot be changed here",
						text_to_cstring(row->order_id)),
				 errhint("Call vr_accept, vr_assign or vr_release.")));
}

/*
 * The order is over for the application: with a vendor that has it, by this
 * outcome; else it is withdrawn.
 */
static void
end_routing(const pg_uuid_t *routing_id, const char *outcome, const char *reason)
{
	VrRouting	routing;
	VrSpi		spi;

	vr_spi_begin(&spi);
	vr_routing_read_locked(routing_id, &routing);
	if (routing.status == VR_LOCKED && outcome != NULL)
		vr_finish(&routing, cstring_to_text(outcome), NULL);
	else if (routing.status == VR_PENDING || routing.status == VR_LOCKED ||
			 routing.status == VR_EXHAUSTED ||
			 (routing.status == VR_EXPIRED && outcome == NULL))
		(void) vr_withdraw(&routing, cstring_to_text(reason));
	routing.moved = false;		/* the row says so already */
	vr_routing_end(&routing, &spi);

	/* What was written makes others wait; and one statement may end many orders. */
	vr_unlock_routing(routing_id);
}

/*
 * Does what follows from the status that the application has given an order.
 */
static void
react(const VrOrderMapping *mapping, const VrOrderRow *row, HeapTuple tuple,
	  TupleDesc tupdesc, const VrRouting *routing)
{
	switch (row->state)
	{
		case VR_ORDER_CREDIT_RESERVED:
			if (mapping->auto_broadcast)
			{
				VrOrder		order = vr_order_describe(mapping, tuple, tupdesc);

				if (!vr_broadcast_order(&order, mapping->policy))
					ereport(WARNING,
							(errcode(ERRCODE_VR_NO_ELIGIBLE_VENDOR),
							 errmsg("order \"%s\" is not offered: no vendor is eligible",
									text_to_cstring(row->order_id)),
							 errhint("Call vr_broadcast once there is one.")));
			}
			break;
		case VR_ORDER_DELIVERED:
			if (routing != NULL)
				end_routing(&routing->routing_id, "DELIVERED", "ORDER_DELIVERED");
			break;
		case VR_ORDER_FAILED:
			if (routing != NULL)
				end_routing(&routing->routing_id, "FAILED", "ORDER_FAILED");
			break;
		case VR_ORDER_CANCELLED:
			if (routing != NULL && routing->status == VR_COMPLETED)
				refuse(row, "It is completed.", NULL);
			if (routing != NULL)
				end_routing(&routing->routing_id, NULL, "ORDER_CANCELLED");
			break;
		default:
			break;
	}
}

/*
 * Withdraws every order that is not over: their rows are gone.
 */
static void
withdraw_all(void)
{
	static const VrStatement select = {
		"SELECT routing_id"
		" FROM vendor_routing.routings"
		" WHERE status IN ('PENDING', 'LOCKED', 'EXHAUSTED')"
		" ORDER BY routing_id",
		0, {0}
	};
	VrSpi		spi;
	uint64		n;
	pg_uuid_t  *routing_ids;

	vr_spi_begin(&spi);
	vr_spi_allow_seqscan();
	n = vr_spi_read(&select, NULL);
	routing_ids = palloc(n * sizeof(pg_uuid_t));
	for (uint64 i = 0; i < n; i++)
		routing_ids[i] = *DatumGetUUIDP(vr_spi_value(i, 1).value);
	vr_spi_end(&spi);

	for (uint64 i = 0; i < n; i++)
		end_routing(&routing_ids[i], NULL, "ORDER_DELETED");
}

/*
 * Finds the row of an order as it is now.
 */
static bool
find_row(const VrAttachment *attachment, const text *order_id, VrAttachedRow *row)
{
	return vr_attached_find(attachment,
							vr_attached_tables(attachment->relation, RowExclusiveLock),
							text_to_cstring(order_id), row);
}

/*
 * Does what follows from a row that is new, or not as it was.
 */
static void
judge(const VrOrderMapping *mapping, const VrOrderRow *row, HeapTuple tuple,
	  TupleDesc tupdesc, bool status_changed)
{
	VrRouting	found;
	const VrRouting *routing = NULL;

	if (vr_routing_find(vr_make_routing_id(row->order_id), &found))
		routing = &found;
	if (status_changed)
		check_status(mapping, row, routing);
	if (routing != NULL && vr_order_winner_is_mapped(mapping))
		check_winner(row, routing);
	if (status_changed)
		react(mapping, row, tuple, tupdesc, routing);
}

/*
 * A row is new, or not as it was.  A trigger of the application's may have changed it
 * again since.  Of a status that is gone, only the edge is left to ask for, since that
 * of the next has been judged; what the row still says has not.
 */
static void
sync_row(const VrAttachment *attachment, const VrOrderMapping *mapping,
		 const VrOrderRow *before, TriggerData *trigger, HeapTuple tuple,
		 TupleTableSlot *slot)
{
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	VrOrderRow	after = vr_order_row(mapping, tuple, tupdesc);
	bool		is_new = (before == NULL || !vr_text_eq(before->order_id, after.order_id));
	bool		status_changed = (is_new || !vr_cstring_eq(before->status, after.status));
	bool		winner_changed = (is_new || !vr_cstring_eq(before->winner, after.winner));
	VrAttachedRow now;

	if (!status_changed && !winner_changed)
		return;
	if (status_changed)
		check_edge(before, &after);
	if (table_tuple_satisfies_snapshot(trigger->tg_relation, slot, SnapshotSelf))
		judge(mapping, &after, tuple, tupdesc, status_changed);
	else if (find_row(attachment, after.order_id, &now))
	{
		VrOrderMapping now_mapping = vr_order_mapping_read(attachment->mapping, now.table);
		TupleDesc	now_tupdesc = RelationGetDescr(now.table);
		VrOrderRow	row = vr_order_row(&now_mapping, now.tuple, now_tupdesc);

		judge(&now_mapping, &row, now.tuple, now_tupdesc,
			  status_changed && vr_cstring_eq(row.status, after.status));
		table_close(now.table, NoLock);
	}
}

static void
refuse_new_id(const VrOrderRow *before)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_INVALID_STATE),
			 errmsg("order \"%s\" cannot get another id", text_to_cstring(before->order_id)),
			 errdetail("It has been offered to vendors.")));
}

static void
sync_update(const VrAttachment *attachment, const VrOrderMapping *mapping,
			TriggerData *trigger)
{
	TupleDesc	tupdesc = RelationGetDescr(trigger->tg_relation);
	VrOrderRow	before = vr_order_row(mapping, trigger->tg_trigtuple, tupdesc);
	VrOrderRow	after = vr_order_row(mapping, trigger->tg_newtuple, tupdesc);
	VrRouting	routing;

	if (!vr_text_eq(before.order_id, after.order_id) &&
		vr_routing_find(vr_make_routing_id(before.order_id), &routing))
		refuse_new_id(&before);
	sync_row(attachment, mapping, &before, trigger, trigger->tg_newtuple,
			 trigger->tg_newslot);
}

/*
 * A row is gone, unless somebody has put it back; or, where a table is partitioned, it has
 * moved, and so has another id.
 */
static void
sync_delete(const VrAttachment *attachment, const VrOrderMapping *mapping,
			TriggerData *trigger)
{
	HeapTuple	old = trigger->tg_trigtuple;
	VrOrderRow	before = vr_order_row(mapping, old, RelationGetDescr(trigger->tg_relation));
	VrRouting	routing;
	VrAttachedRow now;

	if (!vr_routing_find(vr_make_routing_id(before.order_id), &routing))
		return;
	if (HeapTupleHeaderIndicatesMovedPartitions(old->t_data))
		refuse_new_id(&before);
	if (find_row(attachment, before.order_id, &now))
		table_close(now.table, NoLock);
	else
		end_routing(&routing.routing_id, NULL, "ORDER_DELETED");
}

/*
 * AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, and AFTER TRUNCATE, on the
 * attached table.
 */
Datum
vr_sync_orders(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_trigger_data(fcinfo);
	VrAttachment attachment;
	VrOrderMapping mapping;

	if (!vr_attachment_find(VR_ATTACHED_ORDERS, &attachment) ||
		!vr_is_attached(&attachment, trigger->tg_relation))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		withdraw_all();
		return PointerGetDatum(NULL);
	}

	vr_require_after_row(trigger);
	mapping = vr_order_mapping_read(attachment.mapping, trigger->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		sync_row(&attachment, &mapping, NULL, trigger, trigger->tg_trigtuple,
				 trigger->tg_trigslot);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		sync_update(&attachment, &mapping, trigger);
	else
		sync_delete(&attachment, &mapping, trigger);
	return PointerGetDatum(NULL);
}

/* Rows that are compared by one statement. */
#define BATCH 1000

/* Rows of the attached table on their way to be compared. */
typedef struct Comparison
{
	const Jsonb *mapping_json;
	Oid			table;			/* that mapping is for */
	VrOrderMapping mapping;
	Datum		order_ids[BATCH];
	Datum		routing_ids[BATCH];
	Datum		states[BATCH];
	Datum		winners[BATCH];
	int			nrows;
	List	   *open;			/* orders whose routing is open, and that have a row */
	VrDriftFound found;
	void	   *arg;
	MemoryContext caller;
	MemoryContext per_batch;
} Comparison;

static NullableDatum
array_param(Datum *values, int n, Oid type)
{
	bool		is_text = (type == TEXTOID);

	return vr_param_ptr(construct_array(values, n, type, is_text ? -1 : UUID_LEN, false,
										is_text ? TYPALIGN_INT : TYPALIGN_CHAR));
}

/*
 * The names of the states that the application has a word for.
 */
static List *
known_states(const VrOrderMapping *mapping)
{
	List	   *names = NIL;

	for (int i = 0; i < VR_ORDER_STATES; i++)
	{
		if (mapping->words[i] != NULL)
			names = lappend(names, cstring_to_text(vr_order_state_name(i)));
	}
	return names;
}

/*
 * Compares a batch.  What the application has made of an order since is no drift:
 * it is on its way, or has a status that only the application knows.
 */
static void
compare_batch(Comparison *c)
{
	static const VrStatement select = {
		"SELECT x.order_id, t.locked_vendor_id,"
		" coalesce(t.status IN ('PENDING', 'LOCKED', 'EXHAUSTED'), false),"
		" CASE WHEN t.status IS NULL"
		"   THEN 'is PENDING_BIDS, and has not been offered to vendors'"
		"  WHEN t.order_status = ANY ($5) AND x.state <> t.order_status"
		"   AND NOT (x.state = 'OTHER' AND t.status NOT IN ('PENDING', 'EXHAUSTED'))"
		"   AND NOT (x.state = 'FULFILLMENT_STARTED' AND t.status = 'LOCKED')"
		"   AND NOT (x.state = 'FAILED' AND t.status = 'CANCELLED')"
		"   THEN 'is ' || x.state || ', and its routing is ' || t.status"
		"  WHEN $6 AND x.winner <> coalesce(t.locked_vendor_id, '')"
		"   THEN 'has the vendor ' || quote_literal(x.winner) || ', and its routing has '"
		"    || quote_literal(coalesce(t.locked_vendor_id, '')) END"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4))"
		"  AS x(order_id, routing_id, state, winner)"
		" LEFT JOIN vendor_routing.routing_status AS t ON t.routing_id = x.routing_id"
		" WHERE t.status IS NOT NULL OR x.state = 'PENDING_BIDS'",
		6, {TEXTARRAYOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLOID},
		.joins = true
	};
	NullableDatum params[6];
	uint64		n;

	if (c->nrows == 0)
		return;
	params[0] = array_param(c->order_ids, c->nrows, TEXTOID);
	params[1] = array_param(c->routing_ids, c->nrows, UUIDOID);
	params[2] = array_param(c->states, c->nrows, TEXTOID);
	params[3] = array_param(c->winners, c->nrows, TEXTOID);
	params[4] = vr_param_texts(known_states(&c->mapping));
	params[5] = vr_param(BoolGetDatum(vr_order_winner_is_mapped(&c->mapping)));
	n = vr_spi_read_snapshot(&select, params);

	MemoryContextSwitchTo(c->caller);
	for (uint64 i = 0; i < n; i++)
	{
		if (DatumGetBool(vr_spi_value(i, 3).value))
			c->open = lappend(c->open, vr_spi_text(i, 1));
		if (!vr_spi_value(i, 4).isnull)
			c->found(vr_spi_text(i, 1), vr_spi_text(i, 2),
					 text_to_cstring(vr_spi_text(i, 4)), c->arg);
	}
	c->nrows = 0;
	MemoryContextReset(c->per_batch);
}

static void
compare_row(Relation table, HeapTuple tuple, void *arg)
{
	Comparison *c = arg;
	VrOrderRow	row;

	if (c->table != RelationGetRelid(table))
	{
		compare_batch(c);
		c->table = RelationGetRelid(table);
		c->mapping = vr_order_mapping_read(c->mapping_json, table);
	}
	MemoryContextSwitchTo(c->per_batch);
	row = vr_order_row(&c->mapping, tuple, RelationGetDescr(table));
	c->order_ids[c->nrows] = PointerGetDatum(row.order_id);
	c->routing_ids[c->nrows] = UUIDPGetDatum(vr_make_routing_id(row.order_id));
	c->states[c->nrows] = CStringGetTextDatum(vr_order_state_name(row.state));
	c->winners[c->nrows] = CStringGetTextDatum(row.winner ? row.winner : "");
	c->nrows++;
	if (c->nrows == BATCH)
		compare_batch(c);
	MemoryContextSwitchTo(c->caller);
}

/*
 * Finds where the attached table is not as the routings say, by the snapshot of
 * the calling query.
 */
void
vr_attached_orders_drift(VrDriftFound found, void *arg)
{
	static const VrStatement without_row = {
		"SELECT t.order_id, t.locked_vendor_id,"
		" 'has no row in the attached table, and its routing is ' || t.status"
		" FROM vendor_routing.routings AS t"
		" WHERE t.status IN ('PENDING', 'LOCKED', 'EXHAUSTED')"
		" AND t.order_id <> ALL (coalesce($1, '{}'::pg_catalog.text[]))",
		1, {TEXTARRAYOID}
	};
	VrAttachment attachment;
	Relation	relation;
	Comparison *c;
	NullableDatum params[1];
	uint64		n;

	if (!vr_attachment_find(VR_ATTACHED_ORDERS, &attachment))
		return;
	relation = vr_open_attached(attachment.relation);
	if (relation == NULL)
	{
		found(NULL, NULL, "the attached table of orders is gone, or has lost its triggers", arg);
		return;
	}

	c = palloc0(sizeof(Comparison));
	c->mapping_json = attachment.mapping;
	c->found = found;
	c->arg = arg;
	c->caller = CurrentMemoryContext;
	c->per_batch = AllocSetContextCreate(CurrentMemoryContext, "vendor_routing orders",
										 ALLOCSET_DEFAULT_SIZES);
	vr_attached_rows(attachment.relation, GetActiveSnapshot(), compare_row, c);
	compare_batch(c);

	params[0] = vr_param_texts(c->open);
	n = vr_spi_read_snapshot(&without_row, params);
	for (uint64 i = 0; i < n; i++)
		found(vr_spi_text(i, 1), vr_spi_text(i, 2), text_to_cstring(vr_spi_text(i, 3)), arg);
	MemoryContextDelete(c->per_batch);
	relation_close(relation, NoLock);
}
