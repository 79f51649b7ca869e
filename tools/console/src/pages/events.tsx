// The log: searched, followed, and one event looked at.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { enc, get, pathOf, post, ask, type ApiError } from '../lib/http';
import { useTail } from '../lib/live';
import { parseJson, writeJson, type Json } from '../lib/json';
import { bytes, compact, count } from '../lib/format';
import { href, setQuery } from '../lib/route';
import { Button, Confirm, Copy, Empty, Fault, Id, JsonView, Page, preview, Rows, say, Status, Table, Time, type Column } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { useNames } from '../lib/names';

const NAMES: Record<string, string> = { pattern: 'pattern', prefix: 'patternPrefix', from: 'from', to: 'to', source: 'sourceId', sourcetype: 'sourceType', correlation: 'correlationId', causation: 'causationId', context: 'contextId', filter: 'filter' };

// A member of the payload: who types 12 can not know whether it is a number; a star is any text.
function memberIs(path: string, value: string): string {
  const at = `$.payload.${path}`;
  const bare = value.replace(/^\*|\*$/g, '');
  const [first, last] = [value.startsWith('*'), value.length > 1 && value.endsWith('*')];
  if (!bare) return `exists(${at})`;
  if (first || last) return `${at} ${first && last ? 'contains' : first ? 'endsWith' : 'startsWith'} ${JSON.stringify(bare)}`;
  const also = /^(-?(0|[1-9]\d*)(\.\d+)?|true|false|null)$/.test(value) ? ` || ${at} == ${value}` : '';
  return also ? `(${at} == ${JSON.stringify(value)}${also})` : `${at} == ${JSON.stringify(value)}`;
}

// One box: name:value for what has an index and for members of the payload, an expression for the rest;
// a lone word is a pattern, or an id.
export function readSearch(text: string): { query: Record<string, string>; id: string | null } {
  const query: Record<string, string> = {};
  const rest: string[] = [];
  const filters: string[] = [];
  const words = text.match(/[\w.]+:"[^"]*"|"[^"]*"|'[^']*'|\S+/g) ?? [];
  for (const word of words) {
    const [, name, value] = /^([a-z_][\w.]*):(?!\/\/)(.+)$/i.exec(word) ?? [];
    const bare = value?.replace(/^"(.*)"$/, '$1');
    if (name && NAMES[name.toLowerCase()]) query[NAMES[name.toLowerCase()]] = bare;
    else if (name) filters.push(memberIs(name, bare));
    else rest.push(word);
  }
  const free = rest.join(' ');
  const expression = /[=<>&|!$()]|\b(contains|startsWith|endsWith|matches|in)\b/.test(free);
  if (expression) filters.push(filters.length ? `(${free})` : free);
  else if (free && !query.pattern) query.pattern = free.includes('*') || free.includes('.') ? free : `*${free}*`;
  if (query.filter) filters.push(`(${query.filter})`);
  if (filters.length) query.filter = filters.join(' && ');
  return { query, id: words.length === 1 && !expression && !words[0].includes('*') && rest.length + filters.length === 1 ? words[0] : null };
}

// "customer.id" of what was found, to be offered.
function membersOf(events: any[]): string[] {
  const names = new Set<string>();
  const walk = (value: any, before: string, depth: number) => {
    for (const [name, one] of Object.entries(value ?? {})) {
      if (names.size >= 60 || !/^[a-z_]\w*$/i.test(name)) continue;
      if (one !== null && typeof one === 'object' && !Array.isArray(one) && depth < 2) walk(one, `${before}${name}.`, depth + 1);
      else names.add(`${before}${name}`);
    }
  };
  for (const event of events.slice(0, 50)) walk(event.payload, '', 0);
  return [...names];
}

const valueAt = (value: any, path: string): unknown => path.split('.').reduce((at, name) => at?.[name], value);
const shownText = (value: any): string => value === undefined ? '' : value !== null && typeof value === 'object' ? writeJson(value, 0) : String(value);

// Of the payload what is chosen (cols=amount,customer.id), else as much of it as there is room for.
function columnsOf(chosen: string[]): Column<any>[] {
  const payload: Column<any>[] = chosen.length ? chosen.map((path) => ({ name: path, class: 'short', cell: (e: any) => <span class="mono" title={shownText(valueAt(e.payload, path))}>{shownText(valueAt(e.payload, path))}</span> }))
    : [{ name: 'Payload', class: 'cut', narrow: true, cell: (e) => <span class="mono dim">{preview(e.payload)}</span> }];
  return [
    { name: 'Received', class: 'nowrap', cell: (e) => <Time at={e.receivedAt} /> },
    { name: 'Pattern', class: 'name', cell: (e) => <span class="pattern" title={e.pattern}>{e.pattern}</span> },
    { name: 'Source', narrow: true, class: 'short', cell: (e) => <span title={`${e.source?.type} ${e.source?.id}`}>{e.source?.id}</span> },
    ...payload,
    { name: 'Size', narrow: true, class: 'num nowrap', cell: (e) => <span class="dim">{bytes(writeJson(e, 0).length)}</span> },
    { name: 'Id', class: 'nowrap', cell: (e) => <Id of={e.eventId} /> },
  ];
}

