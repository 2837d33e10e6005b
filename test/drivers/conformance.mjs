// The cases of conformance.txt for the drivers of node.  A driver is an object:
//
//	query             (text, values): the rows, on some connection
//	transaction       (work): work(tx) between BEGIN and COMMIT, ROLLBACK if it throws;
//	                  tx has query and savepoint(work), which throws what work throws
//	repeat            (text, list of values): the rows, by one statement on one connection;
//	                  and how many statements the server has prepared for it
//	keeps             whether it does; undefined: perhaps
//	json              (list): the value to pass for a jsonb that is an array
//	zone              a time zone in which it reads times right
//	code              (error): the SQLSTATE
//	heard             NOTICEs and WARNINGs so far: { severity, code, message }
//	broadcast, accept the code of doc/drivers.md
//	end               closes everything

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const ACCEPT = 'SELECT * FROM vr_accept($1, $2)';
const COLUMNS = ['accepted', 'reason', 'locked_vendor_id', 'locked_at', 'order_id', 'version'];
const UNKNOWN = '00000000-0000-0000-0000-000000000000';
const ODD = 'o\'brien, "{x}" \\ ü';    // a vendor id that has everything

// Offers an order to anna, ben and cara, who sell bread; its routing id.
async function offer(db, order) {
	const [row] = await db.query('SELECT * FROM vr_broadcast($1, $2, $3)', [order, 'shop', 'bread']);
	assert.equal(row.created, true);
	return row.routing_id;
}

async function accept(db, routing, vendor) {
	const rows = await db.query(ACCEPT, [routing, vendor]);
	assert.equal(rows.length, 1);
	return rows[0];
}

async function status(db, routing) {
	const [row] = await db.query('SELECT vr_status($1) AS status', [routing]);
	return row.status;
}

// The call fails with this SQLSTATE, and the next one works.
async function fails(driver, code, text, values) {
	await assert.rejects(driver.query(text, values), (error) => {
		assert.equal(driver.code(error), code, String(error));
		return true;
	});
	assert.deepEqual(await driver.query('SELECT 1 AS one', []), [{ one: 1 }]);
}

