// The cases of conformance.txt for JDBC.  Prints TAP.
//
// Run as a single file: java -cp postgresql.jar Conformance.java.  JDBC_URL says where.
// DRIVER_NAME names the run.  DRIVER_PREPARES is yes or no: whether it prepares in the server.

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.postgresql.PGStatement;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PGobject;

public class Conformance {
	static final String ACCEPT = "SELECT * FROM vr_accept(?, ?)";
	static final String OFFER = "SELECT * FROM vr_broadcast(?, ?, ?)";
	static final String UNKNOWN = "00000000-0000-0000-0000-000000000000";
	static final String ODD = "o'brien, \"{x}\" \\ ü"; // a vendor id that has everything
	static final String ODD_JSON = "\"o'brien, \\\"{x}\\\" \\\\ ü\""; // the same in JSON

	static final boolean PREPARES = System.getenv("DRIVER_PREPARES").equals("yes");

	static Connection conn;
	static Connection other; // a second connection, that sees what is committed

	interface Case {
		void run(String order) throws Exception;
	}

	interface Work {
		void run() throws Exception;
	}

	// drivers.md: begin
	// stringtype=unspecified sends strings without a type, so that they fit uuid, jsonb and
	// interval too.  Without it: setObject(1, uuid) with a java.util.UUID.
	static Connection connect() throws SQLException {
		Properties properties = new Properties();
		properties.setProperty("user", System.getenv("PGUSER"));
		properties.setProperty("password", System.getenv("PGPASSWORD"));
		properties.setProperty("stringtype", "unspecified");
		return DriverManager.getConnection(System.getenv("JDBC_URL"), properties);
	}

	static UUID broadcast(Connection conn, String orderId, String[] vendors, String payload)
			throws SQLException {
		try (PreparedStatement call = conn.prepareStatement(
				"SELECT * FROM vr_broadcast(order_id => ?, retailer_id => ?,"
				+ " vendors => ?, payload => ?, ttl => ?)")) {
			call.setString(1, orderId);
			call.setString(2, "shop-7");
			call.setArray(3, conn.createArrayOf("text", vendors));
			call.setString(4, payload); // what your JSON library writes
			call.setObject(5, new PGInterval("90 seconds"));
			try (ResultSet row = call.executeQuery()) {
				row.next();
				return row.getObject("routing_id", UUID.class);
			}
		} catch (SQLException error) {
			if (error.getSQLState().equals("VR002")) { // no eligible vendor
				return null;
			}
			throw error;
		}
	}

	static boolean accept(Connection conn, UUID routingId, String vendorId) throws SQLException {
		conn.setAutoCommit(false);
		try (PreparedStatement call = conn.prepareStatement("SELECT * FROM vr_accept(?, ?)")) {
			call.setObject(1, routingId);
			call.setString(2, vendorId);
			boolean won;
			try (ResultSet row = call.executeQuery()) { // accepted, reason, locked_vendor_id, ...
				row.next();
				won = row.getBoolean("accepted");
			}
			// if (won): your own writes, by the same connection
			conn.commit();
			return won;
		} catch (SQLException error) {
			conn.rollback();
			throw error;
		} finally {
			conn.setAutoCommit(true);
		}
	}
	// drivers.md: end

	static void equal(Object found, Object wanted) {
		if (!Objects.equals(found, wanted)) {
			throw new AssertionError("found " + found + ", wanted " + wanted);
		}
	}

	static void yes(boolean condition, String otherwise) {
		if (!condition) {
			throw new AssertionError(otherwise);
		}
	}

	static Map<String, Object> mapOf(Object... pairs) {
		Map<String, Object> map = new LinkedHashMap<>();
		for (int i = 0; i < pairs.length; i += 2) {
			map.put((String) pairs[i], pairs[i + 1]);
		}
		return map;
	}

	static Map<String, Object> with(Map<String, Object> row, Object... pairs) {
		Map<String, Object> map = new LinkedHashMap<>(row);
		map.putAll(mapOf(pairs));
		return map;
	}

