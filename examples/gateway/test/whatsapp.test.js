// WhatsApp in and out, against a fake Cloud API.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SendError } from '../transports.js';
import {
	buttonMessage, createDatabase, environment, phone, sign, startCloud, startGateway, textMessage, until, webhook,
} from './stage.js';

let db;
let cloud;
let app;

before(async () => {
	db = await createDatabase(4);
	cloud = await startCloud();
	app = await startGateway(cloud);
});
after(async () => {
	await app?.close();
	await cloud?.stop();
	await db?.drop();
});
beforeEach(async () => {
	cloud.answer = () => 'ok';
	cloud.messages.length = 0;
	// What an earlier test has left is none of the next one's.
	await db.sql(`SELECT vr_cancel(routing_id) FROM vendor_routing.routings WHERE status IN ('PENDING', 'LOCKED', 'EXHAUSTED')`);
	await db.sql('DELETE FROM vendor_routing.messages');
	await db.sql('DELETE FROM vendor_routing.outbox');
});

const broadcast = async (orderId, vendors) => (await db.sql(
	'SELECT routing_id FROM vr_broadcast($1, $2, vendors => $3)', [orderId, 'shop', vendors]))[0].routing_id;
const states = async (orderId) => (await db.sql(`SELECT vendor_id, kind, state FROM vendor_routing.messages
	WHERE routing_id = vr_routing_id($1) ORDER BY 1, 2`, [orderId])).map((m) => `${m.vendor_id} ${m.kind} ${m.state}`);
const to = (n) => cloud.messages.filter((message) => message.to === phone(n));

/** Runs a sender until something is so. */
async function sending(what, more = {}) {
	const sender = await startGateway(cloud, { SENDER: 'on', ...more });
	try {
		return await until(what, 'what the sender was to do');
	} finally {
		await sender.close();
	}
}

test('the handshake', async () => {
	// Would catch: a challenge that is returned to anybody.
	const ask = (query) => fetch(`${app.url}/webhooks/whatsapp?${new URLSearchParams(query)}`);
	const good = await ask({ 'hub.mode': 'subscribe', 'hub.verify_token': 'verify-me', 'hub.challenge': '12345' });
	assert.deepEqual([good.status, await good.text()], [200, '12345']);
	for (const query of [{}, { 'hub.mode': 'subscribe' }, { 'hub.mode': 'subscribe', 'hub.verify_token': 'verify-m', 'hub.challenge': '1' },
		{ 'hub.mode': 'unsubscribe', 'hub.verify_token': 'verify-me', 'hub.challenge': '1' }]) {
		assert.equal((await ask(query)).status, 403);
	}
});

test('only what is signed is read', async () => {
	// Would catch: a signature that is not checked, not over the raw body, or not compared in full.
	await broadcast('signed', ['v1']);
	const message = { messages: [textMessage('signed-1', phone(1), 'accept signed')] };
	for (const signature of [null, '', 'sha256=', 'sha256=00', sign('another body'), sign(JSON.stringify(message), 'another secret')]) {
		assert.equal((await webhook(app.url, message, { signature })).status, 401);
	}
	const body = JSON.stringify({ entry: [{ changes: [{ value: message }] }] });
	assert.equal((await webhook(app.url, {}, { body, signature: sign(`${body} `) })).status, 401);
	assert.equal((await webhook(app.url, {}, { body, signature: sign(body).slice(0, -1) })).status, 401);
	assert.equal((await webhook(app.url, {}, { body, signature: sign(body).toUpperCase() })).status, 401);
	assert.deepEqual(await db.sql('SELECT * FROM vendor_routing.inbound_messages'), []);
	// The same JSON in other bytes: the signature is that of the bytes.
	const pretty = JSON.stringify(JSON.parse(body), null, 4);
	assert.equal((await webhook(app.url, {}, { body: pretty, signature: sign(body) })).status, 401);
	assert.equal((await webhook(app.url, {}, { body: pretty })).status, 200);
	assert.equal((await db.sql('SELECT outcome FROM vendor_routing.inbound_messages'))[0].outcome, 'LOCKED');
});

