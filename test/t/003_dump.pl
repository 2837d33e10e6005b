# Dump and restore keep every row and leave an extension that works; DROP
# EXTENSION leaves nothing behind, and sessions survive DROP and CREATE.  In full mode, so
# do 60,000 orders with 600,000 offers, also in a server that has a newer version of
# the extension, and the races go on there.
#
# Catches: a table that pg_dump leaves out, constraints or triggers that refuse
# a restore, objects that are not members of the extension, plans and object ids
# that sessions keep beyond the life of what they belong to.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $node = new_node('dump');
my $dir = PostgreSQL::Test::Utils::tempdir('dump');

sub ask
{
	my ($database, $query) = @_;

	return $node->safe_psql($database, $query);
}

# A digest of every row of every table, whatever its order, by the columns that the
# tables of the source have.
my %columns;

sub digests
{
	my ($server, $database) = @_;

	%columns = map { /(.*?)\|(.*)/ } split /\n/, $node->safe_psql('shop', <<'SQL') if !%columns;
SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'vendor_routing'::regnamespace AND c.relkind = 'r'
 GROUP BY c.relname
SQL
	return $server->safe_psql(
		$database,
		join(
			' UNION ALL ',
			map { "SELECT '$_', count(*), sum(hashtextextended(ROW($columns{$_})::text, 0)::numeric) FROM vendor_routing.$_" }
			  sort keys %columns) . ' ORDER BY 1');
}

#-------------------------------------------------------------------------
# A database with something of everything
#-------------------------------------------------------------------------

add_database($node, 'shop', 10);
invite_orders($node, 'shop', 'order', 8);

$node->safe_psql('shop', <<'SQL');
CREATE ROLE teller;
GRANT EXECUTE ON FUNCTION vr_accept(uuid, text, jsonb) TO teller;
GRANT SELECT ON vr_routing_status TO teller;

-- Everything a column can hold, and letters that need quoting.
INSERT INTO vendor_routing.vendors
	(vendor_id, name, phone, is_verified, products, min_order_amount, latitude,
	 longitude, service_radius_km, capacity, total_orders, completed_orders,
	 average_rating, reliability_score, attributes)
VALUES
	(E'odd\t\\N''"', E'Gr\u00fcn\n& S\u00f6hne', '+4930123456', true,
	 ARRAY['rice', 'a,b', 'c"d', 'null'], 0.01, 52.52, 13.405, 7.5, 3, 7, 3, 4.25, 98.76,
	 '{"a": [1, "\u20ac", null]}'),
	('nothing', 'Sells nothing', NULL, false, '{}', 0, NULL, NULL, NULL, 0, 0, 0, 0, 0, '{}');

SELECT count(*) FROM vr_broadcast(E'odd order \\.\n', E'r\t1', 'rice', 12.345, 52.5, 13.4,
	'{"note": "first\nsecond"}', vendors => ARRAY[E'odd\t\\N''"', 'vendor-1']);

-- An order in every state.
SELECT count(*) FROM vr_respond(vr_routing_id('order-1'), 'vendor-4', 'REJECT', E'no\tway', '{"x": 1}');
SELECT count(*) FROM vr_accept(vr_routing_id('order-1'), 'vendor-1', '{"eta": 10}');
SELECT count(*) FROM vr_accept(vr_routing_id('order-1'), 'vendor-2');
SELECT count(*) FROM vr_accept(vr_routing_id('order-2'), 'vendor-2');
SELECT count(*) FROM vr_cancel(vr_routing_id('order-2'), 'changed my mind');
SELECT count(*) FROM vr_accept(vr_routing_id('order-3'), 'vendor-3');
UPDATE vendor_routing.routings SET status = 'COMPLETED' WHERE order_id = 'order-3';
SELECT count(*) FROM generate_series(1, 10) AS n,
	vr_respond(vr_routing_id('order-4'), 'vendor-' || n, CASE WHEN n = 1 THEN 'ERROR' ELSE 'REJECT' END);
