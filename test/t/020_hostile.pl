# A role that was here first, may create things in public and owns a schema, and has
# made a thing of every name that the extension and PostgreSQL itself use: all functions,
# aggregates and operators of pg_catalog, types, tables, overloads of our functions.
# Each of them, if anything runs it, says so in the log of the server, and tries to make
# that role a superuser.
#
# Catches: an install or update that takes over what somebody made beforehand, or runs
# it; an object of ours that belongs to somebody else; a verb or view that finds a name
# of the caller's; PUBLIC having anything at all, also where the administrator has given
# it everything by default; an error or a line of the log that says something about
# people: a name, a phone, a payload, what somebody wrote.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

# A private copy of the server, with a version of the extension more.
my $install = PostgreSQL::Test::Utils::tempdir('install');
my %directories;

foreach my $what (qw(bindir pkglibdir sharedir))
{
	my $directory = `pg_config --$what`;

	chomp $directory;
	$directories{$what} = "$install$directory";
	system('mkdir', '-p', "$install$directory") == 0
	  && system('cp', '-R', "$directory/.", "$install$directory") == 0
	  or die "cannot copy $directory";
}

my $scripts = "$directories{sharedir}/extension";
my ($old) = slurp_file("$scripts/vendor_routing.control") =~ /default_version\s*=\s*'([^']+)'/;
my $new = "$old.1";

# A delta makes what an install makes, in the way an install does.
my $script = slurp_file("$scripts/vendor_routing--$old.sql");
my $delta = <<'SQL';
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE FUNCTION @extschema@.vr_new(order_id text, payload jsonb) RETURNS text LANGUAGE sql RETURN upper(lower(order_id) || payload::text);
REVOKE ALL ON FUNCTION @extschema@.vr_new(text, jsonb) FROM PUBLIC;
CREATE TABLE vendor_routing.new_table (order_id text NOT NULL DEFAULT upper('a' || 'b'), payload jsonb, CHECK (order_id = lower(order_id)));
REVOKE ALL ON vendor_routing.new_table FROM PUBLIC;
INSERT INTO vendor_routing.new_table SELECT lower(coalesce(string_agg(order_id, ','), 'none')), NULL FROM vendor_routing.routings WHERE status = 'none';
CREATE VIEW @extschema@.vr_new_view AS SELECT order_id || '' AS order_id FROM vendor_routing.routings WHERE order_id = 'a';
REVOKE ALL ON @extschema@.vr_new_view FROM PUBLIC;
SQL

while ($script =~ /^CREATE (FUNCTION .*?;)$/msg)
{
	$delta .= "CREATE OR REPLACE $1\n";
}
append_to_file("$scripts/vendor_routing--$old--$new.sql", $delta);
append_to_file("$scripts/vendor_routing--$new.sql", $script . $delta);

my $node = PostgreSQL::Test::Cluster->new('hostile',
	install_path => $directories{bindir} =~ s{/bin$}{}r);
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'SQL');
log_statement = none
log_error_verbosity = verbose
vendor_routing.order_ttl = 2h
vendor_routing.offer_ttl = 1h
SQL
$node->start;

# What psql says to statements, one a line: [ label, SQLSTATE ], and all the errors.
sub outcomes
{
	my ($database, $head, @calls) = @_;
	my $sql = "\\set VERBOSITY verbose\n$head;\n";
	my ($output, $errors);

	$sql .= "$_->[1];\n\\echo OUTCOME $_->[0] :SQLSTATE\n" foreach @calls;
	$node->psql($database, $sql, stdout => \$output, stderr => \$errors, on_error_stop => 0);
	return ([ $output =~ /^OUTCOME (.*) (\w{5})$/mg ], $errors);
}

# Who has run something of mallory's since, beside mallory.
sub trapped
{
	my ($offset) = @_;
	my %seen;

	$seen{$_}++ foreach slurp_file($node->logfile, $offset) =~ /TRAPPED (.* as (?!mallory).*)/g;
	return join "\n", sort keys %seen;
}

# The traps ------------------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE mallory LOGIN;
CREATE DATABASE reference;
CREATE DATABASE traps;
SQL
$node->safe_psql('reference', 'CREATE EXTENSION vendor_routing');

sub members
{
	my ($catalog) = @_;

	return <<"SQL";
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
JOIN $catalog AS o ON d.classid = '$catalog'::regclass AND o.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
SQL
}

my @functions = map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('reference', <<"SQL");
SELECT o.proname, oidvectortypes(o.proargtypes), CASE WHEN o.prorettype < 16384 THEN format_type(o.prorettype, NULL) ELSE 'record' END, o.proretset, o.pronamespace = 'public'::regnamespace, array_to_string(o.proargnames[:o.pronargs], ','),
	(SELECT string_agg(t.typname, ',' ORDER BY a.n) FROM unnest(o.proargtypes) WITH ORDINALITY AS a (type, n) JOIN pg_type AS t ON t.oid = a.type)