	// Numbers go with their own setters.
	static void bind(PreparedStatement call, Object... values) throws SQLException {
		for (int i = 0; i < values.length; i++) {
			if (values[i] == null) {
				call.setNull(i + 1, Types.NULL);
			} else if (values[i] instanceof String[]) {
				call.setArray(i + 1, call.getConnection().createArrayOf("text", (String[]) values[i]));
			} else if (values[i] instanceof String) {
				call.setString(i + 1, (String) values[i]);
			} else {
				call.setObject(i + 1, values[i]);
			}
		}
	}

	static List<Map<String, Object>> fetch(PreparedStatement call) throws SQLException {
		List<Map<String, Object>> rows = new ArrayList<>();
		try (ResultSet result = call.executeQuery()) {
			ResultSetMetaData meta = result.getMetaData();
			while (result.next()) {
				Map<String, Object> row = new LinkedHashMap<>();
				for (int i = 1; i <= meta.getColumnCount(); i++) {
					row.put(meta.getColumnLabel(i), meta.getColumnTypeName(i).equals("timestamptz")
						? result.getObject(i, OffsetDateTime.class) : result.getObject(i));
				}
				rows.add(row);
			}
		}
		return rows;
	}

	static List<Map<String, Object>> rows(Connection on, String text, Object... values) throws SQLException {
		try (PreparedStatement call = on.prepareStatement(text)) {
			bind(call, values);
			return fetch(call);
		}
	}

	static Map<String, Object> one(Connection on, String text, Object... values) throws SQLException {
		List<Map<String, Object>> rows = rows(on, text, values);
		equal(rows.size(), 1);
		return rows.get(0);
	}

	static void execute(Connection on, String text) throws SQLException {
		try (Statement statement = on.createStatement()) {
			statement.execute(text);
		}
	}

	// Offers an order to anna, ben and cara, who sell bread; its routing id, a string.
	static String offer(Connection on, String order) throws SQLException {
		Map<String, Object> row = one(on, OFFER, order, "shop", "bread");
		equal(row.get("created"), true);
		return row.get("routing_id").toString();
	}

	static Map<String, Object> take(Connection on, String routing, String vendor) throws SQLException {
		return one(on, ACCEPT, routing, vendor);
	}

	// A member of vr_status, as text.
	static String status(Connection on, String routing, String member) throws SQLException {
		return (String) one(on, "SELECT vr_status(?) ->> ? AS member", routing, member).get("member");
	}

	// The vendors of a jsonb array of objects, in its order.
	static List<String> vendors(Object json) throws SQLException {
		return rows(conn, "SELECT value ->> 'vendor_id' AS vendor"
			+ " FROM jsonb_array_elements(CAST(? AS jsonb)) WITH ORDINALITY ORDER BY ordinality",
			((PGobject) json).getValue())
			.stream().map(row -> (String) row.get("vendor")).collect(Collectors.toList());
	}

	// The call fails with this SQLSTATE, and the next one works.
	static void fails(String code, String text, Object... values) throws SQLException {
		boolean failed = false;
		try {
			rows(conn, text, values);
		} catch (SQLException error) {
			failed = true;
			equal(error.getSQLState(), code);
		}
		yes(failed, "no error, wanted " + code);
		equal(one(conn, "SELECT 1 AS one"), mapOf("one", 1));
	}

	static void transaction(Work work) throws Exception {
		conn.setAutoCommit(false);
		try {
			work.run();
			conn.commit();
		} catch (Throwable error) {
			conn.rollback();
			throw error;
		} finally {
			conn.setAutoCommit(true);
		}
	}