export function Events({ route, me }: PageProps) {
  const q = route.query.get('q') ?? '';
  const live = route.query.get('live') === '1';
  const chosen = route.query.get('id');
  const search = useMemo(() => readSearch(q), [q]);
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  const cols = route.query.get('cols') ?? '';
  const [members, setMembers] = useState<string[]>([]);
  const before = text.slice(0, text.lastIndexOf(' ') + 1);  // what is offered takes the whole box's place
  const columns = useMemo(() => columnsOf(cols.split(',').map((one) => one.trim()).filter(Boolean)), [cols]);
  return <Page title="Events" help="events" actions={<>
    <Button tone={live ? 'main' : undefined} aria-pressed={live} onClick={() => setQuery({ live: live ? undefined : '1' })}>{live ? '\u25cf Live' : 'Follow live'}</Button>
    {may(me, 'events:write') && <Send />}</>}>
    <form class="bar" role="search" onSubmit={(e) => { e.preventDefault(); setQuery({ q: text.trim() || undefined, id: undefined }, true); }}>
      <input class="grow mono" list="fields" aria-label="What to look for" value={text} onInput={(e) => setText(e.currentTarget.value)} placeholder="github.*   customer:c-12   from:1h   $.payload.amount > 100" />
      <datalist id="fields">{[...members, ...Object.keys(NAMES)].map((name) => <option value={`${before}${name}:`} />)}</datalist>
      <select aria-label="Since when" value={search.query.from ?? ''} onChange={(e) => { const from = e.currentTarget.value; const other = text.replace(/\bfrom:\S+/g, '').trim(); setQuery({ q: `${other}${from ? ` from:${from}` : ''}`.trim() || undefined }, true); }}>
        {[['', 'any time'], ['5m', 'last 5 minutes'], ['1h', 'last hour'], ['24h', 'last day'], ['7d', 'last week']].map(([value, name]) => <option value={value}>{name}</option>)}</select>
      <input class="mono" aria-label="Columns of the payload" title="members of the payload, with commas between them" placeholder="columns: amount, user.id" value={cols} onChange={(e) => setQuery({ cols: e.currentTarget.value.trim() || undefined })} />
      <Button type="submit">Search</Button></form>
    <div class={chosen ? 'cols' : ''}><div>{live ? <Tail search={search} chosen={chosen} columns={columns} /> : <Found search={search} chosen={chosen} columns={columns} learn={setMembers} />}</div>
      {chosen && <Detail id={chosen} sourceId={route.query.get('sourceId') ?? undefined} me={me} />}</div>
  </Page>;
}

const pick = (event: any) => setQuery({ id: event.eventId, sourceId: undefined });
const there = (event: any) => href('/events', { id: event.eventId });