@{[ members('pg_proc') ]} AND o.prorettype <> 'trigger'::regtype AND o.pronamespace = 'public'::regnamespace
ORDER BY 1
SQL
my @views = split /\n/, $node->safe_psql('reference',
	"SELECT o.relname @{[ members('pg_class') ]} AND o.relkind = 'v' AND o.relnamespace = 'public'::regnamespace");
my @types = split /\n/, $node->safe_psql('reference',
	"SELECT o.typname @{[ members('pg_type') ]} AND o.typnamespace = 'public'::regnamespace AND o.typcategory <> 'A' AND NOT EXISTS (SELECT FROM pg_class WHERE oid = o.typrelid AND relkind <> 'c')");
my @tables = split /\n/, $node->safe_psql('reference',
	"SELECT o.relname @{[ members('pg_class') ]} AND o.relnamespace = 'vendor_routing'::regnamespace");

cmp_ok(scalar @functions, '>', 40, 'the catalogs say which functions we have');
$node->safe_psql('traps', <<'SQL');
GRANT CREATE ON SCHEMA public TO mallory;
GRANT CREATE ON DATABASE traps TO mallory;
CREATE SCHEMA trap AUTHORIZATION mallory;
GRANT USAGE, CREATE ON SCHEMA trap TO PUBLIC;
SET ROLE mallory;

-- A function that is a trap, whatever it has to return.
CREATE FUNCTION trap.set(name text, arguments text, returned text, is_set boolean, place text DEFAULT 'trap')
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $make$
BEGIN
	EXECUTE format($format$CREATE FUNCTION %I.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS $body$
BEGIN
	RAISE WARNING 'TRAPPED %I(%s) as %%', current_user;
	BEGIN
		EXECUTE 'ALTER ROLE mallory SUPERUSER';
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	RETURN %s;
END $body$ $format$, place, name, arguments, CASE WHEN is_set THEN 'SETOF' ELSE '' END, returned, name, replace(arguments, '%', ''),
		CASE WHEN is_set OR returned = 'void' THEN '' ELSE 'NULL' END);
END $make$;

DO $$
DECLARE
	f record;
	set_traps int := 0;
BEGIN
	SET LOCAL search_path = pg_catalog;
	FOR f IN SELECT p.oid, p.proname, oidvectortypes(p.proargtypes) AS arguments, format_type(p.prorettype, NULL) AS returned, p.proretset
		FROM pg_proc AS p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.provariadic = 0
			AND NOT EXISTS (SELECT FROM unnest(p.proargtypes || p.prorettype) AS a (type) JOIN pg_type AS t ON t.oid = a.type
				WHERE t.typtype = 'p' AND t.typname !~ '^any.' AND t.typname <> 'void')
	LOOP
		BEGIN
			PERFORM trap.set(f.proname, f.arguments, f.returned, f.proretset);
			set_traps := set_traps + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	FOR f IN SELECT o.oid, o.oprname, oprleft, oprright, format_type(oprleft, NULL) AS a, format_type(oprright, NULL) AS b, format_type(oprresult, NULL) AS returned
		FROM pg_operator AS o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND oprcode <> 0
	LOOP
		BEGIN
			PERFORM trap.set('operator ' || f.oprname || f.oid, concat_ws(', ', CASE WHEN f.oprleft <> 0 THEN f.a END, f.b), f.returned, false);
			EXECUTE format('CREATE OPERATOR trap.%s (FUNCTION = trap.%I%s, RIGHTARG = %s)', f.oprname, 'operator ' || f.oprname || f.oid,
				CASE WHEN f.oprleft <> 0 THEN ', LEFTARG = ' || f.a END, f.b);
			set_traps := set_traps + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	ASSERT set_traps > 3000, set_traps;
END $$;

-- Types, with conditions and casts.
SELECT trap.set('check_domain', 'anyelement', 'boolean', false);
SELECT format('CREATE DOMAIN trap.%I AS pg_catalog.%1$I CHECK (trap.check_domain(VALUE))', name)
FROM unnest('{text,jsonb,uuid,int4,int8,timestamptz,bool,regclass,regrole,regproc,regprocedure,name,float8,int4multirange}'::text[]) AS name \gexec
CREATE TYPE trap.record_of_mine AS (n int);
SELECT trap.set('cast_of_mine', 'trap.record_of_mine', 'text', false), trap.set('cast_of_mine', 'text', 'trap.record_of_mine', false);
CREATE CAST (trap.record_of_mine AS text) WITH FUNCTION trap.cast_of_mine(trap.record_of_mine) AS IMPLICIT;
CREATE CAST (text AS trap.record_of_mine) WITH FUNCTION trap.cast_of_mine(text) AS IMPLICIT;
SQL

