/*-------------------------------------------------------------------------
 *
 * redis.c
 *		Vendors accept, and a lock in Redis or vr_accept decides who wins.
 *
 *		redis CONNINFO SOCKET CLIENTS CALLS FIRST
 *
 * Each client makes so many calls.  With a SOCKET of Redis, a call is SET NX; who gets
 * the lock then writes to the tables of the schema peer, in a transaction, what a win
 * writes.  With "-" instead of a socket, it is vr_accept.  Client C calls for the orders
 * from FIRST + C * CALLS + 1 on, as a different vendor each; with FIRST = 0, all call for
 * order 1 again and again, which is taken.  Prints the calls per second.
 *
 * IDENTIFICATION
 *	  test/bench/redis.c
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

typedef struct Client
{
	pthread_t	thread;
	int			number;
	PGconn	   *database;
	redisContext *redis;		/* NULL: vr_accept */
} Client;

static int	ncalls;
static int	first;
static pthread_barrier_t barrier;

/* What a win writes.  $1 is the order, $2 the vendor. */
static const char *const writes[] = {
	"UPDATE peer.routings SET status = 'LOCKED', locked_vendor_id = $2, locked_at = now(),"
	" version = version + 1, updated_at = now()"
	" WHERE routing_id = vr_routing_id($1) AND status = 'PENDING'",
	"UPDATE peer.responses SET response = 'ACCEPT', responded_at = now()"
	" WHERE routing_id = vr_routing_id($1) AND round = 1 AND vendor_id = $2",
	"INSERT INTO peer.cancellations (routing_id, round, vendor_id, reason, created_at)"
	" SELECT routing_id, round, vendor_id, 'ANOTHER_VENDOR_ACCEPTED', now() FROM peer.responses"
	" WHERE routing_id = vr_routing_id($1) AND round = 1 AND vendor_id <> $2",
	"INSERT INTO peer.events (routing_id, event_id, order_id, event_type, vendor_id, payload, occurred_at)"
	" VALUES (vr_routing_id($1), gen_random_uuid(), $1, 'VENDOR_ACCEPTED', $2, NULL, now()),"
	" (vr_routing_id($1), gen_random_uuid(), $1, 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT', $2,"
	"  '{\"cancelled_count\": 9}', now())",
	"UPDATE peer.vendors SET current_orders = current_orders + 1 WHERE vendor_id = $2 AND $1 <> ''"
};

#define NWRITES ((int) (sizeof(writes) / sizeof(writes[0])))

static void
fail(const char *what)
{
	fprintf(stderr, "redis: %s\n", what);
	exit(1);
}

static void
check(Client *client, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(PQerrorMessage(client->database));
	PQclear(result);
}

static void
prepare(Client *client, const char *name, const char *statement)
{
	static const Oid text[] = {25, 25};

	check(client, PQprepare(client->database, name, statement, 2, text));
}

static void
run(Client *client, const char *name, const char *const *params)
{
	check(client, PQexecPrepared(client->database, name, 2, params, NULL, NULL, 0));
}

/*
 * Does this client get the lock?
 */
static int
get_lock(Client *client, const char *const *params)
{
	redisReply *reply = redisCommand(client->redis, "SET %s %s NX", params[0], params[1]);
	int			won;

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		fail("Redis does not answer");
	won = (reply->type == REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	return won;
}

static void
accept_order(Client *client, const char *const *params)
{
	if (client->redis == NULL)
	{
		run(client, "accept", params);
		return;
	}
	if (!get_lock(client, params))
		return;
	check(client, PQexec(client->database, "BEGIN"));
	for (int i = 0; i < NWRITES; i++)
	{
		const char	name[2] = {(char) ('a' + i), '\0'};

		run(client, name, params);
	}
	check(client, PQexec(client->database, "COMMIT"));
}

static void *
call(void *arg)
{
	Client	   *client = arg;
	char		order[30];
	char		vendor[20];
	const char *params[] = {order, vendor};

	snprintf(vendor, sizeof(vendor), "v%d", 1 + client->number % 10);
	pthread_barrier_wait(&barrier);
	for (int i = 1; i <= ncalls; i++)
	{
		snprintf(order, sizeof(order), "order-%d",
				 first == 0 ? 1 : first + client->number * ncalls + i);
		accept_order(client, params);
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void
connect_client(Client *client, const char *conninfo, const char *socket)
{
	client->database = PQconnectdb(conninfo);
	if (PQstatus(client->database) != CONNECTION_OK)
		fail(PQerrorMessage(client->database));
	prepare(client, "accept",
			"SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id($1), $2)");
	for (int i = 0; i < NWRITES; i++)
	{
		const char	name[2] = {(char) ('a' + i), '\0'};

		prepare(client, name, writes[i]);
	}
	if (strcmp(socket, "-") == 0)
		return;
	client->redis = redisConnectUnix(socket);
	if (client->redis == NULL || client->redis->err)
		fail("cannot connect to Redis");
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	Client	   *clients;
	int			nclients;
	double		started;

	if (argc != 6)
		fail("usage: redis CONNINFO SOCKET CLIENTS CALLS FIRST");
	nclients = (int) strtol(argv[3], NULL, 10);
	ncalls = (int) strtol(argv[4], NULL, 10);
	first = (int) strtol(argv[5], NULL, 10);
	if (nclients < 1 || ncalls < 1 || first < 0)
		fail("CLIENTS, CALLS and FIRST are numbers");
	clients = calloc((size_t) nclients, sizeof(Client));
	if (clients == NULL || pthread_barrier_init(&barrier, NULL, (unsigned) nclients + 1) != 0)
		fail("out of memory");
	for (int i = 0; i < nclients; i++)
	{
		clients[i].number = i;
		connect_client(&clients[i], argv[1], argv[2]);
		if (pthread_create(&clients[i].thread, NULL, call, &clients[i]) != 0)
			fail("cannot start a thread");
	}
	pthread_barrier_wait(&barrier);
	started = now();
	pthread_barrier_wait(&barrier);
	printf("%.3f\n", nclients * ncalls / (now() - started));
	for (int i = 0; i < nclients; i++)
		pthread_join(clients[i].thread, NULL);
	return 0;
}
