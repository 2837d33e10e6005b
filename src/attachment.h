/*-------------------------------------------------------------------------
 *
 * attachment.h
 *		The table attachments: tables of the application's, and what their
 *		columns mean.
 *
 * IDENTIFICATION
 *	  src/attachment.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_ATTACHMENT_H
#define VR_ATTACHMENT_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "compat.h"

typedef enum VrAttachmentKind
{
	VR_ATTACHED_ORDERS,
	VR_ATTACHED_VENDORS
} VrAttachmentKind;

typedef struct VrAttachment
{
	VrAttachmentKind kind;
	Oid			relation;
	Jsonb	   *mapping;
	char	   *search_path;	/* of who attached it */
} VrAttachment;

/* A word of a mapping that stands for a value: what it may say. */
typedef struct VrFieldRule
{
	const char *key;
	bool		required;
	bool		column_only;	/* we write there: not a constant */
	bool		is_list;		/* an array; one value stands for a list of one */
} VrFieldRule;

/* Where the value comes from. */
typedef struct VrField
{
	const VrFieldRule *rule;
	AttrNumber	attnum;			/* 0: not a column */
	char	   *constant;		/* NULL: none */
	char	   *equals;			/* the value is whether the column says this */
} VrField;

/* A row of an attached table. */
typedef struct VrAttachedRow
{
	Relation	table;			/* or of a partition of it */
	HeapTuple	tuple;
} VrAttachedRow;

/* The names of the triggers that follow the rows of attached tables. */
#define VR_ORDERS_TRIGGER	"vr_sync_orders"
#define VR_VENDORS_TRIGGER	"vr_sync_vendors"

/* A trigger of ours on a table of theirs. */
typedef struct VrTrigger
{
	const char *name;
	const char *when;
	const char *level;			/* ROW or STATEMENT */
	const char *function;		/* in the schema vendor_routing */
} VrTrigger;

/* Where the attached table and ours disagree; NULL: no order, no vendor. */
typedef void (*VrDriftFound) (const text *order_id, const text *vendor_id,
							  const char *detail, void *arg);

extern void vr_attached_orders_drift(VrDriftFound found, void *arg);
extern void vr_attached_vendors_drift(VrDriftFound found, void *arg);

extern bool vr_attachment_find(VrAttachmentKind kind, VrAttachment *attachment);
extern void vr_attachment_insert(VrAttachmentKind kind, Oid relation,
								 const Jsonb *mapping, const char *search_path,
								 TimestampTz now);
extern bool vr_attachment_delete(VrAttachmentKind kind);

extern char *vr_search_path_to_keep(void);
extern bool vr_is_attached(const VrAttachment *attachment, Relation table);
extern int	vr_begin_output(void);
extern void vr_end_output(int level);
extern char *vr_quoted_name(Oid relation);
pg_noreturn extern void vr_rethrow_without_value(MemoryContext caller, const char *what);
extern void vr_create_triggers(Relation relation, const VrTrigger *triggers, int n);
extern bool vr_detach(VrAttachmentKind kind, Oid caller, Oid successor,
					  const VrTrigger *triggers, int n);

extern Relation vr_open_attachable(Oid relation);
extern VrField *vr_mapping_read(const Jsonb *mapping, const VrFieldRule *rules,
								int nrules, const char *const *other_keys,
								int nother, Relation relation);
extern VrField vr_id_field(const VrAttachment *attachment, Relation table);
extern char *vr_json_scalar(const JsonbValue *value);
extern Oid	vr_scalar_type(Relation relation, AttrNumber attnum, int32 *typmod);
extern char *vr_canonical(Relation relation, AttrNumber attnum, char *value);
extern bool vr_is_unique_index_on(Relation index, AttrNumber attnum);
extern void vr_require_unique(Relation relation, const VrField *field);
extern Relation vr_open_attached(Oid relation);
extern List *vr_attached_tables(Oid relation, LOCKMODE lockmode);
extern bool vr_attached_lock(Oid relation, LOCKMODE lockmode, bool wait, List **tables);
extern void vr_attached_rows(Oid relation, Snapshot snapshot,
							 void (*take) (Relation table, HeapTuple row, void *arg),
							 void *arg);
extern bool vr_attached_row(Relation table, const VrField *id, const char *value,
							TupleTableSlot *slot);
extern bool vr_attached_find(const VrAttachment *attachment, const List *tables,
							 const char *id, VrAttachedRow *row);
extern bool vr_field_is_mapped(const VrField *field);
extern char *vr_field_value(const VrField *field, HeapTuple row, TupleDesc tupdesc);

#endif							/* VR_ATTACHMENT_H */
