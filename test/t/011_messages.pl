# Orders whose vendors are told by senders that die, and who answer by messages that
# come twice, late and in any order, while orders are cancelled and given back.
#
# Catches: a message that is lost or made twice, an offer that goes out long after
# the order was decided, a vendor that is told of a win it does not have, or never
# of the end of what it was offered, or of the end of what it never was; a reply that
# counts twice; what a crash makes of messages between claim and sent; words that are
# not understood in a database of another language.
#
# MESSAGE_ORDERS=n plays n orders instead of 60, MESSAGE_SEED=n repeats the choices
# of a run (not their timing).

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = $ENV{MESSAGE_ORDERS} // 60;
my $seed = $ENV{MESSAGE_SEED} // int(rand(1_000_000_000));
my $vendors = 10;
my $senders = 4;
my $sessions = 3;    # that receive messages at the same time
my $lease = 3;    # seconds
my $rounds = 15;    # in which the orders come

BAIL_OUT("MESSAGE_ORDERS must be a number, of 10 or more")
  if $orders !~ /^\d+$/ || $orders < 10;
note "MESSAGE_SEED=$seed MESSAGE_ORDERS=$orders";
srand($seed);

my $node = new_node('messages', conf => <<'SQL');
synchronous_commit = on
vendor_routing.message_attempts = 100
vendor_routing.message_backoff = 0
vendor_routing.max_releases = 3
SQL
my $dir = PostgreSQL::Test::Utils::tempdir('messages');

add_database($node, 'postgres', $vendors);
$node->safe_psql('postgres',
	"UPDATE vendor_routing.vendors SET phone = '+4917000' || lpad(substr(vendor_id, 8), 4, '0') WHERE vendor_id <> 'vendor-3'"
);

sub ask
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

sub percent
{
	return rand(100) < $_[0];
}

#-------------------------------------------------------------------------
# A crash between claim and sent
#-------------------------------------------------------------------------

