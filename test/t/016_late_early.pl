# An accept against a timeout, a tick, a cancel, a release and a complete, in both orders,
# one after the other and one while the other is not committed, at each isolation level,
# with a clock that is stepped forward and back under the running server.
#
# Catches: an offer that ran out and is accepted, or one that has not and is not; a
# deadline that is compared with the time before a wait, or that runs from there; a tick
# that waits; something decided that a clock set back brings to life again; a worker that
# sleeps until the clock is where it was; an order that no tick settles.
#
# LATE_SEED=n repeats the walk at the end, LATE_STEPS=n makes n steps.  The clock is that
# of libfaketime.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $seed = $ENV{LATE_SEED} // full(815_563_588, int(rand(1_000_000_000)));
my $steps = $ENV{LATE_STEPS} // full(2000, 50_000);
my @levels = ('read committed', 'repeatable read', 'serializable');
my $dir = PostgreSQL::Test::Utils::tempdir('clock');

note "LATE_SEED=$seed LATE_STEPS=$steps";
srand($seed);

#-------------------------------------------------------------------------
# The clock
#-------------------------------------------------------------------------

# It stands still, so that what is due at a moment can be met to the second.
my $dawn = 1_893_456_000;
my $now;

sub clock_is
{
	($now) = @_;
	append_to_file("$dir/next", strftime("%Y-%m-%d %H:%M:%S\n", gmtime($dawn + $now)));
	rename("$dir/next", "$dir/clock") or die "cannot set the clock: $!";
	return;
}

my $node = new_node('late_early', conf => "autovacuum = off\nshared_preload_libraries = 'vendor_routing'");

# Where the library is, its own command knows.
my $library;

IPC::Run::run([ 'faketime', '-f', '+0', 'printenv', 'LD_PRELOAD' ], '>', \$library)
  or die 'cannot run faketime: install the package of that name';
chomp $library;
clock_is(0);
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{FAKETIME_TIMESTAMP_FILE} = "$dir/clock";
	local $ENV{FAKETIME_NO_CACHE} = 1;
	local $ENV{FAKETIME_DONT_FAKE_MONOTONIC} = 1;
	local $ENV{DONT_FAKE_MONOTONIC} = 1;
	local $ENV{TZ} = 'UTC';

	$node->restart;
}

