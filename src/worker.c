/*-------------------------------------------------------------------------
 *
 * worker.c
 *		A background worker: does what is due in one database, by calling
 *		vr_tick, in one transaction per batch.
 *
 * It holds no rule of its own, and no privilege: it runs as the role of the
 * setting vendor_routing.worker_role and uses SPI as any client would.  Between
 * two passes it waits for the next deadline it was told of, at most for
 * vendor_routing.worker_naptime.
 *
 * DROP DATABASE, and whatever else wants the database for itself, takes a lock
 * on the database and then waits a few seconds for others to leave.  A worker
 * that waits looks for that lock every LOOK_AFTER milliseconds, and leaves.  It
 * also leaves when its launcher is gone: the next one starts workers of its own.
 *
 * Errors: vr_tick deals with those of single orders.  Any other ends the worker;
 * the launcher starts a new one after a while.
 *
 * Memory: what a pass allocates goes with its transaction.
 *
 * IDENTIFICATION
 *	  src/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "settings.h"
#include "worker.h"

/* Most orders in one transaction. */
#define BATCH 200

/* How often a waiting worker looks whether its database is wanted, in ms. */
#define LOOK_AFTER 1000

/* Whatever the database or the role has set for people. */
static const char *const session_settings[][2] = {
	{"application_name", "vendor_routing worker"},
	{"search_path", "pg_catalog, pg_temp"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_isolation", "read committed"},
	{"statement_timeout", "0"},
#if PG_VERSION_NUM >= 170000
	{"transaction_timeout", "0"},
#endif
	{"lock_timeout", "0"}
};

/* What a pass found. */
typedef struct Pass
{
	const char *state;			/* for pg_stat_activity */
	bool		more;			/* there is more to do at once */
	TimestampTz next_due;		/* 0: nothing waits for a time */
} Pass;

/*
 * Can a session be in this database?  False while somebody wants the database
 * for itself.
 */
bool
vr_database_is_free(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	(void) LockRelease(&tag, RowExclusiveLock, true);
	return true;
}

static void
run(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));	/* LCOV_EXCL_LINE: does not happen */
}

static char *
text_value(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static Datum
value(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column,
						 isnull);
}

/*
 * The schema of our functions, quoted; NULL, and why in *state, where they are
 * not there or not ours to call.  A version that does not fit is told once.
 */
static char *
find_functions(const char **state)
{
	static char warned_of[64] = "";
	char	   *version;

	run("SELECT e.extversion, pg_catalog.quote_ident(n.nspname)"
		" FROM pg_catalog.pg_extension AS e"
		" JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
		" WHERE e.extname = 'vendor_routing'");
	if (SPI_processed == 0)
	{
		*state = "idle: the extension is not in this database";
		return NULL;
	}

	version = text_value(1);
	if (strcmp(version, VR_VERSION) == 0)
		return text_value(2);

	if (strcmp(version, warned_of) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("vendor_routing worker idles: the extension has version %s, and the library %s",
						version, VR_VERSION),
				 errhint("Run ALTER EXTENSION vendor_routing UPDATE, or restart the server where the library is the older.")));
	strlcpy(warned_of, version, sizeof(warned_of));
	*state = "idle: the extension has another version than the library";
	return NULL;
}

/*
 * Calls vr_tick once.
 */
static void
tick(const char *schema, Pass *pass)
{
	bool		isnull;
	int			processed;

	run(psprintf("SELECT processed, next_due FROM %s.vr_tick(%d)", schema, BATCH));
	processed = DatumGetInt32(value(1, &isnull));
	pass->more = (processed >= BATCH);
	pass->next_due = DatumGetTimestampTz(value(2, &isnull));
	if (isnull)
		pass->next_due = 0;
}

/*
 * One pass, in a transaction of its own.
 */
static Pass
do_pass(void)
{
	Pass		pass = {.state = "waiting for what is due next"};
	char	   *schema;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, "SELECT vr_tick()");
	StartTransactionCommand();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");	/* LCOV_EXCL_LINE: does not happen */
	PushActiveSnapshot(GetTransactionSnapshot());

	schema = find_functions(&pass.state);
	if (schema != NULL)
		tick(schema, &pass);

	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, pass.state);
	return pass;
}

/*
 * How long to wait after a pass, in milliseconds.  What stayed due, because
 * others had it or it failed, waits for the naptime.
 */
static long
nap_after(const Pass *pass)
{
	TimestampTz now = vr_now();
	long		nap = vr_worker_naptime;

	if (pass->more)
		return 0;
	if (pass->next_due != 0 && pass->next_due > now)
		nap = Min(nap, TimestampDifferenceMilliseconds(now, pass->next_due) + 1);
	return nap;
}

/*
 * Waits so long, and leaves if the database is wanted or nobody looks after us.
 */
static void
nap(long milliseconds)
{
	int64		end = vr_uptime() + milliseconds;
	long		rest = milliseconds;

	do
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(rest, LOOK_AFTER), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (!vr_database_is_free(MyDatabaseId) ||
			BackendPidGetProc(MyBgworkerEntry->bgw_notify_pid) == NULL)
			proc_exit(0);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			return;
		}
		rest = (long) (end - vr_uptime());
	} while (rest > 0);
}

/*
 * The process.
 */
void
vr_worker_main(Datum arg)
{
	VrWorkerArgs args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(args.database, args.role, 0);

	for (int i = 0; i < lengthof(session_settings); i++)
		SetConfigOption(session_settings[i][0], session_settings[i][1],
						PGC_USERSET, PGC_S_SESSION);

	for (;;)
	{
		Pass		pass = do_pass();

		nap(nap_after(&pass));
	}
}
