# A day of calls of every verb, and the same day again with every call delivered three
# times: once in its place, and twice more at random later moments, at each isolation
# level.
#
# Catches: a repeated call that does something, or says that it did; a first call that
# is answered otherwise because of repeats of earlier ones; a day that does not end in
# the same rows of all tables, but for times and random ids.
#
# How late a repeat may come is in %verbs.  Calls about one round of an order carry no
# number of it, so their repeats come while that round goes on: what they do later is in
# doc/operations.md, and at the end of this test.  What comes by vr_receive_message has
# an id, and may come for ever.
#
# RETRY_SEED=n repeats a run, RETRY_ORDERS=n has a day of n orders.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $seed = $ENV{RETRY_SEED} // int(rand(1_000_000_000));
my $orders = $ENV{RETRY_ORDERS} // full(60, 400);
my $replays = full(3, 30);
my $vendors = 8;
my @levels = ('read committed', 'repeatable read', 'serializable');

note "RETRY_SEED=$seed RETRY_ORDERS=$orders";
srand($seed);

my $node = new_node('retries', conf => <<'SQL');
vendor_routing.max_releases = 2
vendor_routing.message_backoff = 0
vendor_routing.message_attempts = 3
SQL
my $dir = PostgreSQL::Test::Utils::tempdir('retries');

add_database($node, 'template', $vendors);
$node->safe_psql('template', <<'SQL');
UPDATE vendor_routing.vendors
   SET reliability_score = 10 * substr(vendor_id, 8)::integer,
       phone = '+3120123450' || substr(vendor_id, 8),
       capacity = CASE WHEN vendor_id = 'vendor-8' THEN 3 END;

CREATE SCHEMA replay;
CREATE TABLE replay.log (
	id integer GENERATED ALWAYS AS IDENTITY,
	step integer NOT NULL,
	repeated boolean NOT NULL,
	did boolean,
	answer text,
	status text,
	version integer,
	round integer,
	wave integer,
	winner text);

-- Makes a call, and notes what it said and what the order is after it.
CREATE PROCEDURE replay.call(step integer, repeated boolean, order_id text, call text)
LANGUAGE plpgsql AS $$
DECLARE
	did boolean;
	answer text;
BEGIN
	BEGIN
		EXECUTE call INTO did, answer;
	EXCEPTION WHEN OTHERS THEN
		answer := SQLSTATE;
	END;
	INSERT INTO replay.log (step, repeated, did, answer, status, version, round, wave, winner)
	SELECT call.step, call.repeated, did, answer, t.status, t.version, t.round, t.wave, t.locked_vendor_id
	  FROM (VALUES (1)) AS one
	  LEFT JOIN vendor_routing.routings AS t ON t.order_id = call.order_id;
END $$;

-- Every row of every table of the extension, without times and random ids.  Of a time we
-- keep whether there is one, and of ids of events their order.
CREATE FUNCTION replay.state() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	tab regclass;
	bare text;
BEGIN
	FOR tab IN
		SELECT oid FROM pg_class
		 WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind = 'r'
		   AND oid <> ALL ('{vendor_routing.events,vendor_routing.vendor_events}'::regclass[])
	LOOP
		SELECT string_agg(
			CASE WHEN atttypid = 'timestamptz'::regtype THEN format('%I IS NOT NULL AS %1$I', attname)
				ELSE quote_ident(attname) END, ', ')
		  INTO bare
		  FROM pg_attribute
		 WHERE attrelid = tab AND attnum > 0 AND NOT attisdropped AND attname <> 'message_id'
		    OR attrelid = tab AND attname = 'message_id' AND atttypid = 'text'::regtype;
		RETURN QUERY EXECUTE format('SELECT %L || row_to_json(x) FROM (SELECT %s FROM %s) AS x', tab, bare, tab);
	END LOOP;
	RETURN QUERY
		SELECT 'events ' || routing_id || ' '
			|| string_agg(concat_ws(' ', event_type, vendor_id, payload), ', ' ORDER BY event_id)
		  FROM vendor_routing.events GROUP BY routing_id;
	-- A vendor that is paused anew has a second event, and so have hours that are set again.
	RETURN QUERY
		SELECT concat_ws(' ', 'vendor_events', vendor_id, topic, string_agg(said, ', ' ORDER BY event_id))
		  FROM (SELECT vendor_id, topic, event_id, said, event_type,
			       lag(said) OVER (PARTITION BY vendor_id, topic ORDER BY event_id) AS before
			  FROM vendor_routing.vendor_events,
			       concat_ws(' ', event_type, payload) AS said,
			       concat_ws(' ', event_type ~ 'PAUSED|RESUMED', payload ->> 'retailer_id') AS topic) AS e
		 WHERE said IS DISTINCT FROM before OR event_type NOT IN ('VENDOR_PAUSED', 'VENDOR_HOURS_SET')
		 GROUP BY vendor_id, topic;
