/*-------------------------------------------------------------------------
 *
 * message.h
 *		The tables outbox and messages: who has to be told what, and how far
 *		that is.
 *
 * IDENTIFICATION
 *	  src/message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_MESSAGE_H
#define VR_MESSAGE_H

#include "utils/uuid.h"

extern void vr_outbox_add(const pg_uuid_t *routing_id);
extern bool vr_outbox_is_free(const pg_uuid_t *routing_id);
extern void vr_wake_senders(void);

#endif							/* VR_MESSAGE_H */
