/*-------------------------------------------------------------------------
 *
 * hours.c
 *		Working hours: minutes of a week, local time.
 *
 * Kept as an int4multirange over [0, 10080): minute 0 is Monday 00:00, as the
 * clock on the vendor's wall has it.  So hours past midnight need no rule of
 * their own, and a change to summer time moves nothing.
 *
 * IDENTIFICATION
 *	  src/hours.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

#include "hours.h"

#define MINUTES_PER_DAY (24 * MINS_PER_HOUR)

/*
 * The time on the clocks of a zone.  Returns false where the server does not know it.
 */
static bool
local_time(TimestampTz when, const text *time_zone, struct pg_tm *local)
{
	pg_tz	   *zone = pg_tzset(text_to_cstring(time_zone));
	fsec_t		fsec;
	int			offset;

	return zone != NULL && timestamp2tm(when, &offset, local, &fsec, NULL, zone) == 0;
}

/*
 * The time of day in words: 09:00, on the clocks of a zone; of UTC, where there is none
 * or the server does not know it.
 */
char *
vr_time_of_day(TimestampTz when, const text *time_zone)
{
	struct pg_tm local;

	if ((time_zone == NULL || !local_time(when, time_zone, &local)) &&
		!local_time(when, cstring_to_text("UTC"), &local))
		return "";	/* LCOV_EXCL_LINE: no time that is stored is beyond all calendars */
	return psprintf("%02d:%02d", local.tm_hour, local.tm_min);
}

/*
 * The minute of the week, on the clocks of a zone.  Returns false where the
 * server does not know the zone.
 */
bool
vr_minute_of_week(TimestampTz when, const text *time_zone, int *minute)
{
	struct pg_tm local;
	int			day;

	if (!local_time(when, time_zone, &local))
		return false;

	/* j2day counts from Sunday */
	day = (j2day(date2j(local.tm_year, local.tm_mon, local.tm_mday)) + 6) % 7;
	*minute = day * MINUTES_PER_DAY + local.tm_hour * MINS_PER_HOUR + local.tm_min;
	return true;
}

static TypeCacheEntry *
range_type(void)
{
	return lookup_type_cache(INT4MULTIRANGEOID, TYPECACHE_MULTIRANGE_INFO)->rngtype;
}

/*
 * Is a minute of the week one of the working hours?
 */
bool
vr_hours_contain(Datum hours, int minute)
{
	return multirange_contains_elem_internal(range_type(),
											 DatumGetMultirangeTypeP(hours),
											 Int32GetDatum(minute));
}

/*
 * Are working hours all within the week?
 */
bool
vr_hours_are_of_a_week(Datum hours)
{
	RangeType **ranges;
	int			nranges;

	multirange_deserialize(range_type(), DatumGetMultirangeTypeP(hours),
						   &nranges, &ranges);
	for (int i = 0; i < nranges; i++)
	{
		RangeBound	from;
		RangeBound	to;
		bool		empty;

		range_deserialize(range_type(), ranges[i], &from, &to, &empty);
		if (from.infinite || DatumGetInt32(from.val) < 0 ||
			to.infinite || DatumGetInt32(to.val) > 7 * MINUTES_PER_DAY)
			return false;
	}
	return true;
}

/*
 * A minute of the week in words: Mon 09:00.
 */
void
vr_hours_append_minute(StringInfo buffer, int minute)
{
	static const char *const days[] = {
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"
	};

	appendStringInfo(buffer, "%s %02d:%02d", days[minute / MINUTES_PER_DAY % 7],
					 minute % MINUTES_PER_DAY / MINS_PER_HOUR,
					 minute % MINS_PER_HOUR);
}

/*
 * Working hours in words: Mon 09:00 - Mon 18:00, ...
 */
void
vr_hours_append(StringInfo buffer, Datum hours)
{
	RangeType **ranges;
	int			nranges;

	multirange_deserialize(range_type(), DatumGetMultirangeTypeP(hours),
						   &nranges, &ranges);
	if (nranges == 0)
		appendStringInfoString(buffer, "never open");
	for (int i = 0; i < nranges; i++)
	{
		RangeBound	from;
		RangeBound	to;
		bool		empty;

		range_deserialize(range_type(), ranges[i], &from, &to, &empty);
		appendStringInfoString(buffer, i > 0 ? ", " : "");
		vr_hours_append_minute(buffer, DatumGetInt32(from.val));
		appendStringInfoString(buffer, " - ");
		vr_hours_append_minute(buffer, DatumGetInt32(to.val));
	}
}
