// Who is calling: the key in X-API-Key, or as bearer token, or (for the live page, in a
// browser) as the password of HTTP Basic.

import { createHash } from 'node:crypto';
import { query } from './database.js';

function keyOf(request, basic) {
	const header = request.headers.authorization ?? '';
	const [, scheme, value] = /^(\S+)\s+(.*)$/.exec(header) ?? [];
	if (request.headers['x-api-key']) return String(request.headers['x-api-key']);
	if (/^bearer$/i.test(scheme)) return value;
	if (basic && /^basic$/i.test(scheme)) return Buffer.from(value, 'base64').toString().split(':').slice(1).join(':');
	return undefined;
}

/**
 * A hook that sets request.caller, or answers 401.  A browser sends what it has for Basic
 * with every request, whoever made it do so: basic is for pages that change nothing.
 */
export function authenticate(pool, { basic = false } = {}) {
	return async (request, reply) => {
		const key = keyOf(request, basic);
		const hash = key === undefined ? undefined : createHash('sha256').update(key).digest();
		const rows = hash === undefined ? [] : await query(pool,
			'SELECT vendor_id FROM gateway.api_keys WHERE key_sha256 = $1', [hash]);
		if (rows.length === 0) {
			reply.header('www-authenticate', `${basic ? 'Basic' : 'Bearer'} realm="gateway"`);
			return reply.code(401).send({ error: 'UNAUTHORIZED', message: 'a valid key is needed' });
		}
		request.caller = { id: hash.toString('hex'), vendorId: rows[0].vendor_id, isOperator: rows[0].vendor_id === null };
	};
}

/** A hook that refuses what a page of another site makes a browser do. */
export async function ownSiteOnly(request, reply) {
	const site = request.headers['sec-fetch-site'];
	if (!['GET', 'HEAD'].includes(request.method) && site !== undefined && !['same-origin', 'none'].includes(site)) {
		return reply.code(403).send({ error: 'FORBIDDEN', message: 'not from a page of another site' });
	}
}

/** A hook for what only operators may do. */
export async function operatorsOnly(request, reply) {
	if (!request.caller.isOperator) {
		return reply.code(403).send({ error: 'FORBIDDEN', message: 'only an operator may do this' });
	}
}
