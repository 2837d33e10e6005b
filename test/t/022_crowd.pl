# Two thousand orders are open at the same time, ten vendors were invited to each, and
# all of them accept over 200 connections to pgbouncer, which has 40 to the server and
# gives each transaction any of them: at each isolation level, half of the calls in
# autocommit and half in a transaction of the application's.  In quick mode it is 200 orders
# and 50 connections.
#
# Catches: a call that fails or waits for ever where far more orders are open than
# anybody looks at, an order with two winners or none, a caller who is told another
# winner than there is, a vendor who is not told, a load that does not add up where a vendor wins
# many orders at the same time, a deadlock, a lock or a setting that stays with a session
# when its client has gone on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = full(200, 2000);
my $clients = full(50, 200);
my $sessions = 40;
my @levels = ('read committed', 'repeatable read', 'serializable');

my $node = new_node('crowd', conf => "deadlock_timeout = 100ms\n");
my $dir = PostgreSQL::Test::Utils::tempdir('crowd');
my $sockets = PostgreSQL::Test::Utils::tempdir_short();
my $user = getpwuid $<;

# pgbouncer ------------------------------------------------------------------------------

local $ENV{PATH} = "$ENV{PATH}:/usr/sbin";    # where Debian has it

append_to_file("$dir/users", qq("$user" ""\n));
append_to_file("$dir/pgbouncer.ini", "[databases]\n");
foreach my $level (@levels)
{
	append_to_file("$dir/pgbouncer.ini",
		sprintf("%s = host=%s port=%s dbname=postgres connect_query='SET default_transaction_isolation = ''%s'''\n",
			$level =~ s/ /_/r, $node->host, $node->port, $level));
}
append_to_file("$dir/pgbouncer.ini", <<"INI");
[pgbouncer]
listen_addr =
unix_socket_dir = $sockets
listen_port = 6432
auth_type = trust
auth_file = $dir/users
admin_users = $user
pool_mode = transaction
default_pool_size = $sessions
max_client_conn = 300
log_connections = 0
log_disconnections = 0
INI

my $log = '';
my $bouncer = eval { IPC::Run::start([ 'pgbouncer', "$dir/pgbouncer.ini" ], '<', \undef, '>', \$log, '2>&1') }
  or die 'cannot run pgbouncer: install the package of that name';

# Asks a database of pgbouncer; undefined where it does not answer.
sub ask_bouncer
{
	my ($database, $query) = @_;
	my $answer;

	IPC::Run::run(
		[ 'psql', '-XAtq', '-d', "host=$sockets port=6432 user=$user dbname=$database", '-c', $query ],
		'>', \$answer, '2>', \my $errors)
	  or return undef;
	chomp $answer;
	return $answer;
}

