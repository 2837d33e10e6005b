# A few orders and vendors, and sessions that call every function of the
# extension on them at random, at every isolation level, some in transactions
# that are rolled back, while times run out by the millisecond.
#
# Catches: an error that a caller is not meant to see (40001, a deadlock, a unique
# violation, an internal error), or one of ours where it does not belong; a
# violation that vr_check finds, at any moment; an order that is stuck; a tick
# that fails.
#
# MODEL_SEED=n repeats the calls of a run (not their timing); MODEL_STEPS=n makes
# n thousand calls instead of 30.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $seed = $ENV{MODEL_SEED} // int(rand(1_000_000_000));
my $chunks = $ENV{MODEL_STEPS} // 30;
my $sessions = 6;
my $chunk = 1000;    # steps between two looks at everything
my $new_orders = 20;    # in each chunk
my @vendors = map { "vendor-$_" } 1 .. 6;
my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

BAIL_OUT("MODEL_STEPS must be a number of thousands, of 1 or more")
  if $chunks !~ /^[1-9]\d*$/;
note "MODEL_SEED=$seed MODEL_STEPS=$chunks";
srand($seed);

# Orders live for a second at a time and for four in all, offers for milliseconds.
my $node = new_node('model', conf => <<'SQL');
vendor_routing.order_ttl = 1s
vendor_routing.order_lifetime = 4s
vendor_routing.offer_ttl = 1s
vendor_routing.max_releases = 2
vendor_routing.auto_pause_after = 5
vendor_routing.auto_pause_for = 1s
SQL
my $dir = PostgreSQL::Test::Utils::tempdir('model');

add_database($node, 'postgres', scalar @vendors);
$node->safe_psql('postgres', <<'SQL');
UPDATE vendor_routing.vendors SET capacity = 1 + substr(vendor_id, 8)::int4 % 4;
SELECT FROM vr_set_policy('quick', '[{"vendors": 2, "wait": "10 ms"}, {"vendors": 6}]', '30 ms', '50 ms');
SQL

#-------------------------------------------------------------------------
# What is called
#-------------------------------------------------------------------------

sub one_of
{
	return $_[ int(rand(@_)) ];
}

sub percent
{
	my ($chance) = @_;

	return rand(100) < $chance;
}

sub milliseconds
{
	my ($most) = @_;

	return "'" . (1 + int(rand($most))) . " ms'";
}

# Mostly one of the few orders whose turn it is, so that sessions meet, and the next
# one to be broadcast; some of this chunk or older ones, and one that never is.
# done is the part of the chunk that is behind us.
sub order_id
{
	my ($now, $done, $verb) = @_;
	my $turn = 1 + int($done * ($new_orders - 2));

	return 'nobody' if percent(1) && $verb ne 'broadcast';
	return "order-$now-" . ($turn + ($verb eq 'broadcast' ? one_of(0, 1) : one_of(0, -1)))
	  if percent(80);
	$now = int(rand($now + 1)) if percent(60);
	return "order-$now-" . int(rand($new_orders));
}

