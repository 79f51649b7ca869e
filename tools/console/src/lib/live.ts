// Streams. A browser gives a server six connections: the figures of all its tabs come over one (a lock says
// which tab holds it, a channel hands on what comes), and a tail is closed while nobody sees it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './http';

export type Newest = Record<string, number>;
export type Link = 'connecting' | 'live' | 'lost';

export function followStats(take: (newest: Newest) => void, tell: (state: Link) => void): () => void {
  const channel = new BroadcastChannel('millrace-stats');
  let source: EventSource | null = null;
  let stop = () => {};
  const ended = new Promise<void>((resolve) => { stop = resolve; });
  const abort = new AbortController();
  channel.onmessage = ({ data }) => { tell(data.state); if (data.newest) take(data.newest); };
  const say = (state: Link, newest?: Newest) => { tell(state); if (newest) take(newest); channel.postMessage({ state, newest }); };
  const lead = async () => {
    let retry = 0;
    const open = () => {
      source = new EventSource('/v2/stats/stream');
      source.onmessage = ({ data }) => say('live', JSON.parse(data) as Newest);
      source.onerror = () => {
        say('lost');
        // A refusal is not tried again by the browser.
        if (source?.readyState === EventSource.CLOSED) retry = window.setTimeout(open, 3000);
      };
    };
    open();
    await ended;
    clearTimeout(retry);
    source?.close();
  };
  if (navigator.locks) navigator.locks.request('millrace-stats', { signal: abort.signal }, lead).catch(() => {});
  else void lead();
  return () => { stop(); abort.abort(); channel.close(); };
}

export interface Series { at: number[]; [name: string]: number[] }

// The last quarter of an hour from the server, then a second at a time.
export function useSeries(windowSeconds: number): { series: Series | null; newest: Newest | null; state: Link; error: Error | null } {
  const [series, setSeries] = useState<Series | null>(null);
  const [newest, setNewest] = useState<Newest | null>(null);
  const [state, setState] = useState<Link>('connecting');
  const [error, setError] = useState<Error | null>(null);
  const step = Math.max(1, Math.round(windowSeconds / 180));
  const last = useRef<Link>('connecting');
  useEffect(() => {
    let gone = false;
    const load = () => get('/v2/stats', { window: `${windowSeconds}s`, step: `${step}s` })
      .then((stats) => { if (!gone) { setSeries(stats.series); setError(null); } })
      .catch((why) => { if (!gone) setError(why); });
    void load();
    const every = setInterval(load, step * 1000);
    const unfollow = followStats(setNewest, (next) => {
      if (next === 'live' && last.current === 'lost') void load();
      last.current = next;
      setState(next);
    });
    return () => { gone = true; clearInterval(every); unfollow(); };
  }, [windowSeconds]);
  return { series, newest, state, error };
}

export interface TailedEvent { position: string; text: string }
export interface Tail { rows: TailedEvent[]; seen: number; state: Link; perSecond: number }
const TAIL_MAX = 2000;

// New events as they come, the last 2,000; the page is told of them four times a second, however many there are.
export function useTail(on: boolean, path: string): Tail {
  const [tail, setTail] = useState<Tail>({ rows: [], seen: 0, state: 'connecting', perSecond: 0 });
  useEffect(() => {
    if (!on) return;
    let source: EventSource | null = null;
    let fresh: TailedEvent[] = [];
    let rows: TailedEvent[] = [];
    let seen = 0;
    let position = '';
    let state: Link = 'connecting';
    let rate = 0;
    let looked = performance.now();
    let counted = 0;
    let retry = 0;
    const open = () => {
      clearTimeout(retry);
      source = new EventSource(path + (position ? `${path.includes('?') ? '&' : '?'}from=${encodeURIComponent(position)}` : ''));
      source.onopen = () => { state = 'live'; };
      source.onmessage = (message) => {
        position = message.lastEventId;
        seen++;
        fresh.push({ position, text: message.data });
        if (fresh.length > TAIL_MAX) fresh.splice(0, fresh.length - TAIL_MAX);
      };
      source.onerror = () => {
        state = 'lost';
        if (source?.readyState === EventSource.CLOSED) retry = window.setTimeout(open, 3000);
      };
    };
    const show = () => {
      const now = performance.now();
      if (now - looked >= 1000) {
        rate = Math.round((seen - counted) / (now - looked) * 1000);
        counted = seen;
        looked = now;
      }
      if (fresh.length) {
        rows = fresh.reverse().concat(rows).slice(0, TAIL_MAX);
        fresh = [];
      }
      setTail({ rows, seen, state, perSecond: rate });
    };
    const look = () => {
      if (document.hidden) { source?.close(); source = null; } else if (!source) open();
    };
    look();
    const timer = setInterval(show, 250);
    document.addEventListener('visibilitychange', look);
    return () => { clearInterval(timer); clearTimeout(retry); document.removeEventListener('visibilitychange', look); source?.close(); };
  }, [on, path]);
  return tail;
}

// Something that is asked for, again every so often, and when it is said so.
export function useAsk<T = any>(ask: (signal: AbortSignal) => Promise<T>, about: unknown[], everyMs = 0) {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [loading, setLoading] = useState(true);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const run = () => {
      setLoading(true);
      ask(abort.signal).then((got) => { setValue(got); setError(null); }).catch((why) => {
        if (why.name !== 'AbortError') setError(why);
      }).finally(() => {
        if (abort.signal.aborted) return;
        setLoading(false);
        if (everyMs) timer = window.setTimeout(() => document.hidden ? later() : run(), everyMs);
      });
    };
    const later = () => { timer = window.setTimeout(() => document.hidden ? later() : run(), everyMs); };
    run();
    return () => { abort.abort(); clearTimeout(timer); };
  }, [...about, turn]);
  return { value, error, loading, again: () => setTurn((now) => now + 1) };
}
