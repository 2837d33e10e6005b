// The sender: claims messages that are due, sends them, says what came of it.  Any number
// may run; one that is killed leaves its messages to the others when the lease ends.

import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { isRefusal, query } from './database.js';

/** What vr_message_failed takes of a text: 2000 bytes, and whole characters. */
const brief = (text) => text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(2000)).read);

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
		const now = performance.now();
		nextStart = Math.max(nextStart + 1000 / config.perSecond, pausedUntil, now);
		await sleep(nextStart - now, undefined, { signal: stopping.signal }).catch(() => {});
	}

	/** Says what came of a message, until the database has it or the lease ends. */
	async function report(deadline, sql, values) {
		for (let wait = 100; ; wait = Math.min(2 * wait, 5000)) {
			try {
				await query(pool, sql, values);
				return;
			} catch (error) {
				if (isRefusal(error) || performance.now() + wait >= deadline) {
					// The lease ends, and it is sent again with the same id.
					log.warn({ err: error }, 'a result was not recorded');
					return;
				}
			}
			await sleep(wait);
		}
	}

	// With the attempt: by then another sender may have the message.
	const reportSent = (deadline, message, externalId) => report(deadline, 'SELECT vr_message_sent($1, $2, $3)',
		[message.message_id, externalId, message.attempt]);
	const reportFailure = (deadline, message, reason, mayHaveArrived) => report(deadline,
		'SELECT vr_message_failed($1, $2, $3, $4)', [message.message_id, reason, mayHaveArrived, message.attempt]);

	async function sendOne(message, deadline) {
		// What cannot be sent within the lease does not wait for its end.
		if (pausedUntil < deadline) await pace();
		if (Math.max(performance.now(), pausedUntil) >= deadline || stopping.signal.aborted) {
			metrics.sends.inc({ kind: message.kind, result: 'postponed' });
			await reportFailure(deadline, message, 'postponed', false);
			return;
		}
		const done = metrics.sendSeconds.startTimer();
		try {
			const externalId = await transport.send(message);
			metrics.sends.inc({ kind: message.kind, result: 'sent' });
			await reportSent(deadline, message, externalId);
		} catch (error) {
			pausedUntil = Math.max(pausedUntil, performance.now() + (error.retryAfter ?? 0));
			metrics.sends.inc({ kind: message.kind, result: 'failed' });
			const reason = brief(error.message);
			log.info({ messageId: message.message_id, attempt: message.attempt, reason }, 'not sent');
			await reportFailure(deadline, message, reason, error.mayHaveArrived ?? true);
		} finally {
			done();
		}
	}

	async function run() {
		while (!stopping.signal.aborted) {
			// A claim counts as an attempt, and nobody may send now.
			if (pausedUntil > performance.now()) {
				await rest(pausedUntil - performance.now());
				continue;
			}
			let claimed = 0;
			try {
				// By our own clock, and from before the claim: not later than the database's.
				const deadline = performance.now() + config.lease;
				// No transaction around it: the lease holds from its own commit on.
				const messages = await query(pool, 'SELECT * FROM vr_claim_messages($1, $2, $3)',
					[config.channel, config.batch, `${config.lease} milliseconds`]);
				claimed = messages.length;
				await Promise.all(messages.map((message) => limit(() => sendOne(message, deadline))));
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
