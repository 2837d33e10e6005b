/*-------------------------------------------------------------------------
 *
 * json.h
 *		Building small jsonb objects.
 *
 * IDENTIFICATION
 *	  src/json.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_JSON_H
#define VR_JSON_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* A member of an object: string, or where that is NULL the number. */
typedef struct VrMember
{
	const char *key;
	const char *string;
	int			number;
	bool		skip;			/* leave it out */
} VrMember;

extern Jsonb *vr_json_object(const VrMember *members, int nmembers);
extern Jsonb *vr_json_candidates(const List *candidates);
extern Jsonb *vr_json_wave(int vendors, const List *vendor_ids);

/* vr_json({"key", .string = "value"}, {"key", .number = 1}) */
#define vr_json(...) \
	vr_json_object((const VrMember[]) {__VA_ARGS__}, \
				   lengthof(((const VrMember[]) {__VA_ARGS__})))

#endif							/* VR_JSON_H */
