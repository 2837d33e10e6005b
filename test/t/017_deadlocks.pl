# Sixty-four clients call every verb, messages included, on fifty hot orders that are
# rows of an attached table, while the application changes the same rows; at every
# isolation level at the same time.
#
# Catches: two verbs that take their locks in different sequences, a wait that nobody
# ends, a SQLSTATE that is not documented for a verb, a client that dies, and what such
# a crowd leaves behind that is not sound.
#
# DEADLOCK_SECONDS=n goes on for n seconds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $seconds = $ENV{DEADLOCK_SECONDS} // full(10, 180);
my $patience = 30;    # seconds that a call may wait: many times what it should
my @levels = (
	[ 'read committed', 24 ],
	[ 'repeatable read', 20 ],
	[ 'serializable', 20 ]);

my $node = new_node('deadlocks', conf => <<"SQL");
deadlock_timeout = 100ms
lock_timeout = ${patience}s
statement_timeout = @{[ 2 * $patience ]}s
synchronous_commit = off
max_pred_locks_per_transaction = 256
vendor_routing.max_releases = 3
vendor_routing.message_backoff = 0
vendor_routing.message_attempts = 100
vendor_routing.auto_pause_after = 5
vendor_routing.auto_pause_for = 1s
SQL

# The codes that each verb may answer with are in doc/vendor_routing.md.  Fifty orders are
# hot for a second; then come the next fifty.
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vendor_routing;
CREATE SCHEMA app;
CREATE TABLE app.wholesalers (id integer PRIMARY KEY, title text, cap integer, phone text);
INSERT INTO app.wholesalers SELECT i, 'w' || i, 5 + i, '+31201234' || 100 + i FROM generate_series(1, 12) AS i;
CREATE TABLE app.orders (
	id bigint PRIMARY KEY,
	shop text NOT NULL,
	status text NOT NULL DEFAULT 'CREDIT_RESERVED',
	winner integer REFERENCES app.wholesalers,
	note integer NOT NULL DEFAULT 0);
SELECT vr_attach_vendors('app.wholesalers', '{"vendor_id": "id", "name": "title", "capacity": "cap", "phone": "phone"}');
SELECT vr_attach_orders('app.orders', '{"order_id": "id", "retailer_id": "shop", "status": "status",
	"locked_vendor_id": "winner", "auto_broadcast": true, "policy": "quick"}');
SELECT vr_set_policy('quick', '[{"vendors": 3, "wait": "20 ms"}, {"vendors": 12}]', '300 ms', '50 ms');
CREATE TABLE app.surprises (isolation text, verb text, code text, message text);

