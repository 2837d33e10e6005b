// postgres.js (npm postgres).  DRIVER_PREPARES is yes or no: whether it prepares.

import postgres from 'postgres';
import { conform } from './conformance.mjs';

const prepare = process.env.DRIVER_PREPARES === 'yes';
const heard = [];
const sql = postgres({
	host: process.env.PGHOST, port: Number(process.env.PGPORT), max: 4, prepare,
	onnotice: (notice) => heard.push(notice),
});

// drivers.md: begin
async function broadcast(orderId, vendors, payload) {
	try {
		const [row] = await sql`
			SELECT * FROM vr_broadcast(order_id => ${orderId}, retailer_id => ${'shop-7'},
				vendors => ${vendors}, payload => ${payload}, ttl => ${'90 seconds'})`;
		return row.routing_id;
	} catch (error) {
		if (error.code === 'VR002') return null;    // no eligible vendor
		throw error;
	}
}

async function accept(routingId, vendorId) {
	return await sql.begin(async (tx) => {
		const [row] = await tx`SELECT * FROM vr_accept(${routingId}, ${vendorId})`;
		// if (row.reason === 'LOCKED'): your own writes, by tx
		return row;    // { accepted, reason, locked_vendor_id, locked_at, ... }
	});
}
// drivers.md: end

// Rows without the properties that the driver adds to the list.
function handle(db) {
	return {
		query: async (text, values) => [...(await db.unsafe(text, values))],
		savepoint: (work) => db.savepoint((inner) => work(handle(inner))),
	};
}

conform({
	query: handle(sql).query,
	transaction: (work) => sql.begin((tx) => work(handle(tx))),
	async repeat(text, list) {
		const one = await sql.reserve();
		try {
			const rows = [];
			for (const values of list) {
				rows.push(...(await one.unsafe(text, values, { prepare })));
			}
			const [found] = await one`
				SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement = ${text}`;
			return { rows, prepared: found.count };
		} finally {
			one.release();
		}
	},
	keeps: prepare,
	json: sql.json,
	zone: 'Asia/Kathmandu',
	code: (error) => error.code,
	heard,
	broadcast,
	accept,
	end: () => sql.end(),
});
