/*-------------------------------------------------------------------------
 *
 * volley.c
 *		Sends a query over many connections at once, again and again, and says how
 *		long it took.
 *
 *		volley CONNINFO CONNECTIONS ROUNDS QUERY [QUERY]
 *
 * A query has the parameters $1, the number of the round, and $2, that of the
 * connection, both as text.  With two queries, rounds of one and of the other take
 * turns.  All queries of a round are handed to the kernel before the first answer is
 * read.  Prints a line for each query: the median, in milliseconds, of the time from
 * the first query sent to the last answer, and from the first answer to the last.
 *
 * IDENTIFICATION
 *	  test/bench/volley.c
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

static int	nconnections;
static PGconn **connections;
static struct pollfd *fds;

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void
fail(const char *what)
{
	fprintf(stderr, "volley: %s\n", what);
	exit(1);
}

static void
check(PGconn *connection, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(PQerrorMessage(connection));
	PQclear(result);
}

static void
open_connections(const char *conninfo, char **queries, int nqueries)
{
	connections = calloc(nconnections, sizeof(PGconn *));
	fds = calloc(nconnections, sizeof(struct pollfd));
	for (int i = 0; i < nconnections; i++)
	{
		connections[i] = PQconnectdb(conninfo);
		if (PQstatus(connections[i]) != CONNECTION_OK)
			fail(PQerrorMessage(connections[i]));
		fds[i].fd = PQsocket(connections[i]);
		for (int q = 0; q < nqueries; q++)
		{
			char		name[2] = {(char) ('a' + q), '\0'};

			check(connections[i], PQprepare(connections[i], name, queries[q], 0, NULL));
		}
	}
}

/* One round; times in milliseconds. */
static void
fire(int query, int round, double *all, double *spread)
{
	const char	name[2] = {(char) ('a' + query), '\0'};
	double		begun = now_ms();
	double		first = 0;
	double		last = 0;
	int			left = nconnections;
	char		numbers[2][20];
	const char *params[] = {numbers[0], numbers[1]};

	snprintf(numbers[0], sizeof(numbers[0]), "%d", round);
	for (int i = 0; i < nconnections; i++)
	{
		snprintf(numbers[1], sizeof(numbers[1]), "%d", i + 1);
		if (!PQsendQueryPrepared(connections[i], name, 2, params, NULL, NULL, 0))
			fail(PQerrorMessage(connections[i]));
		fds[i].events = POLLIN;
	}
	while (left > 0)
	{
		if (poll(fds, nconnections, 60000) <= 0)
			fail("no answer");
		for (int i = 0; i < nconnections; i++)
		{
			PGresult   *result;

			if (fds[i].events == 0 || fds[i].revents == 0)
				continue;
			if (!PQconsumeInput(connections[i]))
				fail(PQerrorMessage(connections[i]));
			if (PQisBusy(connections[i]))
				continue;
			last = now_ms();
			if (first == 0)
				first = last;
			while ((result = PQgetResult(connections[i])) != NULL)
				check(connections[i], result);
			fds[i].events = 0;
			left--;
		}
	}
	*all = last - begun;
	*spread = last - first;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values, int n)
{
	qsort(values, n, sizeof(double), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int
main(int argc, char **argv)
{
	int			nqueries = argc - 4;
	int			rounds;
	double	   *all[2];
	double	   *spread[2];

	if (nqueries < 1 || nqueries > 2)
		fail("usage: volley CONNINFO CONNECTIONS ROUNDS QUERY [QUERY]");
	nconnections = (int) strtol(argv[2], NULL, 10);
	rounds = (int) strtol(argv[3], NULL, 10);
	if (nconnections < 1 || rounds < 1)
		fail("CONNECTIONS and ROUNDS are numbers");
	open_connections(argv[1], argv + 4, nqueries);
	for (int q = 0; q < nqueries; q++)
	{
		all[q] = calloc(rounds, sizeof(double));
		spread[q] = calloc(rounds, sizeof(double));
	}
	for (int round = 0; round < rounds; round++)
	{
		for (int q = 0; q < nqueries; q++)
			fire(q, round + 1, &all[q][round], &spread[q][round]);
	}
	for (int q = 0; q < nqueries; q++)
		printf("%.3f %.3f\n", median(all[q], rounds), median(spread[q], rounds));
	for (int i = 0; i < nconnections; i++)
		PQfinish(connections[i]);
	return 0;
}