CREATE FUNCTION app.step(verb text, hot integer, chance integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n bigint := 50 * floor(extract(epoch FROM clock_timestamp()))::bigint + hot;
	routing uuid := vr_routing_id(n::text);
	vendor text := 1 + chance % 12;
	winner text := coalesce((SELECT locked_vendor_id FROM vendor_routing.routings WHERE routing_id = routing), '1');
	message record;
	legal text := 'VR001';
	code text := 'done';
	said text;
BEGIN
	BEGIN
		CASE verb
			WHEN 'insert' THEN
				-- It may have been offered and deleted.
				legal := 'VR004';
				INSERT INTO app.orders (id, shop) VALUES (n, 'shop-' || chance % 3) ON CONFLICT DO NOTHING;
			WHEN 'broadcast' THEN
				legal := 'VR002 VR003 VR004';
				PERFORM vr_broadcast(n::text, NULL, policy => CASE WHEN chance % 2 = 0 THEN 'quick' END);
			WHEN 'accept' THEN PERFORM vr_accept(routing, vendor);
			WHEN 'book' THEN
				-- The application changes its order, and then calls us.
				UPDATE app.orders SET note = note + 1 WHERE id = n;
				PERFORM vr_accept(routing, vendor);
			WHEN 'respond' THEN
				legal := 'VR001 VR004 VR005';
				PERFORM vr_respond(routing, vendor, (ARRAY['ACCEPT', 'REJECT', 'REJECT', 'ERROR'])[1 + chance % 4]);
			WHEN 'confirm' THEN
				legal := 'VR001 VR004';
				PERFORM vr_confirm(routing, winner);
			WHEN 'release' THEN
				legal := 'VR001 VR004';
				PERFORM vr_release(routing, winner);
			WHEN 'complete' THEN
				legal := 'VR001 VR004';
				PERFORM vr_complete(routing, (ARRAY['DELIVERED', 'FAILED'])[1 + chance % 2], chance % 6);
			WHEN 'assign' THEN
				legal := 'VR001 VR002';
				PERFORM vr_assign(routing, vendor, 'kim', chance % 2 = 0);
			WHEN 'cancel' THEN
				legal := 'VR001 VR004';
				PERFORM vr_cancel(routing);
			WHEN 'send' THEN
				legal := 'VR001 VR004';
				PERFORM vr_send_cancellations(routing);
			WHEN 'retry' THEN
				legal := 'VR001 VR002 VR004';
				PERFORM vr_retry(routing, chance % 2 = 0);
			WHEN 'timeout' THEN PERFORM vr_timeout(routing, CASE WHEN chance % 2 = 0 THEN interval '0' END);
			WHEN 'tick' THEN PERFORM vr_tick(1 + chance);
			WHEN 'pause' THEN PERFORM vr_pause(vendor, clock_timestamp() + interval '50 ms');
			WHEN 'resume' THEN PERFORM vr_resume(vendor);
			WHEN 'hours' THEN PERFORM vr_set_hours(vendor, NULL, NULL);
			WHEN 'block' THEN PERFORM vr_block('shop-' || chance % 3, vendor);
			WHEN 'unblock' THEN PERFORM vr_unblock('shop-' || chance % 3, vendor);
			WHEN 'policy' THEN PERFORM vr_set_policy('quick', '[{"vendors": 3, "wait": "20 ms"}, {"vendors": 12}]', '300 ms',
					CASE WHEN chance % 2 = 0 THEN interval '50 ms' END);
			WHEN 'check' THEN PERFORM vr_check(repair => true);
			WHEN 'claim' THEN PERFORM vr_claim_messages(NULL, 1 + chance, '200 ms');
			WHEN 'sent', 'failed', 'receipt' THEN
				SELECT m.message_id AS id INTO message
				  FROM vendor_routing.messages AS m
				 WHERE m.routing_id = routing AND m.state IN ('LEASED', 'SENT')
				 ORDER BY random() LIMIT 1;
				IF NOT FOUND THEN code := 'no message';
				ELSIF verb = 'sent' THEN PERFORM vr_message_sent(message.id, message.id::text);
				ELSIF verb = 'failed' THEN PERFORM vr_message_failed(message.id, 'no route', chance % 2 = 0);
				ELSE PERFORM vr_confirm_delivery(message.id, (ARRAY['DELIVERED', 'READ', 'FAILED'])[1 + chance % 3]);
				END IF;
			WHEN 'receive' THEN
				-- Now and then the same message, from many at a time.
				PERFORM vr_receive_message('wa', n || '-' || chance % 30, '31201234' || 100 + vendor::integer,
					(ARRAY['accept ', 'reject ', 'ok '])[1 + chance % 3] || n);
			WHEN 'note' THEN UPDATE app.orders SET note = note + 1 WHERE id = n;
			WHEN 'start' THEN
				legal := 'VR004';
				UPDATE app.orders SET status = 'FULFILLMENT_STARTED' WHERE id = n AND status = 'VENDOR_ACCEPTED';
			WHEN 'deliver' THEN
				legal := 'VR004';
				UPDATE app.orders SET status = 'DELIVERED' WHERE id = n AND status = 'FULFILLMENT_STARTED';
			WHEN 'withdraw' THEN
				legal := 'VR004';
				UPDATE app.orders SET status = 'CANCELLED' WHERE id = n AND status <> 'DELIVERED';
			WHEN 'delete' THEN DELETE FROM app.orders WHERE id = n;
			WHEN 'capacity' THEN UPDATE app.wholesalers SET cap = 5 + chance % 20 WHERE id = vendor::integer;
		END CASE;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS said = PG_EXCEPTION_CONTEXT;
		code := SQLSTATE;
		said := SQLERRM || ', in ' || regexp_replace(said, '\n.*', '');
	END;
	IF code ~ '^[0-9A-Z]{5}$' AND position(code IN legal) = 0 THEN
		INSERT INTO app.surprises VALUES (current_setting('transaction_isolation'), verb, code, said);
	END IF;
END $$;
SQL

# How often each is called.
my %weights = (
	insert => 12, broadcast => 4, accept => 14, book => 4, respond => 6, confirm => 4,
	release => 4, complete => 2, assign => 2, cancel => 1, send => 1, retry => 3,
	timeout => 2, tick => 6, pause => 1, resume => 1, hours => 1, block => 1, unblock => 1,
	policy => 1, check => 1, claim => 4, sent => 4, failed => 2, receipt => 3, receive => 6,
	note => 2, start => 2, deliver => 2, withdraw => 1, delete => 1, capacity => 2);
# What is the application's own statement fails at the higher levels as any other, and so
# does a claim, which is a query of what is due.
my $at_own_risk = join ', ', map { "'$_'" } qw(insert book note start deliver withdraw delete capacity claim);
my $dir = PostgreSQL::Test::Utils::tempdir('deadlocks');
my @scripts;

foreach my $verb (sort keys %weights)
{
	append_to_file("$dir/$verb.sql", <<"SQL");
\\set hot random(0, 49)
\\set chance random(0, 99)
SELECT app.step('$verb', :hot, :chance);
SQL
	push @scripts, '-f', "$dir/$verb.sql\@$weights{$verb}";
}

# What has never happened: a crowd without it proves nothing about it.
sub never_happened
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT kind FROM unnest('{VENDOR_BROADCAST_INITIATED,VENDOR_WAVE_OPENED,VENDOR_RESPONSE_RECORDED,VENDOR_ACCEPTED,VENDOR_ASSIGNED,VENDOR_CONFIRMED,VENDOR_RELEASED,VENDOR_TIMED_OUT,ORDER_RETRIED,ORDER_EXHAUSTED,ORDER_CANCELLED,ORDER_COMPLETED}'::text[]) AS kind
 WHERE NOT EXISTS (SELECT FROM vendor_routing.events WHERE event_type = kind)
UNION ALL
SELECT kind FROM unnest('{VENDOR_PAUSED,VENDOR_RESUMED,VENDOR_HOURS_SET,VENDOR_BLOCKED,VENDOR_UNBLOCKED}'::text[]) AS kind
 WHERE NOT EXISTS (SELECT FROM vendor_routing.vendor_events WHERE event_type = kind)
UNION ALL
SELECT s.state FROM unnest('{QUEUED,LEASED,SENT,DROPPED}'::text[]) AS s (state)
 WHERE NOT EXISTS (SELECT FROM vendor_routing.messages AS m WHERE m.state = s.state)
UNION ALL
SELECT 'message received' WHERE NOT EXISTS (SELECT FROM vendor_routing.inbound_messages WHERE outcome = 'LOCKED')
SQL
}

