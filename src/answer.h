/*-------------------------------------------------------------------------
 *
 * answer.h
 *		What a vendor's answer comes to, however it came in.
 *
 * To be called without SPI open, and with the rights of the caller.
 *
 * IDENTIFICATION
 *	  src/answer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ANSWER_H
#define VR_ANSWER_H

#include "utils/jsonb.h"

#include "outcome.h"
#include "routing.h"

extern VrOutcome vr_accept_order(const pg_uuid_t *routing_id, const text *vendor_id,
								 const Jsonb *payload, VrRouting *routing);
extern VrOutcome vr_reject_order(const pg_uuid_t *routing_id, const text *vendor_id,
								 const Jsonb *payload, VrRouting *routing);

#endif							/* VR_ANSWER_H */
