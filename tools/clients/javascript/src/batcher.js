// Gathers events into batches; waits when too many are on their way.
import { errorOf } from './errors.js';
import { withId } from './tools.js';

export class Batcher {
  #client;
  #waiting = [];   // {event, bytes, resolve, reject}
  #bytes = 0;
  #pending = 0;    // without an answer
  #timer = null;
  #sending = Promise.resolve();
  #room = [];
  #closed = false;

  constructor(client, { eventsMax = 1000, bytesMax = 1 << 20, lingerMs = 5, pendingMax = 10_000, durability } = {}) {
    this.#client = client;
    Object.assign(this, { eventsMax, bytesMax, lingerMs, pendingMax, durability });
  }

  // Resolves when there is room, to {eventId, result}; `result` is the entry's own promise.
  async push(event) {
    while (this.#pending >= this.pendingMax && !this.#closed) await new Promise((resolve) => this.#room.push(resolve));
    if (this.#closed) throw new Error('the batcher is closed');
    const own = withId(event);
    const bytes = JSON.stringify(own).length;
    this.#pending++;
    const result = new Promise((resolve, reject) => this.#waiting.push({ event: own, bytes, resolve, reject }));
    result.catch(() => {});  // whoever does not ask is not told
    this.#bytes += bytes;
    if (this.#waiting.length >= this.eventsMax || this.#bytes >= this.bytesMax) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), this.lingerMs);
    return { eventId: own.eventId, result };
  }

  #take() {
    const batch = [];
    let bytes = 0;
    while (this.#waiting.length && batch.length < this.eventsMax && (!batch.length || bytes + this.#waiting[0].bytes <= this.bytesMax)) {
      batch.push(this.#waiting.shift());
      bytes += batch.at(-1).bytes;
    }
    this.#bytes -= bytes;
    return batch;
  }

  // One batch after the other: order is kept.
  #send() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const batch = this.#take();
    if (!batch.length) return;
    this.#sending = this.#sending.then(() => this.#deliver(batch));
    if (this.#waiting.length) this.#timer = setTimeout(() => this.#send(), this.lingerMs);
  }

  async #deliver(batch) {
    try {
      const answer = await this.#client.send(batch.map((one) => one.event), { durability: this.durability });
      this.#settle(batch, answer.rejected, answer.events);
    } catch (error) {
      const rejected = error.details?.rejected;
      if (Array.isArray(rejected) && rejected.length === batch.length) this.#settle(batch, rejected, []);
      else for (const one of batch) one.reject(error);
    } finally {
      this.#pending -= batch.length;
      for (const resolve of this.#room.splice(0)) resolve();
    }
  }

  #settle(batch, rejected, events) {
    const refused = new Map(rejected.map((entry) => [entry.index, entry.error]));
    const taken = events[Symbol.iterator]();
    batch.forEach((one, index) => {
      if (refused.has(index)) one.reject(errorOf(400, { error: refused.get(index) }, null));
      else one.resolve(taken.next().value);
    });
  }

  // Resolves when everything pushed before has its answer.
  async flush() {
    while (this.#waiting.length || this.#pending) {
      this.#send();
      await this.#sending;
    }
  }

  async close() {
    this.#closed = true;
    for (const resolve of this.#room.splice(0)) resolve();
    await this.flush();
  }
}
