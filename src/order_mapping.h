/*-------------------------------------------------------------------------
 *
 * order_mapping.h
 *		What a row of the application's orders means.
 *
 * IDENTIFICATION
 *	  src/order_mapping.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ORDER_MAPPING_H
#define VR_ORDER_MAPPING_H

#include "attachment.h"
#include "routing.h"

/* The states of an order. */
typedef enum VrOrderState
{
	VR_ORDER_CREATED,
	VR_ORDER_VALIDATED,
	VR_ORDER_CREDIT_RESERVED,
	VR_ORDER_PENDING_BIDS,
	VR_ORDER_VENDOR_ACCEPTED,
	VR_ORDER_FULFILLMENT_STARTED,
	VR_ORDER_DELIVERED,
	VR_ORDER_CANCELLED,
	VR_ORDER_FAILED,
	VR_ORDER_OTHER				/* one that only the application knows */
} VrOrderState;

#define VR_ORDER_STATES ((int) VR_ORDER_OTHER)

/* What the columns of the attached table mean. */
typedef struct VrOrderMapping
{
	VrField    *fields;			/* see order_mapping.c */
	char	   *words[VR_ORDER_STATES]; /* the application's; NULL: has no such state */
	bool		auto_broadcast;
	const text *policy;			/* NULL: none */
} VrOrderMapping;

/* A row, as far as its state goes. */
typedef struct VrOrderRow
{
	text	   *order_id;
	char	   *status;			/* the application's word */
	VrOrderState state;
	char	   *winner;			/* NULL: nobody, or not mapped */
} VrOrderRow;

extern VrOrderMapping vr_order_mapping_read(const Jsonb *mapping, Relation relation);
extern void vr_order_check_mapping(const VrOrderMapping *mapping, Relation relation);
extern const VrField *vr_order_id_field(const VrOrderMapping *mapping);
extern const VrField *vr_order_status_field(const VrOrderMapping *mapping);
extern const VrField *vr_order_winner_field(const VrOrderMapping *mapping);
extern VrOrderRow vr_order_row(const VrOrderMapping *mapping, HeapTuple tuple,
							   TupleDesc tupdesc);
extern VrOrder vr_order_describe(const VrOrderMapping *mapping, HeapTuple tuple,
								 TupleDesc tupdesc);
extern bool vr_order_winner_is_mapped(const VrOrderMapping *mapping);
extern const char *vr_order_state_name(VrOrderState state);
extern bool vr_order_edge_exists(const char *from, const char *to);
extern void vr_order_edges_fill(const VrOrderMapping *mapping);
extern void vr_order_edges_forget(void);
extern VrOrderState vr_order_state_of(const VrRouting *routing);

#endif							/* VR_ORDER_MAPPING_H */
