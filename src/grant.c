/*-------------------------------------------------------------------------
 *
 * grant.c
 *		vr_grant_app, vr_grant_vendor, vr_grant_auditor and their revokes: what
 *		each kind of role may do.  The table vendor_roles, its only writer.
 *
 * Everything else is for the owner of the extension, and whoever that grants it
 * to.  What is given is privileges like any other: they are part of a dump, and
 * \dp shows them.
 *
 * Rights: as everywhere, those of the owner of our tables: who may call these
 * functions administers the extension.
 *
 * Errors: 22004 for no role; 55000 for a role that would be an application and a
 * vendor.
 *
 * IDENTIFICATION
 *	  src/grant.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "args.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(vr_grant_app);
PG_FUNCTION_INFO_V1(vr_revoke_app);
PG_FUNCTION_INFO_V1(vr_grant_vendor);
PG_FUNCTION_INFO_V1(vr_revoke_vendor);
PG_FUNCTION_INFO_V1(vr_grant_auditor);
PG_FUNCTION_INFO_V1(vr_revoke_auditor);

#define APP			(1 << 0)
#define VENDOR		(1 << 1)
#define AUDITOR		(1 << 2)

/* Who may do what.  The views: all but vr_my_offers are for APP and AUDITOR. */
static const struct
{
	const char *function;
	int			kinds;
}			functions[] = {
	{"vr_accept", APP | VENDOR},
	{"vr_respond", APP | VENDOR},
	{"vr_confirm", APP | VENDOR},
	{"vr_release", APP | VENDOR},
	{"vr_pause", APP | VENDOR},
	{"vr_resume", APP | VENDOR},
	{"vr_set_hours", APP | VENDOR},
	{"vr_vendor_ids", APP | VENDOR},
	{"my_offers", VENDOR},
	{"vr_broadcast", APP},
	{"vr_broadcast_many", APP},
	{"vr_cancel", APP},
	{"vr_send_cancellations", APP},
	{"vr_timeout", APP},
	{"vr_tick", APP},
	{"vr_retry", APP},
	{"vr_assign", APP},
	{"vr_complete", APP},
	{"vr_block", APP},
	{"vr_unblock", APP},
	{"vr_set_policy", APP},
	{"vr_drop_policy", APP},
	{"vr_claim_messages", APP},
	{"vr_message_sent", APP},
	{"vr_message_failed", APP},
	{"vr_confirm_delivery", APP},
	{"vr_receive_message", APP},
	{"vr_status", APP | AUDITOR},
	{"vr_history", APP | AUDITOR},
	{"vr_explain", APP | AUDITOR},
	{"vr_routing_id", APP | VENDOR | AUDITOR},
	{"vr_distance_km", APP | AUDITOR},
	{"vr_version", APP | VENDOR | AUDITOR}
};

/*
 * Runs "GRANT privileges TO role", or the revoke of it, on functions and views of
 * ours.
 */
static void
change_privileges(Oid role, bool grant, const char *privileges, List *objects)
{
	StringInfoData sql;
	ListCell   *object;

	initStringInfo(&sql);
	appendStringInfo(&sql, "%s %s", grant ? "GRANT" : "REVOKE", privileges);
	foreach(object, objects)
		appendStringInfo(&sql, "%s%s", foreach_current_index(object) > 0 ? ", " : " ",
						 text_to_cstring(lfirst(object)));
	appendStringInfo(&sql, " %s %s", grant ? "TO" : "FROM",
					 quote_identifier(GetUserNameFromId(role, false)));
	vr_spi_utility(sql.data);
}

/*
 * The functions and schemas, or views, that a query finds, by their names in SQL.
 */
static List *
find_objects(const VrStatement *query, const NullableDatum *params)
{
	List	   *objects = NIL;
	uint64		n = vr_spi_read(query, params);

	for (uint64 i = 0; i < n; i++)
		objects = lappend(objects, vr_spi_text(i, 1));
	return objects;
}

