// The live page, in headless Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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

test('many watch, one looks; and closing the gateway does not wait for them', async () => {
	// Would catch: a query per viewer, a shutdown that hangs on open streams.
	const pages = await Promise.all([open(), open(), open()]);
	await Promise.all(pages.map((page) => page.locator('article').first().waitFor()));
	const count = async () => Number((await db.sql(
		`SELECT sum(calls)::int AS n FROM (SELECT count(*) AS calls FROM pg_stat_activity WHERE usename LIKE 'vr_gateway_login_%' AND query LIKE '%vr_open_routings%') AS s`))[0].n);
	assert.ok(await count() <= 1, 'one connection looks for all of them');
	const begun = Date.now();
	await app.close();
	assert.ok(Date.now() - begun < 5000, 'closed at once');
	await pages[0].getByText('not connected, trying again').waitFor();
	app = await startGateway();
});
