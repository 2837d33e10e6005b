/*-------------------------------------------------------------------------
 *
 * broadcast.h
 *		Offering an order to vendors.
 *
 * IDENTIFICATION
 *	  src/broadcast.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_BROADCAST_H
#define VR_BROADCAST_H

#include "routing.h"

extern bool vr_broadcast_order(const VrOrder *order, const text *policy);

#endif							/* VR_BROADCAST_H */
