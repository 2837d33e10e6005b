/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Whom a caller acts for.  vr_vendor_ids.
 *
 * The verbs of a vendor take its id as an argument, and an application says it
 * for all its vendors.  A role in the table vendor_roles acts for its vendors
 * only; so does whoever has the rights of such a role, unless it is a
 * superuser.  To such a caller, a routing that the vendor has nothing to do
 * with is the same as one that does not exist.
 *
 * Whoever the current user is, is whoever calls: in a SECURITY DEFINER function,
 * its owner.
 *
 * Memory: what was read is kept for the session, until vendor_roles or the
 * membership of a role changes.
 *
 * Errors: 42501 for who would act for another; VR005 for a routing that is hidden.
 *
 * IDENTIFICATION
 *	  src/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "args.h"
#include "cancellation.h"
#include "catalog.h"
#include "clock.h"
#include "errors.h"
#include "identity.h"
#include "newest.h"
#include "response.h"
#include "routing.h"
#include "settings.h"
#include "spi.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(vr_vendor_ids);
PG_FUNCTION_INFO_V1(vr_my_offers);
PG_FUNCTION_INFO_V1(vr_forget_identities);

/* Columns of vendor_routing.vendor_roles (27_vendor_roles.sql). */
enum
{
	Anum_vendor_role_role = 1,
	Anum_vendor_role_vendor_id = 2
};

/* What is kept of the last user who called. */
static struct
{
	MemoryContext context;		/* of the list; NULL until first used */
	Oid			user;
	bool		valid;
	Oid			relid;			/* of vendor_roles */
	List	   *vendor_ids;		/* NIL: acts for all */
} identity;

static void
forget_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == identity.relid)
		identity.valid = false;
}

static void
forget_membership(Datum arg, int cacheid, uint32 hash)
{
	identity.valid = false;
}

static void
take_role(TupleTableSlot *slot, void *arg)
{
	List	  **vendor_ids = arg;
	bool		isnull;
	Oid			role = DatumGetObjectId(slot_getattr(slot, Anum_vendor_role_role, &isnull));

	if (has_privs_of_role(GetUserId(), role))
		*vendor_ids = lappend(*vendor_ids,
							  DatumGetTextPCopy(slot_getattr(slot,
															 Anum_vendor_role_vendor_id,
															 &isnull)));
}

/*
 * The vendors that the current user acts for, as they are in the table; NIL if for
 * all.
 */
static List *
own_vendor_ids(void)
{
	Oid			user = GetUserId();
	List	   *vendor_ids = NIL;
	Relation	table;
	MemoryContext caller;

	if (superuser_arg(user))
		return NIL;
	if (identity.valid && identity.user == user)
		return identity.vendor_ids;

	if (identity.context == NULL)
	{
		identity.context = AllocSetContextCreate(TopMemoryContext, "vendor_routing identity",
												 ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_membership, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, forget_membership, (Datum) 0);
	}

	/*
	 * Valid from before we read: what changes meanwhile makes it invalid.  Of no
	 * user until we have: reading can fail.
	 */
	identity.user = InvalidOid;
	identity.vendor_ids = NIL;
	MemoryContextReset(identity.context);
	table = vr_open_table("vendor_roles");
	identity.relid = RelationGetRelid(table);
	identity.valid = true;
	caller = MemoryContextSwitchTo(identity.context);
	vr_newest_rows(table, 0, NULL, take_role, &vendor_ids);
	MemoryContextSwitchTo(caller);
	table_close(table, NoLock);

	identity.vendor_ids = vendor_ids;
	identity.user = user;
	return vendor_ids;
}

/*
 * Does an entry of the table mean this vendor?
 */
static bool
entry_is(const text *entry, const text *vendor_id)
{
	return VARSIZE_ANY_EXHDR(entry) == 0 ?
		vr_text_is(vendor_id, vr_vendor_id_setting) : vr_text_eq(entry, vendor_id);
}

/*
 * Returns whether the caller is bound to vendors, this one among them; false if it
 * may act for all.  An error if for others only.
 */
bool
vr_acts_as_vendor(const text *vendor_id)
{
	List	   *entries = own_vendor_ids();
	ListCell   *entry;

	if (entries == NIL)
		return false;
	foreach(entry, entries)
	{
		if (entry_is(lfirst(entry), vendor_id))
			return true;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to act for this vendor"),
			 errdetail("The role \"%s\" acts for the vendors of vr_vendor_ids() only.",
					   GetUserNameFromId(GetUserId(), false))));
}

/*
 * Is this a routing that a caller who is this vendor must not learn of?  Does not wait: who
 * waits for somebody who is changing the routing learns that it is there.
 */