SELECT count(*) FROM vr_respond(vr_routing_id('order-5'), 'vendor-5', 'ACCEPT');

-- A second round.
SELECT count(*) FROM vr_accept(vr_routing_id('order-6'), 'vendor-6');
UPDATE vendor_routing.routings
   SET status = 'PENDING', round = 2, locked_vendor_id = NULL, locked_at = NULL, version = version + 1
 WHERE order_id = 'order-6';
UPDATE vendor_routing.vendors SET current_orders = current_orders - 1 WHERE vendor_id = 'vendor-6';
INSERT INTO vendor_routing.responses (routing_id, round, vendor_id, score, rank, offered_at, expires_at)
SELECT routing_id, 2, vendor_id, score, rank, now(), now() + interval '1 hour'
  FROM vendor_routing.responses WHERE routing_id = vr_routing_id('order-6') AND vendor_id <> 'vendor-6';

-- Messages, and what else there is to know.
SELECT count(*) FROM vr_message_sent((SELECT message_id FROM vr_claim_messages(NULL, 1)), E'x\ty');
SELECT vr_receive_message('wa', E'1\n', '+4930123456', E'yes\\no');
SELECT vr_set_policy('a "policy"', '[{"vendors": 3, "wait": "5 min"}, {"vendors": 7}]', '10 min', '1 min');
SELECT vr_block('retailer-2', 'vendor-1', E'it''s\tlate');
SELECT vr_pause('vendor-1', now() + interval '1 day', 'holiday'), vr_set_hours('vendor-1', 'Europe/Berlin', '[{"days": [1, 2], "from": "08:00", "to": "17:00"}]');
INSERT INTO vendor_routing.message_words VALUES ('de', 'gerne', 'ACCEPT');
INSERT INTO vendor_routing.message_texts VALUES ('de', 'LOCKED', E'Ihr Auftrag:\t{order}');

SET vendor_routing.order_ttl = '1s';
SET vendor_routing.offer_ttl = '1s';
SELECT count(*) FROM vr_broadcast('short', 'retailer-1');
SQL
$node->poll_query_until('shop',
	"SELECT status = 'EXPIRED' FROM vr_timeout(vr_routing_id('short'))")
  or die 'order "short" does not expire';

is( ask('shop',
		'SELECT string_agg(DISTINCT status, \' \') FROM vendor_routing.routings'),
	'CANCELLED COMPLETED EXHAUSTED EXPIRED LOCKED PENDING',
	'the database to be dumped has an order in every state');

my $before = digests($node, 'shop');
is( join(' ', $before =~ /^(\w+)\|0\|/mg),
	'attachments order_edges vendor_roles',
	'and rows in every table, but of roles and other tables');

#-------------------------------------------------------------------------
# Dump and restore
#-------------------------------------------------------------------------

