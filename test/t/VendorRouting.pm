# What the TAP tests of vendor_routing share: a server with the extension,
# vendors and open orders in it, the race driver, and the one query that says
# which orders are not as they must be.

package VendorRouting;

use strict;
use warnings;

use Errno qw(EPERM);
use Exporter 'import';
use File::Copy qw(copy);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  full new_node copy_server add_database invite_orders race
  start_vendors wait_for_wins read_answers lost_wins kill_server
  broken_orders table_digests advisory_locks
  new_session sqlstate_of start_query finish_query wait_until_blocked
);

# How much to do: as little as a test that is run all the time may take, or as much
# as script/test --full has time for.
sub full
{
	my ($quick, $full) = @_;

	return ($ENV{PG_TEST_EXTRA} // '') =~ /\bvendor_routing\b/ ? $full : $quick;
}

# A running server.  Offers live long enough for the slowest machine.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		extra => [ '--no-locale', '--encoding=UTF8' ],
		allows_streaming => $options{allows_streaming});
	$node->append_conf('postgresql.conf', <<'SQL');
log_statement = none
max_connections = 150
shared_buffers = 64MB
max_wal_size = 1GB
vendor_routing.order_ttl = 2h
vendor_routing.offer_ttl = 1h
SQL
	$node->append_conf('postgresql.conf', $options{conf})
	  if defined $options{conf};
	$node->start;
	return $node;
}

# A private copy of the server, which finds its files beside its programs, for an
# extension that is not the one that is tested.  Returns its bindir, pkglibdir and sharedir.
sub copy_server
{
	my $install = PostgreSQL::Test::Utils::tempdir('install');
	my %directories;

	foreach my $what (qw(bindir pkglibdir sharedir includedir-server))
	{
		my $directory = `pg_config --$what`;

		chomp $directory;
		$directories{$what} = "$install$directory";
		system('mkdir', '-p', "$install$directory") == 0
		  && system('cp', '-R', "$directory/.", "$install$directory") == 0
		  or die "cannot copy $directory";
	}
	return %directories;
}

# A database with the extension and with vendors vendor-1 to vendor-N.
sub add_database
{
	my ($node, $database, $vendors) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database")
	  if $database ne 'postgres';
	$node->safe_psql($database, <<"SQL");
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
SELECT 'vendor-' || n, 'Vendor ' || n, true, 50
  FROM generate_series(1, $vendors) AS n;
SQL
	return;
}

# Broadcasts orders PREFIX-1 to PREFIX-N to ten vendors each; or from another first one on.
sub invite_orders
{
	my ($node, $database, $prefix, $last, $first) = @_;

	$first //= 1;
	my $orders = $last - $first + 1;
	my $invited = $node->safe_psql($database, <<"SQL");
SELECT coalesce(sum(b.vendor_count), 0)
  FROM generate_series($first, $last) AS n,
       vr_broadcast('$prefix-' || n, 'retailer-1', max_vendors => 10) AS b
 WHERE b.created;
SQL
	die "invited $invited vendors for $orders orders" if $invited != 10 * $orders;
	return;
}

# The race driver, built anew and beside the tree: that may be read-only, and a
# driver found in it may be an old one.
my $race_program;

sub race_program
{
	return $race_program if defined $race_program;

	my $source = "$FindBin::RealBin/../race";
	my $build = PostgreSQL::Test::Utils::tempdir('race');
	my ($output, $libdir);

	foreach my $file (glob("$source/Makefile $source/*.c $source/*.h"))
	{
		copy($file, $build) or die "cannot copy $file: $!";
	}

	# We may have been started by a make that has other things in mind.
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	IPC::Run::run([ 'pg_config', '--libdir' ], '>', \$libdir)
	  or die "cannot run pg_config";
	chomp $libdir;
	IPC::Run::run(
		[
			'make', '-C', $build, 'PG_CONFIG=pg_config',
			"LDFLAGS=-Wl,-rpath,$libdir"
		],
		'>', \$output, '2>&1') or die "cannot build vr_race: $output";
	return $race_program = "$build/vr_race";
}

# Holds races.  Returns the exit status of the driver, and its totals.
sub race
{
	my ($node, $database, @options) = @_;
	my @command =
	  (race_program(), @options, '--summary', $node->connstr($database));
	my ($output, $errors);

	note "running @command";
	IPC::Run::run(\@command, '>', \$output, '2>', \$errors);
	my $status = $? >> 8;

	note $output, $errors;
	return ($status, { $output =~ /^(\w+)=(\S+)$/mg });
}

