/*-------------------------------------------------------------------------
 *
 * newest.h
 *		The newest version of a row of ours, found without a lock.
 *
 * IDENTIFICATION
 *	  src/newest.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_NEWEST_H
#define VR_NEWEST_H

#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "spi.h"

/* What became of an attempt to lock a row. */
typedef enum VrRowLock
{
	VR_ROW_LOCKED,
	VR_ROW_BUSY,				/* others have it */
	VR_ROW_GONE
} VrRowLock;

extern TupleTableSlot *vr_newest_row(Relation table, int nkeys,
									 const NullableDatum *key,
									 bool wait, bool *changing);
extern TupleTableSlot *vr_proven_row(Relation table, const VrStatement *by_key,
									 const NullableDatum *key,
									 bool wait, bool *changing);
extern VrRowLock vr_lock_row(Relation table, TupleTableSlot *slot, bool wait);
extern VrRowLock vr_lock_row_as(Relation table, TupleTableSlot *slot,
								LockTupleMode mode, bool wait);
extern int	vr_newest_rows(Relation table, int nkeys, const NullableDatum *key,
						   void (*take) (TupleTableSlot *slot, void *arg),
						   void *arg);
extern bool vr_newest_time_after(const char *table, const char *index,
								 TimestampTz after, TimestampTz *when);
extern List *vr_newest_texts_until(const char *table, const char *index,
								   TimestampTz until, int column, int max);
extern bool vr_newest_last(Relation table, Relation index, Datum value,
						   TupleTableSlot *slot);

#endif							/* VR_NEWEST_H */
