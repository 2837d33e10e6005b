/*-------------------------------------------------------------------------
 *
 * race.c
 *		Races vendors for orders, and checks what every one of them was told.
 *
 * Every vendor invited to an order calls vr_accept over a connection of its
 * own.  All calls of an order are on the wire before the first answer is read,
 * so they meet in the server at the same time.  One process and one thread do
 * it: threads would compete with the server for the processors and make the
 * waits measured here longer than they are.
 *
 * A race is good when nobody got an error, the order has exactly one winner,
 * and every caller was told that winner.  The exit status says whether all
 * races were.
 *
 * Waits are measured from the moment the call is handed to libpq to the moment
 * its answer has been read, so they contain what a client would feel.
 *
 * IDENTIFICATION
 *	  test/race/race.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "race.h"

#define EXIT_BAD_RACE 1			/* something was not as promised */
#define EXIT_TROUBLE 2			/* the races could not be held */

#define NO_ANSWER_AFTER_MS 60000	/* then the server is taken for hung */

#define ACCEPT_CALL "accept_call"

typedef enum SlotState
{
	SLOT_IDLE,
	SLOT_BEGINNING,				/* BEGIN is on its way */
	SLOT_READY,					/* in a transaction, nothing sent yet */
	SLOT_CALLING,				/* vr_accept is on its way */
	SLOT_PREPARING,				/* PREPARE TRANSACTION is on its way */
	SLOT_ENDING					/* COMMIT or ROLLBACK is on its way */
} SlotState;

/* What a call is made in. */
typedef enum How
{
	HOW_AUTOCOMMIT,
	HOW_BLOCK,					/* BEGIN, COMMIT */
	HOW_SAVEPOINT,				/* a savepoint of such a block */
	HOW_PREPARED				/* PREPARE TRANSACTION, COMMIT PREPARED */
} How;

static const char *const how_names[] = {
	"autocommit", "block", "savepoint", "prepared"
};

/* One connection. */
typedef struct Slot
{
	PGconn	   *conn;
	int			number;
	SlotState	state;
	Caller	   *caller;
} Slot;

/* As many connections as one race needs; holds one race after another. */
typedef struct Lane
{
	Slot	   *slots;
	Order	   *order;			/* NULL when idle */
	int			outstanding;	/* slots the present step waits for */
	int			answered;
	bool		in_transaction;
	bool		undo_first;		/* the first winner is still to roll back */
} Lane;

static struct
{
	const char *conninfo;
	const char *isolation;
	const char *order_id;
	const char *max_orders;		/* as text: a parameter of the query */
	int			vendors;
	int			at_once;
	int			rollback_every;
	How			how;
	FILE	   *history;		/* NULL: is not wanted */
	bool		progress;
	bool		summary;
} options =
{
	.conninfo = "",
	.vendors = 10,
	.at_once = 1,
};

static Order *orders;
static int	norders;

static void die(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));

static void
die(const char *format,...)
{
	va_list		args;

	fflush(stdout);
	fputs("vr_race: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_TROUBLE);
}

static void *
allocate(size_t count, size_t size)
{
	void	   *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL)
		die("out of memory");
	return memory;
}

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/*
 * Opens a connection that can call vr_accept.
 */
static PGconn *
open_connection(void)
{
	PGconn	   *conn = PQconnectdb(options.conninfo);
	PGresult   *result;
	char		set[100];

	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));

	if (options.isolation != NULL)
	{
		snprintf(set, sizeof(set), "SET default_transaction_isolation = '%s'",
				 options.isolation);
		result = PQexec(conn, set);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die("%s", PQerrorMessage(conn));
		PQclear(result);
	}

	/* Parameter types are left to the server, as most drivers do. */
	result = PQprepare(conn, ACCEPT_CALL,
					   "SELECT accepted, reason, locked_vendor_id, locked_at,"
					   " order_id, version FROM vr_accept($1, $2)", 2, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die("%s", PQerrorMessage(conn));
	PQclear(result);
	return conn;
}

