# Every verb that writes is called inside a transaction of the application's, which then
# ends in each way there is, at each isolation level.  Either it is undone: as a whole, to
# a savepoint, by an exception block, an error, a lost connection, or as a prepared
# transaction, by another session, after a restart, after a crash.  Or it is done: by
# COMMIT, out of released savepoints, after a first attempt that was undone, or as a prepared
# transaction, by the same three.
#
# Undone, no row of any table may be different, no lock may be left, and the next
# vendor must be able to win, from another session, at once.  Done, the rows must be
# those of the same call in autocommit.  Then random walks of calls, nested savepoints and
# two-phase commits must end as if what was undone had never been said.
#
# Catches: a row, an event, a cancellation, a load, a message or a lock that is not the
# transaction's; what a session keeps in memory of a call that was undone; a prepared
# transaction that loses something on the way; a notification of what has not happened.
#
# Who waits for whom meanwhile is in test/isolation/specs/accept_{rollback,savepoint,
# prepared}.spec.  In quick mode each verb ends in each way at one of the isolation
# levels only.  WALK_SEED=n repeats a walk.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my @levels = ('read committed', 'repeatable read', 'serializable');
my $node = new_node('atomic', conf => <<'SQL');
max_prepared_transactions = 150
max_locks_per_transaction = 256
vendor_routing.message_backoff = 0
SQL

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vendor_routing;
CREATE SCHEMA app;
CREATE TABLE app.notes (note text);
CREATE TABLE app.parents (id integer PRIMARY KEY);
CREATE TABLE app.children (id integer REFERENCES app.parents DEFERRABLE INITIALLY DEFERRED);

