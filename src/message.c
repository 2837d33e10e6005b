/*-------------------------------------------------------------------------
 *
 * message.c
 *		vr_claim_messages; the table messages: how far the telling of vendors is.
 *		message_report.c writes down what became of them.
 *
 * What a vendor is told is in the rows that say it: its offer (responses), its
 * cancellation, the winner of the routing.  messages has, for each thing to tell, how far
 * that is, and no copy of it.  Who claims messages finds what is new by the outbox.
 *
 * A vendor's messages about one order go out one after the other, in the order OFFER,
 * WIN, CANCELLATION: so nobody is told that an order is gone before it was offered.
 *
 * Locking: senders skip what others have, and wait for nobody.
 *
 * IDENTIFICATION
 *	  src/message.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "args.h"
#include "clock.h"
#include "hours.h"
#include "message.h"
#include "message_text.h"
#include "outbox.h"
#include "settings.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(vr_claim_messages);

/*
 * Most messages of one claim; and fewest that are looked at in one go, which are twice
 * as many each time that some of them were not to be sent any more.
 */
#define MAX_CLAIM 10000
#define MIN_LOOK 100
#define MAX_LOOK 1600

/*-------------------------------------------------------------------------
 * From the outbox to the messages
 *-------------------------------------------------------------------------
 */

/*
 * Makes a message of each thing that there is to tell, and lets those that wait for
 * another attempt be looked at now: they may be out of date.
 */
static void
queue_messages(const VrOutboxBatch *changed, TimestampTz now)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.messages"
		" (routing_id, round, vendor_id, kind, channel, due_at, queued_at)"
		" SELECT x.routing_id, x.round, x.vendor_id, x.kind,"
		"  CASE WHEN v.phone IS NULL THEN 'APP' ELSE 'WHATSAPP' END, $2, $2"
		" FROM (SELECT r.routing_id, r.round, r.vendor_id, 'OFFER' AS kind"
		"       FROM vendor_routing.routings AS t"
		"       JOIN LATERAL (SELECT r.routing_id, r.round, r.vendor_id"
		"        FROM vendor_routing.responses AS r"
		"        WHERE r.routing_id = t.routing_id AND r.round = t.round"
		"        AND (r.response IS NULL AND r.expires_at > $2) IS TRUE" VR_BY_KEY ") AS r ON true"
		"       WHERE t.routing_id = ANY ($1) AND t.status = 'PENDING'"
		"       UNION ALL"
		"       SELECT t.routing_id, t.round, t.locked_vendor_id, 'WIN'"
		"       FROM vendor_routing.routings AS t"
		"       WHERE t.routing_id = ANY ($1) AND t.status IN ('LOCKED', 'COMPLETED')"
		"       UNION ALL"
		"       SELECT c.routing_id, c.round, c.vendor_id, 'CANCELLATION'"
		"       FROM vendor_routing.cancellations AS c"
		"       WHERE c.routing_id = ANY ($1) AND c.sent_at IS NULL) AS x"
		" LEFT JOIN LATERAL (SELECT v.phone"
		"  FROM vendor_routing.vendors AS v"
		"  WHERE v.vendor_id = x.vendor_id" VR_BY_KEY ") AS v ON true"
		" ON CONFLICT (routing_id, vendor_id, round, kind) DO NOTHING",
		2, {UUIDARRAYOID, TIMESTAMPTZOID},
		.joins = true
	};
	static const VrStatement hurry = {
		"UPDATE vendor_routing.messages"
		" SET due_at = $2"
		" WHERE ctid = ANY (ARRAY("
		"  SELECT m.ctid"
		"  FROM vendor_routing.messages AS m"
		"  WHERE m.routing_id = ANY ($1) AND (m.state = 'QUEUED' AND m.due_at > $2) IS TRUE"
		"  FOR UPDATE SKIP LOCKED))",
		2, {UUIDARRAYOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_uuids(changed->routing_ids, changed->n),
		vr_param(TimestampTzGetDatum(now))
	};

	(void) vr_spi_write(&insert, params);
	(void) vr_spi_write(&hurry, params);
}

