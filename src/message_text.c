/*-------------------------------------------------------------------------
 *
 * message_text.c
 *		What vendors are told, in words, and the words that they use: the tables
 *		message_texts and message_words, and what holds without them.
 *
 * A vendor's language is the member "language" of its attributes.  A text is that of
 * the table in this language, else that in English, else the one below.
 *
 * Only whole words that are known count, and a text that has any other word in it is
 * a question for the vendor: "cannot accept" is not an accept.  So a word that turns the
 * meaning around must never be among the polite ones.
 *
 * IDENTIFICATION
 *	  src/message_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "message_text.h"
#include "newest.h"
#include "spi.h"

/* The third column of both tables, after their key. */
#define Anum_value 3

static const struct
{
	const char *name;
	const char *body;
}			texts[] = {
	{"OFFER", "New order {order} from {retailer}{details}. Reply ACCEPT {order} or REJECT {order} until {until}."},
	{"WIN", "Order {order} from {retailer} is yours."},
	{VR_CANCELLED_OTHER_WON, "Order {order} went to another vendor. Thank you."},
	{VR_CANCELLED_ORDER, "Order {order} has been cancelled."},
	{VR_CANCELLED_EXPIRY, "Order {order} is no longer offered."},
	{VR_CANCELLED_RELEASED, "You have given order {order} back."},
	{VR_CANCELLED_NO_CONFIRM, "You have not confirmed order {order} in time. It is offered to others."},
	{"LOCKED", "Order {order} is yours."},
	{"ALREADY_ACCEPTED", "You have accepted order {order} already."},
	{"ALREADY_LOCKED", "Order {order} went to another vendor before you answered."},
	{"LOST_RACE", "Another vendor was faster: order {order} is taken."},
	{"NOT_INVITED", "Order {order} is not offered to you."},
	{"ALREADY_REJECTED", "You have rejected order {order} before."},
	{"EXPIRED", "The offer of order {order} has ended."},
	{"CANCELLED", "Order {order} has been cancelled."},
	{"AT_CAPACITY", "You have as many orders as you can take. Order {order} was not given to you."},
	{"BUSY", "Order {order} could not be decided. Please send your answer again."},
	{"REJECTED", "You have rejected order {order}."},
	{"NO_OFFER", "There is no open offer for you."},
	{"AMBIGUOUS", "We did not understand you. Open for you: {orders}. Reply ACCEPT or REJECT, and the order."}
};

static const struct
{
	const char *language;
	const char *word;
	VrWord		meaning;
}			words[] = {
	{"en", "accept", VR_WORD_ACCEPT}, {"en", "reject", VR_WORD_REJECT},
	{"en", "i", VR_WORD_NOTHING}, {"en", "we", VR_WORD_NOTHING},
	{"en", "order", VR_WORD_NOTHING}, {"en", "the", VR_WORD_NOTHING},
	{"en", "please", VR_WORD_NOTHING}, {"en", "thanks", VR_WORD_NOTHING},
	{"en", "thank", VR_WORD_NOTHING}, {"en", "you", VR_WORD_NOTHING},
	{"en", "hello", VR_WORD_NOTHING}, {"en", "hi", VR_WORD_NOTHING},
	{"de", "annehmen", VR_WORD_ACCEPT}, {"de", "ablehnen", VR_WORD_REJECT},
	{"de", "auftrag", VR_WORD_NOTHING}, {"de", "bitte", VR_WORD_NOTHING},
	{"de", "danke", VR_WORD_NOTHING},
	{"es", "aceptar", VR_WORD_ACCEPT}, {"es", "acepto", VR_WORD_ACCEPT},
	{"es", "rechazar", VR_WORD_REJECT}, {"es", "rechazo", VR_WORD_REJECT},
	{"es", "pedido", VR_WORD_NOTHING}, {"es", "gracias", VR_WORD_NOTHING},
	{"pt", "aceitar", VR_WORD_ACCEPT}, {"pt", "aceito", VR_WORD_ACCEPT},
	{"pt", "recusar", VR_WORD_REJECT}, {"pt", "recuso", VR_WORD_REJECT},
	{"pt", "pedido", VR_WORD_NOTHING}, {"pt", "obrigado", VR_WORD_NOTHING}
};

