/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		Finding our own tables.
 *
 * Locking: AccessShareLock, kept to the end of the transaction.
 *
 * Errors: 42P01 where somebody dropped what the extension needs; 55000 where the
 * library is newer than the extension in this database.
 *
 * IDENTIFICATION
 *	  src/catalog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog.h"

/*
 * The version of the extension in this database; NULL where there is none.
 */
static char *
installed_version(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("vendor_routing"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		version = TextDatumGetCString(heap_getattr(tuple, Anum_pg_extension_extversion,
												   RelationGetDescr(extensions), &isnull));
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return version;
}

/*
 * Says why a table of ours is not there.
 */
static void
missing(const char *name)
{
	char	   *version = installed_version();

	if (version != NULL && strcmp(version, VR_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension vendor_routing has version %s, and its library version %s",
						version, VR_VERSION),
				 errhint("Run \"ALTER EXTENSION vendor_routing UPDATE\".")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"vendor_routing.%s\" does not exist", name),
			 errdetail("It belongs to the extension vendor_routing.")));
}

/*
 * The object ids of our tables and indexes, as they were found by name; forgotten
 * whenever any relation or schema is made, changed or dropped, by whomever.
 */
static struct
{
	const char *name;
	Oid			relid;
}			known[32];
static int	nknown = 0;

static void
forget(Datum arg, int cacheid, uint32 hash)
{
	nknown = 0;
}

static void
remember(const char *name, Oid relid)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(RELOID, forget, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
		registered = true;
	}
	if (nknown < lengthof(known))
	{
		known[nknown].name = name;
		known[nknown].relid = relid;
		nknown++;
	}
}

/*
 * The storage schema is fixed.  name is a constant.
 */
static Oid
own_relid(const char *name)
{
	Oid			relid;

	for (int i = 0; i < nknown; i++)
	{
		if (strcmp(known[i].name, name) == 0)
			return known[i].relid;
	}
	relid = get_relname_relid(name, get_namespace_oid("vendor_routing", false));
	if (!OidIsValid(relid))
		missing(name);
	remember(name, relid);
	return relid;
}

/*
 * Is this the table of ours with this name?
 */
bool
vr_is_own_table(Relation table, const char *name)
{
	return RelationGetRelid(table) == own_relid(name);
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
 * The same, to lock rows that will be written: the lock of the table is the one that the
 * statement takes.  A weaker one would be made stronger then, and deadlock with somebody
 * who locked the table in between, and writes the row.
 */
Relation
vr_open_table_to_lock(const char *name)
{
	return table_open(own_relid(name), RowExclusiveLock);
}

/*
 * Opens an index of ours for reading.
 */
Relation
vr_open_index(const char *name)
{
	return index_open(own_relid(name), AccessShareLock);
}