	static void untypedParameters(String order) throws Exception {
		String routing = offer(conn, order);
		Map<String, Object> row = take(conn, routing, "anna");
		equal(new ArrayList<>(row.keySet()), List.of(
			"accepted", "reason", "locked_vendor_id", "locked_at", "order_id", "version"));
		equal(with(row, "locked_at", null), mapOf(
			"accepted", true, "reason", "LOCKED", "locked_vendor_id", "anna", "locked_at", null,
			"order_id", order, "version", 2));
		// A native uuid is as good, also where strings have a type.
		equal(one(conn, ACCEPT, UUID.fromString(routing), "anna").get("reason"), "ALREADY_ACCEPTED");
		try (Connection typed = DriverManager.getConnection(System.getenv("JDBC_URL"),
				System.getenv("PGUSER"), System.getenv("PGPASSWORD"))) {
			equal(one(typed, ACCEPT, UUID.fromString(routing), "anna").get("reason"), "ALREADY_ACCEPTED");
			// What doc/drivers.md says of strings that have a type.
			String code = null;
			try {
				take(typed, routing, "anna");
			} catch (SQLException error) {
				code = error.getSQLState();
			}
			equal(code, "42883");
		}
	}

	static void namedNotation(String order) throws Exception {
		Map<String, Object> made = one(conn,
			"SELECT * FROM vr_broadcast(product => ?, retailer_id => ?, order_id => ?)",
			"bread", "shop-named", order);
		equal(one(conn, "SELECT retailer_id, order_id, product FROM vr_vendor_offers"
			+ " WHERE routing_id = ? AND vendor_id = ?", made.get("routing_id"), "anna"),
			mapOf("retailer_id", "shop-named", "order_id", order, "product", "bread"));
		equal(one(conn, "SELECT * FROM vr_accept(vendor_id => ?, routing_id => ?)",
			"ben", made.get("routing_id").toString()).get("locked_vendor_id"), "ben");
	}

	static void numbers(String order) throws Exception {
		Map<String, Object> made = one(conn,
			"SELECT * FROM vr_broadcast(order_id => ?, retailer_id => ?, product => ?,"
			+ " amount => ?, latitude => ?, longitude => ?, max_vendors => ?)",
			order, "shop", "bread", new BigDecimal("1250.75"), 12.5, -77.25, 2);
		equal(made.get("vendor_count"), 2);
		equal(one(conn, "SELECT amount, latitude, longitude FROM vr_vendor_offers"
			+ " WHERE routing_id = ? LIMIT 1", made.get("routing_id")),
			mapOf("amount", new BigDecimal("1250.75"), "latitude", 12.5, "longitude", -77.25));
	}

	static void preparedStatements(String order) throws Exception {
		List<String> routings = new ArrayList<>();
		try (PreparedStatement call = conn.prepareStatement(OFFER)) {
			for (int i = 0; i < 12; i++) {
				bind(call, order + "/" + i, "shop", "bread");
				Map<String, Object> made = fetch(call).get(0);
				equal(made.get("created"), true);
				routings.add(made.get("routing_id").toString());
			}
			equal(call.unwrap(PGStatement.class).isUseServerPrepare(), PREPARES);
		}
		try (Connection fresh = connect(); PreparedStatement call = fresh.prepareStatement(ACCEPT)) {
			for (int i = 0; i < 12; i++) {
				String vendor = i % 2 == 0 ? "ben" : "anna";
				bind(call, routings.get(i), vendor);
				Map<String, Object> row = fetch(call).get(0);
				equal(List.of(row.get("reason"), row.get("locked_vendor_id"), row.get("order_id")),
					List.of("LOCKED", vendor, order + "/" + i));
			}
			equal(one(fresh, "SELECT count(*) FROM pg_prepared_statements"
				+ " WHERE statement LIKE 'SELECT * FROM vr_accept(%'"), mapOf("count", PREPARES ? 1L : 0L));
		}
	}

	static void outcomeLocked(String order) throws Exception {
		String routing = offer(conn, order);
		equal(take(conn, routing, "cara").get("reason"), "LOCKED");
		equal(one(other, "SELECT status, locked_vendor_id FROM vr_routing_status WHERE order_id = ?", order),
			mapOf("status", "LOCKED", "locked_vendor_id", "cara"));
	}

	static void outcomeAlreadyAccepted(String order) throws Exception {
		String routing = offer(conn, order);
		Map<String, Object> first = take(conn, routing, "anna");
		equal(take(conn, routing, "anna"), with(first, "reason", "ALREADY_ACCEPTED"));
	}

