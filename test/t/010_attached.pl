# An application that changes its own orders while vendors answer: neither side
# gets ahead of the other, and nobody waits for anybody in a circle.
#
# Catches: a status or a winner in the application's table that its routing does
# not have, a verb that takes its locks in another order than an UPDATE of the
# application does, a verb that fails with 40001 because the application changed
# the row a moment ago, a vr_tick that waits for the application, and attachments
# that a dump loses.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VendorRouting;

my $clients = 8;
my $transactions = $ENV{ATTACHED_TRANSACTIONS} // 1500;    # of each client

my $node = new_node('attached', conf => "deadlock_timeout = 100ms");

# Orders with bigint keys, vendors with integer ones.
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION vendor_routing;
CREATE SCHEMA app;
CREATE TABLE app.wholesalers (id integer PRIMARY KEY, title text, cap integer);
INSERT INTO app.wholesalers SELECT i, 'w' || i, 1000 FROM generate_series(1, 12) AS i;
CREATE TABLE app.orders (
	id bigserial PRIMARY KEY,
	shop text NOT NULL DEFAULT 'shop',
	status text NOT NULL DEFAULT 'CREATED',
	winner integer REFERENCES app.wholesalers,
	note integer NOT NULL DEFAULT 0);
SELECT vr_attach_vendors('app.wholesalers', '{"vendor_id": "id", "name": "title", "capacity": "cap"}');
SELECT vr_attach_orders('app.orders', '{"order_id": "id", "retailer_id": "shop", "status": "status",
	"locked_vendor_id": "winner", "auto_broadcast": true}');
INSERT INTO app.orders (shop) SELECT 'shop' FROM generate_series(1, 30);

-- What went wrong: in a call of ours, or in the application's own statement.
CREATE TABLE app.failures (isolation text, ours boolean, code text, message text);

-- One thing that an application or a vendor does to one order.
CREATE FUNCTION app.step(action integer, n bigint, chance integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	routing uuid := vr_routing_id(n::text);
	vendor text := chance::text;
BEGIN
	CASE action
		WHEN 0 THEN INSERT INTO app.orders (shop) VALUES ('shop');
		WHEN 1, 2 THEN UPDATE app.orders SET status = 'VALIDATED' WHERE id = n;
		WHEN 3, 4 THEN UPDATE app.orders SET status = 'CREDIT_RESERVED' WHERE id = n;
		WHEN 5 THEN UPDATE app.orders SET status = 'FULFILLMENT_STARTED' WHERE id = n;
		WHEN 6 THEN UPDATE app.orders SET status = 'DELIVERED' WHERE id = n;
		WHEN 7 THEN UPDATE app.orders SET note = note + 1 WHERE id = n;
		WHEN 8 THEN UPDATE app.wholesalers SET cap = 1000 + chance WHERE id = chance;
		WHEN 9 THEN
			IF chance < 3 THEN UPDATE app.orders SET status = 'CANCELLED' WHERE id = n;
			ELSIF chance < 4 THEN DELETE FROM app.orders WHERE id = n;
			ELSIF chance < 5 THEN UPDATE app.orders SET status = 'FAILED' WHERE id = n; END IF;
		WHEN 10, 11, 12, 13 THEN PERFORM vr_accept(routing, vendor);
		WHEN 14 THEN PERFORM vr_respond(routing, vendor, 'REJECT');
		WHEN 15 THEN PERFORM vr_release(routing, vendor);
		WHEN 16 THEN PERFORM vr_tick(20);
		WHEN 17 THEN
			IF chance < 3 THEN PERFORM vr_complete(routing, 'DELIVERED');
			ELSIF chance < 4 THEN PERFORM vr_complete(routing, 'FAILED');
			ELSIF chance < 5 THEN PERFORM vr_cancel(routing);
			ELSIF chance < 7 THEN PERFORM vr_retry(routing); END IF;
		WHEN 18 THEN PERFORM vr_assign(routing, vendor, 'dispatcher');
		WHEN 19 THEN PERFORM vr_broadcast(n::text, NULL);
	END CASE;
EXCEPTION
	-- Unknown, nobody eligible, no such row, no such change, not invited.
	WHEN SQLSTATE 'VR001' OR SQLSTATE 'VR002' OR SQLSTATE 'VR003' OR SQLSTATE 'VR004'
		OR SQLSTATE 'VR005' THEN NULL;
	WHEN OTHERS THEN
		INSERT INTO app.failures VALUES
			(current_setting('transaction_isolation'), action >= 10, SQLSTATE, SQLERRM);
END $$;
SQL

my $script = PostgreSQL::Test::Utils::tempdir . '/day.sql';
append_to_file($script, <<'SQL');
\set action random(0, 19)
\set chance random(1, 12)
\set back random(0, 25)
SELECT greatest(1, (SELECT last_value FROM app.orders_id_seq) - :back) AS n \gset
SELECT app.step(:action, :n, :chance);
SQL

for my $isolation ('read committed', 'repeatable read', 'serializable')
{
	(my $escaped = $isolation) =~ s/ /\\ /g;
	local $ENV{PGOPTIONS} = "-c default_transaction_isolation=$escaped"
	  . " -c client_min_messages=error -c vendor_routing.offer_ttl=1s";

	# A transaction that is only refused at COMMIT is tried again.
	$node->command_ok(
		[
			'pgbench', '-n', '-f', $script, '-c', $clients, '-j', 2,
			'-t', $transactions, '--max-tries', 10, 'postgres'
		],
		"$isolation: the application and the vendors go through the day");
	is( $node->safe_psql('postgres', 'SELECT violation, order_id, detail FROM vr_check()'),
		'', "$isolation: orders and routings say the same");
}

is( $node->safe_psql('postgres',
		"SELECT * FROM app.failures WHERE code <> '40001'"),
	'', 'nothing fails for a reason of ours, nor in a deadlock');
is( $node->safe_psql('postgres',
		"SELECT * FROM app.failures WHERE ours AND isolation <> 'serializable'"),
	'', 'no call of ours fails with 40001, though the application changes the row');
is( $node->safe_psql('postgres',
		"SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"),
	'0', 'no deadlock');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM unnest('{PENDING,LOCKED,COMPLETED,CANCELLED}'::text[]) AS s
		  WHERE NOT EXISTS (SELECT FROM vendor_routing.routings WHERE status = s)"),
	'0', 'orders were in every state');

