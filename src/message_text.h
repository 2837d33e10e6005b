/*-------------------------------------------------------------------------
 *
 * message_text.h
 *		What vendors are told, in words, and the words that they use.
 *
 * IDENTIFICATION
 *	  src/message_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_MESSAGE_TEXT_H
#define VR_MESSAGE_TEXT_H

#include "c.h"

/* What the placeholders of a text stand for; NULL: nothing. */
typedef struct VrTextValues
{
	const char *order;
	const char *orders;			/* that the vendor could accept */
	const char *retailer;
	const char *details;		/* product and amount, after a colon; empty: neither */
	const char *product;
	const char *amount;
	const char *until;
} VrTextValues;

/* What a word of a vendor's means. */
typedef enum VrWord
{
	VR_WORD_UNKNOWN,
	VR_WORD_NOTHING,			/* a polite one */
	VR_WORD_ACCEPT,
	VR_WORD_REJECT
} VrWord;

extern text *vr_message_text(const text *language, const char *name,
							 const VrTextValues *values);
extern VrWord vr_word(const text *language, const char *word);

#endif							/* VR_MESSAGE_TEXT_H */
