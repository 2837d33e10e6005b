// The webhook of WhatsApp (Cloud API): verification, signature, messages, receipts.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isAboutItem, isRefusal, query } from './database.js';

const SOURCE = 'whatsapp';
const LATE = 60_000; // milliseconds

/** Compares two secrets in a time that says nothing of them. */
function same(a, b) {
	const digest = (value) => createHash('sha256').update(value).digest();
	return timingSafeEqual(digest(a), digest(b));
}

/** Is the signature that of the raw body? */
export function signatureIsValid(secret, rawBody, header) {
	const expected = `sha256=${createHmac('sha256', secret).update(rawBody).digest('hex')}`;
	return typeof header === 'string' && same(header, expected);
}

// PostgreSQL has no NUL in texts.
const clean = (value) => (typeof value === 'string' ? value.replaceAll('\u0000', '') : undefined);

/** The messages and receipts of a batch, in their order; what is not well-formed is left out. */
export function parseBatch(body) {
	const found = [];
	for (const entry of [body?.entry ?? []].flat()) {
		for (const change of [entry?.changes ?? []].flat()) {
			for (const message of [change?.value?.messages ?? []].flat()) {
				if (typeof message?.id !== 'string' || typeof message.from !== 'string') continue;
				const payload = message.interactive?.button_reply?.id ?? message.button?.payload;
				// What was late is not about the order that happens to be open by now: then it
				// replies to a message that nobody knows (itself), and has to name its order.
				const late = !(Date.now() - Number(message.timestamp) * 1000 <= LATE);
				const repliesTo = typeof message.context?.id === 'string' ? message.context.id : late && message.id;
				const context = {
					...(typeof payload === 'string' && { payload: clean(payload) }),
					...(repliesTo !== false && { reply_to: clean(repliesTo) }),
				};
				found.push({
					type: 'message',
					id: clean(message.id),
					from: clean(message.from),
					text: clean(message.text?.body) ?? null,
					context: Object.keys(context).length > 0 ? context : null,
				});
			}
			for (const status of [change?.value?.statuses ?? []].flat()) {
				const messageId = status?.biz_opaque_callback_data;
				const seconds = Number(status?.timestamp);
				if (!/^[0-9a-f-]{36}$/i.test(messageId ?? '')) continue;
				found.push({
					type: 'receipt',
					messageId,
					externalId: typeof status.id === 'string' ? clean(status.id) : null,
					status: String(status.status).toUpperCase(),
					at: Number.isFinite(seconds) && seconds > 0 && seconds < 1e11 ? new Date(seconds * 1000) : null,
				});
			}
		}
	}
	return found;
}

export async function whatsapp(app, { config, pool, transport, metrics, tasks }) {
	// The signature is over the bytes as they came.
	app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body));

	app.get('/webhooks/whatsapp', {
		schema: { summary: 'The verification handshake', querystring: { type: 'object', additionalProperties: true } },
	}, async (request, reply) => {
		const { 'hub.mode': mode, 'hub.verify_token': token, 'hub.challenge': challenge } = request.query;
		if (mode !== 'subscribe' || !same(String(token ?? ''), config.verifyToken)) {
			return reply.code(403).send({ error: 'FORBIDDEN', message: 'the verify token is wrong' });
		}
		return reply.type('text/plain').send(String(challenge ?? ''));
	});

	async function receiveMessage(message) {
		const [row] = await query(pool,
			'SELECT * FROM vr_receive_message(source => $1, message_id => $2, sender => $3, "text" => $4, context => $5)',
			[SOURCE, message.id, message.from, message.text, message.context]);
		metrics.inbound.inc({ outcome: row.outcome, duplicate: row.duplicate });
		// The first time only: the vendor has had the answer to the first.
		if (row.reply !== null && !row.duplicate) {
			tasks.add(transport.reply({ to: message.from, body: row.reply, replyTo: message.id })
				.catch((error) => app.log.warn({ err: error }, 'a reply was not sent')));
		}
	}

	async function receiveReceipt(receipt) {
		const status = { DELIVERED: 'DELIVERED', READ: 'READ', FAILED: 'FAILED' }[receipt.status];
		if (status === undefined) return; // "sent" is known already
		await query(pool, 'SELECT vr_confirm_delivery($1, $2, $3, $4)', [receipt.messageId, status, receipt.at, receipt.externalId]);
		metrics.receipts.inc({ status });
	}

	// 200 only when all of it is in the database; else WhatsApp sends it again, and what was
	// done already does not count twice.
	app.post('/webhooks/whatsapp', {
		bodyLimit: 4 * 1024 * 1024,
		schema: { summary: 'Messages and receipts' },
	}, async (request, reply) => {
		if (!Buffer.isBuffer(request.body)
			|| !signatureIsValid(config.appSecret, request.body, request.headers['x-hub-signature-256'])) {
			return reply.code(401).send({ error: 'UNAUTHORIZED', message: 'the signature is wrong' });
		}
		let body;
		try {
			body = JSON.parse(request.body);
		} catch {
			return reply.code(400).send({ error: 'BAD_REQUEST', message: 'the body is not JSON' });
		}
		let missed;
		for (const item of parseBatch(body)) {
			try {
				await (item.type === 'message' ? receiveMessage(item) : receiveReceipt(item));
			} catch (error) {
				request.log.warn({ err: error, item: item.id ?? item.messageId }, 'not recorded');
				// It would be refused for ever; anything else may be gone the next time, also if
				// somebody has to mend it.
				if (isRefusal(error)) metrics.refused.inc();
				else missed = error;
				// The rest of the batch must not wait for what is wrong with this item.
				if (missed !== undefined && !isAboutItem(missed)) break;
			}
		}
		if (missed !== undefined) throw Object.assign(new Error('not recorded', { cause: missed }), { statusCode: 503 });
		return reply.code(200).send({});
	});
}
