// What the tests share: a database, a gateway, and a fake of WhatsApp's Cloud API.

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { buildApp } from '../app.js';
import { readConfig } from '../config.js';

const DATABASE = `vr_gateway_${process.pid}`;
const ROLE = `vr_gateway_login_${process.pid}`;
const PASSWORD = 'throwaway';
const SUPERUSER = process.env.PGUSER; // startGateway puts its own there

/** Polls until something is so: what() returns it, or undefined. */
export async function until(what, message, seconds = 30) {
	const deadline = Date.now() + seconds * 1000;
	for (;;) {
		const value = await what();
		if (value !== undefined && value !== false) return value;
		if (Date.now() > deadline) throw new Error(`never: ${message}`);
		await sleep(20);
	}
}

async function asSuperuser(database, ...statements) {
	const client = new pg.Client({ database, user: SUPERUSER });
	await client.connect();
	try {
		for (const statement of statements) await client.query(statement);
	} finally {
		await client.end();
	}
}

/** Makes the database and its sample vendors v1 .. vN, with phones +4917600000001 and so on. */
export async function createDatabase(vendors = 10) {
	await asSuperuser('postgres', `CREATE DATABASE ${DATABASE}`);
	await asSuperuser(DATABASE,
		'CREATE EXTENSION vendor_routing',
		'DROP ROLE IF EXISTS vr_gateway',
		await readFile(new URL('../schema.sql', import.meta.url), 'utf8'),
		`CREATE ROLE ${ROLE} LOGIN PASSWORD '${PASSWORD}' IN ROLE vr_gateway`,
		`ALTER DATABASE ${DATABASE} SET vendor_routing.message_backoff = 0`,
		`INSERT INTO vendor_routing.vendors (vendor_id, name, is_verified, phone, reliability_score)
			SELECT 'v' || i, 'Vendor ' || i, true, '+49176' || lpad(i::text, 8, '0'), 100 - i FROM generate_series(1, ${vendors}) AS i`);
	const superuser = new pg.Pool({ database: DATABASE, user: SUPERUSER, max: 4 });
	superuser.on('error', () => {});
	return {
		name: DATABASE,
		sql: async (text, values) => (await superuser.query(text, values)).rows,
		key: async (vendorId) => (await superuser.query('SELECT gateway.create_key($1) AS key', [vendorId])).rows[0].key,
		async drop() {
			await superuser.end();
			await asSuperuser('postgres', `DROP DATABASE ${DATABASE} WITH (FORCE)`, `DROP ROLE ${ROLE}`, 'DROP ROLE vr_gateway');
		},
	};
}

export const phone = (n) => `49176${String(n).padStart(8, '0')}`;

/** The environment of a gateway that uses this database and sends to the fake. */
export function environment(cloud, more = {}) {
	return {
		...process.env,
		PGDATABASE: DATABASE, PGUSER: ROLE, PGPASSWORD: PASSWORD,
		LOG_LEVEL: 'silent', PORT: '0', TRANSPORT: 'cloud_api',
		WHATSAPP_VERIFY_TOKEN: 'verify-me', WHATSAPP_APP_SECRET: 'a secret',
		CLOUD_API_URL: cloud?.url ?? 'http://127.0.0.1:1', CLOUD_API_PHONE_NUMBER_ID: '4711', CLOUD_API_TOKEN: 'cloud token',
		SENDER: 'off', SHUTDOWN_TIMEOUT_MS: '500', POLL_INTERVAL_MS: '20', SENDER_PER_SECOND: '10000', REQUESTS_PER_MINUTE: '1000000',
		...more,
	};
}

/** A gateway in this process, listening. */
export async function startGateway(cloud, more, parts) {
	const env = environment(cloud, more);
	Object.assign(process.env, { PGDATABASE: env.PGDATABASE, PGUSER: env.PGUSER, PGPASSWORD: env.PGPASSWORD });
	const app = await buildApp(readConfig(env), parts);
	await app.listen({ host: '127.0.0.1', port: 0 });
	app.url = `http://127.0.0.1:${app.server.address().port}`;
	return app;
}

/**
 * A fake of the Cloud API: keeps what it got, and behaves as answer(message) says, or
 * resolves to: 'ok', a status, 'hang', or 'swallow' (takes the message, and does not answer).
 */
export async function startCloud() {
	const cloud = { messages: [], attempts: 0, answer: () => 'ok', sockets: new Set() };
	let number = 0;
	cloud.number = () => number;
	const server = createServer(async (request, response) => {
		const chunks = [];
		for await (const chunk of request) chunks.push(chunk);
		const message = JSON.parse(Buffer.concat(chunks));
		cloud.attempts++;
		const what = await cloud.answer(message, request);
		if (what === 'hang') return;
		if (typeof what === 'number') {
			response.writeHead(what, { 'retry-after': '1' }).end('{"error": {"message": "long and private", "code": 131030}}');
			return;
		}
		const id = `wamid.${++number}`;
		cloud.messages.push({ ...message, id, authorization: request.headers.authorization, url: request.url });
		if (what === 'swallow') return;
		response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ messages: [{ id }] }));
	});
	server.on('connection', (socket) => {
		cloud.sockets.add(socket);
		socket.on('close', () => cloud.sockets.delete(socket));
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	cloud.url = `http://127.0.0.1:${server.address().port}`;
	cloud.stop = async () => {
		for (const socket of cloud.sockets) socket.destroy();
		await new Promise((resolve) => server.close(resolve));
	};
	return cloud;
}

export const sign = (body, secret = 'a secret') => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** Posts a webhook with these messages and statuses, signed unless told otherwise. */
export async function webhook(url, { messages = [], statuses = [] }, { signature, body } = {}) {
	const content = body ?? JSON.stringify({
		object: 'whatsapp_business_account',
		entry: [{ id: '1', changes: [{ field: 'messages', value: { messaging_product: 'whatsapp', messages, statuses } }] }],
	});
	return fetch(`${url}/webhooks/whatsapp`, {
		method: 'POST',
		headers: {
			'content-type': 'application/json',
			...(signature !== null && { 'x-hub-signature-256': signature ?? sign(content) }),
		},
		body: content,
	});
}

const now = () => String(Math.floor(Date.now() / 1000));
export const textMessage = (id, from, body, more = {}) => ({ id, from, timestamp: now(), type: 'text', text: { body }, ...more });
export const buttonMessage = (id, from, payload) => ({
	id, from, timestamp: now(), type: 'interactive',
	interactive: { type: 'button_reply', button_reply: { id: payload, title: 'Accept' } },
});

/** Calls the REST interface; the answer has status and body. */
export async function call(url, method, path, key, body, headers) {
	const response = await fetch(url + path, {
		method,
		headers: {
			...(key && { 'x-api-key': key }),
			...(body !== undefined && { 'content-type': 'application/json' }),
			...headers,
		},
		body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
	});
	const text = await response.text();
	return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}
