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
} VrStatement;

/* What vr_spi_begin changed and vr_spi_end puts back. */
typedef struct VrSpi
{
	Oid			user;
	int			security_context;
	int			guc_level;
} VrSpi;

extern void vr_spi_begin(VrSpi *spi);
extern void vr_spi_end(const VrSpi *spi);

extern uint64 vr_spi_write(const VrStatement *statement,
						   const NullableDatum *params);
extern void vr_spi_write_one(const VrStatement *statement,
							 const NullableDatum *params);
extern uint64 vr_spi_read(const VrStatement *statement,
						  const NullableDatum *params);
extern uint64 vr_spi_read_snapshot(const VrStatement *statement,
								   const NullableDatum *params);

extern NullableDatum vr_spi_value(uint64 row, int column);
extern void vr_spi_copy_row(TupleTableSlot *slot);
extern text *vr_spi_text(uint64 row, int column);

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

#endif							/* VR_SPI_H */