# Starts vendor-1 to vendor-N: each goes for order-FIRST to order-LAST, one call after
# another, in a psql of its own.  What that prints has been confirmed by the server; it
# goes to files in DIR.
sub start_vendors
{
	my ($node, $dir, $vendors, $first, $last) = @_;
	my @vendors;

	foreach my $vendor (1 .. $vendors)
	{
		unlink "$dir/calls-$vendor.sql";
		append_to_file(
			"$dir/calls-$vendor.sql",
			join '',
			map {
				"SELECT 'order-$_', 'vendor-$vendor', accepted, locked_vendor_id"
				  . " FROM vr_accept(vr_routing_id('order-$_'), 'vendor-$vendor');\n"
			} $first .. $last);
		push @vendors,
		  IPC::Run::start(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d',
				$node->connstr('postgres') . ' application_name=vendor', '-f',
				"$dir/calls-$vendor.sql"
			],
			'<', \undef,
			'>>', "$dir/told-$vendor",
			'2>', "$dir/errors-$vendor");
	}
	return @vendors;
}

# Waits until so many orders are won, or something else is so.  Returns the processes of
# the server.  The server looks itself, to be in time.
sub wait_for_wins
{
	my ($node, $wins, $or) = @_;
	my $until = "(SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED') >= $wins";

	$until .= " OR ($or)" if defined $or;
	return split /\n/, $node->safe_psql('postgres', <<"SQL");
SET statement_timeout = '${PostgreSQL::Test::Utils::timeout_default}s';
DO \$\$
BEGIN
	WHILE NOT ($until) LOOP
		PERFORM pg_stat_clear_snapshot();
		PERFORM pg_sleep(0.005);
	END LOOP;
END
\$\$;
SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid();
SQL
}

# Reads what the vendors were told since the last time: how many answers there were in
# $told->{calls}, which vendor won by its own answer in {confirmed}, which vendor has an
# order by anybody's in {winner}.  Each order comes with one vendor, or it goes to
# {contradictions}.
sub read_answers
{
	my ($dir, $vendors, $told) = @_;
	my $winner = $told->{winner} //= {};

	foreach my $vendor (1 .. $vendors)
	{
		foreach my $line (split /^/, slurp_file("$dir/told-$vendor"))
		{
			my ($order, $caller, $accepted, $other) = split /\|/, $line =~ s/\n$//r;

			# psql prints a line in one go.
			die "incomplete line: $line" if !defined $other;
			$told->{calls}++;
			$winner->{$order} //= $other;
			push @{ $told->{contradictions} }, "$caller was told $other, not $winner->{$order}, for $order"
			  if $winner->{$order} ne $other;
			push @{ $told->{contradictions} }, "$caller won, and $other has $order"
			  if $accepted eq 't' && $other ne $caller;
			$told->{confirmed}{$order} = $caller if $accepted eq 't';
		}
		unlink "$dir/told-$vendor";
	}
	return;
}

