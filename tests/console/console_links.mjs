// The browser's side of console_browser_test.py: links and edges, over the server of linked.py.
import assert from 'node:assert/strict';
import { base, end, found, go, hostile, judge, open, test, write } from './browser.mjs';

const SCREENS = {
  links: '/links', 'links-wanting': '/links?show=wants', link: '/links/app-log', 'link-stopped': '/links/till', 'link-retrying': '/links/jets', 'link-paused': '/links/resting', 'link-sink': '/links/receipts', 'link-stream': '/links/all',
  'new-link': '/links/+', edges: '/links?tab=edges', edge: '/links/edge/shop-1', 'edge-unheard': '/links/edge/van', alone: '/cluster',
};
const api = async (method, path, body) => {
  const answer = await fetch(`${base}${path}`, { method, headers: { 'Content-Type': 'application/json' }, ...(body ? { body: JSON.stringify(body) } : {}) });
  return { code: answer.status, body: await answer.json() };
};
const stateOf = async (id) => (await api('GET', `/v2/links/${id}`)).body.status.state;
const until = async (what, fits) => {
  for (let n = 0; n < 100; n++) {
    if (await fits()) return;
    await new Promise((wait) => setTimeout(wait, 200));
  }
  throw new Error(`waited in vain for ${what}`);
};

await judge(SCREENS, 'stopped');