/*
 * Reads the orders to race for, and who was invited to each.  The strings stay
 * in the query's result, which is kept to the end.
 */
static void
load_orders(PGconn *conn)
{
	static const char *const query =
		"SELECT r.order_id, r.routing_id, o.vendor_id,"
		"       coalesce(v.name, o.vendor_id)"
		"  FROM (SELECT order_id, routing_id, round, created_at"
		"          FROM vendor_routing.routings"
		"         WHERE status = 'PENDING'"
		"           AND ($1::text IS NULL OR order_id = $1)"
		"         ORDER BY created_at, order_id"
		"         LIMIT $2::bigint) r"
		" CROSS JOIN LATERAL"
		"       (SELECT vendor_id, rank"
		"          FROM vendor_routing.responses"
		"         WHERE routing_id = r.routing_id"
		"           AND round = r.round"
		"           AND response IS NULL"
		"         ORDER BY rank, vendor_id"
		"         LIMIT $3::bigint) o"
		"  LEFT JOIN vendor_routing.vendors v ON v.vendor_id = o.vendor_id"
		" ORDER BY r.created_at, r.order_id, o.rank, o.vendor_id";
	char		vendors[12];
	const char *values[] = {options.order_id, options.max_orders, vendors};
	PGresult   *result;
	Caller	   *callers;
	int			ncallers;
	const char *previous = NULL;

	snprintf(vendors, sizeof(vendors), "%d", options.vendors);
	result = PQexecParams(conn, query, 3, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die("%s", PQerrorMessage(conn));

	ncallers = PQntuples(result);
	if (ncallers <= 0)
		die("no order to race for: none is open with vendors that have not answered");
	callers = allocate(ncallers, sizeof(Caller));
	orders = allocate(ncallers, sizeof(Order));
	totals.waits = allocate(ncallers, sizeof(double));

	for (int row = 0; row < ncallers; row++)
	{
		const char *routing_id = PQgetvalue(result, row, 1);

		if (previous == NULL || strcmp(previous, routing_id) != 0)
		{
			orders[norders].order_id = PQgetvalue(result, row, 0);
			orders[norders].routing_id = routing_id;
			orders[norders].callers = &callers[row];
			norders++;
			previous = routing_id;
		}
		orders[norders - 1].ncallers++;
		callers[row].vendor_id = PQgetvalue(result, row, 2);
		callers[row].name = PQgetvalue(result, row, 3);
	}
}

static void
send_command(Slot *slot, const char *command, SlotState state)
{
	if (!PQsendQuery(slot->conn, command))
		die("%s", PQerrorMessage(slot->conn));
	slot->state = state;
}

/*
 * Puts all calls of the lane's order on the wire, without reading an answer.
 */
static void
send_calls(Lane *lane)
{
	lane->outstanding = lane->order->ncallers;
	for (int i = 0; i < lane->order->ncallers; i++)
	{
		Slot	   *slot = &lane->slots[i];

		/* start_race gave every slot of the lane its caller */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		const char *values[] = {lane->order->routing_id, slot->caller->vendor_id};

		slot->caller->sent = now_ms();
		if (!PQsendQueryPrepared(slot->conn, ACCEPT_CALL, 2, values, NULL, NULL, 0))
			die("%s", PQerrorMessage(slot->conn));
		slot->state = SLOT_CALLING;
	}
}

/*
 * Who calls first is drawn by lot: otherwise the vendor with the best score
 * would nearly always win.
 */
static void
draw_lots(Lane *lane)
{
	int			n = lane->order->ncallers;

	for (int i = 0; i < n; i++)
		lane->slots[i].caller = &lane->order->callers[i];
	for (int i = n - 1; i > 0; i--)
	{
		int			other = random() % (i + 1);
		Caller	   *caller = lane->slots[i].caller;

		lane->slots[i].caller = lane->slots[other].caller;
		lane->slots[other].caller = caller;
	}
}

/*
 * Starts the race for one order, the number-th.
 */
static void
start_race(Lane *lane, Order *order, int number)
{
	lane->order = order;
	lane->answered = 0;
	draw_lots(lane);

	/* A winner without rivals has nobody to leave the order to. */
	lane->undo_first = options.rollback_every > 0 && order->ncallers > 1 &&
		number % options.rollback_every == 0;
	lane->in_transaction = lane->undo_first || options.how != HOW_AUTOCOMMIT;

	if (!lane->in_transaction)
	{
		send_calls(lane);
		return;
	}
	lane->outstanding = order->ncallers;
	for (int i = 0; i < order->ncallers; i++)
		send_command(&lane->slots[i],
					 options.how == HOW_SAVEPOINT ? "BEGIN; SAVEPOINT attempt" : "BEGIN",
					 SLOT_BEGINNING);
}

/*
 * Sends what ends the transaction of a call, after PREPARE TRANSACTION if that is
 * how.
 */
static void
end_transaction(Slot *slot)
{
	bool		undone = slot->caller->undone;
	char		command[100];

	switch (options.how)
	{
		case HOW_SAVEPOINT:
			send_command(slot, undone ? "ROLLBACK TO attempt; COMMIT" :
						 "RELEASE attempt; COMMIT", SLOT_ENDING);
			break;
		case HOW_PREPARED:
			snprintf(command, sizeof(command), "%s PREPARED 'race-%d'",
					 undone ? "ROLLBACK" : "COMMIT", slot->number);
			send_command(slot, command, SLOT_ENDING);
			break;
		default:
			send_command(slot, undone ? "ROLLBACK" : "COMMIT", SLOT_ENDING);
	}
}

/*
 * This connection has done its part in the race.
 */
static void
finish_slot(Lane *lane, Slot *slot)
{
	slot->state = SLOT_IDLE;
	slot->caller->ended = now_ms();
	if (--lane->outstanding > 0)
		return;

	count_race(lane->order);
	if (options.history != NULL)
		write_history(options.history, lane->order);
	if (options.order_id != NULL)
		print_race(lane->order);
	for (int i = 0; i < lane->order->ncallers; i++)
		PQclear(lane->order->callers[i].answer);
	lane->order = NULL;
}

/*
 * Keeps what the server said: the answer of vr_accept, or an error.
 */
static void
take_result(Lane *lane, Slot *slot, PGresult *result)
{
	Caller	   *caller = slot->caller;
	const char *sqlstate;

	if (slot->state == SLOT_CALLING)
	{
		caller->wait = now_ms() - caller->sent;
		caller->arrival = ++lane->answered;
	}
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			/* a lane with something outstanding has an order */
			/* NOLINTBEGIN(clang-analyzer-core.NullDereference) */
			if (PQntuples(result) != 1)
				die("vr_accept returned %d rows for order %s, vendor %s",
					PQntuples(result), lane->order->order_id, caller->vendor_id);
			caller->answer = result;
			/* NOLINTEND(clang-analyzer-core.NullDereference) */
			return;
		case PGRES_COMMAND_OK:
			break;
		default:
			sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
			snprintf(caller->sqlstate, sizeof(caller->sqlstate), "%s",
					 sqlstate != NULL ? sqlstate : "?????");
			report_error(lane->order, caller, result);
			break;
	}
	PQclear(result);
}