test('what is signed and makes no sense is accepted and does nothing', async () => {
	// Would catch: a malformed message that is sent again for ever, or keeps the rest of its batch from counting.
	await broadcast('odd', ['v1']);
	assert.equal((await webhook(app.url, {}, { body: 'no json' })).status, 400);
	for (const body of ['null', '[]', '7', '{}', '{"entry": 7}', '{"entry": [null, {"changes": {"value": {"messages": [null, 7, {"id": 1}]}}}]}']) {
		assert.equal((await webhook(app.url, {}, { body })).status, 200, body);
	}
	const answer = await webhook(app.url, {
		messages: [{ id: 'odd-0', from: '', type: 'text' }, textMessage('odd-1', phone(1), 'hel\u0000lo'), { id: 'odd-2', from: phone(1), type: 'image', image: {} },
			textMessage('odd-3', phone(1), 'accept odd')],
		statuses: [{ biz_opaque_callback_data: '00000000-0000-4000-8000-000000000000', status: 'read', timestamp: '1' }, { status: 'read' }, null],
	});
	assert.equal(answer.status, 200);
	assert.deepEqual((await db.sql(`SELECT message_id, outcome FROM vendor_routing.inbound_messages WHERE message_id LIKE 'odd%' ORDER BY 1`)).map((m) => m.outcome),
		['AMBIGUOUS', 'AMBIGUOUS', 'LOCKED']);
});

test('a batch counts once, however often it comes, and is answered once', async () => {
	// Would catch: a replay that accepts twice or is answered twice.
	const id = await broadcast('replay', ['v1', 'v2']);
	const batch = {
		messages: [buttonMessage('replay-1', phone(2), `ACCEPT:${id}`), buttonMessage('replay-2', phone(1), `ACCEPT:${id}`),
			textMessage('replay-3', '4915799999999', 'accept replay')],
	};
	const answers = await Promise.all(Array.from({ length: 8 }, () => webhook(app.url, batch)));
	assert.ok(answers.every((answer) => answer.status === 200));
	assert.deepEqual((await db.sql(`SELECT outcome FROM vendor_routing.inbound_messages WHERE message_id LIKE 'replay%' ORDER BY message_id`)).map((m) => m.outcome),
		['LOCKED', 'ALREADY_LOCKED', 'UNKNOWN_SENDER']);
	await until(() => cloud.messages.length >= 2, 'two replies');
	await app.inject({ url: '/healthz' });
	assert.deepEqual(cloud.messages.map((m) => m.context.message_id).sort(), ['replay-1', 'replay-2']);
	assert.equal((await db.sql(`SELECT count(*)::int FROM vendor_routing.events WHERE order_id = 'replay' AND event_type = 'VENDOR_ACCEPTED'`))[0].count, 1);
});

test('what comes late is not about what is open by now, unless it says so', async () => {
	// Would catch: an answer to the order of an hour ago that wins the one of now.
	await broadcast('now', ['v1', 'v2', 'v3']);
	const timestamp = String(Math.floor(Date.now() / 1000) - 90);
	await webhook(app.url, { messages: [
		textMessage('late-1', phone(1), 'Accept!', { timestamp }),
		textMessage('late-2', phone(1), 'Accept!', { timestamp: undefined }),
		textMessage('late-3', phone(1), 'Accept!', { timestamp, context: { forwarded: true } }),
		textMessage('late-4', phone(2), 'reject now', { timestamp }),
		textMessage('late-5', phone(3), 'Accept!'),
	] });
	assert.deepEqual((await db.sql(`SELECT outcome FROM vendor_routing.inbound_messages WHERE message_id LIKE 'late%' ORDER BY message_id`)).map((m) => m.outcome),
		['AMBIGUOUS', 'AMBIGUOUS', 'AMBIGUOUS', 'REJECTED', 'LOCKED']);
});

