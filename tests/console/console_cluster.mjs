// The browser's side of console_browser_test.py: a real cluster of three nodes, of which one dies. What no
// machine can be made to do here, copies that diverge, is that cluster's own answer with a role changed.
import assert from 'node:assert/strict';
import { base, end, found, go, judge, open, test } from './browser.mjs';

const SCREENS = { cluster: '/cluster', 'cluster-wrong': '/cluster?show=wrong', 'cluster-node': '/cluster?node=b', partition: '/cluster/1' };
const view = async (path = '') => (await fetch(`${base}/v2/cluster${path}`)).json();
const until = async (what, fits, seconds = 60) => {
  for (const begun = Date.now(); Date.now() - begun < seconds * 1000;) {
    if (await fits()) return;
    await new Promise((wait) => setTimeout(wait, 200));
  }
  throw new Error(`waited in vain for ${what}`);
};

await judge(SCREENS, 'nothing is wrong');

const page = await open();
await test('who is there, who owns what, and every copy of it', async () => {
  await go(page, '/');
  await page.click('nav.side >> text=Cluster');
  await page.waitForSelector('.node-card');
  const now = await view();
  assert.equal(await page.locator('.node-card').count(), 3);
  assert.equal(await page.locator('.node-card a.copy').count(), now.partitions.reduce((all, one) => all + one.copies.length, 0));
  for (const { node, url } of now.nodes) {
    const card = page.getByRole('article', { name: `Node ${node}` });
    assert.ok((await card.innerText()).includes(url));
    assert.equal(await card.locator('a.copy.owner').count(), now.partitions.filter((one) => one.owner === node).length);
  }
  assert.equal(await page.locator('tr[data-row]').count(), now.partitions.length);
  assert.equal(await page.locator('.fault').count(), 0);
});
await test('a partition says how far each copy is', async () => {
  await go(page, '/cluster');
  await page.locator('tr[data-row]').nth(1).click();
  await page.waitForFunction(() => location.hash === '#/cluster/1');
  const { copies } = await view('/partitions/1');
  await page.waitForSelector('table[aria-label="Copies of the partition"]');
  const text = await page.locator('table[aria-label="Copies of the partition"]').innerText();
  for (const { node, role, hash } of copies) assert.match(text, new RegExp(`${node}[^]*${role}[^]*${hash ?? ''}`));
  await page.click('button:text("Table") >> nth=0');
  await page.waitForSelector('table[aria-label="Written, as a table"]');
});
await test('a partition is moved, and its cost is said', async () => {
  await go(page, '/cluster/1');
  const { owner, copies } = await view('/partitions/1');
  const to = copies.find((copy) => copy.node !== owner).node;
  await page.click('.actions >> text=/^Move/');
  const dialog = page.locator('dialog[open]');
  await dialog.getByLabel('To').selectOption(['a', 'b', 'c'].find((node) => !copies.some((copy) => copy.node === node)));
  assert.match(await dialog.innerText(), /one is made first[^]*the last of the others is removed/);
  await dialog.getByLabel('To').selectOption(to);
  assert.match(await dialog.innerText(), /wait the moment that it changes hands/);
  await dialog.locator('button.main').click();
  await until('the partition to have moved', async () => (await view('/partitions/1')).owner === to);
  await page.waitForSelector(`header.page >> text=owned by ${to}`);
  found.length = 0;  // streams of that partition were cut
});
await test('a node is drained by the count of what it owns, and let own again', async () => {
  await go(page, '/cluster');
  const owns = (await view()).partitions.filter((one) => one.owner === 'b').length;
  await page.getByRole('article', { name: 'Node b' }).locator('button').click();
  const dialog = page.locator('dialog[open]');
  if (owns > 1) {
    assert.ok(await dialog.locator('button.danger').isDisabled());
    await dialog.getByLabel(`Type ${owns} to go on`).fill(String(owns));
  }
  await dialog.locator('button.danger').click();
  await page.waitForSelector('article[aria-label="Node b"] .status >> text=/drain/');
  await until('b to own nothing', async () => (await view()).partitions.every((one) => one.owner && one.owner !== 'b'), 90);
  await page.waitForSelector('article[aria-label="Node b"] .status >> text=drained');
  await page.getByRole('article', { name: 'Node b' }).locator('button').click();
  await page.click('dialog[open] button.main');
  await page.waitForSelector('article[aria-label="Node b"] .status >> text=well');
  found.length = 0;
});
await test('a node that dies is told loudly, and so is what it leaves behind; it comes back', async () => {
  await go(page, '/cluster');
  console.log('kill');
  await page.waitForSelector('.fault[role=alert] >> text=Node c is gone', { timeout: 30_000 });
  await page.waitForSelector('article[aria-label="Node c"] .status >> text=gone');
  await page.waitForSelector('.note-box >> text=/in fewer copies/', { timeout: 30_000 });
  await until('the others to own all', async () => (await view()).partitions.every((one) => ['a', 'b'].includes(one.owner)));
  await page.click('.tile >> text=Partitions well');
  await page.waitForFunction(() => location.hash.includes('show=wrong') && document.querySelectorAll('tr[data-row]').length > 0);
  console.log('start');
  await page.waitForFunction(() => !document.querySelector('.fault') && document.querySelectorAll('tr[data-row]').length === 0, undefined, { timeout: 90_000 });
  found.length = 0;  // what went to that node had no answer
});
await test('copies that diverged are told loudly, and a heal says what is lost', async () => {
  const sent = [];
  const change = (one) => {
    if (one.partition !== 2) return one;
    const copies = one.copies.map((copy, i) => ({ ...copy, role: 'diverged', error: 'the stream has gone back', unit: 40 + i * 5 }));
    return { ...one, owner: null, copies };
  };
  await page.route('**/v2/cluster', async (route) => {
    const now = await (await route.fetch()).json();
    await route.fulfill({ json: { ...now, partitions: now.partitions.map(change) } });
  });
  await page.route('**/v2/cluster/partitions/2', async (route) => route.fulfill({ json: change(await (await route.fetch()).json()) }));
  await page.route('**/v2/cluster/partitions/2/heal', async (route) => {
    sent.push(route.request().postDataJSON());
    await route.fulfill({ status: 202, json: { id: 'heal' } });
  });
  await go(page, '/cluster');
  assert.match(await page.locator('.fault[role=alert]').innerText(), /Partition 2 has diverged/);
  assert.match(await page.locator('tr[data-row]').first().innerText(), /2\s+!?\s*diverged/);
  await page.click('.fault a');
  await page.waitForFunction(() => location.hash === '#/cluster/2');
  await page.click('.actions >> text=/^Heal/');
  const dialog = page.locator('dialog[open]');
  const [first, most] = (await view('/partitions/2')).copies.map((copy) => copy.node);
  assert.equal(await dialog.getByLabel('Which copy counts').inputValue(), most, 'the one with the most is offered');
  await dialog.getByLabel('Which copy counts').selectOption(first);
  assert.match(await dialog.innerText(), new RegExp(`${most} has 5 units more: they are lost`));
  assert.ok(await dialog.locator('button.danger').isDisabled());
  await dialog.getByLabel(`Type ${first} to go on`).fill(first);
  await dialog.locator('button.danger').click();
  await until('the order', async () => sent.length === 1);
  assert.deepEqual(sent, [{ from: first }]);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  found.length = 0;
});
await test('what a node of another version says or leaves out breaks nothing', async () => {
  await page.route('**/v2/cluster', async (route) => {
    const { nats, ack, ...now } = await (await route.fetch()).json();
    const partitions = now.partitions.map((one) => ({ ...one, weather: 'fine', copies: one.copies.map(({ node }) => ({ node, role: 'dreaming', of: [1] })) }));
    await route.fulfill({ json: { ...now, partitions, moons: 2, nodes: now.nodes.map(({ heardMsAgo, ...node }) => node) } });
  });
  await go(page, '/cluster');
  await page.waitForSelector('td >> text=dreaming');
  assert.match(await page.locator('.node-card').first().innerText(), /heard never/);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  found.length = 0;
});

await end();
