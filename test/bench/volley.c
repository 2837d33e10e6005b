/*-------------------------------------------------------------------------
 *
 * volley.c
 *		Sends a query over many connections at once, again and again, and says how
 *		long it took.
 *
 *		volley CONNINFO CONNECTIONS THREADS ROUNDS QUERY [QUERY]
 *
 * A query has the parameters $1, the number of the round, and $2, that of the
 * connection, both as text.  With two queries, rounds of one and of the other take
 * turns.  The connections are shared out to threads, which wait for each other before
 * each round; a thread hands all its queries to the kernel before it reads an answer.
 * Prints a line for each query: the median, in milliseconds, of the time from
 * the first query sent to the last answer, and from the first answer to the last.
 *
 * IDENTIFICATION
 *	  test/bench/volley.c
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

#define MAX_QUERIES 2

/* What a thread has, and what it saw in the last round. */
typedef struct Gunner
{
	pthread_t	thread;
	int			first;			/* connection */
	int			nconnections;
	struct pollfd *fds;
	double		begun;
	double		first_answer;
	double		last_answer;
} Gunner;

static int	nqueries;
static int	nrounds;
static PGconn **connections;
static pthread_barrier_t barrier;

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static void
fail(const char *what)
{
	fprintf(stderr, "volley: %s\n", what);
	exit(1);
}

static void *
allocate(int n, size_t size)
{
	void	   *memory = calloc((size_t) n, size);

	if (memory == NULL)
		fail("out of memory");
	return memory;
}

static int
number(const char *word)
{
	long		value = strtol(word, NULL, 10);

	if (value < 1 || value > 100000)
		fail("CONNECTIONS, THREADS and ROUNDS are numbers");
	return (int) value;
}

static void
check(PGconn *connection, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(PQerrorMessage(connection));
	PQclear(result);
}

static PGconn *
open_connection(const char *conninfo, char **queries)
{
	PGconn	   *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) != CONNECTION_OK)
		fail(PQerrorMessage(connection));
	for (int q = 0; q < nqueries; q++)
	{
		const char	name[2] = {(char) ('a' + q), '\0'};

		check(connection, PQprepare(connection, name, queries[q], 0, NULL));
	}
	return connection;
}

/*
 * A thread's part of a round.
 */
static void
fire(Gunner *gunner, int query, int round)
{
	const char	name[2] = {(char) ('a' + query), '\0'};
	PGconn	  **mine = &connections[gunner->first];
	int			left = gunner->nconnections;
	char		numbers[2][20];
	const char *params[] = {numbers[0], numbers[1]};

	gunner->begun = now_ms();
	gunner->first_answer = 0;
	snprintf(numbers[0], sizeof(numbers[0]), "%d", round);
	for (int i = 0; i < gunner->nconnections; i++)
	{
		snprintf(numbers[1], sizeof(numbers[1]), "%d", gunner->first + i + 1);
		if (!PQsendQueryPrepared(mine[i], name, 2, params, NULL, NULL, 0))
			fail(PQerrorMessage(mine[i]));
		gunner->fds[i].fd = PQsocket(mine[i]);
		gunner->fds[i].events = POLLIN;
	}
	while (left > 0)
	{
		if (poll(gunner->fds, (nfds_t) gunner->nconnections, 60000) <= 0)
			fail("no answer");
		for (int i = 0; i < gunner->nconnections; i++)
		{
			PGresult   *result;

			if (gunner->fds[i].fd < 0 || gunner->fds[i].revents == 0)
				continue;
			if (!PQconsumeInput(mine[i]))
				fail(PQerrorMessage(mine[i]));
			if (PQisBusy(mine[i]))
				continue;
			gunner->last_answer = now_ms();
			if (gunner->first_answer == 0)
				gunner->first_answer = gunner->last_answer;
			while ((result = PQgetResult(mine[i])) != NULL)
				check(mine[i], result);
			gunner->fds[i].fd = -1; /* poll passes it by */
			left--;
		}
	}
}

static void *
man(void *arg)
{
	for (int round = 0; round < nrounds; round++)
	{
		for (int q = 0; q < nqueries; q++)
		{
			pthread_barrier_wait(&barrier);
			fire(arg, q, round + 1);
			pthread_barrier_wait(&barrier);
		}
	}
	return NULL;
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
	qsort(values, (size_t) n, sizeof(double), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/*
 * What the threads saw of a round, put together.
 */
static void
sum_up(const Gunner *gunners, int ngunners, double *all, double *spread)
{
	double		begun = gunners[0].begun;
	double		first = gunners[0].first_answer;
	double		last = gunners[0].last_answer;

	for (int i = 1; i < ngunners; i++)
	{
		if (gunners[i].begun < begun)
			begun = gunners[i].begun;
		if (gunners[i].first_answer < first)
			first = gunners[i].first_answer;
		if (gunners[i].last_answer > last)
			last = gunners[i].last_answer;
	}
	*all = last - begun;
	*spread = last - first;
}

int
main(int argc, char **argv)
{
	int			nconnections;
	int			ngunners;
	Gunner	   *gunners;
	double	   *all[MAX_QUERIES];
	double	   *spread[MAX_QUERIES];

	nqueries = argc - 5;
	if (nqueries < 1 || nqueries > MAX_QUERIES)
		fail("usage: volley CONNINFO CONNECTIONS THREADS ROUNDS QUERY [QUERY]");
	nconnections = number(argv[2]);
	ngunners = number(argv[3]);
	nrounds = number(argv[4]);
	if (ngunners > nconnections)
		ngunners = nconnections;
	connections = allocate(nconnections, sizeof(PGconn *));
	for (int i = 0; i < nconnections; i++)
		connections[i] = open_connection(argv[1], argv + 5);

	gunners = allocate(ngunners, sizeof(Gunner));
	if (pthread_barrier_init(&barrier, NULL, (unsigned) ngunners + 1) != 0)
		fail("cannot make a barrier");
	for (int i = 0; i < ngunners; i++)
	{
		gunners[i].first = (int) ((long) nconnections * i / ngunners);
		gunners[i].nconnections =
			(int) ((long) nconnections * (i + 1) / ngunners) - gunners[i].first;
		gunners[i].fds = allocate(gunners[i].nconnections, sizeof(struct pollfd));
		if (pthread_create(&gunners[i].thread, NULL, man, &gunners[i]) != 0)
			fail("cannot start a thread");
	}

	for (int q = 0; q < nqueries; q++)
	{
		all[q] = allocate(nrounds, sizeof(double));
		spread[q] = allocate(nrounds, sizeof(double));
	}
	for (int round = 0; round < nrounds; round++)
	{
		for (int q = 0; q < nqueries; q++)
		{
			pthread_barrier_wait(&barrier);
			pthread_barrier_wait(&barrier);
			sum_up(gunners, ngunners, &all[q][round], &spread[q][round]);
		}
	}
	for (int i = 0; i < ngunners; i++)
		pthread_join(gunners[i].thread, NULL);
	for (int q = 0; q < nqueries; q++)
		printf("%.3f %.3f\n", median(all[q], nrounds), median(spread[q], nrounds));
	for (int i = 0; i < nconnections; i++)
		PQfinish(connections[i]);
	return 0;
}