test('offers have buttons, losers are told, receipts come in any order', async () => {
	// Would catch: a wrong payload, a missing cancellation, a receipt that takes another back.
	const id = await broadcast('buttons', ['v1', 'v2', 'v3']);
	await sending(async () => (await states('buttons')).filter((s) => s.endsWith('OFFER SENT')).length === 3);
	const [offer] = to(1);
	assert.equal(offer.authorization, 'Bearer cloud token');
	assert.equal(offer.url, '/v20.0/4711/messages');
	assert.deepEqual(offer.interactive.action.buttons.map((b) => b.reply.id), [`ACCEPT:${id}`, `REJECT:${id}`]);
	assert.match(offer.interactive.body.text, /New order buttons from shop/);
	await webhook(app.url, { messages: [{ ...textMessage('buttons-1', phone(1), 'Accept!'), context: { id: offer.id } }] });
	await sending(async () => (await states('buttons')).filter((s) => s.endsWith('SENT')).length === 6);
	assert.deepEqual(await states('buttons'), ['v1 OFFER SENT', 'v1 WIN SENT', 'v2 CANCELLATION SENT', 'v2 OFFER SENT', 'v3 CANCELLATION SENT', 'v3 OFFER SENT']);
	assert.match(to(2)[1].text.body, /another vendor/);
	const receipt = (message, status) => ({ id: message.id, status, timestamp: '1700000000', biz_opaque_callback_data: message.biz_opaque_callback_data });
	await webhook(app.url, { statuses: ['read', 'sent', 'delivered', 'failed', 'read'].map((status) => receipt(to(2)[1], status)) });
	assert.deepEqual((await db.sql(`SELECT state, read_at IS NOT NULL AS read FROM vendor_routing.messages WHERE message_id = $1`, [to(2)[1].biz_opaque_callback_data])),
		[{ state: 'SENT', read: true }]);
	assert.ok((await db.sql(`SELECT confirmed_at FROM vr_cancellations WHERE order_id = 'buttons' AND vendor_id = 'v2'`))[0].confirmed_at);
	await webhook(app.url, { statuses: [receipt(to(3)[1], 'failed')] });
	assert.ok((await states('buttons')).includes('v3 CANCELLATION QUEUED'));
	await sending(() => to(3).length === 3);
	assert.equal(to(3)[2].biz_opaque_callback_data, to(3)[1].biz_opaque_callback_data);
});

test('a vendor that never got the offer gets no cancellation; one that may have, does', async () => {
	// Would catch: news of an order that nobody offered; silence to who may have been offered it.
	await broadcast('never', ['v1', 'v2', 'v3', 'v4']);
	let refused = 0;
	cloud.answer = (message) => {
		if (message.to === phone(2)) { refused++; return 400; }
		if (message.to === phone(4) && message.type === 'interactive') return 500;
		return message.to === phone(3) && message.type === 'interactive' ? 'swallow' : 'ok';
	};
	const errors = new Set(); // while it sends: a sender that stops in the middle says 'postponed'
	await sending(async () => {
		for (const row of await db.sql(`SELECT vendor_id || ' ' || error AS error FROM vendor_routing.messages
			WHERE routing_id = vr_routing_id('never') AND vendor_id IN ('v2', 'v4') AND error IS NOT NULL`)) errors.add(row.error);
		return refused > 0 && errors.has('v2 400 131030') && errors.has('v4 500 131030') && (await states('never')).includes('v1 OFFER SENT')
			&& (await db.sql(`SELECT FROM vendor_routing.messages WHERE routing_id = vr_routing_id('never') AND may_have_arrived`)).length === 2;
	}, { CLOUD_API_TIMEOUT_MS: '200' });
	await db.sql(`SELECT FROM vr_accept(vr_routing_id('never'), 'v1')`);
	cloud.answer = () => 'ok';
	await sending(async () => (await db.sql(`SELECT FROM vendor_routing.messages WHERE state IN ('QUEUED', 'LEASED')`)).length === 0
		&& (await states('never')).includes('v3 CANCELLATION SENT') && (await states('never')).includes('v4 CANCELLATION SENT'));
	assert.ok((await states('never')).includes('v2 CANCELLATION DROPPED'));
	assert.equal(to(2).length, 0);
});

