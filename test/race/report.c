/*-------------------------------------------------------------------------
 *
 * report.c
 *		Counts what came out of the races, and tells it.
 *
 * Tables and totals go to standard output, errors and progress to standard
 * error.
 *
 * IDENTIFICATION
 *	  test/race/report.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "race.h"

#define ERRORS_PRINTED 10
#define BAR_WIDTH 30

Totals		totals;

/*
 * Who is the winner according to this answer, or NULL.
 */
static const char *
told_winner(const Caller *caller)
{
	if (caller->answer == NULL ||
		PQgetisnull(caller->answer, 0, ANSWER_LOCKED_VENDOR_ID))
		return NULL;
	return PQgetvalue(caller->answer, 0, ANSWER_LOCKED_VENDOR_ID);
}

bool
has_won(const Caller *caller)
{
	return caller->answer != NULL && !caller->undone &&
		caller->sqlstate[0] == '\0' &&
		PQgetvalue(caller->answer, 0, ANSWER_ACCEPTED)[0] == 't';
}

/*
 * Were all callers told the same winner, and the winner that it is itself?
 * An answer that names nobody is not the same.  Errors are counted elsewhere,
 * and what a transaction was told that then rolled back does not count.
 */
static bool
told_the_same(const Order *order)
{
	const char *winner = NULL;

	for (int i = 0; i < order->ncallers; i++)
	{
		const Caller *caller = &order->callers[i];
		const char *told = told_winner(caller);

		if (caller->undone || caller->sqlstate[0] != '\0')
			continue;
		if (told == NULL)
			return false;
		if (has_won(caller) && strcmp(told, caller->vendor_id) != 0)
			return false;
		if (winner != NULL && strcmp(told, winner) != 0)
			return false;
		winner = told;
	}
	return true;
}

/*
 * Prints an error, unless there were many already.
 */
void
report_error(const Order *order, const Caller *caller, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (totals.errors++ < ERRORS_PRINTED)
		fprintf(stderr, "error: order %s, vendor %s: SQLSTATE %s: %s\n",
				order->order_id, caller->vendor_id, caller->sqlstate,
				message ? message : PQresultErrorMessage(result));
}

/*
 * Writes a line for each call of a finished race, for check_history: order, vendor,
 * when it was sent, answered and ended (ms), what it was answered (or the SQLSTATE), the
 * winner it was told, and how its transaction ended.
 */
void
write_history(FILE *file, const Order *order)
{
	for (int i = 0; i < order->ncallers; i++)
	{
		const Caller *caller = &order->callers[i];
		const char *winner = told_winner(caller);

		fprintf(file, "%s\t%s\t%.6f\t%.6f\t%.6f\t%s\t%s\t%s\n",
				order->order_id, caller->vendor_id, caller->sent,
				caller->sent + caller->wait, caller->ended,
				caller->sqlstate[0] != '\0' ? caller->sqlstate :
				PQgetvalue(caller->answer, 0, ANSWER_REASON),
				winner != NULL ? winner : "",
				caller->undone ? "ROLLED_BACK" :
				caller->sqlstate[0] != '\0' ? "FAILED" : "COMMITTED");
	}
}

/*
 * Adds a finished race to the totals.
 */
void
count_race(const Order *order)
{
	int			winners = 0;

	for (int i = 0; i < order->ncallers; i++)
	{
		const Caller *caller = &order->callers[i];

		totals.waits[totals.calls++] = caller->wait;
		if (caller->undone)
			totals.undone++;
		else if (has_won(caller))
			winners++;
		else if (caller->sqlstate[0] == '\0')
			totals.losers++;
	}
	totals.orders++;
	totals.winners += winners;
	if (winners != 1)
		totals.without_one_winner++;
	if (!told_the_same(order))
		totals.told_differently++;
}

/*
 * Width of a UTF-8 string on a terminal, for names in European scripts.
 */
static int
display_width(const char *string)
{
	int			width = 0;

	for (; *string; string++)
		width += (*string & 0xC0) != 0x80;
	return width;
}

static void
print_padded(const char *string, int width)
{
	printf("%s%*s  ", string, width - display_width(string), "");
}

static const char *
vendor_name(const Order *order, const char *vendor_id)
{
	if (vendor_id == NULL)
		return "nobody";
	for (int i = 0; i < order->ncallers; i++)
		if (strcmp(order->callers[i].vendor_id, vendor_id) == 0)
			return order->callers[i].name;
	return vendor_id;
}

