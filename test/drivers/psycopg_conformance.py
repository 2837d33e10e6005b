"""The cases of conformance.txt for psycopg 3.  Prints TAP.

DRIVER_NAME names the run.  DRIVER_PREPARES is yes or no: whether it prepares in the server.
"""

import datetime
import decimal
import json
import os
import sys
import threading
import traceback
import uuid

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

ACCEPT = "SELECT * FROM vr_accept(%s, %s)"
COLUMNS = ["accepted", "reason", "locked_vendor_id", "locked_at", "order_id", "version"]
UNKNOWN = "00000000-0000-0000-0000-000000000000"
PREPARES = os.environ["DRIVER_PREPARES"] == "yes"
OPTIONS = {} if PREPARES else {"prepare_threshold": None}
ODD = "o'brien, \"{x}\" \\ ü"  # a vendor id that has everything


def connect():
	return psycopg.connect("", autocommit=True, row_factory=dict_row, **OPTIONS)


conn = connect()
other = connect()  # a second connection, that sees what is committed


# drivers.md: begin
def broadcast(conn, order_id, vendors, payload):
	try:
		row = conn.execute(
			"""SELECT * FROM vr_broadcast(order_id => %(order)s, retailer_id => %(retailer)s,
				vendors => %(vendors)s, payload => %(payload)s, ttl => %(ttl)s)""",
			{
				"order": order_id,
				"retailer": "shop-7",
				"vendors": vendors,  # a list
				"payload": Jsonb(payload),  # a dict
				"ttl": datetime.timedelta(seconds=90),
			}).fetchone()
		return row["routing_id"]  # a uuid.UUID
	except psycopg.Error as error:
		if error.sqlstate == "VR002":  # no eligible vendor
			return None
		raise


def accept(conn, routing_id, vendor_id):
	with conn.transaction():
		row = conn.execute("SELECT * FROM vr_accept(%s, %s)", (routing_id, vendor_id)).fetchone()
		# if row["reason"] == "LOCKED": your own writes, by the same connection
	return row  # accepted, reason, locked_vendor_id, locked_at, ...
# drivers.md: end


def one(connection, text, values=()):
	rows = connection.execute(text, values).fetchall()
	equal(len(rows), 1)
	return rows[0]


def equal(found, wanted):
	if found != wanted or type(found) is not type(wanted):
		raise AssertionError(f"found {found!r}, wanted {wanted!r}")


def offer(connection, order):
	"""Offers an order to anna, ben and cara, who sell bread; its routing id, a string."""
	row = one(connection, "SELECT * FROM vr_broadcast(%s, %s, %s)", (order, "shop", "bread"))
	equal(row["created"], True)
	return str(row["routing_id"])


def take(connection, routing, vendor):
	return one(connection, ACCEPT, (routing, vendor))


def status(connection, routing):
	return one(connection, "SELECT vr_status(%s) AS status", (routing,))["status"]


def fails(code, text, values, connection=conn):
	"""The call fails with this SQLSTATE, and the next one works."""
	try:
		connection.execute(text, values)
	except psycopg.Error as error:
		equal(error.sqlstate, code)
	else:
		raise AssertionError(f"no error, wanted {code}")
	equal(one(conn, "SELECT 1 AS one"), {"one": 1})


def invited(row):
	return [vendor["vendor_id"] for vendor in row["invited"]]


def untyped_parameters(order):
	routing = offer(conn, order)
	row = take(conn, routing, "anna")
	equal(list(row), COLUMNS)
	equal({**row, "locked_at": None}, {
		"accepted": True, "reason": "LOCKED", "locked_vendor_id": "anna", "locked_at": None,
		"order_id": order, "version": 2})
	# A native uuid is as good.
	equal(take(conn, uuid.UUID(routing), "anna")["reason"], "ALREADY_ACCEPTED")


def named_notation(order):
	made = one(conn,
		"SELECT * FROM vr_broadcast(product => %(p)s, retailer_id => %(r)s, order_id => %(o)s)",
		{"p": "bread", "r": "shop-named", "o": order})
	equal(one(conn, """SELECT retailer_id, order_id, product FROM vr_vendor_offers
		WHERE routing_id = %s AND vendor_id = %s""", (made["routing_id"], "anna")),
		{"retailer_id": "shop-named", "order_id": order, "product": "bread"})
	row = one(conn, "SELECT * FROM vr_accept(vendor_id => %s, routing_id => %s)",
		("ben", str(made["routing_id"])))
	equal(row["locked_vendor_id"], "ben")


