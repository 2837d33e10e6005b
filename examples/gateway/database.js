// The pool, and how errors of the database look from outside.

import pg from 'pg';

/** Serialization failure and deadlock: nothing has happened, try again. */
const AGAIN = new Set(['40001', '40P01']);

/** @param {ReturnType<import('./config.js').readConfig>} config */
export function openPool(config, log, size = config.poolSize) {
	const pool = new pg.Pool({
		max: size,
		connectionTimeoutMillis: config.poolTimeout,
		options: `-c statement_timeout=${config.statementTimeout}`
			+ (config.notify ? ' -c vendor_routing.notify=on' : ''),
	});
	// An idle connection that breaks must not end the process.
	pool.on('error', (error) => log.warn({ err: error }, 'an idle connection broke'));
	return pool;
}

/** Runs one statement, again where it did nothing. */
export async function query(pool, sql, values = []) {
	for (let attempt = 1; ; attempt++) {
		try {
			return (await pool.query(sql, values)).rows;
		} catch (error) {
			if (!AGAIN.has(error.code) || attempt === 3) throw error;
		}
	}
}

/** Is it about what was said?  Another thing may be accepted. */
export const isAboutItem = (error) => /^(22...|VR0..)$/.test(error.code);

/**
 * Does the database say the same the next time?  Not so where the application's row of an
 * order is missing (VR003): somebody can put it there.
 */
export const isRefusal = (error) => isAboutItem(error) && error.code !== 'VR003';

/**
 * The HTTP status of an error of the database, or undefined for another error.  One that
 * may be gone in a moment is 503.
 */
export function statusOf(error) {
	const code = error.code;
	if (code === 'VR001' || code === 'VR003' || code === 'VR006') return 404;
	if (code === 'VR005') return 403;
	if (code === 'VR002' || code === 'VR004') return 422;
	if (code === '22P02') return 400;
	if (/^22...$/.test(code)) return 422;
	if (code === '42501') return 403;
	if (/^(08|40|53|55|57)...$/.test(code) || code === '25006') return 503; // 25006: a standby, until it is promoted
	if (/^E(CONN|PIPE|HOST|NET|TIMEDOUT|NOTFOUND|AI_)/.test(code)) return 503;
	if (/timeout exceeded when trying to connect|Connection terminated/.test(error.message)) return 503;
	return undefined;
}

/**
 * Calls wake() for each notification of new messages, and connects again when it breaks.
 * Returns a function that ends it.
 */
export function listen(wake, log) {
	let client;
	let timer;
	let ended = false;

	async function connect() {
		client = new pg.Client();
		client.on('notification', () => wake());
		client.on('error', (error) => log.warn({ err: error }, 'the listening connection broke'));
		client.on('end', () => {
			if (!ended) timer = setTimeout(connect, 1000);
		});
		try {
			await client.connect();
			await client.query('LISTEN vendor_routing');
			wake();
		} catch (error) {
			log.warn({ err: error }, 'cannot listen');
			await client.end().catch(() => {});
		}
	}
	connect();
	return async () => {
		ended = true;
		clearTimeout(timer);
		await client.end().catch(() => {});
	};
}
