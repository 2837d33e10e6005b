/*-------------------------------------------------------------------------
 *
 * clock.c
 *		What time it is, and when a time to live ends.
 *
 * IDENTIFICATION
 *	  src/clock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

#include "clock.h"
#include "settings.h"

/*
 * Milliseconds since some moment, whatever is done to the clock: to wait by.
 */
int64
vr_uptime(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

/*
 * start + span, by the calendar, as the operator + has it.
 */
TimestampTz
vr_add_interval(TimestampTz start, const Interval *span)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(start),
												   IntervalPGetDatum(span)));
}

/*
 * When an order that was first broadcast at created_at, and is offered now, gives
 * up: after order_ttl, and never after order_lifetime from the beginning.
 */
TimestampTz
vr_order_deadline(TimestampTz now, TimestampTz created_at)
{
	return Min(now + vr_order_ttl * USECS_PER_SEC,
			   created_at + vr_order_lifetime * USECS_PER_SEC);
}

/*
 * When an offer made now ends: after ttl, or the setting where ttl is NULL, and
 * never after its order.
 */
TimestampTz
vr_offer_deadline(TimestampTz now, const Interval *ttl,
				  TimestampTz order_deadline)
{
	TimestampTz deadline;

	if (ttl != NULL)
		deadline = vr_add_interval(now, ttl);
	else
		deadline = now + vr_offer_ttl * USECS_PER_SEC;
	return Min(deadline, order_deadline);
}
