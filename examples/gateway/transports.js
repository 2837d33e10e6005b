// How a message goes out.  A transport has
//
//	send({ message_id, kind, routing_id, phone, body, ... })   resolves to the external id
//	reply({ to, body, replyTo })
//
// and throws a SendError.

export class SendError extends Error {
	/**
	 * @param {string} message
	 * @param {{ mayHaveArrived?: boolean, retryAfter?: number }} what retryAfter in milliseconds: nobody may send until then
	 */
	constructor(message, { mayHaveArrived = false, retryAfter = 0 } = {}) {
		super(message);
		this.mayHaveArrived = mayHaveArrived;
		this.retryAfter = retryAfter;
	}
}

/** Prints what it would send. */
export function consoleTransport(print = console.log) {
	return {
		async send(message) {
			print(`-> ${message.phone ?? message.vendor_id}: ${message.body}`);
			return `console-${message.message_id}`;
		},
		async reply({ to, body }) {
			print(`-> ${to}: ${body}`);
		},
	};
}

/** WhatsApp, by the Cloud API. */
export function cloudApiTransport({ baseUrl, version, phoneNumberId, token, timeout }) {
	const url = `${baseUrl.replace(/\/$/, '')}/${version}/${phoneNumberId}/messages`;

	async function post(content) {
		// Not AbortSignal.timeout: in Node 18 it can be collected before it fires.
		const abort = new AbortController();
		const timer = setTimeout(() => abort.abort(), timeout);
		try {
			return await exchange(content, abort.signal);
		} finally {
			clearTimeout(timer);
		}
	}

	async function exchange(content, signal) {
		let response;
		try {
			response = await fetch(url, {
				method: 'POST',
				headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
				body: JSON.stringify({ messaging_product: 'whatsapp', recipient_type: 'individual', ...content }),
				signal,
			});
		} catch (error) {
			// Where there was no connection nothing arrived; else nobody knows.
			const code = error.cause?.code;
			throw new SendError(code ?? error.name, {
				mayHaveArrived: !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'].includes(code),
			});
		}
		const answer = await response.json().catch(() => null);
		if (response.status === 429) {
			const seconds = Number(response.headers.get('retry-after'));
			throw new SendError('429', { retryAfter: (seconds > 0 ? seconds : 1) * 1000 });
		}
		if (!response.ok) {
			// The code of WhatsApp, and not all that it says: that may have the vendor's phone.
			throw new SendError([response.status, answer?.error?.code].filter(Number.isInteger).join(' '),
				{ mayHaveArrived: response.status >= 500 });
		}
		return answer?.messages?.[0]?.id ?? null; // null: it went out, and replies to it will not be recognised
	}

	const digits = (phone) => phone.replace(/^\+/, '');

	return {
		async send(message) {
			if (message.phone === null) throw new SendError('no phone');
			const common = { to: digits(message.phone), biz_opaque_callback_data: message.message_id };
			if (message.kind !== 'OFFER') return post({ ...common, type: 'text', text: { body: message.body } });
			return post({
				...common,
				type: 'interactive',
				interactive: {
					type: 'button',
					body: { text: message.body.slice(0, 1024) },
					action: {
						buttons: [['ACCEPT', 'Accept'], ['REJECT', 'Reject']].map(([command, title]) => ({
							type: 'reply',
							reply: { id: `${command}:${message.routing_id}`, title },
						})),
					},
				},
			});
		},
		async reply({ to, body, replyTo }) {
			await post({ to: digits(to), context: { message_id: replyTo }, type: 'text', text: { body } });
		},
	};
}