sub works_after_restore
{
	my ($database, $what) = @_;

	is(digests($node, $database),
		$before, "$what: every row of every table is as it was");
	is( ask($database,
			'SELECT vr_status(routing_id) FROM vendor_routing.routings ORDER BY order_id'
		),
		ask('shop',
			'SELECT vr_status(routing_id) FROM vendor_routing.routings ORDER BY order_id'
		),
		"$what: the status of every order is as it was");
	is( ask($database,
			"SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('order-7'), 'vendor-2')"
		),
		't|LOCKED|vendor-2',
		"$what: an open order can be won");
	is( ask($database,
			"SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('order-6'), 'vendor-2')"
		),
		't|LOCKED|vendor-2',
		"$what: an order in its second round can be won");
	is( ask($database,
			"SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('order-1'), 'vendor-1')"
		),
		't|ALREADY_ACCEPTED|vendor-1',
		"$what: the winner of a won order is told so again");
	is( ask($database,
			"SELECT accepted, reason, locked_vendor_id FROM vr_accept(vr_routing_id('order-1'), 'vendor-3')"
		),
		'f|ALREADY_LOCKED|vendor-1',
		"$what: others are told who won");
	is( ask($database,
			"SELECT created, vendor_count, routing_id = vr_routing_id('order-8')"
			  . " FROM vr_broadcast('order-8', 'retailer-1')"),
		'f|10|t',
		"$what: broadcasting an order again returns its routing");
	is( ask($database,
			"SELECT created, vendor_count FROM vr_broadcast('new order', 'retailer-1')"
		),
		't|10',
		"$what: a new order can be broadcast");

	my ($status, $output, $errors) = $node->psql(
		$database,
		'UPDATE vendor_routing.events SET occurred_at = now()',
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($errors, qr/55000/, "$what: events are guarded");
	($status, $output, $errors) = $node->psql(
		$database,
		"UPDATE vendor_routing.routings SET locked_vendor_id = 'vendor-9' WHERE order_id = 'order-1'",
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($errors, qr/VR004/, "$what: the winner is guarded");
	return;
}

sub keeps_grants
{
	my ($database, $what) = @_;

	is( ask($database, <<'SQL'), 't|t|f',
SELECT has_function_privilege('teller', 'vr_accept(uuid, text, jsonb)', 'EXECUTE'),
	has_table_privilege('teller', 'vr_routing_status', 'SELECT'),
	has_function_privilege('teller', 'vr_cancel(uuid, text)', 'EXECUTE');
SQL
		"$what: grants are as they were");
	return;
}

my @dump = ('pg_dump', '-d', $node->connstr('shop'));

$node->command_ok([ @dump, '-f', "$dir/plain.sql" ], 'plain: pg_dump');
ask('postgres', 'CREATE DATABASE plain');
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('plain'), '-f', "$dir/plain.sql"
	],
	'plain: restored without an error');
works_after_restore('plain', 'plain');
keeps_grants('plain', 'plain');

$node->command_ok([ @dump, '-Fc', '-f', "$dir/custom.dump" ],
	'custom: pg_dump');
ask('postgres', 'CREATE DATABASE custom');
$node->command_ok(
	[
		'pg_restore', '-j', 4, '--exit-on-error', '-d',
		$node->connstr('custom'), "$dir/custom.dump"
	],
	'custom: restored by four jobs without an error');
works_after_restore('custom', 'custom');
keeps_grants('custom', 'custom');

$node->command_ok([ @dump, '--data-only', '-f', "$dir/data.sql" ],
	'data only: pg_dump');
ask('postgres', 'CREATE DATABASE data');
ask('data', 'CREATE EXTENSION vendor_routing');
$node->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('data'), '-f', "$dir/data.sql"
	],
	'data only: restored without an error');
works_after_restore('data', 'data only');

is(digests($node, 'shop'),
	$before, 'the dumps left the source as it was');

#-------------------------------------------------------------------------
# DROP EXTENSION
#-------------------------------------------------------------------------

my $objects = join(
	' UNION ALL ',
	map { "SELECT '$_', count(*) FROM $_" }
	  qw(pg_attrdef pg_cast pg_class pg_collation pg_constraint pg_default_acl
	  pg_depend pg_description pg_event_trigger pg_extension pg_index
	  pg_inherits pg_init_privs pg_namespace pg_operator pg_policy pg_proc
	  pg_rewrite pg_seclabel pg_sequence pg_statistic_ext pg_trigger pg_type));

ask('postgres', 'CREATE DATABASE empty');
ask('postgres', 'ALTER DATABASE empty SET vendor_routing.max_vendors = 7');

my $empty = ask('empty', $objects);

ask('empty', 'CREATE EXTENSION vendor_routing');
isnt(ask('empty', $objects), $empty, 'CREATE EXTENSION makes objects');
ask('empty', <<'SQL');
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT 'vendor-' || n, 'Vendor ' || n, true FROM generate_series(1, 10) AS n;
SQL
is( ask('empty',
		"SELECT vendor_count FROM vr_broadcast('order-1', 'retailer-1')"),
	7,
	'the setting of the database counts');
