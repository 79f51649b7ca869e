// How quickly counts grow, from one look to the next: the server keeps no past of these.
import { useRef } from 'preact/hooks';
import type { Series } from './live';

export interface Pace { perSecond: number | null; past: number[] }
const KEPT = 60;

interface Kept<T> { value: T | null; at: number; counts: Map<string, number>; paces: Map<string, Pace> }

export function usePace<T>(value: T | null, countsOf: (value: T) => [string, number][]): Map<string, Pace> {
  const kept = useRef<Kept<T>>({ value: null, at: 0, counts: new Map(), paces: new Map() });
  if (value === null || kept.current.value === value) return kept.current.paces;
  const now = performance.now();
  const { at, counts: before, paces: old } = kept.current;
  const counts = new Map(countsOf(value));
  const paces = new Map<string, Pace>();
  for (const [name, count] of counts) {
    const last = before.get(name);
    const past = old.get(name)?.past ?? [];
    // A count that went back began anew.
    const perSecond = last === undefined || now - at < 1 ? null : Math.max(0, count - last) / (now - at) * 1000;
    paces.set(name, { perSecond, past: perSecond === null ? past : [...past, perSecond].slice(-KEPT) });
  }
  kept.current = { value, at: now, counts, paces };
  return paces;
}

// A series of what was seen while the page was open.
const SAMPLES_MAX = 450;
export function useSeen<T>(value: T | null, sampleOf: (value: T) => Record<string, number>): Series | null {
  const kept = useRef<{ value: T | null; series: Series | null }>({ value: null, series: null });
  // One sample alone is drawn over a day.
  const shown = () => kept.current.series && kept.current.series.at.length > 1 ? kept.current.series : null;
  if (value === null || kept.current.value === value) return shown();
  const series: Series = { at: [...(kept.current.series?.at ?? []), Date.now() / 1000].slice(-SAMPLES_MAX) };
  for (const [name, one] of Object.entries(sampleOf(value))) series[name] = [...(kept.current.series?.[name] ?? []), one].slice(-SAMPLES_MAX);
  kept.current = { value, series };
  return shown();
}
