// node-postgres (npm pg).
//
// DRIVER_PREPARES is yes, no, or unknown: whether the server keeps a named statement; no:
// then the statements have no name, as pgbouncer before 1.21 needs it in transaction mode.

import pg from 'pg';
import { conform } from './conformance.mjs';

const prepares = process.env.DRIVER_PREPARES;
const heard = [];
const pool = new pg.Pool({ max: 4 });
pool.on('connect', (client) => client.on('notice', (notice) => heard.push(notice)));

// drivers.md: begin
// A connection that breaks must not end the process, be it idle or in use: the query that is
// running, or the next one, fails.
pool.on('error', (error) => console.error('a connection broke:', error.message));
pool.on('connect', (client) => client.on('error', () => {}));

async function broadcast(orderId, vendors, payload) {
	try {
		const { rows } = await pool.query(
			`SELECT * FROM vr_broadcast(order_id => $1, retailer_id => $2,
				vendors => $3, payload => $4, ttl => $5)`,
			[orderId, 'shop-7', vendors, payload, '90 seconds']);    // an array, an object, a string
		return rows[0].routing_id;
	} catch (error) {
		if (error.code === 'VR002') return null;    // no eligible vendor
		throw error;
	}
}

async function accept(routingId, vendorId) {
	const client = await pool.connect();    // one connection for the whole transaction
	let broken;
	try {
		await client.query('BEGIN');
		const { rows } = await client.query('SELECT * FROM vr_accept($1, $2)', [routingId, vendorId]);
		// if (rows[0].reason === 'LOCKED'): your own writes, by the same client
		await client.query('COMMIT');
		return rows[0];    // { accepted, reason, locked_vendor_id, locked_at, ... }
	} catch (error) {
		await client.query('ROLLBACK').catch((another) => { broken = another; });
		throw error;    // the first one
	} finally {
		client.release(broken);    // with an error: not to be used again
	}
}
// drivers.md: end

function handle(client) {
	return {
		query: async (text, values) => (await client.query(text, values)).rows,
		async savepoint(work) {
			await client.query('SAVEPOINT inner_work');
			try {
				return await work(handle(client));
			} catch (error) {
				await client.query('ROLLBACK TO SAVEPOINT inner_work');
				throw error;
			}
		},
	};
}

conform({
	query: async (text, values) => (await pool.query(text, values)).rows,
	async transaction(work) {
		const client = await pool.connect();
		let broken;
		try {
			await client.query('BEGIN');
			await work(handle(client));
			await client.query('COMMIT');
		} catch (error) {
			await client.query('ROLLBACK').catch((another) => { broken = another; });
			throw error;
		} finally {
			client.release(broken);
		}
	},
	async repeat(text, list) {
		const name = prepares === 'no' ? undefined : `s${text.length}`;
		const client = await pool.connect();
		try {
			const rows = [];
			for (const values of list) {
				rows.push(...(await client.query({ name, text, values })).rows);
			}
			const { rows: [found] } = await client.query(
				'SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement = $1', [text]);
			return { rows, prepared: found.count };
		} finally {
			client.release();
		}
	},
	keeps: { yes: true, no: false }[prepares],
	json: JSON.stringify,
	zone: 'Asia/Kathmandu',
	code: (error) => error.code,
	heard,
	broadcast,
	accept,
	end: () => pool.end(),
});