END $$;
SQL

#-------------------------------------------------------------------------
# The day
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

# The call of a verb: whether it did something, and what it says besides times.
my %calls = (
	broadcast => 'created, vendor_count || invited::text FROM vr_broadcast',
	accept => "reason = 'LOCKED', concat_ws(' ', reason, locked_vendor_id, version) FROM vr_accept",
	assign => "reason = 'LOCKED', concat_ws(' ', reason, locked_vendor_id, version) FROM vr_assign",
	respond => 'recorded, response_recorded FROM vr_respond',
	confirm => "confirmed, 'confirmed' FROM vr_confirm",
	release => "released, concat_ws(' ', status, round, vendor_count) FROM vr_release",
	retry => "retried, concat_ws(' ', round, vendor_count, invited) FROM vr_retry",
	complete => "completed, concat_ws(' ', outcome_recorded, vendor_id) FROM vr_complete",
	cancel => 'cancelled, cancelled_count::text FROM vr_cancel',
	send => "false, concat_ws(' ', cancelled_count, losers, non_responders) FROM vr_send_cancellations",
	timeout => "timed_out > 0, concat_ws(' ', timed_out, locked_vendor_id, status) FROM vr_timeout",
	tick => 'timed_out + awarded + waves_opened + exhausted + expired + released + resumed + failed > 0,'
	  . " concat_ws(' ', timed_out, awarded, waves_opened, exhausted, expired, released, resumed, failed) FROM vr_tick",
	pause => "false, x::text FROM vr_pause",
	resume => 'x, x::text FROM vr_resume',
	hours => "false, 'set' FROM vr_set_hours",
	block => 'x, x::text FROM vr_block',
	unblock => 'x, x::text FROM vr_unblock',
	set_policy => "false, 'set' FROM vr_set_policy",
	drop_policy => 'x, x::text FROM vr_drop_policy',
	claim => "count(*) > 0, string_agg(concat_ws(' ', order_id, vendor_id, round, kind, attempt), ', '"
	  . ' ORDER BY order_id, vendor_id, round, kind) FROM vr_claim_messages',
	sent => 'x, x::text FROM vr_message_sent',
	failed => 'false, x FROM vr_message_failed',
	receipt => 'x, x::text FROM vr_confirm_delivery',
	receive => "NOT duplicate, concat_ws(' ', outcome, vendor_id) FROM vr_receive_message");

my @steps;

# Adds calls that nothing may come between.  key is what a call is about: an order, or
# whatever the verb is to be repeated for only until somebody says something else of it.
my $groups = 0;

sub add
{
	foreach my $step (@_)
	{
		my ($verb, $key, $args) = @$step;

		push @steps,
		  {
			verb => $verb, key => $key, group => $groups, args => $args,
			call => $verb eq 'time' ? $args : "SELECT $calls{$verb}($args) AS x"
		  };
	}
	$groups++;
	return;
}

# The id of a message (order|vendor|round|kind), or one that there is not.
sub message_id
{
	my ($message) = @_;
	my ($order) = split /\|/, $message;

	return "coalesce((SELECT m.message_id FROM vendor_routing.messages AS m WHERE concat_ws('|', '$order', m.vendor_id, m.round, m.kind) = '$message'"
	  . " AND m.routing_id = vr_routing_id('$order')), '00000000-0000-0000-0000-000000000000')";
}

