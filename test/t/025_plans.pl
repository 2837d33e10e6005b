# Every call reads by its keys, whatever the planner believes of the tables: that they
# are empty (ANALYZE came before the rows were committed), that nobody knows, or what
# they are like.
#
# Catches: a statement that reads a table or an index from end to end, or joins one row
# after another, where the numbers that the planner has are wrong, be it that it shows in
# the rows or in the blocks only; a vendor's whole history read with each offer that it
# leaves unanswered; plans that are compiled (JIT) for a handful of rows, because a way of
# reading was forbidden by its price.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use List::Util qw(uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $orders = full(2000, 20_000);    # of each kind, with three offers each
my $limit = 300;                    # rows that a part of a plan may look at
my $blocks = 20;                    # blocks that finding a key may take

# Each round has its own orders: ORDER is the prefix of their names, ROUND a number.
my @calls = (
	"vr_broadcast('ORDER-1', 'shop', vendors => '{vendor-1,vendor-2,vendor-3}')",
	"vr_broadcast('ORDER-2', 'shop', 'tea', 20, 52.5, 13.4, vendors => '{vendor-8,vendor-2}')",
	q{vr_broadcast_many('[{"order_id": "ORDER-3", "retailer_id": "shop"}, {"order_id": "ORDER-4", "retailer_id": "shop", "vendors": ["vendor-1", "vendor-2"], "confirm_within": "1 h"}]')},
	q{vr_broadcast('ORDER-5', 'shop', waves => '[{"vendor_ids": ["vendor-8"], "wait": "1 h"}, {"vendors": 2}]')},
	"vr_broadcast('ORDER-6', 'shop', vendors => '{vendor-1,vendor-3}', ttl => '1 ms')",
	"vr_explain('ORDER-2', 'vendor-9')",
	"vr_claim_messages('WHATSAPP', 30)",
	"vr_accept(vr_routing_id('ORDER-1'), 'vendor-1')",
	"vr_accept(vr_routing_id('ORDER-1'), 'vendor-2')",
	"vr_complete(vr_routing_id('ORDER-1'), 'DELIVERED', 4)",
	"vr_respond(vr_routing_id('ORDER-2'), 'vendor-8', 'REJECT')",
	"vr_timeout(vr_routing_id('ORDER-2'))",
	"vr_assign(vr_routing_id('ORDER-3'), 'vendor-7', 'asked for', true)",
	"vr_release(vr_routing_id('ORDER-3'), 'vendor-7')",
	"vr_cancel(vr_routing_id('ORDER-3'), 'changed my mind')",
	"vr_accept(vr_routing_id('ORDER-4'), 'vendor-2')",
	"vr_confirm(vr_routing_id('ORDER-4'), 'vendor-2')",
	"vr_retry(vr_routing_id('exhausted-1'))",
	"vr_claim_messages(NULL, 10)",
	"vr_message_failed(app.message('ORDER-2', 'vendor-2', 'OFFER'), 'no signal', true)",
	"vr_message_failed(app.message('ORDER-2', 'vendor-8', 'OFFER'), 'no signal')",
	"vr_message_sent(app.message('ORDER-2', 'vendor-8', 'OFFER'), 'external-ORDER')",
	"vr_message_sent(app.message('gone-ROUND', 'vendor-1', 'CANCELLATION'))",
	"vr_confirm_delivery(app.message('gone-ROUND', 'vendor-1', 'CANCELLATION'), 'READ')",
	"vr_confirm_delivery(app.message('ORDER-2', 'vendor-8', 'OFFER'), 'FAILED')",
	"vr_receive_message('wa', 'message-ORDER', '+491700000008', 'ACCEPT ORDER-5')",
	"vr_receive_message('wa', 'message-ORDER', '+491700000008', 'ACCEPT ORDER-5')",
	q{vr_receive_message('wa', 'reply-ORDER', '+491700000008', 'no', '{"reply_to": "external-ORDER"}')},
	"vr_receive_message('wa', 'unclear-ORDER', '+491700000008', 'perhaps')",
	"vr_send_cancellations(vr_routing_id('ORDER-5'))",
	"vr_send_cancellations(vr_routing_id('won-ROUND'))",
	"vr_accept(vr_routing_id('ORDER-2'), 'vendor-1')",
	"vr_tick(3)",
	"vr_pause('vendor-5')",
	"vr_resume('vendor-5')",
	q{vr_set_hours('vendor-5', 'Europe/Berlin', '[{"days": [1], "from": "08:00", "to": "18:00"}]')},
	"vr_block('shop', 'vendor-6')",
	"vr_unblock('shop', 'vendor-6')",
	q{vr_set_policy('ORDER', '[{"vendors": 1}]')},
	"vr_drop_policy('ORDER')",
	"vr_status(vr_routing_id('ORDER-1'))",
	"vr_history('ORDER-1')");

