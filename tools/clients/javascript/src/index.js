// Client of Millrace: sends events, follows them, makes any call of the API.
import { Batcher } from './batcher.js';
import { ConnectionFailed, errorOf } from './errors.js';
import { REFUSED, sendInParts } from './parts.js';
import { stream } from './stream.js';
import { wait, withId } from './tools.js';

export * from './errors.js';
export { Batcher } from './batcher.js';
export { verifyWebhook } from './webhook.js';

const RETRY_AFTER_SECONDS_MAX = 60;
const UNKNOWN = new Set([0, 500, 502, 504]);  // may be tried again where twice is as good as once
const REPEATABLE = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);

const environment = (name) => globalThis.process?.env?.[name] || undefined;
export class Client {
  #key;
  #url;
  constructor({ url, apiKey, timeoutMs = 30_000, retries = 2, backoffMs = [500, 5000], fetch: fetcher } = {}) {
    this.#url = (url ?? environment('MILLRACE_URL') ?? globalThis.location?.origin ?? 'http://127.0.0.1:7070').replace(/\/$/, '');
    this.#key = apiKey ?? environment('MILLRACE_API_KEY');
    this.timeoutMs = timeoutMs;
    this.retries = retries;
    this.backoffMs = backoffMs;
    this.fetch = fetcher ?? globalThis.fetch.bind(globalThis);
  }

  get url() { return this.#url; }

  address(path, query = {}) {
    const pairs = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined && value !== null) pairs.set(name, String(value));
    const text = pairs.toString();
    return this.#url + path + (text ? `?${text}` : '');
  }

  headers(more = {}) {
    return { Accept: 'application/json', ...(this.#key ? { 'X-API-Key': this.#key } : {}), ...more };
  }

  pause(turn, retryAfter) {
    if (retryAfter !== null && retryAfter !== undefined) return Math.min(retryAfter, RETRY_AFTER_SECONDS_MAX) * 1000;
    const [first, most] = this.backoffMs;
    return Math.min(most, first * 2 ** turn) * (0.5 + Math.random() / 2);
  }

  // Any call of /openapi.json; the answer's JSON. `repeatable`: twice is as good as once.
  async call(method, path, { body, query, headers, signal, repeatable = REPEATABLE.has(method) } = {}) {
    const init = { method, headers: this.headers({ ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers }) };
    if (body !== undefined) init.body = typeof body === 'string' ? body : JSON.stringify(body);
    for (let turn = 0; ; turn++) {
      try {
        return await this.#once(this.address(path, query), init, signal);
      } catch (error) {
        if (signal?.aborted) throw error;
        const again = REFUSED.has(error.status) || (repeatable && UNKNOWN.has(error.status));
        if (!again || turn >= this.retries) throw error;
        await wait(this.pause(turn, error.retryAfter), signal);
      }
    }
  }

  async #once(address, init, signal) {
    const limit = AbortSignal.timeout(this.timeoutMs);
    let response;
    let text;
    try {
      response = await this.fetch(address, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
      text = await response.text();
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new ConnectionFailed(`${init.method} ${address.slice(this.#url.length)}: ${cause.message}`, { code: 'CONNECTION_FAILED', cause });
    }
    let value = null;
    try { value = text ? JSON.parse(text) : null; } catch { /* an answer of something between */ }
    if (!response.ok) throw errorOf(response.status, value, response.headers);
    return value;
  }

  // One event or many; the answer names each one's place. What a cluster can not take at the moment is sent again like a
  // call that is refused for now.
  async send(events, { atomic, durability, signal } = {}) {
    const query = { atomic: atomic ? 1 : undefined, durability };
    const sendOnce = (body) => this.call('POST', '/v2/events', { body, query, signal, repeatable: true });
    if (!Array.isArray(events)) return sendOnce(withId(events));
    return sendInParts(events.map(withId), sendOnce, this.retries, (turn) => wait(this.pause(turn), signal));
  }

  batcher(options = {}) { return new Batcher(this, options); }

  event(eventId, query) { return this.call('GET', `/v2/events/${encodeURIComponent(eventId)}`, { query }); }

  // Each item of a list, page after page.
  async *list(path, query = {}, { signal } = {}) {
    let cursor;
    do {
      const page = await this.call('GET', path, { query: { ...query, cursor }, signal });
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor);
  }

  // Messages {position, event}, from a place in history through to live; a connection that ends is opened again
  // where it was.
  stream(options = {}) { return stream(this, options); }
}
