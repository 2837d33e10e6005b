/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Defines the settings vendor_routing.*.
 *
 * The bounds are the server's own: a value outside is refused by SET, by
 * ALTER SYSTEM and by a reload alike.  Two settings that do not fit each other
 * are not an error, because they can arrive in any order; the shorter one
 * counts (see vr_offer_deadline), and SET says so.
 *
 * IDENTIFICATION
 *	  src/settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "settings.h"

int			vr_max_vendors = 10;
int			vr_offer_ttl = 60;
int			vr_order_ttl = 15 * 60;
bool		vr_notify = false;
int			vr_message_attempts = 8;
int			vr_message_backoff = 5;
int			vr_order_lifetime = 24 * 60 * 60;
int			vr_confirm_within = 0;
int			vr_max_releases = 1;
int			vr_auto_pause_after = 0;
int			vr_auto_pause_for = 60 * 60;
bool		vr_record_losses = true;
bool		vr_reveal_winner = false;
char	   *vr_vendor_id_setting = NULL;

bool		vr_worker = true;
int			vr_worker_naptime = 1000;
char	   *vr_worker_databases = NULL;
char	   *vr_worker_role = NULL;

/*
 * An offer cannot outlive its order.  Somebody who types SET is told; a
 * configuration file, where the other line may come next, and a parallel
 * worker, which copies values that were accepted before, are not.
 */
static void
notice_if_offer_outlives_order(int offer_ttl, int order_ttl, GucSource source)
{
	if (offer_ttl > order_ttl && source == PGC_S_SESSION &&
		!InitializingParallelWorker)
		ereport(NOTICE,
				(errmsg("vendor_routing.offer_ttl (%d s) is longer than vendor_routing.order_ttl (%d s)",
						offer_ttl, order_ttl),
				 errdetail("Offers will end together with their order.")));
}

static bool
check_offer_ttl(int *newval, void **extra, GucSource source)
{
	notice_if_offer_outlives_order(*newval, vr_order_ttl, source);
	return true;
}

static bool
check_order_ttl(int *newval, void **extra, GucSource source)
{
	notice_if_offer_outlives_order(vr_offer_ttl, *newval, source);
	return true;
}

/*
 * A list of names.  Whether there are such databases is seen by who uses it.
 */
static bool
check_worker_databases(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitIdentifierString(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return valid;
}

/*
 * Called once, when the library is loaded.
 */
void
vr_define_settings(void)
{
	/*
	 * Waves, rounds and pauses are made in the session of whoever comes first, and that
	 * may be a vendor: so how they are is not for everybody to set.
	 */
	DefineCustomIntVariable("vendor_routing.max_vendors",
							"Number of vendors an order is offered to.",
							"The best by score; vr_broadcast can be told another number.",
							&vr_max_vendors,
							10, 1, VR_MAX_VENDORS_LIMIT,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.offer_ttl",
							"Time a vendor has to answer an offer.",
							"An offer never outlives its order.",
							&vr_offer_ttl,
							60, 1, VR_TTL_LIMIT,
							PGC_SUSET, GUC_UNIT_S,
							check_offer_ttl, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.order_ttl",
							"Time an order has to find a vendor.",
							NULL,
							&vr_order_ttl,
							15 * 60, 1, VR_TTL_LIMIT,
							PGC_SUSET, GUC_UNIT_S,
							check_order_ttl, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.order_lifetime",
							"Time in which an order can find a vendor over all rounds.",
							"Counted from the first broadcast: releases and retries extend the deadline of an order up to here.",
							&vr_order_lifetime,
							24 * 60 * 60, 1, VR_TTL_LIMIT,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.confirm_within",
							"Time a winner has to confirm; 0 if it need not.",
							"For orders that are broadcast from now on.",
							&vr_confirm_within,
							0, 0, VR_TTL_LIMIT,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	/* A limit for those who call vr_release, so not theirs to raise. */
	DefineCustomIntVariable("vendor_routing.max_releases",
							"How often an order may be given back by a winner.",
							NULL,
							&vr_max_releases,
							1, 0, 100,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.auto_pause_after",
							"Unanswered offers in a row after which a vendor is paused; 0 for never.",
							"An offer that ended because another vendor won does not count.",
							&vr_auto_pause_after,
							0, 0, 1000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.auto_pause_for",
							"How long such a pause lasts.",
							NULL,
							&vr_auto_pause_for,
							60 * 60, 1, VR_TTL_LIMIT,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	/* Part of the audit trail, so not for everybody to switch off. */
	DefineCustomBoolVariable("vendor_routing.record_losses",
							 "Records the acceptance of a vendor that came too late.",
							 NULL,
							 &vr_record_losses,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	/* Limits for the roles of vendors, so not theirs to change. */
	DefineCustomStringVariable("vendor_routing.vendor_id",
							   "Vendor that a role of vendors acts for.",
							   "For roles of vr_grant_vendor() without a vendor.",
							   &vr_vendor_id_setting,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("vendor_routing.reveal_winner",
							 "Tells the role of a vendor which other vendor has won.",
							 NULL,
							 &vr_reveal_winner,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("vendor_routing.worker",
							 "Lets background workers do what is due.",
							 "Needs vendor_routing in shared_preload_libraries.",
							 &vr_worker,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("vendor_routing.worker_databases",
							   "Databases in which a background worker does what is due, separated by commas.",
							   NULL,
							   &vr_worker_databases,
							   "",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   check_worker_databases, NULL, NULL);

	DefineCustomStringVariable("vendor_routing.worker_role",
							   "Role the background workers run as; empty for the bootstrap superuser.",
							   "It needs LOGIN and EXECUTE on vr_tick, nothing more.",
							   &vr_worker_role,
							   "",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.worker_naptime",
							"Longest time between two looks of a background worker at what is due.",
							"It looks earlier where it knows of a deadline.",
							&vr_worker_naptime,
							1000, 10, 60 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("vendor_routing.notify",
							 "Notifies senders of messages that listen to vendor_routing.",
							 "Once per transaction that made any. PostgreSQL takes a lock for that at COMMIT that all databases share.",
							 &vr_notify,
							 false,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.message_attempts",
							"How often a message is tried before it is given up.",
							NULL,
							&vr_message_attempts,
							8, 1, 100,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.message_backoff",
							"Time between the first two attempts of a message.",
							"It doubles with each attempt, up to an hour, and is spread by chance.",
							&vr_message_backoff,
							5, 0, 3600,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("vendor_routing");
}
