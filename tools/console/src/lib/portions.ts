// Dead letters delivered again a few at first, then more: what still goes wrong stops it before all have tried.
import { ApiError, enc, get, post } from './http';

export interface Portions { total: number; delivered: number; failed: number; ended?: string }
const FIRST = 10;
const MOST = 200;
const POLL_MS = 300;

const pause = (ms: number) => new Promise((wait) => setTimeout(wait, ms));

// Those that are on their way already are theirs who sent them.
async function lettersOf(filter: Record<string, string>): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await get('/v2/dlq', { ...filter, limit: 1000, cursor });
    for (const letter of page.items) if (!letter.nextRetryAt) ids.push(letter.id);
    if (!page.next) return ids;
    cursor = page.next;
  }
}

// Gone: delivered. There, and due no more: it has failed again.
async function outcome(id: string): Promise<'delivered' | 'failed' | null> {
  try {
    return (await get(`/v2/dlq/${enc(id)}`)).nextRetryAt ? null : 'failed';
  } catch (why) {
    if (why instanceof ApiError && why.status === 404) return 'delivered';
    throw why;
  }
}

export async function inPortions(filter: Record<string, string>, percent: number, tell: (now: Portions) => void, stopped: () => boolean): Promise<Portions> {
  const ids = await lettersOf(filter);
  const now: Portions = { total: ids.length, delivered: 0, failed: 0 };
  for (let at = 0, size = FIRST; at < ids.length; at += size, size = Math.min(MOST, size * 2)) {
    if (stopped()) return { ...now, ended: 'it was stopped' };
    let waiting = ids.slice(at, at + size);
    await post('/v2/dlq/replay', { ids: waiting });
    while (waiting.length && !stopped()) {
      const still: string[] = [];
      for (const id of waiting) {
        const came = await outcome(id);
        if (came) now[came]++; else still.push(id);
      }
      waiting = still;
      tell({ ...now });
      if (waiting.length) await pause(POLL_MS);
    }
    if (now.failed * 100 > percent * (now.delivered + now.failed)) return { ...now, ended: `more than ${percent} % have failed again` };
  }
  return { ...now, ended: 'all have been tried' };
}
