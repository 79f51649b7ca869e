// Who gets what: the documents, what they would have matched, and why one does not match an event.
import { useEffect, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { writeJson } from '../lib/json';
import { count } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { asObject, Button, Confirm, Empty, Fault, Field, Id, Page, say, Status, Table, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { Editor } from '../ui/editor';
import { sendable } from './events';

const stateOf = (one: any) => one.paused ? 'paused' : one.active ? 'active' : 'inactive';
const patternOf = (one: any) => typeof one.pattern === 'string' ? one.pattern : `${one.pattern?.value ?? ''}`;
const targetOf = (one: any) => one.executor?.scriptId ?? one.executor?.url ?? one.executor?.command ?? one.executor?.workflowId ?? one.executor?.linkId ?? '';

export function Subscriptions({ route, me }: PageProps) {
  return route.path[1] ? <One id={route.path[1]} me={me} key={route.path[1]} /> : <All route={route} me={me} />;
}

function All({ route, me }: PageProps) {
  const q = (route.query.get('q') ?? '').toLowerCase();
  const list = useAsk((signal) => get('/v2/subscriptions', { limit: 1000 }, signal), [], 10_000);
  const rows = (list.value?.items ?? []).filter((one: any) => !q || [one.id, one.name, patternOf(one), targetOf(one)].some((text) => String(text).toLowerCase().includes(q)));
  return <Page title="Subscriptions" help="filters" sub="Who gets what; on the command line: handlers" actions={may(me, 'subscriptions:write') && <a class="button main" href="#/subscriptions/+">New subscription</a>}>
    <div class="bar"><input class="grow" aria-label="Filter" placeholder="name, pattern or target" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value || undefined })} /></div><Fault error={list.error} />
    <section class="card list">{rows.length ? <Table label="Subscriptions" rows={rows} keyOf={(one: any) => one.id} href={(one: any) => href(`/subscriptions/${enc(one.id)}`)} columns={[
      { name: 'State', cell: (one) => <Status is={stateOf(one)} /> }, { name: 'Subscription', cell: (one) => <><b>{one.name || one.id}</b>{one.name && one.name !== one.id && <div class="dim mono">{one.id}</div>}</> },
      { name: 'Pattern', cell: (one) => <span class="pattern">{patternOf(one)}{one.filter || one.filters ? <em> + filter</em> : null}</span> },
      { name: 'Goes to', narrow: true, cell: (one) => <><span class="dim">{one.executor?.type} </span><span class="mono">{targetOf(one)}</span></> }, { name: 'Changed', narrow: true, class: 'nowrap', cell: (one) => <Time at={one.updatedAt} /> }]} />
      : !list.loading && <Empty title={q ? 'None of that name' : 'No subscriptions'}>{!q && 'A subscription says which events go where: to a script, a webhook, a command.'}</Empty>}{list.value?.next && <p class="dim bar">The first 1,000 are shown.</p>}</section></Page>;
}

const MADE = ['version', 'createdAt', 'updatedAt', 'paused', 'tenantId', 'closing', 'secret'];
const editable = (one: any) => writeJson(Object.fromEntries(Object.entries(one).filter(([name]) => !MADE.includes(name))));
const FRESH = `{
  "name": "large invoices",
  "pattern": "invoice.*",
  "filter": "$.payload.amount > 1000",
  "executor": {"type": "script", "scriptId": ""}
}`;

function One({ id, me }: { id: string; me: PageProps['me'] }) {
  const fresh = id === '+';
  const [doc, setDoc] = useState<any>(null);
  const [etag, setEtag] = useState('');
  const [text, setText] = useState(fresh ? FRESH : '');
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState<'remove' | null>(null);
  const load = () => ask(`/v2/subscriptions/${enc(id)}`).then((got) => { setDoc(got.value); setEtag(got.headers.get('ETag') ?? ''); setText(editable(got.value)); setError(null); }).catch(setError);
  useEffect(() => { if (!fresh) void load(); }, [id]);
  const write = may(me, 'subscriptions:write');
  const save = async () => {
    try {
      const body = asObject(text);
      if (fresh) { const made = await post('/v2/subscriptions', body); say('Created'); go(`/subscriptions/${enc(made.id)}`); return; }
      // What is no longer there is taken away: a merge patch says so by null.
      for (const name of Object.keys(doc)) if (!(name in body) && !MADE.includes(name)) body[name] = null;
      delete body.id;
      await ask(`/v2/subscriptions/${enc(id)}`, { method: 'PATCH', body, headers: etag ? { 'If-Match': etag } : {} });
      say('Saved');
      await load();
    } catch (why) { setError(why as Error); }
  };
  const verb = (name: string, body: unknown = undefined) => ask(`/v2/subscriptions/${enc(id)}/${name}`, { method: 'POST', body }).then(() => { say(name === 'pause' ? 'Paused: it keeps its place in the log' : 'It goes on'); return load(); }).catch(setError);
  return <Page title={<><a href="#/subscriptions">Subscriptions</a> / {fresh ? 'new' : doc?.name || id}</>} sub={doc && <><Status is={stateOf(doc)} /> version {doc.version}</>}
    actions={<>{!fresh && doc && write && (doc.paused ? <Button tone="main" onClick={() => verb('resume')}>Resume</Button> : <Button onClick={() => verb('pause')}>Pause</Button>)}{!fresh && <a class="button" href={href('/executions', { subscriptionId: id })}>Executions</a>}{!fresh && write && <Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button>}</>}>
    <Fault error={error} />
    <div class="cols even"><section class="card"><header><h2>Document</h2>{write && <Button class="right" tone="main" onClick={save}>{fresh ? 'Create' : 'Save'}</Button>}</header><Editor label="The subscription as JSON" language="json" value={text} set={setText} rows={18} /></section>
      <div><Preview text={text} against={fresh ? undefined : id} /><Explain id={fresh ? undefined : id} /></div></div>
    {asking && <Confirm title={`Remove ${doc?.name || id}`} verb="Remove" danger onClose={() => setAsking(null)} run={async () => { const gone = await ask(`/v2/subscriptions/${enc(id)}`, { method: 'DELETE' }); say(gone.value?.waiting ? `Removed; ${count(gone.value.waiting)} waiting deliveries became dead letters` : 'Removed'); go('/subscriptions'); }}><p>What still waits for it becomes dead letters. Its executions stay.</p></Confirm>}</Page>;
}

