/*-------------------------------------------------------------------------
 *
 * rows.h
 *		Rows that go into a table of ours by one statement.
 *
 * IDENTIFICATION
 *	  src/rows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ROWS_H
#define VR_ROWS_H

#include "utils/tuplestore.h"

#include "spi.h"

/* The name under which a statement finds them. */
#define VR_ROWS "new_rows"

/* All zero: none. */
typedef struct VrRows
{
	Relation	relation;		/* where they go */
	Tuplestorestate *tuples;
	int			n;
} VrRows;

extern void vr_rows_add(VrRows *rows, const char *table,
						const NullableDatum *columns, int ncolumns);
extern uint64 vr_rows_insert(VrRows *rows, const VrStatement *insert);
extern void vr_rows_insert_all(VrRows *rows, const VrStatement *insert);

#endif							/* VR_ROWS_H */
