/*-------------------------------------------------------------------------
 *
 * worker.h
 *		Background workers: vr_tick runs by itself.
 *
 * IDENTIFICATION
 *	  src/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef VR_WORKER_H
#define VR_WORKER_H

/* What the launcher hands a worker, in bgw_extra. */
typedef struct VrWorkerArgs
{
	Oid			database;
	Oid			role;			/* InvalidOid: the bootstrap superuser */
} VrWorkerArgs;

extern void vr_register_launcher(void);
extern bool vr_database_is_free(Oid database);

extern PGDLLEXPORT void vr_launcher_main(Datum arg);
extern PGDLLEXPORT void vr_worker_main(Datum arg);

#endif							/* VR_WORKER_H */
