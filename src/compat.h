/*-------------------------------------------------------------------------
 *
 * compat.h
 *		The one place that knows which PostgreSQL version we compile for.
 *
 * IDENTIFICATION
 *	  src/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_COMPAT_H
#define VR_COMPAT_H

#include "access/genam.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#if PG_VERSION_NUM < 150000
#error "vendor_routing needs PostgreSQL 15 or newer"
#endif

/* 18 put it before the declaration, and no longer has the one after. */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* 16 took VARDATA_ANY and its family out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 added the place where EXPLAIN counts index searches. */
#if PG_VERSION_NUM >= 180000
#define vr_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan((rel), (index), (snapshot), NULL, (nkeys), 0)
#else
#define vr_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan((rel), (index), (snapshot), (nkeys), 0)
#endif

/* 18 lets the caller ask for deferrable keys too; ours never are. */
#if PG_VERSION_NUM >= 180000
#define vr_primary_key_index(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define vr_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* 16 made one function of those for each kind of object. */
#if PG_VERSION_NUM >= 160000
#define vr_is_owner_of_table(table, role) \
	object_ownercheck(RelationRelationId, (table), (role))
#else
#define vr_is_owner_of_table(table, role) pg_class_ownercheck((table), (role))
#endif

/* 18 has generated columns that are not stored. */
#if PG_VERSION_NUM >= 180000
#define VR_GENERATED_VIRTUAL ATTRIBUTE_GENERATED_VIRTUAL
#else
#define VR_GENERATED_VIRTUAL 'v'
#endif

/* The catalogs give no name to the type of an array of places. */
#define TIDARRAYOID 1010

#endif							/* VR_COMPAT_H */
