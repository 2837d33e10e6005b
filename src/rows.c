/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Rows that go into a table of ours by one statement.
 *
 * The rows are those of an ephemeral relation, as the transition tables of a
 * trigger are, with the layout of the table they go to.  So they pass through the
 * executor as they are: nothing is put into arrays to be taken apart again, and
 * the scan has no expressions to compile, which is most of what a statement costs
 * that writes a few rows.
 *
 * Memory: the rows are copied into the context that is current when the first is
 * added.
 *
 * IDENTIFICATION
 *	  src/rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"

#include "catalog.h"
#include "rows.h"

/*
 * Adds a row for a table: its first columns; the others are NULL.
 */
void
vr_rows_add(VrRows *rows, const char *table, const NullableDatum *columns,
			int ncolumns)
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	TupleDesc	tupdesc;

	if (rows->relation == NULL)
	{
		rows->relation = vr_open_table(table);
		rows->tuples = tuplestore_begin_heap(false, false, work_mem);
	}
	tupdesc = RelationGetDescr(rows->relation);
	memset(nulls, true, tupdesc->natts);
	for (int i = 0; i < ncolumns; i++)
	{
		values[i] = columns[i].value;
		nulls[i] = columns[i].isnull;
	}
	tuplestore_putvalues(rows->tuples, tupdesc, values, nulls);
	rows->n++;
}

/*
 * Writes them.  The statement selects FROM VR_ROWS.  Returns how many were
 * written; there are none to write after that.
 */
uint64
vr_rows_insert(VrRows *rows, const VrStatement *insert)
{
	uint64		written;

	if (rows->n == 0)
		return 0;
	written = vr_spi_write_rows(insert, VR_ROWS, rows->relation, rows->tuples);
	tuplestore_end(rows->tuples);
	table_close(rows->relation, NoLock);
	memset(rows, 0, sizeof(*rows));
	return written;
}

/*
 * As vr_rows_insert, and all must be written.
 */
void
vr_rows_insert_all(VrRows *rows, const VrStatement *insert)
{
	int			n = rows->n;

	if (vr_rows_insert(rows, insert) != n)
		vr_spi_not_written();
}
