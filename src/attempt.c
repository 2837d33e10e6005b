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
#include "utils/resowner.h"

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