/*
 * The names of the functions of a kind, but for those that are also of others.
 */
static List *
functions_of(int kind, int others)
{
	List	   *names = NIL;

	for (int i = 0; i < lengthof(functions); i++)
	{
		if ((functions[i].kinds & kind) && !(functions[i].kinds & others))
			names = lappend(names, cstring_to_text(functions[i].function));
	}
	return names;
}

/*
 * Grants or revokes everything of a kind.
 */
static void
change_kind(Oid role, int kind, bool grant)
{
	static const VrStatement find_functions = {
		"SELECT p.oid::regprocedure::text"
		" FROM pg_extension AS e"
		" JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass"
		"  AND d.refobjid = e.oid AND d.deptype = 'e'"
		" JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid"
		" WHERE e.extname = 'vendor_routing' AND p.proname = ANY ($1::text[])"
		" ORDER BY 1",
		1, {TEXTARRAYOID}
	};
	static const VrStatement find_views = {
		"SELECT c.oid::regclass::text"
		" FROM pg_extension AS e"
		" JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass"
		"  AND d.refobjid = e.oid AND d.deptype = 'e'"
		" JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"
		" WHERE e.extname = 'vendor_routing' AND c.relkind = 'v'"
		"  AND c.relnamespace = e.extnamespace AND (c.relname = 'vr_my_offers') = $1"
		" ORDER BY 1",
		1, {BOOLOID}
	};
	/* PUBLIC has it where our functions are, mostly. */
	static const VrStatement find_schema = {
		"SELECT e.extnamespace::regnamespace::text"
		" FROM pg_extension AS e"
		" WHERE e.extname = 'vendor_routing'"
		"  AND NOT has_schema_privilege($1, e.extnamespace, 'USAGE')",
		1, {OIDOID}
	};
	NullableDatum function_params[] = {vr_param_texts(functions_of(kind, 0))};
	NullableDatum view_params[] = {vr_param(BoolGetDatum(kind == VENDOR))};
	NullableDatum schema_params[] = {vr_param(ObjectIdGetDatum(role))};
	List	   *schemas;

	change_privileges(role, grant, "EXECUTE ON FUNCTION",
					  find_objects(&find_functions, function_params));
	change_privileges(role, grant, "SELECT ON",
					  find_objects(&find_views, view_params));

	schemas = grant ? find_objects(&find_schema, schema_params) : NIL;
	if (schemas != NIL)
		change_privileges(role, true, "USAGE ON SCHEMA", schemas);
}

/*
 * Does this role act for a vendor, itself or as a member of one that does?
 */
static bool
is_vendor_role(Oid role)
{
	static const VrStatement select = {
		"SELECT true"
		" FROM vendor_routing.vendor_roles AS r, pg_roles AS a"
		" WHERE a.oid = $1"
		" AND (r.role = a.oid OR NOT a.rolsuper AND pg_has_role(a.oid, r.role, 'USAGE'))",
		1, {OIDOID},
		.joins = true
	};
	NullableDatum params[] = {vr_param(ObjectIdGetDatum(role))};

	return vr_spi_read(&select, params) > 0;
}

/*
 * May a role call one of these functions of ours?
 */
static bool
may_call(Oid role, List *names)
{
	static const VrStatement select = {
		"SELECT true"
		" FROM pg_extension AS e"
		" JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass"
		"  AND d.refobjid = e.oid AND d.deptype = 'e'"
		" JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid"
		" WHERE e.extname = 'vendor_routing' AND p.proname = ANY ($2::text[])"
		"  AND has_function_privilege($1, p.oid, 'EXECUTE')",
		2, {OIDOID, TEXTARRAYOID}
	};
	NullableDatum params[] = {
		vr_param(ObjectIdGetDatum(role)),
		vr_param_texts(names)
	};

	return vr_spi_read(&select, params) > 0;
}