# What an application does to its own tables, which are attached.
my @before = ("INSERT INTO app.orders SELECT 'ORDER-' || n, 'shop', 'CREDIT_RESERVED' FROM generate_series(1, 7) AS n");
my @after = (
	"UPDATE app.orders SET status = 'CANCELLED' WHERE order_id = 'ORDER-6'",
	"DELETE FROM app.orders WHERE order_id = 'ORDER-7'",
	"UPDATE app.vendors SET name = name || '!' WHERE vendor_id = 'vendor-9'",
	"UPDATE app.vendors SET phone = '+49159' || length(name) WHERE vendor_id = 'vendor-9'",
	"INSERT INTO app.vendors VALUES ('vendor-ORDER', 'New', '+49158000' || ROUND)",
	"DELETE FROM app.vendors WHERE vendor_id = 'vendor-ORDER'",
	"SELECT * FROM vr_routing_status WHERE routing_id = vr_routing_id('won-ROUND')",
	"SET ROLE vendor_8; SELECT * FROM vr_my_offers; RESET ROLE");

# These read what there is, as they must, or no rows at all.
my @others = qw(vr_check vr_attach_orders vr_attach_vendors vr_detach_orders vr_detach_vendors
  vr_grant_app vr_grant_auditor vr_grant_vendor vr_revoke_app vr_revoke_auditor vr_revoke_vendor
  vr_check_waves vr_distance_km vr_routing_id vr_vendor_ids vr_version my_offers);

my $node = new_node('plans', conf => <<'SQL');
autovacuum = off
session_preload_libraries = 'auto_explain'
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_buffers = on
auto_explain.log_nested_statements = on
auto_explain.log_format = json
jit = on
SQL

sub ask
{
	return $node->safe_psql('postgres', $_[0]);
}

