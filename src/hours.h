/*-------------------------------------------------------------------------
 *
 * hours.h
 *		Working hours: minutes of a week, local time.
 *
 * IDENTIFICATION
 *	  src/hours.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_HOURS_H
#define VR_HOURS_H

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

extern char *vr_time_of_day(TimestampTz when, const text *time_zone);
extern bool vr_minute_of_week(TimestampTz when, const text *time_zone, int *minute);
extern bool vr_hours_contain(Datum hours, int minute);
extern bool vr_hours_are_of_a_week(Datum hours);
extern void vr_hours_append_minute(StringInfo buffer, int minute);
extern void vr_hours_append(StringInfo buffer, Datum hours);

#endif							/* VR_HOURS_H */