sub ask
{
	my ($query, $database) = @_;

	return $node->safe_psql($database // 'postgres', $query);
}

foreach my $moment (86_400, -86_400, 0)
{
	clock_is($moment);
	is(ask('SELECT extract(epoch FROM clock_timestamp())::bigint'), $dawn + $moment, "the clock of the server is stepped to $moment");
}

add_database($node, 'postgres', 3);
ask('UPDATE vendor_routing.vendors SET reliability_score = 10 * substr(vendor_id, 8)::integer');

#-------------------------------------------------------------------------
# One against the other
#-------------------------------------------------------------------------

my %calls = (
	(map { ("accept $_" => "SELECT accepted, reason, locked_vendor_id FROM vr_accept(ID, 'vendor-$_')") } 1, 2),
	timeout => "SELECT timed_out, locked_vendor_id, status FROM vr_timeout(ID, '0')",
	tick => 'SELECT timed_out, awarded, released, failed FROM vr_tick()',
	cancel => 'SELECT * FROM vr_cancel(ID)',
	release => "SELECT released, status FROM vr_release(ID, 'vendor-1')",
	complete => 'SELECT * FROM vr_complete(ID)',
	confirm => "SELECT confirmed FROM vr_confirm(ID, 'vendor-1')",
	respond => "SELECT recorded FROM vr_respond(ID, 'vendor-1', 'ACCEPT')");

# An order is offered at 0, for ten seconds.  Then: what is done before (and at what time
# the first call is), the first call, the time of the second, the second; does that wait
# for the first to end?  What it answers where the first commits, and where it rolls back;
# and so also where the first has ended before it began, if that is something else.  Last,
# what becomes of the order when all ticks are done at the end, in the two cases.
my @cases = (
	[ [], 9, 'accept 1', 9, 'accept 2', 1, [ 'f|LOST_RACE|vendor-1', 't|LOCKED|vendor-2' ],
		[ 'f|ALREADY_LOCKED|vendor-1', 't|LOCKED|vendor-2' ], [ 'LOCKED vendor-1', 'LOCKED vendor-2' ] ],
	[ [], 9, 'accept 1', 10, 'accept 2', 1, [ 'f|LOST_RACE|vendor-1', 'f|EXPIRED|' ],
		[ 'f|ALREADY_LOCKED|vendor-1', 'f|EXPIRED|' ], [ 'LOCKED vendor-1', 'EXHAUSTED' ] ],
	[ [], 0, 'accept 1', 0, 'timeout', 1, [ '0|vendor-1|LOCKED', '3||EXHAUSTED' ], undef, [ 'LOCKED vendor-1', 'EXHAUSTED' ] ],
	[ [], 9, 'accept 1', 10, 'tick', 0, [ '0|0|0|0', '0|0|0|0' ], [ '0|0|0|0', '3|0|0|0' ], [ 'LOCKED vendor-1', 'EXHAUSTED' ] ],
	[ [], 0, 'accept 1', 0, 'cancel', 1, [ 't|1', 't|3' ], undef, [ 'CANCELLED vendor-1', 'CANCELLED' ] ],
	[ [], 0, 'accept 1', 0, 'complete', 1, [ 't|DELIVERED|vendor-1', 'VR004' ], undef, [ 'COMPLETED vendor-1', 'EXHAUSTED' ] ],
	[ [], 0, 'accept 1', 0, 'release', 1, [ 't|PENDING', 'VR004' ], undef, [ 'EXHAUSTED', 'EXHAUSTED' ] ],
	[ [], 0, 'timeout', 0, 'accept 1', 1, [ 'f|EXPIRED|', 't|LOCKED|vendor-1' ], undef, [ 'EXHAUSTED', 'LOCKED vendor-1' ] ],
	[ [], 10, 'tick', 10, 'accept 1', 1, [ 'f|EXPIRED|', 'f|EXPIRED|' ], undef, [ 'EXHAUSTED', 'EXHAUSTED' ] ],
	# The clock goes back to before the deadline: what was decided stays so.
	[ [], 10, 'tick', 9, 'accept 1', 1, [ 'f|EXPIRED|', 't|LOCKED|vendor-1' ], undef, [ 'EXHAUSTED', 'LOCKED vendor-1' ] ],
	[ [], 10, 'accept 1', 9, 'accept 2', 1, [ 't|LOCKED|vendor-2', 't|LOCKED|vendor-2' ], undef, [ 'LOCKED vendor-2', 'LOCKED vendor-2' ] ],
	[ [], 10, 'accept 1', 9, 'accept 1', 1, [ 'f|EXPIRED|', 't|LOCKED|vendor-1' ], undef, [ 'EXHAUSTED', 'LOCKED vendor-1' ] ],
	[ [], 0, 'cancel', 0, 'accept 1', 1, [ 'f|CANCELLED|', 't|LOCKED|vendor-1' ], undef, [ 'CANCELLED', 'LOCKED vendor-1' ] ],
	[ ['accept 1'], 0, 'release', 0, 'accept 2', 1, [ 't|LOCKED|vendor-2', 'f|LOST_RACE|vendor-1' ],
		[ 't|LOCKED|vendor-2', 'f|ALREADY_LOCKED|vendor-1' ], [ 'LOCKED vendor-2', 'LOCKED vendor-1' ] ],
	[ ['accept 1'], 0, 'accept 2', 0, 'release', 0, [ 't|PENDING', 't|PENDING' ], undef, [ 'EXHAUSTED', 'EXHAUSTED' ] ],
	[ ['accept 1'], 0, 'complete', 0, 'accept 1', 1, [ 't|ALREADY_ACCEPTED|vendor-1', 't|ALREADY_ACCEPTED|vendor-1' ], undef,
		[ 'COMPLETED vendor-1', 'LOCKED vendor-1' ] ],
	[ ['accept 1'], 0, 'complete', 0, 'accept 2', 1, [ 'f|LOST_RACE|vendor-1', 'f|LOST_RACE|vendor-1' ],
		[ 'f|ALREADY_LOCKED|vendor-1', 'f|ALREADY_LOCKED|vendor-1' ], [ 'COMPLETED vendor-1', 'LOCKED vendor-1' ] ],
	[ ['accept 1'], 0, 'accept 2', 0, 'complete', 0, [ 't|DELIVERED|vendor-1', 't|DELIVERED|vendor-1' ], undef,
		[ 'COMPLETED vendor-1', 'COMPLETED vendor-1' ] ],
	# An ACCEPT on record wins when its offer has run out, and then only.
	[ ['respond'], 9, 'tick', 10, 'accept 2', 0, [ 'f|EXPIRED|', 'f|EXPIRED|' ], undef, [ 'LOCKED vendor-1', 'LOCKED vendor-1' ] ],
	[ ['respond'], 10, 'tick', 10, 'accept 2', 1, [ 'f|LOST_RACE|vendor-1', 'f|EXPIRED|' ],
		[ 'f|ALREADY_LOCKED|vendor-1', 'f|EXPIRED|' ], [ 'LOCKED vendor-1', 'LOCKED vendor-1' ] ],
	[ ['respond'], 10, 'tick', 9, 'accept 2', 1, [ 'f|LOST_RACE|vendor-1', 't|LOCKED|vendor-2' ],
		[ 'f|ALREADY_LOCKED|vendor-1', 't|LOCKED|vendor-2' ], [ 'LOCKED vendor-1', 'LOCKED vendor-2' ] ],
	[ ['respond'], 9, 'accept 2', 10, 'tick', 0, [ '0|0|0|0', '0|0|0|0' ], [ '0|0|0|0', '0|1|0|0' ], [ 'LOCKED vendor-2', 'LOCKED vendor-1' ] ],
	# The winner has ten seconds to confirm.
	[ [ 'confirmed', 'accept 1' ], 9, 'confirm', 10, 'tick', 0, [ '0|0|0|0', '0|0|0|0' ], [ '0|0|0|0', '0|0|1|0' ],
		[ 'LOCKED vendor-1', 'EXHAUSTED' ] ],
	[ [ 'confirmed', 'accept 1' ], 10, 'tick', 10, 'confirm', 1, [ 'VR004', 'VR004' ], undef, [ 'EXHAUSTED', 'EXHAUSTED' ] ],
	[ [ 'confirmed', 'accept 1' ], 10, 'tick', 9, 'confirm', 1, [ 'VR004', 't' ], undef, [ 'EXHAUSTED', 'LOCKED vendor-1' ] ],
	[ [ 'confirmed', 'accept 1' ], 10, 'tick', 9, 'accept 2', 1, [ 't|LOCKED|vendor-2', 'f|LOST_RACE|vendor-1' ],
		[ 't|LOCKED|vendor-2', 'f|ALREADY_LOCKED|vendor-1' ], [ 'EXHAUSTED', 'EXHAUSTED' ] ]);

my $number = 0;
my $watcher = new_session($node, 'postgres');
my $first = new_session($node, 'postgres', on_error_stop => 0);
my $second = new_session($node, 'postgres', on_error_stop => 0);
my $second_pid = $second->query_safe('SELECT pg_backend_pid()');

# Starts the second call.  Returns whether it waits for a lock; else it has ended.
my $started;

sub start_second
{
	my ($mark, $query) = @_;
	my $patience = time + $PostgreSQL::Test::Utils::timeout_default;
	my $found = '';

	$second->{stderr} = '';
	$started = $second->query_until(qr/started/, "\\set VERBOSITY sqlstate\n\\echo started\n/* $mark */ $query;\n");
	while ($found eq '')
	{
		die 'the second call neither waits nor ends' if time > $patience;
		$found = $watcher->query_safe(<<"SQL");
SELECT CASE WHEN cardinality(pg_blocking_pids(pid)) > 0 THEN 'waits' WHEN state LIKE 'idle%' THEN 'ended' END
  FROM pg_stat_activity WHERE pid = $second_pid AND query LIKE '%$mark %'
SQL
	}
	return $found;
}

# Its answer, of which some may have come with the start.
sub finish_second
{
	my $rest = finish_query($second);

	return $rest if $rest =~ /^VR/;
	return join('', ($started =~ s/.*started\s*//sr), $rest) =~ s/\s+$//r;
}

sub one_against_the_other
{
	my ($case, $level, $commits, $together) = @_;
	my ($before, $first_time, $first_verb, $second_time, $second_verb, $waits, $answers, $answers_apart, $ends) = @$case;
	my $order = 'order-' . ++$number;
	my $name = "$first_verb at $first_time, " . ($commits ? 'committed' : 'rolled back') . ($together ? ' after ' : ' before ')
	  . "$second_verb at $second_time, $level" . (@$before ? ", @$before" : '');
	my %call = map { $_ => $calls{$_} =~ s/ID/vr_routing_id('$order')/gr } keys %calls;
	my $confirm = grep { $_ eq 'confirmed' } @$before;
	my $found;

	clock_is(0);
	$watcher->query_safe("SELECT FROM vr_broadcast('$order', 'retailer-1', ttl => '10 s'" . ($confirm ? ", confirm_within => '10 s')" : ')'));
	$watcher->query_safe($call{$_}) foreach grep { $_ ne 'confirmed' } @$before;
	$second->query_safe("SET default_transaction_isolation = '$level'");
	clock_is($first_time);
	$first->query_safe("BEGIN ISOLATION LEVEL $level; $call{$first_verb}");
	$first->query_safe($commits ? 'COMMIT' : 'ROLLBACK') if !$together;
	clock_is($second_time);
	$found = start_second($order, $call{$second_verb});
	is($found, $waits && $together ? 'waits' : 'ended', "$name: the second " . ($waits && $together ? 'waits' : 'does not wait'));
	$first->query_safe($commits ? 'COMMIT' : 'ROLLBACK') if $together;
	$answers = $answers_apart // $answers if !$together;
	is(finish_second(), $answers->[ $commits ? 0 : 1 ], "$name: is answered so");

	# Whoever has not confirmed has had the time, and so have those who were asked then.
	foreach my $moment (100, 200, 300)
	{
		clock_is($moment);
		$watcher->query_safe('SELECT FROM vr_tick()');
	}
	is( $watcher->query_safe("SELECT concat_ws(' ', status, locked_vendor_id) FROM vendor_routing.routings WHERE order_id = '$order'"),
		$ends->[ $commits ? 0 : 1 ],
		"$name: ends so");
	is($watcher->query_safe('SELECT * FROM vr_check()'), '', "$name: everything is sound");
	return;
}

foreach my $case (@cases)
{
	foreach my $level (@levels)
	{
		foreach my $commits (1, 0)
		{
			one_against_the_other($case, $level, $commits, $_) foreach 1, 0;
		}
	}
}

# The last wait is that for the row of the vendor.  Would catch: a win at a time that was
# over when that wait was.
sub out_of_time
{
	my ($level, $call, $deadline) = @_;
	my $order = 'order-' . ++$number;

	clock_is(0);
	$watcher->query_safe("SELECT FROM vr_broadcast('$order', 'retailer-1', ttl => '10 s')");
	$second->query_safe("SET default_transaction_isolation = '$level'");
	$first->query_safe(q{BEGIN; UPDATE vendor_routing.vendors SET name = name WHERE vendor_id = 'vendor-1'});
	clock_is($deadline - 1);
	is(start_second($order, $call =~ s/ID/vr_routing_id('$order')/r), 'waits', "$level: waits for the vendor: $call");
	clock_is($deadline);
	$first->query_safe('COMMIT');
	is(finish_second(), 'EXPIRED', "$level: and is too late then");
	$watcher->query_safe("SELECT FROM vr_cancel(vr_routing_id('$order'))");
	return;
}

# What begins after the last wait has all of its time.  Would catch: offers, or a time to
# confirm, that are over when their transaction is.
sub in_time
{
	my ($level, $before, $holds, $call, $begun) = @_;
	my ($order, $other) = split /\|/, $watcher->query_safe(
		"SELECT string_agg(o, '|' ORDER BY vr_routing_id(o)) FROM unnest(ARRAY['order-@{[ ++$number ]}', 'order-@{[ ++$number ]}']) AS o");
	my $of_order = sub { $_[0] =~ s/ID/vr_routing_id('$order')/gr =~ s/ORDER/$order/gr =~ s/OTHER/$other/gr };

	clock_is(0);
	$watcher->query_safe("SELECT FROM vr_broadcast('$order', 'retailer-1', ttl => '10 s', confirm_within => '10 s')") if $call !~ /ORDER/;
	$watcher->query_safe("SELECT FROM vr_broadcast('$other', 'retailer-1', ttl => '900 s')");
	$watcher->query_safe($of_order->($before)) if $before ne '';
	$second->query_safe("SET default_transaction_isolation = '$level'");
	$first->query_safe('BEGIN; ' . $of_order->($holds));
	clock_is(11);
	is(start_second($order, $of_order->($call)), 'waits', "$level: waits: $call");
	clock_is(100);
	$first->query_safe('COMMIT');
	unlike(finish_second(), qr/^[0-9A-Z]{5}$/, "$level: and is no error");
	clock_is(109);
	is($watcher->query_safe($of_order->($begun)), 't', "$level: and is in time: $begun");
	is($watcher->query_safe('SELECT * FROM vr_check()'), '', "$level: and all is sound");
	$watcher->query_safe("SELECT FROM vr_cancel(vr_routing_id('$_'))") foreach $order, $other;
	return;
}

my $lifetime = ask("SELECT extract(epoch FROM current_setting('vendor_routing.order_ttl')::interval)::integer");

foreach my $level (@levels)
{
	out_of_time($level, q{SELECT reason FROM vr_accept(ID, 'vendor-1')}, 10);
	out_of_time($level, q{SELECT reason FROM vr_assign(ID, 'vendor-1', 'kim')}, $lifetime);

	my $row = q{UPDATE vendor_routing.vendors SET name = name WHERE vendor_id = 'vendor-1'};
	my $accepted = q{SELECT accepted FROM vr_accept(ID, 'vendor-2')};

	in_time($level, $calls{'accept 1'}, $row, q{SELECT status FROM vr_timeout(ID)}, $accepted);
	in_time($level, $calls{respond}, $row, q{SELECT status FROM vr_timeout(ID)}, q{SELECT confirmed FROM vr_confirm(ID, 'vendor-1')});
	in_time($level, $calls{'accept 1'}, q{SELECT count(*) FROM vr_claim_messages()}, q{SELECT status FROM vr_release(ID, 'vendor-1')}, $accepted);
	in_time($level, '', q{SELECT FROM vr_accept(vr_routing_id('OTHER'), 'vendor-3')},
		q{SELECT count(*) FROM vr_broadcast_many('[{"order_id": "OTHER", "retailer_id": "retailer-1"}, {"order_id": "ORDER", "retailer_id": "retailer-1", "ttl": "10 s"}]')},
		$accepted);
}
$_->quit foreach $first, $second, $watcher;

#-------------------------------------------------------------------------
# A walk: any call at any time
#-------------------------------------------------------------------------

sub one_of
{
	return $_[ int(rand(@_)) ];
}

# What the documentation says that an accept, an answer and a confirmation get, of what is
# in the tables and the time it is.
my %oracle = (
	accept => <<'SQL',
SELECT CASE
	WHEN r.vendor_id IS NULL THEN 'NOT_INVITED'
	WHEN t.status IN ('LOCKED', 'COMPLETED') AND t.locked_vendor_id = 'VENDOR' THEN 'ALREADY_ACCEPTED'
	WHEN t.status IN ('LOCKED', 'COMPLETED') THEN 'ALREADY_LOCKED'
	WHEN t.status IN ('CANCELLED', 'EXPIRED') THEN t.status
	WHEN r.response IN ('REJECT', 'ERROR') THEN 'ALREADY_REJECTED'
	WHEN r.response = 'TIMEOUT' OR t.status = 'EXHAUSTED'
	     OR least(r.expires_at, t.expires_at) <= clock_timestamp() THEN 'EXPIRED'
	ELSE 'LOCKED' END
SQL
	respond => <<'SQL',
SELECT CASE
	WHEN r.vendor_id IS NULL THEN 'VR005'
	WHEN r.response = 'REJECT' AND r.reason IS NOT DISTINCT FROM NULL THEN 'f'
	WHEN r.response IS NOT NULL OR t.status <> 'PENDING'
	     OR least(r.expires_at, t.expires_at) <= clock_timestamp() THEN 'VR004'
	ELSE 't' END
SQL
	confirm => <<'SQL');
SELECT CASE
	WHEN t.status NOT IN ('LOCKED', 'COMPLETED') OR t.locked_vendor_id <> 'VENDOR' THEN 'VR004'
	WHEN t.confirmed_at IS NOT NULL OR t.status = 'COMPLETED' THEN 'f'
	WHEN t.confirm_by <= clock_timestamp() THEN 'VR004'
	ELSE 't' END
SQL
my $from = <<'SQL';
  FROM vendor_routing.routings AS t
  LEFT JOIN vendor_routing.responses AS r
       ON r.routing_id = t.routing_id AND r.round = t.round AND r.vendor_id = 'VENDOR'
 WHERE t.order_id = 'ORDER'
SQL
my %judged = (
	accept => "SELECT reason FROM vr_accept(vr_routing_id('ORDER'), 'VENDOR')",
	respond => "SELECT recorded FROM vr_respond(vr_routing_id('ORDER'), 'VENDOR', 'REJECT')",
	confirm => "SELECT confirmed FROM vr_confirm(vr_routing_id('ORDER'), 'VENDOR')");
my %others = (
	willing => "SELECT FROM vr_respond(vr_routing_id('ORDER'), 'VENDOR', 'ACCEPT')",
	release => "SELECT FROM vr_release(vr_routing_id('ORDER'), 'VENDOR')",
	cancel => "SELECT FROM vr_cancel(vr_routing_id('ORDER'))",
	complete => "SELECT FROM vr_complete(vr_routing_id('ORDER'))",
	timeout => "SELECT FROM vr_timeout(vr_routing_id('ORDER'))",
	retry => "SELECT FROM vr_retry(vr_routing_id('ORDER'))",
	assign => "SELECT FROM vr_assign(vr_routing_id('ORDER'), 'VENDOR', 'kim')",
	tick => 'SELECT FROM vr_tick()');
my @wheel = (('accept') x 6, ('respond') x 3, ('confirm') x 3, ('willing') x 2, ('release') x 2, qw(cancel complete timeout retry retry assign),
	('tick') x 4, ('broadcast') x 3, ('step') x 10);

# What has been decided.
my $decided = <<'SQL';
SELECT md5(string_agg(x, ' ' ORDER BY x)) FROM (
	SELECT concat_ws(' ', routing_id, status, round, wave, locked_vendor_id) FROM vendor_routing.routings
	UNION ALL SELECT concat_ws(' ', routing_id, round, vendor_id, response) FROM vendor_routing.responses
	UNION ALL SELECT concat_ws(' ', routing_id, round, vendor_id, reason) FROM vendor_routing.cancellations
	UNION ALL SELECT event_id::text FROM vendor_routing.events) AS s (x)
SQL
my $walker = new_session($node, 'postgres', on_error_stop => 0);
my $orders = 0;
my %seen;
my (@wrong, @revived);

$walker->query_safe("SET client_min_messages = error; SET vendor_routing.order_ttl = 100; SET vendor_routing.order_lifetime = 1000; SET vendor_routing.max_releases = 3");
$walker->query_safe('\set VERBOSITY sqlstate');
clock_is(10_000);
foreach my $step (1 .. $steps)
{
	my $verb = one_of(@wheel);
	my $vendor = 'vendor-' . one_of(1 .. 3);
	my $order = 'walk-' . ($orders == 0 ? 0 : $orders - int(rand($orders < 4 ? $orders : 4)));
	my $fill = sub { return $_[0] =~ s/ORDER/$order/gr =~ s/VENDOR/$vendor/gr };

	if ($verb eq 'broadcast' || $orders == 0)
	{
		$orders++;
		$walker->query_safe("SELECT FROM vr_broadcast('walk-$orders', 'retailer-1', "
			  . one_of(q{waves => '[{"vendors": 1, "wait": "7 s"}, {"vendors": 2}]'}, 'max_vendors => 3') . ", ttl => '"
			  . one_of(10, 30, 200) . " s'" . one_of('', ", confirm_within => '10 s'") . ')');
	}
	elsif ($verb eq 'step')
	{
		# To a deadline, or a second beside it; or by some seconds, this way or that.
		my $deadline = one_of(split /\n/, $walker->query_safe(<<"SQL"));
SELECT extract(epoch FROM at)::bigint - $dawn FROM (
	SELECT t.expires_at FROM vendor_routing.routings AS t WHERE t.order_id = '$order'
	UNION ALL SELECT t.next_wave_at FROM vendor_routing.routings AS t WHERE t.order_id = '$order'
	UNION ALL SELECT t.confirm_by FROM vendor_routing.routings AS t WHERE t.order_id = '$order'
	UNION ALL SELECT r.expires_at FROM vendor_routing.responses AS r WHERE r.routing_id = vr_routing_id('$order')) AS d (at)
 WHERE at IS NOT NULL ORDER BY 1
SQL
		my $to = rand() < 0.6 ? $deadline + one_of(-1, 0, 0, 1) : $now + one_of(-60, -7, -3, 1, 3, 5, 8, 60);

		if ($to < $now && rand() < 0.5)
		{
			# What is due is done; then time goes back, and there is nothing to do.
			my ($before, $after);

			$walker->query_safe('SELECT FROM vr_tick()') foreach 1 .. 3;
			$before = $walker->query_safe($decided);
			clock_is($to);
			$walker->query_safe('SELECT FROM vr_tick()') foreach 1 .. 2;
			$after = $walker->query_safe($decided);
			push @revived, "step $step, back to $to" if $before ne $after;
			$seen{'set back'}++;
		}
		clock_is($to);
	}
	elsif ($judged{$verb})
	{
		my $expected = $walker->query_safe($fill->("$oracle{$verb} $from"));
		my $found = sqlstate_of($walker, $fill->($judged{$verb}));

		$found =~ s/^no error, but: //;
		$seen{"$verb $found"}++;
		push @wrong, "step $step, $verb of $order by $vendor at $now: $found, not $expected" if $found ne $expected;
	}
	else
	{
		my $found = sqlstate_of($walker, $fill->($others{$verb}));

		push @wrong, "step $step, $verb of $order by $vendor at $now: $found" if $found !~ /^(?:no error, but: $|VR00[245])/;
	}
	push @wrong, map { "after step $step, $verb of $order at $now: $_" } split /\n/, $walker->query_safe('SELECT * FROM vr_check()')
	  if $step % 50 == 0;
}
is(join("\n", @wrong[ 0 .. ($#wrong < 9 ? $#wrong : 9) ]), '', "seed $seed: every call is answered by the time it is");
is(join("\n", @revived), '', "seed $seed: a clock that is set back revives nothing");

# Would catch: a large table that is attached for minutes, and nothing is heard of it.
sub utc
{
	my ($time) = @_;

	return strftime('%Y-%m-%d %H:%M:%S', gmtime($dawn + $time));
}
my ($later, $heard) = (utc($now + 6));

$node->psql('postgres', <<SQL, stderr => \$heard);
CREATE TABLE shop_vendors (id text PRIMARY KEY, name text);
INSERT INTO shop_vendors SELECT 'shop-' || n, 'n' FROM generate_series(1, 3000) AS n;
CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	COPY (SELECT '$later') TO PROGRAM 'cat >$dir/later && mv $dir/later $dir/clock';
	RETURN NULL;
END \$\$;
CREATE TRIGGER take_long AFTER INSERT ON vendor_routing.vendors FOR EACH STATEMENT EXECUTE FUNCTION take_long();
SELECT FROM vr_attach_vendors('shop_vendors', '{"vendor_id": "id", "name": "name"}');
SQL
like($heard, qr/NOTICE: +\d+ vendors read so far/, 'an attach that takes long says how far it is');
clock_is($now);
ask('SELECT vr_detach_vendors(); DROP TABLE shop_vendors; DROP FUNCTION take_long CASCADE');

# When all times are over, ticks have nothing left to do.  In the session with the short
# lifetime of orders: else what is taken back from a winner is offered anew.
clock_is($now + 86_400);
my @ticks = map { $walker->query_safe('SELECT processed, failed, next_due FROM vr_tick(100000)') } 1 .. 10;
is($ticks[-1], '0|0|', "seed $seed: ticks settle") or diag(join("\n", @ticks));
is( ask(q{
SELECT order_id, status FROM vendor_routing.routings
 WHERE NOT (status IN ('EXPIRED', 'CANCELLED', 'COMPLETED') OR status = 'LOCKED' AND (confirm_by IS NULL OR confirmed_at IS NOT NULL))}),
	'', "seed $seed: no order is stuck");
is(ask('SELECT * FROM vr_check()'), '', "seed $seed: everything is sound at the end");
note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
foreach my $answer ('accept LOCKED', 'accept EXPIRED', 'accept ALREADY_LOCKED', 'accept CANCELLED', 'respond t', 'respond VR004', 'confirm t', 'confirm VR004', 'set back')
{
	cmp_ok($seen{$answer} // 0, '>', 0, "some were answered: $answer");
}

$walker->quit;

#-------------------------------------------------------------------------
# The worker
#-------------------------------------------------------------------------

# It goes by the time that passes, whatever the clock says.  Up to 15 a worker is started
# by a signal handler, and what that starts does not see the clock of libfaketime.
sub poll
{
	my ($query, $what) = @_;

	ok($node->poll_query_until('postgres', $query), $what);
	return;
}

sub step_the_clock_of_a_worker
{
	my $worker = "FROM pg_stat_activity WHERE backend_type = 'vendor_routing worker'";
	my $pid;

	ask("ALTER SYSTEM SET vendor_routing.worker_databases = 'postgres'");
	ask('SELECT pg_reload_conf()');
	poll("SELECT EXISTS (SELECT $worker AND query = 'waiting for what is due next')", 'a worker is waiting');
	clock_is($now - 86_400);
	ask("SELECT FROM vr_broadcast('stepped', 'retailer-1', ttl => '1 s')");
	clock_is($now + 2);
	poll("SELECT status = 'EXHAUSTED' FROM vendor_routing.routings WHERE order_id = 'stepped'", 'set back by a day, it does what is due');
	clock_is($now - 86_400);
	$pid = ask("SELECT pid $worker");
	ask("SELECT pg_terminate_backend($pid)");
	poll("SELECT EXISTS (SELECT $worker AND pid <> $pid)", 'set back by another, it is started again');
	return;
}

step_the_clock_of_a_worker() if ask("SELECT current_setting('server_version_num')::integer") >= 160000;

$node->stop;
done_testing();