/*
 * An application acts for all vendors, a vendor for itself.
 */
static void
check_kind(Oid role, bool wrong, const char *what, const char *undo)
{
	if (wrong)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" %s", GetUserNameFromId(role, false), what),
				 errhint("Call %s() first, or use another role.", undo)));
}

/*
 * What all six do: vendor_id counts with VENDOR.
 */
static Datum
change_role(FunctionCallInfo fcinfo, const char *function, int kind, bool grant,
			const text *vendor_id)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.vendor_roles (role, vendor_id)"
		" VALUES ($1, $2)"
		" ON CONFLICT (role, vendor_id) DO NOTHING",
		2, {OIDOID, TEXTOID}
	};
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.vendor_roles WHERE role = $1",
		1, {OIDOID}
	};
	static const VrStatement delete_gone = {
		"DELETE FROM vendor_routing.vendor_roles AS r"
		" WHERE NOT EXISTS (SELECT FROM pg_roles AS a WHERE a.oid = r.role)",
		0, {0},
		.joins = true
	};
	Oid			role = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	NullableDatum params[] = {
		vr_param(ObjectIdGetDatum(role)),
		vr_param_ptr(vendor_id)
	};
	VrSpi		spi;

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role must not be null")));
	vr_require_writable(function);
	(void) GetUserNameFromId(role, false);	/* a number need not be a role */

	/*
	 * Roles that were dropped with a vendor: their numbers may be given to others, or have
	 * been, where a dump was restored.  Who may call nothing was granted nothing.
	 */
	vr_spi_begin(&spi);
	(void) vr_spi_write(&delete_gone, NULL);
	if (grant && !may_call(role, functions_of(VENDOR, AUDITOR)))
		(void) vr_spi_write(&delete, params);
	if (grant && kind == APP)
		check_kind(role, is_vendor_role(role), "acts for a vendor", "vr_revoke_vendor");
	if (grant && kind == VENDOR)
		check_kind(role, may_call(role, list_make1(cstring_to_text("vr_broadcast"))), "is an application",
				   "vr_revoke_app");
	change_kind(role, kind, grant);
	if (kind == VENDOR)
		(void) vr_spi_write(grant ? &insert : &delete, params);
	vr_spi_end(&spi);

	PG_RETURN_VOID();
}

/*
 * vr_grant_app(role regrole)
 */
Datum
vr_grant_app(PG_FUNCTION_ARGS)
{
	return change_role(fcinfo, "vr_grant_app()", APP, true, NULL);
}

/*
 * vr_revoke_app(role regrole)
 */
Datum
vr_revoke_app(PG_FUNCTION_ARGS)
{
	return change_role(fcinfo, "vr_revoke_app()", APP, false, NULL);
}

/*
 * vr_grant_vendor(role regrole, vendor_id text)
 *
 * Whether there is such a vendor does not matter: it may come later.
 */
Datum
vr_grant_vendor(PG_FUNCTION_ARGS)
{
	const text *vendor_id = vr_arg_optional_id(fcinfo, 1, "vendor_id");

	return change_role(fcinfo, "vr_grant_vendor()", VENDOR, true,
					   vendor_id != NULL ? vendor_id : cstring_to_text(""));
}

/*
 * vr_revoke_vendor(role regrole)
 */
Datum
vr_revoke_vendor(PG_FUNCTION_ARGS)
{
	return change_role(fcinfo, "vr_revoke_vendor()", VENDOR, false, NULL);
}

/*
 * vr_grant_auditor(role regrole)
 */
Datum
vr_grant_auditor(PG_FUNCTION_ARGS)
{
	return change_role(fcinfo, "vr_grant_auditor()", AUDITOR, true, NULL);
}

/*
 * vr_revoke_auditor(role regrole)
 */
Datum
vr_revoke_auditor(PG_FUNCTION_ARGS)
{
	return change_role(fcinfo, "vr_revoke_auditor()", AUDITOR, false, NULL);
}
