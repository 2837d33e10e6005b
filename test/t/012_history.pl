# Ten vendors race for each order, at every isolation level, calling in every way there
# is: in autocommit, in a block, under a savepoint, in a prepared transaction; every
# fifth winner rolls back.  What every caller was told, and when, is written down and
# checked against what the database has in the end (test/race/check_history).
#
# Catches: two winners, a winner that does not have the order, a loser who is told
# another winner than there is, or of one who had not yet called, an error for anybody, a
# win whose cancellations, answer or events are in another transaction.
#
# The checker is tested first, with histories that are wrong.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = full(60, 8400);    # for each of twelve combinations
my $dir = PostgreSQL::Test::Utils::tempdir('history');

sub check_history
{
	my ($name, $history, $final) = @_;
	my $output;

	append_to_file("$dir/$name.history", $history) if defined $history;
	append_to_file("$dir/$name.final", $final) if defined $final;
	IPC::Run::run(
		[ "$FindBin::RealBin/../race/check_history", "$dir/$name.history", "$dir/$name.final" ],
		'>', \$output, '2>&1');
	return ($? >> 8, $output);
}

# The checker ------------------------------------------------------------------------

my $good = join '', map { join("\t", @$_) . "\n" } (
	[ 'o', 'a', 1, 3, 4, 'LOCKED', 'a', 'COMMITTED' ],
	[ 'o', 'b', 2, 5, 6, 'LOST_RACE', 'a', 'COMMITTED' ],
	[ 'o', 'c', 7, 8, 9, 'ALREADY_LOCKED', 'a', 'COMMITTED' ]);
my @bad = (
	[ 'two winners', $good =~ s/LOST_RACE\ta/LOCKED\tb/r, 'a', qr/won by a and b/ ],
	[ 'another winner told', $good =~ s/LOST_RACE\ta/LOST_RACE\tc/r, 'a', qr/b was told that 'c' won/ ],
	[ 'no winner told', $good =~ s/LOST_RACE\ta/LOST_RACE\t/r, 'a', qr/b was told that '' won/ ],
	[ 'told too early', $good =~ s/b\t2\t5/b\t0.1\t0.5/r, 'a', qr/b was told of a before/ ],
	[ 'an error', $good =~ s/LOST_RACE\ta\tCOMMITTED/40001\t\tFAILED/r, 'a', qr/b got the error 40001/ ],
	[ 'a win that is gone', $good, '', qr/a was told that it won, and '' has it/ ],
	[ 'a win of another', $good, 'b', qr/a was told that it won, and 'b' has it/ ],
	[ 'a win undone that stands', $good =~ s/LOCKED\ta\tCOMMITTED/LOCKED\ta\tROLLED_BACK/r, 'a', qr/'a' has it, and was not told so/ ]);

is_deeply([ check_history('good', $good, "o\ta\n") ], [ 0, "1 orders, 0 of them wrong\n" ], 'a good history is good');
my $unknown = $good =~ s/COMMITTED/UNKNOWN/r;
is((check_history('unknown', $unknown, "o\ta\n"))[0], 0, 'a lost connection may have won');
foreach my $case (@bad)
{
	my ($what, $history, $winner, $expected) = @$case;
	my ($status, $output) = check_history($what =~ s/\W/_/gr, $history, "o\t$winner\n");

	is($status, 1, "$what: is wrong");
	like($output, $expected, "$what: and is named");
}

# The races --------------------------------------------------------------------------

my $node = new_node('history', conf => "max_prepared_transactions = 60\n");
add_database($node, 'races', 10);

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	foreach my $how (qw(autocommit block savepoint prepared))
	{
		my $name = "$level, $how";
		my $prefix = $name =~ s/\W+/-/gr;

		invite_orders($node, 'races', $prefix, $orders);
		my ($status, $totals) = race($node, 'races',
			'--isolation' => $level,
			'--how' => $how,
			'--rollback-every' => 5,
			'--at-once' => 4,
			'--history' => "$dir/$prefix.history");

		is($status, 0, "$name: the driver finds nothing wrong");
		is($totals->{calls}, 10 * $orders, "$name: everybody called");
		is($totals->{undone}, int($orders / 5), "$name: every fifth winner rolled back");
		$node->safe_psql('races', <<"SQL");
COPY (SELECT order_id, coalesce(locked_vendor_id, '') FROM vendor_routing.routings
       WHERE order_id LIKE '$prefix-%') TO '$dir/$prefix.final';
SQL
		my ($verdict, $output) = check_history($prefix);

		is($verdict, 0, "$name: the history is as it must be") or diag $output;
		is($output, "$orders orders, 0 of them wrong\n", "$name: all of it was checked");
	}
}

is(broken_orders($node, 'races'), '', 'no response is lost, and every loser was told');
is($node->safe_psql('races', 'SELECT * FROM vr_check()'), '', 'the extension finds nothing either');
is( $node->safe_psql('races', <<'SQL'), '', 'a win, its answer, cancellations and events are one transaction');
SELECT t.order_id
  FROM vendor_routing.routings AS t
  JOIN vendor_routing.responses AS r
    ON r.routing_id = t.routing_id AND r.vendor_id = t.locked_vendor_id
 WHERE r.xmin <> t.xmin
    OR EXISTS (SELECT FROM vendor_routing.cancellations AS c
                WHERE c.routing_id = t.routing_id AND c.xmin <> t.xmin)
    OR EXISTS (SELECT FROM vendor_routing.events AS e
                WHERE e.routing_id = t.routing_id AND e.xmin <> t.xmin
                  AND e.event_type IN ('VENDOR_ACCEPTED', 'ORDER_LOCKED_AUTO_CANCELLATIONS_SENT'))
 LIMIT 5;
SQL
is( $node->safe_psql('postgres', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'races'"),
	'0', 'nobody was in a deadlock');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'no transaction is left prepared');

$node->stop;
done_testing();
