// The browser's side of console_browser_test.py.
import assert from 'node:assert/strict';
import { axeFindings, base, browser, end, found, go, group, hostile, judge, key, open, part, test, write } from './browser.mjs';

const SCREENS = {
  overview: '/', events: '/events', event: '/events?id=order-3', live: '/events?live=1', trace: '/trace/order-3', executions: '/executions', waiting: '/executions?status=waiting',
  dlq: '/dlq', group: `/dlq/${group}`, subscriptions: '/subscriptions', subscription: '/subscriptions/orders', 'new-subscription': '/subscriptions/+', scripts: '/scripts', script: '/scripts/book',
  graph: '/trace/order-3?view=graph', workflow: '/workflows/flow', 'workflow-step': '/workflows/flow?step=look', runs: '/workflows?tab=runs', run: '/workflows/runs/flow-1?step=both', 'run-list': '/workflows/runs/waits-1?view=list', agenda: '/schedules?view=agenda', month: '/schedules?view=month', columns: '/events?cols=n,who',
  settings: '/system?tab=settings&all=1', log: '/system?tab=log', cost: '/system?tab=cost', help: '/help', 'help-lua': '/help/lua', 'all-letters': '/dlq?state=all',
  replays: '/replays', 'new-replay': '/replays/+', schedules: '/schedules', schedule: '/schedules/nightly', workflows: '/workflows', keys: '/keys', tenants: '/keys?tab=tenants', system: '/system', audit: '/system?tab=audit', figures: '/system?tab=raw',
};

if (part === 'screens') await judge(SCREENS, 'no such customer');

