/*-------------------------------------------------------------------------
 *
 * vendor_mapping.h
 *		What a row of the application's vendors means.
 *
 * IDENTIFICATION
 *	  src/vendor_mapping.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_VENDOR_MAPPING_H
#define VR_VENDOR_MAPPING_H

#include "attachment.h"

/* Columns of vendors that can be mapped, in the order of vendor_mapping.c. */
enum
{
	VR_FIELD_VENDOR_ID = 0,
	VR_FIELD_TOTAL_ORDERS = 13,
	VR_FIELD_COMPLETED_ORDERS = 14
};

extern VrField *vr_vendor_mapping_read(const Jsonb *mapping, Relation relation);
extern List *vr_vendor_mapped_columns(const VrField *fields);
extern char *vr_vendor_id_of(const VrField *fields, HeapTuple row, TupleDesc tupdesc);
extern void vr_vendor_push_row(JsonbParseState **state, const VrField *fields,
							   HeapTuple row, TupleDesc tupdesc);
extern bool vr_vendor_keep_attached(const text *vendor_id, bool wait);

#endif							/* VR_VENDOR_MAPPING_H */
