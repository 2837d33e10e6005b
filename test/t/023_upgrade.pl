# ALTER EXTENSION UPDATE, while vendors race: from the version there is to one made up
# here, whose delta replaces every function and adds columns and an index to the tables
# that the races write.
#
# Catches: a caller who gets an error because of the update, a race that goes wrong
# during it, a session that goes on with what it knew of the old tables, an upgraded
# database that differs from a fresh one, an old extension under a new library that is
# told something else than to update.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = full(6000, 20_000);
my $clients = 8;

my %directories = copy_server();
my $scripts = "$directories{sharedir}/extension";
my ($old) = slurp_file("$scripts/vendor_routing.control") =~ /default_version\s*=\s*'([^']+)'/;
my $new = "$old.1";

# A delta starts with the tables, in the order in which a race locks them.
my $delta = <<'SQL';
LOCK TABLE vendor_routing.routings, vendor_routing.responses, vendor_routing.vendors,
	vendor_routing.cancellations, vendor_routing.events IN ACCESS EXCLUSIVE MODE;
ALTER TABLE vendor_routing.routings ADD COLUMN note text;
COMMENT ON COLUMN vendor_routing.routings.note IS 'Of the new version';
ALTER TABLE vendor_routing.responses ADD COLUMN note text DEFAULT 'none';
ALTER TABLE vendor_routing.events ADD COLUMN note text;
CREATE INDEX responses_note_idx ON vendor_routing.responses (note) WHERE note <> 'none';
SQL
my $script = slurp_file("$scripts/vendor_routing--$old.sql");

while ($script =~ /^CREATE (FUNCTION .*?;)$/msg)
{
	$delta .= "CREATE OR REPLACE $1\n";
}
like($delta, qr/CREATE OR REPLACE FUNCTION \@extschema\@\.vr_accept\(/, 'the delta replaces functions');
append_to_file("$scripts/vendor_routing--$old--$new.sql", $delta);
append_to_file("$scripts/vendor_routing--$new.sql", $script . $delta);

my $node = PostgreSQL::Test::Cluster->new('upgrade',
	install_path => $directories{bindir} =~ s{/bin$}{}r);
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'SQL');
max_connections = 50
deadlock_timeout = 100ms
vendor_routing.order_ttl = 2h
vendor_routing.offer_ttl = 1h
SQL
$node->start;

# Every object of the extension, with all there is to know of it.
sub fingerprint
{
	my ($database) = @_;

	return $node->safe_psql($database, <<'SQL');
SET search_path = pg_catalog;
WITH member AS (
	SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'vendor_routing')
SELECT pg_describe_object(classid, objid, 0) || ': ' || coalesce(obj_description(objid, classid::regclass::name), '')
	FROM member WHERE classid <> 'pg_type'::regclass
UNION ALL
SELECT 'type ' || t.typname || coalesce(t.typacl::text, '') || coalesce(obj_description(t.oid, 'pg_type'), '') || ' '
		|| a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
	FROM member JOIN pg_type AS t ON classid = 'pg_type'::regclass AND t.oid = objid
	JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c' JOIN pg_attribute AS a ON a.attrelid = c.oid
UNION ALL
SELECT 'function ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
	FROM member JOIN pg_proc AS p ON classid = 'pg_proc'::regclass AND p.oid = objid
UNION ALL
SELECT 'relation ' || c.relname || ' ' || coalesce(c.relacl::text, '') || coalesce(c.reloptions::text, '') || coalesce(pg_get_viewdef(c.oid), '')
	FROM member JOIN pg_class AS c ON classid = 'pg_class'::regclass AND c.oid = objid AND c.relkind IN ('r', 'v')
UNION ALL
SELECT 'column ' || a.attrelid::regclass::text || '.' || a.attnum::text || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
		|| a.attnotnull::text || coalesce(pg_get_expr(ad.adbin, ad.adrelid), '') || coalesce(col_description(a.attrelid, a.attnum), '')
	FROM member JOIN pg_attribute AS a ON classid = 'pg_class'::regclass AND a.attrelid = objid AND a.attnum > 0
	LEFT JOIN pg_attrdef AS ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
UNION ALL
SELECT 'constraint ' || conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(k.oid) || coalesce(obj_description(k.oid, 'pg_constraint'), '')
	FROM member JOIN pg_constraint AS k ON classid = 'pg_class'::regclass AND k.conrelid = objid
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid)
	FROM member JOIN pg_index AS i ON classid = 'pg_class'::regclass AND i.indrelid = objid
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid) || t.tgenabled::text || coalesce(obj_description(t.oid, 'pg_trigger'), '')
	FROM member JOIN pg_trigger AS t ON classid = 'pg_class'::regclass AND t.tgrelid = objid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'dumped ' || t.id::regclass::text || ' ' || t.condition
	FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS t (id, condition) WHERE e.extname = 'vendor_routing'
