// The small things that every page is made of.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../lib/http';
import { ago, dash, shorten } from '../lib/format';
import { parseJson, writeJson, BigNum } from '../lib/json';

const WORDS: Record<string, [string, string]> = {
  completed: ['ok', '\u2713'], done: ['ok', '\u2713'], active: ['ok', '\u2713'], enabled: ['ok', '\u2713'], fired: ['ok', '\u2713'], open: ['bad', '!'],
  running: ['live', '\u25b6'], waiting: ['wait', '\u25cb'], retrying: ['wait', '\u21bb'], parked: ['wait', '\u2016'], paused: ['wait', '\u2016'],
  failed: ['bad', '\u2717'], dead: ['bad', '\u2020'], cancelled: ['off', '\u2298'], skipped: ['off', '\u2192'], acknowledged: ['wait', '\u25d0'],
  resolved: ['ok', '\u2713'], ignored: ['off', '\u2013'], disabled: ['off', '\u2013'], inactive: ['off', '\u2013'], suspended: ['bad', '\u2016'],
  calm: ['ok', '\u2713'], tight: ['wait', '\u25cb'], short: ['bad', '!'],
  info: ['live', 'i'], warn: ['wait', '!'], error: ['bad', '\u2717'], debug: ['off', '\u2022'],
  pending: ['wait', '\u25cb'], compensating: ['wait', '\u21b6'], compensated: ['off', '\u21b6'], compensation_failed: ['bad', '\u2717'],
  connecting: ['wait', '\u2026'], stopped: ['bad', '\u25a0'], cloned: ['bad', '!'], heard: ['ok', '\u2713'], quiet: ['wait', '\u25cb'], 'never heard': ['off', '\u2013'],
  owner: ['ok', '\u2605'], standby: ['ok', '\u25cb'], 'catching-up': ['wait', '\u21bb'], fenced: ['bad', '\u2298'], diverged: ['bad', '!'], down: ['bad', '\u2717'],
  well: ['ok', '\u2713'], gone: ['bad', '\u2717'], draining: ['wait', '\u21e3'], drained: ['wait', '\u21e3'], moving: ['live', '\u2192'], 'no owner': ['bad', '!'], 'few copies': ['wait', '\u25d0'], elsewhere: ['off', '\u2022'],
  closed: ['ok', '\u2713'], revoked: ['off', '\u2298'], expired: ['off', '\u2298'],
};
// A word, a sign and a colour: none of them alone.
export const signOf = (is: string): [string, string] => WORDS[is] ?? ['off', '\u2022'];
export function Status({ is, title }: { is: string; title?: string }) {
  const [tone, sign] = signOf(is);
  return <span class={`status ${tone}`} title={title}><span aria-hidden="true">{sign}</span>{is}</span>;
}

// One clock for all times of a page.
const clocks = new Set<() => void>();
setInterval(() => clocks.forEach((tick) => tick()), 10_000);

export function Time({ at }: { at: string | null | undefined }) {
  const [, turn] = useState(0);
  useEffect(() => {
    const tick = () => turn((n) => n + 1);
    clocks.add(tick);
    return () => { clocks.delete(tick); };
  }, []);
  return at ? <time dateTime={at} title={at}>{ago(at)}</time> : <span class="dim">{dash}</span>;
}

export const Id = ({ of, most }: { of: string; most?: number }) => <code class="id" title={of}>{shorten(of, most)}</code>;

export function Fault({ error }: { error: Error | null }) {
  if (!error) return null;
  const details = error instanceof ApiError ? error.body.details : {};
  const place = [details?.field && `in ${details.field}`, details?.position !== undefined && `at ${details.position}`, details?.limit !== undefined && `limit ${details.limit}`].filter(Boolean).join(', ');
  return <div class="fault" role="alert"><strong>{error instanceof ApiError ? error.code : 'Error'}</strong> <span class="wrap">{error.message}</span>{place && <span class="dim"> ({place})</span>}</div>;
}