const page = await open();
await test('links that want somebody come first, and say since when and why', async () => {
  await go(page, '/links');
  const rows = page.locator('tr[data-row]');
  assert.match(await rows.first().innerText(), /stopped\s+(now|\d+ (s|min) ago)[^]*till[^]*(was cut|has 7 bytes)/);
  assert.match(await page.locator('.fault[role=alert]').innerText(), /till has stopped[^]*read to byte/);
  assert.equal(await rows.count(), 6);
  const read = page.locator('tr', { hasText: hostile });
  assert.match(await read.innerText(), /running[^]*in[^]*file[^]*bytes[^]*\b1\b/);
  assert.equal(await page.locator('main img, main script').count(), 0, 'a name is text');
});
await test('what is shown stands in the address', async () => {
  await go(page, '/links');
  await page.getByLabel('Show').selectOption('out');
  await page.waitForFunction(() => location.hash.includes('show=out') && document.querySelectorAll('tr[data-row]').length === 2);
  await page.getByLabel('Filter').fill('receipts');
  await page.waitForFunction(() => location.hash.includes('q=receipts') && document.querySelectorAll('tr[data-row]').length === 1);
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('tr[data-row]').length === 1);
});
await test('the keyboard goes to links and opens one', async () => {
  await go(page, '/');
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await page.waitForSelector('tr[data-row]');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash === '#/links/till');
  await page.waitForSelector('h1 >> text=till');
});
await test('of a secret only its name is shown', async () => {
  await go(page, '/links/resting');
  await page.waitForSelector('text=never shown');
  const text = await page.evaluate(() => document.body.innerText);
  assert.match(text, /password\s+secret broker/);
  assert.ok(!text.includes('do-not-show-me'));
});
await test('what the script of a link has logged is read where the link is', async () => {
  await go(page, '/links/app-log');
  await page.waitForSelector('.feed >> text=line 39');
});
await test('one is paused, goes on, and is tested', async () => {
  await go(page, '/links/app-log');
  await page.click('.actions >> text=Pause');
  await page.waitForSelector('header .status >> text=paused');
  assert.equal(await stateOf('app-log'), 'paused');
  await page.click('.actions >> text=Resume');
  await page.waitForSelector('header .status >> text=running');
  await page.click('.actions >> text=Test');
  await page.waitForSelector('text=Its peer is there and lets us in');
  await go(page, '/links/jets');
  await page.click('.actions >> text=Test');
  await page.waitForSelector('.fault[role=status] >> text=/connect/');
});
await test('a reset says what it costs, and wants the name', async () => {
  await go(page, '/links/till');
  await page.click('.actions >> text=/^Reset/');
  const dialog = page.locator('dialog[open]');
  assert.match(await dialog.innerText(), /never read/);
  await dialog.getByLabel('At').selectOption('start');
  assert.match(await dialog.innerText(), /5 have been taken so far/);
  assert.ok(await dialog.locator('button.danger').isDisabled());
  await dialog.getByLabel('Type till to go on').fill('till');
  await dialog.locator('button.danger').click();
  await page.waitForSelector('header .status >> text=running');
  assert.equal(await stateOf('till'), 'running');
});
await test('a sink names who sends by it, and has no place to be reset to', async () => {
  await go(page, '/links/receipts');
  await page.waitForSelector('tr[data-row] >> text=to a file');
  assert.equal(await page.locator('.actions >> text=/^Reset/').count(), 0);
  await go(page, '/links/all');
  assert.equal(await page.locator('.actions >> text=/^Reset/').count(), 1);
});
await test('a document is changed, and who was slower is told', async () => {
  await go(page, '/links/receipts');
  const editor = page.locator('.editor .cm-content');
  const document = JSON.parse(await editor.innerText());
  await write(editor, JSON.stringify({ ...document, name: 'the receipts' }));
  await page.click('button:text-is("Save")');
  await page.waitForSelector('h1 >> text=the receipts');
  await write(editor, JSON.stringify({ ...document, name: 'mine' }));
  assert.equal((await api('PATCH', '/v2/links/receipts', { name: 'theirs' })).code, 200);
  await page.waitForSelector('h1 >> text=theirs');
  assert.ok((await editor.innerText()).includes('mine'), 'what was written stays');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('.fault >> text=Somebody has changed it meanwhile');
  found.length = 0;  // the browser tells of the 409
});
await test('every form begins with a document that the server takes', async () => {
  await go(page, '/links/+');
  const types = await page.getByLabel('Type').locator('option').evaluateAll((all) => all.map((one) => one.value));
  assert.equal(types.length, 7);
  const editor = page.locator('.editor .cm-content');
  for (const [way, mode] of [['in'], ['out', 'executor'], ['out', 'stream']]) {
    await page.getByLabel('Way').selectOption(way);
    if (mode) await page.getByLabel('What it sends').selectOption(mode);
    for (const type of types) {
      await page.getByLabel('Type').selectOption(type);
      let shown;
      await until('the form', async () => {
        shown = JSON.parse(await editor.innerText());
        return shown.type === type && shown.direction === way && shown.mode === mode;
      });
      if (type === 'file') shown.config.path = (await api('GET', '/v2/links/till')).body.config.path + type;
      const made = await api('POST', '/v2/links', { ...shown, id: 'tried' });
      assert.equal(made.code, 201, `${way} ${type} ${mode}: ${JSON.stringify(made.body)}`);
      assert.equal((await api('DELETE', '/v2/links/tried')).code, 200);
    }
  }
});
await test('one is made by the form, and removed', async () => {
  await go(page, '/links/+');
  await page.getByLabel('Way').selectOption('out');
  await page.getByLabel('What it sends').selectOption('executor');
  await page.getByLabel('Type').selectOption('redis');
  const editor = page.locator('.editor .cm-content');
  await until('the form', async () => (await editor.innerText()).includes('maxLength'));
  const document = JSON.parse(await editor.innerText());
  await write(editor, JSON.stringify({ ...document, id: 'made-here' }));
  await page.click('text=Create');
  await page.waitForFunction(() => location.hash === '#/links/made-here');
  await page.click('.actions >> text=/^Remove/');
  await page.click('dialog[open] button.danger');
  await page.waitForFunction(() => location.hash === '#/links');
  assert.equal((await api('GET', '/v2/links/made-here')).code, 404);
});
await test('an edge is enrolled, its token is shown once, and it is removed', async () => {
  await go(page, '/links?tab=edges');
  assert.match(await page.locator('tr', { hasText: 'shop-1' }).innerText(), /heard[^]*12/);
  await page.click('text=/^Enroll/');
  await page.getByLabel('Node').fill('kiosk');
  await page.click('dialog[open] button.main');
  const token = /mredge_\w+/.exec(await page.locator('dialog[open] pre').innerText())[0];
  await page.click('text=I have it');
  await page.locator('tr', { hasText: 'kiosk' }).click();
  await page.waitForSelector('h1 >> text=kiosk');
  assert.ok(!(await page.evaluate(() => document.documentElement.outerHTML)).includes(token), 'and never again');
  await page.click('.actions >> text=/^New token/');
  await page.click('dialog[open] button.main');
  await page.waitForSelector('dialog[open] pre');
  assert.notEqual(/mredge_\w+/.exec(await page.locator('dialog[open] pre').innerText())[0], token);
  await page.click('text=I have it');
  await page.click('.actions >> text=/^Remove/');
  assert.ok(await page.locator('dialog[open] button.danger').isDisabled());
  await page.getByLabel('Type kiosk to go on').fill('kiosk');
  await page.click('dialog[open] button.danger');
  await page.waitForFunction(() => location.hash === '#/links?tab=edges');
  assert.equal((await api('GET', '/v2/edges/kiosk')).code, 404);
});
await test('an edge tells its shards, and leads to its events', async () => {
  await go(page, '/links/edge/shop-1');
  assert.match(await page.locator('table[aria-label^="How far"]').innerText(), /0[^]*all the rest/);
  await page.click('.actions >> text=/^Backfill/');
  await page.click('dialog[open] button.main');
  await page.waitForSelector('.said >> text=Nothing was left out');
  await page.click('text=search for them');
  await page.waitForFunction(() => location.hash.startsWith('#/events') && document.querySelectorAll('tr[data-row]').length === 12);
});
await test('a server alone has no screen for a cluster, and says what one is', async () => {
  await go(page, '/');
  assert.equal(await page.locator('nav.side >> text=Cluster').count(), 0);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await go(page, '/cluster');
  await page.waitForSelector('text=This server is alone');
  assert.deepEqual(asked.filter((url) => url.includes('/v2/cluster')), [], 'nothing is asked that it would refuse');
});

await end();