// As one types: what it would have matched of the newest events, against what is saved.
function Preview({ text, against }: { text: string; against?: string }) {
  const [events, setEvents] = useState(1000);
  const [result, setResult] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => {
      let body: any;
      try { body = asObject(text); } catch (why) { setError(why as Error); return; }
      const { pattern, filters, filter, form } = body;
      post('/v2/subscriptions/preview', Object.fromEntries(Object.entries({ pattern, filters, filter, form }).filter(([, value]) => value !== undefined)), { events, against }).then((got) => { setResult(got); setError(null); }).catch(setError);
    }, 500);
    return () => clearTimeout(timer);
  }, [text, events, against]);
  return <section class="card" aria-live="polite"><header><h2>On what came last</h2><select class="right" aria-label="How many events" value={events} onChange={(e) => setEvents(Number(e.currentTarget.value))}>{[100, 1000, 10_000, 100_000].map((n) => <option value={n}>{count(n)} events</option>)}</select></header>
    <Fault error={error} />
    {result && !error && <><p><b>{count(result.matched)}</b> of {count(result.scanned)} match{result.gained !== undefined && <>, <span class="status ok">+{count(result.gained)}</span> <span class="status bad">{'\u2212'}{count(result.lost)}</span> against what is saved</>}</p>
      {result.byPattern?.length > 0 && <table aria-label="Matches by pattern"><tbody>{result.byPattern.slice(0, 8).map((one: any) => <tr><td class="pattern">{one.pattern}</td><td class="num">{count(one.count)}</td></tr>)}</tbody></table>}
      {result.gained > 0 && <><h3>Would come in</h3><Samples of={result.gainedSamples} /></>}{result.lost > 0 && <><h3>Would no longer come</h3><Samples of={result.lostSamples} /></>}
      {result.gained === undefined && result.matched > 0 && <><h3>For example</h3><Samples of={result.samples} /></>}
      {result.nearMisses?.length > 0 && <><h3>Kept out by one condition alone</h3><ul class="feed">{result.nearMisses.map((miss: any) => <li><b>{count(miss.count)}</b><div class="grow"><code class="wrap">{miss.condition}</code><Samples of={miss.samples} /></div></li>)}</ul></>}
      {result.indexed !== undefined && <p class="dim">{result.indexed ? 'Costs next to nothing: an index finds it.' : 'Looked at for each event of its pattern: no condition of it has an index. One more that says ==, in or startsWith would make it quick.'}</p>}</>}</section>;
}

const Samples = ({ of }: { of: { eventId: string; pattern: string }[] }) => <div class="samples">{of.map((one) => <span class="nowrap"><a href={href('/events', { id: one.eventId })}><Id of={one.eventId} /></a> <span class="pattern dim">{one.pattern}</span></span>)}</div>;

// A condition, the value that was seen, the verdict and a hint.
function Explain({ id }: { id?: string }) {
  const [text, setText] = useState('');
  const [result, setResult] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  if (!id) return null;
  const run = async () => {
    try {
      const event = text.trim().startsWith('{') ? asObject(text) : sendable(await get(`/v2/events/${enc(text.trim())}`), false);
      setResult(await post('/v2/subscriptions/match', { event }, { explain: 1, subscriptionId: id }));
      setError(null);
    } catch (why) { setError(why as Error); }
  };
  const told = result?.explain;
  return <section class="card"><header><h2>Why not this event?</h2></header><form onSubmit={(e) => { e.preventDefault(); void run(); }}><Field label="An event's id, or the event as JSON"><textarea rows={2} value={text} onInput={(e) => setText(e.currentTarget.value)} spellcheck={false} /></Field><Button type="submit" disabled={!text.trim()}>Explain</Button></form><Fault error={error} />
    {told && <><p><Status is={told.matches ? 'active' : 'failed'} /> {told.matches ? 'It matches.' : 'It does not match.'} {told.hint ?? told.reason ?? ''}</p><Conditions of={told.conditions ?? []} /></>}</section>;
}

function Conditions({ of }: { of: any[] }) {
  return <ul class="feed">{of.map((one) => <li><Status is={one.holds ? 'completed' : 'failed'} /><div class="grow wrap"><code>{one.condition}</code>{one.seen && <div class="dim">seen: {one.seen.map((v: any) => typeof v === 'string' ? v : writeJson(v, 0)).join(', ') || 'nothing'}</div>}{one.hint && <div>{one.hint}</div>}{one.parts && <Conditions of={one.parts} />}</div></li>)}</ul>;
}

