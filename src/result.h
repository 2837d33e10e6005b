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

#include "access/tupdesc.h"
#include "catalog/pg_type.h"

#define VR_MAX_RESULT_COLUMNS 10

/* The OUT arguments of a function; define one as a static variable. */
typedef struct VrResult
{
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[VR_MAX_RESULT_COLUMNS];
	TupleDesc	tupdesc;		/* made on first use, kept */
} VrResult;

extern Datum vr_result_row(VrResult *result, const NullableDatum *values);

#endif							/* VR_RESULT_H */