# A policy, as JSON: some vendors, then more.
sub waves
{
	my @waves = ('{"vendors": ' . one_of(1, 2, 3) . ', "wait": ' . (milliseconds(30) =~ tr/'/"/r) . '}');

	push @waves, '{"vendor_ids": ["' . one_of(@vendors) . '"]}' if percent(30);
	push @waves, '{"vendors": 3}' if percent(60);
	return "'[" . join(', ', @waves) . "]'";
}

sub broadcast
{
	my ($order) = @_;
	my @args = ("'$order'", "'" . one_of('retailer-1', 'retailer-2') . "'");
	my $whom = int(rand(5));

	push @args, 'waves => ' . waves() if $whom == 0;
	push @args, 'max_vendors => ' . one_of(1, 2, 4) if $whom == 1;
	push @args, "vendors => ARRAY['" . one_of(@vendors) . "']" if $whom == 2;
	push @args, "policy => 'quick'" if $whom == 3;
	push @args, 'ttl => ' . milliseconds(100) if percent(70);
	push @args, 'confirm_within => ' . milliseconds(60) if percent(50);
	return 'SELECT FROM vr_broadcast(' . join(', ', @args) . ')';
}

sub respond
{
	my ($routing, $vendor) = @_;
	my $answer = one_of('ACCEPT', 'ACCEPT', 'REJECT', 'REJECT', 'ERROR');
	my $code = ($answer eq 'REJECT' && percent(50)) ? ", decline_code => 'NO_STOCK'" : '';

	return "SELECT FROM vr_respond($routing, '$vendor', '$answer'$code)";
}

# How often each is called, what it may refuse with, and the call: of a routing,
# a vendor, and the vendor who has the order at this moment.  Nothing that goes
# well prints anything.
my %verbs = (
	broadcast => [ 14, 'VR002', sub { broadcast($_[3]) } ],
	respond => [ 10, 'VR001 VR004 VR005', sub { respond($_[0], $_[1]) } ],
	# Only who writes to our tables himself can make it busy.
	accept => [
		20, 'VR001',
		sub { "SELECT reason FROM vr_accept($_[0], '$_[1]') WHERE reason = 'BUSY'" }
	],
	assign => [
		4, 'VR001 VR002',
		sub { "SELECT reason FROM vr_assign($_[0], '$_[1]', 'operator') WHERE reason = 'BUSY'" }
	],
	force => [
		2, 'VR001 VR002',
		sub { "SELECT reason FROM vr_assign($_[0], '$_[1]', 'operator', true) WHERE reason = 'BUSY'" }
	],
	cancel => [ 1, 'VR001 VR004', sub { "SELECT FROM vr_cancel($_[0])" } ],
	send => [
		1, 'VR001 VR004',
		sub { "SELECT FROM vr_send_cancellations($_[0])" }
	],
	timeout => [ 3, 'VR001', sub { "SELECT FROM vr_timeout($_[0])" } ],
	shorter => [
		1, 'VR001',
		sub { "SELECT FROM vr_timeout($_[0], " . milliseconds(40) . ")" }
	],
	tick => [
		12, '',
		sub { 'SELECT failed FROM vr_tick(' . one_of(1, 3, 1000) . ') WHERE failed <> 0' }
	],
	release => [
		7, 'VR001 VR004',
		sub { "SELECT FROM vr_release($_[0], $_[2])" }
	],
	confirm => [
		7, 'VR001 VR004',
		sub { "SELECT FROM vr_confirm($_[0], $_[2])" }
	],
	complete => [
		9, 'VR001 VR004',
		sub { "SELECT FROM vr_complete($_[0], '" . one_of('DELIVERED', 'DELIVERED', 'FAILED') . "', " . one_of(1, 5, 'NULL') . ')' }
	],
	retry => [
		8, 'VR001 VR002 VR004',
		sub { "SELECT FROM vr_retry($_[0], " . one_of('true', 'false') . (percent(30) ? ', ' . waves() : '') . ')' }
	],
	pause => [
		2, '',
		sub { "SELECT FROM vr_pause('$_[1]'" . (percent(90) ? ', clock_timestamp() + interval \'100 ms\'' : '') . ')' }
	],
	resume => [ 4, '', sub { "SELECT FROM vr_resume('$_[1]')" } ],
	block => [
		1, '',
		sub { "SELECT FROM vr_block('" . one_of('retailer-1', 'retailer-2') . "', '$_[1]')" }
	],
	unblock => [
		2, '',
		sub { "SELECT FROM vr_unblock('" . one_of('retailer-1', 'retailer-2') . "', '$_[1]')" }
	],
	hours => [
		2, '',
		sub { "SELECT FROM vr_set_hours('$_[1]', " . one_of(('NULL, NULL') x 4, "'UTC', '[]'") . ')' }
	],
	status => [ 1, 'VR001', sub { "SELECT FROM vr_status($_[0])" } ],
	explain => [
		1, 'VR001',
		sub { "SELECT FROM vr_explain('$_[3]', '$_[1]')" }
	],
	check => [ 1, '', sub { 'SELECT * FROM vr_check()' } ],
	edit => [
		2, '',
		sub { "UPDATE vendor_routing.vendors SET capacity = " . one_of(1, 2, 4) . " WHERE vendor_id = '$_[1]'" }
	]);
my @wheel = map { ($_) x $verbs{$_}[0] } sort keys %verbs;

# Others go on meanwhile.
my $nap = 'SELECT FROM pg_sleep(0.001);';

# Scripts for psql.  Of each line we keep what may come of it.
sub script
{
	my ($now, $steps) = @_;
	my @lines = (
		[ '\set VERBOSITY sqlstate', 'setting', '', '' ],
		[ "SET lock_timeout = '60s';", 'setting', '', '' ]);

	foreach my $step (1 .. $steps)
	{
		my $verb = one_of(@wheel);
		my ($weight, $legal, $call) = @{ $verbs{$verb} };
		my $order = order_id($now, $step / $steps, $verb);
		my $winner = percent(80) ? ":'winner'" : "'" . one_of(@vendors) . "'";
		my $statement = $call->("vr_routing_id('$order')", one_of(@vendors), $winner, $order);
		# The application's own update is no business of ours.
		my $level = ($verb eq 'edit') ? $levels[0] : one_of(@levels);
		my $shape = int(rand(10));
		my @step;

		# Known before the transaction begins, and not for sure.
		push @lines,
		  [
			"SELECT coalesce(max(locked_vendor_id), 'vendor-1') AS winner"
			  . " FROM vendor_routing.routings WHERE order_id = '$order' \\gset",
			'look', '', $levels[0]
		  ]
		  if $statement =~ /:'winner'/;
		@step = ("BEGIN ISOLATION LEVEL $level;");
		# With an older snapshot.
		push @step, $nap if $shape == 0;
		# Undone, and another call in its place.
		push @step, 'SAVEPOINT before;', "$statement;", 'ROLLBACK TO before;'
		  if $shape == 1;
		push @step, "$statement;";
		push @step, $nap if $shape == 2;
		push @step, (percent(15) ? 'ROLLBACK;' : 'COMMIT;');
		# To go on after an error is the script's own mistake.
		push @lines, map {
			[
				$_, ($_ eq $nap ? 'nap' : $verb),
				($_ eq "$statement;" ? $legal : $_ eq $nap ? '25P02' : ''), $level
			]
		} @step;
	}
	return \@lines;
}

#-------------------------------------------------------------------------
# The run
#-------------------------------------------------------------------------

my %calls;    # how each verb ended, and how often
my @surprises;
my $serialization_failures = 0;

# Runs the scripts at the same time, and files what came of it.
sub run_together
{
	my ($now, @scripts) = @_;
	my @running;
	my $timeout = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);

	foreach my $n (0 .. $#scripts)
	{
		my $file = "$dir/chunk-$now-session-$n.sql";
		my %session = (file => $file, lines => $scripts[$n], output => '', errors => '');

		append_to_file($file, join("\n", map { $_->[0] } @{ $scripts[$n] }) . "\n");
		$session{run} = IPC::Run::start(
			[
				'psql', '--no-psqlrc', '--quiet', '--tuples-only', '--no-align',
				'--file', $file, '--dbname', $node->connstr('postgres')
			],
			'<', \undef, '>', \$session{output}, '2>', \$session{errors}, $timeout);
		push @running, \%session;
	}
	foreach my $session (@running)
	{
		my %error;

		$session->{run}->finish;
		push @surprises, "$session->{file}: psql ended with " . ($? >> 8) if $? != 0;
		push @surprises, "$session->{file} printed: $_"
		  foreach grep { $_ ne '' } split /\n/, $session->{output};
		foreach my $message (split /\n/, $session->{errors})
		{
			my ($line, $sqlstate) = $message =~ /^psql:\S+?:(\d+): ERROR:  (\w{5})$/;
			my ($statement, $verb, $legal, $level);

			if (!defined $line)
			{
				push @surprises, "$session->{file}: $message";
				next;
			}
			($statement, $verb, $legal, $level) = @{ $session->{lines}[ $line - 1 ] };
			$calls{$verb}{$sqlstate}++;

			# What SERIALIZABLE may do now and then, since transactions here read
			# all there is (vr_check, vr_status); see doc/design.md.
			if ($sqlstate eq '40001' && $level eq 'SERIALIZABLE')
			{
				$serialization_failures++;
				next;
			}
			push @surprises,
			  "$sqlstate from $verb at $level: $statement ($session->{file}:$line)"
			  if index($legal, $sqlstate) < 0;
		}
		$calls{ $_->[1] }{calls}++
		  foreach grep { $_->[0] =~ /vr_|^UPDATE/ } @{ $session->{lines} };
	}
	return;
}

sub ask
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

foreach my $now (0 .. $chunks - 1)
{
	my @scripts = map { script($now, int($chunk / $sessions) + 1) } 1 .. $sessions;
	my $seen = @surprises;

	run_together($now, @scripts);
	is(join("\n", @surprises[ $seen .. $#surprises ]),
		'', "seed $seed, steps to " . ($now + 1) * $chunk . ': no caller is surprised');
	is(ask('SELECT * FROM vr_check()'),
		'', "seed $seed, steps to " . ($now + 1) * $chunk . ': vr_check finds nothing');
}

#-------------------------------------------------------------------------
# The end
#-------------------------------------------------------------------------

# Whatever is left waits for a time, and nothing but ticks is needed.
ask("SELECT vr_resume(vendor_id) FROM vendor_routing.vendors");
ok( $node->poll_query_until(
		'postgres', q{
SELECT tick.next_due IS NULL AND tick.failed = 0
   AND NOT EXISTS (SELECT FROM vendor_routing.routings WHERE next_deadline IS NOT NULL)
   AND NOT EXISTS (SELECT FROM vendor_routing.vendors WHERE paused_until IS NOT NULL)
  FROM vr_tick() AS tick}
	),
	"seed $seed: ticks come to an end");
is( ask(q{
SELECT order_id, status FROM vendor_routing.routings
 WHERE NOT (status IN ('EXPIRED', 'CANCELLED', 'COMPLETED')
            OR status = 'LOCKED' AND (confirm_by IS NULL OR confirmed_at IS NOT NULL))}),
	'', "seed $seed: no order is stuck");
is(ask('SELECT * FROM vr_check()'), '', "seed $seed: vr_check finds nothing at the end");
unlike(slurp_file($node->logfile),
	qr/(?:FATAL|PANIC):|terminated by signal/, "seed $seed: no session and no server has died");

# A run in which something never happened proves nothing about it.  (A short one may
# be unlucky.)
my $at_least = $chunks >= 10 ? 1 : 0;

foreach my $type (
	qw(VENDOR_BROADCAST_INITIATED VENDOR_WAVE_OPENED VENDOR_RESPONSE_RECORDED
	VENDOR_ACCEPTED VENDOR_ACCEPT_REFUSED VENDOR_ASSIGNED VENDOR_CONFIRMED
	VENDOR_RELEASED VENDOR_TIMED_OUT ORDER_RETRIED ORDER_EXHAUSTED ORDER_EXPIRED
	ORDER_CANCELLED ORDER_COMPLETED))
{
	cmp_ok(ask("SELECT count(*) FROM vendor_routing.events WHERE event_type = '$type'"),
		'>=', $at_least, "$type has happened");
}
foreach my $reason (qw(ANOTHER_VENDOR_ACCEPTED ORDER_CANCELLED ORDER_EXPIRED RELEASED NO_CONFIRM))
{
	cmp_ok(ask("SELECT count(*) FROM vendor_routing.cancellations WHERE reason = '$reason'"),
		'>=', $at_least, "vendors have been told $reason");
}
cmp_ok(ask('SELECT max(round) FROM vendor_routing.routings'),
	'>', 3 * $at_least, 'orders have been offered again and again');
note ask(q{
SELECT string_agg(event_type || ' ' || n, ', ' ORDER BY event_type)
  FROM (SELECT event_type, count(*) AS n FROM vendor_routing.events GROUP BY 1) AS e});
foreach my $verb (sort keys %calls)
{
	note "$verb: " . join(', ', map { "$_ $calls{$verb}{$_}" } sort keys %{ $calls{$verb} });
}

$node->stop;
# Reads of our own that took predicate locks made it one in 700.
cmp_ok($serialization_failures, '<=', $chunks * $chunk / 2000,
	"serialization failures are rare: $serialization_failures");

done_testing();
