/*-------------------------------------------------------------------------
 *
 * order_mapping.c
 *		What a row of the application's orders means: its columns, the states that
 *		its status column tells, and which may follow which.
 *
 * Locking: none.  Edges are read as they are at the moment (newest.c).
 *
 * Errors: 22023 for a mapping that is not valid, 23502 for a row without an id.
 *
 * IDENTIFICATION
 *	  src/order_mapping.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "args.h"
#include "catalog.h"
#include "newest.h"
#include "order_mapping.h"
#include "spi.h"

enum
{
	FIELD_ORDER_ID,
	FIELD_RETAILER_ID,
	FIELD_PRODUCT,
	FIELD_AMOUNT,
	FIELD_LATITUDE,
	FIELD_LONGITUDE,
	FIELD_PAYLOAD,
	FIELD_STATUS,
	FIELD_WINNER,
	NFIELDS
};

static const VrFieldRule rules[NFIELDS] = {
	[FIELD_ORDER_ID] = {"order_id", .required = true, .column_only = true},
	[FIELD_RETAILER_ID] = {"retailer_id", .required = true},
	[FIELD_PRODUCT] = {"product"},
	[FIELD_AMOUNT] = {"amount"},
	[FIELD_LATITUDE] = {"latitude"},
	[FIELD_LONGITUDE] = {"longitude"},
	[FIELD_PAYLOAD] = {"payload"},
	[FIELD_STATUS] = {"status", .required = true, .column_only = true},
	[FIELD_WINNER] = {"locked_vendor_id", .column_only = true}
};

static const char *const other_keys[] = {"states", "auto_broadcast", "policy"};

/* In the order of VrOrderState. */
static const char *const state_names[] = {
	"CREATED", "VALIDATED", "CREDIT_RESERVED", "PENDING_BIDS", "VENDOR_ACCEPTED",
	"FULFILLMENT_STARTED", "DELIVERED", "CANCELLED", "FAILED", "OTHER"
};

/*
 * The state machine: a bit per state that may follow.  Attaching a table writes
 * it, in the application's words, to vendor_routing.order_edges, and that table
 * decides from then on.
 */
#define TO(state) (1 << (state))
#define ENDS (TO(VR_ORDER_CANCELLED) | TO(VR_ORDER_FAILED))

static const int standard_edges[] = {
	[VR_ORDER_CREATED] = TO(VR_ORDER_VALIDATED) | ENDS,
	[VR_ORDER_VALIDATED] = TO(VR_ORDER_CREDIT_RESERVED) | ENDS,
	[VR_ORDER_CREDIT_RESERVED] = TO(VR_ORDER_PENDING_BIDS) | ENDS,
	[VR_ORDER_PENDING_BIDS] = TO(VR_ORDER_VENDOR_ACCEPTED) | ENDS,
	[VR_ORDER_VENDOR_ACCEPTED] = TO(VR_ORDER_FULFILLMENT_STARTED) | ENDS,
	[VR_ORDER_FULFILLMENT_STARTED] = TO(VR_ORDER_DELIVERED) | ENDS,
	[VR_ORDER_DELIVERED] = 0,
	[VR_ORDER_CANCELLED] = 0,
	[VR_ORDER_FAILED] = 0
};

const char *
vr_order_state_name(VrOrderState state)
{
	return state_names[state];
}

/*-------------------------------------------------------------------------
 * The mapping
 *-------------------------------------------------------------------------
 */

static void
bad_mapping(const char *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("mapping of \"%s\" is not valid", key),
			 errdetail("%s", detail)));
}

static JsonbValue *
find_member(const Jsonb *mapping, const char *key, JsonbValue *buffer)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &mapping->root,
										key, strlen(key), buffer);
}

/*
 * The application's words for the states, as its status column has them: our own,
 * unless it says otherwise; null for a state that it does not have.
 */
static void
read_words(const Jsonb *mapping, Relation relation, AttrNumber status, char **words)
{
	JsonbValue	buffer;
	JsonbValue *states = find_member(mapping, "states", &buffer);
	int			known = 0;

	if (states != NULL &&
		(states->type != jbvBinary || !JsonContainerIsObject(states->val.binary.data)))
		bad_mapping("states", "It must be an object from our word for a state to the application's.");

	for (int i = 0; i < VR_ORDER_STATES; i++)
	{
		JsonbValue	value_buffer;
		JsonbValue *value = (states == NULL) ? NULL :
			getKeyJsonValueFromContainer(states->val.binary.data, state_names[i],
										 strlen(state_names[i]), &value_buffer);

		words[i] = (value == NULL) ? pstrdup(state_names[i]) : vr_json_scalar(value);
		known += (value != NULL);
		if (value != NULL && value->type == jbvBinary)
			bad_mapping("states", "A word is a text, a number, true, false or null.");
	}
	if (states != NULL && JsonContainerSize(states->val.binary.data) != known)
		bad_mapping("states", "It has a key that is not the name of a state.");

	for (int i = 0; i < VR_ORDER_STATES; i++)
	{
		if (words[i] == NULL)
			continue;
		words[i] = vr_canonical(relation, status, words[i]);
		for (int j = 0; j < i; j++)
		{
			if (words[j] != NULL && strcmp(words[i], words[j]) == 0)
				bad_mapping("states", psprintf("%s and %s have the same word.",
											   state_names[j], state_names[i]));
		}
	}
}

