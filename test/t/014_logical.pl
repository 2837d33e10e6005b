# The registry, replicated logically to another database, whose orders are its own.
#
# Catches: a change of a vendor that a subscriber cannot apply (its score is computed, and
# comes along all the same), one that the other side does not get, or a guard or a check of
# ours that stops the replication.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $publisher = new_node('publisher', allows_streaming => 'logical');
my $subscriber = new_node('subscriber');

$publisher->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
VALUES ('v1', 'One', true, 90), ('v2', 'Two', true, 80), ('v3', 'Three', true, 70);
CREATE PUBLICATION registry FOR TABLE vendor_routing.vendors;
SQL
$subscriber->safe_psql('postgres', 'CREATE EXTENSION vendor_routing');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION registry CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION registry");
$subscriber->wait_for_subscription_sync($publisher, 'registry');

my $state = q{SELECT string_agg(concat_ws(' ', vendor_id, name, score, current_orders, paused_until IS NOT NULL), ', ' ORDER BY vendor_id) FROM vendor_routing.vendors};

# Runs statements on one side, and says whether the other has all of it then.
sub follows
{
	my ($name, $statements) = @_;

	$publisher->safe_psql('postgres', $statements);
	$publisher->wait_for_catchup('registry');
	is($subscriber->safe_psql('postgres', $state), $publisher->safe_psql('postgres', $state), $name);
	return;
}

is($subscriber->safe_psql('postgres', $state), $publisher->safe_psql('postgres', $state), 'the vendors that were there');
follows('a score that changes', q{UPDATE vendor_routing.vendors SET reliability_score = 10 WHERE vendor_id = 'v1'});
follows('a vendor that comes, one that goes, one with another name', <<'SQL');
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('v4', 'Four', true);
DELETE FROM vendor_routing.vendors WHERE vendor_id = 'v3';
UPDATE vendor_routing.vendors SET name = 'Zwei' WHERE vendor_id = 'v2';
SQL
follows('what an order does to a vendor', <<'SQL');
SELECT FROM vr_broadcast('o-1', 'r');
SELECT FROM vr_accept(vr_routing_id('o-1'), 'v2');
SELECT vr_pause('v4');
SQL
follows('a rating', q{SELECT FROM vr_complete(vr_routing_id('o-1'), 'DELIVERED', 5)});
is($subscriber->safe_psql('postgres', "SELECT vendor_count FROM vr_broadcast('o-2', 'r')"), '2', 'the subscriber offers orders to them');
unlike(slurp_file($subscriber->logfile), qr/ERROR:/, 'nothing stopped the replication');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION registry');
$_->stop foreach $subscriber, $publisher;
done_testing();
