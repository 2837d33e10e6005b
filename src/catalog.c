/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		Finding our own tables.
 *
 * Locking: AccessShareLock, kept to the end of the transaction.
 *
 * Errors: 42P01 where somebody dropped what the extension needs.
 *
 * IDENTIFICATION
 *	  src/catalog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/lsyscache.h"

#include "catalog.h"

/*
 * The storage schema is fixed.  Names are looked up each time (two cache
 * probes): an OID kept would be stale after DROP and CREATE EXTENSION.
 */
static Oid
own_relid(const char *name)
{
	Oid			relid = get_relname_relid(name,
										  get_namespace_oid("vendor_routing", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"vendor_routing.%s\" does not exist", name),
				 errdetail("It belongs to the extension vendor_routing.")));
	return relid;
}

/*
 * Opens a table of ours for reading.
 */
Relation
vr_open_table(const char *name)
{
	return table_open(own_relid(name), AccessShareLock);
}

/*
 * Opens an index of ours for reading.
 */
Relation
vr_open_index(const char *name)
{
	return index_open(own_relid(name), AccessShareLock);
}