/*
 * Reads a mapping.
 */
VrOrderMapping
vr_order_mapping_read(const Jsonb *mapping, Relation relation)
{
	VrOrderMapping result = {0};
	JsonbValue	buffer;
	JsonbValue *member;

	result.fields = vr_mapping_read(mapping, rules, NFIELDS, other_keys,
									lengthof(other_keys), relation);
	member = find_member(mapping, "auto_broadcast", &buffer);
	if (member != NULL && member->type != jbvBool)
		bad_mapping("auto_broadcast", "It is neither true nor false.");
	result.auto_broadcast = (member != NULL && member->val.boolean);

	member = find_member(mapping, "policy", &buffer);
	if (member != NULL && member->type != jbvString && member->type != jbvNull)
		bad_mapping("policy", "It is not the name of a policy.");
	if (member != NULL && member->type == jbvString)
		result.policy = cstring_to_text_with_len(member->val.string.val,
												 member->val.string.len);

	read_words(mapping, relation, result.fields[FIELD_STATUS].attnum, result.words);
	return result;
}

const VrField *
vr_order_id_field(const VrOrderMapping *mapping)
{
	return &mapping->fields[FIELD_ORDER_ID];
}

const VrField *
vr_order_status_field(const VrOrderMapping *mapping)
{
	return &mapping->fields[FIELD_STATUS];
}

/*
 * Where the winner is written; not mapped, if the application wants none.
 */
const VrField *
vr_order_winner_field(const VrOrderMapping *mapping)
{
	return &mapping->fields[FIELD_WINNER];
}

bool
vr_order_winner_is_mapped(const VrOrderMapping *mapping)
{
	return vr_field_is_mapped(&mapping->fields[FIELD_WINNER]);
}

/*
 * Refuses a mapping that cannot be written by: what we write must be columns that
 * can be, each for itself.
 */
void
vr_order_check_mapping(const VrOrderMapping *mapping, Relation relation)
{
	static const int ours[] = {FIELD_ORDER_ID, FIELD_STATUS, FIELD_WINNER};

	for (int i = 0; i < lengthof(ours); i++)
	{
		const VrField *field = &mapping->fields[ours[i]];
		int32		typmod;

		if (field->attnum == 0)
			continue;
		if (vr_scalar_type(relation, field->attnum, &typmod) == BPCHAROID &&
			ours[i] == FIELD_WINNER)
			bad_mapping(field->rule->key, "The column pads the ids of vendors with blanks.");
		if (ours[i] != FIELD_ORDER_ID &&
			TupleDescAttr(RelationGetDescr(relation), field->attnum - 1)->attgenerated != '\0')
			bad_mapping(field->rule->key, "The column is generated, and cannot be written.");
		for (int j = 0; j < i; j++)
		{
			const VrField *other = &mapping->fields[ours[j]];

			if (field->attnum == other->attnum)
				bad_mapping(field->rule->key,
							psprintf("Its column is that of %s.", other->rule->key));
		}
	}
}

static VrOrderState
find_state(const VrOrderMapping *mapping, const char *word)
{
	for (int i = 0; i < VR_ORDER_STATES; i++)
	{
		if (word != NULL && mapping->words[i] != NULL &&
			strcmp(mapping->words[i], word) == 0)
			return (VrOrderState) i;
	}
	return VR_ORDER_OTHER;
}

/*
 * What a row says of its state.
 */