static void
empty_outbox(TimestampTz now)
{
	VrOutboxBatch *changed = palloc(sizeof(VrOutboxBatch));

	changed->npassed = 0;
	for (int i = 0; i < VR_OUTBOX_BATCHES; i++)
	{
		vr_outbox_lock_changed(changed);
		if (changed->n > 0)
		{
			queue_messages(changed, now);
			vr_outbox_settle(changed);
		}
		if (!changed->more)
			break;
	}
}

/*-------------------------------------------------------------------------
 * From the messages to a sender
 *-------------------------------------------------------------------------
 */

/* To the same vendor about the same order, and to go out before. */
#define IS_EARLIER(p, m) \
	p ".routing_id = " m ".routing_id AND " p ".vendor_id = " m ".vendor_id" \
	" AND (" p ".round, " VR_KIND_ORDER(p) ") < (" m ".round, " VR_KIND_ORDER(m) ")"

/*
 * No earlier message to the vendor about the order is still to be sent.  One on another
 * channel, which may have no sender any more, keeps it back only while it is on its way.
 */
#define NOT_KEPT_BACK(m) \
	"NOT EXISTS (" \
	" SELECT FROM vendor_routing.messages AS p" \
	" WHERE " IS_EARLIER("p", m) \
	" AND (p.state IN ('QUEUED', 'LEASED')) IS TRUE" \
	" AND (p.channel = " m ".channel OR p.state = 'LEASED' AND p.due_at > $1) IS TRUE" VR_BY_KEY ")"

/* A vendor that has heard of the order may have to hear of its end. */
#define MAY_HAVE_HEARD(m) \
	"EXISTS (" \
	" SELECT FROM vendor_routing.messages AS p" \
	" WHERE p.routing_id = " m ".routing_id AND p.vendor_id = " m ".vendor_id" \
	" AND p.round = " m ".round AND p.kind <> " m ".kind" \
	" AND (p.state IN ('SENT', 'LEASED') OR p.may_have_arrived))"

/*
 * The channels that have something due, first the one where it waits longest.
 */
static List *
due_channels(TimestampTz now)
{
	static const VrStatement select = {
		"WITH RECURSIVE head AS ("
		" (SELECT m.channel, m.due_at"
		"  FROM vendor_routing.messages AS m"
		"  WHERE m.state IN ('QUEUED', 'LEASED') AND " NOT_KEPT_BACK("m")
		"  ORDER BY m.channel, m.due_at LIMIT 1)"
		" UNION ALL"
		" SELECT n.channel, n.due_at"
		" FROM head AS h"
		" CROSS JOIN LATERAL (SELECT m.channel, m.due_at"
		"  FROM vendor_routing.messages AS m"
		"  WHERE m.channel > h.channel AND m.state IN ('QUEUED', 'LEASED')"
		"  AND " NOT_KEPT_BACK("m")
		"  ORDER BY m.channel, m.due_at LIMIT 1) AS n)"
		" SELECT channel FROM head WHERE due_at <= $1 ORDER BY due_at",
		1, {TIMESTAMPTZOID}
	};
	NullableDatum params[] = {vr_param(TimestampTzGetDatum(now))};
	int			n = vr_spi_write(&select, params);
	List	   *channels = NIL;

	for (int i = 0; i < n; i++)
		channels = lappend(channels, vr_spi_text(i, 1));
	return channels;
}

/*
 * Looks at so many messages of a channel that are due: leases at most max of those still
 * to be sent, and drops those that are not.  Adds the ids of the former to *leased.  Returns
 * whether there may be more: what was dropped may have kept another back.
 */