if (part === 'work') {
  const page = await open();
  await test('what an event holds is text, digit for digit', async () => {
    await go(page, '/events?id=order-3');
    await page.waitForSelector('.json pre');
    const text = await page.locator('.drawer').innerText();
    assert.ok(text.includes(hostile));
    assert.ok(text.includes('12345678901234567890'));
    assert.equal(await page.locator('main img, main script').count(), 0);
  });
  await test('the keyboard alone finds, walks and opens', async () => {
    await go(page, '/');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await page.waitForSelector('tr[data-row]');
    await page.keyboard.press('/');
    await page.keyboard.type('order.shipped');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash.includes('q=order.shipped') && [...document.querySelectorAll('td .pattern')].length > 0 && [...document.querySelectorAll('td .pattern')].every((cell) => cell.textContent === 'order.shipped'));
    await page.keyboard.press('Escape');
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.drawer');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('dialog[open]').count(), 0);
  });
  await test('an expression is a filter, and what is wrong with it is told', async () => {
    await go(page, '/events?q=' + encodeURIComponent('$.payload.n > 27'));
    await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length === 2);
    await go(page, '/events?q=' + encodeURIComponent('$.payload.n >'));
    await page.waitForSelector('.fault');
    assert.match(await page.locator('.fault').innerText(), /VALIDATION_ERROR/);
    found.length = 0;  // the browser tells of every 400
  });
  await test('a member of the payload and its value are looked for, and members are offered', async () => {
    await go(page, '/events?q=order.*');
    await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length > 20);
    assert.deepEqual(await page.$$eval('#fields option', (all) => all.map((one) => one.value).filter((one) => ['who:', 'n:', 'source:'].includes(one)).sort()), ['n:', 'source:', 'who:']);
    await go(page, '/events?q=' + encodeURIComponent('order.* n:17'));
    await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length === 1);
    await go(page, '/events?q=' + encodeURIComponent('order.* who:c-1*'));
    await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length === 5);  // 10, 12, 14, 16, 18
  });
  await test('the tail shows what comes, pauses and counts', async () => {
    await go(page, '/events?live=1');
    await page.waitForFunction(() => document.body.innerText.includes('since it was opened'));
    const send = (n) => fetch(`${base}/v2/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ pattern: 'tail.now', payload: { n } }) });
    await page.waitForTimeout(1000);
    await send(1);
    await page.waitForSelector('text=tail.now');
    await page.click('text=Pause');
    await send(2);
    await page.waitForSelector('text=1 new');
    assert.equal(await page.locator('td .pattern', { hasText: 'tail.now' }).count(), 1);
    await page.click('text=1 new');
    await page.waitForFunction(() => [...document.querySelectorAll('td .pattern')].filter((cell) => cell.textContent === 'tail.now').length === 2);
  });
  await test('what the memory comes to, and how it is shared out, stands on the system page', async () => {
    await go(page, '/system');
    const card = page.locator('section.card', { has: page.locator('h2', { hasText: 'Memory' }) });
    assert.match(await card.innerText(), /calm[^]*\d MiB of 512 MiB[^]*Write buffers[^]*Not shared out/);
  });
  await test('a script is changed, and a mistake is shown at its line', async () => {
    await go(page, '/scripts/book');
    const editor = page.locator('.editor .cm-content');
    await write(editor, 'return function(event)\n  return {ok = 1 +}\nend\n');
    await page.click('text=Save new version');
    await page.waitForSelector('.editor .cm-lint-marker-error');
    assert.match(await page.locator('.editor .cm-lintRange-error').first().innerText(), /1 \+/);
    await write(editor, 'return function(event)\n  return {ok = 2}\nend\n');
    await page.click('text=Save new version');
    await page.waitForSelector('text=version 2');
    found.length = 0;
  });
  await test('a subscription is previewed as it is typed', async () => {
    await go(page, '/subscriptions/orders');
    const editor = page.locator('.editor .cm-content');
    const document = JSON.parse(await editor.innerText());
    await write(editor, JSON.stringify({ ...document, filter: '$.payload.n > 27' }));
    await page.waitForSelector('text=against what is saved');
    await page.waitForSelector('text=Would no longer come');
    assert.match(await page.locator('section', { hasText: 'Kept out by one condition alone' }).last().innerText(), /\$\.payload\.n > 27[^]*order-/);
    await page.waitForSelector('text=an index finds it');
  });
  await test('what was done can be run again, from its own event', async () => {
    await go(page, '/executions?status=completed&subscriptionId=orders');
    await page.locator('tr[data-row]').first().click();
    await page.click('text=Run again');
    await page.waitForFunction(() => location.hash.startsWith('#/replays/+'));
    await page.click('text=Next');
    assert.ok(await page.locator('label.check', { hasText: 'order.*' }).locator('input').isChecked());
    await page.click('button:text("Dry run")');
    await page.waitForSelector('text=It would take about');
  });
  await test('dead letters go in portions, and it stops when too many fail again', async () => {
    await go(page, `/dlq/${group}`);
    await page.click('text=/Deliver all .* again/');
    await page.getByLabel('Stop when more than so many % fail again').fill('10');
    await page.click('dialog[open] button.main');
    await page.waitForSelector('text=It has ended: more than 10 % have failed again', { timeout: 20_000 });
    assert.equal(await page.getByRole('group', { name: 'State' }).getByText('All', { exact: true }).count(), 0);
  });
  await test('all dead letters of a kind go again, and their count is typed or said', async () => {
    await go(page, `/dlq/${group}`);
    await page.click('text=Acknowledged');
    await page.waitForSelector('text=The group is acknowledged');
    await page.click('text=/Deliver all .* again/');
    await page.waitForSelector('dialog[open] >> text=/Deliver \\d+ dead letters again/');
    await page.click('dialog[open] button.main');
    await page.waitForSelector('text=on their way again');
  });
  await test('a workflow is a picture and a list, a run tells what each step got, and can be steered', async () => {
    await go(page, '/workflows/flow');
    await page.waitForSelector('.graph a.node');
    assert.equal(await page.locator('.graph .node').count(), 6);
    assert.equal(await page.locator('.graph .way').count(), 6);
    await page.click('button:text("List")');
    await page.waitForSelector('tr[data-row] >> text=parallel');
    await go(page, '/workflows/runs/flow-1');
    await page.locator('.graph a.node', { hasText: 'left' }).click();
    await page.waitForSelector('.drawer >> text=ok');
    assert.equal(await page.locator('.graph .node.away').count(), 1, 'the way that was not taken');
    await go(page, '/workflows/runs/waits-1');
    await page.click('text=/^Pause/');
    await page.click('dialog[open] button.main');
    await page.waitForSelector('.status >> text=paused');
    await page.click('button:text("Resume")');
    await page.click('text=/^Signal/');
    await page.fill('dialog[open] input', 'go');
    await page.click('dialog[open] button.main');
    await page.waitForSelector('header .status >> text=completed');
  });
  await test('the pages of help are read, and lead to each other', async () => {
    await go(page, '/subscriptions');
    await page.click('a.more');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent === 'Filters' && document.querySelectorAll('.sample pre').length > 3);
    await page.click('nav[aria-label=Topics] >> text=Errors');
    await page.waitForSelector('td >> text=VALIDATION_ERROR');
    await page.click('article >> text=millrace help retries');
    await page.waitForFunction(() => document.querySelector('h1')?.textContent === 'Retries and dead letters');
  });
  await test('members of the payload are columns', async () => {
    await go(page, '/events?cols=n,serial');
    await page.waitForFunction(() => [...document.querySelectorAll('td')].some((cell) => cell.textContent === '12345678901234567890'));
  });
  await test('settings tell what has said them, and the log its last lines', async () => {
    await go(page, '/system?tab=settings');
    const row = page.locator('tr', { hasText: 'memory.max' });
    assert.match(await row.innerText(), /536870912[^]*environment/);
    await go(page, '/system?tab=log');
    await page.waitForSelector('.log td >> text=serving');
  });
  await test('the keyboard leaves an editor', async () => {
    await go(page, '/scripts/book');
    await page.locator('.editor .cm-content').click();
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement?.closest('.editor') !== null), 'Tab indents');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement?.closest('.editor') === null), 'and leaves behind Escape');
  });
  await test('seven pages of one browser all live', async () => {
    const pages = [];
    for (let n = 0; n < 7; n++) {
      const one = await page.context().newPage();
      await one.goto(`${base}/`);
      await one.waitForSelector('.dot.live', { timeout: 20_000 });
      pages.push(one);
    }
    await Promise.all(pages.map((one) => one.close()));
  });
}

if (part === 'restart') {
  const page = await open();
  await test('a tail goes on where it was when the server comes back', async () => {
    await go(page, '/events?live=1');
    await page.waitForFunction(() => document.body.innerText.includes('since it was opened'));
    await page.waitForTimeout(1000);
    await fetch(`${base}/v2/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ pattern: 'tail.before', payload: {} }) });
    await page.waitForSelector('td >> text=tail.before');
    console.log('restart');
    await page.waitForSelector('td >> text=tail.after', { timeout: 60_000 });
    for (const pattern of ['tail.before', 'tail.after']) assert.equal(await page.locator('td .pattern', { hasText: pattern }).count(), 1);
    found.length = 0;  // the browser tells that nobody was there
  });
}