/* In the order of VrWord. */
static const char *const meanings[] = {"UNKNOWN", "NOTHING", "ACCEPT", "REJECT"};

static void
take_value(TupleTableSlot *slot, void *arg)
{
	bool		isnull;

	*(char **) arg = TextDatumGetCString(slot_getattr(slot, Anum_value, &isnull));
}

/*
 * What a table of ours says of a name in a language; NULL: nothing.
 */
static char *
look_up(const char *table_name, const char *language, const char *name)
{
	NullableDatum key[] = {
		vr_param_ptr(cstring_to_text(language)),
		vr_param_ptr(cstring_to_text(name))
	};
	Relation	table = vr_open_table(table_name);
	char	   *value = NULL;

	vr_newest_rows(table, lengthof(key), key, take_value, &value);
	table_close(table, NoLock);
	return value;
}

static const char *
built_in_text(const char *name)
{
	for (int i = 0; i < lengthof(texts); i++)
	{
		if (strcmp(texts[i].name, name) == 0)
			return texts[i].body;
	}
	return "{order}";			/* of a cancellation that is not on record any more */
}

/*
 * What a placeholder stands for; NULL where that is none.
 */
static const char *
value_of(const char *placeholder, size_t length, const VrTextValues *values)
{
	const struct
	{
		const char *name;
		const char *value;
	}			known[] = {
		{"{order}", values->order}, {"{orders}", values->orders},
		{"{retailer}", values->retailer}, {"{details}", values->details},
		{"{product}", values->product},
		{"{amount}", values->amount}, {"{until}", values->until}
	};

	for (int i = 0; i < lengthof(known); i++)
	{
		if (strlen(known[i].name) == length &&
			strncmp(known[i].name, placeholder, length) == 0)
			return known[i].value != NULL ? known[i].value : "-";
	}
	return NULL;
}

/*
 * A text in a language (NULL: English), with its placeholders filled in.
 */
text *
vr_message_text(const text *language, const char *name, const VrTextValues *values)
{
	char	   *body = (language == NULL) ? NULL :
		look_up("message_texts", text_to_cstring(language), name);
	StringInfoData result;

	if (body == NULL)
		body = look_up("message_texts", "en", name);
	if (body == NULL)
		body = pstrdup(built_in_text(name));

	initStringInfo(&result);
	for (const char *at = body; *at != '\0';)
	{
		const char *end = (*at == '{') ? strchr(at, '}') : NULL;
		const char *value = (end == NULL) ? NULL :
			value_of(at, end - at + 1, values);

		if (value == NULL)
			appendStringInfoChar(&result, *at++);
		else
		{
			appendStringInfoString(&result, value);
			at = end + 1;
		}
	}
	return cstring_to_text(result.data);
}

/*
 * Looks for a word in one language.  Returns false where that does not have it.
 */
static bool
find_word(const char *language, const char *word, VrWord *meaning)
{
	char	   *own = look_up("message_words", language, word);

	for (int i = 0; own != NULL && i < lengthof(meanings); i++)
	{
		if (strcmp(meanings[i], own) == 0)
		{
			*meaning = (VrWord) i;
			return true;
		}
	}
	for (int i = 0; i < lengthof(words); i++)
	{
		if (strcmp(words[i].language, language) == 0 && strcmp(words[i].word, word) == 0)
		{
			*meaning = words[i].meaning;
			return true;
		}
	}
	return false;
}

/*
 * What a word in small letters means to a vendor with this language (NULL: none),
 * or else in English.
 */
VrWord
vr_word(const text *language, const char *word)
{
	VrWord		meaning = VR_WORD_UNKNOWN;

	if (language == NULL || !find_word(text_to_cstring(language), word, &meaning))
		(void) find_word("en", word, &meaning);
	return meaning;
}
