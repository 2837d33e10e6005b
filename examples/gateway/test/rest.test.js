// The REST interface: statuses, rights, retries, what an unavailable database looks like.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readConfig } from '../config.js';
import { statusOf } from '../database.js';
import { call, createDatabase, startGateway, until } from './stage.js';

let db;
let app;
let operator;
let keys;

before(async () => {
	db = await createDatabase(3);
	operator = await db.key(null);
	keys = { v1: await db.key('v1'), v2: await db.key('v2'), v3: await db.key('v3'), stranger: await db.key('stranger') };
	app = await startGateway();
});
after(async () => {
	await app?.close();
	await db?.drop();
});

const route = async (orderId, more = {}) => (await call(app.url, 'POST', `/api/orders/${orderId}/route-to-vendors`, operator,
	{ retailerId: 'shop', ...more })).body.routingId;

test('an order is offered once, however often it is posted', async () => {
	// Would catch: a retry that is an error, or a second routing.
	const first = await call(app.url, 'POST', '/api/orders/o%2F1%20%C3%A4/route-to-vendors', operator, { retailerId: 'shop', amount: 12.5 });
	assert.equal(first.status, 201);
	assert.equal(first.body.vendorCount, 3);
	const again = await call(app.url, 'POST', '/api/orders/o%2F1%20%C3%A4/route-to-vendors', operator, { retailerId: 'shop', amount: 12.5 });
	assert.equal(again.status, 200);
	assert.deepEqual({ ...again.body, created: true }, first.body);
	assert.deepEqual(await db.sql('SELECT order_id, amount FROM vendor_routing.routings'), [{ order_id: 'o/1 ä', amount: '12.5' }]);
});

test('the first wins, the others get 409, and again the same', async () => {
	// Would catch: a lost race that is 200 or 500, or that names the winner.
	const id = await route('race');
	const answers = await Promise.all(['v1', 'v2', 'v3'].map((v) => call(app.url, 'POST', `/api/routing/${id}/accept`, keys[v], {})));
	assert.deepEqual(answers.map((a) => a.status).sort(), [200, 409, 409]);
	for (const lost of answers.filter((a) => a.status === 409)) {
		assert.match(lost.body.reason, /^(LOST_RACE|ALREADY_LOCKED)$/);
		assert.ok(!JSON.stringify(lost.body).includes('v1') && !('lockedVendorId' in lost.body));
	}
	const winner = ['v1', 'v2', 'v3'][answers.findIndex((a) => a.status === 200)];
	const retry = await call(app.url, 'POST', `/api/routing/${id}/accept`, keys[winner]);
	assert.deepEqual([retry.status, retry.body.reason], [200, 'ALREADY_ACCEPTED']);
	const told = await call(app.url, 'POST', `/api/routing/${id}/accept`, operator, { vendorId: winner === 'v1' ? 'v2' : 'v1' });
	assert.deepEqual([told.status, told.body.lockedVendorId], [409, winner]);
});

test('a vendor acts only as itself', async () => {
	// Would catch: a vendor that answers for another, or sees or withdraws what is not its own.
	const id = await route('own');
	for (const [path, body] of [['accept', { vendorId: 'v2' }], ['vendor-response', { vendorId: 'v2', response: 'REJECT' }]]) {
		assert.equal((await call(app.url, 'POST', `/api/routing/${id}/${path}`, keys.v1, body)).status, 403);
	}
	assert.equal((await call(app.url, 'POST', `/api/routing/${id}/cancel`, keys.v1, {})).status, 403);
	assert.equal((await call(app.url, 'POST', '/api/orders/x/route-to-vendors', keys.v1, { retailerId: 'shop' })).status, 403);
	// What is not offered to it is the same as what there is not.
	const nowhere = '00000000-0000-4000-8000-000000000000';
	for (const [method, path, body, status] of [['POST', 'accept', {}, 403], ['POST', 'vendor-response', { response: 'REJECT' }, 403], ['GET', 'status', undefined, 404]]) {
		const answers = await Promise.all([id, nowhere].map((routing) => call(app.url, method, `/api/routing/${routing}/${path}`, keys.stranger, body)));
		assert.deepEqual(answers.map((answer) => answer.status), [status, status], path);
		assert.deepEqual(answers[0].body, answers[1].body);
	}
	assert.deepEqual(await db.sql('SELECT response FROM vendor_routing.responses WHERE routing_id = $1 AND response IS NOT NULL', [id]), []);
	const own = await call(app.url, 'GET', `/api/routing/${id}/status`, keys.v1);
	assert.deepEqual([own.status, own.body.won, own.body.offer.vendor_id], [200, false, 'v1']);
	assert.ok(!JSON.stringify(own.body).includes('v2'));
	assert.equal((await call(app.url, 'GET', `/api/routing/${id}/status`, operator)).body.responses.length, 3);
});