static void
print_caller(const Order *order, const Caller *caller, int name_width)
{
	printf("  %2d  ", caller->arrival);
	print_padded(caller->name, name_width);
	if (caller->sqlstate[0] != '\0')
	{
		print_padded("error", 6);
		print_padded(caller->sqlstate, 16);
		print_padded("", name_width);
	}
	else
	{
		print_padded(caller->undone ? "undone" : has_won(caller) ? "won" : "lost", 6);
		print_padded(PQgetvalue(caller->answer, 0, ANSWER_REASON), 16);
		print_padded(vendor_name(order, told_winner(caller)), name_width);
	}
	printf("%6.2f ms", caller->wait);
}

static int
compare_arrival(const void *a, const void *b)
{
	return ((const Caller *) a)->arrival - ((const Caller *) b)->arrival;
}

static void
print_conclusion(const Order *order)
{
	double		longest = 0;

	for (int i = 0; i < order->ncallers; i++)
		if (order->callers[i].wait > longest)
			longest = order->callers[i].wait;

	for (int i = 0; i < order->ncallers; i++)
		if (has_won(&order->callers[i]))
			printf("\n  %s has order %s; everybody had an answer after %.2f ms.\n",
				   order->callers[i].name, order->order_id, longest);
}

/*
 * The same rule as script/common.sh has.
 */
static bool
colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) &&
		(no_color == NULL || no_color[0] == '\0') &&
		term != NULL && strcmp(term, "dumb") != 0;
}

/*
 * The race for one order as a table, in the order in which answers arrived.
 */
void
print_race(Order *order)
{
	bool		colour = colour_wanted();
	int			name_width = strlen("Winner told");

	for (int i = 0; i < order->ncallers; i++)
	{
		int			width = display_width(order->callers[i].name);

		name_width = width > name_width ? width : name_width;
	}
	qsort(order->callers, order->ncallers, sizeof(Caller), compare_arrival);

	printf("   #  %-*s  %-6s  %-16s  %-*s  %9s\n",
		   name_width, "Vendor", "Answer", "Reason",
		   name_width, "Winner told", "Wait");
	for (int i = 0; i < order->ncallers; i++)
	{
		bool		highlight = colour && has_won(&order->callers[i]);

		fputs(highlight ? "\033[1;32m" : "", stdout);
		print_caller(order, &order->callers[i], name_width);
		puts(highlight ? "\033[0m" : "");
	}
	print_conclusion(order);
}

/*
 * How far it is: one line that is drawn over and over on a terminal;
 * elsewhere, a line for every fifth of the way.
 */
void
show_progress(int norders, double elapsed)
{
	static double drawn = -1e9;
	static int	fifths = 0;
	bool		terminal = isatty(STDERR_FILENO);
	bool		finished = totals.orders == norders;
	int			filled = (double) BAR_WIDTH * totals.orders / norders;

	if (terminal)
	{
		if (!finished && elapsed - drawn < 100)
			return;
		drawn = elapsed;
	}
	else
	{
		if (5.0 * totals.orders / norders < fifths + 1)
			return;
		fifths = 5.0 * totals.orders / norders;
	}

	fprintf(stderr, "%s  [%.*s%.*s] %*d of %d orders, %.1f s, %d errors%s",
			terminal ? "\r" : "",
			filled, "##############################",
			BAR_WIDTH - filled, "..............................",
			snprintf(NULL, 0, "%d", norders), totals.orders, norders,
			elapsed / 1e3, totals.errors,
			terminal && !finished ? "" : "\n");
}

static int
compare_waits(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * The smallest wait that percent of all calls did not exceed.  Needs
 * totals.waits sorted.
 */
static double
percentile(int percent)
{
	return totals.waits[((long) totals.calls * percent + 99) / 100 - 1];
}

/*
 * The totals, one key=value a line.
 */
void
print_summary(void)
{
	qsort(totals.waits, totals.calls, sizeof(double), compare_waits);

	printf("orders=%d\n", totals.orders);
	printf("calls=%d\n", totals.calls);
	printf("winners=%d\n", totals.winners);
	printf("losers=%d\n", totals.losers);
	printf("undone=%d\n", totals.undone);
	printf("errors=%d\n", totals.errors);
	printf("orders_without_one_winner=%d\n", totals.without_one_winner);
	printf("told_differently=%d\n", totals.told_differently);
	printf("p50_ms=%.2f\n", percentile(50));
	printf("p99_ms=%.2f\n", percentile(99));
	printf("max_ms=%.2f\n", percentile(100));
	printf("elapsed_ms=%.0f\n", totals.elapsed);
}
