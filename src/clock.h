/*-------------------------------------------------------------------------
 *
 * clock.h
 *		What time it is, and when a time to live ends.
 *
 * IDENTIFICATION
 *	  src/clock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_CLOCK_H
#define VR_CLOCK_H

#include "utils/timestamp.h"

/*
 * The time of day, read now.  Never the transaction's start: a decision that
 * waited for a lock is made at the time it is made.
 */
#define vr_now() GetCurrentTimestamp()

extern int64 vr_uptime(void);
extern TimestampTz vr_add_interval(TimestampTz start, const Interval *span);
extern TimestampTz vr_order_deadline(TimestampTz now, TimestampTz created_at);
extern TimestampTz vr_offer_deadline(TimestampTz now, const Interval *ttl,
									 TimestampTz order_deadline);

#endif							/* VR_CLOCK_H */
