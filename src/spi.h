/*-------------------------------------------------------------------------
 *
 * spi.h
 *		Running our SQL statements in-process.
 *
 * IDENTIFICATION
 *	  src/spi.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_SPI_H
#define VR_SPI_H

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "compat.h"

#define VR_MAX_PARAMS 16

/*
 * A statement of ours: its text, constant for ever, and the types of its
 * parameters.  Defined as a static constant beside the function that runs it;
 * the plan belongs to spi.c.
 */
typedef struct VrStatement
{
	const char *sql;
	int			nparams;
	Oid			types[VR_MAX_PARAMS];
	bool		joins;			/* planned anew each time */
} VrStatement;

/*
 * Ends a subquery that has one table and its key, and so keeps the planner from
 * joining it in another way than by that key.  Where ANALYZE has seen a table of which
 * all rows were not yet committed, it takes reading the whole of an index for free.
 * A condition IS TRUE where it must not lead to another index than that of the key.
 */
#define VR_BY_KEY " OFFSET 0"

/*
 * A statement that updates the row it was just told of: by its place where we
 * know that and it is still there, else by its key.  The first parameter is the
 * place (tid).
 *
 * By place is not only the shorter way.  At SERIALIZABLE, reading an index
 * locks pages of it against other transactions, which then fail for no reason
 * of theirs; by place, only the row is locked, and that lock is gone with our
 * own update.
 */
typedef struct VrRowStatement
{
	VrStatement by_tid;
	VrStatement by_key;
} VrRowStatement;

#define VR_ROW_STATEMENT(update, condition, nparams, ...) \
{ \
	{update " WHERE ctid = $1 AND " condition, nparams, {TIDOID, __VA_ARGS__}}, \
	{update " WHERE " condition, nparams, {TIDOID, __VA_ARGS__}} \
}

/* What vr_spi_begin changed and vr_spi_end puts back. */
typedef struct VrSpi
{
	Oid			user;
	int			security_context;
	int			guc_level;
} VrSpi;

extern void vr_spi_begin(VrSpi *spi);
extern void vr_spi_begin_as(VrSpi *spi, Oid role, int restriction,
							const char *search_path);
extern void vr_spi_allow_seqscan(void);
extern void vr_spi_end(const VrSpi *spi);

extern uint64 vr_spi_write(const VrStatement *statement,
						   const NullableDatum *params);
extern uint64 vr_spi_write_rows_at(const VrRowStatement *statement,
								   const NullableDatum *params, uint64 nrows);
extern bool vr_spi_write_row(const VrRowStatement *statement,
							 const NullableDatum *params);
extern void vr_spi_write_exactly(const VrStatement *statement,
								 const NullableDatum *params, uint64 nrows);
extern uint64 vr_spi_write_rows(const VrStatement *statement, char *name,
								Relation layout, Tuplestorestate *rows);
pg_noreturn extern void vr_spi_not_written(void);
extern uint64 vr_spi_write_unplanned(const char *sql, int nparams,
									  const Oid *types, const NullableDatum *params);
extern void vr_spi_utility(const char *sql);
extern void vr_defer_nothing(void);
extern uint64 vr_spi_read(const VrStatement *statement,
						  const NullableDatum *params);
extern uint64 vr_spi_read_snapshot(const VrStatement *statement,
								   const NullableDatum *params);

extern NullableDatum vr_spi_value(uint64 row, int column);
extern NullableDatum vr_spi_copy_value(uint64 row, int column);
extern void vr_spi_copy_row(uint64 row, TupleTableSlot *slot);
extern text *vr_spi_text(uint64 row, int column);
extern void vr_spi_return_rows(FunctionCallInfo fcinfo, const VrStatement *statement,
							   const NullableDatum *params);

extern NullableDatum vr_param_texts(const List *texts);
extern NullableDatum vr_param_uuids(const pg_uuid_t *ids, int n);

/* Parameters */

static inline NullableDatum
vr_param(Datum value)
{
	return (NullableDatum) {value, false};
}

/* For types passed by reference; a NULL pointer is a NULL value. */
static inline NullableDatum
vr_param_ptr(const void *value)
{
	return (NullableDatum) {PointerGetDatum(value), value == NULL};
}

/* 0 is NULL. */
static inline NullableDatum
vr_param_time(TimestampTz value)
{
	return (NullableDatum) {TimestampTzGetDatum(value), value == 0};
}

/* The place of a row; NULL where it is not known. */
static inline NullableDatum
vr_param_tid(const ItemPointerData *tid)
{
	return (NullableDatum) {PointerGetDatum(tid), !ItemPointerIsValid(tid)};
}

#endif							/* VR_SPI_H */