invite_orders($node, 'postgres', 'crash', 1);
{
	my $claimed =
	  ask("SELECT string_agg(message_id::text, ',' ORDER BY message_id) FROM vr_claim_messages(NULL, 6, '1 h')");
	my $open = new_session($node, 'postgres');

	$open->query_safe('BEGIN');
	is($open->query_safe('SELECT count(*) FROM vr_claim_messages()'),
		'4', 'a sender has claimed, and not committed');
	$node->stop('immediate');
	$open->{run}->kill_kill;
	$node->start;
	is(ask('SELECT count(*) FROM vr_claim_messages(NULL, 100, \'1 h\')'),
		'4', 'a claim that was not committed is none after a crash');
	is(ask('SELECT count(*) FROM vr_claim_messages()'),
		'0', 'one that was, holds');
	ask("SELECT vr_message_sent(message_id) FROM vendor_routing.messages WHERE NOT message_id = ANY ('{$claimed}')");
	ask("UPDATE vendor_routing.messages SET due_at = now() WHERE state = 'LEASED'");
	ask("SELECT vr_accept(vr_routing_id('crash-1'), vendor_id) FROM vendor_routing.messages WHERE state = 'SENT' ORDER BY vendor_id LIMIT 1");
	is( ask("SELECT string_agg(DISTINCT kind, ' '), count(*) FROM vr_claim_messages()"),
		'CANCELLATION WIN|10', 'who may have got the offer is told the end, and the winner');
	is( ask("SELECT string_agg(message_id::text, ',' ORDER BY message_id), bool_and(may_have_arrived), bool_and(attempts = 1)
		  FROM vendor_routing.messages WHERE state = 'DROPPED'"),
		"$claimed|t|t", 'the offers that were on their way are the same messages still');
	ask("SELECT vr_message_sent(message_id) FROM vendor_routing.messages WHERE state = 'LEASED'");
}

#-------------------------------------------------------------------------
# Senders
#-------------------------------------------------------------------------

# A sender claims, delivers (a line in its log, by a process of its own), and says
# so: mostly.  Some are not delivered, some are although it seems otherwise, of some
# nothing is ever said.  It takes a short breath before the next claim.
sub start_sender
{
	my ($n, $calm) = @_;
	my $script = "$dir/sender-$n.sql";

	if (!-e $script || $calm)
	{
		my $fate = $calm ? "'sent'" : "(ARRAY['sent','sent','sent','sent','lost','doubt','silent'])[1 + floor(random() * 7)]";

		unlink $script;
		append_to_file($script, <<"SQL" x 2000);
CREATE TEMP TABLE batch AS SELECT *, $fate AS fate FROM vr_claim_messages(NULL, 1 + floor(random() * 20)::int, '$lease s');
\\copy (SELECT message_id, kind, order_id, round, vendor_id, payload ->> 'reason', extract(epoch FROM leased_until) - $lease, extract(epoch FROM clock_timestamp()) FROM batch WHERE fate <> 'lost') TO PROGRAM 'cat >> $dir/log-$n' (DELIMITER '|', NULL '-')
SELECT vr_message_sent(message_id, 'x-' || message_id) FROM batch WHERE fate = 'sent';
SELECT vr_message_failed(message_id, fate, fate = 'doubt') FROM batch WHERE fate IN ('lost', 'doubt');
DROP TABLE batch;
SELECT pg_sleep(0.02);
SQL
	}
	return {
		n => $n,
		run => IPC::Run::start(
			[
				'psql', '-XAtq', '-d',
				$node->connstr('postgres') . " application_name=sender-$n",
				'-f', $script
			],
			'<', \undef, '>', '/dev/null', '2>>', "$dir/errors-$n") };
}

my @running = map { start_sender($_) } 1 .. $senders;

# Kills one, client or server side, and starts another in its place.
sub kill_sender
{
	my ($sender) = @_;

	if (percent(50))
	{
		ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sender-$sender->{n}'");
	}
	$sender->{run}->kill_kill(grace => 0);
	@running = ((grep { $_ != $sender } @running), start_sender($sender->{n}));
	return;
}

# What has been delivered since the last look.
my %offset;
my @log;

sub read_log
{
	my @new;

	foreach my $n (1 .. $senders)
	{
		my $file = "$dir/log-$n";
		my $text;

		next if !-e $file;
		$text = substr(slurp_file($file), $offset{$n} // 0);
		$text =~ s/[^\n]*\z//;    # a line that is not whole yet
		$offset{$n} = ($offset{$n} // 0) + length $text;
		foreach my $line (split /\n/, $text)
		{
			my %line;

			@line{qw(id kind order round vendor reason claimed told)} = split /\|/, $line;
			push @new, \%line;
		}
	}
	push @log, @new;
	return @new;
}

#-------------------------------------------------------------------------
# Vendors
#-------------------------------------------------------------------------

my $written = 0;
my @mail;    # statements that receive messages, on their way
my %answered;
my %first;    # of each message: outcome, reply, vendor and order
my @contradictions;
my %outcomes;

# A vendor reads an offer (once), and writes, or not; in one of several ways.
sub answer
{
	my ($line) = @_;
	my ($number) = $line->{vendor} =~ /(\d+)/;
	my $phone = sprintf '4917000%04d', $number;
	my $word = percent(60) ? 'accept' : percent(50) ? 'reject' : 'cannot accept';
	my $id = 'wamid-' . ++$written;
	my $how = int(rand(3));
	my $body = "$word $line->{order}";
	my $context = 'NULL';

	return if $line->{kind} ne 'OFFER' || $answered{ $line->{id} }++ || percent(30);
	return if $number == 3;    # has no phone
	if ($how == 0 && $word ne 'cannot accept')
	{
		$context = "jsonb_build_object('payload', '" . uc($word) . ":' || vr_routing_id('$line->{order}'))";
	}
	elsif ($how == 1)
	{
		$body = $word;
		$context = "'{\"reply_to\": \"x-$line->{id}\"}'";
	}
	push @mail,
	  "SELECT '$id', '$word', '$line->{order}', outcome, vendor_id, reply, duplicate"
	  . " FROM vr_receive_message('wa', '$id', '$phone', '$body', $context);\n"
	  foreach 1 .. (percent(40) ? 3 : 1);
	return;
}

# Some of the mail arrives, in any order, in several sessions at once.
sub deliver_mail
{
	my ($part) = @_;
	my @scripts = ('') x $sessions;
	my @runs;

	@mail = shuffle(@mail);
	foreach my $statement (splice @mail, 0, int(@mail * $part + 0.5))
	{
		$scripts[ int(rand($sessions)) ] .= $statement;
	}
	foreach my $n (0 .. $sessions - 1)
	{
		my %run = (output => '', errors => '');

		$run{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
			'<', \$scripts[$n], '>', \$run{output}, '2>', \$run{errors});
		push @runs, \%run;
	}
	foreach my $run (@runs)
	{
		$run->{run}->finish;
		push @contradictions, $run->{errors} if $run->{errors} ne '';
		foreach my $line (split /\n/, $run->{output})
		{
			my ($id, $word, $order, $outcome, $vendor, $reply, $duplicate) = split /\|/, $line, 7;
			my $answer = "$outcome|$vendor|$reply";

			push @contradictions, "$id was answered $first{$id}, and $answer"
			  if ($first{$id} // $answer) ne $answer;
			push @contradictions, "$id ($word $order) counted twice"
			  if $duplicate eq 'f' && $outcomes{$id};
			push @contradictions, "$id ($word $order): $outcome"
			  if $word ne 'accept' && $outcome eq 'LOCKED'
			  || $word eq 'cannot accept' && $outcome !~ /^(AMBIGUOUS|NO_OFFER)$/;
			$first{$id} = $answer;
			$outcomes{$id} = "$outcome $order $vendor" if $duplicate eq 'f';
		}
	}
	return;
}

#-------------------------------------------------------------------------
# The day
#-------------------------------------------------------------------------

my $made = 0;
my $killed = 0;

foreach my $round (1 .. $rounds + 5)
{
	my $until = $round >= $rounds ? $orders : int($orders * $round / $rounds);

	ask("SELECT count(*) FROM generate_series($made + 1, $until) AS n, vr_broadcast('order-' || n, 'shop', max_vendors => 10)")
	  if $until > $made;
	$made = $until;

	# Some are cancelled, some winners give their order back.
	ask(<<"SQL") if percent(60);
SELECT vr_cancel(routing_id) FROM vendor_routing.routings
 WHERE status IN ('PENDING', 'LOCKED') AND order_id LIKE 'order-%' AND random() < 0.03;
SELECT vr_release(routing_id, locked_vendor_id) FROM vendor_routing.routings
 WHERE status = 'LOCKED' AND order_id LIKE 'order-%' AND releases < 2 AND random() < 0.06;
SQL
	if ($round == int($rounds / 2))
	{
		$node->stop('immediate');
		$_->{run}->kill_kill(grace => 0) foreach @running;
		$node->start;
		@running = map { start_sender($_) } 1 .. $senders;
		$killed++;
	}
	foreach my $turn (1 .. 3)
	{
		answer($_) foreach read_log();
		deliver_mail(0.5);
		kill_sender($running[ rand @running ]), $killed++ if percent(60);
	}
}
answer($_) foreach read_log();
deliver_mail(1);

# Of those that are open still, most are decided; the last stay open.
ask(<<'SQL');
SELECT vr_assign(routing_id, 'vendor-3', 'kim') FROM vendor_routing.routings AS t
 WHERE status = 'PENDING' AND order_id LIKE 'order-%' AND order_id ~ '[1-4]$';
SELECT vr_cancel(routing_id) FROM vendor_routing.routings
 WHERE status = 'PENDING' AND order_id LIKE 'order-%' AND order_id ~ '[5-8]$';
SQL

# Of one that is over before it begins, nobody may hear.
ask(<<'SQL');
BEGIN;
SELECT FROM vr_broadcast('order-0', 'shop', max_vendors => 10);
SELECT FROM vr_cancel(vr_routing_id('order-0'));
COMMIT;
SQL

# Senders that live bring the rest home.
$_->{run}->kill_kill(grace => 0) foreach @running;
@running = map { start_sender($_, 1) } 1 .. $senders;
ok( $node->poll_query_until(
		'postgres', <<'SQL'),
SELECT NOT EXISTS (SELECT FROM vr_message_queue)
   AND NOT EXISTS (SELECT FROM vendor_routing.outbox AS o JOIN vendor_routing.routings AS t USING (routing_id) WHERE o.version <> t.version)
SQL
	'everything is told in the end');
$_->{run}->kill_kill(grace => 0) foreach @running;
read_log();

#-------------------------------------------------------------------------
# What became of it
#-------------------------------------------------------------------------

cmp_ok($killed, '>=', 5, "senders were killed: $killed times");
is(join("\n", @contradictions), '', "seed $seed: each message of a vendor counted once, for what it said");
is( ask("SELECT state, count(*) FROM vendor_routing.messages WHERE state NOT IN ('SENT', 'DROPPED') GROUP BY 1"),
	'', 'all messages are sent or dropped');
is(ask('SELECT violation, order_id, detail FROM vr_check()'), '', "seed $seed: vr_check finds nothing");

my %wins = map { $_ => 1 } split /\n/,
  ask("SELECT order_id || ' ' || vendor_id FROM vendor_routing.events WHERE event_type = 'VENDOR_ACCEPTED' AND order_id LIKE 'order-%'");
my %won = map { s/^LOCKED //r => 1 } grep { /^LOCKED/ } values %outcomes;
is(join("\n", grep { !$wins{$_} } sort keys %won), '', "seed $seed: who accepted an order and was answered LOCKED won that order");
is(join("\n", grep { !$won{$_} } sort keys %wins), '', "seed $seed: and nobody won another");

# In the sequence in which vendors heard it, each message once.
my %heard;
my %seen;
my @wrong;
my $again = 0;
foreach my $line (sort { $a->{told} <=> $b->{told} } @log)
{
	my $what = "$line->{kind} $line->{order} $line->{round} $line->{vendor}";

	if (exists $seen{ $line->{id} })
	{
		push @wrong, "$line->{id} said $seen{$line->{id}}, and $what"
		  if $seen{ $line->{id} } ne $what;
		$again++;
		next;
	}
	$seen{ $line->{id} } = $what;
	push @{ $heard{"$line->{order} $line->{vendor}"} }, $line;
}
is("@wrong", '', 'a message says the same each time');
cmp_ok($again, '>', 0, "some were delivered again: $again");
is(join("\n", grep { my $n = $_; 1 < grep { $_ eq $n } values %seen } values %seen),
	'', 'nothing is told by two messages');

# When each round was decided.
my %decided = map { split /\|/ } split /\n/,
  ask("SELECT order_id || ' ' || c.round, extract(epoch FROM min(c.created_at))
	     FROM vendor_routing.cancellations AS c JOIN vendor_routing.routings USING (routing_id) GROUP BY 1");
my @late = grep {
	my $decided = $decided{"$_->{order} $_->{round}"};
	$_->{kind} eq 'OFFER' && defined $decided && $_->{claimed} > $decided + $lease
} @log;
is(join("\n", map { "$seen{$_->{id}} by " . ($_->{claimed} - $decided{"$_->{order} $_->{round}"}) } @late),
	'', 'no offer is handed out longer than a lease after the order was decided');

# The last that each vendor heard, and should have.
my %truth = map { my ($key, @rest) = split /\|/; $key => \@rest } split /\n/, ask(<<'SQL');
SELECT t.order_id || ' ' || v.vendor_id, t.status, coalesce(t.locked_vendor_id = v.vendor_id AND t.status = 'LOCKED', false), t.round,
       (SELECT string_agg(c.round || '=' || c.reason, ',') FROM vendor_routing.cancellations AS c WHERE c.routing_id = t.routing_id AND c.vendor_id = v.vendor_id),
       (SELECT max(m.round) FROM vendor_routing.messages AS m WHERE m.routing_id = t.routing_id AND m.vendor_id = v.vendor_id
          AND m.kind <> 'CANCELLATION' AND (m.state = 'SENT' OR m.may_have_arrived)),
       (SELECT max(r.round) FROM vendor_routing.responses AS r WHERE r.routing_id = t.routing_id AND r.vendor_id = v.vendor_id AND r.response IN ('ACCEPT', 'REJECT', 'ERROR')
          AND NOT EXISTS (SELECT FROM vendor_routing.cancellations AS c WHERE c.routing_id = r.routing_id AND c.round = r.round AND c.vendor_id = r.vendor_id AND c.created_at < r.responded_at)),
       (SELECT max(r.round) FROM vendor_routing.responses AS r WHERE r.routing_id = t.routing_id AND r.vendor_id = v.vendor_id AND r.response = 'ACCEPT'),
       (SELECT r.response FROM vendor_routing.responses AS r WHERE r.routing_id = t.routing_id AND r.vendor_id = v.vendor_id AND r.round = t.round)
  FROM vendor_routing.routings AS t, vendor_routing.vendors AS v
 WHERE t.order_id LIKE 'order-%'
SQL

# What is on record of an order and a vendor, in time's sequence.
sub on_record
{
	my ($order, $vendor) = @_;

	return ask(<<"SQL") . "\n";
SELECT at, what FROM (
  SELECT queued_at, format('message %s %s %s %s, attempts %s, due %s, sent %s, may have arrived %s', message_id, kind, round, state, attempts, due_at, sent_at, may_have_arrived)
    FROM vendor_routing.messages WHERE routing_id = vr_routing_id('$order') AND vendor_id = '$vendor'
  UNION ALL SELECT responded_at, format('answer %s in round %s, offered %s', response, round, offered_at)
    FROM vendor_routing.responses WHERE routing_id = vr_routing_id('$order') AND vendor_id = '$vendor'
  UNION ALL SELECT created_at, format('cancellation %s of round %s, sent %s', reason, round, sent_at)
    FROM vendor_routing.cancellations WHERE routing_id = vr_routing_id('$order') AND vendor_id = '$vendor'
  UNION ALL SELECT occurred_at, format('%s %s %s', event_type, vendor_id, payload)
    FROM vendor_routing.events WHERE routing_id = vr_routing_id('$order') AND coalesce(vendor_id, '$vendor') = '$vendor') AS record (at, what)
ORDER BY 1
SQL
}

my %ends;
@wrong = ();
foreach my $key (sort keys %truth)
{
	my ($status, $winner, $round, $reasons, $told_round, $answered_round, $accepted_round, $response) = @{ $truth{$key} };
	my %reason = map { split /=/ } split /,/, $reasons;
	my @heard = @{ $heard{$key} // [] };
	my $last = @heard ? "$heard[-1]{kind} $heard[-1]{round} $heard[-1]{reason}" : 'nothing';
	# The latest round of which the vendor knows, or may know.
	my ($known) = sort { $b <=> $a } grep { $_ ne '' } ($told_round, $answered_round // '');
	my $should =
	    $winner eq 't' ? "WIN $round -"
	  : !defined $known ? 'nothing'
	  : defined $reason{$known} ? "CANCELLATION $known $reason{$known}"
	  : "OFFER $known -";

	# An order that is open: of an offer nobody knows to have arrived, or that was
	# answered before it was told by this log, there is nothing to be told yet.
	$should = $last if $should eq "OFFER $round -" && $status eq 'PENDING' && $last ne "OFFER $round -" && ($response // '') ne '';
	# Who accepts too late what it was not told of has its answer, and may get the message as well.
	$should = $last if $accepted_round ne '' && $accepted_round > ($known // 0) && $last eq "CANCELLATION $accepted_round " . ($reason{$accepted_round} // '');
	push @wrong, "$key ($status, round $round) heard $last last, not $should" if $last ne $should;
	push @wrong, "$key heard in the wrong sequence: " . join ', ', map { "$_->{kind} $_->{round}" } @heard
	  if join(' ', map { sprintf '%d%d', $_->{round}, index('OWC', substr($_->{kind}, 0, 1)) } @heard) ne
	  join(' ', sort { $a <=> $b } map { sprintf '%d%d', $_->{round}, index('OWC', substr($_->{kind}, 0, 1)) } @heard);
	foreach my $line (grep { $_->{kind} eq 'CANCELLATION' } @heard)
	{
		push @wrong, "$key was told $line->{reason} of round $line->{round}, and it is not so"
		  if ($reason{ $line->{round} } // '') ne $line->{reason};
	}
	$ends{ (split / /, $last)[0] . ($status eq 'PENDING' ? ' (open)' : '') }++;
}
is(join("\n", @wrong), '', "seed $seed: every vendor has heard the right thing last")
  or diag map { on_record(split / /) } map { /^(\S+ \S+) / } @wrong;
note join ', ', map { "$_: $ends{$_}" } sort keys %ends;
cmp_ok($ends{$_} // 0, '>', 0, "some ended with $_") foreach qw(WIN CANCELLATION nothing);

# Of what was never tried, nobody hears the end.
is( ask(<<'SQL'),
SELECT count(*) FROM vendor_routing.messages AS m
  JOIN vendor_routing.responses AS r USING (routing_id, round, vendor_id)
 WHERE m.kind = 'CANCELLATION' AND m.state = 'SENT' AND coalesce(r.response, 'TIMEOUT') = 'TIMEOUT'
   AND NOT EXISTS (SELECT FROM vendor_routing.messages AS p WHERE p.routing_id = m.routing_id AND p.round = m.round
                   AND p.vendor_id = m.vendor_id AND p.kind <> m.kind AND p.attempts > 0)
SQL
	'0', 'who was offered nothing is told of no end');
is( ask(<<'SQL'),
SELECT count(*) FROM vendor_routing.cancellations AS c JOIN vendor_routing.messages AS m USING (routing_id, round, vendor_id)
 WHERE m.kind = 'CANCELLATION' AND (m.state = 'SENT') <> (c.sent_at IS NOT NULL)
SQL
	'0', 'cancellations say when they were sent');
unlike(join('', map { -e "$dir/errors-$_" ? slurp_file("$dir/errors-$_") : '' } 1 .. $senders),
	qr/ERROR:(?!\s+relation "batch" already exists)/, 'no sender gets an error');
is(ask("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), '0', 'no deadlock');

# To a Turkish database, I is the capital of another letter than i.  (Needs a server with ICU.)
{
	$node->safe_psql('postgres',
		"CREATE DATABASE turkish TEMPLATE template0 ENCODING UTF8 LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr'");
	is($node->safe_psql('turkish', <<"SQL"), "LOCKED\nREJECTED\nLOCKED", 'words in capitals, in a Turkish database');
SET client_encoding = UTF8;
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, phone, attributes)
VALUES ('p', 'P', true, '+351910000001', '{"language": "pt"}'), ('t', 'T', true, '+905010000001', '{"language": "tr"}');
INSERT INTO vendor_routing.message_words VALUES ('tr', 'hay\x{c4}\x{b1}r', 'REJECT'), ('tr', 'evet', 'ACCEPT');
CREATE TABLE made AS SELECT FROM vr_broadcast('o-1', 'r') AS a, vr_broadcast('o-2', 'r', vendors => '{t}') AS b,
	vr_broadcast('o-3', 'r', vendors => '{t}') AS c;
SELECT outcome FROM vr_receive_message('wa', '1', '351910000001', 'ACEITO');
SELECT outcome FROM vr_receive_message('wa', '2', '905010000001', 'HAYIR o-2');
SELECT outcome FROM vr_receive_message('wa', '3', '905010000001', 'Evet o-3');
SQL
}

$node->stop;
done_testing();
