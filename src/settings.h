/*-------------------------------------------------------------------------
 *
 * settings.h
 *		The settings vendor_routing.* and their bounds.
 *
 * IDENTIFICATION
 *	  src/settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_SETTINGS_H
#define VR_SETTINGS_H

/* Most vendors one order can be offered to, by setting or by argument. */
#define VR_MAX_VENDORS_LIMIT 1000

/* Longest time to live of an offer or an order, in seconds: one year. */
#define VR_TTL_LIMIT (365 * 24 * 60 * 60)

extern int	vr_max_vendors;
extern int	vr_offer_ttl;		/* seconds */
extern int	vr_order_ttl;		/* seconds */
extern bool vr_notify;
extern int	vr_message_attempts;
extern int	vr_message_backoff;	/* seconds */
extern int	vr_order_lifetime;	/* seconds */
extern int	vr_confirm_within;	/* seconds; 0: no confirmation */
extern int	vr_max_releases;
extern int	vr_auto_pause_after;	/* unanswered offers; 0: never */
extern int	vr_auto_pause_for;	/* seconds */
extern bool vr_record_losses;
extern char *vr_vendor_id_setting;	/* empty: nobody */
extern bool vr_reveal_winner;

extern bool vr_worker;
extern int	vr_worker_naptime;	/* milliseconds */
extern char *vr_worker_databases;
extern char *vr_worker_role;

extern void vr_define_settings(void);

#endif							/* VR_SETTINGS_H */
