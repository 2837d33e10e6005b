// Prometheus metrics.

import client from 'prom-client';
import { query } from './database.js';

export function createMetrics(pool, log) {
	const register = new client.Registry();
	const registers = [register];
	client.collectDefaultMetrics({ register });

	/** Without the database the other metrics are shown all the same. */
	const ask = (sql) => query(pool, sql).catch((error) => {
		log.warn({ err: error }, 'no metrics of the database');
		return [];
	});

	const metrics = {
		register,
		requests: new client.Histogram({
			name: 'gateway_request_seconds', help: 'Duration of requests', labelNames: ['method', 'route', 'status'], registers,
		}),
		outcomes: new client.Counter({
			name: 'gateway_accept_outcomes_total', help: 'Outcomes of accepts by REST', labelNames: ['outcome'], registers,
		}),
		inbound: new client.Counter({
			name: 'gateway_inbound_messages_total', help: 'Messages received', labelNames: ['outcome', 'duplicate'], registers,
		}),
		receipts: new client.Counter({
			name: 'gateway_receipts_total', help: 'Receipts received', labelNames: ['status'], registers,
		}),
		refused: new client.Counter({
			name: 'gateway_inbound_refused_total', help: 'Messages and receipts that the database refused', registers,
		}),
		sends: new client.Counter({
			name: 'gateway_sends_total', help: 'Messages by kind and result', labelNames: ['kind', 'result'], registers,
		}),
		sendSeconds: new client.Histogram({ name: 'gateway_send_seconds', help: 'Duration of sending', registers }),
	};
	new client.Gauge({
		name: 'gateway_queue_messages', help: 'Messages that wait, are on their way or were given up', labelNames: ['channel', 'state'],
		registers,
		async collect() {
			this.reset();
			for (const row of await ask('SELECT channel, state, messages FROM vr_message_queue')) {
				this.set({ channel: row.channel, state: row.state }, Number(row.messages));
			}
		},
	});
	new client.Gauge({
		name: 'gateway_queue_oldest_seconds', help: 'Age of the oldest message that waits',
		registers,
		async collect() {
			const [row] = await ask(`SELECT coalesce(extract(epoch FROM now() - min(oldest_queued_at)), 0)::float8 AS age
				FROM vr_message_queue WHERE state = 'QUEUED'`);
			this.set(row?.age ?? NaN);
		},
	});
	return metrics;
}