def numbers(order):
	made = one(conn, """SELECT * FROM vr_broadcast(order_id => %s, retailer_id => %s, product => %s,
		amount => %s, latitude => %s, longitude => %s, max_vendors => %s)""",
		(order, "shop", "bread", decimal.Decimal("1250.75"), 12.5, -77.25, 2))
	equal(made["vendor_count"], 2)
	equal(one(conn, """SELECT amount::text, latitude, longitude FROM vr_vendor_offers
		WHERE routing_id = %s LIMIT 1""", (made["routing_id"],)),
		{"amount": "1250.75", "latitude": 12.5, "longitude": -77.25})


def prepared_statements(order):
	orders = [f"{order}/{i}" for i in range(12)]
	made = [one(conn, "SELECT * FROM vr_broadcast(%s, %s, %s)", (name, "shop", "bread"))
		for name in orders]
	equal([row["created"] for row in made], [True] * 12)
	fresh = connect()
	won = [take(fresh, row["routing_id"], "anna" if i % 2 else "ben") for i, row in enumerate(made)]
	equal([(row["reason"], row["locked_vendor_id"], row["order_id"]) for row in won],
		[("LOCKED", "anna" if i % 2 else "ben", name) for i, name in enumerate(orders)])
	equal(one(fresh, """SELECT count(*) FROM pg_prepared_statements
		WHERE statement LIKE 'SELECT * FROM vr_accept(%%'"""), {"count": 1 if PREPARES else 0})
	fresh.close()


def outcome_locked(order):
	routing = offer(conn, order)
	equal(take(conn, routing, "cara")["reason"], "LOCKED")
	equal(one(other, "SELECT status, locked_vendor_id FROM vr_routing_status WHERE order_id = %s", (order,)),
		{"status": "LOCKED", "locked_vendor_id": "cara"})


def outcome_already_accepted(order):
	routing = offer(conn, order)
	first = take(conn, routing, "anna")
	equal(take(conn, routing, "anna"), {**first, "reason": "ALREADY_ACCEPTED"})


def outcome_already_locked(order):
	routing = offer(conn, order)
	won = take(conn, routing, "anna")
	equal(take(other, routing, "ben"), {**won, "accepted": False, "reason": "ALREADY_LOCKED"})


def outcome_lost_race(order):
	"""The winner commits only when the other is seen waiting for it."""
	routing = offer(conn, order)
	answers = []

	def lose():
		try:
			answers.append(take(other, routing, "ben"))
		except Exception as error:
			answers.append(error)

	loser = threading.Thread(target=lose)
	with connect() as watch:
		with conn.transaction():
			won = take(conn, routing, "anna")
			loser.start()
			deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)
			while one(watch, """SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'""")["count"] == 0:
				if answers or datetime.datetime.now() > deadline:
					raise AssertionError(f"the second accept did not wait: {answers}")
	loser.join()
	equal(answers, [{**won, "accepted": False, "reason": "LOST_RACE"}])


def outcome_not_invited(order):
	routing = offer(conn, order)
	take(conn, routing, "anna")
	equal(take(conn, routing, "nobody"), {
		"accepted": False, "reason": "NOT_INVITED", "locked_vendor_id": None, "locked_at": None,
		"order_id": order, "version": 2})


def sqlstate_vr001(order):
	fails("VR001", ACCEPT, (UNKNOWN, "anna"))


def sqlstate_vr002(order):
	fails("VR002", "SELECT * FROM vr_broadcast(%s, %s, %s)", (order, "shop", "gold"))
	equal(conn.execute("SELECT * FROM vr_routing_status WHERE order_id = %s", (order,)).fetchall(), [])


def sqlstate_vr004(order):
	routing = offer(conn, order)
	take(conn, routing, "anna")
	fails("VR004", "SELECT * FROM vr_respond(%s, %s, %s)", (routing, "ben", "REJECT"))


def sqlstate_22004(order):
	fails("22004", ACCEPT, (UNKNOWN, None))


