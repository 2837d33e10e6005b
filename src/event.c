/*-------------------------------------------------------------------------
 *
 * event.c
 *		The tables events and vendor_events: the audit trail.  Their only
 *		writer.
 *
 * An event is written in the transaction in which it happens: if it cannot be
 * written, it does not happen.
 *
 * IDENTIFICATION
 *	  src/event.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "event.h"
#include "ids.h"
#include "spi.h"

/*
 * Adds an event to those that the call writes last: see vr_routings_end.
 */
void
vr_event_add(VrRouting *routing, TimestampTz now, const char *event_type,
			 const text *vendor_id, const Jsonb *payload)
{
	NullableDatum columns[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param_ptr(vr_make_event_id()),
		vr_param_ptr(routing->order_id),
		vr_param_ptr(cstring_to_text(event_type)),
		vr_param_ptr(vendor_id),
		vr_param_ptr(payload),
		vr_param(TimestampTzGetDatum(now))
	};

	if (routing->events == NULL)
		routing->events = palloc0(sizeof(VrRows));
	vr_rows_add(routing->events, "events", columns, lengthof(columns));
}

/*
 * Writes what was added, in that order.
 */
void
vr_events_write(VrRows *rows)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.events"
		" (routing_id, event_id, order_id, event_type, vendor_id, payload,"
		"  occurred_at)"
		" SELECT routing_id, event_id, order_id, event_type, vendor_id, payload,"
		"  occurred_at"
		" FROM " VR_ROWS
	};

	vr_rows_insert_all(rows, &insert);
}

/*
 * Adds that an accept was refused, unless the same refusal of the same vendor
 * is on record: somebody who tries again and again fills no table.  The caller
 * holds the lock of the routing.
 */
void
vr_event_add_refused_once(VrRouting *routing, TimestampTz now,
						  const text *vendor_id, const Jsonb *payload)
{
	static const VrStatement select = {
		"SELECT 1"
		" FROM vendor_routing.events"
		" WHERE routing_id = $1 AND vendor_id = $2"
		" AND event_type = '" VR_EVENT_REFUSED "' AND payload = $3"
		" LIMIT 1",
		3, {UUIDOID, TEXTOID, JSONBOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(&routing->routing_id),
		vr_param_ptr(vendor_id),
		vr_param_ptr(payload)
	};

	if (vr_spi_read(&select, params) == 0)
		vr_event_add(routing, now, VR_EVENT_REFUSED, vendor_id, payload);
}

/*
 * Writes an event of a vendor.
 */
void
vr_vendor_event_insert(const text *vendor_id, TimestampTz now,
					   const char *event_type, const Jsonb *payload)
{
	static const VrStatement insert = {
		"INSERT INTO vendor_routing.vendor_events"
		" (vendor_id, event_id, event_type, payload, occurred_at)"
		" VALUES ($1, $2, $3, $4, $5)",
		5, {TEXTOID, UUIDOID, TEXTOID, JSONBOID, TIMESTAMPTZOID}
	};
	NullableDatum params[] = {
		vr_param_ptr(vendor_id),
		vr_param_ptr(vr_make_event_id()),
		vr_param_ptr(cstring_to_text(event_type)),
		vr_param_ptr(payload),
		vr_param(TimestampTzGetDatum(now))
	};

	vr_spi_write_exactly(&insert, params, 1);
}
