/*-------------------------------------------------------------------------
 *
 * vendor_mirror.c
 *		The table vendors: what is kept in step with an attached table.
 *
 * What the attached table cannot know (loads, pauses, hours, ratings given to
 * vr_complete) is not touched.
 *
 * Errors: those of the constraints of the table.
 *
 * IDENTIFICATION
 *	  src/vendor_mirror.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "args.h"
#include "attempt.h"
#include "phone.h"
#include "spi.h"
#include "vendor.h"

/* A column that keeps its value where the attached table has none for it. */
#define SET(column) \
	"     " column " = CASE WHEN '" column "' = ANY ($2) THEN excluded." column \
	" ELSE v." column " END"

/*
 * The rows of the attached table as the registry has them.  $1 is a JSON array of
 * objects with a text or null for every column that can be mapped.
 *
 * Phone numbers are written as E.164 has them, and left out where they are not
 * such, or another vendor has the number: a vendor without a usable number is
 * a vendor still.
 */
#define ATTACHED_ROWS(more) \
	" SELECT x.vendor_id, coalesce(nullif(x.name, ''), x.vendor_id) AS name," \
	"  CASE WHEN p.is_first THEN p.phone END AS phone," \
	"  coalesce(x.is_active::pg_catalog.bool, true) AS is_active," \
	"  coalesce(x.is_verified::pg_catalog.bool, true) AS is_verified," \
	"  x.products::pg_catalog.text[] AS products," \
	"  coalesce(x.min_order_amount::pg_catalog.numeric, 0::pg_catalog.numeric) AS min_order_amount," \
	"  CASE WHEN x.longitude IS NOT NULL THEN x.latitude::pg_catalog.float8 END AS latitude," \
	"  CASE WHEN x.latitude IS NOT NULL THEN x.longitude::pg_catalog.float8 END AS longitude," \
	"  CASE WHEN x.latitude IS NOT NULL AND x.longitude IS NOT NULL" \
	"   THEN x.service_radius_km::pg_catalog.float8 END AS service_radius_km," \
	"  x.capacity::pg_catalog.numeric::pg_catalog.int4 AS capacity," \
	"  coalesce(x.average_rating::pg_catalog.numeric, 0::pg_catalog.numeric) AS average_rating," \
	"  coalesce(x.reliability_score::pg_catalog.numeric, 0::pg_catalog.numeric) AS reliability_score," \
	"  coalesce(x.total_orders::pg_catalog.int4, 0) AS total_orders," \
	"  coalesce(x.completed_orders::pg_catalog.int4, 0) AS completed_orders" \
	", " more \
	" FROM pg_catalog.jsonb_to_recordset($1) AS x" \
	"  (vendor_id pg_catalog.text, name pg_catalog.text, phone pg_catalog.text," \
	"   is_active pg_catalog.text, is_verified pg_catalog.text," \
	"   products pg_catalog.text, min_order_amount pg_catalog.text," \
	"   latitude pg_catalog.text, longitude pg_catalog.text," \
	"   service_radius_km pg_catalog.text, capacity pg_catalog.text," \
	"   average_rating pg_catalog.text, reliability_score pg_catalog.text," \
	"   total_orders pg_catalog.text, completed_orders pg_catalog.text)" \
	" JOIN (SELECT n.vendor_id, n.phone," \
	"        pg_catalog.row_number() OVER (PARTITION BY n.phone ORDER BY n.vendor_id) = 1" \
	"        AND NOT EXISTS (SELECT FROM vendor_routing.vendors AS o" \
	"                        WHERE o.phone = n.phone AND o.vendor_id <> n.vendor_id) AS is_first" \
	"       FROM (SELECT y.vendor_id," \
	"              " VR_E164("y.phone") " AS phone" \
	"             FROM pg_catalog.jsonb_to_recordset($1) AS y" \
	"              (vendor_id pg_catalog.text, phone pg_catalog.text)) AS n) AS p" \
	"      ON p.vendor_id = x.vendor_id"

/*
 * Locks the rows of these vendors, where there are any, in the sequence of their ids, as the
 * UPDATE will that follows: a stronger lock then deadlocks with who refers to the row by a
 * foreign key.  An INSERT that meets a row which somebody is changing could else fail with
 * 23505 by its phone, which is another index than that of ON CONFLICT.
 */
static void
lock_vendors(const Jsonb *rows, bool exclusive)
{
	static const VrStatement select = {
		"SELECT vendor_id"
		" FROM pg_catalog.jsonb_to_recordset($1) AS x (vendor_id pg_catalog.text)"
		" ORDER BY vendor_id",
		1, {JSONBOID}
	};
	NullableDatum params[] = {vr_param_ptr(rows)};
	int			n = (int) vr_spi_write(&select, params);
	List	   *vendor_ids = NIL;
	ListCell   *cell;

	for (int i = 0; i < n; i++)
		vendor_ids = lappend(vendor_ids, vr_spi_text(i, 1));
	foreach(cell, vendor_ids)
	{
		VrVendorLock lock = {.wait = true, .exclusive = exclusive};

		(void) vr_vendor_lock(lfirst(cell), 0, NULL, &lock);
	}
}

