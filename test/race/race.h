/*-------------------------------------------------------------------------
 *
 * race.h
 *		What a race is, shared by those who hold it and those who report it.
 *
 * IDENTIFICATION
 *	  test/race/race.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef RACE_H
#define RACE_H

#include <stdbool.h>
#include <stdio.h>

#include <libpq-fe.h>

/* Leading columns of the answer, as race.c selects them. */
enum
{
	ANSWER_ACCEPTED,
	ANSWER_REASON,
	ANSWER_LOCKED_VENDOR_ID
};

/* One vendor in one race. */
typedef struct Caller
{
	const char *vendor_id;
	const char *name;
	PGresult   *answer;			/* row of vr_accept, or NULL */
	char		sqlstate[6];	/* of the error, or empty */
	bool		undone;			/* it won, and rolled back */
	double		sent;			/* ms */
	double		wait;			/* ms */
	double		ended;			/* ms: its transaction */
	int			arrival;		/* its answer was the n-th to arrive */
} Caller;

typedef struct Order
{
	const char *order_id;
	const char *routing_id;
	Caller	   *callers;
	int			ncallers;
} Order;

typedef struct Totals
{
	int			orders;
	int			calls;
	int			winners;
	int			losers;
	int			undone;
	int			errors;
	int			without_one_winner;
	int			told_differently;
	double	   *waits;			/* of every call, ms */
	double		elapsed;		/* ms */
} Totals;

extern Totals totals;

/* report.c */
extern bool has_won(const Caller *caller);
extern void report_error(const Order *order, const Caller *caller,
						 const PGresult *result);
extern void count_race(const Order *order);
extern void write_history(FILE *file, const Order *order);
extern void print_race(Order *order);
extern void show_progress(int norders, double elapsed);
extern void print_summary(void);

#endif							/* RACE_H */
