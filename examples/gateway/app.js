// Puts the service together.

import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import Fastify from 'fastify';
import { ownSiteOnly } from './auth.js';
import { board } from './board.js';
import { listen, openPool, query, statusOf } from './database.js';
import { createMetrics } from './metrics.js';
import { routes } from './routes.js';
import { startSender } from './sender.js';
import { cloudApiTransport, consoleTransport } from './transports.js';
import { whatsapp } from './whatsapp.js';

const SENDER_CONNECTIONS = 3;

/** What goes on beside requests, so that it can be waited for. */
function taskSet() {
	const running = new Set();
	return {
		add(promise) {
			running.add(promise);
			promise.finally(() => running.delete(promise));
		},
		settled: () => Promise.allSettled([...running]),
	};
}

/** What the log has of a request: not the query, in which WhatsApp sends the verify token. */
const loggedRequest = (request) => ({
	method: request.method, url: request.url.split('?')[0], hostname: request.hostname, remoteAddress: request.ip,
});

/** @param {ReturnType<import('./config.js').readConfig>} config */
export async function buildApp(config, { logStream, transport } = {}) {
	const app = Fastify({
		logger: { level: config.logLevel, serializers: { req: loggedRequest }, stream: logStream },
		trustProxy: config.trustProxy === 'off' ? false : config.trustProxy,
		bodyLimit: 256 * 1024,
		maxParamLength: 3 * 255, // an id of 255 bytes, each of them escaped
		ajv: { customOptions: { removeAdditional: false, coerceTypes: false, strict: false } },
	});
	const pool = openPool(config, app.log);
	const metrics = createMetrics(pool, app.log);
	const tasks = taskSet();
	const out = transport ?? (config.transport === 'console' ? consoleTransport() : cloudApiTransport(config.cloudApi));
	const parts = { config, pool, metrics, tasks, transport: out };

	app.setErrorHandler((error, request, reply) => {
		const status = error.validation ? 400 : statusOf(error) ?? error.statusCode ?? 500;
		if (status >= 500) request.log.error({ err: error }, 'a request failed');
		if (status === 503) reply.header('retry-after', 1);
		return reply.code(status).send({
			error: error.code ?? error.name,
			message: status >= 500 || error.code === '42501' ? 'something went wrong' : error.message,
		});
	});
	app.setNotFoundHandler((request, reply) => reply.code(404).send({ error: 'NOT_FOUND', message: 'there is no such route' }));
	app.addHook('onResponse', async (request, reply) => {
		metrics.requests.observe({
			method: request.method, route: request.routeOptions?.url ?? 'none', status: reply.statusCode,
		}, reply.elapsedTime / 1000);
	});

	await app.register(swagger, {
		openapi: {
			info: { title: 'vendor_routing gateway', version: '1.0.0' },
			components: {
				securitySchemes: {
					key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
					bearer: { type: 'http', scheme: 'bearer' },
				},
			},
			security: [{ key: [] }, { bearer: [] }],
		},
	});
	await app.register(async (api) => {
		// By address, before anybody asks for the key; then by caller.
		const limit = { max: config.requestsPerMinute, timeWindow: '1 minute' };
		await api.register(rateLimit, { ...limit, global: false });
		api.addHook('onRequest', api.rateLimit());
		api.addHook('onRequest', ownSiteOnly);
		await api.register(rateLimit, { ...limit, keyGenerator: (request) => request.caller.id });
		await api.register(routes, parts);
		await api.register(board, parts);
	});
	if (config.appSecret !== undefined) await app.register(whatsapp, parts);

	app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
	app.get('/healthz', { schema: { hide: true } }, async () => ({ ok: true }));
	const ready = { since: -Infinity, answer: undefined }; // one question a second, whoever asks
	app.get('/readyz', { schema: { hide: true } }, async () => {
		if (performance.now() - ready.since >= 1000) {
			ready.since = performance.now();
			ready.answer = query(pool, 'SELECT 1');
		}
		await ready.answer;
		return { ok: true };
	});
	app.get('/metrics', { schema: { hide: true } }, async (request, reply) => reply
		.type(metrics.register.contentType).send(await metrics.register.metrics()));

	// Connections of its own: requests that wait must not keep it from saying what it has sent.
	const senderPool = config.sender.enabled ? openPool(config, app.log, SENDER_CONNECTIONS) : undefined;
	const sender = senderPool && startSender({ pool: senderPool, transport: out, config: config.sender, metrics, log: app.log });
	const stopListening = config.notify && sender ? listen(sender.wake, app.log) : undefined;

	// Connections that are kept alive, or were never used, must not keep it open for ever.
	let deadline;
	app.addHook('preClose', async () => {
		deadline = setTimeout(() => app.server.closeAllConnections(), config.shutdownTimeout);
	});
	// Requests are over by then; what they have left running is not.
	app.addHook('onClose', async () => {
		clearTimeout(deadline);
		await stopListening?.();
		await sender?.stop();
		await tasks.settled();
		await senderPool?.end();
		await pool.end();
	});
	return app;
}