def sqlstate_22023(order):
	routing = offer(conn, order)
	fails("22023", ACCEPT, (routing, ""))
	fails("22023", "SELECT * FROM vr_respond(%s, %s, %s)", (routing, "anna", "MAYBE"))


def sqlstate_22p02(order):
	fails("22P02", ACCEPT, ("not-a-uuid", "anna"))


def transaction_rollback(order):
	routing = offer(conn, order)
	with conn.transaction():
		equal(take(conn, routing, "anna")["reason"], "LOCKED")
		raise psycopg.Rollback()
	equal(status(other, routing)["status"], "PENDING")
	equal(take(other, routing, "ben")["reason"], "LOCKED")


def transaction_commit(order):
	routing = offer(conn, order)
	with conn.transaction():
		equal(take(conn, routing, "anna")["reason"], "LOCKED")
		equal(status(conn, routing)["status"], "LOCKED")
		equal(status(other, routing)["status"], "PENDING")
	equal(status(other, routing)["locked_vendor_id"], "anna")


def transaction_loser(order):
	taken = offer(conn, f"{order}/taken")
	free = offer(conn, f"{order}/open")
	take(conn, taken, "anna")
	with conn.transaction():
		equal(take(conn, taken, "ben")["accepted"], False)
		equal(take(conn, free, "ben")["reason"], "LOCKED")
	equal(status(other, taken)["locked_vendor_id"], "anna")
	equal(status(other, free)["locked_vendor_id"], "ben")


def transaction_savepoint(order):
	routing = offer(conn, order)
	with conn.transaction():
		try:
			with conn.transaction():  # a savepoint
				take(conn, UNKNOWN, "anna")
		except psycopg.Error as error:
			equal(error.sqlstate, "VR001")
		else:
			raise AssertionError("no error")
		equal(take(conn, routing, "anna")["reason"], "LOCKED")
	equal(status(other, routing)["locked_vendor_id"], "anna")


def notices(order):
	routing = offer(conn, order)
	heard = []

	def hear(diagnostic):
		heard.append((diagnostic.severity_nonlocalized, diagnostic.sqlstate, diagnostic.message_primary))

	conn.add_notice_handler(hear)
	with conn.transaction():
		conn.execute("DO $$BEGIN RAISE NOTICE 'before the accept'; END$$")
		equal(take(conn, routing, "anna")["reason"], "LOCKED")
		conn.execute("DO $$BEGIN RAISE WARNING 'after the accept' USING ERRCODE = 'VR002'; END$$")
	conn.remove_notice_handler(hear)
	equal(heard, [("NOTICE", "00000", "before the accept"), ("WARNING", "VR002", "after the accept")])
	equal(status(other, routing)["locked_vendor_id"], "anna")


def arrays(order):
	vendors = ["cara", ODD, "anna"]
	call = "SELECT * FROM vr_broadcast(order_id => %s, retailer_id => %s, vendors => %s)"
	made = one(conn, call, (order, "shop", vendors))
	equal(invited(made), vendors)
	equal(take(conn, made["routing_id"], ODD)["locked_vendor_id"], ODD)
	fails("22004", call, (f"{order}/null", "shop", ["anna", None]))
	fails("22023", call, (f"{order}/empty", "shop", []))


def jsonb_in(order):
	payload = {"note": ODD, "gift": None, "lines": [{"sku": "b1", "count": 2}], "total": 12.5, "paid": False}
	made = one(conn, """SELECT * FROM vr_broadcast(order_id => %s, retailer_id => %s, product => %s,
		payload => %s, waves => %s)""",
		(order, "shop", "bread", Jsonb(payload), Jsonb([{"vendor_ids": ["ben"]}, {"vendor_ids": ["anna"]}])))
	equal(invited(made), ["ben"])
	equal(one(conn, "SELECT payload FROM vr_vendor_offers WHERE routing_id = %s", (made["routing_id"],)),
		{"payload": payload})
	won = one(conn, "SELECT * FROM vr_accept(%s, %s, %s)",
		(made["routing_id"], "ben", Jsonb({"driver": ODD})))
	equal(won["reason"], "LOCKED")
	event = one(conn, "SELECT payload FROM vr_history(%s) WHERE event_type = 'VENDOR_ACCEPTED'", (order,))
	equal(json.dumps(ODD) in json.dumps(event["payload"]), True)


