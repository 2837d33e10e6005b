/*-------------------------------------------------------------------------
 *
 * policy.h
 *		The table policies: broadcast policies by name.
 *
 * IDENTIFICATION
 *	  src/policy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_POLICY_H
#define VR_POLICY_H

#include "routing.h"

extern void vr_policy_read(const text *policy, VrPlan *plan);

#endif							/* VR_POLICY_H */
