// The live page, in headless Chromium.

import assert from 'node:assert/strict';
import { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { chromium } from 'playwright-core';
import { createDatabase, startGateway, until } from './stage.js';

let db;
let app;
let browser;
let operator;

before(async () => {
	db = await createDatabase(3);
	await db.sql(`UPDATE vendor_routing.vendors SET name = '<b id=evil>Evil & Sons</b>' WHERE vendor_id = 'v3'`);
	operator = await db.key(null);
	app = await startGateway();
	browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => {
	await browser?.close();
	await app?.close();
	await db?.drop();
});

async function open(width = 1280) {
	const context = await browser.newContext({
		viewport: { width, height: 800 },
		httpCredentials: { username: 'operator', password: operator },
	});
	const page = await context.newPage();
	page.problems = [];
	page.on('pageerror', (error) => page.problems.push(String(error)));
	page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
	await page.goto(`${app.url}/board`);
	return page;
}

test('a race is shown as it happens', async () => {
	// Would catch: a page that shows nothing, or only after a reload.
	const page = await open();
	await page.getByText('No order is being offered.').waitFor();
	await db.sql(`SELECT FROM vr_broadcast('board-1', 'shop')`);
	const card = page.locator('article[data-order="board-1"]');
	await card.waitFor();
	assert.equal(await card.locator('li').count(), 3);
	assert.equal(await card.locator('.OFFERED').count(), 3);
	assert.match(await card.locator('.left').textContent(), /^\d+ (s|min) left$/);
	const left = await card.locator('.left').textContent();
	await until(async () => (await card.locator('.left').textContent()) !== left, 'the clock ticks');
	await db.sql(`SELECT FROM vr_accept(vr_routing_id('board-1'), 'v2')`);
	await page.locator('article.LOCKED[data-order="board-1"]').waitFor();
	assert.match(await card.locator('.result').textContent(), /won: Vendor 2/);
	assert.deepEqual(await card.locator('.answer').allTextContents(), ['lost', 'won', 'lost']);
	assert.match(await page.locator('#state').textContent(), /0 open, 1 decided/);
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

test('what is in the database is text and never markup', async () => {
	// Would catch: a vendor whose name runs in the operator's browser.
	await db.sql(`SELECT FROM vr_broadcast('<img src=x onerror=alert(1)>', 'shop')`);
	const page = await open();
	await page.getByText('<img src=x onerror=alert(1)>').waitFor();
	assert.equal(await page.locator('#evil, main img').count(), 0);
	assert.ok(await page.getByText('<b id=evil>Evil & Sons</b>').count() > 0);
	assert.deepEqual(page.problems, []);
	await page.context().close();
});

test('it fits a phone', async () => {
	// Would catch: a page that has to be scrolled sideways.
	await db.sql(`SELECT FROM vr_broadcast($1, 'shop')`, ['a-very-long-order-id-'.repeat(5)]);
	const page = await open(375);
	await page.getByText('a-very-long-order-id-'.repeat(5)).waitFor();
	const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
	assert.ok(content <= window, `${content} px of content in ${window} px`);
	await page.context().close();
});

/** The stream of the live page. */
const events = () => fetch(`${app.url}/board/events`, { headers: { 'x-api-key': operator } });

test('it keeps the newest, also when none is decided', async () => {
	// Would catch: a page, and a query, that grow for ever.
	const reader = (await events()).body.pipeThrough(new TextDecoderStream()).getReader();
	let text = '';
	const shown = async (pattern) => {
		while (!pattern.test(text)) text += (await reader.read()).value;
		const orders = text.match(/"order":"[^"]*"/g);
		text = '';
		return orders;
	};
	await db.sql(`SELECT FROM generate_series(1, 70) AS i, vr_broadcast('old-' || i, 'shop')`);
	await shown(/"order":"old-[^]*\n\n/);
	await db.sql(`SELECT FROM generate_series(1, 70) AS i, vr_broadcast('new-' || i, 'shop')`);
	const orders = await shown(/"order":"new-[^]*\n\n/);
	await reader.cancel();
	assert.equal(orders.length, 60);
	assert.ok(orders.every((order) => order.includes('new-')));
	await db.sql(`SELECT vr_cancel(routing_id) FROM vendor_routing.routings WHERE status = 'PENDING'`);
});

test('who does not take what it is told is given up', { timeout: 20_000 }, async () => {
	// Would catch: a watcher that has gone to sleep, and fills our memory.
	const response = await events();
	Object.defineProperty(ServerResponse.prototype, 'writableNeedDrain', { get: () => true, configurable: true });
	try {
		await assert.rejects(response.text(), /terminated/);
	} finally {
		delete ServerResponse.prototype.writableNeedDrain;
	}
});

test('many watch, one looks; and closing the gateway does not wait for them', async () => {
	// Would catch: a query per viewer, a shutdown that hangs on open streams.
	const pages = await Promise.all([open(), open(), open()]);
	await Promise.all(pages.map((page) => page.locator('article').first().waitFor()));
	const { query } = pg.Pool.prototype;
	let looks = 0;
	pg.Pool.prototype.query = function counted(sql, ...rest) {
		if (/vr_open_routings/.test(sql)) looks++;
		return query.call(this, sql, ...rest);
	};
	await sleep(4500);
	pg.Pool.prototype.query = query;
	assert.ok(looks >= 2 && looks <= 5, `${looks} looks in 4.5 seconds`);
	const begun = Date.now();
	await app.close();
	assert.ok(Date.now() - begun < 5000, 'closed at once');
	await pages[0].getByText('not connected, trying again').waitFor();
	app = await startGateway();
});