# Tables of our names, and functions of our names with other arguments.  Not one that is
# told from ours by a default alone, which makes every call of a user's ambiguous: where
# the install itself has a call, it is refused, see below.
sub with_default
{
	return "$_[0], trap_more integer DEFAULT 0" =~ s/^, //r;
}

my %called = map { $_ => 1 } map { /\@extschema\@\.(vr_\w+)\(/g } grep { !/^(?:CREATE FUNCTION|COMMENT ON|REVOKE)/ } split /\n/, $script;
my $more = "SET ROLE mallory; SET search_path = pg_catalog;\n";

$more .= "CREATE TABLE trap.$_ (order_id text, routing_id uuid, vendor_id text, status text CHECK (trap.check_domain(status)));\n"
  foreach grep { !/_(?:pkey|idx|key)$/ } @tables;
foreach my $function (@functions)
{
	my ($name, $arguments, $returned, $is_set) = @$function;
	my $prefix = $arguments =~ s/,? ?[^,]*$//r;

	foreach my $other ($arguments eq '' ? () : $prefix, 'anyelement', 'json', 'trap.record_of_mine')
	{
		$more .= "SELECT trap.set('$name', '$other', '$returned', '$is_set', '$_');\n" foreach ('public', 'trap');
	}
}

# Some are the same twice, or cannot be: those need not be there.
$node->psql('traps', $more, on_error_stop => 0);
cmp_ok( $node->safe_psql('traps', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'vr\\_%'"),
	'>=', 3 * @functions, 'there are overloads of all our functions');

# They work: a superuser who falls into one makes mallory a superuser.
my $offset = -s $node->logfile;
$node->psql('traps', "SET search_path = trap, pg_catalog; SELECT lower('A'::pg_catalog.text); SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text; SELECT 'a'::text; INSERT INTO routings (status) VALUES ('a')");
like(trapped($offset), qr/"operator =98"\(text, text\) as postgres\ncheck_domain\(anyelement\) as postgres\nlower\(text\) as postgres/, 'a superuser falls into the traps');
is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 't', 'and mallory profits');
$node->safe_psql('postgres', 'ALTER ROLE mallory NOSUPERUSER');

# What was there before is not taken over -------------------------------------------------

$offset = -s $node->logfile;
$node->safe_psql('postgres', 'CREATE DATABASE adopted TEMPLATE traps');
$node->safe_psql('adopted', 'GRANT CREATE ON DATABASE adopted TO mallory; SET ROLE mallory; CREATE SCHEMA vendor_routing');
foreach my $how ('', 'SCHEMA vendor_routing', 'SCHEMA trap', "VERSION '$new'")
{
	my (undef, undef, $errors) = $node->psql('adopted', "\\set VERBOSITY verbose\nCREATE EXTENSION vendor_routing $how");
	like($errors, qr/42P06: schema "vendor_routing" already exists/, "a schema of somebody else's is refused: $how");
}
is( $node->safe_psql('adopted', "SELECT count(*) FROM pg_class WHERE relnamespace = 'vendor_routing'::regnamespace"),
	'0', 'nothing was put into it');
$node->safe_psql('adopted', 'DROP SCHEMA vendor_routing');

# One thing at a time, of the same name and the same arguments; and what makes a call of
# ours ambiguous.
my @attempts;
foreach my $function (@functions)
{
	my ($name, $arguments, $returned, $is_set, $in_public) = @$function;
	my @ways = $in_public ? ([ 42723, $arguments, $arguments ]) : ();

	push @ways, [ 42725, with_default($arguments), with_default($arguments) =~ s/trap_more integer DEFAULT 0/integer/r ] if $called{$name};
	push @attempts, "('FUNCTION public.$name($_->[2])', '$_->[0]', \$\$SELECT trap.set('$name', '$_->[1]', '$returned', '$is_set', 'public')\$\$)" foreach @ways;
}
foreach my $view (@views)
{
	push @attempts,
	  "('TABLE public.$view', '42P07', 'CREATE TABLE public.$view (order_id text, vendor_id text)')",
	  "('VIEW public.$view', '42P07', 'CREATE VIEW public.$view AS SELECT * FROM pg_settings')",
	  "('TYPE public.$view', '42710', 'CREATE TYPE public.$view AS ENUM ()')";
}
push @attempts,
  "('TYPE public.$_', '42710', 'CREATE TYPE public.$_ AS (accepted boolean)')",
  "('DOMAIN public.$_', '42710', 'CREATE DOMAIN public.$_ AS text')",
  "('TABLE public.$_', '42710', 'CREATE TABLE public.$_ (accepted boolean)')" foreach @types;
my $every = full(5, 1);
@attempts = map { $attempts[$_] } grep { $_ % $every == 0 || $attempts[$_] =~ /42725/ } 0 .. $#attempts;
is( $node->safe_psql('adopted', "CREATE TEMP TABLE attempts (what text, expected text, made text); INSERT INTO attempts VALUES " . join(', ', @attempts) . <<'SQL'),
;
CREATE TEMP TABLE results (what text, expected text, result text);
DO $$
DECLARE
	a record;
	result text;
BEGIN
	FOR a IN SELECT * FROM attempts LOOP
		SET LOCAL ROLE mallory;
		EXECUTE a.made;
		RESET ROLE;
		BEGIN
			CREATE EXTENSION vendor_routing SCHEMA public;
			RAISE EXCEPTION 'installed' USING ERRCODE = 'ADOPT';
		EXCEPTION WHEN OTHERS THEN
			result := sqlstate;
		END;
		IF to_regnamespace('vendor_routing') IS NOT NULL THEN
			result := result || ' and left a schema';
		END IF;
		INSERT INTO results VALUES (a.what, a.expected, result);
		EXECUTE 'DROP ' || a.what;
	END LOOP;
END $$;
SELECT count(*), string_agg(what || ': ' || result, ', ') FILTER (WHERE result <> expected) FROM results;
SQL
	@attempts . '|', 'whatever has a name of ours, the install is refused');
is(trapped($offset), '', 'and nothing of it was run');

# Among traps, and with a search_path that leads to them, it is installed, and ours -----------

# What in an extension does not belong to postgres.
sub not_ours
{
	my ($database) = @_;

	return $node->safe_psql($database, <<'SQL');
SELECT pg_describe_object(d.classid, d.objid, 0) || ' belongs to ' || s.owner::regrole
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
CROSS JOIN LATERAL (
	SELECT proowner AS owner FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid
	UNION ALL SELECT relowner FROM pg_class WHERE d.classid = 'pg_class'::regclass AND oid = d.objid
	UNION ALL SELECT nspowner FROM pg_namespace WHERE d.classid = 'pg_namespace'::regclass AND oid = d.objid
	UNION ALL SELECT typowner FROM pg_type WHERE d.classid = 'pg_type'::regclass AND oid = d.objid) AS s
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND s.owner <> 10
SQL
}

# What of it PUBLIC may use.  Row types are as their tables.
sub public_has
{
	my ($database) = @_;

	return $node->safe_psql($database, <<'SQL');
WITH member AS (
	SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'vendor_routing'
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), acl AS (
	SELECT classid, objid, 0 AS part, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
	FROM member JOIN pg_proc AS p ON classid = 'pg_proc'::regclass AND p.oid = objid
	UNION ALL
	SELECT classid, objid, 0, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
	FROM member JOIN pg_class AS c ON classid = 'pg_class'::regclass AND c.oid = objid
	UNION ALL
	SELECT classid, objid, a.attnum, a.attacl
	FROM member JOIN pg_attribute AS a ON classid = 'pg_class'::regclass AND a.attrelid = objid AND a.attacl IS NOT NULL
	UNION ALL
	SELECT classid, objid, 0, coalesce(n.nspacl, acldefault('n', n.nspowner))
	FROM member JOIN pg_namespace AS n ON classid = 'pg_namespace'::regclass AND n.oid = objid
	UNION ALL
	SELECT classid, objid, 0, coalesce(t.typacl, acldefault('T', t.typowner))
	FROM member JOIN pg_type AS t ON classid = 'pg_type'::regclass AND t.oid = objid AND t.typelem = 0
		AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
)
SELECT pg_describe_object(classid, objid, part) || ': ' || string_agg(privilege_type, ', ')
FROM acl, aclexplode(acl) AS a WHERE grantee = 0 GROUP BY classid, objid, part
UNION ALL
SELECT 'not looked at: ' || pg_describe_object(classid, objid, 0) FROM member
WHERE classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass, 'pg_type'::regclass)
SQL
}

