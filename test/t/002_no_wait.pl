# Who asks for an order that is taken has its answer at once, and writes nothing
# if it had answered before; only an undecided order makes callers wait, and
# such a wait can be given up.
#
# Catches: losers who queue for the row or for a lock, who use up transaction
# ids or WAL, a wait that ignores lock_timeout or a cancel request, and one that
# leaves something behind when it is given up.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

# Nobody but the test writes WAL.
my $node = new_node('no_wait',
	conf => "autovacuum = off\ncheckpoint_timeout = 1d\nwal_level = minimal\nmax_wal_senders = 0");
add_database($node, 'postgres', 10);

sub accept_of
{
	my ($order, $vendor) = @_;

	return 'SELECT accepted, reason, locked_vendor_id'
	  . " FROM vr_accept(vr_routing_id('$order'), '$vendor')";
}

sub session
{
	return new_session($node, 'postgres', on_error_stop => 0);
}

sub pid_of
{
	my ($session) = @_;

	return $session->query_safe('SELECT pg_backend_pid()');
}

sub answer_of
{
	my ($order, $vendor) = @_;

	return $node->safe_psql('postgres',
		"SELECT coalesce((SELECT response FROM vendor_routing.responses"
		  . " WHERE routing_id = vr_routing_id('$order') AND vendor_id = '$vendor'), 'none')"
	);
}

sub is_consistent
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(broken_orders($node, 'postgres'), '', "$what: everything is consistent");
	return;
}

# What a session has done in its transaction so far: transaction id, locks that
# could make somebody wait, rows written.
my $traces = <<'SQL';
SELECT
	coalesce(pg_current_xact_id_if_assigned()::text, 'no xid'),
	(SELECT count(*) FROM pg_locks
	  WHERE pid = pg_backend_pid()
	    AND (locktype = 'advisory'
	         OR locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'SIReadLock'))),
	(SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)
	   FROM pg_stat_xact_user_tables WHERE schemaname = 'vendor_routing');
SQL

#-------------------------------------------------------------------------
# A taken order, and whoever could be in the way
#-------------------------------------------------------------------------

invite_orders($node, 'postgres', 'taken', 1);
invite_orders($node, 'postgres', 'other', 1);
is($node->safe_psql('postgres', accept_of('taken-1', 'vendor-1')),
	't|LOCKED|vendor-1', 'vendor-1 wins');
is($node->safe_psql('postgres', accept_of('taken-1', 'vendor-2')),
	'f|ALREADY_LOCKED|vendor-1', 'vendor-2 comes too late');
is(answer_of('taken-1', 'vendor-2'),
	'ACCEPT', 'what vendor-2 said is on record');

# The last column: does the holder have a lock of the extension's own?  So that a
# test does not pass because nothing was held.
my @holders = (
	[
		'the row of the routing is locked',
		"SELECT 1 FROM vendor_routing.routings WHERE order_id = 'taken-1' FOR UPDATE",
		0
	],
	[
		'the rows of the answers are locked',
		'SELECT 1 FROM vendor_routing.responses FOR UPDATE',
		0
	],
	[
		'the lock of the routing is held',
		"SELECT * FROM vr_send_cancellations(vr_routing_id('taken-1'))",
		1
	],
	[
		'the caller has another order in an open transaction',
		accept_of('other-1', 'vendor-2'),
		1
	],
	[
		'another loser records its answer in an open transaction',
		accept_of('taken-1', 'vendor-3'),
		1
	],
	[
		'all vendors are being changed in an open transaction',
		"UPDATE vendor_routing.vendors SET name = name || '!'",
		0
	],
	[
		'all tables are locked against writing',
		'LOCK TABLE vendor_routing.vendors, vendor_routing.routings,'
		  . ' vendor_routing.responses, vendor_routing.cancellations,'
		  . ' vendor_routing.events IN EXCLUSIVE MODE',
		0
	]);