# vr_tick does not wait for an application that has the row of a due order.
{
	$node->safe_psql('postgres', <<'SQL');
INSERT INTO app.orders (id, status) VALUES (1000001, 'CREDIT_RESERVED'), (1000002, 'CREDIT_RESERVED');
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 s', expires_at = now() - interval '1 s'
 WHERE routing_id IN (vr_routing_id('1000001'), vr_routing_id('1000002'));
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s', expires_at = now() - interval '1 s'
 WHERE order_id IN ('1000001', '1000002');
SQL
	my $application = new_session($node, 'postgres');

	$application->query_safe('BEGIN; UPDATE app.orders SET note = 1 WHERE id = 1000001');
	$node->safe_psql('postgres', "SET statement_timeout = '60s'; SELECT * FROM vr_tick(100000)");
	is( $node->safe_psql('postgres',
			'SELECT id, status FROM app.orders WHERE id > 1000000 ORDER BY 1'),
		"1000001|PENDING_BIDS\n1000002|FAILED",
		'a tick passes by an order that the application is changing, and does the next');
	$application->query_safe('COMMIT');
	$application->quit;
	$node->safe_psql('postgres', 'SELECT * FROM vr_tick(100000)');
	is( $node->safe_psql('postgres', 'SELECT status FROM app.orders WHERE id = 1000001'),
		'FAILED', 'the next tick does it');
}

