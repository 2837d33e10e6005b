# On a streaming standby, functions that write say that they cannot, and
# everything that only reads works; after promotion, the races go on where they
# were.
#
# Catches: functions that fail on a standby halfway or with an obscure message,
# reading functions and views that take locks or write, and state that is not in
# the WAL.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $primary = new_node('primary', allows_streaming => 1);
my $standby = PostgreSQL::Test::Cluster->new('standby');

add_database($primary, 'postgres', 10);
invite_orders($primary, 'postgres', 'early', 3);
$primary->backup('backup');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# Vendors of an attached table, that nobody invites.
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE sellers (id bigint PRIMARY KEY, name text);
INSERT INTO sellers VALUES (1, 'Anna'), (2, 'Bert');
SELECT vr_attach_vendors('sellers', '{"vendor_id": "id", "name": "name", "is_verified": {"value": false}}');
SQL

# Some of it is in the backup, the rest is streamed.
invite_orders($primary, 'postgres', 'late', 3);
$primary->safe_psql('postgres', <<'SQL');
SELECT count(*) FROM vr_accept(vr_routing_id('early-1'), 'vendor-1');
SELECT count(*) FROM vr_accept(vr_routing_id('early-1'), 'vendor-2');
SELECT count(*) FROM vr_accept(vr_routing_id('late-1'), 'vendor-3');
SELECT count(*) FROM vr_respond(vr_routing_id('late-2'), 'vendor-4', 'REJECT');
SQL
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

is(table_digests($standby, 'postgres'),
	table_digests($primary, 'postgres'),
	'the standby has every row of every table');

#-------------------------------------------------------------------------
# What writes
#-------------------------------------------------------------------------

# A call of every function that may write, as the catalog has them, with the
# arguments that have no default.
my %values = (
	routing_id => "vr_routing_id('early-2')",
	order_id => "'new order'",
	retailer_id => "'retailer-1'",
	vendor_id => "'vendor-1'",
	actor => "'somebody'",
	time_zone => "'UTC'",
	hours => "'[]'",
	policy => "'a policy'",
	waves => "'[{}]'",
	relation => "'pg_class'",
	mapping => "'{}'",
	response => "'ACCEPT'",
	message_id => "'019a0000-0000-7000-8000-000000000000'",
	status => "'READ'",
	error => "'no network'",
	source => "'whatsapp'",
	sender => "'+491'",
	text => "'hello'",
	orders => q{'[{"order_id": "new order", "retailer_id": "retailer-1"}]'},
	role => "'pg_monitor'");
my %calls;

foreach my $function (
	split /\n/,
	$primary->safe_psql(
		'postgres', q{
SELECT concat_ws(' ', proname, array_to_string(proargnames[1:pronargs - pronargdefaults], ' '))
  FROM pg_proc
 WHERE proname LIKE 'vr\_%' AND provolatile = 'v' AND prorettype <> 'trigger'::regtype
 ORDER BY proname}))
{
	my ($name, @arguments) = split / /, $function;
	my @unknown = grep { !exists $values{$_} } @arguments;

	die "this test needs a value for @unknown of $name()" if @unknown;
	$calls{$name} = "SELECT * FROM $name("
	  . join(', ', map { "$_ => $values{$_}" } @arguments) . ')';
}

# Without repair it only reads.
$calls{vr_check} = 'SELECT * FROM vr_check(true)';

foreach my $name (
	qw(vr_broadcast vr_respond vr_accept vr_cancel vr_send_cancellations vr_timeout
	vr_attach_vendors vr_detach_vendors)
  )
{
	ok(exists $calls{$name}, "$name() is one of the functions that write");
}

sub refuses_to_write
{
	my ($node, $prepare, $where, $message) = @_;

	foreach my $name (sort keys %calls)
	{
		my ($status, $output, $errors) = $node->psql(
			'postgres',
			"$prepare $calls{$name}",
			extra_params => [ '-v', 'VERBOSITY=verbose' ]);

		isnt($status, 0, "$where: $name() fails");
		like($errors, qr/ERROR:  25006: cannot execute \Q$name()\E $message\n/,
			"$where: $name() says why");
	}
	return;
}

