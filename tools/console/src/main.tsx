// The frame: who one is, where one is, what is going on; and the keys.
import { render, type ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, get, onSignedOut, type ApiError } from './lib/http';
import { followStats, useAsk, type Link, type Newest } from './lib/live';
import { inCluster } from './lib/cluster';
import { may, type Me, type PageProps } from './lib/me';
import { go, href, useRoute, type Route } from './lib/route';
import { compact } from './lib/format';
import { Button, Dialog, Empty, Fault, Field, Said } from './ui/parts';
import { Overview } from './pages/overview';

type Screen = [path: string, name: string, icon: string, key: string, load: () => Promise<ComponentType<PageProps>>, scope?: string];
const later = (load: () => Promise<Record<string, any>>, name: string) => async () => (await load())[name] as ComponentType<PageProps>;
// In the order of use; a gap between looking and making.
const SCREENS: (Screen | null)[] = [
  ['', 'Overview', 'M2 12l3-5 3 3 3-7 3 6', 'o', async () => Overview],
  ['events', 'Events', 'M2 4h12M2 8h12M2 12h7', 'e', later(() => import('./pages/events'), 'Events'), 'events:read'],
  ['trace', 'Trace', 'M2 4h5M5 8h6M9 12h5', 't', later(() => import('./pages/trace'), 'Trace'), 'events:read'],
  ['executions', 'Executions', 'M5 3l7 5-7 5z', 'x', later(() => import('./pages/executions'), 'Executions'), 'executions:read'],
  ['dlq', 'Dead letters', 'M2 4h12v9H2zM2 4l6 5 6-5', 'd', later(() => import('./pages/dead-letters'), 'DeadLetters'), 'dlq:read'],
  null,
  ['subscriptions', 'Subscriptions', 'M3 8a5 5 0 0110 0M5.5 9a2.5 2.5 0 015 0M8 11v2', 's', later(() => import('./pages/subscriptions'), 'Subscriptions'), 'subscriptions:read'],
  ['scripts', 'Scripts', 'M5 4L2 8l3 4M11 4l3 4-3 4M9 3l-2 10', 'c', later(() => import('./pages/scripts'), 'Scripts'), 'scripts:read'],
  ['replays', 'Replays', 'M3 8a5 5 0 105-5H4M6 1L4 3l2 2', 'r', later(() => import('./pages/replays'), 'Replays'), 'replays:read'],
  ['schedules', 'Schedules', 'M8 2a6 6 0 100 12A6 6 0 008 2zM8 5v3l2 2', 'h', later(() => import('./pages/schedules'), 'Schedules'), 'schedules:read'],
  ['links', 'Links', 'M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 014.5 4.5L11.5 9M9 11.5L7.5 13A3 3 0 013 8.5L4.5 7', 'n', later(() => import('./pages/links'), 'Links'), 'links:read'],
  ['workflows', 'Workflows', 'M2 3h4v4H2zM10 9h4v4h-4zM6 5h3v6h1', 'w', later(() => import('./pages/workflows'), 'Workflows')],
  null,
  ['keys', 'Keys and tenants', 'M6 9a3 3 0 11-.1 0zM8 9l6-6M11 6l2 2', 'k', later(() => import('./pages/keys'), 'Keys'), 'keys:read'],
  ['cluster', 'Cluster', 'M8 1.5a1.8 1.8 0 110 3.6 1.8 1.8 0 010-3.6zM3.6 10.6a1.8 1.8 0 110 3.6 1.8 1.8 0 010-3.6zM12.4 10.6a1.8 1.8 0 110 3.6 1.8 1.8 0 010-3.6zM7.2 5L4.4 10.7M8.8 5l2.8 5.7M5.4 12.4h5.2', 'u', later(() => import('./pages/cluster'), 'Cluster'), 'metrics:read'],
  ['system', 'System', 'M2 3h12v4H2zM2 9h12v4H2zM4 5h1M4 11h1', 'y', later(() => import('./pages/system'), 'System'), 'stats:read'],
  ['help', 'Help', 'M5.5 6a2.5 2.5 0 113.6 2.2C8.4 8.6 8 9 8 10M8 12.5v.5', 'l', later(() => import('./pages/help'), 'Help')],
];
const screens = SCREENS.filter((one): one is Screen => one !== null);

