// The browser's side of bench/console.py.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const { CONSOLE_URL: base, CONSOLE_MODULES: modules, CONSOLE_SECONDS: seconds } = process.env;
const { chromium } = await import(pathToFileURL(join(modules, 'playwright-core/index.mjs')));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run'] });
const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const paints = [];
for (let n = 0; n < 7; n++) {
  const context = await browser.newContext();  // nothing is in a cache
  const page = await context.newPage();
  await page.goto(base);
  await page.waitForSelector('.tiles');
  paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
  await context.close();
}
console.log(`first paint ${middle(paints).toFixed(0)} ms (${paints.map((ms) => ms.toFixed(0)).join(', ')})`);

const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
const devtools = await page.context().newCDPSession(page);
const heap = async () => {
  await devtools.send('HeapProfiler.collectGarbage');
  return (await devtools.send('Runtime.getHeapUsage')).usedSize / 1048576;
};
await page.goto(`${base}/#/events?live=1`);
await page.waitForFunction(() => document.body.innerText.includes('since it was opened'));
console.log('send');
await page.waitForTimeout(5000);  // until the last 2,000 are full
const seen = () => page.evaluate(() => Number(/([\d,]+) since it was opened/.exec(document.body.innerText)?.[1].replaceAll(',', '')));
const before = [await heap(), await seen()];
await page.evaluate(() => {
  window.frames_ = [];
  let last = performance.now();
  const tick = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
});
await page.waitForTimeout(Number(seconds) * 1000);
const frames = (await page.evaluate(() => window.frames_)).slice(1).sort((a, b) => a - b);
const after = [await heap(), await seen()];
const share = (of) => frames[Math.min(frames.length - 1, Math.floor(frames.length * of))];
console.log(`live tail, ${seconds} s: ${((after[1] - before[1]) / Number(seconds)).toFixed(0)} events/s arrived, heap ${before[0].toFixed(1)} -> ${after[0].toFixed(1)} MiB, `
  + `frames p50 ${share(0.5).toFixed(0)}, p99 ${share(0.99).toFixed(0)}, worst ${share(1).toFixed(0)} ms, longer than 50 ms ${frames.filter((ms) => ms > 50).length} of ${frames.length}`);
await browser.close();