static bool
take_due(const text *channel, int max, int look, TimestampTz now, TimestampTz until,
		 List **leased)
{
	static const VrStatement select = {
		"SELECT m.message_id,"
		" CASE WHEN coalesce(CASE m.kind"
		"   WHEN 'OFFER' THEN t.status = 'PENDING' AND t.round = m.round"
		"    AND r.response IS NULL AND r.expires_at > $1 AND t.expires_at > $1"
		"   WHEN 'WIN' THEN t.status IN ('LOCKED', 'COMPLETED') AND t.round = m.round"
		"    AND t.locked_vendor_id = m.vendor_id"
		"   ELSE c.sent_at IS NULL"
		"    AND (r.response IN ('ACCEPT', 'REJECT', 'ERROR') OR " MAY_HAVE_HEARD("m") ")"
		"   END, false)"
		"  THEN CASE WHEN m.attempts < $3 THEN 'LEASED' ELSE 'DEAD' END"
		"  ELSE 'DROPPED' END"
		" FROM vendor_routing.messages AS m"
		" JOIN LATERAL (SELECT t.status, t.round, t.locked_vendor_id, t.expires_at"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = m.routing_id" VR_BY_KEY ") AS t ON true"
		" LEFT JOIN LATERAL (SELECT r.response, r.expires_at"
		"  FROM vendor_routing.responses AS r"
		"  WHERE r.routing_id = m.routing_id AND r.round = m.round"
		"  AND (r.vendor_id = m.vendor_id) IS TRUE" VR_BY_KEY ") AS r ON true"
		" LEFT JOIN LATERAL (SELECT c.sent_at"
		"  FROM vendor_routing.cancellations AS c"
		"  WHERE c.routing_id = m.routing_id AND c.round = m.round"
		"  AND c.vendor_id = m.vendor_id" VR_BY_KEY ") AS c ON true"
		" WHERE m.state IN ('QUEUED', 'LEASED') AND m.due_at <= $1 AND m.channel = $4"
		" AND " NOT_KEPT_BACK("m")
		" ORDER BY m.due_at"
		" LIMIT $2"
		" FOR UPDATE OF m SKIP LOCKED",
		4, {TIMESTAMPTZOID, INT4OID, INT4OID, TEXTOID},
		.joins = true
	};
	/*
	 * An offer that is void and waits on another channel, which may have no sender: nobody is
	 * to claim it once its cancellation is dropped.
	 */
	static const VrStatement drop_earlier = {
		"UPDATE vendor_routing.messages"
		" SET state = 'DROPPED'"
		" WHERE ctid = ANY (ARRAY("
		"  SELECT ctid"
		"  FROM vendor_routing.messages"
		"  WHERE (state = 'QUEUED') IS TRUE AND ctid = ANY (ARRAY("
		"   SELECT p.ctid"
		"   FROM vendor_routing.messages AS m"
		"   CROSS JOIN LATERAL (SELECT p.ctid"
		"    FROM vendor_routing.messages AS p"
		"    WHERE " IS_EARLIER("p", "m") " AND p.round = m.round" VR_BY_KEY ") AS p"
		"   WHERE m.message_id = ANY ($1) AND (m.kind = 'CANCELLATION') IS TRUE))"
		"  FOR UPDATE SKIP LOCKED))",
		1, {UUIDARRAYOID},
		.joins = true
	};
	/*
	 * An offer may have been reported as sent since we looked, and its cancellation was not
	 * locked then; or a sender has claimed it, and not committed: the cancellation stays, for
	 * the next look.
	 */
	static const VrStatement update = {
		"UPDATE vendor_routing.messages AS m"
		" SET state = $2, may_have_arrived = may_have_arrived OR state = 'LEASED',"
		"     attempts = attempts + CASE $2 WHEN 'LEASED' THEN 1 ELSE 0 END,"
		"     due_at = CASE $2 WHEN 'LEASED' THEN $3 ELSE due_at END"
		" WHERE message_id = ANY ($1)"
		" AND NOT ($2 = 'DROPPED' AND kind = 'CANCELLATION'"
		"  AND (" MAY_HAVE_HEARD("m") " OR EXISTS ("
		"   SELECT FROM vendor_routing.messages AS p"
		"   WHERE " IS_EARLIER("p", "m") " AND (p.round = m.round AND p.state = 'QUEUED') IS TRUE" VR_BY_KEY "))"
		"  AND EXISTS ("
		"   SELECT FROM vendor_routing.cancellations AS c"
		"   WHERE c.routing_id = m.routing_id AND c.round = m.round"
		"   AND c.vendor_id = m.vendor_id AND c.sent_at IS NULL))",
		3, {UUIDARRAYOID, TEXTOID, TIMESTAMPTZOID}
	};
	enum {LEASED, DEAD, DROPPED};
	static const char *const states[] = {
		[LEASED] = "LEASED", [DEAD] = "DEAD", [DROPPED] = "DROPPED"
	};
	NullableDatum params[] = {
		vr_param(TimestampTzGetDatum(now)),
		vr_param(Int32GetDatum(Max(max, look))),
		vr_param(Int32GetDatum(vr_message_attempts)),
		vr_param_ptr(channel)
	};
	int			n = vr_spi_write(&select, params);
	pg_uuid_t  *ids[lengthof(states)];
	int			counts[lengthof(states)] = {0};
	uint64		dropped = 0;

	for (int s = 0; s < lengthof(states); s++)
		ids[s] = palloc(Max(n, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < n; i++)
	{
		text	   *state = vr_spi_text(i, 2);
		int			s = 0;

		while (s < DROPPED && !vr_text_is(state, states[s]))
			s++;
		if (s == LEASED && counts[s] == max)
			continue;			/* another time */
		ids[s][counts[s]++] = *DatumGetUUIDP(vr_spi_value(i, 1).value);
	}
	for (int s = 0; s < lengthof(states); s++)
	{
		if (counts[s] > 0)
		{
			NullableDatum writes[] = {
				vr_param_uuids(ids[s], counts[s]),
				vr_param_ptr(cstring_to_text(states[s])),
				vr_param(TimestampTzGetDatum(until))
			};

			if (s == DROPPED)
			{
				(void) vr_spi_write(&drop_earlier, writes);
				dropped = vr_spi_write(&update, writes);
			}
			else
				vr_spi_write_exactly(&update, writes, counts[s]);
		}
	}
	for (int i = 0; i < counts[LEASED]; i++)
		*leased = lappend(*leased, &ids[LEASED][i]);
	return counts[LEASED] < max && counts[DEAD] + dropped > 0;
}

