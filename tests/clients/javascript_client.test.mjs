// Goal: nothing sent twice becomes two events, streams go on where they were, each code is a class, and a webhook
// of this server is believed.
// Method: a real server at MILLRACE_URL; where the server must fail, a fetch that fails as told.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import * as mr from '../../tools/clients/javascript/src/index.js';

const client = new mr.Client({ backoffMs: [10, 20] });
const taken = () => new Response('{"success":true,"accepted":1,"events":[],"rejected":[]}', { status: 202 });
const later = () => new Response('{"error":{"code":"UNAVAILABLE","message":"later","details":{}}}', { status: 503, headers: { 'Retry-After': '0' } });

test('what is sent again has the same id', async () => {
  const bodies = [];
  const answers = [later, () => { throw new TypeError('gone'); }, taken];
  const failing = new mr.Client({ apiKey: 'mr_live_secret', backoffMs: [1, 2], fetch: async (_, init) => { bodies.push(JSON.parse(init.body)); return answers.shift()(); } });
  await failing.send({ pattern: 'a' });
  assert.equal(new Set(bodies.map((body) => body.eventId)).size, 1);
  assert.equal(bodies.length, 3);
  assert.ok(!JSON.stringify(failing).includes('secret'));
});

test('a call of unknown end is not made twice, a refused one is', async () => {
  let calls = 0;
  const broken = new mr.Client({ backoffMs: [1, 2], fetch: async () => { calls++; throw new TypeError('gone'); } });
  await assert.rejects(broken.call('POST', '/v2/scripts', { body: {} }), mr.ConnectionFailed);
  assert.equal(calls, 1);
  calls = 0;
  const full = new mr.Client({ backoffMs: [1, 2], fetch: async () => { calls++; return later(); } });
  await assert.rejects(full.call('POST', '/v2/scripts', { body: {} }), mr.Unavailable);
  assert.equal(calls, 3);
});

test('what a cluster can not take at the moment is sent again by itself', async () => {
  const event = (n) => ({ eventId: `e${n}`, shard: 0, offset: n, duplicate: false });
  const refused = (index, statusCode) => ({ index, error: { code: statusCode === 503 ? 'UNAVAILABLE' : 'VALIDATION', message: 'no', statusCode, details: {} } });
  const answer = (events, rejected) => new Response(JSON.stringify({ success: true, accepted: events.length, duplicates: 0, rejected, events }), { status: 202 });
  const sent = [];
  const answers = [
    answer([event(0), event(3)], [refused(1, 503), refused(2, 400), refused(4, 503)]),
    answer([event(4)], [refused(0, 503)]),
    answer([event(1)], []),
  ];
  const cut = new mr.Client({ backoffMs: [1, 2], fetch: async (_, init) => { sent.push(JSON.parse(init.body).map((one) => one.eventId)); return answers.shift(); } });
  const got = await cut.send([0, 1, 2, 3, 4].map((n) => ({ pattern: 'a', eventId: `e${n}` })));
  assert.deepEqual(sent, [['e0', 'e1', 'e2', 'e3', 'e4'], ['e1', 'e4'], ['e1']]);
  assert.deepEqual([got.accepted, got.events.map((one) => one.offset), got.rejected.map((one) => one.index)], [4, [0, 1, 3, 4], [2]]);
});

test('what was taken is told though the rest goes on being refused', async () => {
  const answers = [
    new Response(JSON.stringify({ success: true, accepted: 1, duplicates: 0, events: [{ eventId: 'e0', shard: 0, offset: 0, duplicate: false }],
      rejected: [{ index: 1, error: { code: 'UNAVAILABLE', message: 'no', statusCode: 503, details: {} } }] }), { status: 202 }),
    later(), later(), later(),
  ];
  const cut = new mr.Client({ backoffMs: [1, 2], fetch: async () => answers.shift() });
  const got = await cut.send(['e0', 'e1'].map((eventId) => ({ pattern: 'a', eventId })));
  assert.deepEqual([got.accepted, got.events.length, got.rejected.map((one) => one.index)], [1, 1, [1]]);
  assert.equal(answers.length, 0);
});