-- Runs a call, and has it undone by an exception block, inside of which there was another.
CREATE FUNCTION app.caught(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	BEGIN
		BEGIN
			EXECUTE call INTO answer;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
		RAISE 'undone';
	EXCEPTION WHEN raise_exception THEN
		RETURN answer;
	END;
END $$;

-- The same, but what is undone is something else.
CREATE FUNCTION app.kept(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	BEGIN
		EXECUTE call INTO answer;
		BEGIN
			INSERT INTO app.notes VALUES ('undone');
			RAISE 'undone';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	RETURN answer;
END $$;

CREATE FUNCTION app.fail(answer text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'failed';
END $$;

-- Procedures that end transactions themselves.
CREATE PROCEDURE app.undone(call text, INOUT answer text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call INTO answer;
	ROLLBACK;
	PERFORM 1;
	COMMIT;
END $$;

CREATE PROCEDURE app.done(call text, INOUT answer text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call INTO answer;
	COMMIT;
	INSERT INTO app.notes VALUES ('undone');
	ROLLBACK;
END $$;

-- Every row of every table of the extension.
CREATE FUNCTION app.digest() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tab regclass;
	one text;
	every text := '';
BEGIN
	FOR tab IN SELECT oid FROM pg_class
		WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind = 'r' ORDER BY relname
	LOOP
		EXECUTE format('SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM %s AS t', tab) INTO one;
		every := concat_ws(' ', every, tab, one);
	END LOOP;
	RETURN every;
END $$;

-- The same, by what it belongs to (order case-0001 and its vendors case-0001-a and so on),
-- without times and random ids.  Of a time we keep whether there is one, and of ids of
-- events their order.
CREATE FUNCTION app.states(OUT belongs_to text, OUT state text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	tab regclass;
	bare text;
BEGIN
	CREATE TEMPORARY TABLE piece (belongs_to text, piece text) ON COMMIT DROP;
	FOR tab IN SELECT oid FROM pg_class WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind = 'r'
	LOOP
		SELECT string_agg(
			CASE WHEN atttypid = 'timestamptz'::regtype THEN format('t.%I IS NOT NULL AS %1$I', attname)
				WHEN attname = 'routing_id' THEN
					'(SELECT order_id FROM vendor_routing.routings AS r WHERE r.routing_id = t.routing_id) AS routing_id'
				WHEN attname = 'event_id' THEN
					format('row_number() OVER (PARTITION BY t.%I ORDER BY t.event_id) AS event_id',
						CASE WHEN tab = 'vendor_routing.events'::regclass THEN 'routing_id' ELSE 'vendor_id' END)
				ELSE format('t.%I', attname) END, ', ')
		  INTO bare
		  FROM pg_attribute
		 WHERE attrelid = tab AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('phone', 'sender')
		   AND NOT (attname = 'message_id' AND atttypid = 'uuid'::regtype);
		EXECUTE format($f$
			INSERT INTO piece SELECT belongs_to, %L || ' ' || replace(j, belongs_to, 'case')
			  FROM (SELECT row_to_json(x)::text AS j FROM (SELECT %s FROM %s AS t) AS x) AS y,
			       coalesce(substring(j FROM 'case-[0-9]+'), 'nothing') AS belongs_to$f$, tab, bare, tab);
	END LOOP;
	RETURN QUERY SELECT p.belongs_to, string_agg(p.piece, chr(10) ORDER BY p.piece COLLATE "C") FROM piece AS p GROUP BY 1;
	DROP TABLE piece;
END $$;

-- What a call answers, or its SQLSTATE.
CREATE FUNCTION app.said(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE call INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- An order to be due by the time it is needed.
INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified) VALUES ('slow', 'Slow', true);
SET vendor_routing.order_ttl = '1 s';
SELECT count(*) FROM vr_broadcast('due', 'retailer', vendors => '{slow}', ttl => '100 ms');
SQL

# Each verb: what comes before it, the call, what it answers; and calls that tell that
# nothing has happened, by what they answer.  ID is the order, ROUTING its id.
my $by_a = "SELECT accepted, reason, right(locked_vendor_id, 1) FROM vr_accept(ROUTING, 'ID-a')";
my $by_b = $by_a =~ s/ID-a/ID-b/r;
my @free = ($by_b, 't|LOCKED|b');
my @taken = ($by_b, 'f|ALREADY_LOCKED|a');
my $message = "(SELECT message_id FROM vendor_routing.messages WHERE routing_id = ROUTING AND vendor_id = 'ID-a' AND kind = 'OFFER')";
my $reject = join ' ', map { "SELECT recorded FROM vr_respond(ROUTING, 'ID-$_', 'REJECT');" } qw(a b c);
my %verbs = (
	broadcast => [
		'new', "SELECT created, vendor_count FROM vr_broadcast('ID', 'retailer', vendors => '{ID-a,ID-b,ID-c}')",
		't|3', "SELECT count(*) FROM vendor_routing.routings WHERE order_id = 'ID'", '0' ],
	broadcast_many => [
		'new', q{SELECT created, vendor_count FROM vr_broadcast_many('[{"order_id": "ID", "retailer_id": "retailer", "vendors": ["ID-a", "ID-b"]}]')},
		't|2' ],
	accept => [ '', $by_a, 't|LOCKED|a', @free ],
	lose => [ "$by_a;", $by_b, 'f|ALREADY_LOCKED|a', @taken ],
	full => [
		"UPDATE vendor_routing.vendors SET capacity = 0 WHERE vendor_id = 'ID-a';",
		$by_a, 'f|AT_CAPACITY|', @free ],
	receive => [ '', "SELECT outcome, duplicate FROM vr_receive_message('wa', 'ID', 'PHONE', 'accept ID')", 'LOCKED|f', @free ],
	assign => [ '', "SELECT reason FROM vr_assign(ROUTING, 'ID-a', 'kim')", 'LOCKED', @free ],
	reject => [
		'', "SELECT recorded, response_recorded FROM vr_respond(ROUTING, 'ID-b', 'REJECT')", 't|REJECT', @free ],
	last_reject => [
		$reject =~ s/SELECT recorded FROM vr_respond\(ROUTING, 'ID-b', 'REJECT'\);//r,
		"SELECT recorded, response_recorded FROM vr_respond(ROUTING, 'ID-b', 'REJECT')", 't|REJECT', @free ],
	cancel_open => [ '', "SELECT cancelled, cancelled_count FROM vr_cancel(ROUTING, 'why')", 't|3', @free ],
	cancel_taken => [ "$by_a;", "SELECT cancelled, cancelled_count FROM vr_cancel(ROUTING, 'why')", 't|1', @taken ],
	release => [ "$by_a;", "SELECT released, status, round, vendor_count FROM vr_release(ROUTING, 'ID-a')", 't|PENDING|2|2', @taken ],
	confirm => [ "$by_a;", "SELECT confirmed FROM vr_confirm(ROUTING, 'ID-a')", 't', @taken ],
	complete => [ "$by_a;", "SELECT completed, outcome_recorded FROM vr_complete(ROUTING, 'DELIVERED', 5)", 't|DELIVERED', @taken ],
	retry => [ $reject, 'SELECT retried, round, vendor_count FROM vr_retry(ROUTING)', 't|2|3', $by_b, 'f|ALREADY_REJECTED|' ],
	timeout => [ '', "SELECT timed_out, status FROM vr_timeout(ROUTING, '0')", '3|EXHAUSTED', @free ],
	send => [ "$by_a;", 'SELECT cancelled_count FROM vr_send_cancellations(ROUTING)', '2', @taken ],
	sent => [ '', "SELECT vr_message_sent($message, 'ID')", 't', @free ],
	failed => [ '', "SELECT vr_message_failed($message, 'no route')", 'RETRY', @free ],
	receipt => [ "SELECT vr_message_sent($message, 'ID');", "SELECT vr_confirm_delivery($message, 'READ')", 't', @free ],
	pause => [ '', "SELECT FROM vr_pause('ID-a')", '' ],
	hours => [ '', "SELECT FROM vr_set_hours('ID-a', 'UTC', '[]')", '' ],
	block => [ '', "SELECT vr_block('retailer', 'ID-a')", 't', @free ],
	policy => [ '', q{SELECT FROM vr_set_policy('ID', '[{"vendors": 2}]')}, '' ],
	repair => [
		"UPDATE vendor_routing.vendors SET current_orders = 7 WHERE vendor_id = 'ID-a';",
		"SELECT violation FROM vr_check(true) WHERE vendor_id = 'ID-a'", 'WRONG_LOAD', @free ],
	claim => [ 'new', 'SELECT count(*) > 0 FROM vr_claim_messages(NULL, 10000)', 't' ],
	tick => [ 'new', 'SELECT timed_out FROM vr_tick()', '1' ]);
my @verbs = sort keys %verbs;
my %wide = map { $_ => 1 } qw(claim tick repair);    # about all orders there are: only undone
my @own = grep { !$wide{$_} } @verbs;
my $cases = 0;
my @tell;    # what is to come before the calls of the cases, once their offers are claimed

# A new order, with vendors of its own, on which the verb can be called.
sub new_case
{
	my ($verb) = @_;
	my %case = (verb => $verb, id => sprintf 'case-%04d', ++$cases);
	my ($before, $call, $answer, $probe, $probed) = @{ $verbs{$verb} };
	my %meaning = (
		ID => $case{id},
		ROUTING => "vr_routing_id('$case{id}')",
		PHONE => sprintf('3120%06d', $cases));

	s/\b(ID|ROUTING|PHONE)\b/$meaning{$1}/g foreach grep { defined } $before, $call, $probe;
	@case{qw(call answer probe probed)} = ($call, $answer, $probe // $call, $probed // $answer);
	push @tell,
	  "INSERT INTO vendor_routing.vendors (vendor_id, name, phone, is_verified)"
	  . " SELECT '$case{id}-' || v, v, CASE v WHEN 'a' THEN '+$meaning{PHONE}' END, true FROM unnest('{a,b,c}'::text[]) AS v;";
	push @tell,
	  "SELECT created FROM vr_broadcast('$case{id}', 'retailer', vendors => '{$case{id}-a,$case{id}-b,$case{id}-c}');"
	  . "SELECT count(*) FROM vr_claim_messages(NULL, 10000, '1 day'); $before"
	  if $before ne 'new';
	return \%case;
}

sub prepare_cases
{
	$node->safe_psql('postgres', "BEGIN; @tell COMMIT;");
	@tell = ();
	return;
}

# What the calls of a script answer.  PL/pgSQL hands on the first column, as a text.
sub answers
{
	my ($case, $calls, $way) = @_;
	my $answer = $case->{answer};

	if ($way =~ /block|procedure/)
	{
		$answer =~ s/\|.*//;
		$answer = { t => 'true', f => 'false' }->{$answer} // $answer;
	}
	return join "\n", ($answer) x $calls;
}

my ($app, $other);    # sessions: the application's, and another

sub connect_again
{
	foreach my $session ($app, $other)
	{
		$session->quit if defined $session;
		$session = new_session($node, 'postgres', on_error_stop => 0);
		$session->query(q{\set VERBOSITY sqlstate});
		$session->query(q{SET lock_timeout = '10s'});
	}
	return;
}

# What is wrong, if anything: locks that are left, rows that have changed, a next vendor
# who cannot win.
sub left_over
{
	my ($case, $digest) = @_;
	my @wrong;
	my $locks = $other->query(<<'SQL');
SELECT count(*) FROM pg_locks
 WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = 'postgres')
SQL

	push @wrong, "$locks locks are left" if $locks != 0;
	push @wrong, 'rows have changed' if defined $digest && $other->query('SELECT app.digest()') ne $digest;
	$other->{stderr} = '';
	my $probed = $other->query("BEGIN; $case->{probe}; ROLLBACK;");
	push @wrong, "then comes '$probed$other->{stderr}' and not '$case->{probed}'" if $probed ne $case->{probed};
	return map { "$case->{verb}: $_" } @wrong;
}

#-------------------------------------------------------------------------
# Undone
#-------------------------------------------------------------------------

# LOOK: there must be nothing left by now, though the transaction goes on.
my %undone = (
	'ROLLBACK' => 'BEGIN; NOTE CALL; ROLLBACK;',
	'ROLLBACK TO' => 'BEGIN; NOTE SAVEPOINT a; CALL; ROLLBACK TO a; LOOK COMMIT;',
	'ROLLBACK TO beyond a RELEASE' =>
	  'BEGIN; NOTE SAVEPOINT a; SAVEPOINT b; CALL; RELEASE b; ROLLBACK TO a; LOOK COMMIT;',
	'ROLLBACK TO, twice' => 'BEGIN; NOTE SAVEPOINT a; CALL; ROLLBACK TO a; CALL; ROLLBACK TO a; LOOK COMMIT;',
	'an exception block' => 'BEGIN; NOTE SELECT app.caught($call$CALL_TEXT$call$); LOOK COMMIT;',
	'an error in the same statement' => 'SELECT app.fail(x::text) FROM (CALL) AS x;',
	'an error afterwards' => 'BEGIN; CALL; SELECT 1 / 0; COMMIT;',
	'an error at COMMIT' => 'BEGIN; INSERT INTO app.children VALUES (1); CALL; COMMIT;',
	'ROLLBACK in a procedure' => 'NOTE CALL app.undone($call$CALL_TEXT$call$, NULL);',
	'ROLLBACK PREPARED' => "BEGIN; CALL; PREPARE TRANSACTION 'one'; ROLLBACK PREPARED 'one';",
	'the end of the connection' => 'HERE BEGIN; CALL;');

sub undo
{
	my ($way, $case, $digest) = @_;
	my @wrong;
	my $script = $undone{$way};
	my $calls = () = $script =~ /\bCALL(?:_TEXT)?\b(?! app)/g;

	$script =~ s/\bNOTE\b/INSERT INTO app.notes VALUES ('$way');/;
	$script =~ s/\bCALL_TEXT\b/CALL/;
	$script =~ s/\bCALL\b(?! app)/$case->{call}/g;
	my ($first, $rest) = split /LOOK/, $script;
	my $answer;

	if ($first =~ s/^HERE//)
	{
		$answer = $node->safe_psql('postgres', $first);
		$node->poll_query_until('postgres',
			"SELECT count(*) = 3 FROM pg_stat_activity WHERE datname = 'postgres'")
		  or die 'the session does not end';
	}
	else
	{
		$answer = $app->query($first);
	}

	# A statement that fails has no answer; a tick lets nothing be put off to COMMIT.
	my $expected = $way =~ /COMMIT/ && $case->{verb} eq 'tick' ? '' : answers($case, $calls, $way);

	push @wrong, "$case->{verb}: answers '$answer' and not '$expected'"
	  if $way !~ /same statement/ && $case->{answer} ne '' && $answer ne $expected;
	if (defined $rest)
	{
		push @wrong, map { "$_, in the transaction" } left_over($case, $digest);
		$app->query($rest);
	}
	return (@wrong, left_over($case, $digest));
}

my %cases;    # of each level

foreach my $level (@levels)
{
	$cases{$level} = [ map { new_case($_) } @verbs ];
}
prepare_cases();
$node->poll_query_until('postgres', "SELECT expires_at < clock_timestamp() FROM vendor_routing.routings WHERE order_id = 'due'")
  or die 'order "due" is not due';
$node->safe_psql('postgres', "SELECT created FROM vr_broadcast('unsent', 'retailer', vendors => '{slow}')");
connect_again();
my $digest = $other->query('SELECT app.digest()');
my $notes = 0;

# A third of it each time, unless there is time for all.
my $turn = 0;

sub is_turn
{
	return full(++$turn % 3 == 0, 1);
}

foreach my $level (@levels)
{
	$app->query("SET default_transaction_isolation = '$level'");
	foreach my $way (sort keys %undone)
	{
		my @tried = grep { is_turn() } @{ $cases{$level} };
		my @wrong = map { undo($way, $_, full(undef, $digest)) } @tried;

		is(join("\n", @wrong), '', "$level: $way leaves nothing of " . @tried . ' verbs');
		is($other->query('SELECT app.digest()'), $digest, "$level: $way leaves every row as it was");
		$notes += @tried if $undone{$way} =~ /NOTE.*(?:COMMIT|app\.undone)/;
	}
	$turn++;
}
is($other->query('SELECT count(*) FROM app.notes'), $notes, 'but what the application wrote outside is there');

# Prepared, all of them at a time, and ended by another session, which may be in another life
# of the server.
sub prepare_all
{
	my @all = @_;

	foreach my $case (@all)
	{
		my $answer = $app->query("BEGIN ISOLATION LEVEL $case->{level}; $case->{call}; PREPARE TRANSACTION '$case->{id}';");

		push @{ $case->{wrong} }, "$case->{verb}: answers '$answer'" if $answer ne $case->{answer};
	}
	return;
}

my %lives = (
	'another session' => sub { },
	'a restart' => sub { $_->quit foreach $app, $other; undef $_ foreach $app, $other; $node->restart; connect_again(); },
	'a crash' => sub {
		my $pids = $other->query('SELECT pid FROM pg_stat_activity');

		kill_server($node, split /\n/, $pids);
		eval { $_->{run}->kill_kill; } foreach $app, $other;
		undef $_ foreach $app, $other;
		$node->start;
		connect_again();
	});

sub end_all
{
	my ($how, $life, @all) = @_;

	$lives{$life}->();
	is($other->query("SELECT count(*) FROM pg_prepared_xacts"), scalar(@all), "$life: everything is still prepared");

	# The order is held in the new life, too.
	my ($held) = grep { $_->{verb} eq 'accept' } @all or return;

	$other->{stderr} = '';
	my $probed = $other->query("SET lock_timeout = '50ms'; $held->{probe}; SET lock_timeout = '10s';");
	is($probed . $other->{stderr} =~ s/.*(55P03).*/$1/sr, '55P03', "$life: the order is held");
	$other->{stderr} = '';
	my $errors = $other->query(join ' ', map { "$how PREPARED '$_->{id}';" } @all) . $other->{stderr};
	is($errors, '', "$life: $how PREPARED");
	return;
}

foreach my $life (sort keys %lives)
{
	my @all;

	foreach my $level (@levels)
	{
		push @all, map { { %$_, level => $level, wrong => [] } } grep { !$wide{ $_->{verb} } } @{ $cases{$level} };
	}
	prepare_all(@all);
	is($other->query('SELECT app.digest()'), $digest, "$life: nobody sees what is prepared");
	end_all('ROLLBACK', $life, @all);
	is($other->query('SELECT app.digest()'), $digest, "$life: ROLLBACK PREPARED leaves every row as it was");
	is(join("\n", map { @{ $_->{wrong} }, left_over($_) } @all), '', "$life: ROLLBACK PREPARED leaves nothing");
}

#-------------------------------------------------------------------------
# Done
#-------------------------------------------------------------------------

my %done = (
	'COMMIT' => 'BEGIN; NOTE CALL; COMMIT;',
	'RELEASE' => 'BEGIN; NOTE SAVEPOINT a; SAVEPOINT b; CALL; RELEASE b; RELEASE a; COMMIT;',
	'done again after ROLLBACK TO' => 'BEGIN; NOTE SAVEPOINT a; CALL; ROLLBACK TO a; CALL; COMMIT;',
	'done again after ROLLBACK' => 'BEGIN; CALL; ROLLBACK; BEGIN; NOTE CALL; COMMIT;',
	'ROLLBACK TO of something else' => 'BEGIN; NOTE CALL; SAVEPOINT a; INSERT INTO app.notes VALUES (1); ROLLBACK TO a; COMMIT;',
	'exception blocks' => 'BEGIN; NOTE SELECT app.kept($call$CALL_TEXT$call$); COMMIT;',
	'COMMIT in a procedure' => 'NOTE CALL app.done($call$CALL_TEXT$call$, NULL);');
my @done;

foreach my $verb (@own)
{
	push @done, { %{ new_case($verb) }, level => 'read committed', way => 'autocommit' };
	foreach my $level (@levels)
	{
		push @done, map { { %{ new_case($verb) }, level => $level, way => $_ } }
		  grep { is_turn() } sort(keys %done), sort keys %lives;
	}
}
prepare_cases();

my @wrong;

$notes = $other->query('SELECT count(*) FROM app.notes');
foreach my $case (@done)
{
	my $script = $case->{way} eq 'autocommit' ? 'NOTE CALL;' : $done{ $case->{way} } // next;
	my $calls = () = $script =~ /\bCALL(?:_TEXT)?\b(?! app)/g;
	my $expected = answers($case, $calls, $case->{way});

	$script =~ s/\bNOTE\b/INSERT INTO app.notes VALUES ('done');/;
	$script =~ s/\bCALL(?:_TEXT)?\b(?! app)/$case->{call}/g;
	$app->query("SET default_transaction_isolation = '$case->{level}'");
	$app->{stderr} = '';
	my $answer = $app->query($script);

	push @wrong, "$case->{level}: $case->{way}: $case->{verb} answers '$answer$app->{stderr}' and not '$expected'"
	  if $answer ne $expected && $case->{answer} ne '';
	$notes++;
}
is(join("\n", @wrong), '', 'what is done answers as it should');
is($other->query('SELECT count(*) FROM app.notes'), $notes, 'and the application has what it wrote');

foreach my $life (sort keys %lives)
{
	my @all = grep { $_->{way} eq $life } @done;

	prepare_all(@all);
	end_all('COMMIT', $life, @all);
	is(join("\n", map { @{ $_->{wrong} // [] } } @all), '', "$life: calls answer as they should");
}
is(advisory_locks($node, 'postgres'), 0, 'no lock is left');

# All there is of a case is what there is in autocommit.
my %state;
my $states = $other->query(q{SELECT belongs_to || E'\n' || state || E'\n;' FROM app.states()});

while ($states =~ /^(case-\d+)\n(.*?)\n;$/msg)
{
	$state{$1} = $2;
}
my ($reference) = { map { $_->{verb} => $state{ $_->{id} } } grep { $_->{way} eq 'autocommit' } @done };

is(scalar(grep { !defined $reference->{$_} } @own), 0, 'there is something of each verb');
foreach my $level (@levels)
{
	foreach my $way (sort(keys %done), sort keys %lives)
	{
		my @there = grep { $_->{level} eq $level && $_->{way} eq $way } @done;
		my @differ = grep { $state{ $_->{id} } ne $reference->{ $_->{verb} } } @there;

		is(join(' ', map { $_->{verb} } @differ), '', "$level: $way: all that belongs to " . @there . ' verbs is there, and no more')
		  or diag "$state{ $differ[0]{id} }\n-- and not\n$reference->{ $differ[0]{verb} }";
	}
}
is($other->query("SELECT * FROM vr_check() WHERE violation <> 'WRONG_LOAD'"), '', 'everything is sound');

#-------------------------------------------------------------------------
# Notifications
#-------------------------------------------------------------------------

my $listener = new_session($node, 'postgres');

$listener->query_safe('LISTEN vendor_routing');
my $noisy = new_case('accept');
prepare_cases();
$app->query('SET vendor_routing.notify = on');
foreach my $way (grep { !/PREPARED|procedure|connection/ } sort keys %undone)
{
	undo($way, $noisy);
}
$app->query("NOTIFY vendor_routing, 'end'");
my $heard = '';

# What there was to hear, up to this.
sub hear
{
	my ($until) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$heard = '';
	$heard .= $listener->query('SELECT 1') until $heard =~ $until || time > $deadline;
	return join ' ', $heard =~ /notification "vendor_routing"(?: with payload "(\w+)")?/g;
}
is(hear(qr/"end"/), 'end', 'nobody is notified of what was undone');
$app->query("BEGIN; SAVEPOINT a; $noisy->{call}; RELEASE a; COMMIT; NOTIFY vendor_routing, 'end'");
{
	no warnings 'uninitialized';
	is(hear(qr/"end"/), ' end', 'once of what was done');
}
$listener->quit;

#-------------------------------------------------------------------------
# Walks
#-------------------------------------------------------------------------

# One database gets the whole walk; another one only those calls that were not undone,
# each in autocommit.
my $seed = $ENV{WALK_SEED} // int(rand(1_000_000_000));
my $transactions = full(30, 1500);

note "WALK_SEED=$seed";
srand($seed);
$_->quit foreach $app, $other;
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE postgres") foreach qw(walk straight);
foreach my $database (qw(walk straight))
{
	$node->safe_psql($database, <<'SQL');
DROP EXTENSION vendor_routing CASCADE;
CREATE EXTENSION vendor_routing;
INSERT INTO vendor_routing.vendors (vendor_id, name, phone, is_verified, reliability_score)
SELECT 'vendor-' || n, n, CASE WHEN n % 2 = 0 THEN '+3120123450' || n END, true, 50 FROM generate_series(1, 6) AS n;
SQL
}

sub one_of
{
	return $_[ int(rand(@_)) ];
}

my $inbound = 0;

# Of one of the orders that are under way at this time.
sub random_call
{
	my ($time) = @_;
	my $order = sprintf 'case-%04d', 1 + int($time / 10 + rand(5));
	my $id = "vr_routing_id('$order')";
	my $vendor = 'vendor-' . (1 + int(rand(6)));
	my $offer = "coalesce((SELECT message_id FROM vendor_routing.messages WHERE routing_id = $id AND vendor_id = '$vendor'"
	  . " ORDER BY round DESC, kind LIMIT 1), '00000000-0000-0000-0000-000000000000')";
	my $has = "coalesce((SELECT locked_vendor_id FROM vendor_routing.routings WHERE order_id = '$order'), '$vendor')";

	return one_of(
		("SELECT concat_ws(' ', created, vendor_count, invited) FROM vr_broadcast('$order', 'retailer', max_vendors => 4)") x 6,
		("SELECT concat_ws(' ', reason, locked_vendor_id, version) FROM vr_accept($id, '$vendor')") x 10,
		("SELECT concat_ws(' ', recorded, response_recorded) FROM vr_respond($id, '$vendor', 'REJECT')") x 6,
		"SELECT concat_ws(' ', recorded, response_recorded) FROM vr_respond($id, '$vendor', 'ACCEPT')",
		("SELECT concat_ws(' ', released, status, round, vendor_count) FROM vr_release($id, $has)") x 4,
		"SELECT confirmed FROM vr_confirm($id, $has)",
		("SELECT concat_ws(' ', completed, outcome_recorded) FROM vr_complete($id, 'DELIVERED', 4)") x 2,
		("SELECT concat_ws(' ', retried, round, vendor_count, invited) FROM vr_retry($id)") x 4,
		"SELECT concat_ws(' ', cancelled, cancelled_count) FROM vr_cancel($id)",
		"SELECT concat_ws(' ', timed_out, status) FROM vr_timeout($id, '0')",
		"SELECT reason FROM vr_assign($id, '$vendor', 'kim')",
		("SELECT count(*) FROM vr_claim_messages(NULL, 10000, '1 day')") x 4,
		("SELECT vr_message_sent($offer, 'x')") x 3,
		"SELECT vr_message_failed($offer, 'no route')",
		"SELECT vr_confirm_delivery($offer, 'READ')",
		("SELECT outcome FROM vr_receive_message('wa', 'in-" . ++$inbound . "', '3120123450" . substr($vendor, 7) . "', 'accept $order')") x 2,
		"SELECT vr_pause('$vendor') IS NULL",
		("SELECT vr_resume('$vendor')") x 2,
		"SELECT vr_block('retailer', '$vendor')",
		"SELECT vr_unblock('retailer', '$vendor')",
		'SELECT processed FROM vr_tick()',
		'SELECT count(*) FROM vr_check(true)');
}

my @kept;    # calls that are not undone, each with its answer
my ($undone, $commits) = (0, 0);

sub connect_to_walk
{
	foreach my $session ($app, $other)
	{
		$session = new_session($node, 'walk', on_error_stop => 0);
		$session->query(q{SET lock_timeout = '10s'});
	}
	return;
}

connect_to_walk();
foreach my $n (1 .. $transactions)
{
	my @stack = ([]);    # of each open savepoint, what was said since

	$app->query('BEGIN ISOLATION LEVEL ' . one_of(@levels));
	foreach (1 .. 1 + int(rand(12)))
	{
		my $dice = rand(100);

		if ($dice < 15)
		{
			$app->query('SAVEPOINT s' . @stack);
			push @stack, [];
		}
		elsif ($dice < 23 && @stack > 1)
		{
			# Beyond some that are inside of it, sometimes.
			my $to = 1 + int(rand($#stack));

			$app->query("RELEASE s$to");
			push @{ $stack[ $to - 1 ] }, map { @$_ } splice(@stack, $to);
		}
		elsif ($dice < 35 && @stack > 1)
		{
			my $to = 1 + int(rand($#stack));

			$app->query("ROLLBACK TO s$to");
			$undone += map { @$_ } splice(@stack, $to);
			push @stack, [];
		}
		elsif ($dice < 42)
		{
			$app->query('SELECT app.caught($caught$SELECT app.said($call$' . random_call($n) . '$call$)$caught$)');
			$undone++;
		}
		else
		{
			my $call = random_call($n);

			push @{ $stack[-1] }, [ $call, scalar $app->query("SELECT app.said(\$call\$$call\$call\$)") ];
		}
	}

	my @said = map { @$_ } @stack;
	my $end = one_of('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK', 'COMMIT PREPARED', 'ROLLBACK PREPARED');

	if ($end =~ /PREPARED/)
	{
		$app->query("PREPARE TRANSACTION 'walk'");
		if ($n % 20 == 0)
		{
			$_->quit foreach $app, $other;
			$node->restart;
			connect_to_walk();
		}
		$other->query("$end 'walk'");
	}
	else
	{
		$app->query($end);
	}
	if ($end =~ /COMMIT/)
	{
		push @kept, @said;
		$commits++;
	}
	else
	{
		$undone += @said;
	}
}
unlike($app->{stderr} . $other->{stderr}, qr/ERROR/, 'the walk can be walked') or diag $app->{stderr};
$_->quit foreach $app, $other;

my $straight = new_session($node, 'straight');
my @differ;

foreach my $call (@kept)
{
	my ($text, $answer) = @$call;
	my $again = $straight->query("SELECT app.said(\$call\$$text\$call\$)");

	push @differ, "$text: '$answer', and '$again' where nothing is undone" if $again ne $answer;
}
$straight->quit;
is(join("\n", @differ[ 0 .. ($#differ > 4 ? 4 : $#differ) ]), '', 'everybody is answered as if nothing had been undone');
is( $node->safe_psql('walk', 'SELECT state FROM app.states() ORDER BY belongs_to'),
	$node->safe_psql('straight', 'SELECT state FROM app.states() ORDER BY belongs_to'),
	'and the rows are as if nothing had been undone');
is($node->safe_psql('walk', 'SELECT * FROM vr_check()'), '', 'and sound');
is(advisory_locks($node, 'walk'), 0, 'and no lock is left');
note "$transactions transactions, $commits of them committed; " . @kept . " calls done, $undone undone; "
  . $node->safe_psql('walk', "SELECT string_agg(event_type || ' ' || n, ', ') FROM (SELECT event_type, count(*) AS n FROM vendor_routing.events GROUP BY 1 ORDER BY 1) AS e");

$node->stop;
done_testing();
