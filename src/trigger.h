/*-------------------------------------------------------------------------
 *
 * trigger.h
 *		Trigger functions.
 *
 * IDENTIFICATION
 *	  src/trigger.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_TRIGGER_H
#define VR_TRIGGER_H

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"

#include "compat.h"

/* A row taken apart, and the one that it takes the place of: NULL on INSERT. */
typedef struct VrRow
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	const struct VrRow *before;
} VrRow;

extern HeapTuple vr_trigger_row(TriggerData *trigger, VrRow *before, VrRow *row);
pg_noreturn extern void vr_refuse_change(Relation relation);
extern TriggerData *vr_trigger_data(FunctionCallInfo fcinfo);
extern void vr_require_after_row(const TriggerData *trigger);
pg_noreturn extern void vr_refuse_table(Relation table);
extern TriggerData *vr_own_trigger_data(FunctionCallInfo fcinfo, const char *table);

#endif							/* VR_TRIGGER_H */