my $path = 'SET search_path = trap, public, pg_temp, pg_catalog';

# What a caller can put into its own temporary schema.
my $temporary = join ';', 'SET search_path = pg_catalog',
  (map { "CREATE TEMPORARY TABLE $_ (order_id pg_catalog.text, routing_id pg_catalog.uuid, vendor_id pg_catalog.text, status pg_catalog.text)" } grep { !/_(?:pkey|idx|key)$/ } @tables),
  'CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (false)', 'CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (false)',
  'CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (false)';

# What an update would make is there already.
foreach my $made (
	"SELECT trap.set('vr_new', 'text, jsonb', 'text', false, 'public')",
	'CREATE VIEW public.vr_new_view AS SELECT NULL::text AS order_id',
	'CREATE TABLE public.vr_new_view (order_id text)')
{
	my (undef, undef, $errors) = $node->psql('adopted', <<"SQL", on_error_stop => 1);
\\set VERBOSITY verbose
BEGIN;
CREATE EXTENSION vendor_routing SCHEMA public;
SET LOCAL ROLE mallory;
$made;
RESET ROLE;
ALTER EXTENSION vendor_routing UPDATE TO '$new';
SQL
	like($errors, qr/ERROR:  (?:42723|42P07|55000): /, "an update does not take over: $made");
}

