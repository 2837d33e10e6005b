/*-------------------------------------------------------------------------
 *
 * check.c
 *		vr_check: proves the invariants of the whole database.
 *
 * Each invariant is a query for the rows that break it, in checks[].  All run
 * on the snapshot of the calling query, so that what other sessions do in the
 * meantime is not mistaken for a violation.
 *
 * With repair, the loads of vendors are counted anew, each under the lock of
 * the vendor's row, and nothing else is touched.
 *
 * IDENTIFICATION
 *	  src/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "args.h"
#include "attachment.h"
#include "clock.h"
#include "spi.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_check);

/* An answer that may still win. */
#define LIVE "(r.response IS NULL OR r.response = 'ACCEPT')"

/*
 * An invariant: a name for its violations, and a query for them that returns
 * order_id, vendor_id and what is wrong.
 */
typedef struct Check
{
	const char *violation;
	VrStatement statement;
} Check;

#define CHECK(violation, sql) {violation, {sql, 0, {0}, .joins = true}}

static const Check checks[] = {
	CHECK("WINNER_NOT_INVITED",
		  "SELECT t.order_id, t.locked_vendor_id,"
		  " 'has the order without an offer in round ' || t.round::text"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.locked_vendor_id IS NOT NULL AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.responses AS r"
		  "  WHERE r.routing_id = t.routing_id AND r.round = t.round"
		  "  AND r.vendor_id = t.locked_vendor_id)"),

	CHECK("WINS_DO_NOT_ADD_UP",
		  "SELECT t.order_id, t.locked_vendor_id,"
		  " e.wins::text || ' wins and ' || t.releases::text || ' releases on record'"
		  " FROM vendor_routing.routings AS t"
		  " CROSS JOIN LATERAL ("
		  "  SELECT count(*) AS wins"
		  "  FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = t.routing_id"
		  "  AND e.event_type IN ('VENDOR_ACCEPTED', 'VENDOR_ASSIGNED')) AS e"
		  " WHERE e.wins <> t.releases"
		  "  + CASE WHEN t.locked_vendor_id IS NULL THEN 0 ELSE 1 END"),

	CHECK("WIN_WITHOUT_EVENT",
		  "SELECT t.order_id, t.locked_vendor_id,"
		  " 'won at ' || t.locked_at::text"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.locked_vendor_id IS NOT NULL AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = t.routing_id AND e.vendor_id = t.locked_vendor_id"
		  "  AND e.occurred_at = t.locked_at"
		  "  AND e.event_type IN ('VENDOR_ACCEPTED', 'VENDOR_ASSIGNED'))"),

	CHECK("LOSER_NOT_TOLD",
		  "SELECT t.order_id, r.vendor_id,"
		  " 'the order is ' || t.status || ', and there is no cancellation'"
		  " FROM vendor_routing.routings AS t"
		  " JOIN vendor_routing.responses AS r"
		  "      ON r.routing_id = t.routing_id AND r.round = t.round"
		  " WHERE t.status IN ('LOCKED', 'COMPLETED', 'CANCELLED', 'EXPIRED')"
		  " AND (t.status = 'CANCELLED' OR r.vendor_id IS DISTINCT FROM t.locked_vendor_id)"
		  " AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.cancellations AS c"
		  "  WHERE c.routing_id = r.routing_id AND c.round = r.round"
		  "  AND c.vendor_id = r.vendor_id)"),

	CHECK("TOLD_TOO_MUCH",
		  "SELECT t.order_id, c.vendor_id,"
		  " 'the order is ' || t.status || ', and there is a cancellation: ' || c.reason"
		  " FROM vendor_routing.routings AS t"
		  " JOIN vendor_routing.cancellations AS c"
		  "      ON c.routing_id = t.routing_id AND c.round = t.round"
		  " WHERE t.status IN ('PENDING', 'EXHAUSTED')"
		  " OR t.status IN ('LOCKED', 'COMPLETED') AND c.vendor_id = t.locked_vendor_id"),

	/* An ACCEPT whose time has come and that could not win is tried again later. */
	CHECK("WRONG_DEADLINE",
		  "SELECT t.order_id, NULL::text,"
		  " 'next_deadline is ' || coalesce(t.next_deadline::text, 'not set')"
		  "  || ', and something is due at ' || d.due::text"
		  " FROM vendor_routing.routings AS t"
		  " CROSS JOIN LATERAL ("
		  "  SELECT CASE t.status"
		  "   WHEN 'PENDING' THEN least(t.expires_at, t.next_wave_at,"
		  "    (SELECT min(r.expires_at) FROM vendor_routing.responses AS r"
		  "     WHERE r.routing_id = t.routing_id AND r.round = t.round"
		  "     AND (r.response IS NULL"
		  "          OR r.response = 'ACCEPT' AND r.expires_at > clock_timestamp())))"
		  "   WHEN 'EXHAUSTED' THEN t.expires_at"
		  "   WHEN 'LOCKED' THEN CASE WHEN t.confirmed_at IS NULL THEN t.confirm_by END"
		  "  END AS due) AS d"
		  " WHERE d.due IS NOT NULL AND (t.next_deadline <= d.due) IS NOT TRUE"),

	CHECK("OFFER_OUTLIVES_ORDER",
		  "SELECT t.order_id, r.vendor_id,"
		  " 'the offer ends at ' || r.expires_at::text || ', the order at ' || t.expires_at::text"
		  " FROM vendor_routing.routings AS t"
		  " JOIN vendor_routing.responses AS r ON r.routing_id = t.routing_id"
		  " WHERE r.expires_at > t.expires_at"),

	/* Who answers when the order's time is over ends nothing; the next tick does. */
	CHECK("STUCK",
		  "SELECT t.order_id, NULL::text,"
		  " 'is PENDING in round ' || t.round::text || ', and nobody can win it'"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.status = 'PENDING' AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.responses AS r"
		  "  WHERE r.routing_id = t.routing_id AND r.round = t.round"
		  "  AND (" LIVE " OR r.responded_at >= t.expires_at))"),

	CHECK("ROUNDS_DO_NOT_ADD_UP",
		  "SELECT t.order_id, NULL::text,"
		  " 'is in round ' || t.round::text || ', with ' || t.releases::text"
		  "  || ' releases, and on record are ' || e.released::text || ' and '"
		  "  || e.retried::text || ' retries'"
		  " FROM vendor_routing.routings AS t"
		  " CROSS JOIN LATERAL ("
		  "  SELECT count(*) FILTER (WHERE e.event_type = 'VENDOR_RELEASED') AS released,"
		  "   count(*) FILTER (WHERE e.event_type = 'ORDER_RETRIED') AS retried"
		  "  FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = t.routing_id) AS e"
		  " WHERE t.releases <> e.released OR t.round <> 1 + e.released + e.retried"),

	CHECK("STATE_WITHOUT_EVENT",
		  "SELECT t.order_id, NULL::text,"
		  " 'is ' || t.status || ', and no event says so'"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.status IN ('EXHAUSTED', 'EXPIRED', 'CANCELLED', 'COMPLETED')"
		  " AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = t.routing_id"
		  "  AND e.event_type = 'ORDER_' || t.status)"),

	CHECK("CONFIRMATION_WITHOUT_EVENT",
		  "SELECT t.order_id, t.locked_vendor_id,"
		  " 'confirmed at ' || t.confirmed_at::text"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.confirmed_at IS NOT NULL AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = t.routing_id AND e.occurred_at = t.confirmed_at"
		  "  AND e.event_type = 'VENDOR_CONFIRMED')"),

	CHECK("ANSWER_WITHOUT_EVENT",
		  "SELECT t.order_id, r.vendor_id,"
		  " 'answered ' || r.response || ' at ' || r.responded_at::text"
		  " FROM vendor_routing.responses AS r"
		  " JOIN vendor_routing.routings AS t ON t.routing_id = r.routing_id"
		  " WHERE r.response IS NOT NULL AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = r.routing_id AND e.vendor_id = r.vendor_id"
		  "  AND e.occurred_at = r.responded_at)"),

	CHECK("WAVE_WITHOUT_EVENT",
		  "SELECT DISTINCT t.order_id, NULL::text,"
		  " 'offers of wave ' || r.wave::text || ' in round ' || r.round::text"
		  " FROM vendor_routing.responses AS r"
		  " JOIN vendor_routing.routings AS t ON t.routing_id = r.routing_id"
		  " WHERE r.reason IS DISTINCT FROM 'ASSIGNED' AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.events AS e"
		  "  WHERE e.routing_id = r.routing_id"
		  "  AND e.event_type IN ('VENDOR_BROADCAST_INITIATED', 'VENDOR_WAVE_OPENED')"
		  "  AND (e.payload ->> 'round')::int4 = r.round"
		  "  AND (e.payload ->> 'wave')::int4 = r.wave)"),

	CHECK("ORPHAN_OFFER",
		  "SELECT NULL::text, r.vendor_id,"
		  " 'routing ' || r.routing_id::text || ', round ' || r.round::text"
		  " FROM vendor_routing.responses AS r"
		  " WHERE NOT EXISTS ("
		  "  SELECT FROM vendor_routing.routings AS t"
		  "  WHERE t.routing_id = r.routing_id AND t.round >= r.round)"),

	CHECK("ORPHAN_CANCELLATION",
		  "SELECT NULL::text, c.vendor_id,"
		  " 'routing ' || c.routing_id::text || ', round ' || c.round::text"
		  " FROM vendor_routing.cancellations AS c"
		  " WHERE NOT EXISTS ("
		  "  SELECT FROM vendor_routing.responses AS r"
		  "  WHERE r.routing_id = c.routing_id AND r.round = c.round"
		  "  AND r.vendor_id = c.vendor_id)"),

	CHECK("ORPHAN_EVENT",
		  "SELECT e.order_id, e.vendor_id,"
		  " e.event_type || ' of routing ' || e.routing_id::text"
		  " FROM vendor_routing.events AS e"
		  " WHERE NOT EXISTS ("
		  "  SELECT FROM vendor_routing.routings AS t"
		  "  WHERE t.routing_id = e.routing_id AND t.order_id = e.order_id)"),

	CHECK("NOT_IN_OUTBOX",
		  "SELECT t.order_id, NULL::text,"
		  " 'is ' || t.status || ', and senders do not see it'"
		  " FROM vendor_routing.routings AS t"
		  " WHERE t.status IN ('PENDING', 'EXHAUSTED') AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.outbox AS o"
		  "  WHERE o.routing_id = t.routing_id)"),

	CHECK("UNKNOWN_VENDOR",
		  "SELECT t.order_id, r.vendor_id,"
		  " 'has an offer or the order, and is not in the registry'"
		  " FROM vendor_routing.routings AS t"
		  " JOIN vendor_routing.responses AS r"
		  "      ON r.routing_id = t.routing_id AND r.round = t.round"
		  " WHERE (t.status = 'PENDING'"
		  "        OR t.status = 'LOCKED' AND r.vendor_id = t.locked_vendor_id)"
		  " AND NOT EXISTS ("
		  "  SELECT FROM vendor_routing.vendors AS v"
		  "  WHERE v.vendor_id = r.vendor_id)")
};

