// A day: orders that are offered to ten vendors each, who answer by the webhook: their
// messages come twice, late and in any order, while senders are killed and the Cloud API
// fails now and then.
//
// Would catch: a vendor who ends up told the wrong thing, or nothing; a message that counts
// twice; a win that nobody was told of.
//
// ORDERS is how many (60).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buttonMessage, createDatabase, environment, startCloud, startGateway, textMessage, until, webhook } from './stage.js';

const ORDERS = Number(process.env.ORDERS ?? 60);
const VENDORS = 10;
const SENDERS = 2;
const chance = (probability) => Math.random() < probability;

let db;
let cloud;
let app;

before(async () => {
	db = await createDatabase(VENDORS);
	await db.sql(`ALTER DATABASE ${db.name} SET vendor_routing.message_attempts = 100`);
	await db.sql(`ALTER DATABASE ${db.name} SET vendor_routing.offer_ttl = '10 min'`);
	cloud = await startCloud();
	app = await startGateway(cloud);
});
after(async () => {
	await app?.close();
	await cloud?.stop();
	await db?.drop();
});

/** What the phones show: for each vendor and order, the messages in the order in which they came first. */
function phones() {
	const seen = new Set();
	const shown = new Map();
	for (const message of cloud.messages) {
		const key = message.biz_opaque_callback_data;
		if (key === undefined || seen.has(key)) continue; // a reply; or the same again
		seen.add(key);
		const text = message.interactive?.body.text ?? message.text.body;
		const [, order] = /(?:order|Order) (day-\d+)/.exec(text);
		const kind = message.interactive ? 'OFFER' : / is yours\./.test(text) ? 'WIN' : 'CANCELLATION';
		const about = `${message.to} ${order}`;
		shown.set(about, [...(shown.get(about) ?? []), kind]);
	}
	return shown;
}

