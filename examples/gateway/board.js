// The live page: open races and those that were just decided.
//
// One look at the database per second and process, however many watch; none if nobody does.

import { readFile } from 'node:fs/promises';
import { authenticate, operatorsOnly } from './auth.js';
import { query } from './database.js';

const MOST = 60;
const KEEP = 60_000; // milliseconds that a decided race stays on the page
const PATIENCE = 5; // looks that a watcher may miss
const OVER = new Set(['LOCKED', 'COMPLETED', 'CANCELLED', 'EXPIRED']);

export async function board(app, { pool, metrics }) {
	const page = await readFile(new URL('board.html', import.meta.url));
	const watchers = new Set();
	const races = new Map(); // routing id: { status, decided }
	let timer;
	let last = '';

	async function look() {
		const open = await query(pool,
			`SELECT routing_id FROM vr_open_routings ORDER BY created_at DESC LIMIT ${MOST}`);
		const newest = new Set(open.map((row) => row.routing_id));
		const ids = new Set([...newest, ...races.keys()]);
		const rows = await query(pool, 'SELECT vr_status(id) AS status FROM unnest($1::uuid[]) AS id', [[...ids]]);
		const now = Date.now();
		for (const { status } of rows) {
			const known = races.get(status.routing_id);
			const over = OVER.has(status.status);
			const decided = over ? known?.decided ?? now : undefined;
			if (over && now - decided > KEEP) races.delete(status.routing_id);
			else races.set(status.routing_id, { status, decided });
		}
		for (const [id, race] of races) {
			if (races.size <= MOST) break;
			if (race.decided !== undefined || !newest.has(id)) races.delete(id);
		}
		return [...races.values()].map(({ status }) => ({
			id: status.routing_id,
			order: status.order_id,
			status: status.status,
			round: status.round,
			offeredAt: status.responses[0]?.offered_at ?? '',
			expiresAt: status.expires_at,
			winner: status.responses.find((r) => r.vendor_id === status.locked_vendor_id)?.vendor_name ?? status.locked_vendor_id,
			offers: status.responses.map((r) => ({
				vendor: r.vendor_name ?? r.vendor_id,
				answer: r.vendor_id === status.locked_vendor_id ? 'WON' : r.cancelled ? 'LOST' : r.response ?? 'OFFERED',
				expiresAt: r.expires_at,
			})),
		})).sort((a, b) => b.offeredAt.localeCompare(a.offeredAt)); // the newest first
	}

	/** The watchers that take what they are told: who does not, is told nothing, and is given up in the end. */
	function* listening() {
		for (const watcher of watchers) {
			watcher.missed = watcher.writableNeedDrain ? (watcher.missed ?? 0) + 1 : 0;
			if (watcher.missed === 0) yield watcher;
			else watcher.started = false;
			if (watcher.missed > PATIENCE) watcher.destroy();
		}
	}

	async function tick() {
		try {
			const data = JSON.stringify({ races: await look() });
			for (const watcher of listening()) {
				// What has not changed is sent to newcomers only; a comment keeps the others connected.
				watcher.write(data !== last || !watcher.started ? `data: ${data}\n\n` : ': \n\n');
				watcher.started = true;
			}
			last = data;
		} catch (error) {
			app.log.warn({ err: error }, 'the board cannot look');
			for (const watcher of listening()) watcher.write('event: trouble\ndata: {}\n\n');
		}
		timer = watchers.size > 0 ? setTimeout(tick, 1000) : undefined;
	}

	app.addHook('onRequest', authenticate(pool, { basic: true }));
	app.addHook('onRequest', operatorsOnly);

	app.get('/board', { schema: { summary: 'The live page' } }, async (request, reply) => reply
		.type('text/html; charset=utf-8')
		.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
		.header('x-frame-options', 'DENY')
		.send(page));

	app.get('/board/events', { schema: { summary: 'What the live page shows, as server-sent events' } }, async (request, reply) => {
		reply.hijack();
		reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
		watchers.add(reply.raw);
		reply.raw.on('close', () => watchers.delete(reply.raw));
		if (timer === undefined) timer = setTimeout(tick, 0);
	});

	// They would keep the server open for ever.
	app.addHook('preClose', async () => {
		clearTimeout(timer);
		for (const watcher of watchers) watcher.end();
		watchers.clear();
	});
}
