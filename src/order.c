/*-------------------------------------------------------------------------
 *
 * order.c
 *		The application's own row of an order, where its table is attached:
 *		finding it, locking it, and keeping it in step with the routing.
 *
 * Locking: the row of the order comes before the lock of its routing (lock.c),
 * since an UPDATE of the application's has the row before our trigger runs.
 *
 * Rights: the row is found and read in C, by code that is never the owner's (see
 * vr_scalar_type).  It is written by an UPDATE that runs as the owner of its table,
 * with the search_path of who attached it, so that the application's triggers run
 * as they do for an UPDATE of its own, with no right of ours and no name of the
 * caller's.
 *
 * Errors: VR003 where the order has no row, VR004 for a change that its state
 * machine does not have.
 *
 * IDENTIFICATION
 *	  src/order.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "args.h"
#include "attachment.h"
#include "errors.h"
#include "ids.h"
#include "newest.h"
#include "order.h"
#include "order_mapping.h"
#include "spi.h"

/* The table that has the row, and the row. */
typedef struct Place
{
	VrOrderMapping mapping;		/* as the columns of that table are */
	Relation	table;
	TupleTableSlot *slot;
} Place;

/*
 * What the row says of its state.
 */
static VrOrderRow
row_at(const Place *place)
{
	bool		should_free;

	return vr_order_row(&place->mapping,
						ExecFetchSlotHeapTuple(place->slot, false, &should_free),
						RelationGetDescr(place->table));
}

/*
 * Looks for the order in one table.
 *
 * Equal is not the same: 01 is 1, and to some collations A is a.  Routings go by the
 * text, and the text of a row is what the output function says.  So the order 01 does
 * not exist: else it could be won beside the order 1.
 */
static bool
find_in(Place *place, const char *order_id)
{
	return vr_attached_row(place->table, vr_order_id_field(&place->mapping), order_id,
						   place->slot) &&
		vr_text_is(row_at(place).order_id, order_id);
}

static void
close_place(Place *place)
{
	ExecDropSingleTupleTableSlot(place->slot);
	table_close(place->table, NoLock);
}

/* The attached table of orders, and the tables with its rows, all of them locked. */
typedef struct Orders
{
	VrAttachment attachment;
	List	   *tables;
} Orders;

/*
 * Locks the attached table and its partitions, if there is one, as the UPDATE will that
 * may follow: a weaker lock would be made stronger then, and two who do that deadlock
 * with who came in between.  *busy is set where that would mean to wait, and we do not.
 */
static bool
lock_orders(Orders *orders, bool wait, bool *busy)
{
	if (!vr_attachment_find(VR_ATTACHED_ORDERS, &orders->attachment))
		return false;
	if (!vr_attached_lock(orders->attachment.relation, RowExclusiveLock, wait,
						  &orders->tables))
	{
		if (!wait)
			*busy = true;
		return false;
	}
	return orders->tables != NIL;	/* dropped meanwhile? */
}

/*
 * Finds the row of an order.  The caller closes the place where there is one.
 */
static bool
find_order(const Orders *orders, const text *order_id, Place *place)
{
	ListCell   *cell;

	foreach(cell, orders->tables)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_RELATION)
			continue;
		place->table = try_table_open(lfirst_oid(cell), NoLock);
		if (place->table == NULL)
			continue;			/* LCOV_EXCL_LINE: dropped meanwhile */
		place->mapping = vr_order_mapping_read(orders->attachment.mapping, place->table);
		place->slot = table_slot_create(place->table, NULL);
		if (find_in(place, text_to_cstring(order_id)))
			return true;
		close_place(place);
	}
	return false;
}

/*
 * Locks the row of an order as the UPDATE will that may follow; see lock_orders.  That
 * needs the stronger lock where it changes a key: a column that we write, or one that is
 * generated from them.
 */
static VrRowLock
lock_place(const Place *place, bool wait)
{
	Bitmapset  *keys = RelationGetIndexAttrBitmap(place->table,
												  INDEX_ATTR_BITMAP_KEY);
	TupleDesc	tupdesc = RelationGetDescr(place->table);
	LockTupleMode mode = LockTupleNoKeyExclusive;

	for (int attnum = 1; attnum <= tupdesc->natts; attnum++)
	{
		if ((attnum == vr_order_status_field(&place->mapping)->attnum ||
			 attnum == vr_order_winner_field(&place->mapping)->attnum ||
			 TupleDescAttr(tupdesc, attnum - 1)->attgenerated == ATTRIBUTE_GENERATED_STORED) &&
			bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, keys))
			mode = LockTupleExclusive;
	}
	return vr_lock_row_as(place->table, place->slot, mode, wait);
}

/*
 * Keeps others from changing the row of an order until the transaction ends.
 * Returns false where that would mean to wait, and we do not.  True also where
 * no table is attached, or it has no such row.
 */
bool
vr_order_lock(const text *order_id, bool wait)
{
	Orders		orders;
	bool		busy = false;
	Place		place;
	VrRowLock	result;

	if (!lock_orders(&orders, wait, &busy))
		return !busy;
	if (!find_order(&orders, order_id, &place))
		return true;
	result = lock_place(&place, wait);
	close_place(&place);
	return result != VR_ROW_BUSY;
}

