/*-------------------------------------------------------------------------
 *
 * errors.h
 *		Every SQLSTATE of our own (class VR).
 *
 * Standard codes are used where one fits: 22023 for a bad value, 22004 for a
 * NULL, 25006 for a read-only transaction, 55P03 for a lock timeout.  The
 * meaning of each code below is documented in doc/vendor_routing.md.
 *
 * IDENTIFICATION
 *	  src/errors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ERRORS_H
#define VR_ERRORS_H

#include "utils/elog.h"

#define ERRCODE_VR_UNKNOWN_ROUTING		MAKE_SQLSTATE('V','R','0','0','1')
#define ERRCODE_VR_NO_ELIGIBLE_VENDOR	MAKE_SQLSTATE('V','R','0','0','2')
#define ERRCODE_VR_UNKNOWN_ORDER		MAKE_SQLSTATE('V','R','0','0','3')
#define ERRCODE_VR_INVALID_STATE		MAKE_SQLSTATE('V','R','0','0','4')
#define ERRCODE_VR_NOT_INVITED			MAKE_SQLSTATE('V','R','0','0','5')
#define ERRCODE_VR_UNKNOWN_MESSAGE		MAKE_SQLSTATE('V','R','0','0','6')

#endif							/* VR_ERRORS_H */
