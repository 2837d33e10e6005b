/*-------------------------------------------------------------------------
 *
 * cancellation.c
 *		The table cancellations: vendors who are told "not you".  Its only
 *		writer.
 *
 * Locking: the caller holds the lock of the routing.
 *
 * IDENTIFICATION
 *	  src/cancellation.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "newest.h"
#include "response.h"
#include "rows.h"
#include "spi.h"

/* Vendors to be told, and what they are told. */
typedef struct Telling
{
	const VrRouting *routing;
	const text *reason;
	TimestampTz now;
	const text *winner;			/* is not told; NULL: there is none */
	List	   *told;			/* have been told already */
	VrRows		rows;
} Telling;

static void
add(Telling *telling, Datum vendor_id)
{
	NullableDatum columns[] = {
		vr_param_ptr(&telling->routing->routing_id),
		vr_param(Int32GetDatum(telling->routing->round)),
		vr_param(vendor_id),
		vr_param_ptr(telling->reason),
		vr_param(TimestampTzGetDatum(telling->now))
	};

	vr_rows_add(&telling->rows, "cancellations", columns, lengthof(columns));
}

#define INSERT_CANCELLATIONS \
	"INSERT INTO vendor_routing.cancellations" \
	" (routing_id, round, vendor_id, reason, created_at, sent_at, confirmed_at)" \
	" SELECT routing_id, round, vendor_id, reason, created_at, sent_at, confirmed_at" \
	" FROM " VR_ROWS

/*
 * Tells those who were added, none of whom has been told.  Returns how many.
 */
static int
tell(Telling *telling)
{
	static const VrStatement insert = {INSERT_CANCELLATIONS};
	int			n = telling->rows.n;

	vr_rows_insert_all(&telling->rows, &insert);
	return n;
}

/*
 * The same where some may have been told: a row that is being marked as sent can be
 * missed by told_vendor_ids.
 */
static int
tell_untold(Telling *telling)
{
	static const VrStatement insert = {INSERT_CANCELLATIONS " ON CONFLICT DO NOTHING"};

	return (int) vr_rows_insert(&telling->rows, &insert);
}

static void
take_told(TupleTableSlot *slot, void *arg)
{
	List	  **vendor_ids = arg;
	bool		isnull;

	*vendor_ids = lappend(*vendor_ids,
						  DatumGetTextPCopy(slot_getattr(slot,
														 Anum_cancellation_vendor_id,
														 &isnull)));
}

/*
 * The ids of the vendors who have been told in the current round.  The caller's
 * lock keeps others from telling more; and to look first is cheaper than an
 * INSERT with ON CONFLICT.
 */