	static void outcomeAlreadyLocked(String order) throws Exception {
		String routing = offer(conn, order);
		Map<String, Object> won = take(conn, routing, "anna");
		equal(take(other, routing, "ben"), with(won, "accepted", false, "reason", "ALREADY_LOCKED"));
	}

	// The winner commits only when the other is seen waiting for it.
	static void outcomeLostRace(String order) throws Exception {
		String routing = offer(conn, order);
		List<Map<String, Object>> won = new ArrayList<>();
		List<CompletableFuture<Map<String, Object>>> lost = new ArrayList<>();
		try (Connection watch = connect()) {
			transaction(() -> {
				won.add(take(conn, routing, "anna"));
				lost.add(CompletableFuture.supplyAsync(() -> {
					try {
						return take(other, routing, "ben");
					} catch (SQLException error) {
						throw new IllegalStateException(error);
					}
				}));
				Instant deadline = Instant.now().plusSeconds(60);
				while (one(watch, "SELECT count(*) FROM pg_stat_activity"
						+ " WHERE datname = current_database() AND wait_event_type = 'Lock'")
						.get("count").equals(0L)) {
					yes(!lost.get(0).isDone() && Instant.now().isBefore(deadline),
						"the second accept did not wait");
				}
			});
		}
		equal(lost.get(0).get(60, TimeUnit.SECONDS),
			with(won.get(0), "accepted", false, "reason", "LOST_RACE"));
	}

	static void outcomeNotInvited(String order) throws Exception {
		String routing = offer(conn, order);
		take(conn, routing, "anna");
		equal(take(conn, routing, "nobody"), mapOf(
			"accepted", false, "reason", "NOT_INVITED", "locked_vendor_id", null, "locked_at", null,
			"order_id", order, "version", 2));
	}

	static void sqlstateVr001(String order) throws Exception {
		fails("VR001", ACCEPT, UNKNOWN, "anna");
	}

	static void sqlstateVr002(String order) throws Exception {
		fails("VR002", OFFER, order, "shop", "gold");
		equal(rows(conn, "SELECT * FROM vr_routing_status WHERE order_id = ?", order), List.of());
	}

	static void sqlstateVr004(String order) throws Exception {
		String routing = offer(conn, order);
		take(conn, routing, "anna");
		fails("VR004", "SELECT * FROM vr_respond(?, ?, ?)", routing, "ben", "REJECT");
	}

	static void sqlstate22004(String order) throws Exception {
		fails("22004", ACCEPT, UNKNOWN, null);
	}

	static void sqlstate22023(String order) throws Exception {
		String routing = offer(conn, order);
		fails("22023", ACCEPT, routing, "");
		fails("22023", "SELECT * FROM vr_respond(?, ?, ?)", routing, "anna", "MAYBE");
	}

	static void sqlstate22p02(String order) throws Exception {
		fails("22P02", ACCEPT, "not-a-uuid", "anna");
	}

	static void transactionRollback(String order) throws Exception {
		String routing = offer(conn, order);
		conn.setAutoCommit(false);
		equal(take(conn, routing, "anna").get("reason"), "LOCKED");
		conn.rollback();
		conn.setAutoCommit(true);
		equal(status(other, routing, "status"), "PENDING");
		equal(take(other, routing, "ben").get("reason"), "LOCKED");
	}

	static void transactionCommit(String order) throws Exception {
		String routing = offer(conn, order);
		transaction(() -> {
			equal(take(conn, routing, "anna").get("reason"), "LOCKED");
			equal(status(conn, routing, "status"), "LOCKED");
			equal(status(other, routing, "status"), "PENDING");
		});
		equal(status(other, routing, "locked_vendor_id"), "anna");
	}

