/*-------------------------------------------------------------------------
 *
 * message_report.c
 *		vr_message_sent, vr_message_failed and vr_confirm_delivery: what became of
 *		messages that were claimed.
 *
 * Reports come late, again, and in any order.  One about an attempt that is known to have
 * failed, or about another's lease, must not count for the attempt that is under way.
 *
 * Locking: who reports on a message locks it, and then the cancellation behind it.
 *
 * Errors: VR006 for an unknown message.
 *
 * IDENTIFICATION
 *	  src/message_report.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "clock.h"
#include "errors.h"
#include "message.h"
#include "newest.h"
#include "settings.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(vr_message_sent);
PG_FUNCTION_INFO_V1(vr_message_failed);
PG_FUNCTION_INFO_V1(vr_confirm_delivery);

/* Longest time between two attempts, in seconds. */
#define MAX_BACKOFF 3600

static void
unknown_message(const pg_uuid_t *message_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_VR_UNKNOWN_MESSAGE),
			 errmsg("message \"%s\" does not exist",
					DatumGetCString(DirectFunctionCall1(uuid_out,
														UUIDPGetDatum(message_id))))));
}

/* What there is to know of a message before a report about it counts. */
typedef struct Message
{
	text	   *state;
	int			attempts;
	int			failed_attempt; /* 0: none */
	int			superseded_attempt; /* 0: none */
	List	   *superseded_external_ids; /* of that and before; empty: not known */
	text	   *external_id;	/* NULL: not known */
	bool		delivered;
} Message;

static text *
text_or_null(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : DatumGetTextPCopy(value);
}

static List *
texts_or_none(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? NIL : vr_texts(PointerGetDatum(PG_DETOAST_DATUM_COPY(value)));
}

/* Zero for NULL. */
static int
number_or_zero(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

/*
 * Locks a message, and reads it; VR006 where there is none.  The lock is taken directly: a
 * locking query would fail with 40001 at REPEATABLE READ where a sender's change of the
 * message is committed at this moment.
 */
static Message
lock_message(const pg_uuid_t *message_id)
{
	static const VrStatement select = {
		"SELECT ctid"
		" FROM vendor_routing.messages"
		" WHERE message_id = $1",
		1, {UUIDOID}
	};
	NullableDatum key[] = {vr_param_ptr(message_id)};
	Relation	messages = vr_open_table_to_lock("messages");
	TupleTableSlot *slot = table_slot_create(messages, NULL);
	Message		message;

	if (vr_spi_read(&select, key) == 0)
		unknown_message(message_id);
	slot->tts_tid = *(ItemPointer) DatumGetPointer(vr_spi_value(0, 1).value);
	if (vr_lock_row(messages, slot, true) != VR_ROW_LOCKED)
		unknown_message(message_id);	/* LCOV_EXCL_LINE: removed at this moment */

	message.state = text_or_null(slot, Anum_message_state);
	message.attempts = number_or_zero(slot, Anum_message_attempts);
	message.failed_attempt = number_or_zero(slot, Anum_message_failed_attempt);
	message.superseded_attempt = number_or_zero(slot, Anum_message_superseded_attempt);
	message.superseded_external_ids = texts_or_none(slot, Anum_message_superseded_external_ids);
	message.external_id = text_or_null(slot, Anum_message_external_id);
	if (vr_text_in(message.external_id, message.superseded_external_ids))
		message.external_id = NULL; /* stays, for replies, until there is another */
	message.delivered = !slot_attisnull(slot, Anum_message_delivered_at);
	ExecDropSingleTupleTableSlot(slot);
	table_close(messages, NoLock);
	return message;
}

/*
 * The attempt that is reported on: as in the column of vr_claim_messages; 0: not told.
 */
static int
arg_attempt(FunctionCallInfo fcinfo, int argno)
{
	int			attempt = PG_ARGISNULL(argno) ? 0 : PG_GETARG_INT32(argno);

	if (!PG_ARGISNULL(argno) && attempt < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("attempt must be 1 or more")));
	return attempt;
}

/*
 * A message went out after all, or may have.  If the end of the order is the last that
 * this vendor heard of it, or was dropped since it knew of nothing, it is to hear it after
 * that: again, if it has been sent.
 */
