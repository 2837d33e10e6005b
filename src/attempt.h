/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		Work that may fail.
 *
 * IDENTIFICATION
 *	  src/attempt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ATTEMPT_H
#define VR_ATTEMPT_H

extern ErrorData *vr_attempt(void (*work) (void *arg), void *arg);
extern bool vr_is_about_work(const ErrorData *error);

#endif							/* VR_ATTEMPT_H */
