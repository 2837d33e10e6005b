/*-------------------------------------------------------------------------
 *
 * vendor_routing.c
 *		Entry point of the library: magic block, settings, background worker.
 *
 * The rooms are in src/.  Every SQL function vr_NAME is entered in
 * src/NAME.c; doc/design.md draws the map.
 *
 * IDENTIFICATION
 *	  vendor_routing.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "src/settings.h"
#include "src/worker.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(vr_version);

void		_PG_init(void);

void
_PG_init(void)
{
	vr_define_settings();
	if (process_shared_preload_libraries_in_progress)
		vr_register_launcher();
}

/*
 * Version of the loaded library.  The installed SQL objects have theirs in
 * pg_extension.extversion; the two differ between installing new files and
 * ALTER EXTENSION UPDATE.
 */
Datum
vr_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(VR_VERSION));
}
