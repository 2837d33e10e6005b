/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Work that may fail.
 *
 * Errors: every error is caught, also cancel and shutdown.  The caller throws it again
 * (ReThrowError) unless it is one that it has reckoned with.
 *
 * Memory: the error is in the caller's context.
 *
 * IDENTIFICATION
 *	  src/attempt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/proc.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "attempt.h"

/*
 * Works in a subtransaction.  Returns NULL, or the error that this raised, with nothing
 * changed.
 */
ErrorData *
vr_attempt(void (*work) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Is an error about what is worked on, so that the rest can go on?  A trigger may raise any
 * error, so not the class of it decides, but whether the session is wanted to stop, also
 * where a trigger has caught that; and at SERIALIZABLE, where a conflict is of the
 * transaction as a whole.
 */
bool
vr_is_about_work(const ErrorData *error)
{
	TimestampTz timeout = get_timeout_finish_time(STATEMENT_TIMEOUT);

	/* It stays that of an earlier statement where this one has none. */
	if (StatementTimeout > 0 && timeout > GetCurrentStatementStartTimestamp() &&
		timeout <= GetCurrentTimestamp())
		return false;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		return error->funcname == NULL || strcmp(error->funcname, "ProcessInterrupts") != 0;
	return error->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE ||
		!IsolationIsSerializable();
}
