# Orders come and go for a while (five minutes in full mode) on a fixed set of vendors:
# broadcast, accepted, lost, rejected, released, retried, completed, with all messages,
# under autovacuum; then the same beside a transaction that keeps every old row version
# from being removed, and then it ends.
#
# What is kept for ever by design (an order, its offers, events, cancellations) grows, and is
# not bloat.  So what is measured is how many buffers a call touches, how many updates are
# HOT, how much room a row takes, and how much is dead after a vacuum: as much
# after a long time as after a short one.  Beside the old transaction calls may get dearer, and must
# (or this test would not see it); afterwards they are as cheap as before.
#
# Catches: an index on a column that an accept changes, pages that have no room for an
# update, rows that are updated where nothing has changed, queues whose dead entries
# are read again and again, what is never removed from an index.
#
# BLOAT_SECONDS=n takes n seconds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $seconds = $ENV{BLOAT_SECONDS} // full(0, 300);
my $calls = 2500;    # by each client, where there is no time to fill
my $clients = 4;
my $slots = 16;    # orders that a client has under way
my $vendors = 30;
my $probes = 40;

my $node = new_node('bloat', conf => <<'SQL');
autovacuum_naptime = 1s
autovacuum_vacuum_cost_delay = 0
vendor_routing.max_releases = 3
SQL

