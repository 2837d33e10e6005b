/*-------------------------------------------------------------------------
 *
 * receive.c
 *		vr_receive_message: does what a vendor wrote, once, and says what to answer.
 *
 * Who it is goes by the phone; which order, by the button, by the message that is
 * replied to, by the order's id in the text, or by being the only one that is open for
 * this vendor; what it wants, by the button or by a word.  What is not clear is not
 * guessed: the answer is a question then.
 *
 * Locking: a lock of the message comes first.  The same message in another session waits
 * there for the end of this transaction, and then gets this outcome.  After it come the
 * locks of vr_accept.
 *
 * Errors: 22023 and 22004 for arguments that no message has; 55000 for a message that
 * this transaction is receiving already.  What a vendor writes is never an error.
 *
 * IDENTIFICATION
 *	  src/receive.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "answer.h"
#include "args.h"
#include "clock.h"
#include "ids.h"
#include "json.h"
#include "lock.h"
#include "message_text.h"
#include "outcome.h"
#include "phone.h"
#include "response.h"
#include "result.h"
#include "routing.h"
#include "spi.h"
#include "vendor.h"

PG_FUNCTION_INFO_V1(vr_receive_message);

/* Longest text that is read, in bytes, and most words of one. */
#define MAX_BODY 4000
#define MAX_WORDS 40

/* Most open orders that a question names. */
#define MAX_OPEN 10

/* What a vendor wants. */
typedef enum Command
{
	COMMAND_NONE,
	COMMAND_ACCEPT,
	COMMAND_REJECT,
	COMMAND_UNCLEAR
} Command;

/* A message, and what we make of it. */
typedef struct Inbound
{
	const text *source;
	const text *message_id;
	const text *sender;
	const text *body;			/* NULL: none */
	bool		too_long;
	const Jsonb *context;		/* NULL: none */

	text	   *vendor_id;		/* NULL: nobody has this phone */
	text	   *language;		/* of the vendor; NULL: none */
	Command		command;
	bool		has_routing;
	bool		many_routings;	/* it points to more than one */
	bool		to_something;	/* it replies to a message that we do not know */
	pg_uuid_t	routing_id;
	const char *order_id;		/* of that; NULL: not known */

	const char *outcome;
	text	   *reply;
	ItemPointerData tid;		/* its row, if it is new */
} Inbound;