def jsonb_out(order):
	routing = offer(conn, order)
	take(conn, routing, "ben")
	document = status(conn, routing)
	equal(document["routing_id"], routing)
	equal(document["status"], "LOCKED")
	equal(document["version"], 2)
	equal(document["confirm_by"], None)
	equal([(r["vendor_id"], r["response"], r["cancelled"]) for r in document["responses"]],
		[("anna", None, True), ("ben", "ACCEPT", False), ("cara", None, True)])


def timestamps(order):
	routing = offer(conn, order)
	before = datetime.datetime.now(datetime.timezone.utc)
	won = take(conn, routing, "anna")["locked_at"]
	after = datetime.datetime.now(datetime.timezone.utc)
	if won.tzinfo is None or not before <= won <= after:
		raise AssertionError(f"{won} is not between {before} and {after}")
	with conn.transaction():
		conn.execute("SET LOCAL TimeZone = 'America/St_Johns'")
		equal(take(conn, routing, "anna")["locked_at"], won)
	until = after + datetime.timedelta(hours=1)
	equal(one(conn, "SELECT vr_pause(%s, %s) AS until", ("dora", until)), {"until": until})
	conn.execute("SELECT vr_resume(%s)", ("dora",))


def interval(order):
	ttl = datetime.timedelta(minutes=1, seconds=30, milliseconds=500)
	for i, value in enumerate((ttl, "1 minute 30.5 seconds")):
		made = one(conn,
			"SELECT * FROM vr_broadcast(order_id => %s, retailer_id => %s, product => %s, ttl => %s)",
			(f"{order}/{i}", "shop", "bread", value))
		row = one(conn, "SELECT offered_at, expires_at FROM vr_vendor_offers WHERE routing_id = %s LIMIT 1",
			(made["routing_id"],))
		equal(row["expires_at"] - row["offered_at"], ttl)


def nulls(order):
	made = one(conn, f"SELECT * FROM vr_broadcast({', '.join(['%s'] * 13)})",
		[order, "shop", "bread"] + [None] * 10)
	equal(invited(made), ["anna", "ben", "cara"])
	won = one(conn, "SELECT * FROM vr_accept(%s, %s, %s)", (made["routing_id"], "anna", None))
	equal(won["reason"], "LOCKED")
	equal(one(conn, "SELECT payload, vendor_id FROM vr_history(%s) WHERE event_type = 'VENDOR_ACCEPTED'", (order,)),
		{"payload": None, "vendor_id": "anna"})


def documented_example(order):
	routing = broadcast(conn, order, ["ben", "anna"], {"note": ODD})
	equal([r["vendor_id"] for r in status(conn, routing)["responses"]], ["ben", "anna"])
	equal(accept(conn, routing, "ben")["reason"], "LOCKED")
	equal(accept(conn, routing, "anna")["reason"], "ALREADY_LOCKED")
	equal(broadcast(conn, f"{order}/nobody", ["eve"], {}), None)


CASES = [
	untyped_parameters, named_notation, numbers, prepared_statements, outcome_locked,
	outcome_already_accepted, outcome_already_locked, outcome_lost_race, outcome_not_invited,
	sqlstate_vr001, sqlstate_vr002, sqlstate_vr004, sqlstate_22004, sqlstate_22023, sqlstate_22p02,
	transaction_rollback, transaction_commit, transaction_loser, transaction_savepoint, notices,
	arrays, jsonb_in, jsonb_out, timestamps, interval, nulls, documented_example,
]


def listed():
	path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "conformance.txt")
	with open(path, encoding="utf-8") as lines:
		return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def main():
	code = {case.__name__: case for case in CASES}
	names = listed()
	names += [name for name in code if name not in names]
	failed = 0
	for number, name in enumerate(names, 1):
		try:
			if name not in listed():
				raise AssertionError("the case is not in conformance.txt")
			if name not in code:
				raise AssertionError("the case has no code")
			code[name](f"{os.environ['DRIVER_NAME']}/{name}")
			print(f"ok {number} - {name}", flush=True)
		except Exception:
			failed += 1
			print(f"not ok {number} - {name}")
			print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
	print(f"1..{len(names)}")
	return 1 if failed or not names else 0


sys.exit(main())