if (part === 'session') {
  const page = await open();
  await test('a key is asked for, traded, and given back', async () => {
    await page.goto(base);
    await page.waitForSelector('input[type=password]');
    assert.deepEqual(await axeFindings(page), []);
    await page.fill('input[type=password]', 'mr_live_wrong');
    await page.click('text=Sign in');
    await page.waitForSelector('.fault');
    await page.fill('input[type=password]', key);
    await page.click('text=Sign in');
    await page.waitForSelector('.tiles');
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads the cookie');
    await page.waitForSelector('.dot.live', { timeout: 20_000 });
    await page.reload();
    await page.waitForSelector('.tiles');
    await page.click('text=Sign out');
    await page.waitForSelector('input[type=password]');
    await page.reload();
    await page.waitForSelector('input[type=password]');
    found.length = 0;
  });
}

if (part === 'client') {
  const origin = process.env.CONSOLE_ORIGIN;
  await test('the client for JavaScript sends, finds, follows and is refused in a page of another origin', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${origin}/errors.js`);  // any page of that origin
    const told = await page.evaluate(async ({ base, key }) => {
      const mr = await import('/index.js');
      const client = new mr.Client({ url: base, apiKey: key });
      const batch = client.batcher({ eventsMax: 10 });
      const results = [];
      for (let n = 0; n < 25; n++) results.push((await batch.push({ pattern: 'page.sent', payload: { n } })).result);
      await batch.close();
      const ids = new Set((await Promise.all(results)).map((one) => one.eventId));
      const followed = [];
      for await (const { event } of client.stream({ pattern: 'page.sent', from: 'beginning' })) if (followed.push(event.payload.n) === 25) break;
      const refused = await client.call('GET', '/v2/scripts/none').catch((error) => [error instanceof mr.NotFound, error.code]);
      const unsigned = await mr.verifyWebhook('whsec_AAAA', { 'webhook-id': 'a', 'webhook-timestamp': '1', 'webhook-signature': 'v1,AAAA' }, '{}').catch((error) => error instanceof mr.SignatureError);
      return { sent: ids.size, followed: followed.sort((a, b) => a - b), refused, unsigned };
    }, { base, key });
    assert.deepEqual(told, { sent: 25, followed: Array.from({ length: 25 }, (_, n) => n), refused: [true, 'NOT_FOUND'], unsigned: true });
  });
}

await end();