# Nor for what a foreign key of the application's looks at, nor, for long, for its triggers: the
# order that needs those fails, and is done when it can be.
{
	$node->safe_psql('postgres', <<'SQL');
SET vendor_routing.offer_ttl = '2h';
SET vendor_routing.order_ttl = '2h';
INSERT INTO app.orders (id, status) VALUES (1000003, 'CREDIT_RESERVED');
UPDATE app.wholesalers SET cap = NULL;
SELECT vr_respond(routing_id, vendor_id, 'ACCEPT') FROM vendor_routing.responses
 WHERE routing_id = vr_routing_id('1000003') ORDER BY rank LIMIT 1;
UPDATE vendor_routing.responses SET offered_at = now() - interval '2 h', expires_at = now() - interval '1 s'
 WHERE routing_id = vr_routing_id('1000003');
UPDATE vendor_routing.routings SET next_deadline = now() - interval '1 s' WHERE order_id = '1000003';
SQL
	my $application = new_session($node, 'postgres');
	my $status = "SELECT status FROM app.orders WHERE id = 1000003";

	$application->query_safe('BEGIN; SELECT FROM app.wholesalers FOR UPDATE');
	is( $node->safe_psql('postgres', "SET statement_timeout = '60s'; SELECT failed FROM vr_tick()"),
		'0', 'a tick does not wait for the end of a transaction that has what a foreign key looks at');
	is($node->safe_psql('postgres', $status), 'PENDING_BIDS', 'it has changed nothing');
	$application->query_safe('COMMIT');

	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION app.wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
CREATE TRIGGER wait BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.wait();
SQL
	$application->query_safe('BEGIN; SELECT pg_advisory_xact_lock(7)');
	is( $node->safe_psql('postgres', "SET statement_timeout = '60s'; SELECT failed FROM vr_tick()"),
		'1', 'nor of one that a trigger waits for');
	is($node->safe_psql('postgres', $status), 'PENDING_BIDS', 'it has changed nothing');
	$application->query_safe('COMMIT');
	$node->safe_psql('postgres', 'DROP TRIGGER wait ON app.orders');
	$application->quit;
	is($node->safe_psql('postgres', 'SELECT failed FROM vr_tick()'), '0', 'the next tick');
	is($node->safe_psql('postgres', $status), 'VENDOR_ACCEPTED', 'does it');
}

# A row of a partition that is in another database cannot be followed: an error, no crash.
{
	$node->safe_psql('postgres', 'CREATE DATABASE spread');
	$node->safe_psql('postgres', 'CREATE DATABASE far');
	$node->safe_psql('far', 'CREATE TABLE rows (id text, shop text, status text)');
	$node->safe_psql('spread', <<"SQL");
CREATE EXTENSION vendor_routing;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${\$node->host}', port '${\$node->port}', dbname 'far');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password_required 'false');
CREATE TABLE orders (id text, shop text, status text) PARTITION BY LIST (id);
CREATE UNIQUE INDEX orders_id ON orders (id);
SELECT vr_attach_orders('orders', '{"order_id": "id", "retailer_id": "shop", "status": "status"}');
SELECT vr_attach_vendors('orders', '{"vendor_id": "id"}');
DROP INDEX orders_id;
CREATE FOREIGN TABLE orders_far PARTITION OF orders FOR VALUES IN ('far') SERVER far OPTIONS (table_name 'rows');
SQL
	my ($status, $stdout, $stderr) = $node->psql('spread', "INSERT INTO orders VALUES ('far', 'r', 'CREATED')");

	like($stderr, qr/ERROR:  "orders_far" is a foreign table/, 'a row that is elsewhere');
	is($node->safe_psql('spread', 'SELECT count(*) FROM orders'), '0', 'the server lives');
}

# Attached tables are attached still after a dump, whatever is restored first.
{
	my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';

	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'dump');
	$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(whole parts);
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'whole', $dump ],
		'restore');
	$node->command_ok(
		[ 'pg_restore', '--exit-on-error', '--schema-only', '-d', 'parts', $dump ],
		'restore the schema');
	{
		local $ENV{PGOPTIONS} = '-c session_replication_role=replica';

		$node->command_ok(
			[ 'pg_restore', '--exit-on-error', '--data-only', '-d', 'parts', $dump ],
			'restore the data, with the triggers off');
	}
	for my $database (qw(whole parts))
	{
		is( $node->safe_psql($database, 'SELECT * FROM vr_check()'),
			'', "$database: orders and routings say the same");
		is( $node->safe_psql($database, <<'SQL'),
INSERT INTO app.orders (id, status) VALUES (2000000, 'CREDIT_RESERVED');
SELECT o.status, r.status FROM app.orders AS o
  JOIN vendor_routing.routings AS r ON r.order_id = o.id::text WHERE o.id = 2000000;
SQL
			'PENDING_BIDS|PENDING', "$database: the tables are attached");
	}
}

$node->stop;
done_testing();