test(`${ORDERS} orders, ${VENDORS} vendors`, { timeout: 600_000 }, async () => {
	let over = false;
	let killed = 0;
	const inbox = []; // webhooks on their way
	const receipts = [];
	let answered = 0;

	// Vendors: who is offered an order may press a button, or write.
	cloud.answer = (message) => {
		if (chance(0.05)) return [500, 429, 'hang'][Math.floor(Math.random() * 3)];
		if (message.interactive) {
			const accept = message.interactive.action.buttons[0].reply.id;
			const order = /order (day-\d+)/.exec(message.interactive.body.text)[1];
			const id = `in-${message.biz_opaque_callback_data}`; // of one who answers each offer once
			if (chance(0.5)) inbox.push(buttonMessage(id, message.to, chance(0.9) ? accept : accept.replace('ACCEPT', 'REJECT')));
			else if (chance(0.4)) inbox.push(textMessage(id, message.to, chance(0.8) ? `accept ${order}` : `I cannot accept ${order}`));
		}
		receipts.push(message.biz_opaque_callback_data);
		return chance(0.03) ? 'swallow' : 'ok';
	};

	async function deliver() {
		while (!over || inbox.length > 0) {
			// In any order, some twice, some in one batch.
			const batch = [];
			while (inbox.length > 0 && batch.length < 5) {
				batch.push(inbox.splice(Math.floor(Math.random() * inbox.length), 1)[0]);
			}
			const again = batch.filter(() => chance(0.3));
			inbox.push(...again.filter(() => chance(0.5)));
			const statuses = receipts.splice(0, 5).filter(Boolean).flatMap((id) => ['read', 'delivered'].map((status) => (
				{ status, timestamp: '1700000000', biz_opaque_callback_data: id })));
			const answers = await Promise.all([batch, again].map((messages) => webhook(app.url, { messages, statuses })));
			assert.ok(answers.every((answer) => answer.status === 200), answers.map((answer) => answer.status).join());
			answered += batch.length;
			await sleep(5);
		}
	}

	async function sender() {
		while (!over) {
			const child = spawn(process.execPath, [new URL('../main.js', import.meta.url).pathname], {
				stdio: 'ignore',
				env: environment(cloud, { SENDER: 'on', SENDER_LEASE_MS: '1500', CLOUD_API_TIMEOUT_MS: '700', SENDER_CONCURRENCY: '20', POOL_SIZE: '10' }),
			});
			const exited = new Promise((resolve) => child.once('exit', resolve));
			for (let i = 0; i < 100 && !over; i++) {
				await sleep(50);
				if (i > 20 && chance(0.03)) break;
			}
			if (!over) killed++;
			child.kill(over ? 'SIGTERM' : 'SIGKILL');
			await exited;
		}
	}

	async function shop() {
		const operator = await db.key(null);
		for (let i = 1; i <= ORDERS; i++) {
			const response = await fetch(`${app.url}/api/orders/day-${i}/route-to-vendors`, {
				method: 'POST',
				headers: { 'x-api-key': operator, 'content-type': 'application/json' },
				body: JSON.stringify({ retailerId: 'shop' }),
			});
			const { routingId } = await response.json();
			if (chance(0.1)) {
				await sleep(50);
				await fetch(`${app.url}/api/routing/${routingId}/cancel`, { method: 'POST', headers: { 'x-api-key': operator } });
			}
			await sleep(20);
		}
	}

	const working = [deliver(), ...Array.from({ length: SENDERS }, sender)];
	await shop();
	await until(async () => inbox.length === 0 && (await db.sql(`SELECT FROM vendor_routing.messages WHERE state IN ('QUEUED', 'LEASED')`)).length === 0
		&& (await db.sql(`SELECT FROM vendor_routing.outbox AS o JOIN vendor_routing.routings AS t USING (routing_id) WHERE o.version <> t.version`)).length === 0
		&& inbox.length === 0, 'everything told', 500);
	over = true;
	await Promise.all(working);

	assert.ok(killed > 0, 'a sender was killed');
	assert.ok(answered >= ORDERS, 'vendors have answered');
	assert.deepEqual(await db.sql('SELECT * FROM vr_check()'), []);

	// What each vendor should have on its phone, going by the database.
	const shown = phones();
	const rows = await db.sql(`SELECT t.order_id, t.status, r.vendor_id, v.phone, t.locked_vendor_id = r.vendor_id AS won, c.vendor_id IS NOT NULL AS told,
			r.response IN ('ACCEPT', 'REJECT') AS answered,
			EXISTS (SELECT FROM vendor_routing.messages AS m WHERE m.routing_id = t.routing_id AND m.vendor_id = r.vendor_id AND m.may_have_arrived) AS perhaps
		FROM vendor_routing.routings AS t JOIN vendor_routing.responses AS r USING (routing_id, round) JOIN vendor_routing.vendors AS v USING (vendor_id)
		LEFT JOIN vendor_routing.cancellations AS c USING (routing_id, round, vendor_id)`);
	assert.equal(rows.length, ORDERS * VENDORS);
	for (const row of rows) {
		const messages = shown.get(`${row.phone.slice(1)} ${row.order_id}`) ?? [];
		const what = `${row.vendor_id} about ${row.order_id} (${row.status}): ${messages}`;
		const offered = messages.includes('OFFER');
		if (row.told && (offered || row.answered)) assert.equal(messages.at(-1), 'CANCELLATION', what);
		if (row.told && !offered && !row.answered && !row.perhaps) assert.deepEqual(messages, [], what);
		if (row.won && !row.told) assert.equal(messages.at(-1), 'WIN', what);
		if (!row.told && !row.won) assert.deepEqual(messages.filter((kind) => kind !== 'OFFER'), [], what);
	}
	// None counted twice: an answer to a button is one event.
	assert.deepEqual(await db.sql(`SELECT order_id FROM vendor_routing.events WHERE event_type = 'VENDOR_ACCEPTED' GROUP BY 1 HAVING count(*) > 1`), []);
	const wins = (await db.sql(`SELECT count(*)::int AS n FROM vendor_routing.routings WHERE status = 'LOCKED'`))[0].n;
	console.log(`# ${wins} orders won, ${cloud.messages.length} messages, ${answered} answers, ${killed} senders killed`);
	assert.ok(wins > ORDERS / 2);
});