# All at the same time.  Who waits for ever is ended by the timer, and dies by that.
sub run_crowd
{
	my $timer = IPC::Run::timer($seconds + 4 * $patience);
	my @crowds;

	foreach my $level (@levels)
	{
		my ($isolation, $clients) = @$level;
		my %crowd = (isolation => $isolation, clients => $clients, output => '');

		local $ENV{PGOPTIONS} = '-c client_min_messages=error -c default_transaction_isolation='
		  . ($isolation =~ s/ /\\ /gr);
		$crowd{run} = IPC::Run::start(
			[
				'pgbench', '-n', '-c', $clients, '-j', 1, '-T', $seconds, '--max-tries', 0,
				@scripts, $node->connstr('postgres')
			],
			'<', \undef, '>', \$crowd{output}, '2>&1', $timer);
		push @crowds, \%crowd;
	}
	foreach my $crowd (@crowds)
	{
		my $ended = eval { $crowd->{run}->finish; 1 };
		my ($done) = $crowd->{output} =~ /transactions actually processed: (\d+)/;
		my ($failed) = $crowd->{output} =~ /number of failed transactions: (\d+)/;

		ok($ended && $? == 0, "$crowd->{isolation}: all clients come to an end") or diag $crowd->{output};
		cmp_ok($done // 0, '>', 10 * $crowd->{clients}, "$crowd->{isolation}: they have done something: " . ($done // 'nothing'));
		is($failed // 0, 0, "$crowd->{isolation}: no transaction is given up");
	}
	return;
}

# A slow machine takes longer to come to everything.
my $crowds = 0;
run_crowd() while $crowds++ < 5 && never_happened() ne '';
is(never_happened(), '', 'every kind of thing has happened');

is( $node->safe_psql('postgres', <<"SQL"), '', 'nothing fails for want of patience, in a deadlock, with 40001 below serializable, or otherwise than it may');
SELECT DISTINCT isolation, verb, code, message FROM app.surprises
 WHERE NOT (code = '40001' AND (isolation = 'serializable' OR isolation = 'repeatable read' AND verb IN ($at_own_risk)))
SQL
is( $node->safe_psql('postgres', 'SELECT * FROM vr_check()'), '', 'everything is sound');

# Sessions report their statistics when they end.
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'postgres'")
  or die 'clients do not end';
is($node->safe_psql('postgres', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), '0', 'no deadlock');
is(advisory_locks($node, 'postgres'), 0, 'no lock is left');
unlike(slurp_file($node->logfile), qr/deadlock detected|(?:FATAL|PANIC):|terminated by signal/, 'none in the log either');

# Who has been left alone comes to an end.
ok( $node->poll_query_until('postgres',
		'SELECT next_due IS NULL OR next_due > now() + interval \'10 s\' FROM vr_tick(100000) WHERE failed = 0'),
	'ticks settle what is due');
is($node->safe_psql('postgres', 'SELECT * FROM vr_check()'), '', 'and leave everything sound');

note $node->safe_psql('postgres',
	'SELECT string_agg(event_type || \' \' || n, \', \' ORDER BY event_type) FROM (SELECT event_type, count(*) AS n FROM vendor_routing.events GROUP BY 1) AS e');

$node->stop;
done_testing();