test('without a valid key nothing is done', async () => {
	// Would catch: a route without authentication, a key that is compared in part.
	const id = await route('keys');
	for (const key of [undefined, 'x', keys.v1.slice(0, -1), `${keys.v1}0`, ' ', "' OR true --"]) {
		for (const [method, path] of [['POST', 'accept'], ['POST', 'vendor-response'], ['GET', 'status'], ['POST', 'cancel']]) {
			assert.equal((await call(app.url, method, `/api/routing/${id}/${path}`, key, method === 'POST' ? {} : undefined)).status, 401);
		}
		assert.equal((await call(app.url, 'GET', '/board', key)).status, 401);
		assert.equal((await call(app.url, 'GET', '/board/events', key)).status, 401);
	}
	assert.equal((await call(app.url, 'GET', '/board', keys.v1)).status, 403);
	const bearer = await fetch(`${app.url}/api/routing/${id}/status`, { headers: { authorization: `Bearer ${keys.v1}` } });
	assert.equal(bearer.status, 200);
});

test('a browser cannot be made to change anything by a page of another site', async () => {
	// Would catch: the password that a browser has for the live page, sent by a form that somebody else wrote.
	const id = await route('csrf');
	const cancel = `/api/routing/${id}/cancel`;
	const basic = { authorization: `Basic ${Buffer.from(`operator:${operator}`).toString('base64')}` };
	const forced = await call(app.url, 'POST', cancel, undefined, undefined, basic);
	assert.deepEqual([forced.status, forced.headers.get('www-authenticate')], [401, 'Bearer realm="gateway"']);
	assert.equal((await call(app.url, 'GET', '/board', undefined, undefined, basic)).status, 200);
	for (const site of ['cross-site', 'same-site', 'x']) {
		assert.equal((await call(app.url, 'POST', cancel, operator, undefined, { 'sec-fetch-site': site })).status, 403);
		assert.equal((await call(app.url, 'GET', `/api/routing/${id}/status`, operator, undefined, { 'sec-fetch-site': site })).body.status, 'PENDING');
	}
	assert.equal((await call(app.url, 'POST', cancel, operator, undefined, { 'sec-fetch-site': 'same-origin' })).status, 200);
});

test('answers are recorded, and refused when it is too late', async () => {
	// Would catch: a wrong status for an answer again, another answer, or one after the end.
	const id = await route('answers');
	const path = `/api/routing/${id}/vendor-response`;
	const reject = { response: 'REJECT', declineCode: 'NO_STOCK', reason: 'none left' };
	assert.deepEqual((await call(app.url, 'POST', path, keys.v1, reject)).body.recorded, true);
	assert.deepEqual((await call(app.url, 'POST', path, keys.v1, reject)).body.recorded, false);
	assert.equal((await call(app.url, 'POST', path, keys.v1, { response: 'ACCEPT' })).status, 422);
	assert.equal((await call(app.url, 'POST', path, keys.stranger, { response: 'ACCEPT' })).status, 403);
	const cancel = await call(app.url, 'POST', `/api/routing/${id}/cancel`, operator, { reason: 'sold out' });
	assert.deepEqual([cancel.status, cancel.body.cancelledCount], [200, 3]);
	assert.equal((await call(app.url, 'POST', `/api/routing/${id}/cancel`, operator)).body.cancelled, false);
	assert.equal((await call(app.url, 'POST', path, keys.v2, { response: 'ACCEPT' })).status, 422);
	const late = await call(app.url, 'POST', `/api/routing/${id}/accept`, keys.v2, {});
	assert.deepEqual([late.status, late.body.reason], [409, 'CANCELLED']);
});