ORDER BY 1;
SQL
}

# Upgraded is fresh ------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE fresh; CREATE DATABASE upgraded');
$node->safe_psql('fresh', "CREATE EXTENSION vendor_routing VERSION '$new'");
$node->safe_psql('upgraded', 'CREATE EXTENSION vendor_routing');
my $before = fingerprint('upgraded');
$node->safe_psql('upgraded', "ALTER EXTENSION vendor_routing UPDATE TO '$new'");
is(fingerprint('upgraded'), fingerprint('fresh'), 'an upgraded database is as a fresh one');
isnt(fingerprint('upgraded'), $before, 'and not as before');
is( $node->safe_psql('upgraded', <<'SQL'), '0', 'PUBLIC has nothing after the update either');
SELECT count(*)
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid,
	aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
WHERE d.deptype = 'e' AND a.grantee = 0
SQL

# Under load --------------------------------------------------------------------------

add_database($node, 'races', 10);
invite_orders($node, 'races', 'order', $orders);
my $dir = PostgreSQL::Test::Utils::tempdir('upgrade');
my @racers;

foreach my $vendor (1 .. $clients)
{
	append_to_file("$dir/calls-$vendor.sql",
		join '', map { "SELECT accepted FROM vr_accept(vr_routing_id('order-$_'), 'vendor-$vendor');\n" } 1 .. $orders);
	push @racers, { output => '', errors => '' };
	$racers[-1]{run} = IPC::Run::start(
		[ "$directories{bindir}/psql", '-XAtq', '-f', "$dir/calls-$vendor.sql", '-d', $node->connstr('races') ],
		'>', \$racers[-1]{output}, '2>', \$racers[-1]{errors});
}
$node->poll_query_until('races',
	"SELECT EXISTS (SELECT FROM vendor_routing.routings WHERE status = 'LOCKED')")
  or die 'the races do not get going';
$node->safe_psql('races', "ALTER EXTENSION vendor_routing UPDATE TO '$new'");
my $left = $node->safe_psql('races', "SELECT count(*) FROM vendor_routing.routings WHERE status = 'PENDING'");

cmp_ok($left, '>', 0, "there were $left orders left when the update was done");
$_->{run}->finish foreach @racers;
is(join('', map { $_->{errors} } @racers), '', 'no caller got an error');
is(scalar(grep { $_ eq 't' } map { split /\n/, $_->{output} } @racers), $orders, 'every order was won once');
is(broken_orders($node, 'races'), '', 'and everything is as it must be');
is($node->safe_psql('races', 'SELECT * FROM vr_check()'), '', 'which the extension confirms');
is( $node->safe_psql('postgres', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'races'"),
	'0', 'without a deadlock');
is(fingerprint('races'), fingerprint('fresh'), 'the database is as a fresh one');

# An old extension under a new library ---------------------------------------------------

my (undef, undef, $errors) = $node->psql('upgraded', <<'SQL');
\set VERBOSITY verbose
BEGIN;
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'vendor_routing';
ALTER EXTENSION vendor_routing DROP TABLE vendor_routing.attachments;
ALTER TABLE vendor_routing.attachments RENAME TO not_yet;
SELECT vr_broadcast('order', 'retailer');
SQL
like( $errors,
	qr/55000: extension vendor_routing has version 0\.9, and its library version \Q$old\E.*ALTER EXTENSION vendor_routing UPDATE/s,
	'says to update');

$node->stop;
done_testing();
