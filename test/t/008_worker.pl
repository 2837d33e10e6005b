# The background worker does what is due, in time, by itself, and stands in
# nobody's way; without it, vr_tick called by hand does the same.
#
# Catches: a worker that is late, that sleeps over a deadline it could know of,
# that dies of one bad order, that keeps others from dropping, copying or renaming
# its database, that floods the log, that needs more rights than it says, that
# does not come back, or comes where it is not wanted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $preload = "shared_preload_libraries = 'vendor_routing'\n";
my $orders = 5000;    # due at once, with ten offers each
my $spare = 10;       # seconds for them, beside the naptime: much for a quiet machine

my $node = new_node('worker',
	conf => $preload . "vendor_routing.worker_databases = 'served'\n");

sub ask
{
	my ($query, $database) = @_;

	return $node->safe_psql($database // 'served', $query);
}

sub poll
{
	my ($query, $what, $database) = @_;

	$node->poll_query_until($database // 'postgres', $query)
	  or die "does not happen: $what";
	return;
}

# Changes settings of the server, each to a literal, and reloads.
sub configure
{
	my (%settings) = @_;

	$node->safe_psql('postgres',
		join("\n",
			map { "ALTER SYSTEM SET vendor_routing.$_ = $settings{$_};" }
			  sort keys %settings)
		  . "\nSELECT pg_reload_conf();");
	return;
}

sub workers_of
{
	my ($database) = @_;

	return " FROM pg_stat_activity WHERE backend_type = 'vendor_routing worker'"
	  . " AND datname = '$database'";
}

# Waits for a worker of a database that is not this old one, and returns its pid.
sub wait_for_worker
{
	my ($database, $old) = @_;
	my $new = workers_of($database) . ' AND pid <> ' . ($old // 0);

	poll("SELECT count(*) = 1 $new", "a worker of $database");
	return ask("SELECT pid $new", 'postgres');
}

sub wait_for_no_worker
{
	my ($database) = @_;

	poll('SELECT count(*) = 0' . workers_of($database),
		"no worker of $database");
	return;
}

# Waits until the worker has been through a pass that it began after this call.
sub wait_for_pass
{
	my ($database) = @_;
	my $now = ask('SELECT clock_timestamp()', 'postgres');

	poll("SELECT count(*) = 1"
		  . workers_of($database)
		  . " AND state = 'idle' AND query_start > '$now'",
		"a pass of the worker of $database");
	return;
}

# What the worker of a database says it does.
sub wait_for_activity
{
	my ($database, $activity) = @_;

	poll('SELECT count(*) = 1'
		  . workers_of($database)
		  . " AND state = 'idle' AND query = '$activity'",
		"the worker of $database: $activity");
	return;
}

sub log_position
{
	return -s $node->logfile;
}

sub times_in_log
{
	my ($regexp, $position) = @_;
	my $count = () = slurp_file($node->logfile, $position) =~ /$regexp/g;

	return $count;
}

# Offers an order to two vendors.
sub broadcast
{
	my ($order, $ttl, $database) = @_;

	ask("SELECT * FROM vr_broadcast('$order', 'retailer-1', max_vendors => 2, ttl => '$ttl')",
		$database);
	return;
}

sub status_of
{
	my ($order, $database) = @_;

	return ask("SELECT status FROM vendor_routing.routings WHERE order_id = '$order'",
		$database);
}

sub wait_until_exhausted
{
	my ($order, $database) = @_;

	poll("SELECT status = 'EXHAUSTED' FROM vendor_routing.routings WHERE order_id = '$order'",
		"$order is done", $database // 'served');
	return;
}

# An order is done without anybody asking for it.
sub is_served
{
	my ($order, $what, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	broadcast($order, '10 ms', $database);
	wait_until_exhausted($order, $database);
	is( ask("SELECT event_type, count(*) FROM vendor_routing.events WHERE order_id = '$order' GROUP BY 1 ORDER BY 1",
			$database),
		"ORDER_EXHAUSTED|1\nVENDOR_BROADCAST_INITIATED|1\nVENDOR_TIMED_OUT|2",
		"$what: the worker does what is due, once");
	return;
}

#-------------------------------------------------------------------------
# It starts, and can be seen
#-------------------------------------------------------------------------

my $launcher =
  "FROM pg_stat_activity WHERE backend_type = 'vendor_routing launcher' AND state = 'idle'";

poll("SELECT count(*) = 1 $launcher", 'the launcher starts');
is( ask("SELECT datname, application_name, query $launcher", 'postgres'),
	'|vendor_routing launcher|looking after workers',
	'the launcher can be seen, and is in no database');

ask('CREATE DATABASE served', 'postgres');
my $pid = wait_for_worker('served');
wait_for_activity('served', 'idle: the extension is not in this database');
is( ask('SELECT backend_type, application_name, usename, state' . workers_of('served')),
	'vendor_routing worker|vendor_routing worker|postgres|idle',
	'the worker can be seen, also where the extension is not');

add_database($node, 'extended', 10);
ask('CREATE EXTENSION vendor_routing');
ask(<<'SQL');
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, reliability_score)
SELECT 'vendor-' || n, 'Vendor ' || n, true, 50 - n
  FROM generate_series(1, 10) AS n;
SQL
wait_for_activity('served', 'waiting for what is due next');
is(wait_for_worker('served'), $pid,
	'the worker notices that the extension is there now');
is_served('first', 'new extension');
is(ask("SELECT count(*)" . workers_of('extended')),
	0, 'a database that is not in the list has no worker');

#-------------------------------------------------------------------------
# Many at once
#-------------------------------------------------------------------------

# They become due at the moment at which this is committed, and the worker, which
# knows of no deadline near, has to find them.
invite_orders($node, 'served', 'many', $orders);
my $due_at = ask(<<'SQL') =~ s/^\s+|\s+$//gr;
BEGIN;
UPDATE vendor_routing.responses SET expires_at = offered_at + '1 us'
 WHERE response IS NULL;
UPDATE vendor_routing.routings SET next_deadline = created_at
 WHERE status = 'PENDING';
SELECT clock_timestamp();
COMMIT;
SQL
poll("SELECT count(*) = 0 FROM vendor_routing.routings WHERE status = 'PENDING'",
	'many orders are done', 'served');
my ($closed, $last) = split /\|/, ask(<<"SQL");
SELECT count(*), extract(epoch FROM max(responded_at) - '$due_at')
  FROM vendor_routing.responses JOIN vendor_routing.routings USING (routing_id)
 WHERE order_id LIKE 'many-%' AND response = 'TIMEOUT';
SQL
my $naptime = ask("SELECT setting / 1000.0 FROM (SELECT setting::int FROM pg_settings WHERE name = 'vendor_routing.worker_naptime') AS s");

note "the last of $closed offers was closed after $last s";
is($closed, 10 * $orders, 'many at once: every offer is closed');
cmp_ok($last, '<=', $naptime + $spare,
	"many at once: within the naptime and $spare s");
is( ask("SELECT DISTINCT event_type, count(*) FROM vendor_routing.events WHERE order_id LIKE 'many-%' AND event_type <> 'VENDOR_BROADCAST_INITIATED' GROUP BY order_id, event_type ORDER BY 1"
	),
	"ORDER_EXHAUSTED|1\nVENDOR_TIMED_OUT|10",
	'many at once: every one with its events, once');
is(wait_for_worker('served'), $pid, 'many at once: the worker is the same');

#-------------------------------------------------------------------------
# It wakes when something is due
#-------------------------------------------------------------------------

# A reload makes it look; then it knows of the deadline, long before its naptime
# is over.
configure(worker_naptime => "'10min'");
wait_for_activity('served', 'waiting for what is due next');
broadcast('awaited', '1500 ms');
configure(worker_naptime => "'11min'");
wait_until_exhausted('awaited');
$last = ask(<<'SQL');
SELECT max(extract(epoch FROM responded_at - r.expires_at))
  FROM vendor_routing.responses AS r JOIN vendor_routing.routings USING (routing_id)
 WHERE order_id = 'awaited';
SQL
note "an offer was closed $last s after its deadline";
cmp_ok($last, '>=', 0, 'an offer is not closed early');
cmp_ok($last, '<=', $spare,
	'the worker wakes when an offer ends, not when its naptime does');
is(wait_for_worker('served'), $pid, 'a reload leaves the worker as it is');
configure(worker_naptime => "'100ms'");

#-------------------------------------------------------------------------
# An order that cannot be done
#-------------------------------------------------------------------------

ask(<<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.order_id = 'bad-3' THEN
		RAISE 'not this one' USING DETAIL = 'It is bad.';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE UPDATE ON vendor_routing.routings
	FOR EACH ROW EXECUTE FUNCTION refuse();
SQL
my $position = log_position();
ask("SELECT count(*) FROM generate_series(1, 5) AS n, vr_broadcast('bad-' || n, 'retailer-1', ttl => '10 ms')");
wait_until_exhausted("bad-$_") foreach 1, 2, 4, 5;
pass('a bad order: the others are done');
my $id = ask("SELECT vr_routing_id('bad-3')");
$node->wait_for_log(
	qr/WARNING:  routing "$id" is due, and failed: not this one\n.*DETAIL:  It is bad\./,
	$position);
pass('a bad order: the log says which, and why');
wait_for_pass('served') foreach 1 .. 3;
is(status_of('bad-3'), 'PENDING', 'a bad order: it stays as it was');
is( ask("SELECT count(response), count(*) FROM vendor_routing.responses WHERE routing_id = '$id'"),
	'0|10',
	'a bad order: nothing of it is half done');
is(wait_for_worker('served'), $pid, 'a bad order: the worker survives');
ask('DROP TRIGGER refuse ON vendor_routing.routings');
wait_until_exhausted('bad-3');
pass('a bad order: it is done when the trigger is gone');

#-------------------------------------------------------------------------
# Ends and beginnings
#-------------------------------------------------------------------------

ask("SELECT pg_terminate_backend($pid)");
$pid = wait_for_worker('served', $pid);
pass('after its end, a new worker comes');
is_served('after-end', 'after its end');

ask("SET lock_timeout = '10s'; DROP EXTENSION vendor_routing");
wait_for_activity('served', 'idle: the extension is not in this database');
ask('CREATE EXTENSION vendor_routing');
ask("INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) SELECT 'vendor-' || n, 'V', true FROM generate_series(1, 10) AS n");
is_served('recreated', 'extension dropped and created again');
# A worker that was in the middle of a tick has ended with the tables, and another
# has come.
$pid = wait_for_worker('served');

broadcast('while-down', '10 ms');
$node->restart;
wait_for_worker('served');
wait_until_exhausted('while-down');
is_served('restarted', 'server restarted');

# A launcher that ends is started again, and has to do with workers that it did
# not start.
my $old_launcher = ask("SELECT pid $launcher", 'postgres');

ask("SELECT pg_terminate_backend($old_launcher)", 'postgres');
poll("SELECT count(*) = 1 $launcher AND pid <> $old_launcher",
	'a new launcher');
configure(worker_databases => "'served', 'extended'");
wait_for_worker('extended');
is_served('relaunched', 'launcher started again', 'extended');
is(ask('SELECT count(*)' . workers_of('served')),
	1, 'launcher started again: no database has two workers');
configure(worker => "'off'");
{
	local $PostgreSQL::Test::Utils::timeout_default = 20;

	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'vendor_routing worker'"
		),
		'launcher started again: worker = off ends all workers');
}
ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'vendor_routing worker'",
	'postgres');
wait_for_no_worker('served');
configure(worker => "'on'", worker_databases => "'served'");
wait_for_worker('served');

#-------------------------------------------------------------------------
# Who wants the database for itself
#-------------------------------------------------------------------------

# Each of these waits five seconds for others to leave, and fails then.
sub runs
{
	my ($statement) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', $statement);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("$status $errors", '0 ', $statement);
	return;
}

$pid = wait_for_worker('served');
runs('CREATE DATABASE copy TEMPLATE served');
$pid = wait_for_worker('served', $pid);
runs('ALTER DATABASE served RENAME TO renamed');
wait_for_no_worker('renamed');
pass('a database that is not in the list any more loses its worker');
runs('ALTER DATABASE renamed RENAME TO served');
$pid = wait_for_worker('served');
is_served('renamed-back', 'database renamed and renamed back');

configure(worker_databases => "'served', 'copy', 'served'");
wait_for_worker('copy');
is_served('copied', 'database copied', 'copy');
is(ask('SELECT count(*)' . workers_of('served')),
	1, 'a database that is in the list twice has one worker');
$position = log_position();
runs('DROP DATABASE copy');
$node->wait_for_log(
	qr/WARNING:  vendor_routing.worker_databases has "copy"/, $position);
is_served('another-dropped', 'after DROP DATABASE of another');

#-------------------------------------------------------------------------
# What does not exist
#-------------------------------------------------------------------------

# That the launcher looks again is seen from the worker that it starts.
configure(worker_databases => "'nowhere', 'served', 'copy'");
$node->wait_for_log(
	qr/WARNING:  vendor_routing.worker_databases has "nowhere"/, $position);
foreach (1 .. 2)
{
	ask("SELECT pg_terminate_backend($pid)");
	$pid = wait_for_worker('served', $pid);
}
is(times_in_log(qr/worker_databases has "nowhere"/, $position),
	1, 'a database that does not exist: one WARNING');
is_served('not-nowhere', 'a database that does not exist: others are served');

#-------------------------------------------------------------------------
# On and off, here and there
#-------------------------------------------------------------------------

configure(worker_databases => "'served'", worker => "'off'");
wait_for_no_worker('served');
broadcast('off', '10 ms');
is(status_of('off'), 'PENDING', 'worker = off: nobody does it');
is(ask('SELECT failed, processed FROM vr_tick()'),
	'0|1', 'worker = off: vr_tick() does');
configure(worker => "'on'");
$pid = wait_for_worker('served');
is_served('on-again', 'worker = on');

configure(worker_databases => "'served', 'extended'");
wait_for_worker('extended');
is_served('added', 'a database added to the list', 'extended');
is(wait_for_worker('served'), $pid,
	'a database added to the list: the worker of the other stays');
configure(worker_databases => "'extended'");
wait_for_no_worker('served');
is_served('left', 'a database taken from the list: the other is served', 'extended');

# What others have set for their sessions does not keep it from its work.
ask("ALTER DATABASE extended SET default_transaction_read_only = on");
ask("ALTER DATABASE extended SET default_transaction_isolation = 'serializable'");
ask("ALTER DATABASE extended SET search_path = 'nowhere'");
ask("ALTER DATABASE extended SET statement_timeout = '1ms'");
my $own = '-c statement_timeout=0';
if ($node->pg_version >= 17)
{
	ask("ALTER DATABASE extended SET transaction_timeout = '1ms'");
	$own .= ' -c transaction_timeout=0';
}
ask('SELECT pg_terminate_backend(pid)' . workers_of('extended'));
wait_for_worker('extended');
{
	local $ENV{PGOPTIONS} = $own;

	ask(<<'SQL', 'extended');
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
SET search_path = public;
SELECT * FROM vr_broadcast('with-settings', 'retailer-1', ttl => '10 ms');
SQL
	wait_until_exhausted('with-settings', 'extended');
}
pass('settings of the database do not stop the worker');

#-------------------------------------------------------------------------
# A version that is not that of the library
#-------------------------------------------------------------------------

configure(worker_databases => "'served'");
wait_for_no_worker('extended');
wait_for_worker('served');
$position = log_position();
my $version = ask(
	"SELECT extversion FROM pg_extension WHERE extname = 'vendor_routing'");
ask("UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'vendor_routing'");
wait_for_activity('served',
	'idle: the extension has another version than the library');
broadcast('old-version', '10 ms');
wait_for_pass('served') foreach 1 .. 3;
is(status_of('old-version'), 'PENDING', 'an older version: the worker does nothing');
is( times_in_log(
		qr/WARNING:  vendor_routing worker idles: the extension has version 0\.9/,
		$position),
	1,
	'an older version: one WARNING');
ask("UPDATE pg_extension SET extversion = '$version' WHERE extname = 'vendor_routing'");
wait_until_exhausted('old-version');
pass('the version is right again: so is the worker');

#-------------------------------------------------------------------------
# A role with no rights but those it needs
#-------------------------------------------------------------------------

ask('CREATE DATABASE "Strict"', 'postgres');
ask(<<'SQL', 'Strict');
CREATE SCHEMA "An API";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE EXTENSION vendor_routing SCHEMA "An API";
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
SELECT 'vendor-' || n, 'V', true FROM generate_series(1, 10) AS n;
SQL

sub strict
{
	my ($query) = @_;

	return ask(qq(SET search_path = "An API";\n$query), 'Strict');
}

$position = log_position();
configure(
	worker_role => "'clerk'",
	worker_databases => q('"Strict"'));
$node->wait_for_log(
	qr/WARNING:  vendor_routing.worker_role "clerk" does not exist/, $position);
wait_for_no_worker('served');
strict("SELECT * FROM vr_broadcast('strict', 'retailer-1', ttl => '10 ms')");
strict('CREATE ROLE clerk LOGIN');

# Now the launcher has looked again, and found the role.
$node->wait_for_log(qr/ERROR:  permission denied for schema An API/, $position);
is(times_in_log(qr/worker_role "clerk" does not exist/, $position),
	1, 'a role that does not exist: one WARNING');
strict('GRANT USAGE ON SCHEMA "An API" TO clerk');
$node->wait_for_log(qr/ERROR:  permission denied for function vr_tick/, $position);
is(strict("SELECT status FROM vendor_routing.routings WHERE order_id = 'strict'"),
	'PENDING', 'a role without EXECUTE: nothing is done');
is(strict('SELECT processed FROM vr_tick()'),
	1, 'a role without EXECUTE: the server is fine');
strict("SELECT * FROM vr_broadcast('granted', 'retailer-1', ttl => '10 ms')");
strict('GRANT EXECUTE ON FUNCTION vr_tick TO clerk');
wait_until_exhausted('granted', 'Strict');
is(ask('SELECT usename, state' . workers_of('Strict')),
	'clerk|idle',
	'a role with LOGIN, USAGE on the schema and EXECUTE on vr_tick does the work');
is( strict("SELECT rolsuper, (SELECT count(*) FROM pg_class WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind = 'r' AND has_table_privilege('clerk', oid, 'SELECT, INSERT, UPDATE, DELETE')) FROM pg_roles WHERE rolname = 'clerk'"
	),
	'f|0',
	'and it has no other rights');

# Another role is another worker.
$pid = wait_for_worker('Strict');
configure(worker_role => "''", worker_databases => q('"Strict", served'));
wait_for_worker('Strict', $pid);
is(ask('SELECT usename' . workers_of('Strict')),
	'postgres', 'a change of the role: the worker has the new one');
wait_for_worker('served');

#-------------------------------------------------------------------------
# By hand
#-------------------------------------------------------------------------

# One order of each kind.  All that is due is due a moment later.
my $scenario = <<'SQL';
UPDATE vendor_routing.vendors SET reliability_score = 100 - substr(vendor_id, 8)::int;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified)
VALUES ('paused', 'Paused', true);
BEGIN;
SET LOCAL vendor_routing.order_ttl = '1 s';
SELECT count(*) FROM vr_broadcast('kind-expired', 'retailer-1', max_vendors => 2);
COMMIT;
SELECT count(*) FROM vr_broadcast('kind-silent', 'retailer-1', max_vendors => 2, ttl => '1 s');
SELECT count(*) FROM vr_broadcast('kind-accepted', 'retailer-1', max_vendors => 4, ttl => '1 s');
SELECT count(*) FROM vr_respond(vr_routing_id('kind-accepted'), 'vendor-3', 'ACCEPT');
SELECT count(*) FROM vr_respond(vr_routing_id('kind-accepted'), 'vendor-2', 'ACCEPT');
SELECT count(*) FROM vr_broadcast('kind-waves', 'retailer-1',
	waves => '[{"vendors": 1, "wait": "1 s"}, {"vendors": 2}]');
SELECT count(*) FROM vr_broadcast('kind-unconfirmed', 'retailer-1', max_vendors => 3, confirm_within => '1 s');
SELECT count(*) FROM vr_accept(vr_routing_id('kind-unconfirmed'), 'vendor-1');
SELECT count(*) FROM vr_broadcast('kind-taken', 'retailer-1', max_vendors => 3, ttl => '1 s');
SELECT count(*) FROM vr_accept(vr_routing_id('kind-taken'), 'vendor-2');
SELECT count(*) FROM vr_pause('paused', clock_timestamp() + '1 s');
SQL
my $nothing_due = <<'SQL';
SELECT NOT EXISTS (
		SELECT FROM vendor_routing.routings
		 WHERE order_id LIKE 'kind-%' AND next_deadline < clock_timestamp() + '2 s')
	AND NOT EXISTS (SELECT FROM vendor_routing.vendors WHERE paused_until IS NOT NULL);
SQL
my $all_due = <<'SQL';
SELECT (SELECT count(*) FROM vendor_routing.routings
		 WHERE order_id LIKE 'kind-%' AND next_deadline <= clock_timestamp()) = 6
	AND (SELECT paused_until <= clock_timestamp() FROM vendor_routing.vendors WHERE vendor_id = 'paused');
SQL
my $outcome = <<'SQL';
SELECT order_id, status, locked_vendor_id, round, wave, releases, next_deadline IS NULL,
	(SELECT jsonb_agg(jsonb_build_array(event_type, e.vendor_id) ORDER BY event_type, e.vendor_id)
	   FROM vendor_routing.events AS e WHERE e.routing_id = t.routing_id),
	(SELECT jsonb_agg(jsonb_build_array(r.round, r.wave, r.vendor_id, response) ORDER BY r.round, r.vendor_id)
	   FROM vendor_routing.responses AS r WHERE r.routing_id = t.routing_id),
	(SELECT jsonb_agg(jsonb_build_array(c.round, c.vendor_id, reason) ORDER BY c.round, c.vendor_id)
	   FROM vendor_routing.cancellations AS c WHERE c.routing_id = t.routing_id)
  FROM vendor_routing.routings AS t
 WHERE order_id LIKE 'kind-%'
 ORDER BY order_id;
SELECT vendor_id, current_orders, paused_until,
	(SELECT jsonb_agg(event_type ORDER BY event_id)
	   FROM vendor_routing.vendor_events AS e WHERE e.vendor_id = v.vendor_id)
  FROM vendor_routing.vendors AS v
 ORDER BY vendor_id;
SQL

add_database($node, 'by_hand', 10);
ask($scenario, 'by_hand');
ask($scenario);
poll($nothing_due, 'the worker does one of each kind', 'served');
poll($all_due, 'one of each kind is due', 'by_hand');
is( ask('SELECT awarded, waves_opened, exhausted, expired, released, resumed, failed, processed FROM vr_tick()',
		'by_hand'),
	'1|1|1|1|1|1|0|6',
	'by hand: vr_tick() does one of each kind');
is(ask('SELECT processed, failed FROM vr_tick()', 'by_hand'),
	'1|0', 'by hand: and takes the order that was won from its list');
my $by_hand = ask($outcome, 'by_hand');
note $by_hand;
is(ask($outcome), $by_hand,
	'by hand: what comes of it is what comes of it with the worker');
is(ask('SELECT * FROM vr_check()'), '', 'everything is sound with the worker');
is(ask('SELECT * FROM vr_check()', 'by_hand'),
	'', 'everything is sound without');

#-------------------------------------------------------------------------
# No process to spare
#-------------------------------------------------------------------------

$node->append_conf('postgresql.conf',
	"max_worker_processes = 1\nmax_logical_replication_workers = 0");
$position = log_position();
$node->restart;
$node->wait_for_log(
	qr/WARNING:  no vendor_routing worker could be started\n.*HINT:  You might need to increase max_worker_processes/,
	$position);
broadcast('no-process', '10 ms');
is(ask('SELECT processed FROM vr_tick()'),
	1, 'no process for a worker: a WARNING, and the server is fine');
unlike(slurp_file($node->logfile), qr/PANIC:|terminated by signal/,
	'no process has crashed');
$node->stop;

#-------------------------------------------------------------------------
# A standby
#-------------------------------------------------------------------------

my $primary = new_node(
	'primary',
	allows_streaming => 1,
	conf => $preload
	  . "vendor_routing.worker_databases = 'postgres'\n"
	  . "vendor_routing.worker_naptime = 100ms\n");
my $standby = PostgreSQL::Test::Cluster->new('standby');
my $processes =
  "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'vendor\\_routing%'";
my $is_done =
  "SELECT status = 'EXHAUSTED' FROM vendor_routing.routings WHERE order_id = ";

add_database($primary, 'postgres', 10);
$primary->backup('backup');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres',
	"SELECT * FROM vr_broadcast('streamed', 'retailer-1', ttl => '10 ms')");
$primary->poll_query_until('postgres', "$is_done 'streamed'")
  or die 'the worker of the primary does nothing';
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', "$is_done 'streamed'"),
	't', 'standby: it has what the worker of the primary does');
is($standby->safe_psql('postgres', $processes),
	0, 'standby: there is no worker, and no launcher');

$primary->safe_psql('postgres',
	"ALTER SYSTEM SET vendor_routing.worker = off; SELECT pg_reload_conf()");
$primary->poll_query_until('postgres', "$processes", '1')
  or die 'the worker of the primary stays';
$primary->safe_psql('postgres',
	"SELECT * FROM vr_broadcast('left-over', 'retailer-1', ttl => '10 ms')");
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$primary->stop;
$standby->promote;
$standby->poll_query_until('postgres', "$is_done 'left-over'")
  or die 'nobody does what is due after promotion';
is($standby->safe_psql('postgres', $processes),
	2, 'promoted: the launcher and a worker are there');
unlike(slurp_file($standby->logfile), qr/(?:ERROR|PANIC):/,
	'standby: no error in the log');

$standby->stop;
done_testing();
