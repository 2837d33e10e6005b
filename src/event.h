/*-------------------------------------------------------------------------
 *
 * event.h
 *		The table events: the audit trail.
 *
 * IDENTIFICATION
 *	  src/event.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_EVENT_H
#define VR_EVENT_H

#include "routing.h"

/* Columns of vendor_routing.events that are read (24_events.sql). */
enum
{
	Anum_event_event_type = 4,
	Anum_event_payload = 6
};

/* The vocabulary; verify.c refuses other words. */
#define VR_EVENT_BROADCAST		"VENDOR_BROADCAST_INITIATED"
#define VR_EVENT_RESPONSE		"VENDOR_RESPONSE_RECORDED"
#define VR_EVENT_ACCEPTED		"VENDOR_ACCEPTED"
#define VR_EVENT_REFUSED		"VENDOR_ACCEPT_REFUSED"
#define VR_EVENT_TIMED_OUT		"VENDOR_TIMED_OUT"
#define VR_EVENT_CANCELLATIONS	"ORDER_LOCKED_AUTO_CANCELLATIONS_SENT"
#define VR_EVENT_CANCELLED		"ORDER_CANCELLED"
#define VR_EVENT_EXHAUSTED		"ORDER_EXHAUSTED"
#define VR_EVENT_EXPIRED		"ORDER_EXPIRED"
#define VR_EVENT_WAVE_OPENED	"VENDOR_WAVE_OPENED"
#define VR_EVENT_ASSIGNED		"VENDOR_ASSIGNED"
#define VR_EVENT_CONFIRMED		"VENDOR_CONFIRMED"
#define VR_EVENT_RELEASED		"VENDOR_RELEASED"
#define VR_EVENT_RETRIED		"ORDER_RETRIED"
#define VR_EVENT_COMPLETED		"ORDER_COMPLETED"

/* The same for vendors; vendor_events_event_type_check knows the same. */
#define VR_EVENT_PAUSED			"VENDOR_PAUSED"
#define VR_EVENT_RESUMED		"VENDOR_RESUMED"
#define VR_EVENT_HOURS_SET		"VENDOR_HOURS_SET"
#define VR_EVENT_BLOCKED		"VENDOR_BLOCKED"
#define VR_EVENT_UNBLOCKED		"VENDOR_UNBLOCKED"
#define VR_EVENT_LOAD_REPAIRED	"VENDOR_LOAD_REPAIRED"

extern void vr_event_add(VrRouting *routing, TimestampTz now, const char *event_type,
						 const text *vendor_id, const Jsonb *payload);
extern void vr_event_add_refused_once(VrRouting *routing, TimestampTz now,
									  const text *vendor_id, const Jsonb *payload);
extern void vr_events_write(VrRows *rows);
extern void vr_vendor_event_insert(const text *vendor_id, TimestampTz now,
								   const char *event_type, const Jsonb *payload);

#endif							/* VR_EVENT_H */