foreach my $case (@holders)
{
	my ($what, $hold, $has_lock) = @$case;
	my $holder = session();

	$holder->query_safe("BEGIN; $hold");
	cmp_ok(advisory_locks($node, 'postgres'), '>', 0,
		"$what: with a lock of the extension") if $has_lock;
	foreach my $level (@levels)
	{
		my ($status, $output, $errors) = $node->psql('postgres',
				"BEGIN ISOLATION LEVEL $level; SET LOCAL lock_timeout = '1s';"
			  . accept_of('taken-1', 'vendor-2') . ';'
			  . accept_of('taken-1', 'vendor-1') . ';'
			  . accept_of('taken-1', 'stranger') . ';'
			  . "$traces COMMIT;");

		is( $output . $errors,
			"f|ALREADY_LOCKED|vendor-1\nt|ALREADY_ACCEPTED|vendor-1\n"
			  . "f|NOT_INVITED|\nno xid|0|0",
			"$what, $level: answered at once, without xid, locks or writes");
	}
	$holder->query_safe('ROLLBACK');
	$holder->quit;
}

# Who had not answered writes its answer, and waits for nobody either.
foreach my $level (@levels)
{
	my $vendor = 'vendor-' . (4 + (grep { $levels[$_] eq $level } 0 .. 2)[0]);
	my $holder = session();

	$holder->query_safe(
		"BEGIN; SELECT * FROM vr_send_cancellations(vr_routing_id('taken-1'))");
	$holder->query_safe(accept_of('taken-1', 'vendor-9'));
	$holder->query_safe(
		"SELECT 1 FROM vendor_routing.routings WHERE order_id = 'taken-1' FOR UPDATE"
	);
	my ($status, $output, $errors) = $node->psql('postgres',
			"BEGIN ISOLATION LEVEL $level; SET LOCAL lock_timeout = '1s';"
		  . accept_of('taken-1', $vendor) . '; COMMIT;');
	is($output . $errors, 'f|ALREADY_LOCKED|vendor-1',
		"first loss, $level: answered at once");
	is(answer_of('taken-1', $vendor),
		'ACCEPT', "first loss, $level: the answer is on record");
	$holder->query_safe('ROLLBACK');
	$holder->quit;
}
is(answer_of('taken-1', 'vendor-9'),
	'none', 'an answer that was rolled back is not on record');
is_consistent('taken order');

#-------------------------------------------------------------------------
# What losing costs
#-------------------------------------------------------------------------

sub cost_of
{
	my ($session, $query) = @_;
	my $plan = decode_json($session->query_safe(
			"EXPLAIN (ANALYZE, WAL, BUFFERS, FORMAT JSON) $query"));

	return $plan->[0]{Plan};
}

sub insert_position
{
	return $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
}

{
	my $session = session();
	my $lose = "SELECT vr_accept(vr_routing_id('taken-1'), 'vendor-2')"
	  . ' FROM generate_series(1, 1000)';
	my ($cost, $before);

	$node->safe_psql('postgres', 'VACUUM');
	$session->query_safe($lose);
	$before = insert_position();
	$cost = cost_of($session, $lose);
	cmp_ok($cost->{'Actual Rows'}, '==', 1000, 'a thousand lost calls');
	is($cost->{'WAL Records'}, 0, 'a thousand lost calls write no WAL record');
	is($cost->{'Shared Dirtied Blocks'},
		0, 'a thousand lost calls dirty no block');
	is(insert_position(), $before,
		'a thousand lost calls and their commit leave the WAL where it was');

	# The instrument would show it.
	$cost = cost_of($session, accept_of('other-1', 'vendor-2'));
	cmp_ok($cost->{'WAL Records'}, '>', 10, 'a won call writes WAL records');
	$session->quit;
}

#-------------------------------------------------------------------------
# Waiting for a winner who has not committed, and giving up
#-------------------------------------------------------------------------