/*
 * A command is complete: on to the next step of this connection.
 */
static void
advance(Lane *lane, Slot *slot)
{
	switch (slot->state)
	{
		case SLOT_BEGINNING:
			slot->state = SLOT_READY;
			if (--lane->outstanding == 0)
				send_calls(lane);
			break;
		case SLOT_CALLING:
			if (!lane->in_transaction)
				finish_slot(lane, slot);
			else
			{
				if (lane->undo_first && has_won(slot->caller))
				{
					lane->undo_first = false;
					slot->caller->undone = true;
				}
				if (options.how == HOW_PREPARED && slot->caller->answer != NULL)
				{
					char		command[100];

					snprintf(command, sizeof(command), "PREPARE TRANSACTION 'race-%d'",
							 slot->number);
					send_command(slot, command, SLOT_PREPARING);
				}
				else if (slot->caller->answer == NULL)
					send_command(slot, "ROLLBACK", SLOT_ENDING);
				else
					end_transaction(slot);
			}
			break;
		case SLOT_PREPARING:
			end_transaction(slot);
			break;
		case SLOT_ENDING:
			finish_slot(lane, slot);
			break;
		case SLOT_IDLE:
		case SLOT_READY:
			break;
	}
}

/*
 * Reads what has arrived on a connection.
 */
