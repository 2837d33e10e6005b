/*-------------------------------------------------------------------------
 *
 * outbox.h
 *		The table outbox: routings of which somebody may have to be told something.
 *
 * IDENTIFICATION
 *	  src/outbox.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_OUTBOX_H
#define VR_OUTBOX_H

#include "utils/uuid.h"

/* Most routings whose locks a sender has at a time. */
#define VR_OUTBOX_BATCH 100

/* Most batches of one claim, so that it ends soon. */
#define VR_OUTBOX_BATCHES 20

/* Routings of the outbox that are not as they were. */
typedef struct VrOutboxBatch
{
	int			n;
	pg_uuid_t	routing_ids[VR_OUTBOX_BATCH];
	int			versions[VR_OUTBOX_BATCH];
	bool		open[VR_OUTBOX_BATCH];	/* will be changed by an accept */
	bool		more;			/* there may be */

	/* Those of the batches before that had to stay as they were. */
	int			npassed;
	pg_uuid_t	passed[VR_OUTBOX_BATCHES * VR_OUTBOX_BATCH];
} VrOutboxBatch;

extern void vr_outbox_add(const pg_uuid_t *routing_ids, int n);
extern void vr_outbox_put_back(const pg_uuid_t *routing_id);
extern bool vr_outbox_is_free(const pg_uuid_t *routing_id);
extern void vr_outbox_lock_changed(VrOutboxBatch *changed);
extern void vr_outbox_settle(VrOutboxBatch *changed);
extern void vr_wake_senders(void);

#endif							/* VR_OUTBOX_H */
