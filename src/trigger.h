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

#include "commands/trigger.h"
#include "fmgr.h"

extern TriggerData *vr_trigger_data(FunctionCallInfo fcinfo);

#endif							/* VR_TRIGGER_H */
