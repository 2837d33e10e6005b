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

use Errno qw(EPERM);
use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use VendorRouting;

my $rounds = full(5, 60);
my $vendors = 10;
my $step = 300;    # orders to be won in a round before the server is killed
my $orders = full(600, 2500) * $rounds;
my $acknowledged = 0;    # answers that callers got

my $node = new_node('crash', conf => 'synchronous_commit = on');
my $dir = PostgreSQL::Test::Utils::tempdir('crash');

add_database($node, 'postgres', $vendors);
invite_orders($node, 'postgres', 'order', $orders);

sub ask
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

# Each vendor goes for the orders, one call after another, from some that are won
# already on, or from the first if told so.  What psql prints has been confirmed by the server.
sub start_vendors
{
	my ($first) = @_;
	my $last = $orders;
	my @vendors;
	my $open = ask("SELECT coalesce(min(substr(order_id, 7)::integer), $orders)"
		  . " FROM vendor_routing.routings WHERE status = 'PENDING'");
	if (!defined $first)
	{
		$first = $open > 100 ? $open - 100 : 1;
		$last = $first + 5000 if $first + 5000 < $last;
	}

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

# Is this process gone?  A zombie is: it holds nothing any more, but its parent
# has not asked for it yet.
sub is_zombie
{
	my ($pid) = @_;

	return -r "/proc/$pid/stat" && slurp_file("/proc/$pid/stat") =~ /\) Z /;
}

sub is_gone
{
	my ($pid) = @_;

	return (!kill(0, $pid) && $! != EPERM) || is_zombie($pid);
}

# Waits until so many orders are won.  Returns the processes of the server.  The
# server looks itself, to be in time.
sub wait_for_wins
{
	my ($wins) = @_;

	return split /\n/, ask(<<"SQL");
SET statement_timeout = '${PostgreSQL::Test::Utils::timeout_default}s';
DO \$\$
BEGIN
	WHILE (SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED') < $wins LOOP
		PERFORM pg_sleep(0.005);
	END LOOP;
END
\$\$;
SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid();
SQL
}

# Kills the server, and waits until no process of it is left.  The postmaster is
# stopped first, so that it has no time to see its children die, nor they it.
sub kill_server
{
	my @children = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	kill 'STOP', $postmaster;
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

# What the vendors were told so far: who has which order, for all who asked.
# Each order comes with one vendor, or something is wrong already.
my %winner;
my @contradictions;
my %confirmed;

sub read_answers
{
	foreach my $vendor (1 .. $vendors)
	{
		my @lines = split /^/, slurp_file("$dir/told-$vendor");

		foreach my $line (@lines)
		{
			my ($order, $caller, $accepted, $told) = split /\|/,
			  $line =~ s/\n$//r;

			# psql prints a line in one go.
			die "incomplete line: $line" if !defined $told;
			$acknowledged++;
			$winner{$order} //= $told;
			push @contradictions, "$caller was told $told, not $winner{$order}, for $order"
			  if $winner{$order} ne $told;
			push @contradictions, "$caller won, and $told has $order"
			  if $accepted eq 't' && $told ne $caller;
			$confirmed{$order} = $caller if $accepted eq 't';
		}
		unlink "$dir/told-$vendor";
	}
	return;
}

my $won_before = 0;

foreach my $round (1 .. $rounds)
{
	my @running = start_vendors();

	kill_server(wait_for_wins($won_before + $step));
	$_->finish foreach @running;
	read_answers();

	$node->start;
	note 'round ', $round, ': ', scalar(keys %confirmed), ' wins confirmed, ',
	  ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'"),
	  ' orders locked after recovery';

	cmp_ok(
		ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'PENDING'"),
		'>', 0, "round $round: the server was killed in the middle of the races");
	is_deeply(\@contradictions, [],
		"round $round: everybody was told the same winner, before the crash and after");

	my %on_record = map { split /\|/ } split /\n/,
	  ask("SELECT order_id, locked_vendor_id FROM vendor_routing.routings WHERE status = 'LOCKED'");
	my @lost = grep { ($on_record{$_} // '') ne $confirmed{$_} } sort keys %confirmed;

	cmp_ok(scalar(keys %confirmed), '>=', $step * ($round - 1) + 1,
		"round $round: wins were confirmed");
	is("@lost", '', "round $round: every confirmed win is on record");

	@lost = grep { ($on_record{$_} // '') ne $winner{$_} } sort keys %winner;
	is("@lost", '', "round $round: so is every win that losers were told");
	is(broken_orders($node, 'postgres'), '',
		"round $round: every order is won with all that belongs to it, or open");
	$won_before = keys %on_record;
}

# The rest, undisturbed.
$_->finish foreach start_vendors(1);
read_answers();
is(join('', map { slurp_file("$dir/errors-$_") } 1 .. $vendors),
	'', 'at last: nobody gets an error');
is_deeply(\@contradictions, [], 'at last: everybody was told the same winner');
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

note "$acknowledged acknowledgements";
cmp_ok($acknowledged, '>=', full(10_000, 100_000), 'at last: there were enough acknowledgements');
$node->stop;

# The control: a commit that is acknowledged before it is on disk can be lost.
$node = new_node('careless', conf => <<'SQL');
synchronous_commit = off
wal_writer_delay = 10s
SQL
$orders = 20 * $step;
%winner = %confirmed = @contradictions = ();
add_database($node, 'postgres', $vendors);
invite_orders($node, 'postgres', 'order', $orders);

my $lost = 0;

foreach my $round (1 .. 10)
{
	my $won = ask("SELECT count(*) FROM vendor_routing.routings WHERE status = 'LOCKED'");
	my @running = start_vendors();

	kill_server(wait_for_wins($won + $step));
	$_->finish foreach @running;
	read_answers();
	$node->start;

	my %on_record = map { split /\|/ } split /\n/,
	  ask("SELECT order_id, locked_vendor_id FROM vendor_routing.routings WHERE status = 'LOCKED'");

	$lost = grep { ($on_record{$_} // '') ne $confirmed{$_} } keys %confirmed;
	note "control, round $round: $lost confirmed wins lost";
	last if $lost > 0;
}
cmp_ok($lost, '>', 0, 'control: without waiting for the disk, confirmed wins are lost');
is(broken_orders($node, 'postgres'), '', 'control: but no order is won in part');

$node->stop;
done_testing();