const Icon = ({ d }: { d: string }) => <svg viewBox="0 0 16 16" aria-hidden="true"><path d={d} /></svg>;

// ---- light and dark

function useTheme(): [string, () => void] {
  const read = () => { try { return localStorage.getItem('theme') ?? 'auto'; } catch { return 'auto'; } };
  const [theme, set] = useState(read);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const apply = () => {
      document.documentElement.classList.toggle('dark', theme === 'dark' || (theme === 'auto' && dark.matches));
      dispatchEvent(new Event('millrace-theme'));
    };
    apply();
    dark.addEventListener('change', apply);
    return () => dark.removeEventListener('change', apply);
  }, [theme]);
  const next = { auto: 'dark', dark: 'light', light: 'auto' }[theme] ?? 'auto';
  return [theme, () => { try { localStorage.setItem('theme', next); } catch { /* a browser that keeps nothing */ } set(next); }];
}

// ---- keys

const inText = (target: EventTarget | null) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
const keysOn = () => { try { return localStorage.getItem('keys') !== 'off'; } catch { return true; } };

function useKeys(find: () => void, palette: () => void, help: () => void) {
  useEffect(() => {
    let waiting = 0;
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') { event.preventDefault(); return palette(); }
      if (event.key === 'Escape' && inText(event.target) && (event.target as HTMLElement).tagName === 'INPUT') return (event.target as HTMLElement).blur();
      if (event.ctrlKey || event.metaKey || event.altKey || inText(event.target) || !keysOn() || document.querySelector('dialog[open]')) return;
      if (waiting && Date.now() - waiting < 1200) {
        waiting = 0;
        const screen = screens.find((one) => one[3] === event.key);
        if (screen) { event.preventDefault(); go(`/${screen[0]}`); }
        return;
      }
      const rows = [...document.querySelectorAll<HTMLElement>('tr[data-row]')];
      const at = rows.indexOf(document.activeElement as HTMLElement);
      if (event.key === '/') { event.preventDefault(); find(); }
      else if (event.key === 'g') waiting = Date.now();
      else if (event.key === '?') help();
      else if (event.key === 'j' && rows.length) rows[Math.min(rows.length - 1, at + 1)].focus();
      else if (event.key === 'k' && rows.length) rows[Math.max(0, at < 0 ? 0 : at - 1)].focus();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

function Help({ onClose }: { onClose: () => void }) {
  const [on, set] = useState(keysOn);
  const keys: [string, string][] = [['/', 'Search events'], ['j  k', 'Next, previous row'], ['Enter', 'Open the row'], ['Esc', 'Leave a field or a dialog'], ['Ctrl K', 'Go anywhere'], ['?', 'This'], ...screens.map(([, name, , key]): [string, string] => [`g ${key}`, name])];
  return <Dialog title="Keys" onClose={onClose}>
    <label class="check"><input type="checkbox" checked={on} onChange={(e) => { const now = e.currentTarget.checked; set(now); try { localStorage.setItem('keys', now ? 'on' : 'off'); } catch { /* as above */ } }} /> Single keys do something</label>
    <table aria-label="Keys"><thead><tr><th scope="col">Key</th><th scope="col">Does</th></tr></thead><tbody>{keys.map(([key, does]) => <tr><td><kbd>{key}</kbd></td><td>{does}</td></tr>)}</tbody></table>
    <p class="dim">In an editor Tab indents; Escape and then Tab leaves it. Made with Preact and uPlot: <a href="/console/LICENSES.txt">their licences</a>.</p>
  </Dialog>;
}

function Palette({ onClose }: { onClose: () => void }) {
  const [text, set] = useState('');
  const [at, setAt] = useState(0);
  const targets: [string, string][] = [
    ...screens.map(([path, name]): [string, string] => [name, `/${path}`]),
    ['Live tail', '/events?live=1'], ['New subscription', '/subscriptions/+'], ['New script', '/scripts/+'], ['New replay', '/replays/+'], ['New schedule', '/schedules/+'], ['New link', '/links/+'], ['Edges', '/links?tab=edges'], ['Audit log', '/system?tab=audit'],
    ...(text.trim() ? [[`Search events for ${text.trim()}`, `/events?q=${encodeURIComponent(text.trim())}`] as [string, string], [`Trace of event ${text.trim()}`, `/trace/${encodeURIComponent(text.trim())}`] as [string, string]] : []),
  ].filter(([name]) => !text.trim() || name.toLowerCase().includes(text.trim().toLowerCase()) as boolean) as [string, string][];
  const pick = (target: [string, string] | undefined) => { if (target) { go(target[1]); onClose(); } };
  return <Dialog title="Go to" onClose={onClose}>
    <input class="wide" autofocus role="combobox" aria-expanded="true" aria-controls="targets" aria-label="Go to" value={text} onInput={(e) => { set(e.currentTarget.value); setAt(0); }}
      onKeyDown={(e) => {
        if (e.key === 'ArrowDown') { e.preventDefault(); setAt(Math.min(targets.length - 1, at + 1)); }
        if (e.key === 'ArrowUp') { e.preventDefault(); setAt(Math.max(0, at - 1)); }
        if (e.key === 'Enter') pick(targets[at]);
      }} />
    <ul id="targets" role="listbox" class="feed" aria-label="Places">{targets.slice(0, 12).map((target, i) =>
      <li role="option" aria-selected={i === at} class={i === at ? 'chosen' : ''} onClick={() => pick(target)}><a href={`#${target[1]}`} tabIndex={-1}>{target[0]}</a></li>)}</ul>
  </Dialog>;
}

// ---- in and out

function SignIn({ again }: { again: () => void }) {
  const [key, set] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const send = async (event: Event) => {
    event.preventDefault();
    try {
      await ask('/v2/session', { method: 'POST', headers: { 'X-API-Key': key.trim() } });
      set('');
      again();
    } catch (why) { setError(why as Error); }
  };
  return <main class="login card" id="main"><h1>Millrace</h1><p class="dim">A key is needed. It is traded for a cookie that this page can not read, and stays nowhere.</p>
    <form onSubmit={send}><Field label="Key"><input type="password" autocomplete="off" spellcheck={false} autofocus value={key} onInput={(e) => set(e.currentTarget.value)} placeholder="mr_live_" /></Field>
      <Fault error={error} /><Button type="submit" tone="main" disabled={!key.trim()}>Sign in</Button></form></main>;
}

function Top({ me, find, menu, signOut }: { me: Me; find: { current: HTMLInputElement | null }; menu: () => void; signOut: () => void }) {
  const route = useRoute();
  const [text, set] = useState('');
  const [theme, turn] = useTheme();
  const [state, setState] = useState<Link>('connecting');
  const [newest, setNewest] = useState<Newest | null>(null);
  useEffect(() => { set(route.path[0] === 'events' ? route.query.get('q') ?? '' : ''); }, [route]);
  useEffect(() => me.tenantId === 'default' && may(me, 'stats:read') ? followStats(setNewest, setState) : undefined, [me]);
  const rate = newest?.receivedPerSecond ?? 0;
  useEffect(() => { document.title = `${rate >= 1 ? `${compact(rate)}/s \u00b7 ` : ''}Millrace`; }, [Math.round(rate)]);
  return <header class="top">
    <Button class="menu" tone="quiet" aria-label="Menu" onClick={menu}>{'\u2630'}</Button>
    <a class={`brand ${rate > 0 ? '' : 'still'}`} href="#/" aria-label="Millrace, overview"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 8c5 0 5 3 10 3s5-3 10-3M2 16c5 0 5 3 10 3s5-3 10-3" /></svg><b>Millrace</b></a>
    <form class="find" role="search" onSubmit={(e) => { e.preventDefault(); go(href('/events', { q: text.trim() }).slice(1)); }}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M7 2a5 5 0 100 10A5 5 0 007 2zM11 11l3 3" /></svg>
      <input ref={find} value={text} aria-label="Search events" placeholder="Search events: an id, github.*, source:crm, $.amount > 100" onInput={(e) => set(e.currentTarget.value)} /><kbd aria-hidden="true">/</kbd></form>
    <span class="right" />
    {me.mode === 'local' ? <span class="chip warn" title="No key was ever created: whoever is on this machine may do everything">local, no keys</span> : <span class="chip" title={`key ${me.keyId}`}>{me.user ?? me.role}</span>}
    <span class="chip" title="tenant">{me.tenantId}</span>
    {me.tenantId === 'default' && <span class="chip" role="status"><i class={`dot ${state}`} aria-hidden="true" />{state === 'live' ? 'live' : state === 'lost' ? 'connection lost' : 'connecting'}</span>}
    <Button tone="quiet" aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`} onClick={turn}>{theme === 'dark' ? '\u263e' : theme === 'light' ? '\u2600' : '\u25d0'}</Button>
    {me.mode === 'key' && <Button tone="quiet" onClick={signOut}>Sign out</Button>}
  </header>;
}

function Side({ route, me, open, close }: { route: Route; me: Me; open: boolean; close: () => void }) {
  const here = route.path[0] ?? '';
  const groups = useAsk((signal) => may(me, 'dlq:read') ? get('/v2/dlq/groups', { state: 'open', limit: 1 }, signal) : Promise.resolve(null), [], 30_000);
  const urgent = groups.value?.groups ?? 0;
  const [clustered, setClustered] = useState(false);
  useEffect(() => { void inCluster().then(setClustered); }, []);
  return <nav class={`side ${open ? 'on' : ''}`} aria-label="Screens"><ul>{SCREENS.map((screen) => {
    if (!screen) return <li class="gap" aria-hidden="true" />;
    const [path, name, icon, , , scope] = screen;
    if (scope && !may(me, scope)) return null;
    // The machines are the business of those who run them.
    if (path === 'cluster' && !(clustered && me.tenantId === 'default')) return null;
    return <li><a href={`#/${path}`} aria-current={here === path ? 'page' : undefined} onClick={close}><Icon d={icon} />{name}
      {path === 'dlq' && urgent > 0 && <span class="badge" aria-label={`${urgent} open groups`}>{compact(urgent)}</span>}</a></li>;
  })}</ul></nav>;
}