# Which of these wins (order => vendor) are not on record?
sub lost_wins
{
	my ($node, $wins) = @_;
	my %on_record = map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres',
		"SELECT order_id, locked_vendor_id FROM vendor_routing.routings WHERE status = 'LOCKED'");

	return grep { ($on_record{$_} // '') ne $wins->{$_} } sort keys %$wins;
}

# The state of a process, and its parent; nothing where there is no such process any more.
sub state_and_parent
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return;
	return (<$stat> // '') =~ /\) (\S) (\d+)/;
}

# Is this process gone?  A zombie is: it holds nothing any more, but its parent
# has not asked for it yet.
sub is_zombie
{
	my ($pid) = @_;

	return ((state_and_parent($pid))[0] // '') eq 'Z';
}

sub is_gone
{
	my ($pid) = @_;

	return (!kill(0, $pid) && $! != EPERM) || is_zombie($pid);
}

# Kills the server, and waits until no process of it is left: these, and those that it has
# started since.  The postmaster is stopped first, so that it has no time to see its
# children die, nor they it.
sub kill_server
{
	my ($node, @children) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	kill 'STOP', $postmaster;
	usleep(1000) until ((state_and_parent($postmaster))[0] // 'T') eq 'T' || time > $deadline;
	push @children, grep { ((state_and_parent($_))[1] // 0) == $postmaster }
	  map { m{(\d+)} } glob '/proc/[0-9]*';
	kill 'KILL', @children;
	$node->kill9;
	foreach my $pid ($postmaster, @children)
	{
		until (is_gone($pid))
		{
			die "process $pid does not end" if time > $deadline;
			usleep(10_000);
		}
	}

	# A server that starts takes a zombie for a server that runs.
	unlink $node->data_dir . '/postmaster.pid',
	  $node->host . '/.s.PGSQL.' . $node->port . '.lock'
	  if is_zombie($postmaster);
	return;
}

# Orders and vendors that are not as they must be after any number of
# broadcasts and accepts, whatever was lost, cancelled, rolled back or crashed:
# one a line, nothing when all is well.
sub broken_orders
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, <<'SQL');
WITH told AS (
	SELECT
		t.order_id,
		t.status,
		t.locked_vendor_id AS winner,
		(SELECT count(*) FROM vendor_routing.responses AS r
		  WHERE r.routing_id = t.routing_id AND r.round = t.round) AS offers,
		(SELECT count(*) FROM vendor_routing.responses AS r
		  WHERE r.routing_id = t.routing_id AND r.round = t.round
		    AND r.vendor_id = t.locked_vendor_id AND r.response = 'ACCEPT') AS winner_accepts,
		(SELECT count(*) FROM vendor_routing.cancellations AS c
		  WHERE c.routing_id = t.routing_id AND c.round = t.round) AS cancelled,
		(SELECT count(*)
		   FROM vendor_routing.cancellations AS c
		   JOIN vendor_routing.responses AS r USING (routing_id, round, vendor_id)
		  WHERE c.routing_id = t.routing_id AND c.round = t.round
		    AND c.vendor_id IS DISTINCT FROM t.locked_vendor_id
		    AND c.reason = 'ANOTHER_VENDOR_ACCEPTED') AS losers_told,
		(SELECT count(*) FROM vendor_routing.events AS e
		  WHERE e.routing_id = t.routing_id
		    AND e.event_type = 'VENDOR_ACCEPTED') AS wins,
		(SELECT count(*) FROM vendor_routing.events AS e
		  WHERE e.routing_id = t.routing_id AND e.event_type = 'VENDOR_ACCEPTED'
		    AND e.vendor_id = t.locked_vendor_id) AS wins_of_winner,
		(SELECT count(*) FROM vendor_routing.events AS e
		  WHERE e.routing_id = t.routing_id
		    AND e.event_type = 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT') AS tellings,
		(SELECT count(*) FROM vendor_routing.responses AS r
		  WHERE r.routing_id = t.routing_id AND r.response IS NOT NULL
		    AND r.vendor_id IS DISTINCT FROM t.locked_vendor_id) AS answers,
		(SELECT count(*) FROM vendor_routing.events AS e
		  WHERE e.routing_id = t.routing_id
		    AND e.event_type = 'VENDOR_RESPONSE_RECORDED') AS answer_events
	FROM vendor_routing.routings AS t
)
SELECT 'order ' || told::text
  FROM told
 WHERE CASE status
	WHEN 'LOCKED' THEN NOT (winner_accepts = 1 AND cancelled = offers - 1
		AND losers_told = offers - 1 AND wins = 1 AND wins_of_winner = 1
		AND tellings = 1 AND answers = answer_events)
	WHEN 'PENDING' THEN NOT (winner IS NULL AND cancelled = 0 AND wins = 0
		AND tellings = 0 AND answers = answer_events)
	ELSE true END
UNION ALL
SELECT 'vendor ' || v.vendor_id || ' has ' || v.current_orders || ' orders, not ' || n.orders
  FROM vendor_routing.vendors AS v
 CROSS JOIN LATERAL (
	SELECT count(*) AS orders FROM vendor_routing.routings AS t
	 WHERE t.status = 'LOCKED' AND t.locked_vendor_id = v.vendor_id) AS n
 WHERE v.current_orders <> n.orders
 LIMIT 10;
SQL
}

# A digest of every row of each table.
sub table_digests
{
	my ($node, $database) = @_;

	return $node->safe_psql(
		$database,
		join(
			' UNION ALL ',
			map {
				"SELECT '$_', count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE \"C\")) FROM vendor_routing.$_ AS t"
			} qw(vendors routings responses cancellations events)) . ' ORDER BY 1');
}

# How many advisory locks the sessions of a database hold or want.
sub advisory_locks
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, <<"SQL");
SELECT count(*) FROM pg_locks
 WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = '$database');
SQL
}

# A background session: the time-out is that of each call, not of all of them.
sub new_session
{
	my ($node, @options) = @_;
	my $session = $node->background_psql(@options);

	$session->set_query_timer_restart;
	return $session;
}

# Runs what must fail in a background session, and returns its SQLSTATE (or
# what came instead).  The session needs on_error_stop => 0.
sub sqlstate_of
{
	my ($session, $query) = @_;

	$session->{stderr} = '';
	$session->query("\\set VERBOSITY sqlstate");
	my $output = $session->query($query);
	my ($sqlstate) = $session->{stderr} =~ /ERROR:  (\w{5})/;

	$session->{stderr} = '';
	return $sqlstate // "no error, but: $output";
}

# Starts a query that is expected to wait for something.
sub start_query
{
	my ($session, $query) = @_;

	$session->{stderr} = '';
	$session->query_until(qr/started/,
		"\\set VERBOSITY sqlstate\n\\echo started\n$query;\n");
	return;
}

# The result of such a query, or its SQLSTATE.
sub finish_query
{
	my ($session) = @_;
	my $output = $session->query('');
	my ($sqlstate) = $session->{stderr} =~ /ERROR:  (\w{5})/;

	$session->{stderr} = '';
	$output =~ s/^\s+//;
	return $sqlstate // $output;
}

# Waits until the session of this backend waits for a lock.
sub wait_until_blocked
{
	my ($node, $pid) = @_;

	$node->poll_query_until('postgres',
		"SELECT cardinality(pg_blocking_pids($pid)) > 0")
	  or die "backend $pid does not wait for a lock";
	return;
}

1;
