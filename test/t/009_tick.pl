# vr_tick costs what is due, not what there is; any number of sessions can call
# it at the same time, and it waits for nobody.
#
# Catches: a pass that reads all open orders, orders done twice or by nobody, a
# lock table that fills up, a pass that stops behind somebody's open transaction,
# an order given to the second who accepted because the first is busy, and a
# deadlock with those who wait for an order that was ticked.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $small = 1000;
my $large = 1_000_000;
my $due = 10;          # orders due at one time, with ten offers each
my $blocks = 150;      # most blocks touched for one of them
my $idle_blocks = 30;  # most blocks touched where nothing is due
my $sessions = 16;
my $orders = 5000;

# The lock table has fewer places than there are orders.
my $node = new_node('tick',
	conf => "autovacuum = off\nmax_connections = 50\nmax_worker_processes = 0\n"
	  . "max_wal_senders = 0\nmax_prepared_transactions = 0\n"
	  . "max_logical_replication_workers = 0\ndeadlock_timeout = 100ms");

sub ask
{
	my ($query, $database) = @_;

	return $node->safe_psql($database // 'postgres', $query);
}

sub poll
{
	my ($query, $what, $database) = @_;

	$node->poll_query_until($database // 'postgres', $query)
	  or die "does not happen: $what";
	return;
}

sub session
{
	my ($database) = @_;

	return new_session($node, $database // 'postgres', on_error_stop => 0);
}

# Offers orders PREFIX-1 to PREFIX-N to so many vendors each, and waits until the
# offers are over.
sub make_due
{
	my ($prefix, $n, $vendors, $database) = @_;

	ask("SELECT count(*) FROM generate_series(1, $n) AS n,"
		  . " vr_broadcast('$prefix-' || n, 'retailer-1', max_vendors => $vendors, ttl => '10 ms')",
		$database);
	wait_until_due($prefix, $database);
	return;
}

sub wait_until_due
{
	my ($prefix, $database) = @_;

	poll("SELECT max(next_deadline) < clock_timestamp() FROM vendor_routing.routings WHERE order_id LIKE '$prefix-%'",
		"$prefix are due", $database);
	return;
}

sub status_of
{
	my ($order) = @_;

	return ask("SELECT status || coalesce(' ' || locked_vendor_id, '')"
		  . " FROM vendor_routing.routings WHERE order_id = '$order'");
}

# What a pass did that had no reason to wait.
my $tick = "SELECT processed, failed FROM vr_tick()";

sub tick_at_once
{
	my ($status, $output, $errors) =
	  $node->psql('postgres', "SET lock_timeout = '1s'; $tick");

	return $output . $errors;
}

#-------------------------------------------------------------------------
# What a pass costs
#-------------------------------------------------------------------------

# A database with so many open orders, for which nothing is due for hours; an
# accept has left a time behind in some, the others are in all other states.
sub add_routings
{
	my ($database, $routings) = @_;

	add_database($node, $database, 10);
	ask(<<"SQL", $database);
INSERT INTO vendor_routing.routings
	(routing_id, order_id, retailer_id, status, locked_vendor_id, locked_at,
	 next_deadline, expires_at, created_at, updated_at)
SELECT vr_routing_id('old-' || n), 'old-' || n, 'retailer-1',
	CASE n % 10 WHEN 0 THEN 'EXHAUSTED' WHEN 1 THEN 'EXPIRED' WHEN 2 THEN 'LOCKED' ELSE 'PENDING' END,
	CASE n % 10 WHEN 2 THEN 'vendor-1' END,
	CASE n % 10 WHEN 2 THEN now() END,
	CASE WHEN n % 10 <> 1 THEN now() + '2 h' + n * '1 ms'::interval END,
	now() + '4 h', now(), now()
  FROM generate_series(1, $routings) AS n;
INSERT INTO vendor_routing.responses
	(routing_id, round, vendor_id, score, rank, offered_at, expires_at)
SELECT routing_id, 1, 'vendor-1', 50, 1, created_at, next_deadline
  FROM vendor_routing.routings
 WHERE status = 'PENDING' AND random() < 0.01;
VACUUM ANALYZE;
SQL
	return;
}

# Blocks touched by a pass of a session that has been through some already, for
# orders that are due and then for nothing.
sub cost_of_passes
{
	my ($database) = @_;
	my $session = session($database);
	my @costs;

	make_due('warm', $due, 10, $database);
	$session->query_safe($tick) foreach 1 .. 2;
	make_due('due', $due, 10, $database);
	foreach my $processed ($due, 0)
	{
		my $plan = decode_json($session->query_safe(
				'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM vr_tick()'))
		  ->[0]{Plan};

		is( ask("SELECT count(*) FROM vendor_routing.events WHERE order_id LIKE 'due-%' AND event_type = 'ORDER_EXHAUSTED'",
				$database),
			$due,
			"$database: the orders that are due are done");
		push @costs, $plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'};
	}
	is($session->query_safe($tick), '0|0', "$database: then nothing is due");
	$session->quit;
	return @costs;
}

add_routings('few', $small);
add_routings('many', $large);

my ($few, $few_idle) = cost_of_passes('few');
my ($many, $many_idle) = cost_of_passes('many');

note "with $small routings, a pass for $due touches $few blocks, the next $few_idle";
note "with $large routings, a pass for $due touches $many blocks, the next $many_idle";
cmp_ok($many, '<=', $due * $blocks,
	"$large routings, $due are due: at most $blocks blocks for each");
cmp_ok($many, '<=', 1.5 * $few,
	"$large routings, $due are due: hardly more blocks than with $small");
cmp_ok($many_idle, '<=', $idle_blocks,
	"$large routings, nothing is due: at most $idle_blocks blocks");
cmp_ok($many_idle, '<=', $few_idle + 10,
	"$large routings, nothing is due: hardly more blocks than with $small");
ask('DROP DATABASE many');

#-------------------------------------------------------------------------
# Many sessions at the same time
#-------------------------------------------------------------------------

add_database($node, 'postgres', 10);
is(ask('SHOW max_locks_per_transaction'), 64, 'the lock table is as it comes');
make_due("shared-$_", $orders / 10, 3) foreach 1 .. 10;
{
	my $gate = session();
	my @sessions = map { session() } 1 .. $sessions;
	my $processed = 0;
	my @told;

	$sessions[$_]->query_safe("SET default_transaction_isolation = 'repeatable read'")
	  foreach 0 .. $sessions / 2;
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	start_query($_, "SELECT pg_advisory_lock_shared(1);\nSELECT processed, failed FROM vr_tick($orders)")
	  foreach @sessions;
	poll("SELECT count(*) = $sessions FROM pg_locks WHERE NOT granted",
		'all sessions stand at the gate');
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	@told = map { finish_query($_) } @sessions;
	note "processed and failed: @told";
	$_->quit foreach $gate, @sessions;

	is(scalar(grep { /^\d+\|0$/ } @told),
		$sessions, "$sessions sessions: nobody gets an error, and nothing fails");
	$processed += (split /\|/)[0] foreach @told;
	is($processed, $orders, "$sessions sessions: together they do what is due");
}
is( ask("SELECT status, round, version, count(*) FROM vendor_routing.routings WHERE order_id LIKE 'shared-%' GROUP BY 1, 2, 3"),
	"EXHAUSTED|1|2|$orders",
	"$sessions sessions: every order is done, once");
is( ask("SELECT event_type, n, count(*) FROM (SELECT routing_id, event_type, count(*) AS n FROM vendor_routing.events WHERE order_id LIKE 'shared-%' GROUP BY 1, 2) AS e GROUP BY 1, 2 ORDER BY 1, 2"
	),
	join("\n", map { "$_|$orders" }
		  'ORDER_EXHAUSTED|1', 'VENDOR_BROADCAST_INITIATED|1', 'VENDOR_TIMED_OUT|3'),
	"$sessions sessions: every order has its events, once");
unlike(
	slurp_file($node->logfile),
	qr/(?:WARNING|ERROR|FATAL|PANIC):/,
	"$sessions sessions: no warning and no error in the log");

# One session alone does not fill the lock table either.
make_due("alone-$_", $orders / 10, 1) foreach 1 .. 10;
{
	my $session = session();

	$session->query_safe('BEGIN');
	is($session->query_safe("SELECT processed, failed FROM vr_tick($orders)"),
		"$orders|0", 'one session: it does what is due');
	cmp_ok(advisory_locks($node, 'postgres'), '<=', 1,
		'one session: it keeps no lock per order');
	$session->query_safe('ROLLBACK');
	is( $session->query_safe("SELECT processed, failed FROM vr_tick(7)"),
		'7|0', 'one session: it does as many as it is told');
	is( $session->query_safe(
			"SELECT min(next_deadline) FILTER (WHERE status = 'PENDING')"
			  . " >= max(created_at + '10 ms') FILTER (WHERE status <> 'PENDING')"
			  . " FROM vendor_routing.routings WHERE order_id LIKE 'alone-%'"),
		't', 'one session: the earliest first');
	$session->query_safe("SELECT vr_tick($orders)");
	$session->quit;
}

#-------------------------------------------------------------------------
# Orders that others have
#-------------------------------------------------------------------------

# The last column: does the holder have a lock of the extension's own?
my @holders = (
	[
		'somebody cancels it',
		"SELECT * FROM vr_cancel(vr_routing_id('ORDER'))", 1
	],
	[
		'somebody has looked at it, with its lock',
		"SELECT * FROM vr_retry(vr_routing_id('ORDER'))", 1
	],
	[
		'somebody else does what is due', 'SELECT * FROM vr_timeout(vr_routing_id(\'ORDER\'))',
		1
	],
	[
		'a DBA changes its row',
		"UPDATE vendor_routing.routings SET payload = '{}' WHERE order_id = 'ORDER'",
		0
	],
	[
		'a DBA locks its row',
		"SELECT 1 FROM vendor_routing.routings WHERE order_id = 'ORDER' FOR UPDATE",
		0
	],
	[
		'a DBA locks its answers',
		"SELECT 1 FROM vendor_routing.responses WHERE routing_id = vr_routing_id('ORDER') FOR UPDATE",
		0
	]);
my $number = 0;

foreach my $case (@holders)
{
	my ($what, $hold, $has_lock) = @$case;
	my $prefix = 'held-' . ++$number;
	my $holder = session();

	make_due($prefix, 3, 2);
	$holder->query_safe('BEGIN; ' . ($hold =~ s/ORDER/$prefix-2/r));
	cmp_ok(advisory_locks($node, 'postgres'), '>', 0,
		"an order is taken, $what: with a lock of the extension") if $has_lock;
	is(tick_at_once(), '2|0', "an order is taken, $what: the others are done, without waiting");
	is(status_of("$prefix-2"), 'PENDING', "an order is taken, $what: it is left alone");
	$holder->query_safe('ROLLBACK');
	is(tick_at_once(), '1|0', "an order is taken, $what: it is done later");
	is(status_of("$prefix-2"), 'EXHAUSTED', "an order is taken, $what: it is done as it should be");
	$holder->quit;
}

#-------------------------------------------------------------------------
# Vendors that others have
#-------------------------------------------------------------------------

# The order is due, vendor-2 has accepted, and vendor-3 after it.
sub make_accepted
{
	my ($order) = @_;

	ask(<<"SQL");
SELECT count(*) FROM vr_broadcast('$order-1', 'retailer-1', vendors => '{vendor-1,vendor-2,vendor-3}');
SELECT count(*) FROM vr_respond(vr_routing_id('$order-1'), 'vendor-2', 'ACCEPT');
SELECT count(*) FROM vr_respond(vr_routing_id('$order-1'), 'vendor-3', 'ACCEPT');
UPDATE vendor_routing.responses SET expires_at = offered_at + '1 us'
 WHERE routing_id = vr_routing_id('$order-1');
UPDATE vendor_routing.routings SET next_deadline = created_at
 WHERE order_id = '$order-1';
SQL
	return;
}

my @vendor_holders = (
	[
		'changes it',
		"UPDATE vendor_routing.vendors SET name = name || '!' WHERE vendor_id = 'vendor-2'"
	],
	[
		'locks it',
		"SELECT 1 FROM vendor_routing.vendors WHERE vendor_id = 'vendor-2' FOR UPDATE"
	],
	[
		'gives it another order',
		"SELECT * FROM vr_accept(vr_routing_id('another-1'), 'vendor-2')"
	]);

invite_orders($node, 'postgres', 'another', 1);
foreach my $case (@vendor_holders)
{
	my ($what, $hold) = @$case;
	my $order = 'accepted-' . ++$number;
	my $holder = session();

	make_accepted($order);
	make_due("beside-$number", 2, 2);
	$holder->query_safe("BEGIN; $hold");
	is(tick_at_once(), '2|0',
		"the vendor is taken, somebody $what: the others are done, without waiting");
	is(status_of("$order-1"), 'PENDING',
		"the vendor is taken, somebody $what: the order is not given to the next");
	is( ask("SELECT count(*) FROM vendor_routing.responses WHERE routing_id = vr_routing_id('$order-1') AND response = 'TIMEOUT'"),
		0,
		"the vendor is taken, somebody $what: the order is left alone");
	$holder->query_safe('ROLLBACK');
	is(tick_at_once(), '1|0',
		"the vendor is taken, somebody $what: the order is done later");
	is(status_of("$order-1"), 'LOCKED vendor-2',
		"the vendor is taken, somebody $what: who accepted first has it");

	# The winning left its time behind.
	is(tick_at_once(), '1|0', "the vendor is taken, somebody $what: the next pass tidies up");
	is(tick_at_once(), '0|0', "the vendor is taken, somebody $what: and then nothing is due");
	$holder->quit;
}
is(broken_orders($node, 'postgres') =~ s/^order .*(?:EXHAUSTED|CANCELLED).*\n?//gmr,
	'', 'the orders that were won are consistent');

#-------------------------------------------------------------------------
# Orders of one's own
#-------------------------------------------------------------------------

# The pass has given the lock of the order back; who waits has it, or waits for
# the row.  Whatever is done to the order next may not wait for them.
my @waiters = (
	[ 'SELECT accepted, reason FROM vr_accept(ID, \'vendor-1\')', 'f|CANCELLED' ],
	[ 'SELECT cancelled FROM vr_cancel(ID)', 'f' ],
	[ 'SELECT status FROM vr_timeout(ID)', 'CANCELLED' ],
	[ 'SELECT retried FROM vr_retry(ID)', 'VR004' ],
	[ 'SELECT recorded FROM vr_respond(ID, \'vendor-1\', \'REJECT\')', 'VR004' ]);

foreach my $case (@waiters)
{
	my ($query, $told) = @$case;
	my ($name) = $query =~ /(vr_\w+)/;
	my $order = 'ticked-' . ++$number;
	my $ticker = session();
	my $waiter = session();
	my $pid = $waiter->query_safe('SELECT pg_backend_pid()');

	ask("SELECT count(*) FROM vr_broadcast('$order-1', 'retailer-1', vendors => '{vendor-1,vendor-2}', ttl => '10 ms')");
	wait_until_due($order);
	$ticker->query_safe('BEGIN');
	is($ticker->query_safe($tick), '1|0', "$name() waits: the order is ticked");
	start_query($waiter, $query =~ s/ID/vr_routing_id('$order-1')/r);
	wait_until_blocked($node, $pid);
	is( $ticker->query_safe(
			"SELECT cancelled FROM vr_cancel(vr_routing_id('$order-1'))"),
		't', "$name() waits: who ticked the order can cancel it");
	$ticker->query_safe('COMMIT');
	is(finish_query($waiter), $told, "$name() waits: then it is told");
	is(status_of("$order-1"), 'CANCELLED', "$name() waits: the order is cancelled");
	$ticker->quit;
	$waiter->quit;
}

#-------------------------------------------------------------------------
# Pauses
#-------------------------------------------------------------------------

# Pauses end like offers do.
my $ends = ask("SELECT vr_pause('vendor-3', clock_timestamp() + '2 s', 'lunch')");

is(ask('SELECT resumed, next_due FROM vr_tick()'),
	"0|$ends", 'a pause: vr_tick() says when it ends');
ask("SELECT vr_pause('vendor-4')");
{
	my $holder = session();

	$holder->query_safe('BEGIN');
	$holder->query_safe("SELECT 1 FROM vendor_routing.vendors WHERE vendor_id = 'vendor-3' FOR UPDATE");
	poll("SELECT clock_timestamp() > '$ends'", 'the pause is over');
	is($node->safe_psql('postgres', "SET lock_timeout = '1s'; SELECT resumed, processed, failed FROM vr_tick()"),
		'0|0|0', 'a pause: a vendor whose row others have is left alone');
	$holder->query_safe('ROLLBACK');
	$holder->quit;
}
is(ask('SELECT resumed FROM vr_tick()'), 1, 'a pause: it ends');
is(ask('SELECT resumed FROM vr_tick()'), 0, 'a pause: once');
is( ask("SELECT vendor_id, paused_until FROM vendor_routing.vendors WHERE vendor_id IN ('vendor-3', 'vendor-4') ORDER BY 1"),
	"vendor-3|\nvendor-4|infinity",
	'a pause: another, without an end, goes on');
is( ask("SELECT vendor_id, event_type FROM vendor_routing.vendor_events ORDER BY event_id"),
	"vendor-3|VENDOR_PAUSED\nvendor-4|VENDOR_PAUSED\nvendor-3|VENDOR_RESUMED",
	'a pause: its end is on record');
is( ask("SELECT count(*) FROM vr_broadcast('after-pause', 'retailer-1', max_vendors => 10) AS b WHERE b.invited::text LIKE '%vendor-3\"%' AND b.invited::text NOT LIKE '%vendor-4\"%'"),
	1,
	'a pause: then the vendor is invited again');

#-------------------------------------------------------------------------
# Times that a DBA has moved
#-------------------------------------------------------------------------

# Nothing is due for these two, only next_deadline says so.  If a pass left it at
# that, they would be there in every pass: with many of them, nobody else would
# ever have a turn, and a worker would not sleep.
make_due('moved', 1, 1);
ask(<<"SQL");
$tick;
SELECT count(*) FROM vr_broadcast('moved-2', 'retailer-1', confirm_within => '1 h');
SELECT count(*) FROM vr_accept(vr_routing_id('moved-2'), 'vendor-1');
UPDATE vendor_routing.routings SET next_deadline = created_at WHERE order_id LIKE 'moved-%';
$tick;
SQL
is(ask($tick), '0|0', 'what is not due does not come again in every pass');
is( ask("SELECT order_id, status, next_deadline = coalesce(confirm_by, expires_at) FROM vendor_routing.routings WHERE order_id LIKE 'moved-%' ORDER BY 1"),
	"moved-1|EXHAUSTED|t\nmoved-2|LOCKED|t",
	'what is not due has its time put right');

is(ask('SELECT * FROM vr_check()'), '', 'everything is sound');
unlike(slurp_file($node->logfile), qr/(?:WARNING|FATAL|PANIC):|deadlock detected/,
	'no warning and no deadlock in the log');

$node->stop;
done_testing();