# Asks again and again, until it answers so.
sub wait_for_answer
{
	my ($database, $query, $expected) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $answer;

	do
	{
		$bouncer->pump_nb;
		$answer = ask_bouncer($database, $query);
		return if defined $answer && $answer =~ $expected;
	} while (time < $deadline);
	die "$query answers " . ($answer // 'nothing') . ", and pgbouncer says $log";
}

wait_for_answer('pgbouncer', 'SHOW VERSION', qr/PgBouncer/);

# The crowd ------------------------------------------------------------------------------

add_database($node, 'postgres', 10);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE retailers (name text);
CREATE TABLE told (
	order_id text, vendor_id text, isolation text, accepted boolean, reason text, winner text,
	PRIMARY KEY (order_id, vendor_id));

-- What a caller is told, in the transaction in which it is told so.
CREATE FUNCTION ask(wanted text, vendor text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO told
	SELECT wanted, vendor, current_setting('transaction_isolation'), accepted, reason, locked_vendor_id
	  FROM vr_accept(vr_routing_id(wanted), vendor);
$$;
SQL

# Ten clients go from one order to the next, each time as other vendors.
my $lanes = $clients / 10;
my $rounds = $orders / $lanes;

foreach my $level (@levels)
{
	my $database = $level =~ s/ /_/r;
	my $prefix = $level =~ s/ /-/r;
	my ($output, $errors) = ('', '');

	invite_orders($node, 'postgres', $prefix, $orders);
	append_to_file("$dir/$database.sql", <<"SQL");
\\set round :round + 1
\\set order :client_id / 10 + 1 + :round * $lanes
\\set vendor (:client_id + :round) % 10 + 1
\\if (:client_id + :round / 2) % 2 = 0
SELECT ask('$prefix-' || :order, 'vendor-' || :vendor);
\\else
BEGIN;
SELECT count(*) FROM retailers;
SELECT ask('$prefix-' || :order, 'vendor-' || :vendor);
COMMIT;
\\endif
SQL

	# All of them are there before the first is let in.
	ask_bouncer($database, 'SELECT 1') // die "pgbouncer says $log";
	ask_bouncer('pgbouncer', "PAUSE $database");
	my $crowd = IPC::Run::start(
		[
			'pgbench', '-n', '-M', 'simple', '-c', $clients, '-j', 2, '-t', $rounds, '-D', 'round=-1',
			'-f', "$dir/$database.sql", "host=$sockets port=6432 user=$user dbname=$database"
		],
		'<', \undef, '>', \$output, '2>', \$errors,
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default * full(1, 5)));
	wait_for_answer('pgbouncer', 'SHOW POOLS', qr/^$database\|\w+\|0\|$clients\|/m);
	ask_bouncer('pgbouncer', "RESUME $database");
	my $ended = eval { $crowd->finish; 1 };

	ok($ended && $? == 0, "$level: all $clients clients come to an end, and none is turned away") or diag $errors;
	my ($done) = $output =~ m{transactions actually processed: (\d+)/};
	is($done // 0, 10 * $orders, "$level: all called");
	unlike($output, qr/failed transactions: [1-9]/, "$level: and nothing failed");
	is( $node->safe_psql('postgres', <<"SQL"), join('|', 10 * $orders, $orders, $orders, $level), "$level: each order has one winner, of whom all were told");
SELECT count(*), count(DISTINCT order_id), count(*) FILTER (WHERE accepted), string_agg(DISTINCT isolation, ' ')
  FROM told JOIN vendor_routing.routings AS t USING (order_id)
 WHERE t.order_id LIKE '$prefix-%' AND t.status = 'LOCKED'
   AND told.winner = t.locked_vendor_id AND accepted = (told.vendor_id = t.locked_vendor_id)
SQL
	is( $node->safe_psql('postgres', <<"SQL"), 9 * $orders, "$level: everybody else has a cancellation, and an answer on record");
SELECT count(*) FROM vendor_routing.cancellations AS c
  JOIN vendor_routing.responses AS r USING (routing_id, round, vendor_id)
  JOIN vendor_routing.routings AS t USING (routing_id)
 WHERE t.order_id LIKE '$prefix-%' AND r.response = 'ACCEPT' AND c.reason = 'ANOTHER_VENDOR_ACCEPTED'
SQL

	# The sessions are still there.
	my $left = $node->safe_psql('postgres', "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = 'postgres'");
	cmp_ok($left, '>', 1, "$level: pgbouncer has $left sessions");
	is(advisory_locks($node, 'postgres'), 0, "$level: no session has kept a lock");
}

is(broken_orders($node, 'postgres'), '', 'every order is as it must be, and so is every load');
is($node->safe_psql('postgres', 'SELECT * FROM vr_check()'), '', 'which the extension confirms');

# Sessions report their statistics when they end.
$bouncer->signal('TERM');
$bouncer->finish;
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'postgres'")
  or die 'sessions do not end';
is($node->safe_psql('postgres', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), '0', 'nobody was in a deadlock');
unlike(slurp_file($node->logfile), qr/(?:ERROR|FATAL|PANIC):/, 'no error in the log of the server');

$node->stop;
done_testing();