ask('empty', 'DROP EXTENSION vendor_routing');
is(ask('empty', $objects), $empty, 'DROP EXTENSION leaves no object behind');
is( ask('empty', <<'SQL'), '0|0|0',
SELECT
	(SELECT count(*) FROM pg_namespace WHERE nspname = 'vendor_routing'),
	(SELECT count(*) FROM pg_proc WHERE proname LIKE 'vr\_%'),
	(SELECT count(*) FROM pg_class WHERE relname LIKE 'vr\_%');
SQL
	'no schema, no function and no view is left');

my ($status, $output, $errors) = $node->psql('empty',
	"SET vendor_routing.max_vendors = 3; SHOW vendor_routing.max_vendors");
is($output . $errors, '3', 'a setting left behind disturbs nobody');
ask('empty', 'CREATE EXTENSION vendor_routing');
is(ask('empty', 'SELECT count(*) FROM vendor_routing.events'),
	0, 'the extension can be created again');

#-------------------------------------------------------------------------
# DROP and CREATE under the feet of sessions
#-------------------------------------------------------------------------

# Everything once, by the name and with the plans that the session has.
sub use_everything
{
	my ($session, $order) = @_;

	$session->query_safe(
		"SELECT count(*) FROM vr_broadcast('$order', 'retailer-1')");
	return join(
		' ',
		map { $session->query_safe($_) } (
			"EXECUTE answer('$order', 'vendor-3', 'REJECT')",
			"EXECUTE take('$order', 'vendor-1')",
			"SELECT taken_by('$order', 'vendor-2')",
			"EXECUTE take('$order', 'vendor-4')",
			"SELECT cancelled_count FROM vr_send_cancellations(vr_routing_id('$order'))",
			"SELECT status FROM vr_timeout(vr_routing_id('$order'))",
			"EXECUTE state('$order')",
			"SELECT count(*) FROM vr_history('$order')",
			"SELECT cancelled FROM vr_cancel(vr_routing_id('$order'))"));
}

my $expected =
  'REJECT LOCKED vendor-1 ALREADY_LOCKED 9 LOCKED LOCKED 6 t';

add_database($node, 'again', 10);
ask('again', <<'SQL');
CREATE FUNCTION taken_by(order_id text, vendor_id text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT a.locked_vendor_id FROM vr_accept(vr_routing_id(order_id), vendor_id) AS a);
END
$$;
SQL

my @sessions = map { new_session($node, 'again') } 1 .. 2;

foreach my $session (@sessions)
{
	$session->query_safe(<<'SQL');
PREPARE answer(text, text, text) AS
	SELECT response_recorded FROM vr_respond(vr_routing_id($1), $2, $3);
PREPARE take(text, text) AS
	SELECT reason FROM vr_accept(vr_routing_id($1), $2);
PREPARE state(text) AS
	SELECT vr_status(vr_routing_id($1)) ->> 'status';
SET plan_cache_mode = force_generic_plan;
SQL
}

my $recreate = <<'SQL';
DROP EXTENSION vendor_routing;
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT 'vendor-' || n, 'Vendor ' || n, true FROM generate_series(1, 10) AS n;
SQL

is(use_everything($sessions[$_], "before-$_"),
	$expected, "session $_ uses the extension")
  foreach 0 .. 1;
foreach my $round (1 .. 3)
{
	$sessions[0]->query_safe($recreate);
	is(use_everything($sessions[$_], "after-$round-$_"), $expected,
		"DROP and CREATE, round $round: "
		  . ('the same session', 'another session')[$_]
		  . ' goes on with its statements')
	  foreach 0 .. 1;
}

# In one transaction, and undone.
$sessions[0]->query_safe("BEGIN; $recreate");
is(use_everything($sessions[0], 'in transaction'),
	$expected, 'DROP and CREATE in one transaction: goes on');
