# Ten vendors accept each of 1,000 orders at the same time, at every isolation
# level, and then again with every first winner rolling back.
#
# Catches: two winners or none, losers who get an error or are told somebody
# else, lost or surplus cancellations, answers and events, vendor loads that do
# not add up, deadlocks between races of the same vendors.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = 1000;
my $rollback_orders = 200;

my $node = new_node('race');

sub count_of
{
	my ($database, $from) = @_;

	return $node->safe_psql($database,
		"SELECT count(*) FROM vendor_routing.$from");
}

# Sessions report their statistics when they end.
sub deadlocks
{
	my ($database) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '$database'")
	  or die "sessions in $database do not end";
	return $node->safe_psql('postgres',
		"SELECT deadlocks FROM pg_stat_database WHERE datname = '$database'");
}

# What must be true of every race, with or without winners who roll back.
sub check_race
{
	my ($database, $level, $n, $status, $totals) = @_;

	is($status, 0, "$level: the driver finds nothing wrong");
	is($totals->{orders}, $n, "$level: all orders were raced for");
	is($totals->{calls}, 10 * $n, "$level: ten vendors raced for each order");
	is($totals->{errors}, 0, "$level: no caller got an error");
	is($totals->{winners}, $n, "$level: one winner per order was told so");
	is($totals->{orders_without_one_winner},
		0, "$level: no order has more or less than one winner");
	is($totals->{told_differently},
		0, "$level: all callers of an order were told the same winner");

	is(count_of($database, "routings WHERE status = 'LOCKED'"),
		$n, "$level: every order is locked");
	is( count_of(
			$database,
			'routings AS t JOIN vendor_routing.responses AS r'
			  . ' ON r.routing_id = t.routing_id AND r.vendor_id = t.locked_vendor_id'
		),
		$n,
		"$level: every winner had been invited");
	is(count_of($database, 'cancellations'),
		9 * $n, "$level: nine vendors of each order are cancelled");
	is( count_of(
			$database,
			'cancellations AS c JOIN vendor_routing.routings AS t'
			  . ' ON t.routing_id = c.routing_id AND t.locked_vendor_id = c.vendor_id'
		),
		0,
		"$level: no winner is cancelled");
	is(count_of($database, "events WHERE event_type = 'VENDOR_ACCEPTED'"),
		$n, "$level: one VENDOR_ACCEPTED event per order");
	is( count_of(
			$database,
			"events WHERE event_type = 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT'"
		),
		$n,
		"$level: one ORDER_LOCKED_AUTO_CANCELLATIONS_SENT event per order");
	is( $node->safe_psql(
			$database, 'SELECT sum(current_orders) FROM vendor_routing.vendors'),
		$n,
		"$level: the loads of the vendors add up to the orders");
	is(broken_orders($node, $database),
		'', "$level: every order is consistent");
	is(deadlocks($database), 0, "$level: no deadlock");
	return;
}

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my $database = $level =~ s/ /_/r;
	my ($status, $totals);

	add_database($node, $database, 10);
	invite_orders($node, $database, 'order', $orders);
	($status, $totals) =
	  race($node, $database, '--isolation', $level, '--at-once', 10);
	check_race($database, $level, $orders, $status, $totals);
	is(count_of($database, "responses WHERE response = 'ACCEPT'"),
		10 * $orders, "$level: every ACCEPT is on record");
	is($totals->{losers}, 9 * $orders, "$level: all others were told they lost");
}

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my $database = 'rollback_' . ($level =~ s/ /_/r);
	my $what = "first winner rolls back, $level";
	my ($status, $totals);

	add_database($node, $database, 10);
	invite_orders($node, $database, 'order', $rollback_orders);
	($status, $totals) = race($node, $database, '--isolation', $level,
		'--rollback-every', 1, '--at-once', 10);
	check_race($database, $what, $rollback_orders, $status, $totals);
	is($totals->{undone}, $rollback_orders,
		"$what: every first winner did roll back");
	is( count_of($database, "responses WHERE response = 'ACCEPT'"),
		9 * $rollback_orders,
		"$what: every ACCEPT but those rolled back is on record");
}

unlike(slurp_file($node->logfile),
	qr/(?:ERROR|FATAL|PANIC):/, 'no error in the log of the server');

$node->stop;
done_testing();
