/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The launcher: sees to it that every database of the setting
 *		vendor_routing.worker_databases has a worker.
 *
 * It is connected to no database, so it stands in nobody's way.  It starts when
 * recovery is over: on a standby there is nothing to do before promotion.
 *
 * Errors end it; the postmaster starts it again.
 *
 * IDENTIFICATION
 *	  src/launcher.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "clock.h"
#include "settings.h"
#include "worker.h"

/* After how many seconds a process that ended is started again. */
#define RESTART_AFTER 5

#define LAUNCHER_TYPE "vendor_routing launcher"
#define WORKER_TYPE "vendor_routing worker"

/* A database that has, or had, a worker. */
typedef struct Served
{
	VrWorkerArgs args;
	BackgroundWorkerHandle *handle; /* NULL: no worker */
	TimestampTz start_at;		/* not before */
	bool		wanted;
	bool		warned;			/* that there was no room for it */
} Served;

static List *served = NIL;

/* What has been said, so that it is said once: cleared by a reload. */
static List *warned_of = NIL;

/*
 * Called when the library is preloaded.
 */
void
vr_register_launcher(void)
{
	BackgroundWorker worker = {
		.bgw_name = LAUNCHER_TYPE,
		.bgw_type = LAUNCHER_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_AFTER,
		.bgw_library_name = "vendor_routing",
		.bgw_function_name = "vr_launcher_main"
	};

	RegisterBackgroundWorker(&worker);
}

/*
 * Warns of a name in a setting, once.
 */
static void
warn_once(const char *name, const char *format)
{
	MemoryContext caller;
	ListCell   *cell;

	foreach(cell, warned_of)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return;
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	warned_of = lappend(warned_of, pstrdup(name));
	MemoryContextSwitchTo(caller);
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg(format, name)));
}

static Served *
find_served(Oid database)
{
	ListCell   *cell;

	foreach(cell, served)
	{
		Served	   *entry = lfirst(cell);

		if (entry->args.database == database)
			return entry;
	}
	return NULL;
}

/*
 * Finds a row of a shared catalog by name.  Without an index: right after the
 * server has started, a process that is in no database cannot use any.
 */
static HeapTuple
find_by_name(Oid catalog, AttrNumber column, const char *name)
{
	Relation	relation = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tuple;
}

/*
 * The role of the workers.  Returns false where there is no such role.
 */
static bool
find_role(Oid *role)
{
	HeapTuple	tuple;

	*role = InvalidOid;
	if (vr_worker_role[0] == '\0')
		return true;
	tuple = find_by_name(AuthIdRelationId, Anum_pg_authid_rolname, vr_worker_role);
	if (!HeapTupleIsValid(tuple))
	{
		warn_once(vr_worker_role,
				  "vendor_routing.worker_role \"%s\" does not exist, no worker is started");
		return false;
	}
	*role = ((Form_pg_authid) GETSTRUCT(tuple))->oid;
	return true;
}

/*
 * Makes a database one that is to have a worker.
 */
static void
want(const char *name, Oid role)
{
	HeapTuple	tuple = find_by_name(DatabaseRelationId,
									 Anum_pg_database_datname, name);
	Oid			database;
	Served	   *entry;

	if (!HeapTupleIsValid(tuple) ||
		!((Form_pg_database) GETSTRUCT(tuple))->datallowconn)
	{
		warn_once(name, "vendor_routing.worker_databases has \"%s\", which is no database that takes connections");
		return;
	}

	database = ((Form_pg_database) GETSTRUCT(tuple))->oid;
	entry = find_served(database);
	if (entry == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		entry = palloc0(sizeof(Served));
		entry->args.database = database;
		served = lappend(served, entry);
		MemoryContextSwitchTo(caller);
	}
	if (entry->args.role != role && entry->handle != NULL)
		TerminateBackgroundWorker(entry->handle);
	entry->args.role = role;
	entry->wanted = true;
}

/*
 * Finds out which databases are to have a worker.
 */
static void
read_settings(void)
{
	List	   *names;
	Oid			role;
	ListCell   *cell;

	foreach(cell, served)
		((Served *) lfirst(cell))->wanted = false;
	if (!vr_worker)
		return;

	StartTransactionCommand();
	if (SplitIdentifierString(pstrdup(vr_worker_databases), ',', &names) &&
		names != NIL && find_role(&role))
	{
		foreach(cell, names)
			want(lfirst(cell), role);
	}
	CommitTransactionCommand();
}

/*
 * Starts the worker of a database.
 */
static void
start(Served *entry)
{
	BackgroundWorker worker = {
		.bgw_type = WORKER_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "vendor_routing",
		.bgw_function_name = "vr_worker_main",
		.bgw_notify_pid = MyProcPid
	};
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	snprintf(worker.bgw_name, BGW_MAXLEN, "%s for database %u", WORKER_TYPE,
			 entry->args.database);
	memcpy(worker.bgw_extra, &entry->args, sizeof(entry->args));
	if (!RegisterDynamicBackgroundWorker(&worker, &entry->handle))
	{
		entry->handle = NULL;
		if (!entry->warned)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("no vendor_routing worker could be started"),
					 errhint("You might need to increase max_worker_processes.")));
	}
	entry->warned = (entry->handle == NULL);
	entry->start_at = vr_uptime() + RESTART_AFTER * 1000L;
	MemoryContextSwitchTo(caller);
}

/*
 * Makes what is what is wanted.
 */
static void
look_after(Served *entry)
{
	pid_t		pid;

	if (entry->handle != NULL &&
		GetBackgroundWorkerPid(entry->handle, &pid) == BGWH_STOPPED)
	{
		pfree(entry->handle);
		entry->handle = NULL;
	}

	if (!entry->wanted && entry->handle != NULL)
		TerminateBackgroundWorker(entry->handle);
	else if (entry->wanted && entry->handle == NULL &&
			 vr_uptime() >= entry->start_at &&
			 vr_database_is_free(entry->args.database))
		start(entry);
}

/*
 * The process.
 */
void
vr_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", LAUNCHER_TYPE, PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_IDLE, "looking after workers");

	for (;;)
	{
		ListCell   *cell;

		read_settings();
		foreach(cell, served)
			look_after(lfirst(cell));

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RESTART_AFTER * 1000L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			list_free_deep(warned_of);
			warned_of = NIL;
		}
	}
}
