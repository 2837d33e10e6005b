/*-------------------------------------------------------------------------
 *
 * args.h
 *		Checks and conversions of what callers pass in.
 *
 * IDENTIFICATION
 *	  src/args.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ARGS_H
#define VR_ARGS_H

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Longest order, vendor, retailer or product id, in bytes. */
#define VR_MAX_ID_LENGTH 255

/* Longest reason or other free text, in bytes. */
#define VR_MAX_TEXT_LENGTH 2000

extern void vr_require_writable(const char *function);

extern void vr_check_id(Datum value, const char *name);
extern void vr_check_amount(Numeric amount, const char *name);
extern void vr_check_object(const Jsonb *value, const char *name);
extern const pg_uuid_t *vr_arg_uuid(FunctionCallInfo fcinfo, int argno, const char *name);
extern const text *vr_arg_id(FunctionCallInfo fcinfo, int argno, const char *name);
extern const text *vr_arg_optional_id(FunctionCallInfo fcinfo, int argno, const char *name);
extern const text *vr_arg_clipped_text(FunctionCallInfo fcinfo, int argno, int limit,
									   bool *clipped);
extern const text *vr_arg_optional_text(FunctionCallInfo fcinfo, int argno, const char *name);
extern const Jsonb *vr_arg_object(FunctionCallInfo fcinfo, int argno, const char *name);
extern Oid	vr_arg_relation(FunctionCallInfo fcinfo, int argno, const char *name);
extern const Jsonb *vr_arg_optional_object(FunctionCallInfo fcinfo, int argno, const char *name);
extern Numeric vr_arg_optional_amount(FunctionCallInfo fcinfo, int argno, const char *name);
extern const Interval *vr_arg_optional_ttl(FunctionCallInfo fcinfo, int argno, const char *name);

extern const Interval *vr_arg_optional_positive_ttl(FunctionCallInfo fcinfo, int argno,
													const char *name);

extern double vr_interval_seconds(const Interval *interval);

extern bool vr_text_eq(const text *a, const text *b);
extern bool vr_text_is(const text *value, const char *name);
extern bool vr_cstring_eq(const char *a, const char *b);
extern char *vr_cstring(const text *value);
extern List *vr_texts(Datum array);
extern bool vr_text_in(const text *value, const List *texts);

#endif							/* VR_ARGS_H */
