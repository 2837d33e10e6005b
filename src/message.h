/*-------------------------------------------------------------------------
 *
 * message.h
 *		The table messages: how far the telling of vendors is.
 *
 * IDENTIFICATION
 *	  src/message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_MESSAGE_H
#define VR_MESSAGE_H

/* Columns of vendor_routing.messages that are read (29_messages.sql). */
enum
{
	Anum_message_state = 7,
	Anum_message_attempts = 9,
	Anum_message_delivered_at = 13,
	Anum_message_external_id = 15,
	Anum_message_failed_attempt = 17,
	Anum_message_superseded_attempt = 18,
	Anum_message_superseded_external_ids = 19
};

/* The place of a kind in the sequence of a vendor's messages. */
#define VR_KIND_ORDER(m) "pg_catalog.array_position('{OFFER,WIN,CANCELLATION}', " m ".kind)"

#endif							/* VR_MESSAGE_H */
