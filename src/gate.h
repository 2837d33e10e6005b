/*-------------------------------------------------------------------------
 *
 * gate.h
 *		The gates a vendor passes before it is offered an order.
 *
 * IDENTIFICATION
 *	  src/gate.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_GATE_H
#define VR_GATE_H

#include "compat.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/numeric.h"

#include "routing.h"

/*
 * The gates an eligible vendor passes, in the order in which they are tried.
 */
typedef enum VrGate
{
	VR_GATE_ACTIVE,				/* is_active */
	VR_GATE_VERIFIED,			/* is_verified */
	VR_GATE_SCORE,				/* good enough for the wave */
	VR_GATE_EXCLUDED,			/* has not given the order back */
	VR_GATE_BLOCKLIST,			/* not blocked by the retailer */
	VR_GATE_PAUSE,				/* not paused */
	VR_GATE_HOURS,				/* within its working hours */
	VR_GATE_CAPACITY,			/* below capacity */
	VR_GATE_PRODUCT,			/* sells the product */
	VR_GATE_MINIMUM,			/* the amount is large enough for it */
	VR_GATE_RADIUS,				/* the place is near enough */
	VR_GATE_NONE				/* passed them all; also the number of gates */
} VrGate;

/* Sets of gates. */
#define VR_GATE_BIT(gate) (1 << (gate))
#define VR_GATES_ALL (VR_GATE_BIT(VR_GATE_NONE) - 1)

/* What nothing passes over: not a list of names, not an operator. */
#define VR_GATES_HARD \
	(VR_GATE_BIT(VR_GATE_ACTIVE) | VR_GATE_BIT(VR_GATE_VERIFIED) | \
	 VR_GATE_BIT(VR_GATE_BLOCKLIST))

/* What is asked again of who accepts: it is there, whatever its hours. */
#define VR_GATES_TO_ACCEPT (VR_GATES_HARD | VR_GATE_BIT(VR_GATE_CAPACITY))

/* What is asked of who is given an order by hand. */
#define VR_GATES_TO_ASSIGN \
	(VR_GATES_TO_ACCEPT | VR_GATE_BIT(VR_GATE_PAUSE) | VR_GATE_BIT(VR_GATE_HOURS))

/* One step of a broadcast policy; see wave.c. */
typedef struct VrWave
{
	int			vendors;		/* at most so many */
	List	   *vendor_ids;		/* only these; NIL: anybody */
	double		radius_km;		/* 0: any distance */
	Numeric		min_score;		/* NULL: any score */
	const Interval *wait;		/* until the next wave; NULL: while offers live */
} VrWave;

/* What is asked of a vendor. */
typedef struct VrQuestion
{
	const VrOrder *order;
	const VrWave *wave;
	const List *excluded;		/* vendor ids: not for this order */
	const List *offered;		/* vendor ids: have an offer already */
	const List *blocked;		/* vendor ids: not for this retailer; or */
	const text *retailer_id;	/* whose blocklist is to be asked now */
	VrTurns    *turns;			/* of the call that makes many orders; or NULL */
	TimestampTz now;
} VrQuestion;

/* What became of the vendors that were looked at. */
typedef struct VrGateCounts
{
	int			failed[VR_GATE_NONE];
	int			total;
} VrGateCounts;

/* How a vendor does at a gate, in words. */
typedef struct VrGateReport
{
	const char *gate;
	bool		passed;
	char	   *found;
	char	   *needed;
} VrGateReport;

extern VrGate vr_vendor_gate(TupleTableSlot *slot, int which,
							 const VrQuestion *question);
extern List *vr_vendor_gate_reports(TupleTableSlot *slot,
									const VrQuestion *question);
pg_noreturn extern void vr_vendor_not_eligible(const text *vendor_id, VrGate gate);
pg_noreturn extern void vr_nobody_eligible(const VrOrder *order,
										   const VrGateCounts *counts);

#endif							/* VR_GATE_H */
