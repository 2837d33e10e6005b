// The REST routes.  Each is one call of one function of the extension.

import { authenticate, operatorsOnly } from './auth.js';
import { query } from './database.js';

const routingParams = {
	type: 'object',
	required: ['routingId'],
	properties: { routingId: { type: 'string', format: 'uuid' } },
};
const id = { type: 'string', minLength: 1, maxLength: 255 };
const failure = {
	type: 'object',
	properties: { error: { type: 'string' }, message: { type: 'string' }, reason: { type: 'string' } },
	additionalProperties: true,
};
const failures = Object.fromEntries(['400', '401', '403', '404', '409', '422', '429', '503'].map((code) => [code, failure]));

/** HTTP status of an outcome of vr_accept. */
const OUTCOME_STATUS = {
	LOCKED: 200, ALREADY_ACCEPTED: 200,
	ALREADY_LOCKED: 409, LOST_RACE: 409, CANCELLED: 409, EXPIRED: 409, ALREADY_REJECTED: 409, AT_CAPACITY: 409,
	NOT_INVITED: 403, UNAVAILABLE: 409, BUSY: 503,
};

/** The vendor a call is for: a vendor acts as itself, an operator says as whom. */
function actingVendor(request, reply) {
	const named = request.body?.vendorId;
	const { vendorId, isOperator } = request.caller;
	if (isOperator && named === undefined) {
		reply.code(400).send({ error: 'BAD_REQUEST', message: 'vendorId is needed' });
		return undefined;
	}
	if (!isOperator && named !== undefined && named !== vendorId) {
		reply.code(403).send({ error: 'FORBIDDEN', message: 'a vendor acts only as itself' });
		return undefined;
	}
	return isOperator ? named : vendorId;
}

/**
 * A vendor must not learn which orders there are: to it, one that does not exist is one that
 * it was not offered.  absent() says so.
 */
const hidingUnknown = (request, rows, absent) => rows.catch((error) => {
	if (request.caller.isOperator || !['VR001', 'VR005'].includes(error.code)) throw error;
	return absent();
});

function noSuchOffer(statusCode) {
	throw Object.assign(new Error('there is no such offer'), { statusCode, code: 'NOT_FOUND' });
}