/* A member of an object, as text; NULL: none. */
static char *
member(const Jsonb *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = (object == NULL) ? NULL :
		getKeyJsonValueFromContainer((JsonbContainer *) &object->root,
									 key, strlen(key), &buffer);

	return (value == NULL || value->type != jbvString) ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Records that the message came in.  Returns false where it had before.
 */
static bool
insert(Inbound *inbound)
{
	static const VrStatement statement = {
		"INSERT INTO vendor_routing.inbound_messages"
		" (source, message_id, sender, body, context, received_at)"
		" VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (source, message_id) DO NOTHING"
		" RETURNING ctid",
		6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(inbound->source),
		vr_param_ptr(inbound->message_id),
		vr_param_ptr(inbound->sender),
		vr_param_ptr(inbound->body),
		vr_param_ptr(inbound->context),
		vr_param(TimestampTzGetDatum(vr_now()))
	};

	if (vr_spi_write(&statement, params) != 1)
		return false;
	inbound->tid = *(ItemPointer) DatumGetPointer(vr_spi_value(0, 1).value);
	return true;
}

/*
 * Finds whose phone it is.  WhatsApp leaves the + away.
 */
static void
find_vendor(Inbound *inbound)
{
	static const VrStatement select = {
		"SELECT " VR_E164("CASE WHEN $1 ~ '^[1-9][0-9]{6,14}$' THEN '+' || $1 ELSE $1 END"),
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(inbound->sender)};
	text	   *phone;
	Jsonb	   *attributes;
	char	   *language;

	vr_spi_read(&select, params);
	phone = vr_spi_text(0, 1);
	if (phone == NULL || !vr_vendor_by_phone(phone, &inbound->vendor_id, &attributes))
		return;
	language = member(attributes, "language");
	inbound->language = (language == NULL) ? NULL : cstring_to_text(language);
}

/*
 * The message is about this routing.
 */
static void
point_to(Inbound *inbound, const VrRouting *routing)
{
	if (inbound->has_routing &&
		memcmp(&inbound->routing_id, &routing->routing_id, UUID_LEN) != 0)
		inbound->many_routings = true;
	inbound->has_routing = true;
	inbound->routing_id = routing->routing_id;
	inbound->order_id = text_to_cstring(routing->order_id);
}

/*
 * The message is about this routing, if it is offered to the vendor in this round.
 * Returns false where it is not.
 */
static bool
note_routing(Inbound *inbound, const pg_uuid_t *routing_id)
{
	VrRouting	routing;
	VrResponse	response;

	if (!vr_routing_find(routing_id, &routing))
		return false;
	vr_response_read(&routing, inbound->vendor_id, &response);
	if (!response.invited)
		return false;
	point_to(inbound, &routing);
	return true;
}

static void
note_command(Inbound *inbound, Command command)
{
	if (inbound->command == COMMAND_NONE)
		inbound->command = command;
	else if (inbound->command != command)
		inbound->command = COMMAND_UNCLEAR;
}

/*
 * Is this a uuid as uuid_out writes it?
 */
static bool
is_uuid(const char *value)
{
	if (strlen(value) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		hyphen = (i == 8 || i == 13 || i == 18 || i == 23);

		if (hyphen ? value[i] != '-' : !isxdigit((unsigned char) value[i]))
			return false;
	}
	return true;
}

/*
 * A button that was pressed: ACCEPT:routing_id or REJECT:routing_id.
 */
static void
read_button(Inbound *inbound, const char *payload)
{
	static const struct
	{
		const char *prefix;
		Command		command;
	}			buttons[] = {{"ACCEPT:", COMMAND_ACCEPT}, {"REJECT:", COMMAND_REJECT}};

	for (int i = 0; i < lengthof(buttons); i++)
	{
		size_t		length = strlen(buttons[i].prefix);

		if (strncmp(payload, buttons[i].prefix, length) == 0 && is_uuid(payload + length))
		{
			Datum		id = DirectFunctionCall1(uuid_in, CStringGetDatum(payload + length));

			if (note_routing(inbound, DatumGetUUIDP(id)))
			{
				inbound->command = buttons[i].command;
				return;
			}
		}
	}
	inbound->command = COMMAND_UNCLEAR;
}

/*
 * A message of ours that is replied to; also of an earlier round, so that the answer to
 * it is not taken for one to another order.  One that we do not know may be a message
 * whose sender has died before it could say so.
 */
static void
read_reply_to(Inbound *inbound, const char *external_id)
{
	static const VrStatement select = {
		"SELECT DISTINCT routing_id"
		" FROM vendor_routing.messages"
		" WHERE external_id = $1 AND vendor_id = $2"
		" LIMIT 2",				/* more than one is not clear */
		2, {TEXTOID, TEXTOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(cstring_to_text(external_id)),
		vr_param_ptr(inbound->vendor_id)
	};
	int			n = (int) vr_spi_read(&select, params);
	pg_uuid_t	routing_ids[2];
	VrRouting	routing;

	inbound->to_something = (n == 0);
	for (int i = 0; i < n; i++)
		routing_ids[i] = *DatumGetUUIDP(vr_spi_value(i, 1).value);
	for (int i = 0; i < n; i++)
	{
		if (vr_routing_find(&routing_ids[i], &routing))
			point_to(inbound, &routing);
	}
}

/* What may stand around a word; and how much of it on each side may be part of an id. */
#define PUNCTUATION "#.,:;!\"'()[]*"
#define MAX_PUNCTUATION 3

/* A word of the text. */
typedef struct WrittenWord
{
	text	   *written;
	char	   *lower;			/* without punctuation around it */
	char	   *lower_ascii;
} WrittenWord;

static bool
is_punctuation(char c)
{
	return c != '\0' && strchr(PUNCTUATION, c) != NULL;
}

static bool
note_part(Inbound *inbound, const char *word, int length)
{
	return note_routing(inbound,
						vr_make_routing_id(cstring_to_text_with_len(word, length)));
}

/*
 * Is a word the id of an order that was offered to the vendor?  As it is written, or else
 * without some of the punctuation, which may belong to the id or to the text: then all that
 * are count.
 */
static bool
note_id(Inbound *inbound, const text *written)
{
	const char *word = VARDATA_ANY(written);
	int			length = VARSIZE_ANY_EXHDR(written);
	int			before = 0;
	int			after = 0;
	bool		is_id = false;

	if (note_routing(inbound, vr_make_routing_id(written)))
		return true;
	while (before < length && is_punctuation(word[before]))
		before++;
	while (after < length - before && is_punctuation(word[length - 1 - after]))
		after++;
	if (before == length)
		return false;
	for (int i = 0; i <= Min(before, MAX_PUNCTUATION); i++)
	{
		for (int j = 0; j <= Min(after, MAX_PUNCTUATION); j++)
		{
			if (i + j > 0 && note_part(inbound, word + i, length - i - j))
				is_id = true;
		}
	}
	if (Max(before, after) > MAX_PUNCTUATION &&
		note_part(inbound, word + before, length - before - after))
		is_id = true;
	return is_id;
}

/*
 * Reads the words of the text.  Each must be known, or be the id of an order that was
 * offered to the vendor.
 */
static void
read_body(Inbound *inbound)
{
	static const VrStatement select = {
		"SELECT w.word,"
		" pg_catalog.lower(pg_catalog.btrim(w.word, $$" PUNCTUATION "$$)),"
		" pg_catalog.lower(pg_catalog.btrim(w.word, $$" PUNCTUATION "$$) COLLATE \"C\")"
		" FROM pg_catalog.regexp_split_to_table($1, E'\\\\s+') AS w (word)"
		" WHERE w.word <> '' LIMIT 41",
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(inbound->body)};
	uint64		n = vr_spi_read(&select, params);
	WrittenWord *words = palloc(Max(n, 1) * sizeof(WrittenWord));

	StaticAssertStmt(MAX_WORDS == 40, "the LIMIT above");
	for (uint64 i = 0; i < n; i++)
	{
		words[i].written = vr_spi_text(i, 1);
		words[i].lower = text_to_cstring(vr_spi_text(i, 2));
		words[i].lower_ascii = text_to_cstring(vr_spi_text(i, 3));
	}
	if (n > MAX_WORDS || inbound->too_long)
		inbound->command = COMMAND_UNCLEAR;

	for (uint64 i = 0; i < n && inbound->command != COMMAND_UNCLEAR; i++)
	{
		bool		is_id = note_id(inbound, words[i].written);
		VrWord		word = (words[i].lower[0] == '\0') ? VR_WORD_NOTHING :
			vr_word(inbound->language, words[i].lower);

		/* To a Turkish database, the small letters of ACEITO are not aceito. */
		if (word == VR_WORD_UNKNOWN)
			word = vr_word(inbound->language, words[i].lower_ascii);

		/* It must be one or the other. */
		if (is_id == (word != VR_WORD_UNKNOWN))
			inbound->command = COMMAND_UNCLEAR;
		else if (word == VR_WORD_ACCEPT)
			note_command(inbound, COMMAND_ACCEPT);
		else if (word == VR_WORD_REJECT)
			note_command(inbound, COMMAND_REJECT);
	}
}

/*
 * The orders that are open for the vendor: the ids for a question, and of the only
 * one also the routing, where the message points to nothing.
 */
static char *
read_open(Inbound *inbound, int *nopen)
{
	static const VrStatement select = {
		"SELECT t.routing_id, t.order_id"
		" FROM vendor_routing.responses AS r"
		" JOIN LATERAL (SELECT t.routing_id, t.order_id, t.round, t.status"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = r.routing_id" VR_BY_KEY ") AS t ON t.round = r.round"
		" WHERE r.vendor_id = $1 AND r.expires_at > $2"
		" AND (r.response IS NULL OR r.response = 'ACCEPT')"
		" AND t.status = 'PENDING'"
		" ORDER BY r.expires_at, t.order_id"
		" LIMIT 10",
		2, {TEXTOID, TIMESTAMPTZOID},
		.joins = true
	};
	NullableDatum params[] = {
		vr_param_ptr(inbound->vendor_id),
		vr_param(TimestampTzGetDatum(vr_now()))
	};
	StringInfoData orders;

	StaticAssertStmt(MAX_OPEN == 10, "the LIMIT above");
	*nopen = vr_spi_read(&select, params);
	initStringInfo(&orders);
	for (int i = 0; i < *nopen; i++)
		appendStringInfo(&orders, "%s%s", i > 0 ? ", " : "",
						 text_to_cstring(vr_spi_text(i, 2)));
	if (*nopen == 1 && !inbound->has_routing && !inbound->to_something)
	{
		inbound->has_routing = true;
		inbound->routing_id = *DatumGetUUIDP(vr_spi_value(0, 1).value);
		inbound->order_id = text_to_cstring(vr_spi_text(0, 2));
	}
	return orders.data;
}

static bool
is_clear(const Inbound *inbound)
{
	return (inbound->command == COMMAND_ACCEPT || inbound->command == COMMAND_REJECT) &&
		inbound->has_routing && !inbound->many_routings;
}

/*
 * Finds out what the message wants, of which order.  Returns whether that is clear;
 * if not, the outcome says why.
 */
static bool
understand(Inbound *inbound, char **open)
{
	char	   *payload = member(inbound->context, "payload");
	char	   *reply_to = member(inbound->context, "reply_to");
	int			nopen = 0;

	if (payload != NULL)
		read_button(inbound, payload);
	else
	{
		if (reply_to != NULL)
			read_reply_to(inbound, reply_to);
		if (inbound->body != NULL)
			read_body(inbound);
	}

	/* Not asked in vain: at SERIALIZABLE it can conflict with other vendors' answers. */
	if (!is_clear(inbound))
		*open = read_open(inbound, &nopen);
	if (is_clear(inbound))
		return true;
	inbound->outcome = (nopen == 0) ? "NO_OFFER" : "AMBIGUOUS";
	inbound->has_routing = false;
	return false;
}

/*
 * Does what the vendor wants.
 */
static void
obey(Inbound *inbound)
{
	Jsonb	   *payload = vr_json({"source", .string = vr_cstring(inbound->source)},
								  {"message_id", .string = vr_cstring(inbound->message_id)});
	VrRouting	routing;
	VrOutcome	outcome = (inbound->command == COMMAND_ACCEPT) ?
		vr_accept_order(&inbound->routing_id, inbound->vendor_id, payload, &routing) :
		vr_reject_order(&inbound->routing_id, inbound->vendor_id, payload, &routing);

	inbound->outcome = vr_outcome_name(outcome);
}

/*
 * Writes down what came of the message.
 */
static void
finish(const Inbound *inbound)
{
	static const VrStatement update = {
		"UPDATE vendor_routing.inbound_messages"
		" SET vendor_id = $2, routing_id = $3, outcome = $4, reply = $5"
		" WHERE ctid = $1",
		5, {TIDOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID}
	};
	NullableDatum params[] = {
		vr_param_tid(&inbound->tid),
		vr_param_ptr(inbound->vendor_id),
		vr_param_ptr(inbound->has_routing ? &inbound->routing_id : NULL),
		vr_param_ptr(cstring_to_text(inbound->outcome)),
		vr_param_ptr(inbound->reply)
	};

	vr_spi_write_exactly(&update, params, 1);
}

/*
 * What came of the message when it came in first.
 */
static void
read_first(Inbound *inbound)
{
	static const VrStatement select = {
		"SELECT vendor_id, routing_id, outcome, reply"
		" FROM vendor_routing.inbound_messages"
		" WHERE source = $1 AND message_id = $2",
		2, {TEXTOID, TEXTOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(inbound->source),
		vr_param_ptr(inbound->message_id)
	};
	NullableDatum routing_id;

	if (vr_spi_read(&select, params) != 1)
		vr_spi_not_written();	/* LCOV_EXCL_LINE: it is kept for ever */
	if (vr_spi_value(0, 3).isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message \"%s\" of source \"%s\" is being received",
						text_to_cstring(inbound->message_id),
						text_to_cstring(inbound->source)),
				 errhint("A trigger must not receive the message that it is called for.")));
	inbound->vendor_id = vr_spi_text(0, 1);
	routing_id = vr_spi_value(0, 2);
	inbound->has_routing = !routing_id.isnull;
	if (!routing_id.isnull)
		inbound->routing_id = *DatumGetUUIDP(routing_id.value);
	inbound->outcome = vr_cstring(vr_spi_text(0, 3));
	inbound->reply = vr_spi_text(0, 4);
}

