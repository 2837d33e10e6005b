# Every verb, over and over in one session, over orders that come and go: what the session
# holds in memory is the same at the end as it was when it had just done everything once.
#
# Catches: what a call allocates in a context that outlives it and does not give back, be
# the call won, lost, refused, or caught with an error.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $rounds = full(400, 100_000);
my $first = full(200, 2000);

# The least that can be allocated, lost in each round, is more than this.
my $bound = 4 * 1024;

# A round: each verb at least once, save two that read a lot: the whole database, and all
# there is to know of time zones.  What is to go wrong does so in a block that catches it.
my $round = <<'SQL';
SELECT :n + 1 AS n, 'order-' || :n + 1 AS o, vr_routing_id('order-' || :n + 1) AS r,
	vr_routing_id('other-' || :n + 1) AS s, (:n + 1) % (CASE WHEN :n < 2000 THEN 50 ELSE 10000 END) = 1 AS rare,
	(:n + 1) % 1000 = 0 AS dirty \gset
SELECT FROM vr_broadcast(:'o', 'retailer-1', 'thing', 12.50, 52.5, 13.4, '{"a": 1}', vendors => '{vendor-1,vendor-2,vendor-3,vendor-4}');
SELECT FROM vr_broadcast(:'o', 'retailer-1', 'thing', 12.50, 52.5, 13.4, '{"a": 1}', vendors => '{vendor-1,vendor-2,vendor-3,vendor-4}');
SELECT FROM vr_explain(:'o', 'vendor-9');
SELECT FROM vr_respond(:'r', 'vendor-4', 'REJECT', 'too far', '{"km": 40}');
SELECT FROM vr_accept(:'r', 'vendor-9');
SELECT FROM vr_accept(:'r', 'nobody');
SELECT FROM vr_accept(:'r', 'vendor-1', '{"eta": 20}');
SELECT FROM vr_accept(:'r', 'vendor-1', '{"eta": 20}');
SELECT FROM vr_accept(:'r', 'vendor-2');
SELECT FROM vr_accept(:'r', 'vendor-2');
SELECT vr_status(:'r');
SELECT FROM vr_history(:'o');
SELECT FROM vr_explain(:'o', 'vendor-2');
SELECT FROM vr_send_cancellations(:'r');
SELECT FROM vr_release(:'r', 'vendor-1', 'broken oven');
SELECT FROM vr_assign(:'r', 'vendor-2', 'dispatcher');
SELECT FROM vr_complete(:'r', 'DELIVERED', 5);
SELECT FROM vr_broadcast_many(jsonb_build_array(
	jsonb_build_object('order_id', 'other-' || :n, 'retailer_id', 'retailer-1', 'policy', 'two'),
	jsonb_build_object('order_id', 'third-' || :n, 'retailer_id', 'retailer-1', 'confirm_within', '1 hour', 'vendors', '["vendor-5"]'::jsonb)));
SELECT FROM vr_tick(10);
SELECT FROM vr_timeout(:'s', '0');
SELECT FROM vr_timeout(:'s', '0');
SELECT FROM vr_retry(:'s');
SELECT FROM vr_cancel(:'s', 'changed my mind');
SELECT FROM vr_accept(vr_routing_id('third-' || :n), 'vendor-5');
SELECT FROM vr_confirm(vr_routing_id('third-' || :n), 'vendor-5');
SELECT FROM vr_complete(vr_routing_id('third-' || :n), 'FAILED');
SELECT FROM vr_broadcast('asked-' || :n, 'retailer-1', vendors => '{vendor-6,vendor-7}');
SELECT vr_message_sent(message_id) FROM vr_claim_messages('WHATSAPP', 1000) WHERE order_id <> 'asked-' || :n OR vendor_id <> 'vendor-6';
SELECT message_id AS m FROM vendor_routing.messages WHERE routing_id = vr_routing_id('asked-' || :n) AND vendor_id = 'vendor-6' \gset
SELECT vr_message_failed(:'m', '500');
SELECT vr_message_sent(:'m', 'external-' || :n);
SELECT vr_confirm_delivery(:'m', 'DELIVERED');
SELECT FROM vr_receive_message('whatsapp', 'a-' || :n, '490000006', 'well');
SELECT FROM vr_receive_message('whatsapp', 'b-' || :n, '490000006', 'accept asked-' || :n);
SELECT FROM vr_receive_message('whatsapp', 'b-' || :n, '490000006', 'accept asked-' || :n);
SELECT FROM vr_receive_message('whatsapp', 'c-' || :n, '490000007', 'reject', '{"reply_to": "nothing"}');
SELECT FROM vr_complete(vr_routing_id('asked-' || :n));
SELECT vr_message_sent(message_id) FROM vr_claim_messages(NULL, 1000);
SELECT vr_pause('vendor-8', now() + interval '1 hour', 'holidays');
SELECT vr_resume('vendor-8');
\if :rare
SELECT vr_set_hours('vendor-8', 'Europe/Berlin', '[{"days": [1], "from": "09:00", "to": "18:00"}]');
SELECT vr_check();
\endif
\if :dirty
VACUUM;
\endif
SELECT vr_block('retailer-1', 'vendor-8', 'late');
SELECT vr_unblock('retailer-1', 'vendor-8');
SELECT vr_set_policy('three', '[{"vendors": 3}]');
SELECT vr_drop_policy('three');
SELECT vr_distance_km(52.5, 13.4, 48.1, 11.6);
SELECT vr_version();
SELECT vr_vendor_ids();
DO $$
DECLARE
	call text;
	refused boolean;