/*
 * Hands out messages that we have leased.
 */
static void
put_messages(const List *leased, ReturnSetInfo *rsinfo)
{
	static const VrStatement select = {
		"SELECT m.channel, m.message_id, m.kind, m.routing_id, t.order_id, m.round,"
		" m.vendor_id, v.name, v.phone, m.attempts, m.due_at,"
		" v.attributes ->> 'language', coalesce(c.reason, m.kind), t.retailer_id, t.product,"
		" t.amount::text,"
		" coalesce(r.expires_at, t.expires_at),"
		" jsonb_build_object('order_id', t.order_id, 'retailer_id', t.retailer_id,"
		"  'product', t.product, 'amount', t.amount, 'order_payload', t.payload,"
		"  'expires_at', r.expires_at, 'reason', c.reason),"
		" CASE WHEN t.product IS NULL AND t.amount IS NULL THEN ''"
		"  ELSE ': ' || concat_ws(', ', t.product, t.amount) END,"
		" v.time_zone"
		" FROM vendor_routing.messages AS m"
		" JOIN LATERAL (SELECT t.*"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = m.routing_id" VR_BY_KEY ") AS t ON true"
		" LEFT JOIN LATERAL (SELECT v.name, v.phone, v.attributes, v.time_zone"
		"  FROM vendor_routing.vendors AS v"
		"  WHERE v.vendor_id = m.vendor_id" VR_BY_KEY ") AS v ON true"
		" LEFT JOIN LATERAL (SELECT r.expires_at"
		"  FROM vendor_routing.responses AS r"
		"  WHERE r.routing_id = m.routing_id AND r.round = m.round"
		"  AND (r.vendor_id = m.vendor_id) IS TRUE" VR_BY_KEY ") AS r ON true"
		" LEFT JOIN LATERAL (SELECT c.reason"
		"  FROM vendor_routing.cancellations AS c"
		"  WHERE m.kind = 'CANCELLATION' AND c.routing_id = m.routing_id"
		"  AND c.round = m.round AND c.vendor_id = m.vendor_id" VR_BY_KEY ") AS c ON true"
		" WHERE m.message_id = ANY ($1)"
		" ORDER BY m.queued_at, m.message_id",
		1, {UUIDARRAYOID}
	};
	int			n = list_length(leased);
	pg_uuid_t  *ids = palloc(n * sizeof(pg_uuid_t));
	NullableDatum params[1];
	uint64		nrows;

	for (int i = 0; i < n; i++)
		ids[i] = *(pg_uuid_t *) list_nth(leased, i);
	params[0] = vr_param_uuids(ids, n);
	nrows = (n == 0) ? 0 : vr_spi_read(&select, params);
	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		values[13];
		bool		nulls[13];
		VrTextValues text_values = {
			.order = vr_cstring(vr_spi_text(row, 5)),
			.retailer = vr_cstring(vr_spi_text(row, 14)),
			.details = vr_cstring(vr_spi_text(row, 19)),
			.product = vr_cstring(vr_spi_text(row, 15)),
			.amount = vr_cstring(vr_spi_text(row, 16)),
			.until = vr_time_of_day(DatumGetTimestampTz(vr_spi_value(row, 17).value),
									vr_spi_text(row, 20))
		};

		for (int i = 0; i < 11; i++)
		{
			NullableDatum value = vr_spi_value(row, i + 1);

			values[i] = value.value;
			nulls[i] = value.isnull;
		}
		values[11] = PointerGetDatum(vr_message_text(vr_spi_text(row, 12),
													 vr_cstring(vr_spi_text(row, 13)),
													 &text_values));
		nulls[11] = false;
		values[12] = vr_spi_value(row, 18).value;
		nulls[12] = false;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * vr_claim_messages(channel text, max integer, lease interval)
 *
 * What is handed out is the caller's until the lease ends, once the transaction has
 * committed.
 */
