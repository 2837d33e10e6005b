/*-------------------------------------------------------------------------
 *
 * result.h
 *		Rows that our functions return.
 *
 * IDENTIFICATION
 *	  src/result.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_RESULT_H
#define VR_RESULT_H

#include "catalog/pg_type.h"
#include "fmgr.h"

#define VR_MAX_RESULT_COLUMNS 10

/* The columns of what a function returns; define one as a static variable. */
typedef struct VrResult
{
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[VR_MAX_RESULT_COLUMNS];
	/* of the function that was called last */
	Oid			function;
	Oid			type;
	int32		typmod;
} VrResult;

extern Datum vr_result_row(FunctionCallInfo fcinfo, VrResult *result,
						   const NullableDatum *values);

#endif							/* VR_RESULT_H */
