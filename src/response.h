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
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "routing.h"

/* Columns of vendor_routing.responses that are read (22_responses.sql). */
enum
{
	Anum_response_routing_id = 1,
	Anum_response_round = 2,
	Anum_response_vendor_id = 3,
	Anum_response_score = 4,
	Anum_response_rank = 5,
	Anum_response_wave = 6,
	Anum_response_offered_at = 7,
	Anum_response_expires_at = 8,
	Anum_response_response = 9,
	Anum_response_responded_at = 10,
	Anum_response_payload = 12,
	Anum_response_decline_code = 13
};

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
	text	   *vendor_id;
	Numeric		score;
	int			rank;
	int			wave;
	TimestampTz offered_at;
	TimestampTz expires_at;
	VrAnswer	answer;
	TimestampTz responded_at;	/* valid with an answer */
	text	   *decline_code;	/* NULL: none */
	ItemPointerData tid;		/* where this version is; invalid: unknown */
} VrResponse;

/* An answer to record, and what came with it; each may be NULL. */
typedef struct VrAnswerDetails
{
	const text *reason;
	const text *decline_code;
	const Jsonb *payload;
} VrAnswerDetails;

extern const char *vr_answer_name(VrAnswer answer);
extern VrAnswer vr_answer_from_text(const text *name);
extern bool vr_is_decline_code(const text *name);

pg_noreturn extern void vr_not_invited(const text *vendor_id);
extern bool vr_response_exists(const VrRouting *routing, const text *vendor_id);
extern void vr_response_read(const VrRouting *routing, const text *vendor_id,
							 VrResponse *response);
extern void vr_responses_visit(const VrRouting *routing,
							   void (*visit) (TupleTableSlot *slot, void *arg),
							   void *arg);
extern List *vr_responses_read(const VrRouting *routing);
extern List *vr_responses_vendor_ids(const VrRouting *routing);
extern TimestampTz vr_responses_last_offered(Relation table, Relation by_vendor,
											 const text *vendor_id,
											 TupleTableSlot *slot);

extern bool vr_response_is_due(const VrResponse *response, const Interval *ttl,
							   TimestampTz now);
extern TimestampTz vr_responses_deadline(const List *responses,
										 const Interval *ttl, TimestampTz now);

extern void vr_responses_add(VrRows *rows, const VrRouting *routing,
							 const List *candidates, int noffered,
							 TimestampTz now, TimestampTz expires_at);
extern void vr_responses_write(VrRows *rows);
extern void vr_responses_insert(const VrRouting *routing,
								const List *candidates, int noffered,
								TimestampTz now, TimestampTz expires_at);
extern void vr_response_lock(const VrRouting *routing, const text *vendor_id);
extern bool vr_response_record(const VrRouting *routing, const text *vendor_id,
							   const VrResponse *response, VrAnswer answer,
							   const VrAnswerDetails *details, TimestampTz now);
extern bool vr_responses_try_lock(const List *responses);
extern void vr_responses_time_out(const VrRouting *routing,
								  const List *responses, TimestampTz now);
extern bool vr_responses_all_silent(const text *vendor_id, int n,
									TimestampTz since);

#endif							/* VR_RESPONSE_H */