static List *
told_vendor_ids(const VrRouting *routing)
{
	NullableDatum key[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	Relation	table = vr_open_table("cancellations");
	List	   *vendor_ids = NIL;

	vr_newest_rows(table, lengthof(key), key, take_told, &vendor_ids);
	table_close(table, NoLock);
	return vendor_ids;
}

static void
add_invited(TupleTableSlot *slot, void *arg)
{
	Telling    *telling = arg;
	bool		isnull;
	Datum		vendor_id = slot_getattr(slot, Anum_response_vendor_id, &isnull);

	if (!vr_text_eq(DatumGetTextPP(vendor_id), telling->winner) &&
		!vr_text_in(DatumGetTextPP(vendor_id), telling->told))
		add(telling, vendor_id);
}

/*
 * Tells every vendor invited in the current round who has not been told yet,
 * but the one that has the order.  Returns how many those are.  Of a round that was
 * open until now, nobody has been told.
 */
int
vr_cancellations_insert(const VrRouting *routing, bool was_open, const char *reason,
						TimestampTz now)
{
	Telling		telling = {
		.routing = routing,
		.reason = cstring_to_text(reason),
		.now = now,
		.winner = (routing->status == VR_LOCKED || routing->status == VR_COMPLETED) ?
			routing->locked_vendor_id : NULL,
		.told = was_open ? NIL : told_vendor_ids(routing)
	};

	vr_responses_visit(routing, add_invited, &telling);
	return was_open ? tell(&telling) : tell_untold(&telling);
}

/*
 * Tells one vendor, who had the order in the current round and has it no more.
 */
void
vr_cancellation_insert(const VrRouting *routing, const text *vendor_id,
					   const char *reason, TimestampTz now)
{
	Telling		telling = {
		.routing = routing,
		.reason = cstring_to_text(reason),
		.now = now
	};

	add(&telling, PointerGetDatum(vendor_id));
	(void) tell(&telling);
}

/*
 * Has the vendor had this order in an earlier round, and lost it again?
 */
bool
vr_cancellation_lost_order(const pg_uuid_t *routing_id, const text *vendor_id)
{
	static const VrStatement select = {
		"SELECT"
		" FROM vendor_routing.cancellations"
		" WHERE routing_id = $1 AND (vendor_id = $2) IS TRUE"
		" AND (reason IN ('" VR_CANCELLED_RELEASED "', '" VR_CANCELLED_NO_CONFIRM "')) IS TRUE",
		2, {UUIDOID, TEXTOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(routing_id),
		vr_param_ptr(vendor_id)
	};
	bool		lost;
	VrSpi		spi;

	vr_spi_begin(&spi);			/* who checks an identity has not begun */
	lost = (vr_spi_read(&select, params) > 0);
	vr_spi_end(&spi);
	return lost;
}

/*
 * Counts the vendors of the current round who have been told.
 */
VrCancelled
vr_cancellations_count(const VrRouting *routing)
{
	static const VrStatement select = {
		"SELECT count(*)::int4,"
		" count(*) FILTER (WHERE r.response IN ('ACCEPT', 'REJECT', 'ERROR'))::int4"
		" FROM vendor_routing.cancellations AS c"
		" CROSS JOIN LATERAL (SELECT r.response"
		"  FROM vendor_routing.responses AS r"
		"  WHERE r.routing_id = c.routing_id AND r.round = c.round"
		"  AND (r.vendor_id = c.vendor_id) IS TRUE" VR_BY_KEY ") AS r"
		" WHERE c.routing_id = $1 AND c.round = $2",
		2, {UUIDOID, INT4OID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param(Int32GetDatum(routing->round))
	};
	VrCancelled result;

	vr_spi_read(&select, params);
	result.total = DatumGetInt32(vr_spi_value(0, 1).value);
	result.losers = DatumGetInt32(vr_spi_value(0, 2).value);
	result.non_responders = result.total - result.losers;
	return result;
}

/*
 * Writes to the cancellation that a message is about, if it is, whether it was sent and
 * has arrived; again: that it has to be once more.
 */
void
vr_cancellation_mark(const pg_uuid_t *message_id, bool again)
{
	static const VrStatement select = {
		"SELECT routing_id, round, vendor_id,"
		" CASE state WHEN 'SENT' THEN sent_at END, delivered_at"
		" FROM vendor_routing.messages"
		" WHERE message_id = $1 AND (kind = 'CANCELLATION') IS TRUE",
		1, {UUIDOID}
	};
	static const VrStatement update = {
		"UPDATE vendor_routing.cancellations"
		" SET sent_at = CASE WHEN $4 IS NOT NULL THEN coalesce(sent_at, $4) END,"
		"     confirmed_at = CASE WHEN NOT $6 THEN coalesce(confirmed_at, $5) END"
		" WHERE routing_id = $1 AND round = $2 AND vendor_id = $3",
		6, {UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID}
	};
	NullableDatum key[] = {vr_param_ptr(message_id)};
	NullableDatum params[6];

	if (vr_spi_write(&select, key) == 0)
		return;
	for (int i = 0; i < 5; i++)
		params[i] = vr_spi_copy_value(0, i + 1);
	params[5] = vr_param(BoolGetDatum(again));
	(void) vr_spi_write(&update, params);
}