const cases = {
	async untyped_parameters(driver, order) {
		const routing = await offer(driver, order);
		const row = await accept(driver, routing, 'anna');
		assert.deepEqual(Object.keys(row), COLUMNS);
		assert.deepEqual({ ...row, locked_at: null }, {
			accepted: true, reason: 'LOCKED', locked_vendor_id: 'anna', locked_at: null,
			order_id: order, version: 2,
		});
	},

	async named_notation(driver, order) {
		const [made] = await driver.query(
			'SELECT * FROM vr_broadcast(product => $1, retailer_id => $2, order_id => $3)',
			['bread', 'shop-named', order]);
		const [offered] = await driver.query(
			'SELECT retailer_id, order_id, product FROM vr_vendor_offers WHERE routing_id = $1 AND vendor_id = $2',
			[made.routing_id, 'anna']);
		assert.deepEqual(offered, { retailer_id: 'shop-named', order_id: order, product: 'bread' });
		const [row] = await driver.query(
			'SELECT * FROM vr_accept(vendor_id => $1, routing_id => $2)', ['ben', made.routing_id]);
		assert.equal(row.locked_vendor_id, 'ben');
	},

	async numbers(driver, order) {
		const [made] = await driver.query(
			`SELECT * FROM vr_broadcast(order_id => $1, retailer_id => $2, product => $3,
				amount => $4, latitude => $5, longitude => $6, max_vendors => $7)`,
			[order, 'shop', 'bread', 1250.75, 12.5, -77.25, 2]);
		assert.strictEqual(made.vendor_count, 2);
		const [offered] = await driver.query(
			`SELECT amount::text, latitude, longitude FROM vr_vendor_offers WHERE routing_id = $1 LIMIT 1`,
			[made.routing_id]);
		assert.deepEqual(offered, { amount: '1250.75', latitude: 12.5, longitude: -77.25 });
	},

	async prepared_statements(driver, order) {
		const orders = Array.from({ length: 12 }, (_, i) => `${order}/${i}`);
		const made = await driver.repeat('SELECT * FROM vr_broadcast($1, $2, $3)',
			orders.map((id) => [id, 'shop', 'bread']));
		assert.deepEqual(made.rows.map((row) => row.created), orders.map(() => true));
		const won = await driver.repeat(ACCEPT,
			made.rows.map((row, i) => [row.routing_id, i % 2 ? 'anna' : 'ben']));
		assert.deepEqual(won.rows.map((row) => [row.reason, row.locked_vendor_id, row.order_id]),
			orders.map((id, i) => ['LOCKED', i % 2 ? 'anna' : 'ben', id]));
		if (driver.keeps !== undefined) {
			assert.equal(won.prepared, driver.keeps ? 1 : 0);
		}
	},

	async outcome_locked(driver, order) {
		const routing = await offer(driver, order);
		assert.equal((await accept(driver, routing, 'cara')).reason, 'LOCKED');
		const [row] = await driver.query(
			'SELECT status, locked_vendor_id FROM vr_routing_status WHERE order_id = $1', [order]);
		assert.deepEqual(row, { status: 'LOCKED', locked_vendor_id: 'cara' });
	},

	async outcome_already_accepted(driver, order) {
		const routing = await offer(driver, order);
		const first = await accept(driver, routing, 'anna');
		const again = await accept(driver, routing, 'anna');
		assert.deepEqual(again, { ...first, reason: 'ALREADY_ACCEPTED' });
	},

	async outcome_already_locked(driver, order) {
		const routing = await offer(driver, order);
		const won = await accept(driver, routing, 'anna');
		const lost = await accept(driver, routing, 'ben');
		assert.deepEqual(lost, { ...won, accepted: false, reason: 'ALREADY_LOCKED' });
	},

	// The winner commits only when the other is seen waiting for it.
	async outcome_lost_race(driver, order) {
		const routing = await offer(driver, order);
		let won, lost, answered = false;
		await driver.transaction(async (tx) => {
			won = await accept(tx, routing, 'anna');
			lost = accept(driver, routing, 'ben');
			lost.catch(() => {}).then(() => { answered = true; });
			const deadline = Date.now() + 60_000;
			for (;;) {
				const [row] = await driver.query(
					`SELECT count(*)::int AS waiting FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`, []);
				if (row.waiting > 0) {
					break;
				}
				assert.ok(!answered, 'the second accept did not wait');
				assert.ok(Date.now() < deadline, 'nobody waits');
			}
		});
		assert.deepEqual(await lost, { ...won, accepted: false, reason: 'LOST_RACE' });
	},

	async outcome_not_invited(driver, order) {
		const routing = await offer(driver, order);
		await accept(driver, routing, 'anna');
		const row = await accept(driver, routing, 'nobody');
		assert.deepEqual(row, {
			accepted: false, reason: 'NOT_INVITED', locked_vendor_id: null, locked_at: null,
			order_id: order, version: 2,
		});
	},

	async sqlstate_vr001(driver) {
		await fails(driver, 'VR001', ACCEPT, [UNKNOWN, 'anna']);
	},

	async sqlstate_vr002(driver, order) {
		await fails(driver, 'VR002', 'SELECT * FROM vr_broadcast($1, $2, $3)', [order, 'shop', 'gold']);
		assert.deepEqual(await driver.query('SELECT * FROM vr_routing_status WHERE order_id = $1', [order]), []);
	},

	async sqlstate_vr004(driver, order) {
		const routing = await offer(driver, order);
		await accept(driver, routing, 'anna');
		await fails(driver, 'VR004', 'SELECT * FROM vr_respond($1, $2, $3)', [routing, 'ben', 'REJECT']);
	},

	async sqlstate_22004(driver) {
		await fails(driver, '22004', ACCEPT, [UNKNOWN, null]);
	},

	async sqlstate_22023(driver, order) {
		const routing = await offer(driver, order);
		await fails(driver, '22023', ACCEPT, [routing, '']);
		await fails(driver, '22023', 'SELECT * FROM vr_respond($1, $2, $3)', [routing, 'anna', 'MAYBE']);
	},

	async sqlstate_22p02(driver) {
		await fails(driver, '22P02', ACCEPT, ['not-a-uuid', 'anna']);
	},

	async transaction_rollback(driver, order) {
		const routing = await offer(driver, order);
		await assert.rejects(driver.transaction(async (tx) => {
			assert.equal((await accept(tx, routing, 'anna')).reason, 'LOCKED');
			throw new Error('changed my mind');
		}), /changed my mind/);
		assert.equal((await status(driver, routing)).status, 'PENDING');
		assert.equal((await accept(driver, routing, 'ben')).reason, 'LOCKED');
	},

	async transaction_commit(driver, order) {
		const routing = await offer(driver, order);
		await driver.transaction(async (tx) => {
			assert.equal((await accept(tx, routing, 'anna')).reason, 'LOCKED');
			assert.equal((await status(tx, routing)).status, 'LOCKED');
			assert.equal((await status(driver, routing)).status, 'PENDING');
		});
		assert.equal((await status(driver, routing)).locked_vendor_id, 'anna');
	},

	async transaction_loser(driver, order) {
		const taken = await offer(driver, `${order}/taken`);
		const open = await offer(driver, `${order}/open`);
		await accept(driver, taken, 'anna');
		await driver.transaction(async (tx) => {
			assert.equal((await accept(tx, taken, 'ben')).accepted, false);
			assert.equal((await accept(tx, open, 'ben')).reason, 'LOCKED');
		});
		assert.equal((await status(driver, taken)).locked_vendor_id, 'anna');
		assert.equal((await status(driver, open)).locked_vendor_id, 'ben');
	},

	async transaction_savepoint(driver, order) {
		const routing = await offer(driver, order);
		await driver.transaction(async (tx) => {
			await assert.rejects(tx.savepoint((inner) => accept(inner, UNKNOWN, 'anna')), (error) => {
				assert.equal(driver.code(error), 'VR001');
				return true;
			});
			assert.equal((await accept(tx, routing, 'anna')).reason, 'LOCKED');
		});
		assert.equal((await status(driver, routing)).locked_vendor_id, 'anna');
	},

	async notices(driver, order) {
		const routing = await offer(driver, order);
		const before = driver.heard.length;
		await driver.transaction(async (tx) => {
			await tx.query("DO $$BEGIN RAISE NOTICE 'before the accept'; END$$", []);
			assert.equal((await accept(tx, routing, 'anna')).reason, 'LOCKED');
			await tx.query("DO $$BEGIN RAISE WARNING 'after the accept' USING ERRCODE = 'VR002'; END$$", []);
		});
		assert.deepEqual(driver.heard.slice(before).map((n) => [n.severity, n.code, n.message]), [
			['NOTICE', '00000', 'before the accept'],
			['WARNING', 'VR002', 'after the accept'],
		]);
		assert.equal((await status(driver, routing)).locked_vendor_id, 'anna');
	},

	async arrays(driver, order) {
		const vendors = ['cara', ODD, 'anna'];
		const call = 'SELECT * FROM vr_broadcast(order_id => $1, retailer_id => $2, vendors => $3)';
		const [made] = await driver.query(call, [order, 'shop', vendors]);
		assert.deepEqual(made.invited.map((vendor) => vendor.vendor_id), vendors);
		assert.equal((await accept(driver, made.routing_id, ODD)).locked_vendor_id, ODD);
		await fails(driver, '22004', call, [`${order}/null`, 'shop', ['anna', null]]);
		await fails(driver, '22023', call, [`${order}/empty`, 'shop', []]);
	},

	async jsonb_in(driver, order) {
		const payload = { note: ODD, gift: null, lines: [{ sku: 'b1', count: 2 }], total: 12.5, paid: false };
		const [made] = await driver.query(
			'SELECT * FROM vr_broadcast(order_id => $1, retailer_id => $2, product => $3, payload => $4, waves => $5)',
			[order, 'shop', 'bread', payload, driver.json([{ vendor_ids: ['ben'] }, { vendor_ids: ['anna'] }])]);
		assert.deepEqual(made.invited.map((vendor) => vendor.vendor_id), ['ben']);
		const [offered] = await driver.query(
			'SELECT payload FROM vr_vendor_offers WHERE routing_id = $1', [made.routing_id]);
		assert.deepEqual(offered.payload, payload);
		const [won] = await driver.query('SELECT * FROM vr_accept($1, $2, $3)',
			[made.routing_id, 'ben', { driver: ODD }]);
		assert.equal(won.reason, 'LOCKED');
		const [event] = await driver.query(
			"SELECT payload FROM vr_history($1) WHERE event_type = 'VENDOR_ACCEPTED'", [order]);
		assert.equal(JSON.stringify(event.payload).includes(JSON.stringify(ODD)), true);
	},

	async jsonb_out(driver, order) {
		const routing = await offer(driver, order);
		await accept(driver, routing, 'ben');
		const document = await status(driver, routing);
		assert.equal(document.routing_id, routing);
		assert.equal(document.status, 'LOCKED');
		assert.equal(document.version, 2);
		assert.equal(document.confirm_by, null);
		assert.deepEqual(document.responses.map((r) => [r.vendor_id, r.response, r.cancelled]),
			[['anna', null, true], ['ben', 'ACCEPT', false], ['cara', null, true]]);
	},

	async timestamps(driver, order) {
		const routing = await offer(driver, order);
		const before = Date.now();
		const won = await accept(driver, routing, 'anna');
		const after = Date.now();
		assert.ok(won.locked_at instanceof Date);
		assert.ok(won.locked_at.getTime() >= before && won.locked_at.getTime() <= after,
			`${won.locked_at.toISOString()} is not between ${before} and ${after}`);
		await driver.transaction(async (tx) => {
			await tx.query(`SET LOCAL TimeZone = '${driver.zone}'`, []);
			assert.deepEqual((await accept(tx, routing, 'anna')).locked_at, won.locked_at);
		});
		const until = new Date(after + 3_600_000);
		const [paused] = await driver.query('SELECT vr_pause($1, $2) AS until', ['dora', until]);
		assert.deepEqual(paused.until, until);
		await driver.query('SELECT vr_resume($1) AS resumed', ['dora']);
	},

	async interval(driver, order) {
		const [made] = await driver.query(
			'SELECT * FROM vr_broadcast(order_id => $1, retailer_id => $2, product => $3, ttl => $4)',
			[order, 'shop', 'bread', '1 minute 30.5 seconds']);
		const [offered] = await driver.query(
			'SELECT offered_at, expires_at FROM vr_vendor_offers WHERE routing_id = $1 LIMIT 1', [made.routing_id]);
		assert.equal(offered.expires_at - offered.offered_at, 90_500);
	},

	async nulls(driver, order) {
		const [made] = await driver.query(
			'SELECT * FROM vr_broadcast($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
			[order, 'shop', 'bread', ...Array(10).fill(null)]);
		assert.deepEqual(made.invited.map((vendor) => vendor.vendor_id), ['anna', 'ben', 'cara']);
		const [won] = await driver.query('SELECT * FROM vr_accept($1, $2, $3)', [made.routing_id, 'anna', null]);
		assert.equal(won.reason, 'LOCKED');
		const [row] = await driver.query(
			"SELECT payload, vendor_id FROM vr_history($1) WHERE event_type = 'VENDOR_ACCEPTED'", [order]);
		assert.deepEqual(row, { payload: null, vendor_id: 'anna' });
	},

	async documented_example(driver, order) {
		const routing = await driver.broadcast(order, ['ben', 'anna'], { note: ODD });
		const document = await status(driver, routing);
		assert.deepEqual(document.responses.map((r) => r.vendor_id), ['ben', 'anna']);
		assert.equal((await driver.accept(routing, 'ben')).reason, 'LOCKED');
		assert.equal((await driver.accept(routing, 'anna')).reason, 'ALREADY_LOCKED');
		assert.equal(await driver.broadcast(`${order}/nobody`, ['eve'], {}), null);
	},
};

// Runs every case of the list against the driver.  DRIVER_NAME names the run.
export function conform(driver) {
	const list = readFileSync(new URL('conformance.txt', import.meta.url), 'utf8').split('\n')
		.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(/\s+/)[0]);
	assert.ok(list.length > 0);
	for (const name of list) {
		test(name, { timeout: 120_000 }, async () => {
			assert.ok(Object.hasOwn(cases, name), 'the case has no code');
			await cases[name](driver, `${process.env.DRIVER_NAME}/${name}`);
		});
	}
	for (const name of Object.keys(cases).filter((name) => !list.includes(name))) {
		test(name, () => assert.fail('the case is not in conformance.txt'));
	}
	test.after(() => driver.end());
}
