// Prisma raw queries, through the driver adapter of node-postgres: no native engine.

import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { conform } from './conformance.mjs';
import client from './generated/index.js';

const heard = [];

// drivers.md: begin
// The adapter reads times as if they were UTC, whatever the time zone of the session.
const pool = new pg.Pool({ options: '-c TimeZone=UTC', max: 4 });
const prisma = new client.PrismaClient({ adapter: new PrismaPg(pool) });

// The SQLSTATE of a failed raw query, which Prisma reports as P2010.
function sqlstate(error) {
	return error.meta?.driverAdapterError?.cause?.originalCode;
}

async function broadcast(orderId, vendors, payload) {
	try {
		const [row] = await prisma.$queryRaw`
			SELECT * FROM vr_broadcast(order_id => ${orderId}, retailer_id => ${'shop-7'},
				vendors => ${vendors}, payload => ${payload}, ttl => ${'90 seconds'})`;
		return row.routing_id;
	} catch (error) {
		if (sqlstate(error) === 'VR002') return null;    // no eligible vendor
		throw error;
	}
}

async function accept(routingId, vendorId) {
	return await prisma.$transaction(async (tx) => {
		const [row] = await tx.$queryRaw`SELECT * FROM vr_accept(${routingId}, ${vendorId})`;
		// if (row.reason === 'LOCKED'): your own writes, by tx
		return row;    // { accepted, reason, locked_vendor_id, locked_at, ... }
	});
}
// drivers.md: end

pool.on('connect', (connection) => connection.on('notice', (notice) => heard.push(notice)));

function handle(db) {
	const query = (text, values) => db.$queryRawUnsafe(text, ...values);
	return {
		query,
		async savepoint(work) {
			await db.$executeRawUnsafe('SAVEPOINT inner_work');
			try {
				return await work(handle(db));
			} catch (error) {
				await db.$executeRawUnsafe('ROLLBACK TO SAVEPOINT inner_work');
				throw error;
			}
		},
	};
}

conform({
	query: handle(prisma).query,
	transaction: (work) => prisma.$transaction((tx) => work(handle(tx)), { timeout: 120_000 }),
	repeat: (text, list) => prisma.$transaction(async (tx) => {
		const rows = [];
		for (const values of list) {
			rows.push(...(await tx.$queryRawUnsafe(text, ...values)));
		}
		const [found] = await tx.$queryRaw`
			SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement = ${text}`;
		return { rows, prepared: found.count };
	}, { timeout: 120_000 }),
	keeps: false,    // it prepares each statement anew, without a name
	json: JSON.stringify,
	zone: 'UTC',
	code: sqlstate,
	heard,
	broadcast,
	accept,
	end: async () => {
		await prisma.$disconnect();
		await pool.end();
	},
});