const loaded = new Map<string, ComponentType<PageProps>>();
function Body({ route, me }: PageProps) {
  const screen = screens.find(([path]) => path === (route.path[0] ?? ''));
  const [, turn] = useState(0);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    if (!screen || loaded.has(screen[0])) return;
    screen[4]().then((page) => { loaded.set(screen[0], page); turn((n) => n + 1); }).catch(setError);
  }, [screen?.[0]]);
  if (!screen) return <Empty title="There is no such screen"><a href="#/">Back to the overview</a></Empty>;
  if (error) return <Fault error={error} />;
  const Screen = screen[0] === '' ? Overview : loaded.get(screen[0]);
  return Screen ? <Screen key={screen[0]} route={route} me={me} /> : null;
}

function App() {
  const route = useRoute();
  const [me, setMe] = useState<Me | null>(null);
  const [out, setOut] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const [shown, show] = useState<'help' | 'palette' | null>(null);
  const [menu, setMenu] = useState(false);
  const find = useRef<HTMLInputElement>(null);
  const load = () => get('/v2/me').then((who) => { setMe(who); setOut(false); setError(null); })
    .catch((why: ApiError) => { if (why.status === 401) setOut(true); else { setError(why); setTimeout(load, 2000); } });
  useEffect(() => { onSignedOut(() => setOut(true)); void load(); }, []);
  useKeys(() => find.current?.focus(), () => show('palette'), () => show('help'));
  useEffect(() => { setMenu(false); document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true }); scrollTo(0, 0); }, [route.path.join('/')]);
  if (out) return <><SignIn again={load} /><Said /></>;
  if (!me) return <main id="main"><Fault error={error} /></main>;
  return <><a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.querySelector<HTMLElement>('main h1')?.focus(); }}>To the content</a>
    <div class="shell"><Top me={me} find={find} menu={() => setMenu(!menu)} signOut={() => ask('/v2/session', { method: 'DELETE' }).finally(() => setOut(true))} />
      <Side route={route} me={me} open={menu} close={() => setMenu(false)} />
      <main id="main"><Body route={route} me={me} /></main></div>
    {shown === 'help' && <Help onClose={() => show(null)} />}{shown === 'palette' && <Palette onClose={() => show(null)} />}
    <Said /></>;
}

render(<App />, document.getElementById('app')!);
