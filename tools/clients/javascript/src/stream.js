// Server-Sent Events that go on where they were.
import { ConnectionFailed, errorOf } from './errors.js';
import { wait } from './tools.js';

// {kind, id, data} of each message of one connection.
export async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let kind = 'message';
  let id = null;
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      for (const whole of lines) {
        const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
        if (line === '') {
          if (data.length) yield { kind, id, data: data.join('\n') };
          [kind, id, data] = ['message', null, []];
          continue;
        }
        const colon = line.indexOf(':');
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (name === 'event') kind = text;
        else if (name === 'id') id = text;
        else if (name === 'data') data.push(text);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

export async function* stream(client, { lastEventId, reconnect = true, signal, ...query } = {}) {
  for (let turn = 0; ; turn++) {
    let failed;
    try {
      const response = await client.fetch(client.address('/v2/events/stream', query), {
        headers: client.headers({ Accept: 'text/event-stream', ...(lastEventId ? { 'Last-Event-ID': lastEventId } : {}) }), signal,
      });
      if (!response.ok) {
        let body = null;
        try { body = JSON.parse(await response.text()); } catch { /* as it is */ }
        throw errorOf(response.status, body, response.headers);
      }
      for await (const { kind, id, data } of messages(response.body)) {
        turn = 0;
        if (id) lastEventId = id;
        if (kind === 'error') throw Object.assign(errorOf(0, { error: JSON.parse(data) }, null), { final: true });
        if (kind === 'message') yield { position: id, event: JSON.parse(data) };
      }
      failed = new ConnectionFailed('the stream has ended', { code: 'CONNECTION_FAILED' });
    } catch (error) {
      if (signal?.aborted) return;
      if (error.final || (error.status && error.status !== 429 && error.status !== 503)) throw error;
      failed = error;
    }
    if (!reconnect) return;
    await wait(client.pause(Math.min(turn, 6), failed.retryAfter), signal).catch(() => {});
    if (signal?.aborted) return;
  }
}
