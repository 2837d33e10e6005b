/*-------------------------------------------------------------------------
 *
 * policy.c
 *		The table policies: broadcast policies by name.  vr_set_policy and
 *		vr_drop_policy, its only writers.
 *
 * A policy is read when an order starts, and copied into its routing.
 *
 * Errors: 22023 for an unknown policy, or waves that are not such.
 *
 * IDENTIFICATION
 *	  src/policy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "args.h"
#include "clock.h"
#include "lock.h"
#include "policy.h"
#include "spi.h"
#include "wave.h"

PG_FUNCTION_INFO_V1(vr_set_policy);
PG_FUNCTION_INFO_V1(vr_drop_policy);

/*
 * An interval of the last result, or what is there already where that is set.
 */
static void
default_interval(const Interval **interval, int column)
{
	NullableDatum value = vr_spi_value(0, column);

	if (*interval == NULL && !value.isnull)
		*interval = DatumGetIntervalP(datumCopy(value.value, false,
												sizeof(Interval)));
}

/*
 * Reads a policy into a plan.  What the plan says already counts more.
 */
void
vr_policy_read(const text *policy, VrPlan *plan)
{
	static const VrStatement select = {
		"SELECT waves, offer_ttl, confirm_within"
		" FROM vendor_routing.policies"
		" WHERE policy = $1",
		1, {TEXTOID}
	};
	NullableDatum params[] = {vr_param_ptr(policy)};

	if (vr_spi_read(&select, params) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("policy \"%s\" does not exist", text_to_cstring(policy)),
				 errhint("The view vr_policies has those that do.")));
	plan->waves = DatumGetJsonbPCopy(vr_spi_value(0, 1).value);
	default_interval(&plan->offer_ttl, 2);
	default_interval(&plan->confirm_within, 3);
}

/*
 * vr_set_policy(policy text, waves jsonb, offer_ttl interval,
 *				 confirm_within interval)
 */
Datum
vr_set_policy(PG_FUNCTION_ARGS)
{
	static const VrStatement upsert = {
		"INSERT INTO vendor_routing.policies AS p"
		" (policy, waves, offer_ttl, confirm_within, updated_at)"
		" VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (policy) DO UPDATE"
		" SET waves = excluded.waves, offer_ttl = excluded.offer_ttl,"
		"     confirm_within = excluded.confirm_within,"
		"     updated_at = excluded.updated_at",
		5, {TEXTOID, JSONBOID, INTERVALOID, INTERVALOID, TIMESTAMPTZOID}
	};
	const text *policy = vr_arg_id(fcinfo, 0, "policy");
	NullableDatum params[] = {
		vr_param_ptr(policy),
		vr_param_ptr(vr_arg_waves(fcinfo, 1, false)),
		vr_param_ptr(vr_arg_optional_positive_ttl(fcinfo, 2, "offer_ttl")),
		vr_param_ptr(vr_arg_optional_positive_ttl(fcinfo, 3, "confirm_within")),
		vr_param(TimestampTzGetDatum(vr_now()))
	};
	VrSpi		spi;

	vr_require_writable("vr_set_policy()");

	vr_spi_begin(&spi);
	vr_lock_policy(policy);
	vr_spi_write_exactly(&upsert, params, 1);
	vr_spi_end(&spi);

	PG_RETURN_VOID();
}

/*
 * vr_drop_policy(policy text) returns boolean
 */
Datum
vr_drop_policy(PG_FUNCTION_ARGS)
{
	static const VrStatement delete = {
		"DELETE FROM vendor_routing.policies"
		" WHERE policy = $1",
		1, {TEXTOID}
	};
	const text *policy = vr_arg_id(fcinfo, 0, "policy");
	NullableDatum params[] = {vr_param_ptr(policy)};
	bool		dropped;
	VrSpi		spi;

	vr_require_writable("vr_drop_policy()");

	vr_spi_begin(&spi);
	vr_lock_policy(policy);
	dropped = (vr_spi_write(&delete, params) == 1);
	vr_spi_end(&spi);

	PG_RETURN_BOOL(dropped);
}