/* Rows on their way into the registry. */
typedef struct Mirror
{
	const Jsonb *rows;
	const List *columns;
	TimestampTz now;
} Mirror;

/*
 * Writes rows of the attached table.  Numbers that are given up come first, so that rows
 * can exchange them.
 */
static void
write_rows(void *arg)
{
	const Mirror *mirror = arg;
	static const VrStatement upsert = {
		"INSERT INTO vendor_routing.vendors AS v"
		" (vendor_id, name, phone, is_active, is_verified, products,"
		"  min_order_amount, latitude, longitude, service_radius_km, capacity,"
		"  average_rating, reliability_score, total_orders, completed_orders,"
		"  created_at, updated_at)"
		ATTACHED_ROWS("$3, $3")
		" ON CONFLICT (vendor_id) DO UPDATE SET"
		SET("name") ","
		SET("phone") ","
		SET("is_active") ","
		SET("is_verified") ","
		SET("products") ","
		SET("min_order_amount") ","
		SET("latitude") ","
		SET("longitude") ","
		/* One set by hand has no meaning without a place. */
		"     service_radius_km = CASE WHEN 'service_radius_km' = ANY ($2)"
		"      OR ('latitude' = ANY ($2) OR 'longitude' = ANY ($2))"
		"       AND excluded.latitude IS NULL"
		"      THEN excluded.service_radius_km ELSE v.service_radius_km END,"
		SET("capacity") ","
		SET("average_rating") ","
		SET("reliability_score") ","
		SET("total_orders") ","
		SET("completed_orders") ","
		"     updated_at = $3",
		3, {JSONBOID, TEXTARRAYOID, TIMESTAMPTZOID},
		.joins = true
	};
	static const VrStatement free_phones = {
		"UPDATE vendor_routing.vendors AS v"
		" SET phone = NULL"
		" FROM (" ATTACHED_ROWS("1") ") AS x"
		" WHERE v.vendor_id = x.vendor_id AND v.phone <> coalesce(x.phone, '')"
		" AND 'phone' = ANY ($2)"
		/* By the key: see VR_BY_KEY. */
		" AND v.vendor_id = ANY (ARRAY("
		"  SELECT y.vendor_id"
		"  FROM pg_catalog.jsonb_to_recordset($1) AS y (vendor_id pg_catalog.text)))",
		2, {JSONBOID, TEXTARRAYOID},
		.joins = true
	};
	NullableDatum params[] = {
		vr_param_ptr(mirror->rows),
		vr_param_texts(mirror->columns),
		vr_param(TimestampTzGetDatum(mirror->now))
	};

	(void) vr_spi_write(&free_phones, params);
	(void) vr_spi_write(&upsert, params);
}

/*
 * Does a vendor in these rows get another number than it has?
 */
static bool
phones_change(const Jsonb *rows)
{
	static const VrStatement select = {
		"SELECT"
		" FROM pg_catalog.jsonb_to_recordset($1) AS y"
		"  (vendor_id pg_catalog.text, phone pg_catalog.text)"
		" LEFT JOIN LATERAL (SELECT v.phone"
		"  FROM vendor_routing.vendors AS v"
		"  WHERE v.vendor_id = y.vendor_id" VR_BY_KEY ") AS v ON true"
		" WHERE v.phone IS DISTINCT FROM " VR_E164("y.phone")
		" LIMIT 1",
		1, {JSONBOID},
		.joins = true
	};
	NullableDatum params[] = {vr_param_ptr(rows)};

	return vr_spi_write(&select, params) > 0;
}

/*
 * Writes rows of the attached table; columns are the names of those that are mapped.  Where
 * somebody else takes a number at the same time, we wait for that in its index, and look
 * again then: who was first has it.
 */
void
vr_vendors_mirror(const Jsonb *rows, const List *columns, TimestampTz now)
{
	Mirror		mirror = {rows, columns, now};
	bool		phones = vr_text_in(cstring_to_text("phone"), columns);

	lock_vendors(rows, phones);
	phones = phones && phones_change(rows);	/* a subtransaction is not for nothing */
	for (int i = 1; phones; i++)
	{
		ErrorData  *error = vr_attempt(write_rows, &mirror);

		if (error == NULL)
			return;
		if (i == VR_MAX_LOOKS || error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION ||
			error->constraint_name == NULL ||
			strcmp(error->constraint_name, "vendors_phone_key") != 0)
			ReThrowError(error);
		FreeErrorData(error);
	}
	write_rows(&mirror);
}