// Figures of a cluster whose partitions have not all said theirs.
export function Missing({ of }: { of?: number[] }) {
  return of?.length ? <p class="note-box" role="status">{of.length === 1 ? `Partition ${of[0]} has` : `Partitions ${of.join(', ')} have`} not answered: what {of.length === 1 ? 'it has' : 'they have'} is not in this.</p> : null;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><svg viewBox="0 0 48 20" aria-hidden="true"><path d="M2 6c8 0 8 5 16 5s8-5 16-5 8 3 12 3M2 14c8 0 8 5 16 5s8-5 16-5 8 3 12 3" /></svg><p><strong>{title}</strong></p>{children && <p class="dim">{children}</p>}</div>;
}

export function Button(props: JSX.ButtonHTMLAttributes<HTMLButtonElement> & { tone?: 'main' | 'danger' | 'quiet' }) {
  const { tone, class: more, ...rest } = props;
  return <button type="button" {...rest} class={`button ${tone ?? ''} ${more ?? ''}`} />;
}

export function Copy({ text, label }: { text: () => string; label: string }) {
  const [done, set] = useState(false);
  return <Button tone="quiet" onClick={() => {
    const copied = () => { set(true); setTimeout(() => set(false), 1500); };
    navigator.clipboard?.writeText(text()).then(copied, () => say('The browser does not let this page copy.'));
  }}>{done ? 'Copied' : label}</Button>;
}

// ---- what is said at the edge of the screen, and read out

let tell: (text: string) => void = () => {};
export const say = (text: string) => tell(text);
export function Said() {
  const [text, set] = useState('');
  useEffect(() => {
    let timer = 0;
    tell = (next) => { set(next); clearTimeout(timer); timer = window.setTimeout(() => set(''), 6000); };
  }, []);
  return <div class={`said ${text ? 'on' : ''}`} role="status" aria-live="polite">{text}</div>;
}

// ---- JSON as text nodes, coloured by what it is; long texts fold

function paint(text: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;
  let at = 0;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    if (found.index > at) out.push(text.slice(at, found.index));
    const kind = found[2] !== undefined ? 'key' : found[1] !== undefined ? 'str' : found[3] !== undefined ? 'num' : 'lit';
    out.push(<span class={kind}>{found[1] ?? found[0]}</span>);
    if (found[2] !== undefined) out.push(found[2]);
    at = token.lastIndex;
  }
  out.push(text.slice(at));
  return out;
}

export function JsonView({ value, most = 20_000 }: { value: unknown; most?: number }) {
  const [all, setAll] = useState(false);
  const text = typeof value === 'string' ? value : writeJson(value);
  const cut = !all && text.length > most;
  return <div class="json"><pre tabIndex={0} aria-label="JSON">{paint(cut ? text.slice(0, most) : text)}</pre>
    {cut && <Button tone="quiet" onClick={() => setAll(true)}>Show all {text.length.toLocaleString('en')} characters</Button>}</div>;
}

export const preview = (value: any, most = 160): string => {
  if (value === null || typeof value !== 'object' || value instanceof BigNum) return String(value);
  const parts: string[] = [];
  let size = 0;
  for (const [name, one] of Object.entries(value)) {
    const text = `${name}=${one !== null && typeof one === 'object' && !(one instanceof BigNum) ? writeJson(one, 0) : String(one)}`;
    parts.push(text);
    size += text.length + 2;
    if (size > most) break;
  }
  return parts.join('  ').slice(0, most);
};

// ---- dialogs: the browser's own element, which keeps the focus in and gives it back