test('told to wait for longer than the lease, it gives back what it has', async () => {
	// Would catch: messages that nobody can have because of a pause, and attempts that it uses up.
	await broadcast('very busy', ['v1', 'v2', 'v3', 'v4']);
	let first;
	cloud.answer = () => {
		first ??= Date.now();
		return Date.now() - first < 1900 ? 429 : 'ok';
	};
	const sender = await startGateway(cloud, { SENDER: 'on', SENDER_CONCURRENCY: '1', SENDER_LEASE_MS: '300' });
	await until(async () => first !== undefined && (await states('very busy')).every((state) => state.endsWith('QUEUED')), 'all is given back');
	assert.ok(Date.now() - first < 900, 'before the pause is over');
	await until(() => cloud.messages.length === 4, 'all is sent');
	await sender.close();
	const [{ max }] = await db.sql(`SELECT max(attempts) FROM vendor_routing.messages WHERE routing_id = vr_routing_id('very busy')`);
	assert.ok(max <= 3, `${max} attempts in two pauses`);
});

test('told to wait, nobody sends; then everything goes out', async () => {
	// Would catch: a sender that goes on after 429, or gives up.
	await broadcast('busy', ['v1', 'v2', 'v3', 'v4']);
	let first;
	const times = [];
	cloud.answer = () => {
		first ??= Date.now();
		times.push(Date.now() - first);
		return Date.now() - first < 900 ? 429 : 'ok';
	};
	await sending(() => cloud.messages.length === 4, { SENDER_CONCURRENCY: '1' });
	assert.ok(times.filter((t) => t > 100 && t < 900).length === 0, `quiet for a second: ${times}`);
	assert.equal((await db.sql(`SELECT max(attempts) FROM vendor_routing.messages WHERE routing_id = vr_routing_id('busy')`))[0].max, 2);
});

test('a sender that is stopped finishes what it has begun', async () => {
	// Would catch: a shutdown that loses an answer, or goes on claiming.
	await broadcast('stop', ['v1']);
	cloud.answer = () => 'hang';
	const sender = await startGateway(cloud, { SENDER: 'on', CLOUD_API_TIMEOUT_MS: '1000' });
	const before = cloud.attempts;
	await until(() => cloud.attempts > before, 'a message on its way');
	await sender.close();
	assert.deepEqual(await states('stop'), ['v1 OFFER QUEUED']);
	assert.equal((await db.sql(`SELECT may_have_arrived FROM vendor_routing.messages WHERE routing_id = vr_routing_id('stop')`))[0].may_have_arrived, true);
	cloud.answer = () => 'ok';
	await sending(async () => (await states('stop'))[0] === 'v1 OFFER SENT');
});

