# Twice (ten times in full mode), a primary is killed (SIGKILL, all of it) in the middle
# of races, its synchronous standby is promoted, and the races go on there, with a new
# standby.  Every other time, nothing reaches the standby for a while before: then
# nobody may be told that he has won.  In the end the same where commits do not wait for
# the standby: there, wins must get lost, or this test could not see it.
#
# Catches: a win that was confirmed, or told to a loser, and is not known to the new
# primary; an order that is won there without all of its cancellations, events and load;
# an order given to another vendor after the failover; a commit that does not wait as
# the server is told to.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $rounds = full(2, 10);
my $writers = 8;
my $step = full(300, 2000);    # orders to be won in a round before the primary is killed
my $orders = (2 * $step + 2000) * ($rounds + 2);    # and a fast machine wins more until it stops
my $dir = PostgreSQL::Test::Utils::tempdir('failover');

my $primary = new_node('primary', allows_streaming => 1, conf => <<'SQL');
synchronous_commit = on
wal_keep_size = 256MB
wal_sender_timeout = 0
SQL

sub ask
{
	my ($query) = @_;

	return $primary->safe_psql('postgres', $query);
}

my $standbys = 0;

# A new standby of the primary, which it waits for from now on if it is to.
sub add_standby
{
	my ($synchronous) = @_;
	my $standby = PostgreSQL::Test::Cluster->new('standby_' . ++$standbys);
	my $state = $synchronous ? 'sync' : 'async';

	$primary->backup("backup_$standbys");
	$standby->init_from_backup($primary, "backup_$standbys", has_streaming => 1);
	$standby->start;
	ask(q{ALTER SYSTEM SET synchronous_standby_names = '} . ($synchronous ? $standby->name : '') . q{'});
	$primary->reload;
	$primary->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = '$state' AND state = 'streaming'")
	  or die 'the standby does not stream';
	return $standby;
}

sub won
{
	return ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'");
}

# The first order that is open.
sub first_open
{
	return ask("SELECT min(substr(order_id, 7)::integer) FROM vendor_routing.routings"
		  . " WHERE status = 'PENDING' AND order_id LIKE 'order-%'");
}

my %told;    # see read_answers

# A round: the writers go for the orders that are open, the primary is killed, and the
# standby takes its place.  With $cut, the standby gets nothing of the last wins.
sub fail_over
{
	my ($standby, $cut) = @_;
	my $before = won();
	my $open = first_open();
	my $sender = ask('SELECT pid FROM pg_stat_replication');
	my @running = start_vendors($primary, $dir, $writers, $open > 50 ? $open - 50 : 1, $orders);
	my @processes = wait_for_wins($primary, $before + $step);

	if ($cut)
	{
		# Who waits for the standby goes on to do so.
		kill 'STOP', $sender;
		@processes = wait_for_wins($primary, won() + $step / 2, <<'SQL');
SELECT count(*) FILTER (WHERE wait_event = 'SyncRep') > 0 AND count(*) FILTER (WHERE wait_event IS NULL) = 0
  FROM pg_stat_activity WHERE application_name = 'vendor'
SQL
	}
	kill_server($primary, @processes);
	$_->finish foreach @running;
	read_answers($dir, $writers, \%told);

	my $killed = $primary;

	$standby->promote;
	$primary = $standby;
	$killed->clean_node;
	return;
}

add_database($primary, 'postgres', 10);
invite_orders($primary, 'postgres', 'order', $orders);

foreach my $round (1 .. $rounds)
{
	my $standby = add_standby(1);

	fail_over($standby, $round % 2 == 0);
	note "round $round: ", scalar(keys %{ $told{confirmed} }), ' wins confirmed, ', won(), ' orders locked after the failover';

	cmp_ok(ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'PENDING'"),
		'>', 0, "round $round: the primary was killed in the middle of the races");
	cmp_ok(scalar(keys %{ $told{confirmed} }), '>', $step * $round - $writers * $round,
		"round $round: wins were confirmed");
	is_deeply($told{contradictions}, undef,
		"round $round: everybody was told the same winner, on all primaries so far");
	is(join(' ', lost_wins($primary, $told{confirmed})), '', "round $round: every confirmed win is on record");
	is(join(' ', lost_wins($primary, $told{winner})), '', "round $round: so is every win that losers were told");
	is(broken_orders($primary, 'postgres'),
		'', "round $round: every order is won with all that belongs to it, or open");
	is(ask('SELECT * FROM vr_check()'), '', "round $round: which the extension confirms");
}

# On the last of them, undisturbed.
my $standby = add_standby(1);

invite_orders($primary, 'postgres', 'new', 10);
is( ask("SELECT count(*) FROM vr_accept(vr_routing_id('new-1'), 'vendor-1') WHERE reason = 'LOCKED'"),
	1, 'at last: new orders can be broadcast and won');
my $first = first_open();
$_->finish foreach start_vendors($primary, $dir, $writers, $first, $first + $step / 2);
read_answers($dir, $writers, \%told);
is(join('', map { slurp_file("$dir/errors-$_") } 1 .. $writers), '', 'at last: nobody gets an error');
is_deeply($told{contradictions}, undef, 'at last: everybody was told the same winner');
is(join(' ', lost_wins($primary, $told{confirmed})), '', 'at last: every confirmed win is on record');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(table_digests($standby, 'postgres'), table_digests($primary, 'postgres'), 'at last: the standby has every row');
note "$told{calls} acknowledgements, ", scalar(keys %{ $told{confirmed} }), ' confirmed wins';
$standby->stop;

# The control: a commit that does not wait for the standby can be lost.
%told = ();
$standby = add_standby(0);
fail_over($standby, 1);
my $lost = lost_wins($primary, $told{confirmed});
note "control: $lost confirmed wins lost";
cmp_ok($lost, '>', 0, 'control: without waiting for the standby, confirmed wins are lost');
is(broken_orders($primary, 'postgres'), '', 'control: but no order is won in part');

$primary->stop;
done_testing();