export function Dialog({ title, onClose, children, actions }: { title: string; onClose: () => void; children: ComponentChildren; actions?: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return <dialog ref={ref} aria-label={title} onCancel={(event) => { event.preventDefault(); onClose(); }}
    onClick={(event) => { if (event.target === ref.current) onClose(); }}>
    <div class="box"><header><h2>{title}</h2><Button tone="quiet" aria-label="Close" onClick={onClose}>{'\u2715'}</Button></header>
      <div class="body">{children}</div>{actions && <footer>{actions}</footer>}</div>
  </dialog>;
}

// What can not be taken back: what will happen, and where much happens its count typed.
export function Confirm(props: { title: string; children: ComponentChildren; verb: string; type?: string; danger?: boolean; onClose: () => void; run: () => Promise<unknown> }) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const ready = !props.type || typed.trim() === props.type;
  const run = async () => {
    setBusy(true);
    setError(null);
    try { await props.run(); props.onClose(); } catch (why) { setError(why as Error); setBusy(false); }
  };
  return <Dialog title={props.title} onClose={props.onClose} actions={<>
    <Button onClick={props.onClose}>Cancel</Button>
    <Button tone={props.danger ? 'danger' : 'main'} disabled={!ready || busy} onClick={run}>{props.verb}</Button></>}>
    {props.children}
    {props.type && <Field label={`Type ${props.type} to go on`}><input value={typed} autocomplete="off" onInput={(e) => setTyped(e.currentTarget.value)} /></Field>}
    <Fault error={error} />
  </Dialog>;
}

let numbers = 0;
export function Field({ label, hint, children }: { label: string; hint?: ComponentChildren; children: JSX.Element }) {
  const [id] = useState(() => `f${++numbers}`);
  children.props.id = id;
  return <div class="field"><label for={id}>{label}</label>{children}{hint && <small class="dim">{hint}</small>}</div>;
}

// ---- tables: a row is a link's whole width; j, k and Enter walk them (main.tsx)

export interface Column<T> { name: string; cell: (row: T) => ComponentChildren; class?: string; narrow?: boolean }
export function Table<T>(props: { rows: T[]; columns: Column<T>[]; keyOf: (row: T) => string; label: string; open?: (row: T) => void; href?: (row: T) => string; chosen?: string }) {
  const { rows, columns } = props;
  return <div class="scroll" {...(props.open || props.href ? {} : { tabIndex: 0, role: "group", "aria-label": props.label })}><table aria-label={props.label}><thead><tr>{columns.map((c) => <th scope="col" class={`${c.class ?? ''} ${c.narrow ? 'wide-only' : ''}`}>{c.name}</th>)}</tr></thead>
    <tbody>{rows.map((row) => {
      const key = props.keyOf(row);
      const open = props.open ?? (props.href ? (one: T) => { location.hash = props.href!(one).slice(1); } : undefined);
      return <tr key={key} class={props.chosen === key ? 'chosen' : ''} tabIndex={open ? 0 : undefined} data-row={open ? '' : undefined}
        aria-current={props.chosen === key ? 'true' : undefined}
        onClick={(event) => {
          if (!open || (event.target as Element).closest('a,button,input,label') || String(getSelection())) return;
          if ((event.ctrlKey || event.metaKey) && props.href) window.open(props.href(row), '_blank', 'noopener'); else open(row);
        }}
        onKeyDown={(event) => { if (event.key === 'Enter' && event.target === event.currentTarget) open?.(row); }}>
        {columns.map((c) => <td class={`${c.class ?? ''} ${c.narrow ? 'wide-only' : ''}`}>{c.cell(row)}</td>)}</tr>;
    })}</tbody></table></div>;
}

export function Page({ title, actions, children, sub, help }: { title: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; sub?: ComponentChildren; help?: string }) {
  return <><header class="page"><div><div class="titled"><h1 tabIndex={-1}>{title}</h1>{help && <a class="more" href={`#/help/${help}`} aria-label={`Help: ${help}`} title={`Help: ${help}`}>?</a>}</div>{sub && <p class="dim">{sub}</p>}</div>{actions && <div class="actions">{actions}</div>}</header>{children}</>;
}

export const Rows = ({ of }: { of: [string, ComponentChildren][] }) =>
  <dl class="rows">{of.map(([name, value]) => <div><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;

export function Tabs<T extends string>({ of, now, pick, label }: { of: [T, string][]; now: T; pick: (next: T) => void; label: string }) {
  return <div class="tabs" role="group" aria-label={label}>{of.map(([value, name]) =>
    <button type="button" aria-pressed={now === value} onClick={() => pick(value)}>{name}</button>)}</div>;
}

export const asObject = (text: string): any => {
  const value = parseJson(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('a JSON object is expected');
  return value;
};
