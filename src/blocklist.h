/*-------------------------------------------------------------------------
 *
 * blocklist.h
 *		The table blocklist: vendors that get no orders of a retailer.
 *
 * IDENTIFICATION
 *	  src/blocklist.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_BLOCKLIST_H
#define VR_BLOCKLIST_H

#include "nodes/pg_list.h"

extern bool vr_is_blocked(const text *retailer_id, const text *vendor_id);
extern List *vr_blocked_vendors(const text *retailer_id);

#endif							/* VR_BLOCKLIST_H */
