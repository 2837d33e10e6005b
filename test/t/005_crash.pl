# Five times (sixty in full mode), the server is killed (SIGKILL, all of it) in the
# middle of races, recovers, and the races go on.  Then the same where commits do not wait
# for the disk: there, wins must get lost, or this test could not see it.
#
# Catches: a win that was confirmed and is gone, an order locked without all of
# its cancellations, events and load, an order given to another vendor after
# recovery.  Killing processes proves safety against a crash of the server, not
# against a loss of power.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $rounds = full(5, 60);
my $vendors = 10;
my $step = 300;    # orders to be won in a round before the server is killed
my $enough = 6000;    # open orders at the start of a round: more than are won until it is dead
my $orders = 0;

my $node = new_node('crash', conf => 'synchronous_commit = on');
my $dir = PostgreSQL::Test::Utils::tempdir('crash');

add_database($node, 'postgres', $vendors);

sub ask
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

# From some that are won already on.
sub start
{
	my $more = $enough - ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'PENDING'");

	if ($more > 0)
	{
		invite_orders($node, 'postgres', 'order', $orders + $more, $orders + 1);
		$orders += $more;
	}
	my $open = ask("SELECT min(substr(order_id, 7)::integer) FROM vendor_routing.routings WHERE status = 'PENDING'");

	return start_vendors($node, $dir, $vendors, $open > 100 ? $open - 100 : 1, $orders);
}

my %told;    # see read_answers

my $won_before = 0;

foreach my $round (1 .. $rounds)
{
	my @running = start();

	kill_server($node, wait_for_wins($node, $won_before + $step));
	$_->finish foreach @running;
	read_answers($dir, $vendors, \%told);

	$node->start;
	note 'round ', $round, ': ', scalar(keys %{ $told{confirmed} }), ' wins confirmed, ',
	  ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'"),
	  ' orders locked after recovery';

	cmp_ok(
		ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'PENDING'"),
		'>', 0, "round $round: the server was killed in the middle of the races");
	is_deeply($told{contradictions}, undef,
		"round $round: everybody was told the same winner, before the crash and after");

	cmp_ok(scalar(keys %{ $told{confirmed} }), '>=', $step * ($round - 1) + 1,
		"round $round: wins were confirmed");
	is(join(' ', lost_wins($node, $told{confirmed})), '', "round $round: every confirmed win is on record");
	is(join(' ', lost_wins($node, $told{winner})), '', "round $round: so is every win that losers were told");
	is(broken_orders($node, 'postgres'), '',
		"round $round: every order is won with all that belongs to it, or open");
	$won_before = ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'");
}

# The rest, undisturbed.
$_->finish foreach start_vendors($node, $dir, $vendors, 1, $orders);
read_answers($dir, $vendors, \%told);
is(join('', map { slurp_file("$dir/errors-$_") } 1 .. $vendors),
	'', 'at last: nobody gets an error');
is_deeply($told{contradictions}, undef, 'at last: everybody was told the same winner');
is( ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'"),
	$orders,
	'at last: every order is won');
is( ask(
		"SELECT count(*) FROM vendor_routing.responses WHERE response = 'ACCEPT'"
	),
	$orders * $vendors,
	'at last: every ACCEPT is on record');
is(broken_orders($node, 'postgres'),
	'', 'at last: every order is consistent');

note "$told{calls} acknowledgements";
cmp_ok($told{calls}, '>=', full(10_000, 100_000), 'at last: there were enough acknowledgements');
$node->stop;

# The control: a commit that is acknowledged before it is on disk can be lost.
$node = new_node('careless', conf => <<'SQL');
synchronous_commit = off
wal_writer_delay = 10s
SQL
$enough = 8000;    # wins that do not wait are faster
$orders = 0;
%told = ();
add_database($node, 'postgres', $vendors);

my $lost = 0;

foreach my $round (1 .. 10)
{
	my $won = ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'");
	my @running = start();

	kill_server($node, wait_for_wins($node, $won + $step));
	$_->finish foreach @running;
	read_answers($dir, $vendors, \%told);
	$node->start;

	$lost = lost_wins($node, $told{confirmed});
	note "control, round $round: $lost confirmed wins lost";
	last if $lost > 0;
}
cmp_ok($lost, '>', 0, 'control: without waiting for the disk, confirmed wins are lost');
is(broken_orders($node, 'postgres'), '', 'control: but no order is won in part');

$node->stop;
done_testing();
