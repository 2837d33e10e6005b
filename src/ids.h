/*-------------------------------------------------------------------------
 *
 * ids.h
 *		Identifiers the extension makes itself.
 *
 * IDENTIFICATION
 *	  src/ids.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_IDS_H
#define VR_IDS_H

#include "utils/uuid.h"

extern pg_uuid_t *vr_make_routing_id(const text *order_id);
extern pg_uuid_t *vr_make_event_id(void);

#endif							/* VR_IDS_H */