static void
revive_cancellation(const pg_uuid_t *message_id, bool again, TimestampTz now)
{
	static const VrStatement select = {
		"SELECT l.message_id, l.kind = 'CANCELLATION'"
		" FROM vendor_routing.messages AS m"
		" CROSS JOIN LATERAL (SELECT l.message_id, l.kind"
		"  FROM vendor_routing.messages AS l"
		"  WHERE l.routing_id = m.routing_id AND l.vendor_id = m.vendor_id"
		"  AND (l.round, " VR_KIND_ORDER("l") ") > (m.round, " VR_KIND_ORDER("m") ")"
		"  AND (l.state <> 'DROPPED' OR l.round = m.round AND l.kind = 'CANCELLATION') IS TRUE"
		"  ORDER BY l.round DESC, " VR_KIND_ORDER("l") " DESC LIMIT 1) AS l"
		" WHERE m.message_id = $1 AND m.kind <> 'CANCELLATION'",
		1, {UUIDOID},
		.joins = true
	};
	static const VrStatement revive = {
		"UPDATE vendor_routing.messages"
		" SET state = 'QUEUED', due_at = $2"
		" WHERE message_id = $1",
		2, {UUIDOID, TIMESTAMPTZOID}
	};
	static const VrStatement supersede = {
		"UPDATE vendor_routing.messages"
		" SET state = 'QUEUED', due_at = $2, sent_at = NULL, delivered_at = NULL, read_at = NULL,"
		"     superseded_attempt = attempts,"
		"     superseded_external_ids = pg_catalog.array_append(superseded_external_ids,"
		"      CASE WHEN external_id IS NULL OR external_id = ANY (superseded_external_ids)"
		"       THEN '' ELSE external_id END)"
		" WHERE message_id = $1",
		2, {UUIDOID, TIMESTAMPTZOID}
	};
	NullableDatum key[] = {vr_param_ptr(message_id)};
	pg_uuid_t	cancellation;
	NullableDatum params[] = {
		vr_param_ptr(&cancellation),
		vr_param(TimestampTzGetDatum(now))
	};
	Message		last;

	if (vr_spi_write(&select, key) == 0 || !DatumGetBool(vr_spi_value(0, 2).value))
		return;
	cancellation = *DatumGetUUIDP(vr_spi_value(0, 1).value);
	last = lock_message(&cancellation);
	if (vr_text_is(last.state, "DROPPED"))
		vr_spi_write_exactly(&revive, params, 1);
	else if (again && vr_text_is(last.state, "SENT") && last.attempts < vr_message_attempts)
	{
		vr_spi_write_exactly(&supersede, params, 1);
		vr_cancellation_mark(&cancellation, true);
	}
}

/*
 * Is the attempt that is reported as sent, 0 for the last one, one that a receipt has said
 * failed, or that has to be made again?
 */
static bool
is_void(const Message *message, int attempt)
{
	return !vr_text_is(message->state, "SENT") &&
		(attempt == 0 ? message->attempts : attempt) <=
		Max(message->failed_attempt, message->superseded_attempt);
}

/*
 * vr_message_sent(message_id uuid, external_id text, attempt integer) returns boolean
 *
 * It went out, whatever we thought of it, unless a receipt has said what became of that, or
 * it has to go out again.
 */
Datum
vr_message_sent(PG_FUNCTION_ARGS)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.messages"
		" SET state = 'SENT', sent_at = coalesce(sent_at, $2),"
		"     external_id = CASE WHEN $4 <= superseded_attempt THEN external_id"
		"      ELSE coalesce($3, external_id) END,"
		/* Some channels call each attempt the same. */
		"     superseded_external_ids = CASE WHEN $4 <= superseded_attempt OR $3 IS NULL"
		"      THEN superseded_external_ids"
		"      ELSE pg_catalog.array_remove(superseded_external_ids, $3) END,"
		"     error = NULL"
		" WHERE message_id = $1",
		4, {UUIDOID, TIMESTAMPTZOID, TEXTOID, INT4OID}
	};
	static const VrStatement name = {
		"UPDATE vendor_routing.messages"
		" SET external_id = CASE WHEN $4 <= superseded_attempt THEN external_id"
		"      ELSE coalesce($3, external_id) END,"
		"     superseded_external_ids = CASE WHEN $4 <= superseded_attempt AND $3 IS NOT NULL"
		"      THEN pg_catalog.array_replace(superseded_external_ids, '', $3)"
		"      ELSE superseded_external_ids END"
		" WHERE message_id = $1",
		4, {UUIDOID, TIMESTAMPTZOID, TEXTOID, INT4OID}
	};
	const pg_uuid_t *message_id = vr_arg_uuid(fcinfo, 0, "message_id");
	NullableDatum params[4] = {
		vr_param_ptr(message_id),
		vr_param(TimestampTzGetDatum(vr_now())),
		vr_param_ptr(vr_arg_optional_id(fcinfo, 1, "external_id"))
	};
	int			attempt = arg_attempt(fcinfo, 2);
	Message		message;
	bool		counts;
	bool		is_new;
	VrSpi		spi;

	vr_require_writable("vr_message_sent()");

	vr_spi_begin(&spi);
	message = lock_message(message_id);
	counts = !is_void(&message, attempt);
	is_new = (counts && !vr_text_is(message.state, "SENT"));
	params[3] = vr_param(Int32GetDatum(attempt == 0 ? message.attempts : attempt));
	vr_spi_write_exactly(counts ? &update : &name, params, 1);
	if (counts)
	{
		vr_cancellation_mark(message_id, false);
		revive_cancellation(message_id, is_new, vr_now());
	}
	vr_spi_end(&spi);

	PG_RETURN_BOOL(is_new);
}

