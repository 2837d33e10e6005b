# A broadcast reads about as many vendors as it invites, however many there are.
#
# Catches: a broadcast that reads or sorts the whole registry, an index that
# cannot serve the order of scores, and turns of equal vendors that need all of
# them read.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $small = 100;
my $large = 100_000;
my $orders = 20;

my $node = new_node('large', conf => 'autovacuum = off');

# A database with so many vendors; completed is an expression of n, of which the
# score depends.
sub add_registry
{
	my ($database, $vendors, $completed) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION vendor_routing');
	$node->safe_psql($database, <<"SQL");
INSERT INTO vendor_routing.vendors
	(vendor_id, name, is_verified, products, total_orders, completed_orders)
SELECT 'vendor-' || n, 'Vendor ' || n, n % 3 > 0, ARRAY['rice', 'product-' || n % 50],
	$large, $completed
  FROM generate_series(1, $vendors) AS n;
SQL
	$node->safe_psql($database, 'VACUUM ANALYZE');
	return;
}

sub broadcasts
{
	my ($prefix, $n) = @_;

	return
	  "SELECT (vr_broadcast('$prefix-' || n, 'retailer-1', 'rice')).vendor_count"
	  . " FROM generate_series(1, $n) AS n";
}

# Blocks touched, and rows of vendors read, by one broadcast in a session that
# has done some already.
sub cost_of_broadcasts
{
	my ($database) = @_;
	my $session = new_session($node, $database);
	my ($plan, $seq_scan, $fetched);

	# Columns of a row expanded by .* would call the function for each: one is
	# taken above.
	$session->query_safe(broadcasts('warm', 5));
	$session->query_safe('SELECT pg_stat_force_next_flush()');
	$session->query_safe('BEGIN');
	$plan = decode_json(
		$session->query_safe(
			'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' . broadcasts('cold', $orders)
		))->[0]{Plan};
	($seq_scan, $fetched) = split /\|/,
	  $session->query_safe(
		"SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables"
		  . " WHERE relid = 'vendor_routing.vendors'::regclass");
	$session->query_safe('COMMIT');
	$session->quit;

	return {
		broadcasts => $plan->{'Actual Rows'},
		blocks =>
		  ($plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'}) / $orders,
		seq_scan => $seq_scan,
		vendors => $fetched / $orders
	};
}

#-------------------------------------------------------------------------
# Vendors of different scores
#-------------------------------------------------------------------------

# Different scores for all, and not in the order of the rows.
add_registry('small', $small, "n * 7919 % $small");
add_registry('large', $large, "n::bigint * 7919 % $large");

foreach my $database ('small', 'large')
{
	is( $node->safe_psql(
			$database,
			'SELECT count(*) - count(DISTINCT score) FROM vendor_routing.vendors'
		),
		0,
		"$database: no two vendors have the same score");
}

my $few = cost_of_broadcasts('small');
my $many = cost_of_broadcasts('large');

note "with $small vendors, a broadcast touches $few->{blocks} blocks"
  . " and reads $few->{vendors} vendors";
note "with $large vendors, a broadcast touches $many->{blocks} blocks"
  . " and reads $many->{vendors} vendors";

foreach my $cost ($few, $many)
{
	my $what = $cost == $few ? "$small vendors" : "$large vendors";

	cmp_ok($cost->{broadcasts}, '==', $orders, "$what: orders were broadcast");
	is($cost->{seq_scan}, 0, "$what: the registry is never read whole");
	cmp_ok($cost->{vendors}, '<=', 20,
		"$what: a broadcast to ten reads at most twenty");
}
cmp_ok($many->{blocks}, '<=', 3 * $few->{blocks},
	"$large vendors: a broadcast touches at most three times the blocks of one with $small"
);

is( $node->safe_psql(
		'large', q{
SELECT r.routing_id, array_agg(r.score ORDER BY r.rank) =
	(SELECT array_agg(score) FROM (
		SELECT score FROM vendor_routing.vendors
		 WHERE is_active AND is_verified ORDER BY score DESC LIMIT 10) AS best)
  FROM vendor_routing.responses AS r GROUP BY 1})
	  =~ s/^\S+\|t\n?//gmr,
	'',
	"$large vendors: the ten best are invited to every order");

# What the planner makes of the same question.
my $plan = $node->safe_psql(
	'large', q{
EXPLAIN (COSTS OFF)
SELECT vendor_id FROM vendor_routing.vendors
 WHERE is_active AND is_verified
 ORDER BY score DESC, vendor_id
 LIMIT 10});

note $plan;
like($plan, qr/Index (?:Only )?Scan using vendors_score_idx on vendors/,
	"$large vendors: the index gives the best");
unlike($plan, qr/Sort|Seq Scan/, "$large vendors: nothing is sorted");

# An order that few can take costs more, but not the registry.
{
	my $session = new_session($node, 'large');

	$session->query_safe('BEGIN');
	is( $session->query_safe(
			"SELECT vendor_count FROM vr_broadcast('rare', 'retailer-1', 'product-7')"
		),
		10,
		'a product of every fiftieth vendor: ten are invited');
	cmp_ok(
		$session->query_safe(
			"SELECT idx_tup_fetch FROM pg_stat_xact_user_tables"
			  . " WHERE relid = 'vendor_routing.vendors'::regclass"),
		'<', $large / 20,
		'a product of every fiftieth vendor: a small part of the registry is read');
	$session->query_safe('COMMIT');
	$session->quit;
}

#-------------------------------------------------------------------------
# Vendors of the same score
#-------------------------------------------------------------------------

add_registry('equal', $large, 0);
my $equal = cost_of_broadcasts('equal');

note "with $large vendors of the same score, a broadcast touches"
  . " $equal->{blocks} blocks and reads $equal->{vendors} vendors";
cmp_ok($equal->{broadcasts}, '==', $orders, 'equal scores: orders were broadcast');
is($equal->{seq_scan}, 0, 'equal scores: the registry is never read whole');
cmp_ok($equal->{vendors}, '<=', $large / 20,
	'equal scores: a small part of the registry is read');
is( $node->safe_psql(
		'equal',
		'SELECT count(*), count(DISTINCT vendor_id) FROM vendor_routing.responses'
	),
	join('|', (10 * (5 + $orders)) x 2),
	'equal scores: vendors take turns, nobody is offered a second order before others have one'
);

# With few of them, everybody's turn comes, and comes again in the same order.
add_database($node, 'turns', 30);
$node->safe_psql('turns',
	"SELECT count(*) FROM vr_broadcast('turn-$_', 'retailer-1')")
  foreach 1 .. 12;
is( $node->safe_psql(
		'turns', q{
SELECT count(DISTINCT vendor_id), min(n), max(n)
  FROM (SELECT vendor_id, count(*) AS n FROM vendor_routing.responses GROUP BY 1) AS offers}
	),
	'30|4|4',
	'equal scores: twelve orders to ten of thirty vendors are four offers each');
is( $node->safe_psql(
		'turns', q{
SELECT count(*)
  FROM vendor_routing.routings AS a
  JOIN vendor_routing.routings AS b
       ON substr(b.order_id, 6)::int = substr(a.order_id, 6)::int + 3
 WHERE (SELECT array_agg(vendor_id ORDER BY vendor_id) FROM vendor_routing.responses AS r WHERE r.routing_id = a.routing_id)
     = (SELECT array_agg(vendor_id ORDER BY vendor_id) FROM vendor_routing.responses AS r WHERE r.routing_id = b.routing_id)}
	),
	9,
	'equal scores: after three orders it is the turn of the same vendors again');

$node->stop;
done_testing();