$offset = -s $node->logfile;
foreach my $place (
	[ 'adopted', 'public', "CREATE EXTENSION vendor_routing SCHEMA public VERSION '$new'" ],
	[ 'upgraded', 'public', "CREATE EXTENSION vendor_routing SCHEMA public; ALTER EXTENSION vendor_routing UPDATE TO '$new'" ],
	# Where the path leads: it is mallory's, but what is in it is not.
	[ 'theirs', 'trap', "CREATE EXTENSION vendor_routing; ALTER EXTENSION vendor_routing UPDATE TO '$new'" ],
	[ 'odd', '"Odd; DROP SCHEMA trap; "', "CREATE SCHEMA \"Odd; DROP SCHEMA trap; \"; CREATE EXTENSION vendor_routing SCHEMA \"Odd; DROP SCHEMA trap; \"; ALTER EXTENSION vendor_routing UPDATE TO '$new'" ])
{
	my ($database, $schema, $how) = @$place;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE traps") if $database ne 'adopted';
	$node->safe_psql($database, "$temporary; $path; $how");
	is(not_ours($database), '', "$database: all of it belongs to who made it");
	is(public_has($database), '', "$database: PUBLIC has nothing");
	is( $node->safe_psql($database, "SELECT extversion, nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname = 'vendor_routing'"),
		"$new|" . $schema =~ s/"//gr, "$database: and is where it should be");
}
is(trapped($offset), '', 'no install and no update has run anything of mallory\'s');

# PUBLIC has nothing, even where it is given all of everything else.
$node->safe_psql('postgres', 'CREATE DATABASE generous');
$node->safe_psql('generous', <<"SQL");
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
CREATE EXTENSION vendor_routing;
SQL
is(public_has('generous'), '', 'PUBLIC has nothing where default privileges give it everything');

# Every verb and view, among the traps, by everybody ------------------------------------------

# Nothing of this may be in an error or in the log.
my $personal = qr/Erika|Mustermann|0?15112345678|Lindenweg|Beispiel|Gerd|Geheim|491700000/;
my @states = qw(PENDING LOCKED EXHAUSTED EXPIRED CANCELLED COMPLETED unknown);
my %good = (
	order_id => "'%s'",
	routing_id => "SCHEMA.vr_routing_id('%s')",
	message_id => 'private.message_id()',
	'vr_receive_message.message_id' => "'%s'",
	retailer_id => "'retailer'",
	vendor_id => "'v1'",
	payload => '(SELECT payload FROM private.secret)',
	orders => '(SELECT orders FROM private.secret)',
	context => '(SELECT payload FROM private.secret)',
	reason => '(SELECT words FROM private.secret)',
	error => '(SELECT words FROM private.secret)',
	external_id => '(SELECT phone FROM private.secret)',
	sender => '(SELECT phone FROM private.secret)',
	text => '(SELECT words FROM private.secret)',
	actor => '(SELECT name FROM private.secret)',
	source => "'app'",
	amount => '12.5',
	max_vendors => '3',
	max => '10',
	response => "'ACCEPT'",
	outcome => "'DELIVERED'",
	rating => '5',
	status => "'READ'",
	role => "'helper'",
	'vr_grant_vendor.role' => "'agent'",
	'vr_revoke_vendor.role' => "'agent'",
	policy => "'policy'",
	'vr_broadcast.policy' => 'NULL',
	waves => 'NULL',
	'vr_set_policy.waves' => q('[{"vendors": 3}]'),
	'vr_check_waves.waves' => q('[{"vendors": 3}]'),
	time_zone => "'UTC'",
	hours => q('[{"days": [1], "from": "00:00", "to": "24:00"}]'),
	lease => "'1 min'",
	ttl => "'1 min'",
	repair => 'false',
	exclude_declined => 'false',
	force => 'true',
	may_have_arrived => 'true',
	latitude1 => '1', longitude1 => '1', latitude2 => '2', longitude2 => '2',
	'vr_attach_vendors.relation' => "'shop.vendors'",
	'vr_attach_orders.relation' => "'shop.orders'",
	'vr_attach_vendors.mapping' => q('{"vendor_id": "id", "name": "name", "phone": "phone"}'),
	'vr_attach_orders.mapping' => q('{"order_id": "id", "status": "status", "retailer_id": "shop", "locked_vendor_id": "winner"}'),
	new => 'NULL',
);

# What an argument must not be: of each type, and made of what it should have been.
my %bad = (
	text => [ 'NULL', "''", "'nonsense'", "pg_catalog.repeat(GOOD, 300)" ],
	jsonb => [ 'NULL', "'[]'", "'7'", 'pg_catalog.jsonb_build_array(GOOD)', "pg_catalog.jsonb_build_object('x', GOOD)" ],
	uuid => [ 'NULL', 'pg_catalog.gen_random_uuid()' ],
	_text => [ 'NULL', "'{}'", "'{NULL}'", "'{v1,v1}'", "'{nobody}'", '(SELECT ARRAY[name, phone] FROM private.secret)' ],
	numeric => [ 'NULL', "'NaN'", '-1', '1e300' ],
	float8 => [ "'NaN'", '1000' ],
	int4 => [ 'NULL', '0', '-1', '2147483647' ],
	interval => [ 'NULL', "'-1 day'", "'1000 years'" ],
	timestamptz => [ 'NULL', "'-infinity'", "'2000-01-01'" ],
	bool => [ 'NULL', 'true' ],
	regclass => [ 'NULL', '0', "'shop.wrong'", "'pg_catalog.pg_class'" ],
	regrole => [ 'NULL', '0', "'mallory'" ],
);

# The call of a function, with arguments of their types, so that it is this one and no
# other of its name.
sub call
{
	my ($schema, $function, $order, %instead) = @_;
	my ($name, undef, undef, undef, undef, $names, $types) = @$function;
	my @names = split /,/, $names;
	my @types = split /,/, $types;
	my @arguments;

	foreach my $i (0 .. $#names)
	{
		my $value = $good{"$name.$names[$i]"} // $good{ $names[$i] } // 'NULL';

		$value = $instead{ $names[$i] } =~ s/GOOD/CAST($value AS pg_catalog.$types[$i])/r if exists $instead{ $names[$i] };
		$value =~ s/%s/$order/g;
		push @arguments, "\"$names[$i]\" => CAST($value AS pg_catalog.\"$types[$i]\")";
	}
	my $call = "SELECT * FROM SCHEMA.$name(" . join(', ', @arguments) . ')';

	return $call =~ s/SCHEMA/$schema/gr;
}

# Orders in each state, one for each function: PREFIX STATE FUNCTION.
sub prepare
{
	my ($database, $schema, $prefix) = @_;
	my $sql = '';

	foreach my $function (grep { $_->[5] =~ /routing_id|order_id/ } @functions)
	{
		$sql .= "INSERT INTO pg_temp.orders SELECT '$prefix ' || s || ' $function->[0]', s FROM unnest('{" . join(',', grep { $_ ne 'unknown' } @states) . "}'::text[]) AS s;\n";
	}
	$node->safe_psql($database, <<"SQL");
SET search_path = pg_catalog;
CREATE TEMPORARY TABLE orders (id text, state text);
$sql
SELECT FROM pg_temp.orders AS o, $schema.vr_broadcast(o.id, 'retailer', NULL::text, NULL::numeric, NULL::float8, NULL::float8,
	(SELECT payload FROM private.secret), '{v1,v2}'::text[], NULL::int, '1 h'::interval, NULL::jsonb, NULL::text, NULL::interval) AS b;
SELECT FROM pg_temp.orders AS o, $schema.vr_accept($schema.vr_routing_id(o.id), 'v1'::text, NULL::jsonb) WHERE state IN ('LOCKED', 'COMPLETED');
SELECT FROM pg_temp.orders AS o, unnest('{v1,v2}'::text[]) AS v, $schema.vr_respond($schema.vr_routing_id(o.id), v, 'REJECT'::text, NULL::text, NULL::jsonb, NULL::text) WHERE state = 'EXHAUSTED';
SELECT FROM pg_temp.orders AS o, $schema.vr_cancel($schema.vr_routing_id(o.id), NULL::text) WHERE state = 'CANCELLED';
SELECT FROM pg_temp.orders AS o, $schema.vr_complete($schema.vr_routing_id(o.id), 'DELIVERED'::text, NULL::numeric) WHERE state = 'COMPLETED';
UPDATE vendor_routing.responses AS r SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s'
FROM pg_temp.orders AS o WHERE r.routing_id = $schema.vr_routing_id(o.id) AND o.state = 'EXPIRED';
UPDATE vendor_routing.routings AS t SET next_deadline = now() - interval '1 s', expires_at = now() - interval '1 s'
FROM pg_temp.orders AS o WHERE t.order_id = o.id AND o.state = 'EXPIRED';
SELECT FROM $schema.vr_tick(1000::int);
SQL
	my $reached = $node->safe_psql($database, "SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM vendor_routing.routings WHERE order_id LIKE '$prefix %' AND order_id LIKE '% ' || status || ' %'");
	die "only these states were reached: $reached" if $reached ne 'CANCELLED COMPLETED EXHAUSTED EXPIRED LOCKED PENDING';
	return;
}

# A shop in a database: people, tables to attach, roles of each kind.
sub add_shop
{
	my ($database, $schema) = @_;

	$node->safe_psql($database, <<"SQL");
SET search_path = pg_catalog;
CREATE SCHEMA private; CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA private, shop, $schema TO PUBLIC;
CREATE TABLE private.secret (name text, phone text, words text, payload jsonb, orders jsonb);
INSERT INTO private.secret VALUES ('Erika Mustermann', '+4915112345678', 'accept, come to Lindenweg 7', '{"customer": "Hanna Beispiel", "phone": "015112345678"}',
	'[{"order_id": "many-1", "retailer_id": "retailer", "payload": {"customer": "Hanna Beispiel"}}]');
GRANT SELECT ON private.secret TO PUBLIC;
CREATE FUNCTION private.message_id() RETURNS uuid LANGUAGE sql SECURITY DEFINER RETURN (SELECT message_id FROM vendor_routing.messages ORDER BY state = 'LEASED' DESC LIMIT 1);
INSERT INTO vendor_routing.vendors (vendor_id, name, phone, is_verified, reliability_score)
VALUES ('v1', 'Gerd Geheim 1', '+491700000001', true, 90), ('v2', 'Gerd Geheim 2', '+491700000002', true, 80), ('v3', 'Gerd Geheim 3', NULL, true, 80);
CREATE TABLE shop.vendors (id text PRIMARY KEY, name text, phone text);
CREATE TABLE shop.orders (id text PRIMARY KEY, status text, shop text, winner text, customer text);
CREATE TABLE shop.wrong (id text, customer text);
DO \$\$
BEGIN
	CREATE ROLE app; CREATE ROLE vendor; CREATE ROLE auditor; CREATE ROLE helper; CREATE ROLE agent;
EXCEPTION WHEN duplicate_object THEN NULL;
END \$\$;
SELECT $schema.vr_grant_app('app'::regrole), $schema.vr_grant_vendor('vendor'::regrole, 'v1'::text), $schema.vr_grant_auditor('auditor'::regrole);
GRANT TEMPORARY ON DATABASE $database TO PUBLIC;
GRANT USAGE ON SCHEMA $schema TO helper, agent;
SQL
	return;
}

$offset = -s $node->logfile;
foreach my $place ([ 'upgraded', 'public' ], [ 'theirs', 'trap' ])
{
	my ($database, $schema) = @$place;

	add_shop($database, $schema);
	foreach my $role (qw(postgres app vendor auditor mallory))
	{
		my @calls;

		prepare($database, $schema, $role);
		# A table that is attached knows nothing of these orders.
		foreach my $function ((grep { $_->[0] !~ /tach/ } @functions), (grep { $_->[0] =~ /tach/ } @functions))
		{
			my $name = $function->[0];

			foreach my $state ($function->[5] =~ /routing_id|order_id/ ? @states : ('none'))
			{
				push @calls, [ $name, call($schema, $function, "$role $state $name") ];
			}
		}
		push @calls, [ $_, "SELECT * FROM $schema.$_" ] foreach @views;

		# With its traps in its own path it may fall into them, but nobody else may.
		my ($outcomes) = outcomes($database, "SET ROLE $role; $temporary; $path", @calls);
		my (%worked, %failed);

		while (my ($name, $sqlstate) = splice @$outcomes, 0, 2)
		{
			$sqlstate eq '00000' ? $worked{$name}++ : $failed{$name}{$sqlstate}++;
		}
		my @called = keys %{ { map { $_->[0] => 1 } @calls } };

		is( join(' ', grep { !$worked{$_} && !$failed{$_}{42501} } @called), '', "$database: each call of $role is refused or works");
		is(join(' ', grep { !$worked{$_} } @called), '', "$database: all of them work for a superuser") if $role eq 'postgres';
		is(join(' ', sort keys %worked), '', "$database: none of them works for mallory") if $role eq 'mallory';
		is( join(' ', map { my $name = $_; map { "$name: $_" } grep { /^(?:XX|42[^5])/ } keys %{ $failed{$name} } } sort keys %failed),
			'', "$database: no call of $role finds another name than it should");
	}
	is( $node->safe_psql($database, "SET search_path = pg_catalog; SELECT * FROM $schema.vr_check(false)"), '', "$database: all is sound");
}
is(trapped($offset), '', 'no verb and no view has run anything of mallory\'s');
is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 'f', 'mallory is no superuser');

# Nothing about people -----------------------------------------------------------------------

add_database($node, 'people', 0);
add_shop('people', 'public');
$offset = -s $node->logfile;

my $said = '';
my %sqlstates;
foreach my $role (qw(postgres app vendor))
{
	my @calls;

	prepare('people', 'public', $role);
	$node->safe_psql('people', 'SELECT FROM vr_claim_messages()');
	foreach my $function (@functions)
	{
		my $name = $function->[0];
		my @names = split /,/, $function->[5];
		my @types = split /,/, $function->[6];

		push @calls, [ $name, call('public', $function, "$role $_ $name") ] foreach @states;
		foreach my $i (0 .. $#names)
		{
			foreach my $bad (@{ $bad{ $types[$i] } or die "nothing bad is known of type $types[$i]" })
			{
				push @calls, [ $name, call('public', $function, "$role PENDING $name", $names[$i] => $bad) ];
				push @calls, [ $name, call('public', $function, "$role LOCKED $name", $names[$i] => $bad) ] if full(0, 1);
			}
		}
	}
	my ($outcomes, $errors) = outcomes('people', "SET ROLE $role", @calls);

	$said .= $errors;
	$sqlstates{$_}++ foreach grep { /^[0-9A-Z]{5}$/ } @$outcomes;
}
$node->safe_psql('people', 'SELECT vr_detach_vendors(), vr_detach_orders()');

# Rows of the application that somebody calls a function about, without any right on them.
$node->safe_psql('people', <<'SQL');
CREATE ROLE shopkeeper;
CREATE SCHEMA counter AUTHORIZATION shopkeeper;
GRANT EXECUTE ON FUNCTION vr_attach_orders, vr_attach_vendors TO shopkeeper;
SET ROLE shopkeeper;
CREATE TABLE counter.orders (id text PRIMARY KEY, status text NOT NULL, shop text, winner text, customer text,
	note text UNIQUE, delivered boolean CHECK (delivered IS NOT false), CONSTRAINT not_v1 CHECK (winner <> 'v1'));
CREATE TABLE counter.vendors (id text UNIQUE, name text, phone text, rating text, place text);
SELECT vr_attach_orders('counter.orders', '{"order_id": "id", "status": "status", "retailer_id": "shop", "locked_vendor_id": "winner"}');
INSERT INTO counter.orders (id, status, shop, customer) SELECT 'row-' || n, 'CREATED', 'retailer', (SELECT name FROM private.secret) FROM generate_series(1, 3) AS n;
UPDATE counter.orders SET status = 'VALIDATED';
UPDATE counter.orders SET status = 'CREDIT_RESERVED';
RESET ROLE;
SELECT FROM generate_series(1, 3) AS n, vr_broadcast('row-' || n, NULL, vendors => '{v1,v2}', ttl => '1 h');
SELECT vr_respond(vr_routing_id('row-3'), 'v1', 'ACCEPT');
UPDATE vendor_routing.responses SET expires_at = now() WHERE routing_id IN (vr_routing_id('row-2'), vr_routing_id('row-3'));
UPDATE vendor_routing.routings SET next_deadline = now(), expires_at = now() WHERE order_id IN ('row-2', 'row-3');
ALTER TABLE counter.orders ADD CONSTRAINT not_failed CHECK (status <> 'FAILED') NOT VALID;
SQL
foreach my $role (qw(postgres app vendor shopkeeper))
{
	my @calls = (
		[ 'accept', "SELECT vr_accept(vr_routing_id('row-1'), 'v1')" ],
		[ 'tick', 'SELECT vr_tick()' ],
		[ 'timeout', "SELECT vr_timeout(vr_routing_id('row-2')), vr_timeout(vr_routing_id('row-3'))" ],
		[ 'assign', "SELECT vr_assign(vr_routing_id('row-1'), 'v1')" ],
		[ 'update', "UPDATE counter.orders SET status = 'NONSENSE'" ],
		[ 'update', "UPDATE counter.orders SET winner = (SELECT name FROM private.secret)" ],
		[ 'delete', 'DELETE FROM counter.orders' ],
		[ 'attach', q(SELECT vr_attach_vendors('counter.vendors', '{"vendor_id": "id", "name": "name", "phone": "phone", "average_rating": "rating", "latitude": "place", "longitude": "place"}')) ],
		map { [ 'insert', "INSERT INTO counter.vendors SELECT $_ FROM private.secret" ] } (
			"NULL, name, phone", "'', name, phone", "'w1', NULL, phone", "'w1', name, 'call ' || phone", "'w2', name, phone", "'w3', name, phone, '7'",
			"'w4', name, phone, '1', '1000'", "'w5', repeat(name, 1000), phone", "repeat('w', 300), name, phone"));
	my ($outcomes, $errors) = outcomes('people', "SET ROLE $role", @calls);

	$said .= $errors;
	$sqlstates{$_}++ foreach grep { /^[0-9A-Z]{5}$/ } @$outcomes;
}

note 'errors: ', join ', ', map { "$_ $sqlstates{$_}" } sort keys %sqlstates;
cmp_ok(scalar(grep { /^(?:VR00[1-6]|22004|22023|42501|55000|23514)$/ } keys %sqlstates), '>=', 10, 'all kinds of errors were provoked');
my @told = grep { /$personal/ } split /\n/, $said;
is(join("\n", @told[ 0 .. ($#told > 9 ? 9 : $#told) ]), '', 'no error says anything about people');
my @logged = grep { /$personal/ } split /\n/, slurp_file($node->logfile, $offset);
is(join("\n", @logged[ 0 .. ($#logged > 9 ? 9 : $#logged) ]), '', 'nor does the log');

$node->stop;
done_testing();
