/*-------------------------------------------------------------------------
 *
 * ids.c
 *		Identifiers the extension makes itself (RFC 9562).
 *
 * A routing id is a UUID version 5: the SHA-1 of a fixed namespace and the
 * order id.  The same order has the same routing id everywhere, so a second
 * routing of an order cannot exist beside the first.
 *
 * An event id is a UUID version 7: time first, so that events sort by id in
 * the order in which a session wrote them, and new ones go to the same end of
 * the index.
 *
 * Memory: results are allocated in the current context.
 *
 * IDENTIFICATION
 *	  src/ids.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/pg_prng.h"
#include "common/sha1.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

#include "args.h"
#include "ids.h"

/* 5ef3ad1e-6ac1-5d6c-8f51-0d3f5f8e6b0a: never to be changed. */
static const unsigned char routing_namespace[UUID_LEN] = {
	0x5e, 0xf3, 0xad, 0x1e, 0x6a, 0xc1, 0x5d, 0x6c,
	0x8f, 0x51, 0x0d, 0x3f, 0x5f, 0x8e, 0x6b, 0x0a
};

PG_FUNCTION_INFO_V1(vr_routing_id);

static void
set_version(pg_uuid_t *uuid, int version)
{
	uuid->data[6] = (uuid->data[6] & 0x0f) | (version << 4);
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;	/* RFC variant */
}

/*
 * The routing id of an order: depends on nothing but the order id, and not on
 * the encoding of the database.
 */
pg_uuid_t *
vr_make_routing_id(const text *order_id)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	uint8		digest[SHA1_DIGEST_LENGTH];
	const char *bytes = VARDATA_ANY(order_id);
	int			length = VARSIZE_ANY_EXHDR(order_id);
	pg_cryptohash_ctx *hash;

	/* In SQL_ASCII, bytes are all there is to know. */
	if (GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		char	   *utf8 = pg_server_to_any(bytes, length, PG_UTF8);

		if (utf8 != bytes)
		{
			bytes = utf8;
			length = strlen(utf8);
		}
	}

	hash = pg_cryptohash_create(PG_SHA1);

	if (hash == NULL ||
		pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, routing_namespace, UUID_LEN) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) bytes, length) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		ereport(ERROR,	/* LCOV_EXCL_LINE: no library without SHA-1 here */
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute SHA-1 hash"),
				 errdetail("The cryptography library of this server refused.")));
	pg_cryptohash_free(hash);

	memcpy(uuid->data, digest, UUID_LEN);
	set_version(uuid, 5);
	return uuid;
}

/*
 * A new event id, greater than every one this session made before.
 */
pg_uuid_t *
vr_make_event_id(void)
{
	static uint64 last_tick = 0;
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	struct timespec now;
	uint64		tick;
	uint64		milliseconds;
	uint16		fraction;
	uint64		chance;

	/*
	 * 48 bits of milliseconds, and in the 12 bits that follow the version the
	 * fraction of that millisecond.  One tick is such a fraction, 244 ns.
	 */
	clock_gettime(CLOCK_REALTIME, &now);
	tick = ((uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000) << 12;
	tick += (uint64) (now.tv_nsec % 1000000) * 4096 / 1000000;
	if (tick <= last_tick)
		tick = last_tick + 1;
	last_tick = tick;

	milliseconds = pg_hton64((tick >> 12) << 16);
	fraction = pg_hton16(tick & 0x0fff);
	memcpy(uuid->data, &milliseconds, 6);
	memcpy(uuid->data + 6, &fraction, 2);

	/* Nobody may not guess it; it only has to be another. */
	chance = pg_prng_uint64(&pg_global_prng_state);
	memcpy(uuid->data + 8, &chance, UUID_LEN - 8);
	set_version(uuid, 7);
	return uuid;
}

/*
 * vr_routing_id(order_id text) returns uuid
 */
Datum
vr_routing_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_UUID_P(vr_make_routing_id(vr_arg_id(fcinfo, 0, "order_id")));
}
