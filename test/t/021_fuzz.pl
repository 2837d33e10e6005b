# Every function of the extension, found in the catalogs, with arguments that nobody
# would give it: by a superuser, an application, a vendor and a role that may call
# everything, in every place where SQL takes a function.  Then sqlsmith, which makes up
# queries of its own.
#
# Catches: a server that goes down; an error that only a bug makes (SQLSTATE XX...); an
# order or a vendor that is not sound afterwards.
#
# The test says its seed; FUZZ_SEED does it again.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $calls = full(3_000, 60_000);
my $seed = $ENV{FUZZ_SEED} || int(rand(2**31));
srand($seed);
note "FUZZ_SEED=$seed";

my $node = new_node('fuzz', conf => "log_min_messages = error\nlog_min_error_statement = panic\nmax_prepared_transactions = 5");
my $database = 'fuzz';

add_database($node, $database, 0);

# How the server started, which a crash would change.
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $postmaster = $node->safe_psql('postgres', "SELECT pg_backend_pid()") && slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/ && $1;

# What is there to be fuzzed ---------------------------------------------------------------

my $rounds = 0;
my %states;

# Vendors, rights and some more orders, whatever has become of those that were there, which
# is noted.
sub reset_vendors
{
	$states{$_}++ foreach split /\n/, $node->safe_psql($database, 'SELECT DISTINCT status FROM vendor_routing.routings');
	$node->safe_psql($database, <<"SQL");
SELECT vr_detach_orders(), vr_detach_vendors();
INSERT INTO vendor_routing.vendors (vendor_id, name, phone, is_verified, reliability_score, latitude, longitude, capacity)
SELECT 'v' || n, 'Vendor ' || n, '+4917000000' || lpad(n::text, 2, '0'), true, 100 - n, 50, 8, 1000000 FROM generate_series(1, 9) AS n
ON CONFLICT (vendor_id) DO UPDATE SET is_active = true, is_verified = true, capacity = 1000000, phone = excluded.phone, paused_until = NULL, working_hours = NULL, time_zone = NULL;
SELECT vr_revoke_app('vendor'), vr_revoke_vendor('app'), vr_revoke_vendor('vendor');
SELECT vr_grant_app('app'), vr_grant_vendor('vendor', 'v1'), vr_grant_auditor('auditor');
SELECT count(vr_broadcast('order-' || n, 'somebody', vendors => '{v1,v2,v3}', ttl => '1 h')) FROM generate_series($rounds * 10, $rounds * 10 + 29) AS n;
SELECT count(*) FROM vr_claim_messages();
SQL
	$rounds++;
	return;
}

$node->safe_psql($database, <<'SQL');
CREATE ROLE app; CREATE ROLE vendor; CREATE ROLE auditor; CREATE ROLE anybody; CREATE ROLE agent; CREATE ROLE "a""b; --";
CREATE ROLE smith LOGIN;
CREATE SCHEMA fuzz;
GRANT USAGE, CREATE ON SCHEMA fuzz TO PUBLIC;
GRANT USAGE ON SCHEMA vendor_routing TO anybody, smith;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
		JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid WHERE d.deptype = 'e'
	LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO anybody, smith', f);
	END LOOP;
END $$;
CREATE TABLE fuzz.orders (id text PRIMARY KEY, status text NOT NULL DEFAULT 'CREATED', shop text, winner text);
CREATE TABLE fuzz.vendors (id bigint PRIMARY KEY, name text, phone text, gone int, place point);
ALTER TABLE fuzz.vendors DROP COLUMN gone;
INSERT INTO fuzz.orders SELECT 'row-' || n, 'CREATED', 'shop' FROM generate_series(1, 20) AS n;
INSERT INTO fuzz.vendors SELECT n, 'Row ' || n, '+492000000' || n FROM generate_series(1, 5) AS n;
CREATE TABLE fuzz.nothing ();
CREATE TABLE fuzz.parted (id text, status text, shop text, winner text) PARTITION BY LIST (id);
CREATE VIEW fuzz.view AS SELECT * FROM fuzz.orders;
CREATE MATERIALIZED VIEW fuzz.matview AS SELECT * FROM fuzz.orders;
CREATE SEQUENCE fuzz.sequence;
CREATE TYPE fuzz.composite AS (id text);
CREATE INDEX orders_index ON fuzz.orders (status);
GRANT ALL ON ALL TABLES IN SCHEMA fuzz TO PUBLIC;
CREATE TABLE fuzz.huge (n serial, value text);
INSERT INTO fuzz.huge (value) SELECT repeat('huge ', 200000);
GRANT SELECT ON fuzz.huge TO PUBLIC;
CREATE FUNCTION fuzz.message() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS 'SELECT message_id FROM vendor_routing.messages ORDER BY random() LIMIT 1';
SQL