test('what was sent is said until the database hears it', async () => {
	// Would catch: a message that goes out again, as the database was away for a moment.
	await broadcast('unheard', ['v1']);
	cloud.answer = async () => {
		await db.sql(`ALTER DATABASE ${db.name} CONNECTION LIMIT 0`);
		await db.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'vr_gateway_login_%'`);
		setTimeout(() => db.sql(`ALTER DATABASE ${db.name} CONNECTION LIMIT -1`), 500);
		return 'ok';
	};
	await sending(async () => (await states('unheard'))[0] === 'v1 OFFER SENT');
	assert.equal(cloud.messages.length, 1);
});

test('why a message did not go out is recorded, as far as it fits', async () => {
	// Would catch: an error that is too long to be recorded, a character that is cut in two.
	await broadcast('long', ['v1']);
	const sender = await startGateway(undefined, { SENDER: 'on' }, { transport: { send: async () => { throw new SendError(`x${'ä'.repeat(1500)}`); } } });
	await until(async () => (await db.sql(`SELECT FROM vendor_routing.messages WHERE routing_id = vr_routing_id('long') AND error = 'x' || repeat('ä', 999)`)).length > 0, 'it is recorded');
	await sender.close();
});

test('a sender whose lease is over does not end another one\'s', async () => {
	// Would catch: a late failure that ends the lease of the sender that has the message now.
	await broadcast('lapsed', ['v1', 'v2']);
	let sends = 0;
	const transport = {
		async send() {
			sends++;
			await sleep(400);
			await db.sql(`SELECT FROM vr_claim_messages(NULL, 10, '1 hour')`);
			throw new SendError('late');
		},
	};
	const sender = await startGateway(undefined, { SENDER: 'on', SENDER_LEASE_MS: '300', SENDER_CONCURRENCY: '1' }, { transport });
	await until(() => sends > 0, 'it sends');
	await sleep(600);
	await sender.close();
	assert.equal(sends, 1); // the other one had to wait, and was too late
	assert.deepEqual(await states('lapsed'), ['v1 OFFER LEASED', 'v2 OFFER LEASED']);
});

test('what WhatsApp says it could not deliver is sent again, also if it says so first', async () => {
	// Would catch: a receipt that is forgotten because it is faster than the answer to the
	// request; one of an earlier attempt that counts for the last.
	await broadcast('undelivered', ['v1']);
	const failed = (message, id) => webhook(app.url, { statuses: [{ id, status: 'failed', biz_opaque_callback_data: message.biz_opaque_callback_data }] });
	cloud.answer = async (message) => {
		if (cloud.attempts === before + 1) await failed(message, `wamid.${cloud.number() + 1}`);
		return 'ok';
	};
	const before = cloud.attempts;
	await sending(async () => cloud.messages.length === 2 && (await states('undelivered'))[0] === 'v1 OFFER SENT');
	assert.equal((await failed(cloud.messages[0], cloud.messages[0].id)).status, 200);
	assert.deepEqual(await states('undelivered'), ['v1 OFFER SENT']);
	assert.equal((await failed(cloud.messages[1], cloud.messages[1].id)).status, 200);
	assert.deepEqual(await states('undelivered'), ['v1 OFFER QUEUED']);
});

test('who has no phone any more gets nothing by WhatsApp, and it says why', async () => {
	// Would catch: a program error that is taken for one of the channel, and may have arrived.
	await broadcast('phoneless', ['v4']);
	await db.sql(`SELECT FROM vr_claim_messages('PIGEON')`);
	await db.sql(`UPDATE vendor_routing.vendors SET phone = NULL WHERE vendor_id = 'v4'`);
	await sending(async () => (await db.sql('SELECT error FROM vendor_routing.messages'))[0].error !== null);
	const [message] = await db.sql('SELECT error, may_have_arrived FROM vendor_routing.messages');
	assert.deepEqual(message, { error: 'no phone', may_have_arrived: false });
	await db.sql(`UPDATE vendor_routing.vendors SET phone = '+4917600000004' WHERE vendor_id = 'v4'`);
});

test('when a sender is killed, another one sends its messages, with the same keys', async () => {
	// Would catch: a message that is lost with the process that had it, or gets a new key.
	await broadcast('killed', ['v1', 'v2']);
	const keys = new Set();
	cloud.answer = (message) => { keys.add(message.biz_opaque_callback_data); return 'hang'; };
	const child = spawn(process.execPath, [new URL('../main.js', import.meta.url).pathname],
		{ env: environment(cloud, { SENDER: 'on', SENDER_LEASE_MS: '500' }), stdio: 'ignore' });
	await until(() => keys.size === 2, 'two messages on their way');
	const ended = new Promise((resolve) => child.once('exit', resolve));
	child.kill('SIGKILL');
	await ended;
	cloud.answer = () => 'ok';
	await sending(() => cloud.messages.length === 2);
	assert.deepEqual(new Set(cloud.messages.map((m) => m.biz_opaque_callback_data)), keys);
});

test('if the database is away, WhatsApp is asked to send it again', async () => {
	// Would catch: 200 for what was not recorded.
	await broadcast('away', ['v1']);
	await db.sql(`ALTER DATABASE ${db.name} CONNECTION LIMIT 0`);
	await db.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'vr_gateway_login_%'`);
	const message = { messages: [textMessage('away-1', phone(1), 'accept away')] };
	const status = await until(async () => { const s = (await webhook(app.url, message)).status; return s === 200 ? undefined : s; }, 'not 200', 2);
	assert.equal(status, 503);
	assert.deepEqual(await db.sql(`SELECT * FROM vendor_routing.inbound_messages WHERE message_id = 'away-1'`), []);
	await db.sql(`ALTER DATABASE ${db.name} CONNECTION LIMIT -1`);
	await until(async () => (await webhook(app.url, message)).status === 200, '200');
	assert.equal((await db.sql(`SELECT outcome FROM vendor_routing.inbound_messages WHERE message_id = 'away-1'`))[0].outcome, 'LOCKED');
	// So too for what somebody has to mend.
	const other = { messages: [textMessage('away-2', phone(1), 'accept away')] };
	await db.sql('REVOKE EXECUTE ON FUNCTION vr_receive_message FROM vr_gateway');
	const refused = await webhook(app.url, other);
	await db.sql('GRANT EXECUTE ON FUNCTION vr_receive_message TO vr_gateway');
	assert.deepEqual([refused.status, (await refused.json()).message], [503, 'something went wrong']);
	assert.equal((await webhook(app.url, other)).status, 200);
	assert.equal((await db.sql(`SELECT outcome FROM vendor_routing.inbound_messages WHERE message_id = 'away-2'`))[0].outcome, 'ALREADY_ACCEPTED');
	assert.deepEqual(await db.sql('SELECT * FROM vr_check()'), []);
});

