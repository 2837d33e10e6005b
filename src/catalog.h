/*-------------------------------------------------------------------------
 *
 * catalog.h
 *		Finding our own tables.
 *
 * IDENTIFICATION
 *	  src/catalog.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_CATALOG_H
#define VR_CATALOG_H

#include "utils/rel.h"

extern bool vr_is_own_table(Relation table, const char *name);
extern Relation vr_open_table(const char *name);
extern Relation vr_open_table_to_lock(const char *name);
extern Relation vr_open_index(const char *name);

#endif							/* VR_CATALOG_H */