$sessions[0]->query_safe('ROLLBACK');
is(use_everything($sessions[$_], "undone-$_"),
	$expected, "DROP and CREATE undone: session $_ goes on")
  foreach 0 .. 1;
is( ask('again',
		'SELECT count(*), sum(current_orders) FROM vendor_routing.vendors'),
	'10|0',
	'and has left the vendors without orders');

$_->quit foreach @sessions;

#-------------------------------------------------------------------------
# Many orders
#-------------------------------------------------------------------------

# Of a hundred orders, sixty are won, some of them given back, completed or cancelled, and
# so on; the others are open.
sub fill_large
{
	my ($orders) = @_;

	add_database($node, 'large', 10);
	$node->safe_psql('large', 'INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES (\'reserve\', \'Reserve\', true)');
	foreach my $thousand (1 .. $orders / 1000)
	{
		invite_orders($node, 'large', "order-$thousand", 1000);
	}
	$node->safe_psql('large', <<"SQL");
CREATE PROCEDURE use_orders() LANGUAGE plpgsql AS \$\$
DECLARE
	one record;
	a text;
	b text;
BEGIN
	FOR one IN SELECT routing_id AS id, row_number() OVER (ORDER BY order_id) AS n FROM vendor_routing.routings LOOP
		CONTINUE WHEN one.n % 100 >= 60;
		SELECT min(vendor_id), max(vendor_id) INTO a, b FROM vendor_routing.responses WHERE routing_id = one.id;
		PERFORM vr_respond(one.id, b, 'REJECT', 'no stock');
		PERFORM vr_accept(one.id, a, '{"eta": 10}');
		CASE one.n % 100
			WHEN 1 THEN PERFORM vr_release(one.id, a, 'broke down');
			WHEN 2 THEN PERFORM vr_complete(one.id, 'DELIVERED', one.n % 6);
			WHEN 3 THEN PERFORM vr_complete(one.id, 'FAILED');
			WHEN 4 THEN PERFORM vr_cancel(one.id, 'changed my mind');
			WHEN 5 THEN PERFORM vr_send_cancellations(one.id);
			ELSE NULL;
		END CASE;
		IF one.n % 200 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END \$\$;
CALL use_orders();
DROP PROCEDURE use_orders();
SELECT count(*) FROM vr_claim_messages(NULL, 5000);
SQL
	return;
}

# The rows are there, everything is sound, and races for open orders go on.
sub goes_on
{
	my ($server, $database, $rows, $what) = @_;

	is(digests($server, $database), $rows, "$what: every row of every table is as it was");
	is($server->safe_psql($database, 'SELECT * FROM vr_check()'), '', "$what: everything is sound");
	foreach my $level ('read committed', 'repeatable read', 'serializable')
	{
		my ($status, $totals) = race($server, $database, '--isolation' => $level, '--orders' => 300, '--at-once' => 3);

		is("$status $totals->{winners} $totals->{errors}", '0 300 0', "$what: races at $level go on");
	}
	is($server->safe_psql($database, "SELECT created, vendor_count FROM vr_broadcast('new', 'retailer-1')"),
		't|10', "$what: and new orders come");
	is($server->safe_psql($database, 'SELECT * FROM vr_check()'), '', "$what: which leaves everything sound");
	$server->safe_psql('postgres', "DROP DATABASE $database");
	return;
}

# The extension of this tree with another version, in a server of its own.
sub build_newer
{
	my %directories = copy_server();
	my $source = "$FindBin::RealBin/../..";
	my $build = PostgreSQL::Test::Utils::tempdir('newer');
	my $control = "$build/vendor_routing.control";
	my $output;

	system('mkdir', '-p', "$build/sql", "$build/doc") == 0
	  && system('cp', '-R', "$source/src", "$source/Makefile", "$source/vendor_routing.c", "$source/vendor_routing.control", $build) == 0
	  && system('cp', '-R', "$source/sql/install", "$build/sql") == 0
	  && system('cp', "$source/doc/vendor_routing.md", "$build/doc") == 0
	  or die 'cannot copy the source';
	my $text = slurp_file($control);

	$text =~ s/^(default_version\s*=\s*'([^']+))'/$1.1'/m or die 'the control file has no version';
	my $new = "$2.1";

	unlink $control;
	append_to_file($control, $text);
	append_to_file("$build/sql/install/99_new.sql", <<'SQL');
