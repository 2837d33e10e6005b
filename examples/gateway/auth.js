// Who is calling: the key in X-API-Key, or as bearer token, or (for a browser) as the
// password of HTTP Basic.

import { createHash } from 'node:crypto';
import { query } from './database.js';

function keyOf(request) {
	const header = request.headers.authorization ?? '';
	const [, scheme, value] = /^(\S+)\s+(.*)$/.exec(header) ?? [];
	if (request.headers['x-api-key']) return String(request.headers['x-api-key']);
	if (/^bearer$/i.test(scheme)) return value;
	if (/^basic$/i.test(scheme)) return Buffer.from(value, 'base64').toString().split(':').slice(1).join(':');
	return undefined;
}

/** A hook that sets request.caller, or answers 401. */
export function authenticate(pool) {
	return async (request, reply) => {
		const key = keyOf(request);
		const rows = key === undefined ? [] : await query(pool,
			'SELECT vendor_id FROM gateway.api_keys WHERE key_sha256 = $1',
			[createHash('sha256').update(key).digest()]);
		if (rows.length === 0) {
			reply.header('www-authenticate', 'Basic realm="gateway"');
			return reply.code(401).send({ error: 'UNAUTHORIZED', message: 'a valid key is needed' });
		}
		request.caller = { vendorId: rows[0].vendor_id, isOperator: rows[0].vendor_id === null };
	};
}

/** A hook for what only operators may do. */
export async function operatorsOnly(request, reply) {
	if (!request.caller.isOperator) {
		return reply.code(403).send({ error: 'FORBIDDEN', message: 'only an operator may do this' });
	}
}