# What is done with an order after it was broadcast.
sub step_of_order
{
	my ($one) = @_;
	my ($order, $waves) = ($one->{order}, $one->{kind} =~ /waves|policy/);
	my $id = "vr_routing_id('$order')";
	my $vendor = 'vendor-' . (1 + int(rand($vendors)));
	my $accepted = percent(70) ? $one->{accepted} // $vendor : $vendor;
	my $message = join '|', $order, $vendor, one_of(1, 1, 1, 2), one_of('OFFER', 'OFFER', 'WIN', 'CANCELLATION');
	my $message_id = message_id($message);
	my $wheel = int(rand(100));

	$one->{accepted} //= $vendor if $wheel < 17;
	return [ 'accept', $order, "$id, '$vendor'" . (percent(30) ? q{, '{"eta": 5}'} : '') ] if $wheel < 17;
	return [ 'respond', $order, "$id, '$vendor', '" . one_of('ACCEPT', 'REJECT', 'REJECT', 'ERROR') . "'" ] if $wheel < 31;
	return [ 'confirm', $order, "$id, '$accepted'" ] if $wheel < 34;
	return [ 'release', $order, "$id, '$accepted', 'van broke down'" ] if $wheel < 42;
	return [ 'complete', $order, "$id, '" . one_of('DELIVERED', 'FAILED') . "', " . one_of(1, 5, 'NULL') ] if $wheel < 45;
	return [ 'assign', $order, "$id, '$vendor', 'kim', " . one_of('true', 'false') ] if $wheel < 49;
	return [ 'cancel', $order, $id ] if $wheel < 51;
	return [ 'send', $order, $id ] if $wheel < 53;
	# Of several waves it would end one after the other, and what is due of a hasty
	# order is done by the tick that follows.
	return [ 'timeout', $order, ($waves ? $id : "$id, '0'") ] if $wheel < 58 && $one->{kind} ne 'hasty';
	return [ 'retry', $order, "$id, " . one_of('true', 'false') ] if $wheel < 65;
	return [ 'sent', $message, "$message_id, '$message'" ] if $wheel < 77;
	return [ 'failed', $message, "$message_id, 'no route', " . one_of('true', 'false') ] if $wheel < 81;
	return [ 'receipt', $message, "$message_id, '" . one_of('DELIVERED', 'READ', 'FAILED') . "'" ] if $wheel < 87;
	return [
		'receive', $order,
		"'wa', 'in-" . @steps . "-" . int(rand(1_000_000)) . "', '3120123450" . substr($vendor, 7) . "', "
		  . one_of("'accept $order'", "'reject $order'", "'accept', '{\"reply_to\": \"$message\"}'", "'hm'", "NULL, jsonb_build_object('payload', 'ACCEPT:' || $id)")
	];
}

sub step_of_vendor
{
	my $vendor = 'vendor-' . (1 + int(rand($vendors)));
	my $retailer = 'retailer-' . one_of(1, 2);
	my $policy = one_of('quick', 'brief');

	return one_of(
		[ 'pause', "pause $vendor", "'$vendor'" . one_of('', ", '2099-01-01 08:00+00', 'holiday'") ],
		([ 'resume', "pause $vendor", "'$vendor'" ]) x 3,
		[ 'hours', "hours $vendor", "'$vendor', 'UTC', '[]'" ],
		([ 'hours', "hours $vendor", "'$vendor', NULL, NULL" ]) x 3,
		[ 'block', "block $retailer $vendor", "'$retailer', '$vendor', 'late'" ],
		([ 'unblock', "block $retailer $vendor", "'$retailer', '$vendor'" ]) x 2,
		([ 'set_policy', "policy $policy", "'$policy', '[" . one_of('', '{"vendors": 2, "wait": "1 hour"},') . " {\"vendors\": 6}]'" ]) x 2,
		[ 'drop_policy', 'policy brief', "'brief'" ],
		([ 'claim', '', 'NULL, 10000, \'1 hour\'' ]) x 6,
		[ 'tick', '', '' ]);
}

# Ten orders are under way at one time.
my @open;
my $begun = 0;