static void
read_slot(Lane *lane, Slot *slot)
{
	if (!PQconsumeInput(slot->conn))
		die("%s", PQerrorMessage(slot->conn));
	while (!PQisBusy(slot->conn))
	{
		PGresult   *result = PQgetResult(slot->conn);

		if (result == NULL)
		{
			advance(lane, slot);
			return;
		}
		take_result(lane, slot, result);
	}
}

/*
 * Waits until something has arrived, and handles it.
 */
static void
poll_slots(Lane *lanes, Slot *slots, int nslots, struct pollfd *fds)
{
	int			ready;

	for (int i = 0; i < nslots; i++)
	{
		bool		waiting = slots[i].state != SLOT_IDLE &&
			slots[i].state != SLOT_READY;

		/* poll() passes over negative descriptors. */
		fds[i].fd = waiting ? PQsocket(slots[i].conn) : -1;
		fds[i].events = POLLIN;
	}

	ready = poll(fds, nslots, NO_ANSWER_AFTER_MS);
	if (ready == 0)
		die("no answer for %d seconds", NO_ANSWER_AFTER_MS / 1000);
	if (ready < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));

	for (int i = 0; ready > 0 && i < nslots; i++)
		if (fds[i].revents != 0)
			read_slot(&lanes[i / options.vendors], &slots[i]);
}

static void
run_races(void)
{
	int			nlanes = options.at_once < norders ? options.at_once : norders;
	int			nslots = nlanes * options.vendors;
	Lane	   *lanes = allocate(nlanes, sizeof(Lane));
	Slot	   *slots = allocate(nslots, sizeof(Slot));
	struct pollfd *fds = allocate(nslots, sizeof(struct pollfd));
	int			next = 0;
	double		started;

	for (int i = 0; i < nslots; i++)
	{
		slots[i].conn = open_connection();
		slots[i].number = i;
	}
	for (int i = 0; i < nlanes; i++)
		lanes[i].slots = &slots[(size_t) i * options.vendors];

	started = now_ms();
	while (totals.orders < norders)
	{
		for (int i = 0; i < nlanes && next < norders; i++)
			if (lanes[i].order == NULL)
			{
				start_race(&lanes[i], &orders[next], next + 1);
				next++;
			}
		poll_slots(lanes, slots, nslots, fds);
		if (options.progress)
			show_progress(norders, now_ms() - started);
	}
	totals.elapsed = now_ms() - started;

	for (int i = 0; i < nslots; i++)
		PQfinish(slots[i].conn);
	free(fds);
	free(slots);
	free(lanes);
}

static void
print_help(void)
{
	puts("vr_race races vendors for open orders, and checks what they are told.\n"
		 "\n"
		 "Usage:\n"
		 "  vr_race [OPTION]... [CONNINFO]\n"
		 "\n"
		 "Options:\n"
		 "  --isolation LEVEL    read committed, repeatable read or serializable\n"
		 "  --orders N           race for at most N orders (default: all that are open)\n"
		 "  --order ORDER_ID     race for this order only, and print the race\n"
		 "  --vendors N          at most N vendors race for an order (default: 10)\n"
		 "  --at-once N          race for N orders at the same time (default: 1)\n"
		 "  --rollback-every N   in every N-th order, the first winner rolls back\n"
		 "  --how HOW            make calls in autocommit (default), a block, a\n"
		 "                       savepoint, or a prepared transaction\n"
		 "  --history FILE       append a line for each call, see check_history\n"
		 "  --seed N             draws the order of the calls as another run with N did\n"
		 "  --progress           show how far it is, on standard error\n"
		 "  --summary            print totals, one key=value a line\n"
		 "  --help               show this help, then exit\n"
		 "\n"
		 "Needs (orders at once) x (vendors) connections.  The exit status is 0 when\n"
		 "there was no error, every order has exactly one winner, and every caller was\n"
		 "told this winner; 1 when not; 2 when the races could not be held.");
}