Datum
vr_claim_messages(PG_FUNCTION_ARGS)
{
	const text *channel = vr_arg_optional_id(fcinfo, 0, "channel");
	int			max;
	const Interval *lease = vr_arg_optional_positive_ttl(fcinfo, 2, "lease");
	List	   *channels;
	ListCell   *cell;
	List	   *leased = NIL;
	TimestampTz now;
	VrSpi		spi;

	vr_require_writable("vr_claim_messages()");
	if (PG_ARGISNULL(1) || lease == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(1) ? "max" : "lease")));
	max = PG_GETARG_INT32(1);
	if (max < 1 || max > MAX_CLAIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must be between 1 and %d", MAX_CLAIM)));

	InitMaterializedSRF(fcinfo, 0);
	vr_spi_begin(&spi);
	now = vr_now();
	empty_outbox(now);
	channels = (channel != NULL) ? list_make1(unconstify(text *, channel)) : due_channels(now);
	foreach(cell, channels)
	{
		int			look = MIN_LOOK;

		while (list_length(leased) < max &&
			   take_due(lfirst(cell), max - list_length(leased), look, now,
						vr_add_interval(now, lease), &leased))
		{
			CHECK_FOR_INTERRUPTS();
			look = Min(2 * look, MAX_LOOK);
		}
	}
	put_messages(leased, (ReturnSetInfo *) fcinfo->resultinfo);
	vr_spi_end(&spi);

	return (Datum) 0;
}
