/*-------------------------------------------------------------------------
 *
 * identity.h
 *		Whom a caller acts for.
 *
 * IDENTIFICATION
 *	  src/identity.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_IDENTITY_H
#define VR_IDENTITY_H

#include "routing.h"

extern bool vr_acts_as_vendor(const text *vendor_id);
extern bool vr_is_hidden(const pg_uuid_t *routing_id, const text *vendor_id);
extern bool vr_may_learn_winner(const VrRouting *routing, const text *vendor_id);
extern void vr_check_identity(const pg_uuid_t *routing_id, const text *vendor_id);

#endif							/* VR_IDENTITY_H */