	static void transactionLoser(String order) throws Exception {
		String taken = offer(conn, order + "/taken");
		String open = offer(conn, order + "/open");
		take(conn, taken, "anna");
		transaction(() -> {
			equal(take(conn, taken, "ben").get("accepted"), false);
			equal(take(conn, open, "ben").get("reason"), "LOCKED");
		});
		equal(status(other, taken, "locked_vendor_id"), "anna");
		equal(status(other, open, "locked_vendor_id"), "ben");
	}

	static void transactionSavepoint(String order) throws Exception {
		String routing = offer(conn, order);
		transaction(() -> {
			Savepoint savepoint = conn.setSavepoint();
			String code = null;
			try {
				take(conn, UNKNOWN, "anna");
			} catch (SQLException error) {
				code = error.getSQLState();
				conn.rollback(savepoint);
			}
			equal(code, "VR001");
			equal(take(conn, routing, "anna").get("reason"), "LOCKED");
		});
		equal(status(other, routing, "locked_vendor_id"), "anna");
	}

	static void notices(String order) throws Exception {
		String routing = offer(conn, order);
		List<String> heard = new ArrayList<>();
		transaction(() -> {
			try (Statement statement = conn.createStatement()) {
				statement.execute("DO $$BEGIN RAISE NOTICE 'before the accept'; END$$");
				for (SQLWarning w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
					heard.add(w.getSQLState() + " " + w.getMessage());
				}
			}
			equal(take(conn, routing, "anna").get("reason"), "LOCKED");
			try (Statement statement = conn.createStatement()) {
				statement.execute(
					"DO $$BEGIN RAISE WARNING 'after the accept' USING ERRCODE = 'VR002'; END$$");
				for (SQLWarning w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
					heard.add(w.getSQLState() + " " + w.getMessage());
				}
			}
		});
		equal(heard, List.of("00000 before the accept", "VR002 after the accept"));
		equal(status(other, routing, "locked_vendor_id"), "anna");
	}

	static void arrays(String order) throws Exception {
		String[] vendors = {"cara", ODD, "anna"};
		String call = "SELECT * FROM vr_broadcast(order_id => ?, retailer_id => ?, vendors => ?)";
		Map<String, Object> made = one(conn, call, order, "shop", vendors);
		equal(vendors(made.get("invited")), Arrays.asList(vendors));
		equal(one(conn, ACCEPT, made.get("routing_id"), ODD).get("locked_vendor_id"), ODD);
		fails("22004", call, order + "/null", "shop", new String[] {"anna", null});
		fails("22023", call, order + "/empty", "shop", new String[] {});
	}

	// JDBC knows no JSON: an object goes in and comes out as text, in a PGobject.
	static void jsonbIn(String order) throws Exception {
		String text = "{\"gift\": null, \"note\": " + ODD_JSON
			+ ", \"paid\": false, \"lines\": [{\"sku\": \"b1\", \"count\": 2}], \"total\": 12.5}";
		PGobject payload = new PGobject();
		payload.setType("jsonb");
		payload.setValue(text);
		Map<String, Object> made = one(conn,
			"SELECT * FROM vr_broadcast(order_id => ?, retailer_id => ?, product => ?,"
			+ " payload => ?, waves => ?)",
			order, "shop", "bread", payload, "[{\"vendor_ids\": [\"ben\"]}, {\"vendor_ids\": [\"anna\"]}]");
		equal(vendors(made.get("invited")), List.of("ben"));
		Object offered = one(conn, "SELECT payload FROM vr_vendor_offers WHERE routing_id = ?",
			made.get("routing_id")).get("payload");
		equal(((PGobject) offered).getType(), "jsonb");
		equal(((PGobject) offered).getValue(), text);
		equal(one(conn, "SELECT * FROM vr_accept(?, ?, ?)", made.get("routing_id"), "ben",
			"{\"driver\": " + ODD_JSON + "}").get("reason"), "LOCKED");
		Object event = one(conn,
			"SELECT payload FROM vr_history(?) WHERE event_type = 'VENDOR_ACCEPTED'", order).get("payload");
		yes(((PGobject) event).getValue().contains(ODD_JSON), "the payload of the accept is not in " + event);
	}

