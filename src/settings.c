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
#include "utils/guc.h"

#include "settings.h"

int			vr_max_vendors = 10;
int			vr_offer_ttl = 60;
int			vr_order_ttl = 15 * 60;
bool		vr_record_losses = true;

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
 * Called once, when the library is loaded.
 */
void
vr_define_settings(void)
{
	DefineCustomIntVariable("vendor_routing.max_vendors",
							"Number of vendors an order is offered to.",
							"The best by score; vr_broadcast can be told another number.",
							&vr_max_vendors,
							10, 1, VR_MAX_VENDORS_LIMIT,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.offer_ttl",
							"Time a vendor has to answer an offer.",
							"An offer never outlives its order.",
							&vr_offer_ttl,
							60, 1, VR_TTL_LIMIT,
							PGC_USERSET, GUC_UNIT_S,
							check_offer_ttl, NULL, NULL);

	DefineCustomIntVariable("vendor_routing.order_ttl",
							"Time an order has to find a vendor.",
							NULL,
							&vr_order_ttl,
							15 * 60, 1, VR_TTL_LIMIT,
							PGC_USERSET, GUC_UNIT_S,
							check_order_ttl, NULL, NULL);

	/* Part of the audit trail, so not for everybody to switch off. */
	DefineCustomBoolVariable("vendor_routing.record_losses",
							 "Records the acceptance of a vendor that came too late.",
							 NULL,
							 &vr_record_losses,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	MarkGUCPrefixReserved("vendor_routing");
}
