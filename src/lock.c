/*-------------------------------------------------------------------------
 *
 * lock.c
 *		Heavyweight locks of our own, and their order.
 *
 * What the locks are for: between taking the latest snapshot and updating a
 * row, somebody else may commit a newer version; READ COMMITTED then follows
 * the row, but REPEATABLE READ and SERIALIZABLE raise 40001.  Whoever holds the
 * lock takes the snapshot after everybody else's commit, so that this cannot
 * happen.  The locks do not make the winner unique: the compare-and-set of the
 * routing row does.
 *
 * Order, everywhere: an inbound message, the application's row of the order (order.c),
 * routing, response, then the row of a vendor (see vr_vendor_lock).
 *
 * They are transaction-level locks in the advisory lock space, under class
 * numbers the SQL functions pg_advisory_* cannot reach.  They honour
 * lock_timeout, cancel requests and deadlock detection, go with savepoints and
 * PREPARE TRANSACTION, and show in pg_locks with locktype advisory and the
 * class below as objsubid.  Two ids with the same hash share a lock: they wait
 * for each other now and then, and nothing else happens.
 *
 * IDENTIFICATION
 *	  src/lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "compat.h"
#include "lock.h"

/* pg_advisory_lock and its family use 1 and 2. */
#define LOCK_CLASS_ROUTING	22101
#define LOCK_CLASS_RESPONSE	22102
#define LOCK_CLASS_POLICY	22103
#define LOCK_CLASS_INBOUND	22104

static void
set_tag(LOCKTAG *tag, int lock_class, uint64 key)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId,
						 (uint32) (key >> 32), (uint32) key, lock_class);
}

static uint64
uuid_key(const pg_uuid_t *id, uint64 seed)
{
	return hash_bytes_extended(id->data, UUID_LEN, seed);
}

static uint64
text_key(const text *id, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(id),
							   VARSIZE_ANY_EXHDR(id), seed);
}

static LockAcquireResult
acquire(int lock_class, uint64 key, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	set_tag(&tag, lock_class, key);
	return LockAcquire(&tag, mode, false, !wait);
}

static void
release(int lock_class, uint64 key, LOCKMODE mode)
{
	LOCKTAG		tag;

	set_tag(&tag, lock_class, key);
	(void) LockRelease(&tag, mode, false);
}

/*
 * From here to the end of the transaction no other call of ours changes this
 * routing, or an answer to one of its open offers.
 */
void
vr_lock_routing(const pg_uuid_t *routing_id)
{
	(void) acquire(LOCK_CLASS_ROUTING, uuid_key(routing_id, 0), ExclusiveLock, true);
}

/*
 * As vr_lock_routing, but does not wait.  Returns false where others have it.
 */
bool
vr_try_lock_routing(const pg_uuid_t *routing_id)
{
	return acquire(LOCK_CLASS_ROUTING, uuid_key(routing_id, 0), ExclusiveLock,
				   false) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Gives the routing back before the transaction ends: only where nothing was
 * written under the lock, or where what was written makes others wait anyway.
 */
void
vr_unlock_routing(const pg_uuid_t *routing_id)
{
	release(LOCK_CLASS_ROUTING, uuid_key(routing_id, 0), ExclusiveLock);
}

/*
 * The session is writing a routing from here to vr_end_writing, and what the tables say
 * of it is not yet all that they will.  Returns false where it is already: we are in a
 * trigger, and the call that has fired it would go on as if nothing had happened.
 *
 * A lock that never makes anybody wait, since it ends with the subtransaction if an error
 * does.
 */
bool
vr_begin_writing(const pg_uuid_t *routing_id)
{
	if (acquire(LOCK_CLASS_ROUTING, uuid_key(routing_id, 0), AccessShareLock,
				false) != LOCKACQUIRE_ALREADY_HELD)
		return true;
	vr_end_writing(routing_id);
	return false;
}

void
vr_end_writing(const pg_uuid_t *routing_id)
{
	release(LOCK_CLASS_ROUTING, uuid_key(routing_id, 0), AccessShareLock);
}

/*
 * Guards one vendor's answer on a routing that is decided, where the lock of
 * the routing is no longer needed: losers do not wait for each other.
 */
void
vr_lock_response(const pg_uuid_t *routing_id, const text *vendor_id)
{
	(void) acquire(LOCK_CLASS_RESPONSE,
				   uuid_key(routing_id, text_key(vendor_id, 0)), ExclusiveLock,
				   true);
}

/*
 * Two who change the same broadcast policy do it one after the other.  Whoever
 * reads one waits for nobody.
 */
void
vr_lock_policy(const text *policy)
{
	(void) acquire(LOCK_CLASS_POLICY, text_key(policy, 0), ExclusiveLock, true);
}

/*
 * The same message that comes in twice is done once.
 */
void
vr_lock_inbound(const text *source, const text *message_id)
{
	(void) acquire(LOCK_CLASS_INBOUND, text_key(message_id, text_key(source, 0)),
				   ExclusiveLock, true);
}