	static void jsonbOut(String order) throws Exception {
		String routing = offer(conn, order);
		take(conn, routing, "ben");
		PGobject document = (PGobject) one(conn, "SELECT vr_status(?) AS status", routing).get("status");
		equal(document.getType(), "jsonb");
		equal(one(conn, "SELECT s ->> 'routing_id' AS id, s ->> 'status' AS status,"
			+ " (s ->> 'version')::int AS version, s ->> 'confirm_by' AS confirm_by"
			+ " FROM CAST(? AS jsonb) AS s", document.getValue()),
			mapOf("id", routing, "status", "LOCKED", "version", 2, "confirm_by", null));
		equal(rows(conn, "SELECT vendor_id, response, cancelled FROM"
			+ " jsonb_to_recordset(CAST(? AS jsonb) -> 'responses')"
			+ " AS (vendor_id text, response text, cancelled boolean)", document),
			List.of(mapOf("vendor_id", "anna", "response", null, "cancelled", true),
				mapOf("vendor_id", "ben", "response", "ACCEPT", "cancelled", false),
				mapOf("vendor_id", "cara", "response", null, "cancelled", true)));
	}

	static void timestamps(String order) throws Exception {
		String routing = offer(conn, order);
		Instant before = Instant.now().truncatedTo(ChronoUnit.MICROS);
		OffsetDateTime won = (OffsetDateTime) take(conn, routing, "anna").get("locked_at");
		Instant after = Instant.now();
		yes(!won.toInstant().isBefore(before) && !won.toInstant().isAfter(after),
			won + " is not between " + before + " and " + after);
		transaction(() -> {
			execute(conn, "SET LOCAL TimeZone = 'America/St_Johns'");
			OffsetDateTime again = (OffsetDateTime) take(conn, routing, "anna").get("locked_at");
			equal(again.toInstant(), won.toInstant());
		});
		OffsetDateTime until = after.truncatedTo(ChronoUnit.MICROS).plusSeconds(3600).atOffset(ZoneOffset.ofHours(3));
		OffsetDateTime paused = (OffsetDateTime) one(conn, "SELECT vr_pause(?, ?) AS until", "dora", until).get("until");
		equal(paused.toInstant(), until.toInstant());
		rows(conn, "SELECT vr_resume(?)", "dora");
	}

	static void interval(String order) throws Exception {
		Object[] ttls = {new PGInterval(0, 0, 0, 0, 1, 30.5), "1 minute 30.5 seconds"};
		for (int i = 0; i < ttls.length; i++) {
			Map<String, Object> made = one(conn,
				"SELECT * FROM vr_broadcast(order_id => ?, retailer_id => ?, product => ?, ttl => ?)",
				order + "/" + i, "shop", "bread", ttls[i]);
			Map<String, Object> row = one(conn, "SELECT offered_at, expires_at FROM vr_vendor_offers"
				+ " WHERE routing_id = ? LIMIT 1", made.get("routing_id"));
			equal(ChronoUnit.MICROS.between((OffsetDateTime) row.get("offered_at"),
				(OffsetDateTime) row.get("expires_at")), 90_500_000L);
		}
	}

	static void nulls(String order) throws Exception {
		Object[] values = new Object[13];
		values[0] = order;
		values[1] = "shop";
		values[2] = "bread";
		Map<String, Object> made = one(conn, "SELECT * FROM vr_broadcast("
			+ String.join(", ", Collections.nCopies(13, "?")) + ")", values);
		equal(vendors(made.get("invited")), List.of("anna", "ben", "cara"));
		equal(one(conn, "SELECT * FROM vr_accept(?, ?, ?)", made.get("routing_id"), "anna", null)
			.get("reason"), "LOCKED");
		equal(one(conn, "SELECT payload, vendor_id FROM vr_history(?)"
			+ " WHERE event_type = 'VENDOR_ACCEPTED'", order), mapOf("payload", null, "vendor_id", "anna"));
	}