add_database($node, 'postgres', $vendors);
$node->safe_psql('postgres', <<"SQL");
CREATE SCHEMA app;
CREATE TABLE app.slots (slot integer PRIMARY KEY, generation integer NOT NULL DEFAULT 0) WITH (fillfactor = 20);
INSERT INTO app.slots SELECT generate_series(0, @{[ $clients * $slots - 1 ]});
CREATE TABLE app.touched (phase text, verb text, buffers integer);
UPDATE vendor_routing.vendors SET phone = '+31201234' || 100 + substr(vendor_id, 8)::integer;
SQL
$node->safe_psql('postgres', <<'SQL');
-- The next step of an order, and then the messages that are due.
CREATE FUNCTION app.step(wanted integer, chance integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text := 'slot-' || wanted || '-' || (SELECT generation FROM app.slots WHERE slot = wanted);
	id uuid := vr_routing_id(name);
	one record;
	vendor text;
BEGIN
	SELECT t.status, t.locked_vendor_id AS winner, t.round INTO one
	  FROM vendor_routing.routings AS t WHERE t.routing_id = id;
	SELECT r.vendor_id INTO vendor
	  FROM vendor_routing.responses AS r
	 WHERE r.routing_id = id AND r.round = one.round AND r.response IS NULL
	 ORDER BY random() LIMIT 1;
	CASE
		WHEN one.status IS NULL THEN PERFORM vr_broadcast(name, 'retailer-1', max_vendors => 6);
		WHEN one.status = 'PENDING' AND chance < 40 THEN PERFORM vr_accept(id, vendor);
		WHEN one.status = 'PENDING' THEN PERFORM vr_respond(id, vendor, 'REJECT');
		WHEN one.status = 'LOCKED' AND chance < 30 AND vendor IS NOT NULL THEN PERFORM vr_accept(id, vendor);
		WHEN one.status = 'LOCKED' AND chance < 50 THEN PERFORM vr_confirm(id, one.winner);
		WHEN one.status = 'LOCKED' AND chance < 70 AND one.round < 3 THEN PERFORM vr_release(id, one.winner);
		WHEN one.status = 'EXHAUSTED' AND one.round < 5 THEN PERFORM vr_retry(id);
		ELSE
			IF one.status = 'LOCKED' THEN PERFORM vr_complete(id, 'DELIVERED', 1 + chance % 5);
			ELSE PERFORM vr_cancel(id);
			END IF;
			UPDATE app.slots SET generation = generation + 1 WHERE slot = wanted;
	END CASE;
	IF chance % 4 = 0 THEN
		PERFORM vr_message_sent(message_id) FROM vr_claim_messages(NULL, 50);
	END IF;
	IF chance = 99 THEN
		PERFORM vr_tick();
	END IF;
END $$;

-- How many buffers a call touches.
CREATE PROCEDURE app.touch(phase text, verb text, call text) LANGUAGE plpgsql AS $$
DECLARE
	said jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || call INTO said;
	INSERT INTO app.touched VALUES (phase, verb,
		(said #>> '{0,Plan,Shared Hit Blocks}')::integer + (said #>> '{0,Plan,Shared Read Blocks}')::integer);
	COMMIT;
END $$;

-- The first ones fill the caches of the session and do not count.
CREATE PROCEDURE app.probe(phase text, n integer) LANGUAGE plpgsql AS $$
DECLARE
	kind text;
	name text;
	id text;
	winner text;
	loser text;
BEGIN
	FOR i IN -5 .. n LOOP
		kind := CASE WHEN i > 0 THEN phase ELSE 'nothing' END;
		name := phase || i;
		id := format('vr_routing_id(%L)', name);
		CALL app.touch(kind, 'broadcast', format('SELECT FROM vr_broadcast(%L, %L, max_vendors => 6)', name, 'retailer-1'));
		SELECT min(r.vendor_id), max(r.vendor_id) INTO winner, loser
		  FROM vendor_routing.responses AS r WHERE r.routing_id = vr_routing_id(name);
		CALL app.touch(kind, 'win', format('SELECT FROM vr_accept(%s, %L)', id, winner));
		CALL app.touch(kind, 'lose', format('SELECT FROM vr_accept(%s, %L)', id, loser));
		CALL app.touch(kind, 'status', format('SELECT vr_status(%s)', id));
		CALL app.touch(kind, 'claim', 'SELECT FROM vr_claim_messages(NULL, 10)');
		PERFORM vr_message_sent(message_id) FROM vendor_routing.messages
		  WHERE routing_id = vr_routing_id(name) AND state = 'LEASED';
		CALL app.touch(kind, 'complete', format('SELECT FROM vr_complete(%s)', id));
	END LOOP;
END $$;

-- Sends all that is due, so that a claim finds what there is to tell of one order.
CREATE PROCEDURE app.drain() LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		PERFORM vr_message_sent(message_id) FROM vr_claim_messages(NULL, 1000);
		EXIT WHEN NOT FOUND;
		COMMIT;
	END LOOP;
END $$;
SQL

sub ask
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

my $dir = PostgreSQL::Test::Utils::tempdir('bloat');

append_to_file("$dir/churn.sql", <<"SQL");
\\set slot :client_id * $slots + random(0, @{[ $slots - 1 ]})
\\set chance random(0, 99)
SELECT app.step(:slot, :chance);
SQL

# Goes on for a part of it all, and returns how many steps were made.
sub churn
{
	my ($part) = @_;
	my @long = $seconds > 0 ? ('-T', int($part * $seconds + 0.5)) : ('-t', $part * $calls);
	my $output;

	IPC::Run::run([ 'pgbench', '-n', '-c', $clients, @long, '-f', "$dir/churn.sql", $node->connstr('postgres') ],
		'<', \undef, '>', \$output, '2>&1');
	is($?, 0, 'orders come and go') or diag $output;
	my ($steps) = $output =~ /transactions actually processed: (\d+)/;

	return $steps;
}

# Of each table: rows, bytes a row, bytes of the indexes a row.
my @tables = qw(vendors routings responses cancellations events messages outbox);

sub sizes
{
	return map { /^(\w+)\|(.*)/; ($1 => [ split /\|/, $2 ]) } split /\n/, ask(join ' UNION ALL ', map { <<"SQL" } @tables);
SELECT '$_', count(*), pg_relation_size('vendor_routing.$_') / greatest(count(*), 1), pg_indexes_size('vendor_routing.$_') / greatest(count(*), 1)
  FROM vendor_routing.$_
SQL
}

my %touched;
my %size;
my %dead;

# What calls cost now, after a vacuum.
sub measure
{
	my ($phase) = @_;

	ask('CALL app.drain()');

	# What is not needed any more is removed, now that autovacuum is not at it either.
	ask("VACUUM ANALYZE vendor_routing.$_") foreach @tables;
	$dead{$phase} = ask("SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = 'vendor_routing'");
	$size{$phase} = { sizes() };
	ask("CALL app.probe('$phase', $probes)");
	$touched{$phase} = { map { split /\|/ } split /\n/, ask(<<"SQL") };
SELECT verb, percentile_disc(0.5) WITHIN GROUP (ORDER BY buffers) FROM app.touched WHERE phase = '$phase' GROUP BY verb
SQL
	note "$phase: buffers: ", join ', ', map { "$_ $touched{$phase}{$_}" } sort keys %{ $touched{$phase} };
	note "$phase: $dead{$phase} dead rows; rows, bytes a row, of indexes: ", join ', ',
	  map { "$_ " . join '/', @{ $size{$phase}{$_} } } @tables;
	return;
}

# Calls are as cheap as they were early, give or take a level of an index and what
# else is due.
sub is_cheap
{
	my ($phase) = @_;
	my $before = $touched{early};
	my $now = $touched{$phase};
	my @dear = grep { $now->{$_} > 1.3 * $before->{$_} + 8 } sort keys %$before;

	is(join(', ', map { "$_: $now->{$_} and not $before->{$_}" } @dear), '', "$phase: calls touch no more buffers than early");
	return;
}

# What is kept for ever takes no more room a row than it did, nor do its indexes.
sub is_small
{
	my ($phase) = @_;

	foreach my $table (grep { !/vendors|outbox/ } @tables)
	{
		my (undef, $heap, $indexes) = @{ $size{$phase}{$table} };
		my (undef, $heap_before, $indexes_before) = @{ $size{early}{$table} };

		cmp_ok($heap, '<', 1.4 * $heap_before, "$phase: a row of $table takes no more room than early");
		cmp_ok($indexes, '<', 1.4 * $indexes_before, "$phase: nor do its indexes");
	}
	return;
}

my @steps;

push @steps, churn(0.2);
measure('early');
push @steps, churn(0.4);
measure('late');
is_cheap('late');
is_small('late');

# Tables of a fixed number of rows: a vendor is updated with each order, an order is queued and taken out.
cmp_ok($size{late}{$_}[0] * $size{late}{$_}[1], '<', 100 * 8192, "late: $_ is small") foreach qw(vendors outbox);
my $small = $dead{late};

my $pin = new_session($node, 'postgres');

$pin->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM vendor_routing.vendors;');
push @steps, churn(0.3);
measure('pinned');
cmp_ok($dead{pinned}, '>', 10 * ($small + 10), 'pinned: an old transaction keeps dead rows');
cmp_ok($touched{pinned}{broadcast}, '>', 2 * $touched{early}{broadcast}, 'pinned: which makes calls dearer');

$pin->query_safe('COMMIT');
$pin->quit;
measure('unpinned');
cmp_ok($dead{unpinned}, '<', 0.1 * $dead{pinned}, 'unpinned: dead rows are gone');
is_cheap('unpinned');
push @steps, churn(0.1);
measure('at last');
is_cheap('at last');
is_small('at last');

# There is room for what the old transaction took, and it is used.
foreach my $table (qw(vendors outbox))
{
	my ($before, $now) = map { $_->{$table}[0] * $_->{$table}[1] } @size{ 'pinned', 'at last' };

	cmp_ok($now, '<', 1.2 * $before, "at last: $table has not grown any more");
}
note "steps: @steps";

#-------------------------------------------------------------------------
# HOT
#-------------------------------------------------------------------------

# Updates of each table, and those that were HOT.
sub updates
{
	return map { /^(\w+)\|(\d+)\|(\d+)/; ($1 => [ $2, $3 ]) } split /\n/,
	  ask("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'vendor_routing'");
}

my %before = updates();
my $races = 200;

ask(<<"SQL");
SELECT count(*) FROM generate_series(1, $races) AS n, vr_broadcast('hot-' || n, 'retailer-1', max_vendors => 6);
SELECT count(*) FROM vendor_routing.responses AS r JOIN vendor_routing.routings AS t USING (routing_id), vr_accept(r.routing_id, r.vendor_id)
 WHERE t.order_id LIKE 'hot-%';
SQL
$node->poll_query_until('postgres',
	"SELECT n_tup_upd >= $before{responses}[0] + 6 * $races FROM pg_stat_user_tables WHERE schemaname = 'vendor_routing' AND relname = 'responses'")
  or die 'updates are not counted';
my %after = updates();

foreach my $table (qw(routings responses))
{
	my ($all, $hot) = map { $after{$table}[$_] - $before{$table}[$_] } 0, 1;

	cmp_ok($hot, '>=', 0.95 * $all, "$hot of $all updates of $table by accepts are HOT");
}

$node->stop;
done_testing();