add([ 'set_policy', 'policy quick', q{'quick', '[{"vendors": 2, "wait": "1 hour"}, {"vendors": 6}]'} ]);
while ($begun < $orders || @open)
{
	if ($begun < $orders && @open < 10)
	{
		my $order = 'order-' . ++$begun;
		my $kind = one_of('plain', 'plain', 'plain', 'named', 'waves', 'policy', 'silent', 'hasty');
		my @broadcast = (
			'broadcast', $order,
			"'$order', 'retailer-" . one_of(1, 2) . "'"
			  . {
				plain => '',
				named => ", vendors => '{vendor-1,vendor-5,vendor-8}'",
				waves => q{, waves => '[{"vendors": 3, "wait": "1 microsecond"}, {"vendors": 4}]'},
				policy => ", policy => 'quick'",
				silent => ", ttl => '1 microsecond'",
				hasty => ", confirm_within => '1 microsecond'"
			  }->{$kind});

		push @open, { order => $order, kind => $kind, left => 8 + int(rand(16)) };
		# What is due at once is done at once, so that it is not done by somebody else.
		add(\@broadcast, ($kind =~ /waves|silent|hasty/ ? [ 'tick', $order, '' ] : ()));
	}
	my $one = one_of(@open);
	my $order = $one->{order};

	if (percent(12))
	{
		add(step_of_vendor());
	}
	elsif (percent(2))
	{
		# Times run out.  They are before all others, as in the recorded day.
		add([
				'time', $order,
				"WITH r AS (UPDATE vendor_routing.responses SET offered_at = now() - interval '2 days', expires_at = now() - interval '1 day'"
				  . " WHERE routing_id = (SELECT routing_id FROM vendor_routing.routings WHERE order_id = '$order' AND status IN ('PENDING', 'EXHAUSTED')))"
				  . " UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 hour', expires_at = now() - interval '1 hour'"
				  . " WHERE order_id = '$order' AND status IN ('PENDING', 'EXHAUSTED') RETURNING true, 'over'"
			],
			[ 'tick', $order, '' ]);
	}
	else
	{
		add(step_of_order($one),
			($one->{kind} =~ /waves|silent|hasty/ ? [ 'tick', $order, '' ] : ()));
		@open = grep { $_ != $one } @open if --$one->{left} == 0;
	}
}

# What chance may have left out.
foreach my $step (
	[ 'broadcast', "'ORDER', 'retailer-3'" ],
	[ 'cancel', 'ID' ],
	[ 'send', 'ID' ])
{
	add([ $step->[0], 'order-00', $step->[1] =~ s/ORDER/order-00/r =~ s/ID/vr_routing_id('order-00')/r ]);
}
add([ 'broadcast', 'order-0', q{'order-0', 'retailer-3', vendors => '{vendor-1,vendor-2}'} ]);
add([ 'claim', '', q{NULL, 10000, '1 hour'} ]);
add([ 'failed', 'order-0|vendor-1|1|OFFER', message_id('order-0|vendor-1|1|OFFER') . q{, 'no route', true} ]);
add([ 'sent', 'order-0|vendor-2|1|OFFER', message_id('order-0|vendor-2|1|OFFER') . q{, 'out-0'} ]);
add([ 'receipt', 'order-0|vendor-2|1|OFFER', message_id('order-0|vendor-2|1|OFFER') . q{, 'DELIVERED'} ]);
foreach my $step (
	[ 'respond', "ID, 'vendor-2', 'REJECT'" ],
	[ 'accept', "ID, 'vendor-1'" ],
	[ 'confirm', "ID, 'vendor-1'" ],
	[ 'release', "ID, 'vendor-1'" ],
	[ 'timeout', "ID, '0'" ],
	[ 'retry', 'ID, false' ],
	[ 'assign', "ID, 'vendor-3', 'kim', true" ],
	[ 'complete', "ID, 'DELIVERED', 4" ])
{
	add([ $step->[0], 'order-0', $step->[1] =~ s/ID/vr_routing_id('order-0')/r ]);
}
foreach my $verb (qw(pause resume))
{
	add([ $verb, 'pause vendor-1', "'vendor-1'" ]);
}
foreach my $verb (qw(block unblock))
{
	add([ $verb, 'block retailer-3 vendor-1', "'retailer-3', 'vendor-1'" ]);
}
add([ 'set_policy', 'policy brief', q{'brief', '[{"vendors": 1}]'} ]);
add([ 'drop_policy', 'policy brief', "'brief'" ]);
add([ 'tick', '', '' ]);