/*
 * Lets a message that did not go out, or (failed) not arrive, be tried again after a while
 * that grows with the attempts, or gives it up.  Returns its state.  One that the
 * vendor's next message has made void is looked at now, so as not to keep that back.
 */
static text *
try_again(const pg_uuid_t *message_id, const text *error, bool may_have_arrived, bool failed)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.messages AS m"
		" SET state = CASE WHEN attempts >= $5 THEN 'DEAD' ELSE 'QUEUED' END,"
		"     due_at = CASE WHEN kind <> 'CANCELLATION' AND EXISTS ("
		"       SELECT FROM vendor_routing.messages AS n"
		"       WHERE n.routing_id = m.routing_id AND n.vendor_id = m.vendor_id"
		"       AND (n.round, " VR_KIND_ORDER("n") ") > (m.round, " VR_KIND_ORDER("m") "))"
		"      THEN $2"
		"      ELSE $2 + least($6::float8 * 2 ^ least(attempts - 1, 30), $7::float8)"
		"       * (0.5 + random()) * interval '1 s' END,"
		"     sent_at = NULL, error = $3, may_have_arrived = may_have_arrived OR $4,"
		"     failed_attempt = CASE WHEN $8 THEN attempts ELSE failed_attempt END"
		" WHERE message_id = $1"
		" RETURNING CASE state WHEN 'QUEUED' THEN 'RETRY' ELSE state END",
		8, {UUIDOID, TIMESTAMPTZOID, TEXTOID, BOOLOID, INT4OID, INT4OID, INT4OID, BOOLOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(message_id),
		vr_param(TimestampTzGetDatum(vr_now())),
		vr_param_ptr(error),
		vr_param(BoolGetDatum(may_have_arrived)),
		vr_param(Int32GetDatum(vr_message_attempts)),
		vr_param(Int32GetDatum(vr_message_backoff)),
		vr_param(Int32GetDatum(MAX_BACKOFF)),
		vr_param(BoolGetDatum(failed))
	};

	vr_spi_write_exactly(&update, params, 1);
	return vr_spi_text(0, 1);
}

/*
 * vr_message_failed(message_id uuid, error text, may_have_arrived boolean,
 *					 attempt integer) returns text
 *
 * An attempt that is over does not end the lease of another sender.
 */
Datum
vr_message_failed(PG_FUNCTION_ARGS)
{
	static const VrStatement note = {
		"UPDATE vendor_routing.messages"
		" SET may_have_arrived = true"
		" WHERE message_id = $1 AND state <> 'SENT'",
		1, {UUIDOID}
	};
	const pg_uuid_t *message_id = vr_arg_uuid(fcinfo, 0, "message_id");
	bool		clipped;
	const text *error = vr_arg_clipped_text(fcinfo, 1, VR_MAX_TEXT_LENGTH, &clipped);
	bool		may_have_arrived = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	int			attempt = arg_attempt(fcinfo, 3);
	NullableDatum params[] = {vr_param_ptr(message_id)};
	Message		message;
	text	   *state;
	VrSpi		spi;

	vr_require_writable("vr_message_failed()");

	vr_spi_begin(&spi);
	message = lock_message(message_id);
	state = message.state;
	if ((vr_text_is(state, "LEASED") || vr_text_is(state, "QUEUED")) &&
		(attempt == 0 || attempt == message.attempts))
		state = try_again(message_id, error, may_have_arrived, false);
	else if (may_have_arrived && vr_spi_write(&note, params) == 1)
		revive_cancellation(message_id, false, vr_now());
	vr_spi_end(&spi);

	PG_RETURN_TEXT_P(state);
}