# A gigabyte, which takes the server two of memory to make.
$node->safe_psql($database, "INSERT INTO fuzz.huge (value) SELECT repeat('x', 1000000000)") if full(0, 1);
reset_vendors();

my @functions = map {
	my ($oid, $name, $names, $types, $returns, $is_set, $volatile) = split /\|/, $_, -1;

	{ oid => $oid, name => $name, names => [ split /,/, $names ], types => [ split /,/, $types ], returns => $returns, is_set => $is_set eq 't', volatile => $volatile }
} split /\n/, $node->safe_psql($database, <<'SQL');
SET search_path = '';
SELECT p.oid, p.oid::pg_catalog.regproc, array_to_string(p.proargnames[:p.pronargs], ','), array_to_string(ARRAY(SELECT t.typname FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n) JOIN pg_type AS t ON t.oid = a.type ORDER BY a.n), ','),
	p.prorettype::regtype, p.proretset, p.provolatile
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' ORDER BY 2
SQL
my @triggers = grep { $_->{returns} eq 'trigger' } @functions;
my @callable = grep { $_->{returns} ne 'trigger' } @functions;

cmp_ok(scalar @callable, '>', 40, 'there are functions to be called');
cmp_ok(scalar @triggers, '>', 5, 'and functions of triggers');

# Values -------------------------------------------------------------------------------------

sub one_of
{
	return $_[ int rand @_ ];
}

sub order
{
	return one_of("'order-" . int(rand $rounds * 10 + 30) . "'", "'row-" . int(rand 25) . "'");
}

my @words = ("''", "' '", "'x'", "repeat('x', 255)", "repeat('x', 256)", "repeat(E'\\u00e9', 127)", "repeat(E'\\u00e9', 128)",
	"repeat('x', 2000)", "repeat('x', 2001)",
	"''''", "'\"'", "E'\\\\'", "'%s%n%x%1\$s%p'", "'\$1 \$\$'", "'{}'", "'[]'", "'{\"a\": 1}'", "E'\\U0001F468\\u200D\\U0001F469\\u200D\\U0001F467'",
	"E'e\\u0301\\u0323'", "E'\\u202Ecba\\u2066'", "E'\\uFEFF\\u200B'", "E'\\x01\\x02\\x7f\\r\\n\\t'", "E'\\uFFFF\\U0010FFFF'", "'NULL'", "'infinity'", "'-1'",
	"'1e400'", "'a; DROP TABLE x; --'", "E'\\u0130\\u0131\\u1E9E\\uFB01'", "repeat(E'\\u0301', 120)", "'../../etc/passwd'", "'Europe/Berlin'", "'UTC'", "'<>'", "':x'",
	"'ACCEPT'", "'REJECT'", "'ERROR'", "'TIMEOUT'", "'DELIVERED'", "'FAILED'", "'READ'", "'WHATSAPP'", "'APP'", "'PRICE'", "'policy'", "'retailer'",
	"'yes, I accept it'", "'no thanks'", "'accept order-1'", "'+491700000001'", "'+49 170 0000 002'");

# What takes long to make comes seldom.
my %large = (
	text => [ "repeat('x', 1000000)", '(SELECT value FROM fuzz.huge ORDER BY n LIMIT 1)', full((), '(SELECT value FROM fuzz.huge ORDER BY n DESC LIMIT 1)') ],
	jsonb => [ "(repeat('[', 5000) || repeat(']', 5000))", "('[' || repeat('{\"a\": 1},', 100000) || '1]')", "('[' || repeat('{\"order_id\": \"x\", \"retailer_id\": \"\"},', 10000) || '{}]')", "('{\"a\": \"' || repeat('x', 1000000) || '\"}')", "(repeat('{\"a\":', 900) || '1' || repeat('}', 900))" ],
	_text => [ "ARRAY(SELECT 'n' || n FROM generate_series(1, 100000) AS n)", "array_fill(repeat('x', 1000000), '{3}')" ],
);