BEGIN
	FOREACH call IN ARRAY '{"vr_accept(NULL, ''v'')", "vr_accept(vr_routing_id(''unknown''), ''v'')", "vr_broadcast('''', ''r'')",
		"vr_broadcast(''none'', ''r'', vendors => ''{nobody}'')", "vr_cancel(vr_routing_id(''unknown''))", "vr_set_policy(''p'', ''[]'')"}'::text[] LOOP
		BEGIN
			EXECUTE 'SELECT ' || call;
			refused := false;
		EXCEPTION WHEN OTHERS THEN
			refused := true;
		END;
		ASSERT refused, call;
	END LOOP;
END $$;
BEGIN;
SELECT FROM vr_broadcast('undone-' || :n, 'retailer-1', vendors => '{vendor-1}');
SAVEPOINT a;
SELECT FROM vr_accept(vr_routing_id('undone-' || :n), 'vendor-1');
ROLLBACK TO a;
ROLLBACK;
SQL

my $measure = <<'SQL';
INSERT INTO measured SELECT :n, name, sum(used_bytes), count(*) FROM pg_backend_memory_contexts GROUP BY name;
SQL

# What autovacuum finds out, the session caches, and so it is not to happen in between.  An
# unclear message is answered with the offers that are not over: they are to be few.
my $node = new_node('memory', conf => "autovacuum = off\nvendor_routing.offer_ttl = 20s\n");
add_database($node, 'postgres', 9);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE measured (round int, name text, used numeric, contexts int);
UPDATE vendor_routing.vendors SET phone = '+49000000' || substr(vendor_id, 8);
SELECT vr_set_policy('two', '[{"vendor_ids": ["vendor-1"]}, {"vendor_ids": ["vendor-3"]}]');
SQL

# One session.
my $dir = PostgreSQL::Test::Utils::tempdir('memory');
append_to_file("$dir/round.sql", $round);
append_to_file("$dir/measure.sql", $measure);
append_to_file("$dir/all.sql",
	  "\\set n 0\n"
	. "\\i $dir/round.sql\n" x $first
	. "\\i $dir/measure.sql\n" x 2
	. "\\i $dir/round.sql\n" x ($rounds - $first)
	. "\\i $dir/measure.sql\n");
my ($output, $errors);
IPC::Run::run(
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/all.sql", '-d', $node->connstr('postgres') ],
	'>', \$output, '2>', \$errors);
is($errors, '', "$rounds rounds are done");
is($node->safe_psql('postgres', 'SELECT max(round) FROM measured'), $rounds, 'in one session');
is( $node->safe_psql('postgres', "SELECT count(*) FROM vendor_routing.routings WHERE order_id LIKE 'order-%' AND status = 'COMPLETED'"),
	$rounds, 'and every order went all the way');

my $grown = $node->safe_psql('postgres', <<"SQL");
SELECT sum(used) FILTER (WHERE round = $rounds) - sum(used) FILTER (WHERE round = $first) / 2 FROM measured
SQL
note(sprintf '%.0f bytes in use after %d rounds, and %.0f more after %d', $node->safe_psql('postgres',
	"SELECT sum(used) / 2 FROM measured WHERE round = $first"), $first, $grown, $rounds);
cmp_ok($grown, '<', $bound, 'and the session holds as much memory as before') or diag $node->safe_psql('postgres', <<"SQL");
SELECT name, a.used / 2 AS before, b.used AS after, a.contexts, b.contexts
FROM (SELECT name, sum(used) AS used, max(contexts) AS contexts FROM measured WHERE round = $first GROUP BY name) AS a
RIGHT JOIN (SELECT name, used, contexts FROM measured WHERE round = $rounds) AS b USING (name)
WHERE a.used / 2 IS DISTINCT FROM b.used
SQL

$node->stop;
done_testing();