/*
 * Is a receipt, which may have no id, about the attempt that the channel calls so?
 */
static bool
is_about(const text *external_id, const text *attempt_id)
{
	return external_id != NULL && vr_text_eq(external_id, attempt_id);
}

/*
 * Does a receipt that says FAILED say something new?  One that comes before the sender has
 * reported is about its attempt; one with the external id of an attempt that was reported
 * before is not.
 */
static bool
fails_now(const Message *message, const text *external_id)
{
	if (vr_text_is(message->state, "LEASED"))
		return !is_about(external_id, message->external_id);
	return vr_text_is(message->state, "SENT") && !message->delivered &&
		(external_id == NULL || message->external_id == NULL ||
		 is_about(external_id, message->external_id));
}

/*
 * Is a receipt about an attempt that has to be made again, or was made again?  Where that is
 * not known, it is.
 */
static bool
is_superseded(const Message *message, const text *external_id)
{
	bool		unknown = vr_text_in(cstring_to_text(""), message->superseded_external_ids);

	if (message->superseded_attempt == 0)
		return false;
	if (message->attempts == message->superseded_attempt ||
		(external_id != NULL && vr_text_in(external_id, message->superseded_external_ids)))
		return true;
	if (!vr_text_is(message->state, "SENT"))
		return external_id == NULL || unknown;
	return unknown && external_id != NULL && message->external_id != NULL &&
		!is_about(external_id, message->external_id);
}

/*
 * vr_confirm_delivery(message_id uuid, status text, at timestamptz, external_id text)
 *		returns boolean
 *
 * Receipts come in any order, and again: READ is DELIVERED too, and what has arrived
 * has not failed.
 */
Datum
vr_confirm_delivery(PG_FUNCTION_ARGS)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.messages"
		" SET state = 'SENT', sent_at = coalesce(sent_at, $2),"
		"     delivered_at = coalesce(delivered_at, $2),"
		"     read_at = CASE WHEN $3 THEN coalesce(read_at, $2) ELSE read_at END,"
		"     external_id = CASE WHEN external_id IS NULL"
		"      OR external_id = ANY (superseded_external_ids)"
		"      THEN coalesce($4, external_id) ELSE external_id END,"
		"     error = NULL"
		" WHERE message_id = $1 AND (delivered_at IS NULL OR $3 AND read_at IS NULL)",
		4, {UUIDOID, TIMESTAMPTZOID, BOOLOID, TEXTOID}
	};
	const pg_uuid_t *message_id = vr_arg_uuid(fcinfo, 0, "message_id");
	const text *status = vr_arg_id(fcinfo, 1, "status");
	TimestampTz at = PG_ARGISNULL(2) ? vr_now() : PG_GETARG_TIMESTAMPTZ(2);
	const text *external_id = vr_arg_optional_id(fcinfo, 3, "external_id");
	bool		failed = vr_text_is(status, "FAILED");
	bool		read = vr_text_is(status, "READ");
	NullableDatum params[] = {
		vr_param_ptr(message_id),
		vr_param(TimestampTzGetDatum(at)),
		vr_param(BoolGetDatum(read)),
		vr_param_ptr(external_id)
	};
	Message		message;
	bool		is_new;
	VrSpi		spi;

	vr_require_writable("vr_confirm_delivery()");
	if (!failed && !read && !vr_text_is(status, "DELIVERED"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status must be DELIVERED, READ or FAILED")));
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must be finite")));

	vr_spi_begin(&spi);
	message = lock_message(message_id);
	if (is_superseded(&message, external_id))
		is_new = false;
	else if (failed)
		is_new = fails_now(&message, external_id);
	else
		is_new = (vr_spi_write(&update, params) == 1);
	if (is_new && failed)
		(void) try_again(message_id, cstring_to_text("not delivered"), false, true);
	if (is_new)
		vr_cancellation_mark(message_id, false);
	if (is_new && !failed)
		revive_cancellation(message_id, false, vr_now());
	vr_spi_end(&spi);

	PG_RETURN_BOOL(is_new);
}