# Members that one of our functions looks for.
my @members = qw(vendors vendor_ids radius_km min_score wait days from to order_id retailer_id product amount latitude longitude payload
  max_vendors ttl waves policy confirm_within vendor_id name phone is_active is_verified status locked_vendor_id id shop winner value column equals statuses
  auto_broadcast button_id button text reply_to context message_id title language edges);
my @scalars = ('null', 'true', 'false', '0', '-1', '1', '10', '1e400', '1e-400', '-0.0', '1.5', '99999999999999999999', '""', '"x"', '"v1"', '"v2"', '"order-1"', '"id"', '"name"',
	'"phone"', '"status"', '"shop"', '"winner"', '"1 min"', '"-1 s"', '"infinity"', '"09:00"', '"24:00"', '"25:61"', '"NaN"', '"\\u00e9\\ud83d\\ude00"', '"%s%n"', '"a\\"b"', '[]', '{}', '[[]]', '[null]');

# A document, as text.
sub json
{
	my ($depth) = @_;
	my $n = int rand 5;

	return one_of(@scalars) if $depth <= 0 || rand() < 0.2;
	return '[' . join(', ', map { json($depth - 1) } 1 .. $n) . ']' if rand() < 0.5;
	return '{' . join(', ', map { '"' . one_of(@members) . '": ' . json($depth - 1) } 1 .. $n) . '}';
}

my @documents = ("'null'", "'[]'", "'{}'", "'7'", "'\"x\"'", "'true'", "'[{\"vendors\": 3}]'", "'[{\"vendors\": 2, \"wait\": \"1 s\"}, {\"vendor_ids\": [\"v3\"]}]'",
	"'[{\"days\": [1, 7], \"from\": \"22:00\", \"to\": \"06:00\"}]'", "'[{\"order_id\": \"many-1\", \"retailer_id\": \"r\"}, {\"order_id\": \"many-2\", \"retailer_id\": \"r\", \"vendors\": [\"v1\"]}]'",
	"'{\"vendor_id\": \"id\", \"name\": \"name\", \"phone\": \"phone\"}'", "'{\"order_id\": \"id\", \"status\": \"status\", \"retailer_id\": \"shop\", \"locked_vendor_id\": \"winner\"}'",
	"'{\"vendor_id\": \"vendor_id\", \"name\": \"name\"}'", "'{\"order_id\": \"order_id\", \"status\": \"status\", \"retailer_id\": \"retailer_id\", \"locked_vendor_id\": \"locked_vendor_id\"}'",
	"'{\"vendor_id\": \"ctid\", \"name\": \"xmin\"}'", "'{\"vendor_id\": \"place\", \"name\": \"........pg.dropped.4........\"}'");

# What may be an argument of a type.
my %values = (
	text => \@words,
	int4 => [qw(0 1 -1 2 10 100 1000 1001 2147483647 -2147483648)],
	bool => [qw(true false)],
	float8 => [ "'NaN'", "'Infinity'", "'-Infinity'", '1e308', '-1e308', '4.9e-324', "'-0'", '0', '50', '8', '90', '-90', '90.0000001', '180', '-180.1', '49.99' ],
	numeric => [ "'NaN'", "'Infinity'", "'-Infinity'", '0', '-1', '12.5', '5', '1e131000', '-1e131000', '1e-16383', '0.1e-100', '99999.99' ],
	interval => [ "'0'", "'1 min'", "'1 h'", "'-1 day'", "'1 us'", "'30 days'", "'178000000 years'", "'-178000000 years'", "'2147483647 days'", "'9223372036854775807 us'", "'1 mon -30 days'", "'100 years'", "'-1 us'" ],
	timestamptz => [ "'infinity'", "'-infinity'", "'4714-11-24 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", 'now()', "now() + interval '1 h'", "'epoch'", "now() - interval '1 us'", "'2000-02-29'" ],
	uuid => [ "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", 'gen_random_uuid()', 'fuzz.message()', "md5('x')::uuid" ],
	_text => [ "'{}'", "'{NULL}'", "'{v1,NULL}'", "'{{v1,v2},{v3,v4}}'", "'[5:6]={v1,v2}'", "'[-2147483648:-2147483647]={v1,v2}'", "'{v1,v1}'", "'{v1,v2,v3}'", "'{v3}'", "'{\"\"}'", "'{nobody}'",
		"array_fill(NULL::text, '{3}')", "array_fill('v1'::text, '{1001}')", "ARRAY(SELECT 'n' || n FROM generate_series(1, 1000) AS n)" ],
	regclass => [ '0::oid', '4294967295::oid', '1::oid', "'pg_catalog.pg_class'", "'fuzz.orders'", "'fuzz.orders'", "'fuzz.orders'", "'fuzz.vendors'", "'fuzz.vendors'", "'fuzz.vendors'", "'fuzz.nothing'", "'fuzz.parted'", "'fuzz.view'", "'fuzz.matview'", "'fuzz.sequence'",
		"'fuzz.composite'", "'fuzz.orders_index'", "'vendor_routing.vendors'", "'vendor_routing.routings'", "'vendor_routing.events'", "'public.vr_routing_status'", "(SELECT reltoastrelid FROM pg_class WHERE oid = 'vendor_routing.routings'::regclass)", "'information_schema.tables'" ],
	regrole => [ '0::oid', '4294967295::oid', '10::oid', '1::oid', "'agent'", "'auditor'", "'\"a\"\"b; --\"'", "'app'", "'vendor'", "'pg_read_all_data'", "'pg_database_owner'" ],
);