static void
unknown_order(const text *order_id, Oid relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_UNKNOWN_ORDER),
			 errmsg("order \"%s\" does not exist", text_to_cstring(order_id)),
			 errdetail("The attached table \"%s\" has no such row (ORDER_NOT_FOUND).",
					   get_rel_name(relation))));
}

/*
 * May an order with this row be offered?  It must be able to become PENDING_BIDS; or
 * where the application has no such state, the next one that it has.
 */
static bool
is_offerable(const VrOrderMapping *mapping, const VrOrderRow *row)
{
	VrOrderState next = VR_ORDER_PENDING_BIDS;

	if (row->state == VR_ORDER_PENDING_BIDS)
		return true;
	while (next < VR_ORDER_DELIVERED && mapping->words[next] == NULL)
		next++;
	return row->status != NULL && mapping->words[next] != NULL &&
		vr_order_edge_exists(row->status, mapping->words[next]);
}

/*
 * Locks the row of an order that is to be offered, and fills in what the caller
 * of vr_broadcast has left out.  Does nothing where no table is attached; nor where the
 * order has been offered meanwhile, by whoever had the row, and may have gone on.
 */
void
vr_order_require_offerable(VrOrder *order)
{
	Orders		orders;
	Place		place;
	VrOrderRow	row;
	VrOrder		described;
	VrRouting	routing;
	bool		found;
	bool		should_free;

	if (!lock_orders(&orders, true, NULL))
		return;
	found = find_order(&orders, order->order_id, &place);
	if (found && lock_place(&place, true) == VR_ROW_GONE)
	{
		close_place(&place);
		found = false;
	}
	if (vr_routing_find(vr_make_routing_id(order->order_id), &routing))
	{
		if (found)
			close_place(&place);
		return;
	}
	if (!found)
		unknown_order(order->order_id, orders.attachment.relation);

	row = row_at(&place);
	if (!is_offerable(&place.mapping, &row))
		ereport(ERROR,
				(errcode(ERRCODE_VR_INVALID_STATE),
				 errmsg("order \"%s\" cannot be offered to vendors",
						text_to_cstring(order->order_id)),
				 errdetail("Its status is %s.", row.status ? row.status : "NULL")));

	described = vr_order_describe(&place.mapping,
								  ExecFetchSlotHeapTuple(place.slot, false, &should_free),
								  RelationGetDescr(place.table));
	if (order->retailer_id == NULL)
		order->retailer_id = described.retailer_id;
	if (order->product == NULL)
		order->product = described.product;
	if (order->amount == NULL)
		order->amount = described.amount;
	if (!order->has_place)
	{
		order->has_place = described.has_place;
		order->place = described.place;
	}
	if (order->payload == NULL)
		order->payload = described.payload;
	close_place(&place);
}

static void
not_written(const Place *place)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("the attached row of an order could not be written"),
			 errdetail("A trigger, a rule or a row security policy of table \"%s\" suppressed it.",
					   RelationGetRelationName(place->table))));
}

/* An UPDATE of the application's row that is being put together. */
typedef struct Update
{
	StringInfoData sql;
	int			nparams;
	Oid			types[3];
	NullableDatum params[3];
} Update;

/*
 * Adds a column and its value, by the input function of its type.
 */
static void
set_column(Update *update, const Place *place, const VrField *field, const char *value)
{
	Form_pg_attribute attribute =
		TupleDescAttr(RelationGetDescr(place->table), field->attnum - 1);
	Oid			input;
	Oid			param;

	getTypeInputInfo(attribute->atttypid, &input, &param);
	update->types[update->nparams] = attribute->atttypid;
	update->params[update->nparams] = (NullableDatum) {
		OidInputFunctionCall(input, (char *) value, param, attribute->atttypmod),
		value == NULL
	};
	update->nparams++;
	appendStringInfo(&update->sql, "%s%s = $%d", update->nparams > 2 ? ", " : "",
					 quote_identifier(NameStr(attribute->attname)), update->nparams);
}

/*
 * Is a superuser calling, or is the session that of one, who will commit?
 */
static bool
superuser_is_about(void)
{
	return superuser() || superuser_arg(GetSessionUserId()) ||
		superuser_arg(GetAuthenticatedUserId());
}

/*
 * The types in the session's temporary schema; NULL for none.  Their names come before
 * those of pg_catalog, so whoever makes one there has its checks run by casts of the
 * caller's.  PostgreSQL refuses that to a restricted operation in its newest minor releases
 * only.
 */
static text *
temporary_types(void)
{
	static const VrStatement select = {
		"SELECT string_agg(t.oid || ' ' || t.ctid, ',' ORDER BY t.oid)"
		" FROM pg_catalog.pg_type AS t"
		" WHERE t.typnamespace = $1",
		1, {OIDOID}
	};
	Oid			schema;
	Oid			toast_schema;
	NullableDatum params[1];
	text	   *types;
	VrSpi		spi;

	GetTempNamespaceState(&schema, &toast_schema);
	if (!OidIsValid(schema))
		return NULL;
	params[0] = vr_param(ObjectIdGetDatum(schema));
	vr_spi_begin(&spi);
	vr_spi_read(&select, params);
	types = vr_spi_text(0, 1);
	vr_spi_end(&spi);
	return types;
}