bool
vr_is_hidden(const pg_uuid_t *routing_id, const text *vendor_id)
{
	static const VrStatement select = {
		"SELECT"
		" FROM vendor_routing.routings AS t"
		" WHERE routing_id = $1"
		" AND (locked_vendor_id = $2 OR EXISTS ("
		"  SELECT FROM vendor_routing.responses AS r"
		"  WHERE r.routing_id = t.routing_id AND r.round = t.round AND r.vendor_id = $2))",
		2, {UUIDOID, TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(routing_id), vr_param_ptr(vendor_id)};
	VrRouting	routing;
	bool		hidden;
	VrSpi		spi;

	if (!vr_acts_as_vendor(vendor_id))
		return false;
	if (vr_routing_find_committed(routing_id, &routing) &&
		(vr_text_eq(routing.locked_vendor_id, vendor_id) ||
		 vr_response_exists(&routing, vendor_id)))
		return false;

	/* Such a scan can pass by a row that is being moved. */
	vr_spi_begin(&spi);
	hidden = (vr_spi_read(&select, params) == 0);
	vr_spi_end(&spi);
	return hidden;
}

/*
 * May the caller, who acts for this vendor, be told who has won?
 */
bool
vr_may_learn_winner(const VrRouting *routing, const text *vendor_id)
{
	return vr_reveal_winner || !vr_acts_as_vendor(vendor_id) ||
		vr_text_eq(routing->locked_vendor_id, vendor_id);
}

/*
 * An error unless the caller may act for this vendor, and as it on this routing.
 */
void
vr_check_identity(const pg_uuid_t *routing_id, const text *vendor_id)
{
	/* Who has had the order and lost it again knows of it. */
	if (vr_is_hidden(routing_id, vendor_id) &&
		!vr_cancellation_lost_order(routing_id, vendor_id))
		vr_not_invited(vendor_id);
}

/*
 * The ids of the vendors that the caller is bound to; NULL where it is to none.
 */
static NullableDatum
bound_vendor_ids(void)
{
	List	   *entries = own_vendor_ids();
	List	   *vendor_ids = NIL;
	ListCell   *entry;

	if (entries == NIL)
		return vr_param_ptr(NULL);
	foreach(entry, entries)
	{
		text	   *vendor_id = lfirst(entry);

		if (VARSIZE_ANY_EXHDR(vendor_id) == 0)
			vendor_id = cstring_to_text(vr_vendor_id_setting);
		if (VARSIZE_ANY_EXHDR(vendor_id) > 0 && !vr_text_in(vendor_id, vendor_ids))
			vendor_ids = lappend(vendor_ids, vendor_id);
	}
	return vendor_ids == NIL ? vr_param_ptr(construct_empty_array(TEXTOID)) :
		vr_param_texts(vendor_ids);
}

/*
 * vr_vendor_ids() returns text[]
 */
Datum
vr_vendor_ids(PG_FUNCTION_ARGS)
{
	NullableDatum vendor_ids = bound_vendor_ids();

	fcinfo->isnull = vendor_ids.isnull;
	return vendor_ids.value;
}

/*
 * my_offers() returns setof vr_vendor_offers: those of the vendors that the caller is bound
 * to, by a way that looks at no row of others.
 */
Datum
vr_my_offers(PG_FUNCTION_ARGS)
{
	static const VrStatement select = {
		"SELECT r.vendor_id, r.routing_id, t.order_id, t.retailer_id, t.product, t.amount,"
		" t.latitude, t.longitude, t.payload, r.round, r.wave, r.rank, r.offered_at,"
		" r.expires_at, r.response, r.responded_at"
		" FROM pg_catalog.unnest($1) AS v (vendor_id)"
		" CROSS JOIN LATERAL (SELECT r.*"
		"  FROM vendor_routing.responses AS r"
		"  WHERE r.vendor_id = v.vendor_id AND r.expires_at > $2"
		"  AND (r.response IS NULL OR r.response = 'ACCEPT')" VR_BY_KEY ") AS r"
		" JOIN LATERAL (SELECT t.*"
		"  FROM vendor_routing.routings AS t"
		"  WHERE t.routing_id = r.routing_id" VR_BY_KEY ") AS t"
		"  ON t.round = r.round AND t.status = 'PENDING'",
		2, {TEXTARRAYOID, TIMESTAMPTZOID},
		.joins = true
	};
	NullableDatum params[] = {
		bound_vendor_ids(),
		vr_param(TimestampTzGetDatum(vr_now()))
	};

	vr_spi_return_rows(fcinfo, &select, params);
	return (Datum) 0;
}

/*
 * AFTER a change ON vendor_roles: all sessions read it again.
 */
Datum
vr_forget_identities(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = vr_trigger_data(fcinfo);

	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