# All parts of a plan.
sub parts_of
{
	my ($plan) = @_;

	return ($plan, map { parts_of($_) } @{ $plan->{Plans} // [] });
}

# What is wrong with the plans in this part of the log.
sub judge
{
	my ($log) = @_;
	my $plans = 0;
	my @wrong;

	while ($log =~ /plan:\n((?:\t.*\n)+)/g)
	{
		my $explained = decode_json($1);
		my $query = $explained->{'Query Text'} =~ s/\s+/ /gr;

		$plans++;
		push @wrong, "compiled: $query" if exists $explained->{JIT};
		# Each claim looks at all orders that are open; the zones are PostgreSQL's to read.
		next if $query =~ /^SELECT o\.routing_id, t\.version|pg_timezone_names/;
		push @wrong, 'not by place: ' . substr($query, 0, 70)
		  if $query =~ /WHERE ctid = / && !grep { $_->{'Node Type'} eq 'Tid Scan' } parts_of($explained->{Plan});
		foreach my $part (parts_of($explained->{Plan}))
		{
			my $rows = $part->{'Actual Loops'} * $part->{'Actual Rows'};
			my $read = $part->{'Shared Hit Blocks'} + $part->{'Shared Read Blocks'};

			$rows += $part->{'Actual Loops'} * ($part->{"Rows Removed by $_"} // 0)
			  foreach 'Filter', 'Join Filter', 'Index Recheck';
			push @wrong,
			  join(' ', $part->{'Node Type'}, $part->{'Index Name'} // $part->{'Relation Name'} // '',
				"$rows rows, $read blocks: " . substr($query, 0, 70))
			  if $rows > $limit || $part->{'Node Type'} =~ /Index/ && !$part->{Plans} && $read > $blocks * $part->{'Actual Loops'} + 4 * $rows;
		}
	}
	return $plans == 0 ? 'no plan is on record' : uniq @wrong;
}

# Looks at the plans of a query.
sub check_query
{
	my ($session, $query, $what) = @_;
	my $before = -s $node->logfile;

	$session->query_safe($query);
	is(join("\n", judge(slurp_file($node->logfile, $before))), '', "$what: $query");
	return;
}

# A session that has its plans logged.
sub explained_session
{
	my $session = new_session($node, 'postgres');

	$session->query_safe('SET auto_explain.log_min_duration = 0');
	return $session;
}

# Makes the calls in a new session, and looks at the plans of each.
sub check_plans
{
	my ($number, $round, $what) = @_;
	my $session = explained_session();

	# Orders that were won, and whose deadlines were left behind.
	ask("UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s' WHERE order_id IN ('won-$number', 'won-1$number')");
	foreach my $call (@before, (map { "SELECT * FROM $_" } @calls), @after)
	{
		check_query($session, $call =~ s/\bORDER\b/$round/gr =~ s/\bROUND\b/$number/gr, $what);
	}
	$session->quit;
	return;
}

add_database($node, 'postgres', 2000);
ask(<<'SQL');
CREATE SCHEMA app;
CREATE TABLE app.vendors (vendor_id text PRIMARY KEY, name text, phone text);
INSERT INTO app.vendors
SELECT vendor_id, name, '+49170' || lpad(substr(vendor_id, 8), 7, '0') FROM vendor_routing.vendors;
SELECT vr_attach_vendors('app.vendors', '{"vendor_id": "vendor_id", "name": "name", "phone": "phone"}');
CREATE TABLE app.orders (order_id text PRIMARY KEY, retailer text NOT NULL, status text NOT NULL, winner text);
SELECT vr_attach_orders('app.orders',
	'{"order_id": "order_id", "retailer_id": "retailer", "status": "status", "locked_vendor_id": "winner"}');
CREATE ROLE vendor_8;
SELECT vr_grant_vendor('vendor_8', 'vendor-8');
CREATE FUNCTION app.message(the_order text, vendor text, of_kind text)
RETURNS uuid VOLATILE LANGUAGE sql AS $$
	SELECT message_id FROM vendor_routing.messages
	WHERE routing_id = vr_routing_id(the_order) AND vendor_id = vendor AND kind = of_kind ORDER BY round DESC LIMIT 1
$$;
SQL
{
	my $known = ask(<<'SQL');
SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname)
  FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vendor_routing')
   AND p.prorettype <> 'trigger'::regtype
SQL
	my %called = map { $_ => 1 } @others, map { /^(\w+)/ } @calls;

	is(join(' ', sort keys %called), $known, 'every function is called, or is known to read everything');
}

# Orders of each kind; all messages of them are somebody's, for a while.
ask(<<"SQL");
INSERT INTO app.orders
SELECT kind || '-' || n, 'shop', 'CREDIT_RESERVED' FROM unnest('{won,open,gone}'::text[]) AS kind, generate_series(1, $orders) AS n
UNION ALL SELECT 'exhausted-1', 'shop', 'CREDIT_RESERVED';
SELECT count(vr_broadcast(order_id, 'shop', vendors => '{vendor-1,vendor-2,vendor-3}')) FROM app.orders WHERE status = 'CREDIT_RESERVED';
SELECT count(vr_accept(vr_routing_id(order_id), 'vendor-1')) FROM app.orders WHERE order_id LIKE 'won-%';
SELECT count(vr_cancel(vr_routing_id(order_id))) FROM app.orders WHERE order_id LIKE 'gone-%';
SELECT count(vr_respond(vr_routing_id('exhausted-1'), 'vendor-' || n, 'REJECT')) FROM generate_series(1, 3) AS n;
SQL
1 while ask("SELECT count(*) FROM vr_claim_messages('WHATSAPP', 10000, '2 hours')") > 0;

ask(<<'SQL');
UPDATE pg_class SET relpages = pg_relation_size(oid) / current_setting('block_size')::integer, reltuples = 0
 WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind IN ('r', 'i');
SQL
check_plans(1, 'empty', 'believed to be empty');
ask(<<'SQL');
UPDATE pg_class SET relpages = 0, reltuples = -1
 WHERE relnamespace = 'vendor_routing'::regnamespace AND relkind IN ('r', 'i');
SQL
check_plans(2, 'unknown', 'not known');
ask('ANALYZE');
check_plans(3, 'known', 'known');
is(ask("SELECT count(*) FROM vendor_routing.events WHERE event_type = 'ORDER_EXHAUSTED' AND order_id LIKE '%-6'"),
	3, 'what was due was done');

# What a vendor left unanswered before it paused is not looked at once more.
ask(<<"SQL");
INSERT INTO app.orders SELECT 'silent-' || n, 'shop', 'CREDIT_RESERVED' FROM generate_series(1, 2 * $limit) AS n;
SELECT count(vr_broadcast('silent-' || n, 'shop', vendors => '{vendor-11}', ttl => '1 ms')) FROM generate_series(1, 2 * $limit) AS n;
SQL
is(ask("SELECT count(*) FROM generate_series(1, 2 * $limit) AS n, vr_timeout(vr_routing_id('silent-' || n)) WHERE timed_out = 1"),
	2 * $limit, 'a vendor has a long history');
ask(<<'SQL');
SELECT vr_pause('vendor-11');
SELECT vr_resume('vendor-11');
INSERT INTO app.orders VALUES ('silent', 'shop', 'CREDIT_RESERVED');
SELECT vr_broadcast('silent', 'shop', vendors => '{vendor-11}', ttl => '1 ms');
SQL
{
	my $session = explained_session();

	$session->query_safe('SET vendor_routing.auto_pause_after = 2');
	check_query($session, "SELECT vr_timeout(vr_routing_id('silent'))", 'a long history');
	is(ask("SELECT paused_until FROM vendor_routing.vendors WHERE vendor_id = 'vendor-11'"), '', 'which does not count');
	$session->query_safe('SET vendor_routing.auto_pause_after = 1');
	ask(<<'SQL');
INSERT INTO app.orders VALUES ('silent again', 'shop', 'CREDIT_RESERVED');
SELECT vr_broadcast('silent again', 'shop', vendors => '{vendor-11}', ttl => '1 ms');
SQL
	check_query($session, "SELECT vr_timeout(vr_routing_id('silent again'))", 'a long history');
	is(ask("SELECT paused_until > now() FROM vendor_routing.vendors WHERE vendor_id = 'vendor-11'"), 't', 'and what came since does');
	$session->quit;
}

$node->stop;
done_testing();
