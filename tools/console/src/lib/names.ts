// What subscriptions and scripts are called, for pages that have their ids. An id stays where nobody gave it a
// name, where several have the same, and for those who may not read the lists.
import { useEffect, useState } from 'preact/hooks';
import { get } from './http';
import { may, type Me } from './me';

export type Named = (id: string | null | undefined) => string;
const KEPT_MS = 30_000;
let kept: { at: number; names: Promise<Map<string, string>> } | null = null;

async function load(me: Me): Promise<Map<string, string>> {
  const list = async (what: string) => may(me, `${what}:read`) ? (await get(`/v2/${what}`, { limit: 1000 }).catch(() => ({ items: [] }))).items as any[] : [];
  const names = new Map<string, string>();
  for (const items of await Promise.all([list('subscriptions'), list('scripts')])) {
    const uses = new Map<string, number>();
    for (const one of items) uses.set(one.name, (uses.get(one.name) ?? 0) + 1);
    for (const one of items) if (one.name && uses.get(one.name) === 1) names.set(one.id, one.name);
  }
  return names;
}

export function useNames(me: Me): Named {
  const [names, set] = useState<Map<string, string>>(new Map());
  useEffect(() => {
    let gone = false;
    if (!kept || Date.now() - kept.at > KEPT_MS) kept = { at: Date.now(), names: load(me) };
    void kept.names.then((got) => { if (!gone) set(got); });
    return () => { gone = true; };
  }, []);
  return (id) => id ? names.get(id) ?? id : '';
}