#-------------------------------------------------------------------------
# Playing it
#-------------------------------------------------------------------------

# Runs these calls, [step, repeated, isolation level] each, in a database of their own.
sub play
{
	my ($database, @plan) = @_;
	my $file = "$dir/$database.sql";
	my $level = '';
	my $script = '';

	foreach my $call (@plan)
	{
		my $step = $steps[ $call->[0] ];
		my $key = $step->{key} =~ /^(order-\d+)/ ? $1 : '';

		$script .= "SET default_transaction_isolation = '$call->[2]';\n" if $call->[2] ne $level;
		$level = $call->[2];
		$script .= 'CALL replay.call(' . join(', ', $call->[0], $call->[1] ? 'true' : 'false', "'$key'", "\$call\$$step->{call}\$call\$") . ");\n";
	}
	append_to_file($file, $script);
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template");
	$node->command_ok([ 'psql', '-qXAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr($database) ], "$database is played");
	return sort split /\n/, $node->safe_psql($database, 'SELECT replay.state()');
}

sub log_of
{
	my ($database, $what, $rest) = @_;

	return $node->safe_psql($database, "SELECT $what FROM replay.log $rest");
}

my @state = play('day', map { [ $_, 0, 'read committed' ] } 0 .. $#steps);
my @answers = split /\n/, log_of('day', "concat_ws('|', answer, CASE WHEN did THEN 'did' END)", 'ORDER BY step');

foreach my $line (split /\n/, log_of('day', "step, answer, concat_ws(' ', status, version, round, wave), round, status, winner", 'ORDER BY step'))
{
	my ($step, @found) = split /\|/, $line, -1;

	@{ $steps[$step] }{qw(answer state round status winner)} = @found;
}
is($node->safe_psql('day', 'SELECT * FROM vr_check()'), '', 'the day leaves everything sound');
is(log_of('day', 'min(step), answer', q{WHERE answer ~ '^[0-9A-Z]{5}$' AND answer !~ '^(VR00[1-6]|ERROR|RETRY)$' GROUP BY answer}),
	'', 'and no call ended otherwise than it may');

# How late a repeat of a call may come: while this is so of a later step about the same
# thing.  Without an entry, for ever.
my %while = (
	round => sub { $_[1]{round} eq $_[0]{round} },
	state => sub { $_[1]{state} eq $_[0]{state} },
	# Who has confirmed the order, until it has it once more, in another round.
	kept => sub { $_[1]{round} eq $_[0]{round} || !winner_is_about($_[0], $_[1]) },
	# Who has given it back, until it has it once more, be it in the round that began then.
	lost => sub { !winner_is_about($_[0], $_[1]) },
	retried => sub { $_[1]{status} !~ /EXHAUSTED|EXPIRED/ },
	other => sub { 0 },
	receipt => sub { $_[1]{verb} !~ /sent|failed|receipt/ });
my %verbs = (
	accept => 'round', assign => 'round', respond => 'round', timeout => 'round',
	confirm => 'kept', release => 'lost', retry => 'retried',
	pause => 'other', resume => 'other', hours => 'other', block => 'other', unblock => 'other',
	set_policy => 'other', drop_policy => 'other',
	failed => 'other');

sub winner_is_about
{
	my ($step, $later) = @_;
	my ($vendor) = $step->{args} =~ /'(vendor-\d+)'/;

	return $later->{winner} eq $vendor;
}

sub last_moment
{
	my ($n) = @_;
	my $step = $steps[$n];
	my $window = $verbs{ $step->{verb} };

	# What is refused now can be granted when the order, the load or the message is another.
	return $n
	  if $step->{verb} eq 'claim'
	  || $step->{answer} =~ /^(?:VR002|VR006|NOT_INVITED|AT_CAPACITY|UNAVAILABLE)/;
	$window = 'state' if $step->{answer} =~ /^VR00[45]$/ && $step->{verb} ne 'retry';
	# What a message is told is true until it is told something else.
	$window = 'receipt' if $step->{verb} eq 'sent' || $step->{verb} eq 'receipt' && $step->{args} =~ /FAILED/;
	return $#steps if !defined $window;
	foreach my $m ($n + 1 .. $#steps)
	{
		my $later = $steps[$m];

		return $m - 1
		  if $later->{key} eq $step->{key} && !$while{$window}->($step, $later)
		  # without the attempt, and its external id, they are about the last one
		  || $later->{verb} eq 'claim' && ($step->{verb} eq 'failed' || $window eq 'receipt')
		  # which does something with any order, and does not say which
		  || $later->{verb} eq 'tick' && $later->{answer} =~ /[1-9]/ && $window !~ /^(?:other|receipt)$/;
	}
	return $#steps;
}

# A repeat follows the last call of some group: nothing comes between those of one.
my @ends = map { $_ == $#steps || $steps[ $_ + 1 ]{group} != $steps[$_]{group} ? $_ : () } 0 .. $#steps;
my @last = map { last_moment($_) } 0 .. $#steps;
my $late = 0;

sub repeats
{
	my @after = map { [] } @steps;

	foreach my $n (0 .. $#steps)
	{
		# Another tick is no repeat: it does what has become due since, be it by the first.
		next if $steps[$n]{verb} =~ /^(?:time|tick)$/;
		my @moments = grep { $_ >= $n && $_ <= $last[$n] } @ends;

		foreach (1, 2)
		{
			my $moment = @moments ? one_of(@moments) : $n;

			$late++ if $moment != $n;
			push @{ $after[$moment] }, $n;
		}
	}
	return @after;
}

foreach my $replay (1 .. $replays)
{
	my @after = repeats();
	my @plan = map {
		my $n = $_;
		# Who was first stays first, where two have waited.
		([ $n, 0, one_of(@levels) ], map { [ $_, 1, one_of(@levels) ] } sort { rand() <=> 0.5 } @{ $after[$n] })
	} 0 .. $#steps;
	my @again = play("replay_$replay", @plan);
	my @said = split /\n/,
	  log_of("replay_$replay", "concat_ws('|', answer, CASE WHEN did THEN 'did' END)", 'WHERE NOT repeated ORDER BY step');
	my @differ = grep { $said[$_] ne $answers[$_] } 0 .. $#steps;
	my %day = map { $_ => 1 } @state;
	my %replay = map { $_ => 1 } @again;
	my @changed = ((map { "- $_" } grep { !$replay{$_} } @state), (map { "+ $_" } grep { !$day{$_} } @again));

	is(join("\n", map { "$_ $steps[$_]{verb} $steps[$_]{args}: $said[$_], not $answers[$_]" } @differ[ 0 .. ($#differ < 9 ? $#differ : 9) ]),
		'', "seed $seed, replay $replay: every first call is answered as it was");
	is( join("\n", map { my ($n, $answer) = split /\|/; "$n $steps[$n]{verb} $steps[$n]{args}: $answer" }
			split /\n/, log_of("replay_$replay", 'step, answer', 'WHERE repeated AND did ORDER BY id LIMIT 10')),
		'', "seed $seed, replay $replay: no repeated call does anything");
	is(join("\n", @changed[ 0 .. ($#changed < 9 ? $#changed : 9) ]), '', "seed $seed, replay $replay: the day ends as it did");
	is($node->safe_psql("replay_$replay", 'SELECT * FROM vr_check()'), '', "seed $seed, replay $replay: everything is sound");
	$node->safe_psql('postgres', "DROP DATABASE replay_$replay");
}

# A day in which something never happened proves nothing about it.
foreach my $verb (sort keys %calls)
{
	my @all = grep { $steps[$_]{verb} eq $verb } 0 .. $#steps;
	my @did = grep { $answers[$_] =~ /\|did$/ || $calls{$verb} =~ /^false/ && $answers[$_] !~ /^VR/ } @all;

	cmp_ok(scalar @did, '>', 0, "$verb did something: " . @did . ' of ' . @all);
}
my $calls = grep { $_->{verb} ne 'time' } @steps;
cmp_ok($late, '>', $replays * $calls / 2, "repeats came late: $late of " . 2 * $replays * $calls);

$node->stop;
done_testing();