/* The routing whose order is being written; NULL: none. */
static const VrRouting *following = NULL;

/*
 * Is it us who are writing this order, to say this?
 */
bool
vr_order_is_following(const text *order_id, VrOrderState state)
{
	return following != NULL && vr_text_eq(following->order_id, order_id) &&
		vr_order_state_of(following) == state;
}

/*
 * Writes status and winner of the row, which is locked; word is NULL where the
 * status stays.
 */
static void
write_row(const Place *place, const char *search_path, const VrRouting *routing,
		  const char *word, const char *winner)
{
	Oid			owner = place->table->rd_rel->relowner;
	bool		trusted = superuser_arg(owner) || !superuser_is_about();
	const VrRouting *outer = following;
	Update		update = {
		.nparams = 1,
		.types = {TIDOID},
		.params = {vr_param_tid(&place->slot->tts_tid)}
	};
	text	   *types = NULL;
	VrSpi		spi;
	uint64		written = 0;

	/*
	 * Up to 17 what is put off would run as whoever commits, so a superuser, who may not even
	 * know the table, would run code of its owner's.  Before the rights change: what was put
	 * off before is not the owner's to run.
	 */
	if (!trusted)
	{
		vr_defer_nothing();
		types = temporary_types();
	}
	vr_spi_begin_as(&spi, owner, trusted ? 0 : SECURITY_RESTRICTED_OPERATION, search_path);
	initStringInfo(&update.sql);
	appendStringInfo(&update.sql, "UPDATE ONLY %s SET ",
					 vr_quoted_name(RelationGetRelid(place->table)));
	if (word != NULL)
		set_column(&update, place, vr_order_status_field(&place->mapping), word);
	if (vr_order_winner_is_mapped(&place->mapping))
		set_column(&update, place, vr_order_winner_field(&place->mapping), winner);
	appendStringInfoString(&update.sql, " WHERE ctid OPERATOR(pg_catalog.=) $1");

	following = routing;
	PG_TRY();
	{
		written = vr_spi_write_unplanned(update.sql.data, update.nparams, update.types,
										 update.params);
	}
	PG_FINALLY();
	{
		following = outer;
	}
	PG_END_TRY();
	vr_spi_end(&spi);
	if (!trusted && !vr_text_eq(temporary_types(), types))
		ereport(ERROR,	/* LCOV_EXCL_LINE: newer servers have refused it */
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot create a temporary type within security-restricted operation"),
				 errdetail("A trigger of table \"%s\" did.",
						   RelationGetRelationName(place->table))));
	if (written != 1)
		not_written(place);
}

/*
 * Refuses a row that says what it said before: somebody's trigger or rule has undone
 * what we wrote.  One that says something else again is the work of a trigger that
 * took the order on, and that has been judged already.
 */
static void
check_written(const Orders *orders, const VrRouting *routing,
			  const VrOrderRow *before, const char *word, const char *winner)
{
	Place		place;
	VrOrderRow	row;
	VrRouting	now;

	if (!find_order(orders, routing->order_id, &place))
		return;					/* deleted, and the routing told */
	row = row_at(&place);
	if (((word != NULL && vr_cstring_eq(row.status, before->status)) ||
		 (vr_order_winner_is_mapped(&place.mapping) &&
		  !vr_cstring_eq(before->winner, winner) && vr_cstring_eq(row.winner, before->winner))) &&
		vr_routing_find(&routing->routing_id, &now) && now.version == routing->version)
		not_written(&place);
	close_place(&place);
}

/*
 * Brings the row of an order in step with its routing, where the call has put
 * that into another state, and a trigger of the DBA's maybe further.  Called after
 * vr_spi_end, with the settings and the rights of our caller.
 */
void
vr_order_follow(const VrRouting *routing)
{
	Orders		orders;
	Place		place;
	VrOrderRow	row;
	const char *winner;
	const char *word;
	VrRouting	now;
	bool		differs;

	if (!routing->moved || !lock_orders(&orders, true, NULL))
		return;
	if (vr_routing_find(&routing->routing_id, &now) && now.version != routing->version)
		routing = &now;
	if (!find_order(&orders, routing->order_id, &place))
	{
		if (routing->status == VR_PENDING || routing->status == VR_LOCKED)
			unknown_order(routing->order_id, orders.attachment.relation);
		return;
	}

	row = row_at(&place);
	word = place.mapping.words[vr_order_state_of(routing)];
	if (vr_cstring_eq(row.status, word))
		word = NULL;
	winner = vr_cstring(routing->locked_vendor_id);
	differs = (word != NULL ||
			   (vr_order_winner_is_mapped(&place.mapping) && !vr_cstring_eq(row.winner, winner)));
	if (differs)
		write_row(&place, orders.attachment.search_path, routing, word, winner);
	close_place(&place);
	if (differs)
		check_written(&orders, routing, &row, word, winner);
}