export async function routes(app, { config, pool, metrics }) {
	app.addHook('onRequest', authenticate(pool));

	app.post('/api/orders/:orderId/route-to-vendors', {
		onRequest: operatorsOnly,
		schema: {
			summary: 'Offers an order to the best vendors',
			params: { type: 'object', properties: { orderId: id } },
			body: {
				type: 'object',
				required: ['retailerId'],
				additionalProperties: false,
				properties: {
					retailerId: id,
					product: id,
					amount: { type: 'number', minimum: 0 },
					latitude: { type: 'number', minimum: -90, maximum: 90 },
					longitude: { type: 'number', minimum: -180, maximum: 180 },
					payload: { type: 'object' },
					vendors: { type: 'array', items: id, minItems: 1, maxItems: 1000 },
					maxVendors: { type: 'integer', minimum: 1, maximum: 1000 },
				},
				dependencies: { latitude: ['longitude'], longitude: ['latitude'] },
			},
			response: {
				...failures,
				'2xx': {
					type: 'object',
					properties: { routingId: { type: 'string' }, vendorCount: { type: 'integer' }, created: { type: 'boolean' } },
				},
			},
		},
	}, async (request, reply) => {
		const order = request.body;
		const [row] = await query(pool, `SELECT routing_id, vendor_count, created
			FROM vr_broadcast(order_id => $1, retailer_id => $2, product => $3, amount => $4, latitude => $5,
				longitude => $6, payload => $7, vendors => $8, max_vendors => $9)`,
			[request.params.orderId, order.retailerId, order.product, order.amount, order.latitude,
				order.longitude, order.payload, order.vendors, order.maxVendors]);
		reply.code(row.created ? 201 : 200);
		return { routingId: row.routing_id, vendorCount: row.vendor_count, created: row.created };
	});

	app.post('/api/routing/:routingId/accept', {
		schema: {
			summary: 'Accepts an order; the first one wins',
			description: '200: it is yours. 409: too late, reason says why.',
			params: routingParams,
			body: {
				type: ['object', 'null'],
				additionalProperties: false,
				properties: { vendorId: id, payload: { type: 'object' } },
			},
			response: {
				...failures,
				200: {
					type: 'object',
					properties: {
						accepted: { type: 'boolean' }, reason: { type: 'string' }, orderId: { type: 'string' },
						lockedAt: { type: ['string', 'null'] },
					},
				},
			},
		},
	}, async (request, reply) => {
		const vendorId = actingVendor(request, reply);
		if (vendorId === undefined) return reply;
		const [row] = await hidingUnknown(request, query(pool, 'SELECT * FROM vr_accept($1, $2, $3)',
			[request.params.routingId, vendorId, request.body?.payload]), () => [{ reason: 'NOT_INVITED' }]);
		const status = OUTCOME_STATUS[row.reason] ?? 409;
		metrics.outcomes.inc({ outcome: row.reason });
		reply.code(status);
		if (status === 200) {
			return { accepted: true, reason: row.reason, orderId: row.order_id, lockedAt: row.locked_at };
		}
		if (status === 503) reply.header('retry-after', 1);
		return {
			error: 'NOT_ACCEPTED',
			message: 'the order was not given to this vendor',
			accepted: false,
			reason: row.reason,
			...((config.revealWinner && row.reason !== 'NOT_INVITED' || request.caller.isOperator) && { lockedVendorId: row.locked_vendor_id }),
		};
	});

	app.post('/api/routing/:routingId/vendor-response', {
		schema: {
			summary: 'Records the answer of a vendor, without deciding the order',
			params: routingParams,
			body: {
				type: 'object',
				required: ['response'],
				additionalProperties: false,
				properties: {
					vendorId: id,
					response: { enum: ['ACCEPT', 'REJECT', 'ERROR'] },
					reason: { type: 'string', maxLength: 500 },
					declineCode: { enum: ['NO_STOCK', 'NO_CAPACITY', 'PRICE', 'TIME', 'AREA', 'CLOSED', 'OTHER'] },
					payload: { type: 'object' },
				},
			},
			response: {
				...failures,
				200: {
					type: 'object',
					properties: {
						response: { type: 'string' }, respondedAt: { type: 'string' }, recorded: { type: 'boolean' },
					},
				},
			},
		},
	}, async (request, reply) => {
		const vendorId = actingVendor(request, reply);
		if (vendorId === undefined) return reply;
		const { response, reason, payload, declineCode } = request.body;
		const [row] = await hidingUnknown(request, query(pool, `SELECT * FROM vr_respond($1, $2, $3, reason => $4, payload => $5, decline_code => $6)`,
			[request.params.routingId, vendorId, response, reason, payload, declineCode]), () => noSuchOffer(403));
		return { response: row.response_recorded, respondedAt: row.responded_at, recorded: row.recorded };
	});

	app.get('/api/routing/:routingId/status', {
		schema: {
			summary: 'How an order stands: all of it for an operator, its own part for a vendor',
			params: routingParams,
			response: { ...failures, 200: { type: 'object', additionalProperties: true } },
		},
	}, async (request) => {
		const [{ status }] = await hidingUnknown(request, query(pool, 'SELECT vr_status($1) AS status', [request.params.routingId]),
			() => noSuchOffer(404));
		const { vendorId, isOperator } = request.caller;
		if (isOperator) return status;
		const own = status.responses.find((response) => response.vendor_id === vendorId);
		if (own === undefined) noSuchOffer(404);
		return {
			routing_id: status.routing_id,
			order_id: status.order_id,
			status: status.status,
			won: status.locked_vendor_id === vendorId,
			...(config.revealWinner && { locked_vendor_id: status.locked_vendor_id }),
			offer: own,
		};
	});

	app.post('/api/routing/:routingId/cancel', {
		onRequest: operatorsOnly,
		schema: {
			summary: 'Withdraws an order, also from the vendor that has it',
			params: routingParams,
			body: {
				type: ['object', 'null'],
				additionalProperties: false,
				properties: { reason: { type: 'string', maxLength: 500 } },
			},
			response: {
				...failures,
				200: {
					type: 'object',
					properties: { cancelled: { type: 'boolean' }, cancelledCount: { type: 'integer' } },
				},
			},
		},
	}, async (request) => {
		const [row] = await query(pool, 'SELECT * FROM vr_cancel($1, $2)',
			[request.params.routingId, request.body?.reason]);
		return { cancelled: row.cancelled, cancelledCount: row.cancelled_count };
	});
}