test('events go in and are found, page after page', async () => {
  const answer = await client.send(Array.from({ length: 7 }, (_, n) => ({ pattern: 'js.pages', payload: { n } })));
  assert.equal(answer.accepted, 7);
  assert.deepEqual((await client.event(answer.events[3].eventId)).payload, { n: 3 });
  const found = [];
  for await (const event of client.list('/v2/events', { pattern: 'js.pages', limit: 3, order: 'asc' })) found.push(event.payload.n);
  assert.deepEqual(found.sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test('a batcher tells of each and waits for room', async () => {
  const batch = client.batcher({ eventsMax: 50, pendingMax: 100 });
  const results = [];
  for (let n = 0; n < 1000; n++) results.push((await batch.push({ pattern: 'js.batch', payload: { n } })).result);
  const bad = await batch.push({ pattern: 'js.batch', unknown: 1 });
  await batch.close();
  assert.equal(new Set((await Promise.all(results)).map((one) => one.eventId)).size, 1000);
  await assert.rejects(bad.result, mr.ValidationError);
  await assert.rejects(batch.push({ pattern: 'js.batch' }));
});

test('each code is a class', async () => {
  await assert.rejects(client.call('GET', '/v2/scripts/none'), (error) => error instanceof mr.NotFound && error.status === 404);
  await assert.rejects(client.call('GET', '/v2/events', { query: { limit: 0 } }), (error) => error instanceof mr.ValidationError && error.details.field === 'limit');
});

test('a stream goes on where it was', async () => {
  await client.send(Array.from({ length: 4 }, (_, n) => ({ pattern: 'js.stream', payload: { n } })));
  const seen = [];
  let connections = 0;
  // Cuts each connection behind its second message.
  const cut = new mr.Client({ backoffMs: [1, 2], fetch: async (address, init) => {
    connections++;
    const response = await fetch(address, init);
    let messages = 0;
    return new Response(response.body.pipeThrough(new TransformStream({ transform(chunk, out) {
      for (const part of new TextDecoder().decode(chunk).split(/(?<=\n\n)/)) {
        if (messages === 2) return;
        out.enqueue(new TextEncoder().encode(part));
        if (part.includes('data:') && ++messages === 2) out.terminate();
      }
    } })), response);
  } });
  const abort = new AbortController();
  for await (const { event } of cut.stream({ pattern: 'js.stream', from: 'beginning', signal: abort.signal })) {
    seen.push(event.payload.n);
    if (seen.length === 4) break;
  }
  abort.abort();
  assert.deepEqual(seen.sort(), [0, 1, 2, 3]);
  assert.ok(connections >= 2);
});

test('a webhook of the server is believed, a changed one is not', async () => {
  const received = new Promise((resolve) => {
    const sink = createServer(async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      response.end();
      sink.close();
      resolve({ headers: request.headers, body: Buffer.concat(parts) });
    }).listen(0, '127.0.0.1', async () => {
      made = await client.call('POST', '/v2/subscriptions', { body: { name: 'hook', pattern: 'js.hook', executor: { type: 'webhook', url: `http://127.0.0.1:${sink.address().port}/` } } });
      await client.send({ pattern: 'js.hook', payload: { a: 1 } });
    });
  });
  let made;
  const { headers, body } = await received;
  const { secret } = made.executor;
  assert.ok(await mr.verifyWebhook(secret, headers, body));
  await assert.rejects(mr.verifyWebhook(secret, headers, Buffer.concat([body, Buffer.from(' ')])), mr.SignatureError);
  await assert.rejects(mr.verifyWebhook(secret, headers, body, { now: 1 }), mr.SignatureError);
});