	static void documentedExample(String order) throws Exception {
		UUID routing = broadcast(conn, order, new String[] {"ben", "anna"}, "{\"note\": " + ODD_JSON + "}");
		Object responses = one(conn, "SELECT vr_status(?) -> 'responses' AS responses", routing).get("responses");
		equal(vendors(responses), List.of("ben", "anna"));
		equal(accept(conn, routing, "ben"), true);
		equal(accept(conn, routing, "anna"), false);
		equal(broadcast(conn, order + "/nobody", new String[] {"eve"}, "{}"), null);
	}

	static Map<String, Case> cases() {
		Map<String, Case> cases = new LinkedHashMap<>();
		cases.put("untyped_parameters", Conformance::untypedParameters);
		cases.put("named_notation", Conformance::namedNotation);
		cases.put("numbers", Conformance::numbers);
		cases.put("prepared_statements", Conformance::preparedStatements);
		cases.put("outcome_locked", Conformance::outcomeLocked);
		cases.put("outcome_already_accepted", Conformance::outcomeAlreadyAccepted);
		cases.put("outcome_already_locked", Conformance::outcomeAlreadyLocked);
		cases.put("outcome_lost_race", Conformance::outcomeLostRace);
		cases.put("outcome_not_invited", Conformance::outcomeNotInvited);
		cases.put("sqlstate_vr001", Conformance::sqlstateVr001);
		cases.put("sqlstate_vr002", Conformance::sqlstateVr002);
		cases.put("sqlstate_vr004", Conformance::sqlstateVr004);
		cases.put("sqlstate_22004", Conformance::sqlstate22004);
		cases.put("sqlstate_22023", Conformance::sqlstate22023);
		cases.put("sqlstate_22p02", Conformance::sqlstate22p02);
		cases.put("transaction_rollback", Conformance::transactionRollback);
		cases.put("transaction_commit", Conformance::transactionCommit);
		cases.put("transaction_loser", Conformance::transactionLoser);
		cases.put("transaction_savepoint", Conformance::transactionSavepoint);
		cases.put("notices", Conformance::notices);
		cases.put("arrays", Conformance::arrays);
		cases.put("jsonb_in", Conformance::jsonbIn);
		cases.put("jsonb_out", Conformance::jsonbOut);
		cases.put("timestamps", Conformance::timestamps);
		cases.put("interval", Conformance::interval);
		cases.put("nulls", Conformance::nulls);
		cases.put("documented_example", Conformance::documentedExample);
		return cases;
	}

	// Runs a case; the line of TAP for it.
	static boolean report(int number, String name, Case code, boolean listed) {
		try {
			yes(listed, "the case is not in conformance.txt");
			yes(code != null, "the case has no code");
			code.run(System.getenv("DRIVER_NAME") + "/" + name);
			System.out.println("ok " + number + " - " + name);
			return true;
		} catch (Throwable error) {
			System.out.println("not ok " + number + " - " + name);
			System.out.println("# " + String.valueOf(error).replace("\n", "\n# "));
			for (StackTraceElement frame : error.getStackTrace()) {
				if (frame.getClassName().startsWith("Conformance")) {
					System.out.println("#   " + frame);
				}
			}
			return false;
		}
	}

	public static void main(String[] args) throws Exception {
		List<String> listed = Files.readAllLines(Path.of("conformance.txt"), StandardCharsets.UTF_8).stream()
			.filter(line -> !line.isBlank() && !line.startsWith("#"))
			.map(line -> line.split("\\s+")[0]).collect(Collectors.toList());
		Map<String, Case> code = cases();
		List<String> names = new ArrayList<>(listed);
		code.keySet().stream().filter(name -> !listed.contains(name)).forEach(names::add);

		conn = connect();
		other = connect();
		boolean good = !names.isEmpty();
		for (int i = 0; i < names.size(); i++) {
			good &= report(i + 1, names.get(i), code.get(names.get(i)), listed.contains(names.get(i)));
		}
		System.out.println("1.." + names.size());
		conn.close();
		other.close();
		System.exit(good ? 0 : 1);
	}
}