/* The vendor that is being taken out of the registry; NULL: none. */
static const text *forgetting = NULL;

/*
 * Is this vendor to be taken out of the registry only if it is not in use?  It may be offered
 * an order after we have asked.
 */
bool
vr_vendor_is_forgotten(const text *vendor_id)
{
	return vr_text_eq(forgetting, vendor_id);
}

/*
 * Takes a vendor out of the registry; one that is in use stays, and is offered
 * nothing more.
 */
void
vr_vendor_forget(const text *vendor_id)
{
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.vendors"
		" WHERE vendor_id = $1",
		1, {TEXTOID}
	};
	static const VrStatement deactivate = {
		"UPDATE vendor_routing.vendors"
		" SET is_active = false"
		" WHERE vendor_id = $1",
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(vendor_id)};
	VrVendorLock lock = {.wait = true, .exclusive = true};
	const text *outer = forgetting;
	bool		deleted = false;

	/* Nobody gives it an order between the question and what follows from it. */
	(void) vr_vendor_lock(vendor_id, 0, NULL, &lock);
	if (!vr_vendor_in_use(vendor_id))
	{
		forgetting = vendor_id;
		PG_TRY();
		{
			deleted = (vr_spi_write(&delete, params) == 1);
		}
		PG_FINALLY();
		{
			forgetting = outer;
		}
		PG_END_TRY();
	}
	if (!deleted)
		(void) vr_spi_write(&deactivate, params);
}

/*
 * The same for all of them.
 */
void
vr_vendors_forget_all(void)
{
	static const VrStatement select = {
		"SELECT vendor_id"
		" FROM vendor_routing.vendors"
		" ORDER BY vendor_id",
		0, {0}
	};
	uint64		n = vr_spi_read(&select, NULL);
	List	   *vendor_ids = NIL;
	ListCell   *cell;

	for (uint64 i = 0; i < n; i++)
		vendor_ids = lappend(vendor_ids, vr_spi_text(i, 1));
	foreach(cell, vendor_ids)
		vr_vendor_forget(lfirst(cell));
}

/* What a mapped column says, where the registry says otherwise. */
#define DIFFERS(column) \
	"CASE WHEN '" column "' = ANY ($2) AND v." column " IS DISTINCT FROM x." column \
	" THEN '" column "' END"

/*
 * Finds the rows of the attached table that are not in the registry as they
 * should be.  What vr_complete counts in both ways is not compared.  Returns how
 * many there are; each has vendor_id and what differs.
 */
uint64
vr_vendors_differing(const Jsonb *rows, const List *columns)
{
	static const VrStatement select = {
		"SELECT x.vendor_id,"
		" CASE WHEN v.vendor_id IS NULL THEN 'is in the attached table, and not in the registry'"
		"  ELSE 'differs from the attached table in ' || d.names END"
		" FROM (" ATTACHED_ROWS("p.phone AS claimed") ") AS x"
		" LEFT JOIN vendor_routing.vendors AS v ON v.vendor_id = x.vendor_id"
		" CROSS JOIN LATERAL (SELECT pg_catalog.concat_ws(', ',"
		DIFFERS("name") ", "
		"CASE WHEN 'phone' = ANY ($2) AND v.phone IS DISTINCT FROM x.claimed"
		" AND NOT (v.phone IS NULL AND EXISTS (SELECT FROM vendor_routing.vendors AS o"
		"  WHERE o.phone = x.claimed)) THEN 'phone' END, "
		DIFFERS("is_active") ", "
		DIFFERS("is_verified") ", " DIFFERS("products") ", "
		DIFFERS("min_order_amount") ", " DIFFERS("latitude") ", "
		DIFFERS("longitude") ", " DIFFERS("service_radius_km") ", "
		DIFFERS("capacity") ") AS names) AS d"
		" WHERE v.vendor_id IS NULL OR d.names <> ''",
		2, {JSONBOID, TEXTARRAYOID},
		.joins = true
	};
	NullableDatum params[] = {vr_param_ptr(rows), vr_param_texts(columns)};

	return vr_spi_read_snapshot(&select, params);
}

/*
 * Finds the active vendors that are not among these.
 */
uint64
vr_vendors_beyond(const List *vendor_ids)
{
	static const VrStatement select = {
		"SELECT v.vendor_id"
		" FROM vendor_routing.vendors AS v"
		" WHERE v.is_active"
		" AND v.vendor_id <> ALL (coalesce($1, '{}'::pg_catalog.text[]))",
		1, {TEXTARRAYOID}
	};
	NullableDatum params[] = {vr_param_texts(vendor_ids)};

	return vr_spi_read_snapshot(&select, params);
}