test('bad requests change nothing', async () => {
	// Would catch: input that gets past the schema, or comes back as 500.
	const id = await route('bad');
	const before = await db.sql('SELECT count(*) FROM vendor_routing.events');
	for (const [method, path, body, status] of [
		['POST', '/api/orders/bad-1/route-to-vendors', {}, 400],
		['POST', '/api/orders/bad-1/route-to-vendors', '{"retailerId": ', 400],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', colour: 'red' }, 400],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', amount: -1 }, 400],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', amount: '12' }, 400],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', latitude: 1 }, 400],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', vendors: ['nobody'] }, 422],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'shop', payload: { x: '\u0000' } }, 422],
		['POST', '/api/orders/bad-1/route-to-vendors', { retailerId: 'x'.repeat(300 * 1024) }, 413],
		['POST', `/api/orders/${'x'.repeat(256)}/route-to-vendors`, { retailerId: 'shop' }, 400],
		['POST', '/api/routing/no-uuid/accept', { vendorId: 'v1' }, 400],
		['POST', `/api/routing/${id}/accept`, {}, 400],
		['POST', `/api/routing/${id}/accept`, { vendorId: 'v1', payload: [] }, 400],
		['POST', `/api/routing/${id}/vendor-response`, { vendorId: 'v1', response: 'PERHAPS' }, 400],
		['POST', '/api/routing/00000000-0000-4000-8000-000000000000/accept', { vendorId: 'v1' }, 404],
		['GET', '/api/routing/00000000-0000-4000-8000-000000000000/status', undefined, 404],
		['GET', '/api/nothing', undefined, 404],
	]) {
		const answer = await call(app.url, method, path, operator, body);
		assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}: ${JSON.stringify(answer.body)}`);
		assert.ok(answer.body.error, 'an error has a name');
	}
	assert.deepEqual(await db.sql('SELECT count(*) FROM vendor_routing.events'), before);
});

test('nobody eligible is 422', async () => {
	// Would catch: VR002 as a server error.
	await db.sql('UPDATE vendor_routing.vendors SET is_active = false');
	const answer = await call(app.url, 'POST', '/api/orders/nobody/route-to-vendors', operator, { retailerId: 'shop' });
	await db.sql('UPDATE vendor_routing.vendors SET is_active = true');
	assert.deepEqual([answer.status, answer.body.error], [422, 'VR002']);
});

test('a database that is slow or gone is 503, and then it works again', async () => {
	// Would catch: a request that hangs or is 500, a pool that does not recover.
	const slow = await startGateway(undefined, { STATEMENT_TIMEOUT_MS: '300', POOL_TIMEOUT_MS: '300', POOL_SIZE: '2' });
	try {
		const id = await route('slow');
		const holder = db.sql(`DO $$ BEGIN PERFORM FROM vr_accept(vr_routing_id('slow'), 'v1'); PERFORM pg_sleep(3); END $$`);
		await until(async () => (await db.sql(`SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)).length > 0, 'a transaction that has won and does not end');
		const waiting = await Promise.all([2, 3, 2, 3].map((n) => call(slow.url, 'POST', `/api/routing/${id}/accept`, keys[`v${n}`], {})));
		assert.deepEqual(waiting.map((a) => a.status), [503, 503, 503, 503]);
		assert.ok(waiting.every((a) => a.headers.get('retry-after') === '1' && a.body.message === 'something went wrong'));
		assert.equal(statusOf({ code: '25006' }), 503); // a standby
		await holder;
		assert.equal((await call(slow.url, 'POST', `/api/routing/${id}/accept`, keys.v2, {})).status, 409);
		await db.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'vr_gateway_login_%'`);
		await until(async () => (await call(slow.url, 'GET', '/readyz')).status === 200, 'ready again');
		assert.equal((await call(slow.url, 'POST', `/api/routing/${id}/accept`, keys.v2, {})).status, 409);
	} finally {
		await slow.close();
	}
});

test('too many requests are 429', async () => {
	// Would catch: a limit that limits nothing.
	const limited = await startGateway(undefined, { REQUESTS_PER_MINUTE: '3' });
	try {
		const id = await route('limited');
		const statuses = [];
		for (let i = 0; i < 5; i++) statuses.push((await call(limited.url, 'GET', `/api/routing/${id}/status`, keys.v1)).status);
		assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
	} finally {
		await limited.close();
	}
});

test('who has no key is limited too, and behind a proxy it is the client that counts', async () => {
	// Would catch: keys that may be guessed for ever, a client that locks the others out, a caller with many addresses.
	const limited = await startGateway(undefined, { REQUESTS_PER_MINUTE: '3', TRUST_PROXY: '127.0.0.1' });
	try {
		const id = await route('guessed');
		const ask = async (key, address, path = `/api/routing/${id}/status`) =>
			(await call(limited.url, 'GET', path, key, undefined, { 'x-forwarded-for': address })).status;
		const statuses = [];
		for (const path of [undefined, '/board', undefined, undefined, '/board']) statuses.push(await ask('wrong', '192.0.2.1', path));
		assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
		const moving = [];
		for (let i = 2; i < 7; i++) moving.push(await ask(keys.v1, `192.0.2.${i}`));
		assert.deepEqual(moving, [200, 200, 200, 429, 429]);
		assert.equal(await ask(keys.v2, '192.0.2.9'), 200);
	} finally {
		await limited.close();
	}
	await assert.rejects(startGateway(undefined, { TRUST_PROXY: 'on' }));
});

test('what a gateway sends, and whom it believes, has to be said', async () => {
	// Would catch: secrets that everybody knows, messages that are printed and count as sent.
	assert.throws(() => readConfig({}), /TRANSPORT/);
	assert.throws(() => readConfig({ TRANSPORT: 'console', WHATSAPP_APP_SECRET: 'x' }), /WHATSAPP_VERIFY_TOKEN/);
	assert.throws(() => readConfig({ SENDER: 'off', WHATSAPP_APP_SECRET: 'x', WHATSAPP_VERIFY_TOKEN: 'y' }), /TRANSPORT/);
	assert.throws(() => readConfig({ TRANSPORT: 'console', SENDER_CHANNEL: 'SMS' }), /SENDER_CHANNEL/);
	assert.equal(readConfig({ SENDER: 'off' }).appSecret, undefined);
	assert.equal(readConfig({ TRANSPORT: 'console', SENDER_CHANNEL: 'all' }).sender.channel, null);
	assert.equal(readConfig({ TRANSPORT: 'console', SENDER_CHANNEL: 'APP' }).sender.channel, 'APP');
	const quiet = await startGateway(undefined, { TRANSPORT: 'console', WHATSAPP_APP_SECRET: undefined, WHATSAPP_VERIFY_TOKEN: undefined });
	try {
		for (const method of ['GET', 'POST']) assert.equal((await call(quiet.url, method, '/webhooks/whatsapp')).status, 404);
	} finally {
		await quiet.close();
	}
});

test('the log has no query', async () => {
	// Would catch: the verify token in the log.
	const lines = [];
	const logging = await startGateway(undefined, { LOG_LEVEL: 'info' }, { logStream: { write: (line) => lines.push(line) } });
	await call(logging.url, 'GET', '/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=1');
	await logging.close();
	assert.match(lines.join(''), /"url":"\/webhooks\/whatsapp"/);
	assert.ok(!lines.join('').includes('verify-me'));
});

test('it describes itself, and says how it is', async () => {
	// Would catch: routes without a description, metrics that fail.
	const api = (await call(app.url, 'GET', '/openapi.json')).body;
	assert.deepEqual(Object.keys(api.paths).filter((path) => path.startsWith('/api')).sort(), [
		'/api/orders/{orderId}/route-to-vendors', '/api/routing/{routingId}/accept', '/api/routing/{routingId}/cancel',
		'/api/routing/{routingId}/status', '/api/routing/{routingId}/vendor-response']);
	assert.equal((await call(app.url, 'GET', '/healthz')).status, 200);
	assert.equal((await call(app.url, 'GET', '/readyz')).status, 200);
	const metrics = (await call(app.url, 'GET', '/metrics')).body;
	assert.match(metrics, /gateway_accept_outcomes_total\{outcome="LOCKED"\} [1-9]/);
	assert.match(metrics, /gateway_request_seconds_count\{.*status="409"/);
	assert.match(metrics, /gateway_queue_oldest_seconds [0-9]/);
	await db.sql('REVOKE SELECT ON vr_message_queue FROM vr_gateway');
	const without = await call(app.url, 'GET', '/metrics');
	await db.sql('GRANT SELECT ON vr_message_queue TO vr_gateway');
	assert.equal(without.status, 200);
	assert.match(without.body, /gateway_request_seconds_count[^]*gateway_queue_oldest_seconds Nan/i);
	assert.deepEqual(await db.sql('SELECT * FROM vr_check()'), []);
});