refuses_to_write($standby, '', 'standby', 'during recovery');
refuses_to_write(
	$primary, 'SET default_transaction_read_only = on;',
	'read-only transaction', 'in a read-only transaction');

# Also where there would be nothing to write: so it does not work by luck.
my ($status, $output, $errors) = $standby->psql(
	'postgres',
	"SELECT * FROM vr_accept(vr_routing_id('early-1'), 'vendor-1')",
	extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($errors, qr/25006/,
	'standby: vr_accept() on an order that is taken fails, too');

#-------------------------------------------------------------------------
# What reads
#-------------------------------------------------------------------------

foreach my $query (
	"SELECT vr_status(vr_routing_id('early-1'))",
	"SELECT vr_status(vr_routing_id('late-2'))",
	"SELECT * FROM vr_history('early-1')",
	"SELECT * FROM vr_history('late-1')",
	'SELECT vr_version()',
	'SELECT vr_distance_km(52.52, 13.405, 48.137, 11.575)')
{
	my $answer = $primary->safe_psql('postgres', $query);

	isnt($answer, '', "primary: $query");
	is($standby->safe_psql('postgres', $query),
		$answer, "standby: $query answers the same");
}

my @views = split /\n/, $primary->safe_psql('postgres',
	"SELECT viewname FROM pg_views WHERE viewname LIKE 'vr\\_%' ORDER BY viewname");

cmp_ok(scalar @views, '>=', 6, 'there are views');
foreach my $view (@views)
{
	my $query = "SELECT count(*), count(v::text) FROM $view AS v";

	is($standby->safe_psql('postgres', $query),
		$primary->safe_psql('postgres', $query),
		"standby: $view has the same rows");
}

#-------------------------------------------------------------------------
# Promotion
#-------------------------------------------------------------------------

$primary->stop;
$standby->promote;

sub accept_of
{
	my ($order, $vendor) = @_;

	return $standby->safe_psql('postgres',
		'SELECT accepted, reason, locked_vendor_id'
		  . " FROM vr_accept(vr_routing_id('$order'), '$vendor')");
}

is(accept_of('early-2', 'vendor-5'),
	't|LOCKED|vendor-5', 'promoted: an open order can be won');
is(accept_of('late-2', 'vendor-6'),
	't|LOCKED|vendor-6', 'promoted: one that was streamed can be won');
is(accept_of('early-1', 'vendor-1'),
	't|ALREADY_ACCEPTED|vendor-1', 'promoted: the winner is told so again');
is(accept_of('late-1', 'vendor-2'),
	'f|ALREADY_LOCKED|vendor-3', 'promoted: others are told who won');
is(accept_of('late-2', 'vendor-4'),
	'f|ALREADY_LOCKED|vendor-6', 'promoted: and so is who had rejected');
is( $standby->safe_psql('postgres',
		"SELECT created FROM vr_broadcast('early-3', 'retailer-1')"),
	'f',
	'promoted: an order is not routed twice');
is( $standby->safe_psql('postgres',
		"SELECT created, vendor_count FROM vr_broadcast('after', 'retailer-1')"),
	't|10',
	'promoted: a new order can be broadcast');
is(accept_of('after', 'vendor-7'),
	't|LOCKED|vendor-7', 'promoted: and won');
is(broken_orders($standby, 'postgres'),
	'', 'promoted: everything is consistent');

# Catches: an attached table that is not followed any more.
$standby->safe_psql('postgres', <<'SQL');
UPDATE sellers SET name = 'Berta' WHERE id = 2;
DELETE FROM sellers WHERE id = 1;
SQL
is( $standby->safe_psql('postgres',
		"SELECT vendor_id, name FROM vendor_routing.vendors WHERE vendor_id ~ '^[0-9]'"),
	'2|Berta', 'promoted: an attached table is still followed');
is($standby->safe_psql('postgres', 'SELECT vr_detach_vendors()'),
	't', 'promoted: and can be detached');

$standby->stop;
done_testing();