VrOrderRow
vr_order_row(const VrOrderMapping *mapping, HeapTuple tuple, TupleDesc tupdesc)
{
	int			level = vr_begin_output();
	char	   *id = vr_field_value(&mapping->fields[FIELD_ORDER_ID], tuple, tupdesc);
	VrOrderRow	row;

	if (id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the id of an attached order must not be null")));
	row.order_id = cstring_to_text(id);
	row.status = vr_field_value(&mapping->fields[FIELD_STATUS], tuple, tupdesc);
	row.winner = vr_field_value(&mapping->fields[FIELD_WINNER], tuple, tupdesc);
	vr_end_output(level);
	row.state = find_state(mapping, row.status);
	return row;
}

/*
 * A value by the input function of a type.  An error that it raises has the value, which is
 * not for everybody who may offer an order.
 */
static Datum
value_in(PGFunction in, const char *value, const char *name)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile Datum result = 0;

	PG_TRY();
	{
		result = DirectFunctionCall3(in, CStringGetDatum(value),
									 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		vr_rethrow_without_value(caller, psprintf("%s of an attached order", name));
	}
	PG_END_TRY();
	return result;
}

static const text *
id_value(const char *value, const char *name)
{
	text	   *id = (value == NULL) ? NULL : cstring_to_text(value);

	if (id != NULL)
		vr_check_id(PointerGetDatum(id), name);
	return id;
}

/*
 * What a row says that vendors are to be offered, with the errors of the arguments
 * of vr_broadcast.
 */
VrOrder
vr_order_describe(const VrOrderMapping *mapping, HeapTuple tuple, TupleDesc tupdesc)
{
	char	   *values[NFIELDS];
	VrOrder		order = {0};
	int			level = vr_begin_output();

	for (int i = 0; i < NFIELDS; i++)
		values[i] = vr_field_value(&mapping->fields[i], tuple, tupdesc);
	vr_end_output(level);

	order.order_id = id_value(values[FIELD_ORDER_ID], "order_id");
	order.retailer_id = id_value(values[FIELD_RETAILER_ID], "retailer_id");
	order.product = id_value(values[FIELD_PRODUCT], "product");
	if (values[FIELD_AMOUNT] != NULL)
	{
		order.amount = DatumGetNumeric(value_in(numeric_in, values[FIELD_AMOUNT], "amount"));
		vr_check_amount(order.amount, "amount");
	}
	order.has_place = (values[FIELD_LATITUDE] != NULL && values[FIELD_LONGITUDE] != NULL);
	if (order.has_place)
	{
		order.place.latitude =
			DatumGetFloat8(value_in(float8in, values[FIELD_LATITUDE], "latitude"));
		order.place.longitude =
			DatumGetFloat8(value_in(float8in, values[FIELD_LONGITUDE], "longitude"));
		vr_check_place(&order.place);
	}
	if (values[FIELD_PAYLOAD] != NULL)
	{
		order.payload = DatumGetJsonbP(value_in(jsonb_in, values[FIELD_PAYLOAD], "payload"));
		vr_check_object(order.payload, "payload");
	}
	return order;
}

/*-------------------------------------------------------------------------
 * The state machine of the application's column
 *-------------------------------------------------------------------------
 */

/*
 * May an order go from one status to another?  Both are the application's words.
 */
bool
vr_order_edge_exists(const char *from, const char *to)
{
	NullableDatum key[] = {
		vr_param_ptr(cstring_to_text(from)),
		vr_param_ptr(cstring_to_text(to))
	};
	Relation	table = vr_open_table("order_edges");
	bool		found = (vr_newest_rows(table, lengthof(key), key, NULL, NULL) > 0);

	table_close(table, NoLock);
	return found;
}

/*
 * Writes the standard edges, in the application's words.  A state that it does
 * not have is passed by: what led to it leads to what followed it.
 */
void
vr_order_edges_fill(const VrOrderMapping *mapping)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.order_edges"
		" (from_status, to_status)"
		" VALUES ($1, $2)",
		2, {TEXTOID, TEXTOID}
	};
	int			edges[VR_ORDER_STATES];

	memcpy(edges, standard_edges, sizeof(edges));
	for (int absent = 0; absent < VR_ORDER_STATES; absent++)
	{
		for (int from = 0; from < VR_ORDER_STATES; from++)
		{
			if (mapping->words[absent] == NULL && (edges[from] & TO(absent)))
				edges[from] |= edges[absent];
		}
	}
	for (int from = 0; from < VR_ORDER_STATES; from++)
	{
		for (int to = 0; to < VR_ORDER_STATES; to++)
		{
			if ((edges[from] & TO(to)) &&
				mapping->words[from] != NULL && mapping->words[to] != NULL)
			{
				NullableDatum params[] = {
					vr_param_ptr(cstring_to_text(mapping->words[from])),
					vr_param_ptr(cstring_to_text(mapping->words[to]))
				};

				vr_spi_write_exactly(&insert, params, 1);
			}
		}
	}
}

void
vr_order_edges_forget(void)
{
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.order_edges",
		0, {0}
	};

	(void) vr_spi_write(&delete, NULL);
}

/*
 * The state of an order, going by its routing.  The view routing_status says the
 * same.
 */
VrOrderState
vr_order_state_of(const VrRouting *routing)
{
	switch (routing->status)
	{
		case VR_PENDING:
		case VR_EXHAUSTED:
			return VR_ORDER_PENDING_BIDS;
		case VR_LOCKED:
			return VR_ORDER_VENDOR_ACCEPTED;
		case VR_COMPLETED:
			return (routing->outcome != NULL && vr_text_is(routing->outcome, "FAILED")) ?
				VR_ORDER_FAILED : VR_ORDER_DELIVERED;
		case VR_CANCELLED:
			return VR_ORDER_CANCELLED;
		case VR_EXPIRED:
			break;
	}
	return VR_ORDER_FAILED;
}