// Pages behind each other; a search that found nothing yet says how far it looked.
function Found({ search, chosen, columns, learn }: { search: ReturnType<typeof readSearch>; chosen: string | null; columns: Column<any>[]; learn: (members: string[]) => void }) {
  const [rows, setRows] = useState<any[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [scanned, setScanned] = useState(0);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  const turn = useRef(0);
  const key = JSON.stringify(search);
  const load = async (cursor: string | null, before: any[], looked: number, mine: number) => {
    setBusy(true);
    try {
      let found = before;
      let total = looked;
      let at = cursor;
      // A page may end before it has found anything: go on for a while, then ask.
      for (let pages = 0; pages < 5; pages++) {
        const page = await get('/v2/events', { ...search.query, limit: 100, cursor: at ?? undefined });
        if (mine !== turn.current) return;
        found = found.concat(page.items);
        total += page.scanned ?? page.items.length;
        at = page.next;
        setRows(found); setScanned(total); setNext(at);
        if (found.length) learn(membersOf(found));
        if (!at || found.length > before.length) break;
      }
      setError(null);
    } catch (why) { if (mine === turn.current) setError(why as Error); }
    if (mine === turn.current) setBusy(false);
  };
  useEffect(() => {
    const mine = ++turn.current;
    setRows([]); setNext(null); setScanned(0); setError(null);
    if (search.id) get(`/v2/events/${enc(search.id)}`).then((event) => { if (mine === turn.current) { setQuery({ id: event.eventId }); setRows((now) => [event, ...now.filter((one) => one.eventId !== event.eventId)]); } }).catch(() => {});
    void load(null, [], 0, mine);
  }, [key]);
  return <section class="card list"><Fault error={error} />
    {rows.length > 0 ? <Table label="Events, newest first" rows={rows} columns={columns} keyOf={(e) => e.eventId + (e.source?.id ?? '')} open={pick} href={there} chosen={rows.find((e) => e.eventId === chosen) ? chosen + (rows.find((e) => e.eventId === chosen).source?.id ?? '') : undefined} />
      : !busy && !error && <Empty title={next ? 'Nothing yet' : 'No events'}>{next ? `${count(scanned)} were looked at so far.` : Object.keys(search.query).length ? 'All that is kept was looked at.' : <>Send the first: <code>curl {location.origin}/v2/events -d '{'{"pattern":"hello.world","payload":{}}'}' -H 'Content-Type: application/json'</code></>}</Empty>}
    <div class="bar" role="status">{busy ? <span class="dim">Looking{scanned ? `, ${count(scanned)} so far` : ''}{'\u2026'}</span> : <span class="dim">{count(rows.length)} found of {count(scanned)} looked at</span>}
      {next && !busy && <Button onClick={() => load(next, rows, scanned, turn.current)}>Go on</Button>}</div></section>;
}

function Tail({ search, chosen, columns }: { search: ReturnType<typeof readSearch>; chosen: string | null; columns: Column<any>[] }) {
  const { pattern, patternPrefix, filter, ...rest } = search.query;
  const parts = [filter, rest.sourceId && `$.source.id == ${JSON.stringify(rest.sourceId)}`].filter(Boolean);
  const tail = useTail(true, pathOf('/v2/events/stream', { pattern, patternPrefix, filter: parts.map((part) => parts.length > 1 ? `(${part})` : part).join(' && ') || undefined }));
  const [held, setHeld] = useState<{ rows: typeof tail.rows; seen: number } | null>(null);
  const [most, setMost] = useState(100);
  const rows = held?.rows ?? tail.rows;
  // Nobody reads a hundred rows that are others a moment later.
  const room = !held && tail.perSecond > 400 ? 40 : most;
  const shown = useMemo(() => rows.slice(0, room).map((row) => { try { return parseJson(row.text) as any; } catch { return null; } }).filter(Boolean), [rows, room]);
  return <section class="card list tail"><div class="bar"><Status is={held ? 'paused' : tail.state === 'live' ? 'running' : 'waiting'} /><span class="dim">{tail.state === 'live' ? `${compact(tail.perSecond)}/s` : tail.state}</span>
    <Button class="small" onClick={() => setHeld(held ? null : { rows: tail.rows, seen: tail.seen })}>{held ? 'Resume' : 'Pause'}</Button>
    {held && tail.seen > held.seen && <button type="button" class="pill" onClick={() => setHeld(null)}>{count(tail.seen - held.seen)} new</button>}
    <span class="dim right">{count(tail.seen)} since it was opened; the last 2,000 are here</span></div>
    {shown.length ? <Table label="Events as they come, newest first" rows={shown} columns={columns} keyOf={(e) => e.eventId} open={(e) => { setHeld({ rows: tail.rows, seen: tail.seen }); pick(e); }} href={there} chosen={chosen ?? undefined} /> : <Empty title="Listening">New events appear here as they become durable.</Empty>}
    {rows.length > most && room === most && <Button onClick={() => setMost(most + 300)}>Show more</Button>}</section>;
}

const quote = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;
const SERVER_MADE = ['receivedAt', 'shard', 'offset', 'tenantId', 'otherSources', 'traceparent', 'tracestate'];
export const sendable = (event: any, fresh: boolean): Record<string, Json> => Object.fromEntries(Object.entries(event).filter(([name]) => !SERVER_MADE.includes(name) && !(fresh && (name === 'eventId' || name === 'timestamp')))) as Record<string, Json>;

export function Detail({ id, sourceId, me }: { id: string; sourceId?: string; me: PageProps['me'] }) {
  const named = useNames(me);
  const [event, setEvent] = useState<any>(null);
  const [text, setText] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const [runs, setRuns] = useState<any[] | null>(null);
  const [match, setMatch] = useState<any>(null);
  const [sending, setSending] = useState(false);
  useEffect(() => {
    setEvent(null); setError(null); setRuns(null); setMatch(null);
    ask(`/v2/events/${enc(id)}`, { query: { sourceId } }).then((got) => { setEvent(got.value); setText(got.text); }).catch(setError);
    get('/v2/executions', { eventId: id, sourceId }).then((page) => setRuns(page.items)).catch(() => setRuns([]));
  }, [id, sourceId]);
  const curl = () => `curl ${location.origin}/v2/events -H 'Content-Type: application/json' -d ${quote(writeJson(sendable(event, true), 0))}`;
  return <aside class="card drawer" aria-label="Event"><header><h2 class="pattern">{event?.pattern ?? 'Event'}</h2><Button class="right" tone="quiet" aria-label="Close the event" onClick={() => setQuery({ id: undefined, sourceId: undefined })}>{'\u2715'}</Button></header>
    <Fault error={error} />
    {event && <>
      <div class="bar"><a class="button" href={href(`/trace/${enc(event.eventId)}`)}>Trace</a>{may(me, 'events:write') && <Button onClick={() => setSending(true)}>Send again{'\u2026'}</Button>}<Copy label="Copy as curl" text={curl} /><Copy label="Copy JSON" text={() => text} /></div>
      <Rows of={[['Id', <code>{event.eventId}</code>], ['Source', `${event.source?.type ?? ''} ${event.source?.id ?? ''}`], ['Received', <><Time at={event.receivedAt} /> <span class="dim">{event.receivedAt}</span></>], ['Event time', event.timestamp],
        ...(event.partitionKey ? [['Key', event.partitionKey] as [string, any]] : []),
        ...(event.metadata?.correlationId ? [['Correlation', <a href={href('/events', { q: `correlation:${event.metadata.correlationId}` })}>{event.metadata.correlationId}</a>] as [string, any]] : []),
        ...(event.metadata?.causationId ? [['Caused by', <a href={href('/events', { id: event.metadata.causationId })}>{event.metadata.causationId}</a>] as [string, any]] : []),
        ...(event.traceparent ? [['Trace context', <code>{event.traceparent}</code>] as [string, any]] : []),
        ['Place', `shard ${event.shard}, offset ${event.offset}, ${bytes(text.length)}`]]} />
      {event.otherSources?.length > 0 && <p class="note-box">Other sources have used this id: {event.otherSources.map((one: any) => <a href={href('/events', { id, sourceId: one.id })}>{one.id} </a>)}</p>}
      <h3>Payload</h3><JsonView value={event.payload ?? {}} />
      {event.metadata?.context && <><h3>Context</h3><JsonView value={event.metadata.context} /></>}
      <h3>What came of it</h3>
      {runs === null ? <p class="dim">Looking{'\u2026'}</p> : runs.length === 0 ? <p class="dim">Nobody has handled it.</p> : <ul class="feed">{runs.map((run) => <li><Status is={run.status} /><a class="grow" href={href('/executions', { id: run.id })}>{named(run.subscriptionId ?? run.scriptId ?? run.id)}</a><span class="dim">{run.attempts?.length ?? 0} {run.attempts?.length === 1 ? 'attempt' : 'attempts'}</span></li>)}</ul>}
      <h3>Who wants it now</h3>
      {match ? <><ul class="feed">{match.matched.map((name: string) => <li><Status is="active" /><a class="grow" href={href(`/subscriptions/${enc(name)}`)}>{named(name)}</a></li>)}</ul>{match.matched.length === 0 && <p class="dim">Nobody.</p>}
        {match.nearMisses?.map((miss: any) => <p><a href={href(`/subscriptions/${enc(miss.subscriptionId)}`)}>{named(miss.subscriptionId)}</a> <span class="dim">misses it by one condition: </span><code class="wrap">{miss.conditions?.find((c: any) => !c.holds)?.condition}</code></p>)}</>
        : <Button onClick={() => post('/v2/subscriptions/match', { event: sendable(event, false) }, { nearMisses: 1 }).then(setMatch).catch(setError)}>Ask</Button>}
    </>}
    {sending && <Confirm title="Send this event again" verb="Send" onClose={() => setSending(false)} run={async () => {
      const sent = await post('/v2/events', sendable(event, true));
      say(`Sent as ${sent.events[0].eventId}`);
      setQuery({ id: sent.events[0].eventId });
    }}><p>It is sent as a new event with a new id and the time of now; whoever wants it gets it. To deliver what is in the log once more, start a <a href="#/replays/+">replay</a>.</p></Confirm>}
  </aside>;
}

function Send() {
  const [open, set] = useState(false);
  const [text, setText] = useState('{\n  "pattern": "hello.world",\n  "payload": {}\n}');
  return <>{<Button onClick={() => set(true)}>Send event{'\u2026'}</Button>}{open && <Confirm title="Send an event" verb="Send" onClose={() => set(false)} run={async () => {
    const sent = await ask('/v2/events', { method: 'POST', body: text }).catch((why: ApiError) => { throw why.body?.details?.rejected?.[0]?.error ? Object.assign(why, { message: why.body.details.rejected[0].error.message }) : why; });
    say(`Taken: ${sent.value.events?.[0]?.eventId}`);
    setQuery({ id: sent.value.events?.[0]?.eventId });
  }}><textarea class="mono" aria-label="Event" rows={12} spellcheck={false} style={{ width: '100%' }} value={text} onInput={(e) => setText(e.currentTarget.value)} /></Confirm>}</>;
}