static Inbound
inbound_from_args(FunctionCallInfo fcinfo)
{
	Inbound		inbound = {
		.source = vr_arg_id(fcinfo, 0, "source"),
		.message_id = vr_arg_id(fcinfo, 1, "message_id"),
		.sender = vr_arg_id(fcinfo, 2, "sender"),
		.context = vr_arg_optional_object(fcinfo, 4, "context")
	};

	inbound.body = vr_arg_clipped_text(fcinfo, 3, MAX_BODY, &inbound.too_long);
	return inbound;
}

/*
 * vr_receive_message(source text, message_id text, sender text, "text" text,
 *					  context jsonb)
 *
 * The same message again gets the first outcome, and changes nothing.
 */
Datum
vr_receive_message(PG_FUNCTION_ARGS)
{
	static VrResult result = {
		5, {
			{"outcome", TEXTOID},
			{"reply", TEXTOID},
			{"vendor_id", TEXTOID},
			{"routing_id", UUIDOID},
			{"duplicate", BOOLOID}
		}
	};
	Inbound		inbound = inbound_from_args(fcinfo);
	bool		is_new;
	bool		clear = false;
	char	   *open = NULL;
	VrSpi		spi;

	vr_require_writable("vr_receive_message()");

	vr_spi_begin(&spi);
	vr_lock_inbound(inbound.source, inbound.message_id);
	is_new = insert(&inbound);
	if (!is_new)
		read_first(&inbound);
	else
	{
		find_vendor(&inbound);
		if (inbound.vendor_id == NULL)
			inbound.outcome = "UNKNOWN_SENDER";
		else
			clear = understand(&inbound, &open);
	}
	vr_spi_end(&spi);

	if (clear)
		obey(&inbound);

	if (is_new)
	{
		VrTextValues values = {.order = inbound.order_id, .orders = open};

		vr_spi_begin(&spi);
		if (inbound.vendor_id != NULL)
			inbound.reply = vr_message_text(inbound.language, inbound.outcome, &values);
		finish(&inbound);
		vr_spi_end(&spi);
	}

	PG_RETURN_DATUM(vr_result_row(fcinfo, &result, (NullableDatum[]) {
		vr_param_ptr(cstring_to_text(inbound.outcome)),
		vr_param_ptr(inbound.reply),
		vr_param_ptr(inbound.vendor_id),
		vr_param_ptr(inbound.has_routing ? &inbound.routing_id : NULL),
		vr_param(BoolGetDatum(!is_new))
	}));
}