/*
 * The number in argument, at least 1, or dies.
 */
static int
parse_count(const char *option, const char *argument)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(argument, &end, 10);
	if (*argument == '\0' || *end != '\0' || errno != 0 || value < 1 || value > INT_MAX)
		die("--%s needs a number from 1, not \"%s\"", option, argument);
	return value;
}

static const char *
parse_isolation(const char *argument)
{
	static const char *const levels[] = {
		"read committed", "repeatable read", "serializable"
	};

	for (int i = 0; i < 3; i++)
		if (strcmp(argument, levels[i]) == 0)
			return levels[i];
	die("unknown isolation level \"%s\"", argument);
}

static How
parse_how(const char *argument)
{
	for (int i = 0; i < (int) (sizeof(how_names) / sizeof(how_names[0])); i++)
		if (strcmp(argument, how_names[i]) == 0)
			return (How) i;
	die("unknown way to call \"%s\"", argument);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"isolation", required_argument, NULL, 'i'},
		{"orders", required_argument, NULL, 'n'},
		{"order", required_argument, NULL, 'o'},
		{"vendors", required_argument, NULL, 'v'},
		{"at-once", required_argument, NULL, 'a'},
		{"rollback-every", required_argument, NULL, 'r'},
		{"how", required_argument, NULL, 'w'},
		{"history", required_argument, NULL, 'H'},
		{"seed", required_argument, NULL, 's'},
		{"progress", no_argument, NULL, 'p'},
		{"summary", no_argument, NULL, 'S'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	int			option;
	int			index;

	srandom(time(NULL));
	while ((option = getopt_long(argc, argv, "", known, &index)) != -1)
		switch (option)
		{
			case 'i':
				options.isolation = parse_isolation(optarg);
				break;
			case 'n':
				(void) parse_count(known[index].name, optarg);
				options.max_orders = optarg;
				break;
			case 'o':
				options.order_id = optarg;
				break;
			case 'v':
				options.vendors = parse_count(known[index].name, optarg);
				break;
			case 'a':
				options.at_once = parse_count(known[index].name, optarg);
				break;
			case 'r':
				options.rollback_every = parse_count(known[index].name, optarg);
				break;
			case 'w':
				options.how = parse_how(optarg);
				break;
			case 'H':
				options.history = fopen(optarg, "a");
				if (options.history == NULL)
					die("%s: %s", optarg, strerror(errno));
				break;
			case 's':
				srandom(parse_count(known[index].name, optarg));
				break;
			case 'p':
				options.progress = true;
				break;
			case 'S':
				options.summary = true;
				break;
			case 'h':
				print_help();
				exit(0);
			default:
				exit(EXIT_TROUBLE);
		}

	if (optind < argc)
		options.conninfo = argv[optind++];
	if (optind < argc)
		die("unexpected argument \"%s\"", argv[optind]);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;

	parse_options(argc, argv);
	conn = open_connection();
	load_orders(conn);
	PQfinish(conn);

	run_races();
	if (options.history != NULL && fclose(options.history) != 0)
		die("cannot write the history: %s", strerror(errno));
	if (options.summary || options.order_id == NULL)
		print_summary();

	if (totals.errors > 0 || totals.without_one_winner > 0 || totals.told_differently > 0)
		return EXIT_BAD_RACE;
	return 0;
}
