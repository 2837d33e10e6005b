/*-------------------------------------------------------------------------
 *
 * response.h
 *		The table responses: offers to vendors, and their answers.
 *
 * IDENTIFICATION
 *	  src/response.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_RESPONSE_H
#define VR_RESPONSE_H

#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "routing.h"

typedef enum VrAnswer
{
	VR_NO_ANSWER,
	VR_ACCEPT,
	VR_REJECT,
	VR_ERROR,
	VR_TIMEOUT
} VrAnswer;

/* What the functions need to know of an offer. */
typedef struct VrResponse
{
	bool		invited;		/* false: there is no offer; the rest is unset */
	VrAnswer	answer;
	TimestampTz responded_at;	/* valid with an answer */
	TimestampTz expires_at;
	ItemPointerData tid;		/* where this version is; invalid: unknown */
} VrResponse;

extern const char *vr_answer_name(VrAnswer answer);
extern VrAnswer vr_answer_from_text(const text *name);

extern void vr_response_read(const VrRouting *routing, const text *vendor_id,
							 VrResponse *response);
extern void vr_responses_insert(const VrRouting *routing,
								const List *candidates,
								TimestampTz now, TimestampTz expires_at);
extern List *vr_responses_invited(const VrRouting *routing);
extern TimestampTz vr_responses_last_offered(Relation table, Relation by_vendor,
											 const text *vendor_id,
											 TupleTableSlot *slot);
extern List *vr_responses_vendor_ids(const VrRouting *routing);
extern bool vr_response_record(const VrRouting *routing, const text *vendor_id,
							   const VrResponse *response, VrAnswer answer,
							   const text *reason, const Jsonb *payload,
							   TimestampTz now);
extern List *vr_responses_time_out(const VrRouting *routing,
								   const Interval *ttl, TimestampTz now);
extern List *vr_responses_due_accepts(const VrRouting *routing,
									  const Interval *ttl, TimestampTz now);
extern bool vr_responses_next_deadline(const VrRouting *routing,
									   const Interval *ttl, TimestampTz now,
									   TimestampTz *deadline);

#endif							/* VR_RESPONSE_H */
