// The sender: claims messages that are due, sends them, says what came of it.  Any number
// may run; one that is killed leaves its messages to the others when the lease ends.

import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { query } from './database.js';

export function startSender({ pool, transport, config, metrics, log }) {
	const stopping = new AbortController();
	const limit = pLimit(config.concurrency);
	let wake = () => {};
	let pausedUntil = 0;
	let nextStart = 0;

	/** Waits, until woken at the latest. */
	async function rest(milliseconds) {
		const woken = new AbortController();
		wake = () => woken.abort();
		if (!stopping.signal.aborted) {
			await sleep(milliseconds, undefined, { signal: woken.signal }).catch(() => {});
		}
	}

	/** At most so many starts per second, and none while the channel told us to wait. */
	async function pace() {
		const now = Date.now();
		nextStart = Math.max(nextStart + 1000 / config.perSecond, pausedUntil, now);
		await sleep(nextStart - now, undefined, { signal: stopping.signal }).catch(() => {});
	}

	async function report(sql, values) {
		try {
			await query(pool, sql, values);
		} catch (error) {
			// The lease ends, and it is sent again with the same id.
			log.warn({ err: error }, 'a result was not recorded');
		}
	}

	async function sendOne(message) {
		await pace();
		// After the lease it is another sender's.
		if (Date.now() > message.leased_until.getTime() || stopping.signal.aborted) {
			metrics.sends.inc({ kind: message.kind, result: 'postponed' });
			await report('SELECT vr_message_failed($1, $2)', [message.message_id, 'postponed']);
			return;
		}
		const done = metrics.sendSeconds.startTimer();
		try {
			const externalId = await transport.send(message);
			metrics.sends.inc({ kind: message.kind, result: 'sent' });
			await report('SELECT vr_message_sent($1, $2)', [message.message_id, externalId]);
		} catch (error) {
			pausedUntil = Math.max(pausedUntil, Date.now() + (error.retryAfter ?? 0));
			metrics.sends.inc({ kind: message.kind, result: 'failed' });
			log.info({ messageId: message.message_id, attempt: message.attempt, reason: error.message }, 'not sent');
			await report('SELECT vr_message_failed($1, $2, $3)',
				[message.message_id, error.message, error.mayHaveArrived ?? true]);
		} finally {
			done();
		}
	}

	async function run() {
		while (!stopping.signal.aborted) {
			let claimed = 0;
			try {
				// No transaction around it: the lease holds from its own commit on.
				const messages = await query(pool, 'SELECT * FROM vr_claim_messages($1, $2, $3)',
					[config.channel, config.batch, `${config.lease} milliseconds`]);
				claimed = messages.length;
				await Promise.all(messages.map((message) => limit(() => sendOne(message))));
			} catch (error) {
				log.warn({ err: error }, 'cannot claim messages');
			}
			if (claimed < config.batch) await rest(config.pollInterval);
		}
	}

	const running = run();
	return {
		wake: () => wake(),
		/** Claims nothing more, and finishes what is on its way. */
		async stop() {
			stopping.abort();
			wake();
			await running;
		},
	};
}