test('an order whose row is missing is asked for again, and the rest of the batch is not', async () => {
	// Would catch: a vendor's answer that is thrown away because of what somebody can put right;
	// one that has to wait for another.
	await db.sql(`CREATE TABLE public.shop_orders (id text PRIMARY KEY, shop text DEFAULT 'shop', status text DEFAULT 'CREDIT_RESERVED')`);
	await db.sql(`INSERT INTO public.shop_orders VALUES ('there'), ('missing')`);
	await db.sql(`SELECT vr_attach_orders('public.shop_orders', '{"order_id": "id", "retailer_id": "shop", "status": "status"}')`);
	await broadcast('there', ['v1']);
	await broadcast('missing', ['v1']);
	await db.sql('ALTER TABLE public.shop_orders DISABLE TRIGGER ALL');
	await db.sql(`DELETE FROM public.shop_orders WHERE id = 'missing'`);
	const batch = { messages: [textMessage('miss-1', phone(1), 'accept missing'), textMessage('miss-2', phone(1), 'accept there')] };
	assert.equal((await webhook(app.url, batch)).status, 503);
	const outcomes = () => db.sql(`SELECT message_id, outcome FROM vendor_routing.inbound_messages WHERE message_id LIKE 'miss-%' ORDER BY 1`);
	assert.deepEqual(await outcomes(), [{ message_id: 'miss-2', outcome: 'LOCKED' }]);
	await db.sql(`INSERT INTO public.shop_orders VALUES ('missing', 'shop', 'PENDING_BIDS')`);
	await db.sql('ALTER TABLE public.shop_orders ENABLE TRIGGER ALL');
	assert.equal((await webhook(app.url, batch)).status, 200);
	assert.deepEqual(await outcomes(), [{ message_id: 'miss-1', outcome: 'LOCKED' }, { message_id: 'miss-2', outcome: 'LOCKED' }]);
	await db.sql('SELECT vr_detach_orders()');
	await db.sql('DROP TABLE public.shop_orders');
});
