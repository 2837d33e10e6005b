/*-------------------------------------------------------------------------
 *
 * order.h
 *		The application's own row of an order, where its table is attached.
 *
 * IDENTIFICATION
 *	  src/order.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ORDER_H
#define VR_ORDER_H

#include "order_mapping.h"
#include "routing.h"

extern bool vr_order_lock(const text *order_id, bool wait);
extern void vr_order_require_offerable(VrOrder *order);
extern void vr_order_follow(const VrRouting *routing);
extern bool vr_order_is_following(const text *order_id, VrOrderState state);

#endif							/* VR_ORDER_H */
