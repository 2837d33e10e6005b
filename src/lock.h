/*-------------------------------------------------------------------------
 *
 * lock.h
 *		Heavyweight locks of our own, and their order.
 *
 * IDENTIFICATION
 *	  src/lock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_LOCK_H
#define VR_LOCK_H

#include "utils/uuid.h"

extern void vr_lock_routing(const pg_uuid_t *routing_id);
extern bool vr_try_lock_routing(const pg_uuid_t *routing_id);
extern void vr_unlock_routing(const pg_uuid_t *routing_id);
extern bool vr_begin_writing(const pg_uuid_t *routing_id);
extern void vr_end_writing(const pg_uuid_t *routing_id);
extern void vr_lock_inbound(const text *source, const text *message_id);
extern void vr_lock_policy(const text *policy);
extern void vr_lock_response(const pg_uuid_t *routing_id, const text *vendor_id);

#endif							/* VR_LOCK_H */