/* The one that can be repaired. */
static const VrStatement wrong_loads = {
	"SELECT v.vendor_id, v.current_orders, coalesce(l.orders, 0)"
	" FROM vendor_routing.vendors AS v"
	" LEFT JOIN (SELECT t.locked_vendor_id, count(*)::int4 AS orders"
	"            FROM vendor_routing.routings AS t"
	"            WHERE t.status = 'LOCKED'"
	"            GROUP BY t.locked_vendor_id) AS l"
	"      ON l.locked_vendor_id = v.vendor_id"
	" WHERE v.current_orders <> coalesce(l.orders, 0)",
	0, {0},
	.joins = true
};

static void
put(ReturnSetInfo *rsinfo, const char *violation, NullableDatum order_id,
	NullableDatum vendor_id, NullableDatum detail, bool repaired)
{
	Datum		values[] = {
		CStringGetTextDatum(violation), order_id.value, vendor_id.value,
		detail.value, BoolGetDatum(repaired)
	};
	bool		nulls[] = {
		false, order_id.isnull, vendor_id.isnull, detail.isnull, false
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
run_check(ReturnSetInfo *rsinfo, const Check *check)
{
	uint64		n = vr_spi_read_snapshot(&check->statement, NULL);

	for (uint64 i = 0; i < n; i++)
		put(rsinfo, check->violation, vr_spi_value(i, 1), vr_spi_value(i, 2),
			vr_spi_value(i, 3), false);
}

static void
check_loads(ReturnSetInfo *rsinfo, bool repair)
{
	uint64		n = vr_spi_read_snapshot(&wrong_loads, NULL);
	List	   *vendor_ids = NIL;
	List	   *details = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		vendor_ids = lappend(vendor_ids, vr_spi_text(i, 1));
		details = lappend(details,
						  psprintf("current_orders is %d, and it has %d",
								   DatumGetInt32(vr_spi_value(i, 2).value),
								   DatumGetInt32(vr_spi_value(i, 3).value)));
	}
	for (uint64 i = 0; i < n; i++)
	{
		const text *vendor_id = list_nth(vendor_ids, i);
		bool		repaired = repair &&
			vr_vendor_recount(vendor_id, list_nth(details, i), vr_now());

		put(rsinfo, "WRONG_LOAD", vr_param_ptr(NULL), vr_param_ptr(vendor_id),
			vr_param_ptr(cstring_to_text(list_nth(details, i))), repaired);
	}
}

static void
put_order_drift(const text *order_id, const text *vendor_id, const char *detail,
				void *arg)
{
	put(arg, "ATTACHED_ORDER_DIFFERS", vr_param_ptr(order_id), vr_param_ptr(vendor_id),
		vr_param_ptr(cstring_to_text(detail)), false);
}

static void
put_vendor_drift(const text *order_id, const text *vendor_id, const char *detail,
				 void *arg)
{
	put(arg, "ATTACHED_VENDOR_DIFFERS", vr_param_ptr(order_id), vr_param_ptr(vendor_id),
		vr_param_ptr(cstring_to_text(detail)), false);
}

/*
 * vr_check(repair boolean)
 */
Datum
vr_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		repair = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	VrSpi		spi;

	if (repair)
		vr_require_writable("vr_check()");
	InitMaterializedSRF(fcinfo, 0);

	vr_spi_begin(&spi);
	vr_spi_allow_seqscan();
	for (int i = 0; i < lengthof(checks); i++)
		run_check(rsinfo, &checks[i]);
	vr_attached_orders_drift(put_order_drift, rsinfo);
	vr_attached_vendors_drift(put_vendor_drift, rsinfo);
	check_loads(rsinfo, repair);
	vr_spi_end(&spi);

	return (Datum) 0;
}