# Who holds the order, and what a waiting rival is told when the holder commits
# and when it rolls back.
my @undecided = (
	[
		'winner not committed', accept_of('ORDER', 'vendor-1'),
		{
			COMMIT => 'f|LOST_RACE|vendor-1',
			ROLLBACK => 't|LOCKED|vendor-2'
		}
	],
	[
		'answer not committed',
		"SELECT * FROM vr_respond(vr_routing_id('ORDER'), 'vendor-3', 'REJECT')",
		{
			COMMIT => 't|LOCKED|vendor-2',
			ROLLBACK => 't|LOCKED|vendor-2'
		}
	]);

# Everybody waits for the winner's transaction itself: they wake together, not
# one after the other.
{
	my $holder = session();
	my @rivals = map { session() } 2 .. 5;
	my @pids = map { pid_of($_) } @rivals;

	invite_orders($node, 'postgres', 'together', 1);
	$holder->query_safe('BEGIN; ' . accept_of('together-1', 'vendor-1'));
	start_query($rivals[$_], accept_of('together-1', 'vendor-' . ($_ + 2)))
	  foreach 0 .. $#rivals;
	wait_until_blocked($node, $_) foreach @pids;
	is( $node->safe_psql(
			'postgres',
			'SELECT pid, locktype FROM pg_locks WHERE NOT granted ORDER BY pid'),
		join("\n", map { "$_|transactionid" } sort { $a <=> $b } @pids),
		'rivals wait for the transaction of the winner, not for each other');
	$holder->query_safe('COMMIT');
	is(finish_query($_), 'f|LOST_RACE|vendor-1',
		'a rival is told the winner that has committed')
	  foreach @rivals;
	is_consistent('rivals who waited together');
	$_->quit foreach $holder, @rivals;
}

my $number = 0;

sub give_up_waiting
{
	my ($name, $level, $hold, $end, $told) = @_;
	my $prefix = 'undecided-' . ++$number;
	my $order = "$prefix-1";
	my $holder = session();
	my $rival = session();
	my $pid = pid_of($rival);

	invite_orders($node, 'postgres', $prefix, 1);
	$rival->query_safe("SET default_transaction_isolation = '" . lc($level) . "'");
	$holder->query_safe('BEGIN; ' . ($hold =~ s/ORDER/$order/r));

	$rival->query_safe("SET lock_timeout = '50ms'");
	is(sqlstate_of($rival, accept_of($order, 'vendor-2')),
		'55P03', "$name: lock_timeout ends the wait");
	$rival->query_safe('SET lock_timeout = 0');

	start_query($rival, accept_of($order, 'vendor-2'));
	wait_until_blocked($node, $pid);
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	is(finish_query($rival), '57014', "$name: a cancel request ends the wait");

	$rival->query_safe('BEGIN; SAVEPOINT before');
	start_query($rival, accept_of($order, 'vendor-2'));
	wait_until_blocked($node, $pid);
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	is(finish_query($rival), '57014',
		"$name: a cancel request ends the wait in a savepoint");
	$rival->query_safe('ROLLBACK TO before');
	is( $rival->query_safe(
			"SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype = 'advisory'"
		),
		0,
		"$name: who gave up and rolled back to a savepoint keeps no lock");
	$rival->query_safe('COMMIT');
	is(answer_of($order, 'vendor-2'),
		'none', "$name: who gave up has not answered");

	# Neither is any the worse for it.
	start_query($rival, accept_of($order, 'vendor-2'));
	wait_until_blocked($node, $pid);
	$holder->query_safe($end);
	is(finish_query($rival), $told, "$name: then who waits is told: $told");
	is(answer_of($order, 'vendor-2'),
		'ACCEPT', "$name: then the answer is on record");
	is_consistent($name);
	$holder->quit;
	$rival->quit;
	return;
}

foreach my $case (@undecided)
{
	my ($what, $hold, $told) = @$case;

	foreach my $level (@levels)
	{
		foreach my $end ('COMMIT', 'ROLLBACK')
		{
			give_up_waiting("$what, $level, $end", $level, $hold, $end,
				$told->{$end});
		}
	}
}

is(advisory_locks($node, 'postgres'), 0, 'no lock is left');

$node->stop;
done_testing();
