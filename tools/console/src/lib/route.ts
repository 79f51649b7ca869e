// Where one is stands in the address: #/events?q=...; a page can be sent to somebody, and Back goes back.
import { useEffect, useState } from 'preact/hooks';

export interface Route { path: string[]; query: URLSearchParams }

function read(): Route {
  const text = location.hash.replace(/^#\/?/, '');
  const mark = text.indexOf('?');
  const path = (mark < 0 ? text : text.slice(0, mark)).split('/').filter(Boolean).map(decodeURIComponent);
  return { path, query: new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)) };
}

const listeners = new Set<() => void>();
addEventListener('hashchange', () => listeners.forEach((listen) => listen()));

export function useRoute(): Route {
  const [route, set] = useState(read);
  useEffect(() => {
    const listen = () => set(read());
    listeners.add(listen);
    return () => { listeners.delete(listen); };
  }, []);
  return route;
}

export function href(path: string, query: Record<string, string | undefined> = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) pairs.set(name, value);
  const text = pairs.toString();
  return `#${path}${text ? `?${text}` : ''}`;
}

export const go = (to: string) => { location.hash = to.replace(/^#/, ''); };

// A value that stands in the address. Changes replace the entry: Back leaves the page, not the last letter.
export function setQuery(changes: Record<string, string | undefined>, push = false) {
  const now = read();
  for (const [name, value] of Object.entries(changes)) value ? now.query.set(name, value) : now.query.delete(name);
  const text = now.query.toString();
  const to = `#/${now.path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
  if (to === location.hash) return;
  push ? history.pushState(null, '', to) : history.replaceState(null, '', to);
  listeners.forEach((listen) => listen());
}