# Those that a function may well have meant.
my %meant = (
	order_id => sub { order() },
	routing_id => sub { 'public.vr_routing_id(' . order() . ')' },
	vendor_id => sub { "'v" . int(rand 11) . "'" },
	retailer_id => sub { one_of("'retailer'", "'shop'", 'NULL') },
	response => sub { one_of("'ACCEPT'", "'REJECT'", "'ERROR'") },
	outcome => sub { one_of("'DELIVERED'", "'FAILED'") },
	status => sub { one_of("'DELIVERED'", "'READ'", "'FAILED'") },
	message_id => sub { one_of('fuzz.message()', "'m" . int(rand 1000) . "'") },
	channel => sub { one_of("'WHATSAPP'", "'APP'", 'NULL') },
	source => sub { "'app'" },
	text => sub { one_of("'accept'", "'no'", "'accept order-" . int(rand 60) . "'") },
	force => sub { 'true' },
	sender => sub { "'+4917000000" . sprintf('%02d', rand 11) . "'" },
	policy => sub { one_of("'policy'", 'NULL') },
	ttl => sub { one_of("'1 ms'", "'1 h'", 'NULL') },
	max => sub { 1 + int rand 50 },
);

# An expression of a type, for an argument of this name; a tame one is meant, if one is
# known, or NULL.
sub value
{
	my ($name, $type, $tame) = @_;
	my $value;

	if (rand() < ($tame ? $meant{ $name // '' } ? 0 : 0.7 : 0.1))
	{
		$value = 'NULL';
	}
	elsif ($meant{ $name // '' } && rand() < ($tame ? 1 : 0.5))
	{
		$value = $meant{$name}->();
		$value = 'NULL' if $name eq 'message_id' && ($type eq 'uuid') != ($value =~ /^fuzz/);
	}
	elsif ($large{$type} && rand() < 0.02)
	{
		$value = one_of(@{ $large{$type} });
	}
	elsif ($type eq 'jsonb')
	{
		$value = rand() < 0.4 ? one_of(@documents) : "'" . json(4) . "'";
	}
	else
	{
		die "no values of type $type are known" if !$values{$type};
		$value = one_of(@{ $values{$type} });
	}
	return "CAST($value AS pg_catalog.$type)";
}

# Arguments for a function: half of the time, most of them are such as it can do something with.
sub arguments
{
	my ($function) = @_;
	my $tame = rand() < 0.5;
	my @arguments = map { value($function->{names}[$_], $function->{types}[$_], $tame) } 0 .. $#{ $function->{types} };

	return join ', ', @arguments;
}

# Places where SQL takes a call.
my @places = (
	sub { "SELECT $_[0]" },
	sub { "SELECT * FROM $_[0]" },
	sub { "SELECT * FROM $_[0]" },
	sub { "SELECT * FROM $_[0]" },
	sub { "SELECT ($_[0]) IS NULL FROM generate_series(1, 2)" },
	sub { "SELECT * FROM ROWS FROM ($_[0], $_[0]) WITH ORDINALITY" },
	sub { "SELECT count(*) FROM generate_series(1, 3) AS n, LATERAL $_[0] AS f" },
	sub { "SELECT $_[0], $_[0] LIMIT 1" },
	sub { "BEGIN TRANSACTION READ ONLY; SELECT $_[0]; ROLLBACK" },
	sub { 'BEGIN ISOLATION LEVEL ' . one_of('SERIALIZABLE', 'REPEATABLE READ') . "; SELECT $_[0]; SAVEPOINT s; SELECT $_[0]; ROLLBACK TO s; SELECT $_[0]; COMMIT" },
	sub { "BEGIN; SELECT $_[0]; PREPARE TRANSACTION 'fuzz'; ROLLBACK PREPARED 'fuzz'" },
	sub { "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT $_[0]; FETCH 1 FROM c; FETCH BACKWARD 1 FROM c; CLOSE c; COMMIT" },
	sub { "PREPARE p AS SELECT $_[0]; EXECUTE p; EXECUTE p; DEALLOCATE p" },
	sub { "COPY (SELECT $_[0]) TO STDOUT" },
	sub { "CREATE TEMPORARY TABLE made AS SELECT $_[0] AS f; DROP TABLE made" },
	sub { "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM $_[0]" },
	sub { "SET statement_timeout = '1ms'; SELECT $_[0]; RESET statement_timeout" },
	sub { "SET force_parallel_mode = on; SELECT $_[0]; SELECT count(*) FROM fuzz.orders WHERE ($_[0]) IS NULL; RESET force_parallel_mode" },
	sub { "SET session_replication_role = replica; SELECT $_[0]; RESET session_replication_role" },
	sub { "DO \$do\$ BEGIN PERFORM $_[0]; EXCEPTION WHEN OTHERS THEN IF sqlstate LIKE 'XX%' THEN RAISE; END IF; PERFORM $_[0]; END \$do\$" },
	sub { "INSERT INTO fuzz.orders (id, status) SELECT gen_random_uuid(), 'CREATED' FROM $_[0]" },
	sub { "UPDATE fuzz.orders SET status = " . one_of("'VALIDATED'", "'CREDIT_RESERVED'", "'CANCELLED'", "'FULFILLMENT_STARTED'", "'NONSENSE'") . ' WHERE id = ' . order() },
	sub { 'SET vendor_routing.' . one_of('max_vendors', 'offer_ttl', 'order_ttl', 'order_lifetime', 'confirm_within', 'auto_pause_after', 'auto_pause_for', 'message_attempts', 'message_backoff', 'notify') . ' = ' . one_of("'0'", "'1'", "'2147483647'", "'-1'", "'on'", "'30d'", "''", 'DEFAULT') . "; SELECT $_[0]" },
	sub { "SET search_path = ''; SELECT $_[0]; RESET search_path" },
	sub { "SET TimeZone = " . one_of("'Pacific/Kiritimati'", "'-15:59'", "'EST5EDT'") . "; SET DateStyle = " . one_of("'SQL, DMY'", "'German'") . "; SET IntervalStyle = 'iso_8601'; SELECT $_[0]" },
);

# If $PG major is 16 or newer, the setting has another name.
my $major = $node->safe_psql('postgres', "SELECT current_setting('server_version_num')::int / 10000");

# Errors ---------------------------------------------------------------------------------

my %sqlstates;
my @bugs;

# What PostgreSQL says by itself where a leader has gone before its parallel worker came.
my $known = qr/could not (?:map dynamic shared memory segment|attach to dynamic shared area)/;

# Runs statements, one a line, in a session, and notes what they come to.
sub try
{
	my ($role, @statements) = @_;
	my @lines = ("SET SESSION AUTHORIZATION $role;", '\set VERBOSITY verbose', map { "$_;" } @statements);
	my ($output, $errors);

	# A session that is killed does not read to the end.
	eval {
		local $SIG{PIPE} = 'IGNORE';

		IPC::Run::run([ 'psql', '-XAtq', '-o', '/dev/null', '-d', $node->connstr($database), '-f', '-' ],
		'<', \(join("\n", map { s/force_parallel_mode/$major >= 16 ? 'debug_parallel_query' : 'force_parallel_mode'/ger } @lines) . "\n"), '>', '/dev/null', '2>', \$errors);
	};
	while ($errors =~ /^psql:<stdin>:(\d+): ERROR:  (\w{5}): (.*)$/mg)
	{
		my ($line, $sqlstate, $message) = ($1, $2, $3);

		$sqlstates{$sqlstate}++;
		push @bugs, "$sqlstate $message, as $role: $lines[$line - 1]" if $sqlstate =~ /^XX/ && $message !~ $known;
	}
	push @bugs, "as $role: $1" while $errors =~ /^(.*(?:server closed the connection|connection to server was lost|PANIC).*)$/mg;
	return;
}

# Is the server that was started still that, and has none of its processes died?
sub is_sound
{
	my ($what) = @_;
	my $log = slurp_file($node->logfile);
	my @lines = grep { /terminated by signal|PANIC|TRAP:|server process .* exited|cache lookup failed|could not open relation with OID|unexpected|unrecognized [^"]*: \d|SPI_\w+ failed|invalid memory alloc/ } split /\n/, $log;

	is(join("\n", @bugs[ 0 .. ($#bugs > 9 ? 9 : $#bugs) ]), '', "$what: no error that only a bug makes");
	is(join("\n", @lines[ 0 .. ($#lines > 9 ? 9 : $#lines) ]), '', "$what: nothing in the log that only a bug makes");
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server is gone';
	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, "$what: the server is the one that was started");
	@bugs = ();
	return;
}

# All functions, in all places --------------------------------------------------------------

my @roles = qw(postgres app anybody vendor app anybody auditor);
my $batch = full(300, 1000);
my $done = 0;

my %may;

while ($done < $calls)
{
	my $role = $roles[ $done / $batch % @roles ];
	my @statements;

	reset_vendors();
	$may{$role} //= { map { $_ => 1 } split /\n/, $node->safe_psql($database, "SELECT oid FROM pg_proc WHERE has_function_privilege('$role', oid, 'EXECUTE')") };
	my @own = grep { $may{$role}{ $_->{oid} } } @callable;

	foreach my $n (1 .. $batch)
	{
		# Now and then one that is refused.
		my $function = rand() < 0.05 ? one_of(@callable) : $own[ $n % @own ];
		my $place = rand() < 0.5 ? $places[1] : one_of(@places);

		push @statements, $place->("$function->{name}(" . arguments($function) . ')') =~ s/\n/ /gr;
		push @statements, 'ROLLBACK' if $statements[-1] =~ /^BEGIN/;
	}
	try($role, @statements);
	$done += $batch;
}
note 'SQLSTATEs: ', join ', ', map { "$_ $sqlstates{$_}" } sort keys %sqlstates;
cmp_ok(scalar(grep { /^(?:22004|22023|42501|25006|55000|VR00[1-6])$/ } keys %sqlstates), '>=', 8, 'calls were refused for many reasons');
is_sound('calls');

# Functions where one does not expect them -----------------------------------------------------

my @odd;
foreach my $n (grep { rand() < full(0.3, 1) } 0 .. $#callable)
{
	my $function = $callable[$n];
	my ($name, $returns, @types) = ($function->{name}, $function->{returns}, @{ $function->{types} });
	my $types = join ', ', map { "pg_catalog.$_" } @types;
	my $parameters = join ', ', map { "\$$_" } 1 .. @types;
	my $made = "fuzz.odd_$n";

	# Said to be safe in a parallel worker, which most are not.
	push @odd, "CREATE FUNCTION $made($types) RETURNS text PARALLEL SAFE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT string_agg(f::text, '''') FROM $name($parameters) AS f); END'",
	  "SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0";
	push @odd, "SELECT count($made(" . arguments($function) . ")) FROM fuzz.orders" foreach 1 .. 3;
	push @odd, 'RESET force_parallel_mode';

	# A rule, a default, a check, a generated column, an index, a policy.
	push @odd, "CREATE TABLE fuzz.table_$n (t text)", "CREATE RULE r AS ON INSERT TO fuzz.table_$n DO ALSO SELECT $name(" . arguments($function) . ')', "INSERT INTO fuzz.table_$n VALUES ('x')",
	  "CREATE RULE u AS ON UPDATE TO fuzz.table_$n DO INSTEAD SELECT * FROM $name(" . arguments($function) . ')', "UPDATE fuzz.table_$n SET t = 'y'",
	  "ALTER TABLE fuzz.table_$n ADD COLUMN d text DEFAULT ($name(" . arguments($function) . '))::text', "INSERT INTO fuzz.table_$n (t) VALUES ('x')",
	  "ALTER TABLE fuzz.table_$n ADD CHECK (($name(" . arguments($function) . ')) IS NOT NULL)',
	  "ALTER TABLE fuzz.table_$n ADD COLUMN g text GENERATED ALWAYS AS (($name(" . arguments($function) . '))::text) STORED',
	  "CREATE INDEX ON fuzz.table_$n ((($name(" . arguments($function) . '))::text))', "REINDEX TABLE fuzz.table_$n", "ANALYZE fuzz.table_$n",
	  "MERGE INTO fuzz.table_$n AS t USING (SELECT $name(" . arguments($function) . ")) AS s ON true WHEN MATCHED THEN DELETE", "DROP TABLE IF EXISTS fuzz.table_$n";

	# The final function of an aggregate: what comes after the first argument is NULL, and
	# the context is not that of a call.  And its transition function, where that fits.
	if (@types)
	{
		my $first = "pg_catalog.$types[0]";
		my $rest = join ', ', map { "pg_catalog.$_" } @types[ 1 .. $#types ];
		my $input = $rest eq '' ? '*' : $rest;

		push @odd, "CREATE FUNCTION fuzz.state_$n($types) RETURNS $first LANGUAGE sql AS 'SELECT \$1'",
		  "CREATE AGGREGATE fuzz.final_$n($input) (SFUNC = fuzz.state_$n, STYPE = $first, FINALFUNC = $name, FINALFUNC_EXTRA)",
		  "CREATE AGGREGATE fuzz.transition_$n($input) (SFUNC = $name, STYPE = $first)";
		foreach my $kind ($rest eq '' ? () : ('final', 'transition'))
		{
			my @values = map { value($function->{names}[$_], $types[$_]) } 1 .. $#types;

			push @odd, "SELECT fuzz.${kind}_$n(" . join(', ', @values) . ')',
			  "SELECT fuzz.${kind}_$n(" . join(', ', @values) . ') OVER (ORDER BY g) FROM generate_series(1, 3) AS g';
		}
		push @odd, "SELECT fuzz.final_$n(*), fuzz.transition_$n(*)" if $rest eq '';
	}

	# An operator, a cast.
	push @odd, "CREATE OPERATOR fuzz.<~> (FUNCTION = $name, " . (@types == 2 ? "LEFTARG = $types[0], RIGHTARG = $types[1]" : "RIGHTARG = $types[0]") . ')',
	  'SELECT ' . (@types == 2 ? value($function->{names}[0], $types[0]) : '') . ' OPERATOR(fuzz.<~>) ' . value($function->{names}[-1], $types[-1]), 'DROP OPERATOR IF EXISTS fuzz.<~> (' . (@types == 2 ? join(', ', @types) : "NONE, $types[0]") . ')'
	  if @types == 1 || @types == 2;
	push @odd, "CREATE CAST ($types[0] AS $returns) WITH FUNCTION $name($types[0])", 'SELECT CAST(' . value($function->{names}[0], $types[0]) . " AS $returns)", "DROP CAST IF EXISTS ($types[0] AS $returns)"
	  if @types == 1 && $returns !~ /record|void/;

	# A column definition list that is not what it returns.
	push @odd, "SELECT * FROM $name(" . arguments($function) . ') AS f (a int, b text)', "SELECT (f).* FROM (SELECT $name(" . arguments($function) . ') AS f) AS s';
}
$node->safe_psql($database, 'GRANT ALL ON SCHEMA fuzz TO anybody');
try('postgres', @odd);
is_sound('odd places');

# The functions of triggers, on tables they are not for -------------------------------------------

my @shapes = ("()", "(n int)", "(n int NOT NULL DEFAULT 7, t text)", "(a text, b text, c text, d text, e text)", "(gone int, vendor_id uuid, j jsonb DEFAULT '{}', x text)",
	'(' . join(', ', map { "c$_ int" } 1 .. 300) . ')', "(LIKE vendor_routing.vendors)", "(LIKE vendor_routing.routings INCLUDING ALL)", "(LIKE vendor_routing.events)", "(LIKE vendor_routing.attachments)",
	"(id text, g text GENERATED ALWAYS AS (id || 'x') STORED) PARTITION BY LIST (id)");
my @trigger_statements = ('CREATE SCHEMA likes');
foreach my $function (@triggers)
{
	my $name = $function->{name};

	push @trigger_statements, "SELECT $name()";
	foreach my $shape (grep { rand() < full(0.4, 1) } 0 .. $#shapes)
	{
		my $table = 'likes.' . one_of(qw(vendors routings responses events orders));

		push @trigger_statements, "CREATE TABLE $table $shapes[$shape]";
		push @trigger_statements, "ALTER TABLE $table DROP COLUMN gone" if $shapes[$shape] =~ /gone/;
		push @trigger_statements, "CREATE TABLE ${table}_part PARTITION OF $table DEFAULT" if $shapes[$shape] =~ /PARTITION/;
		foreach my $how ('BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT', 'AFTER TRUNCATE ON %s FOR EACH STATEMENT')
		{
			push @trigger_statements, "INSERT INTO $table DEFAULT VALUES", "CREATE TRIGGER t " . sprintf($how, $table) . " EXECUTE FUNCTION $name('argument')", "INSERT INTO $table DEFAULT VALUES",
			  "UPDATE $table SET " . ($shapes[$shape] =~ /\((\w+) (?:int|text)/ && $1 ne 'gone' ? "$1 = $1" : $shapes[$shape] =~ /LIKE/ ? 'ctid = ctid' : 'x = x'), "DELETE FROM $table", "TRUNCATE $table", "DROP TRIGGER IF EXISTS t ON $table";
		}
		push @trigger_statements, "DROP TABLE $table";
	}
	push @trigger_statements, "CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON fuzz.view FOR EACH ROW EXECUTE FUNCTION $name()", "INSERT INTO fuzz.view VALUES ('x')", "UPDATE fuzz.view SET id = 'y'", 'DELETE FROM fuzz.view', 'DROP TRIGGER IF EXISTS t ON fuzz.view';

	# On tables that are attached, in each way.
	foreach my $how ('BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT', 'AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT')
	{
		foreach my $table (qw(fuzz.orders fuzz.vendors))
		{
			foreach my $statement ("INSERT INTO $table (id) VALUES (1000000)", "UPDATE $table SET id = id", "UPDATE $table SET id = '7777' WHERE id = '3'", "DELETE FROM $table", "TRUNCATE $table")
			{
				push @trigger_statements, 'BEGIN; CREATE TRIGGER zz ' . sprintf($how, $table) . " EXECUTE FUNCTION $name(); $statement; ROLLBACK", 'ROLLBACK';
			}
		}
	}

	# On tables of ours that it is not for.
	foreach my $own (grep { rand() < full(0.4, 1) } qw(vendors routings responses events policies attachments messages vendor_roles))
	{
		push @trigger_statements, "BEGIN; CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON vendor_routing.$own FOR EACH ROW EXECUTE FUNCTION $name(); INSERT INTO vendor_routing.$own SELECT * FROM vendor_routing.$own LIMIT 1; ROLLBACK",
		  "BEGIN; CREATE TRIGGER zz AFTER INSERT OR UPDATE ON vendor_routing.$own FOR EACH ROW EXECUTE FUNCTION $name(); INSERT INTO vendor_routing.$own DEFAULT VALUES; ROLLBACK", 'ROLLBACK';
	}
}
$node->safe_psql($database, <<'SQL');
SELECT vr_detach_orders(), vr_detach_vendors();
SELECT vr_attach_orders('fuzz.orders', '{"order_id": "id", "status": "status", "retailer_id": "shop", "locked_vendor_id": "winner"}'),
	vr_attach_vendors('fuzz.vendors', '{"vendor_id": "id", "name": "name", "phone": "phone"}');
SQL
try('postgres', @trigger_statements);
is_sound('triggers');

# sqlsmith -----------------------------------------------------------------------------------

my $smith_errors = '';

$node->safe_psql('postgres', 'ALTER ROLE smith SET statement_timeout = 500');
foreach my $n (1 .. full(1, 4))
{
	my ($output, $stderr);

	IPC::Run::run([ 'sqlsmith', '--exclude-catalog', "--seed=" . (($seed + $n) % 2**31), '--max-queries=' . full(100, 2000),
				'--target=' . $node->connstr($database) . ' user=smith' ], '>', \$output, '2>', \$stderr);
	$smith_errors .= $stderr;
}
unlike($smith_errors, qr/BROKEN|crash|server closed/i, 'sqlsmith breaks nothing');
is_sound('sqlsmith');

# In the end -----------------------------------------------------------------------------------

reset_vendors();
is($node->safe_psql($database, 'SELECT * FROM vr_check()'), '', 'every order and vendor is sound');
note 'states: ', join ', ', map { "$_ $states{$_}" } sort keys %states;
cmp_ok(scalar keys %states, '>=', 4, 'orders came into many states');

$node->stop;
done_testing();
