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
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "spi.h"

extern TupleTableSlot *vr_newest_row(Relation table, int nkeys,
									 const NullableDatum *key, bool *waited);
extern TupleTableSlot *vr_proven_row(Relation table, const VrStatement *by_key,
									 const NullableDatum *key, bool *waited);
extern bool vr_lock_row(Relation table, TupleTableSlot *slot);
extern List *vr_newest_texts(Relation table, int nkeys,
							 const NullableDatum *key, int column);
extern bool vr_newest_last(Relation table, Relation index, Datum value,
						   TupleTableSlot *slot);

#endif							/* VR_NEWEST_H */