ALTER TABLE vendor_routing.routings ADD COLUMN note text;
ALTER TABLE vendor_routing.responses ADD COLUMN note text DEFAULT 'none';
ALTER TABLE vendor_routing.events ADD COLUMN note text;
CREATE INDEX responses_note_idx ON vendor_routing.responses (note) WHERE note <> 'none';
SQL

	# We may have been started by a make that has other things in mind.
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	foreach my $what ('clean', 'all', 'install')
	{
		IPC::Run::run([ 'make', '-C', $build, "PG_CONFIG=$directories{bindir}/pg_config", $what ], '>', \$output, '2>&1')
		  or die "cannot build: $output";
	}

	my $newer = PostgreSQL::Test::Cluster->new('newer', install_path => $directories{bindir} =~ s{/bin$}{}r);

	$newer->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
	$newer->append_conf('postgresql.conf', "max_connections = 150\nmax_wal_size = 1GB\n");
	$newer->start;
	return ($newer, $new);
}

if (full(0, 1))
{
	my $orders = 60_000;

	fill_large($orders);
	my $rows = digests($node, 'large');
	note $rows;
	cmp_ok(ask('large', 'SELECT count(*) FROM vendor_routing.responses'), '>=', 10 * $orders, 'many: there are enough offers');

	my @large = ('pg_dump', '-d', $node->connstr('large'));
	my @restore = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d');

	$node->command_ok([ @large, '-f', "$dir/large.sql" ], 'many: pg_dump');
	ask('postgres', 'CREATE DATABASE many');
	$node->command_ok([ @restore, $node->connstr('many'), '-f', "$dir/large.sql" ], 'many: restored without an error');
	goes_on($node, 'many', $rows, 'many, plain');

	$node->command_ok([ @large, '--schema-only', '-f', "$dir/schema.sql" ], 'many: pg_dump --schema-only');
	$node->command_ok([ @large, '--data-only', '-f', "$dir/large_data.sql" ], 'many: pg_dump --data-only');
	ask('postgres', 'CREATE DATABASE many');
	$node->command_ok([ @restore, $node->connstr('many'), '-f', "$dir/$_.sql" ], "many: $_ restored without an error")
	  foreach qw(schema large_data);
	goes_on($node, 'many', $rows, 'many, schema and data');

	$node->command_ok([ @large, '-Fd', '-j', 2, '-f', "$dir/large.dir" ], 'many: pg_dump -Fd -j 2');
	ask('postgres', 'CREATE DATABASE many');
	$node->command_ok([ 'pg_restore', '-j', 2, '--exit-on-error', '-d', $node->connstr('many'), "$dir/large.dir" ],
		'many: restored by two jobs without an error');
	goes_on($node, 'many', $rows, 'many, directory');

	my ($newer, $version) = build_newer();

	foreach my $how ([ @restore, $newer->connstr('many'), '-f', "$dir/large.sql" ],
		[ 'pg_restore', '-j', 2, '--exit-on-error', '-d', $newer->connstr('many'), "$dir/large.dir" ])
	{
		$newer->safe_psql('postgres', 'CREATE DATABASE many');
		$newer->command_ok($how, "newer: $how->[0] restores without an error");
		is($newer->safe_psql('many', "SELECT extversion, vr_version() FROM pg_extension WHERE extname = 'vendor_routing'"),
			"$version|$version", 'newer: into a newer version, with its library');
		goes_on($newer, 'many', $rows, "newer, $how->[0]");
	}
	is(digests($node, 'large'), $rows, 'many: the dumps left the source as it was');
	$newer->stop;
}

$node->stop;
done_testing();
