// What the tests of the console have alike: a browser, what it tells, how a page is judged.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const { CONSOLE_URL: base, CONSOLE_PART: part, CONSOLE_HOSTILE: hostile, CONSOLE_GROUP: group, CONSOLE_KEY: key } = process.env;
const { CONSOLE_MODULES: modules, CONSOLE_SHOTS: shots } = process.env;
const { chromium } = await import(pathToFileURL(join(modules, 'playwright-core/index.mjs')));
const axe = readFileSync(join(modules, 'axe-core/axe.min.js'), 'utf8');

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
// What the browser has complained of.
export const found = [];
let failed = 0;

export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark', ...options });
  await context.addInitScript(() => addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() === 'error' && !/status of (401|404)/.test(message.text())) found.push(message.text()); });
  page.on('pageerror', (error) => found.push(`error: ${error}`));
  page.on('dialog', (dialog) => { found.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('request', (request) => { if (!request.url().startsWith(base) && !request.url().startsWith('data:')) found.push(`foreign: ${request.url()}`); });
  return page;
}

// In a world of its own: the page's policy lets nothing in that is not the server's.
export async function axeFindings(page) {
  const devtools = await page.context().newCDPSession(page);
  const { frameTree } = await devtools.send('Page.getFrameTree');
  const world = await devtools.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const contextId = world.executionContextId;
  await devtools.send('Runtime.evaluate', { expression: axe, contextId });
  const { result, exceptionDetails } = await devtools.send('Runtime.evaluate', {
    contextId, awaitPromise: true, returnByValue: true,
    expression: "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then((r) => r.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`))",
  });
  await devtools.detach();
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}

// CONSOLE_ONLY: a pattern of the names of those that are run.
const only = process.env.CONSOLE_ONLY && new RegExp(process.env.CONSOLE_ONLY);
export async function test(name, run) {
  if (only && !only.test(name)) return;
  found.length = 0;
  try {
    await run();
    assert.deepEqual(found, [], 'nothing was told by the browser');
    console.log(`ok ${name}`);
  } catch (error) {
    failed = 1;
    console.log(`FAILED ${name}: ${error.message}`);
  }
}

export const go = async (page, path) => {
  await page.goto(`${base}/#${path}`);
  await page.waitForSelector('main h1', { timeout: 20_000 });
  await page.waitForTimeout(700);
};

// As somebody does it: what is there is taken away first.
export const write = async (editor, text) => {
  await editor.click();
  await editor.page().keyboard.press('Control+A');
  await editor.page().keyboard.press('Delete');
  await editor.page().keyboard.insertText(text);
};

// Every screen, dark, light and on a phone. `wrong`: what a screen may say is wrong.
export async function judge(screens, wrong) {
  for (const [theme, phone] of [['dark', false], ['light', false], ['dark', true]]) {
    const page = await open({ colorScheme: theme, ...(phone ? { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } : {}) });
    for (const [name, path] of Object.entries(screens)) {
      await test(`${name}, ${theme}${phone ? ', phone' : ''}`, async () => {
        await go(page, path);
        if (shots) {
          mkdirSync(shots, { recursive: true });
          await page.screenshot({ path: join(shots, `${name}-${theme}${phone ? '-phone' : ''}.png`) });
        }
        assert.deepEqual(await axeFindings(page), []);
        assert.equal(await page.locator('.fault').filter({ hasNotText: wrong }).count(), 0, await page.locator('.fault').allInnerTexts().then(String));
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), 'nothing is wider than the screen');
      });
    }
    await page.context().close();
  }
}

export async function end() {
  await browser.close();
  process.exit(failed);
}
