// What happens by the clock: when next, and what became of each time.
import { useEffect, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { writeJson } from '../lib/json';
import { count } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { Calendar } from './calendar';
import { asObject, Button, Confirm, Empty, Fault, Field, Page, Rows, say, Status, Table, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { Editor } from '../ui/editor';

export function Schedules({ route, me }: PageProps) {
  return route.path[1] ? <One id={route.path[1]} me={me} key={route.path[1]} /> : <All route={route} me={me} />;
}

const stateOf = (one: any) => one.paused ? 'paused' : !one.active ? 'inactive' : one.ended ? 'done' : 'active';
const when = (one: any) => one.cron ?? (one.intervalMs ? `every ${one.intervalMs / 1000} s` : one.at ?? '');

function All({ route, me }: PageProps) {
  const view = route.query.get('view') ?? 'list';
  const list = useAsk((signal) => get('/v2/schedules', { limit: 1000 }, signal), [], 5000);
  const rows = [...(list.value?.items ?? [])].sort((a: any, b: any) => String(a.nextRunAt ?? '9').localeCompare(String(b.nextRunAt ?? '9')));
  return <Page title="Schedules" help="schedules" sub="By what comes next" actions={<><Tabs label="View" of={[['list', 'List'], ['agenda', 'Agenda'], ['month', 'Month']]} now={view} pick={(next) => setQuery({ view: next === 'list' ? undefined : next })} />{may(me, 'schedules:write') && <a class="button main" href="#/schedules/+">New schedule</a>}</>}><Fault error={list.error} />
    {view !== 'list' && rows.length > 0 ? <Calendar rows={rows.filter((one: any) => stateOf(one) === 'active')} month={view === 'month'} />
      : <section class="card list">{rows.length ? <Table label="Schedules, next first" rows={rows} keyOf={(s: any) => s.id} href={(s: any) => href(`/schedules/${enc(s.id)}`)} columns={[
      { name: 'State', cell: (s) => <Status is={stateOf(s)} title={s.pauseReason ?? ''} /> }, { name: 'Schedule', cell: (s) => <b>{s.name || s.id}</b> }, { name: 'When', cell: (s) => <><code>{when(s)}</code> <span class="dim">{s.timezone}</span></> }, { name: 'Next', class: 'nowrap', cell: (s) => <Time at={s.nextRunAt} /> }, { name: 'Last', class: 'nowrap', narrow: true, cell: (s) => <Time at={s.lastRunAt} /> }, { name: 'Fired', class: 'num', narrow: true, cell: (s) => count(s.runs) }, { name: 'Skipped', class: 'num', narrow: true, cell: (s) => count(s.skipped) }]} />
      : !list.loading && <Empty title="No schedules">A schedule sends an event, or runs something, by a cron expression, an interval or once.</Empty>}</section>}</Page>;
}

const FRESH = `{
  "name": "every morning",
  "type": "cron",
  "cron": "0 7 * * 1-5",
  "timezone": "Europe/Paris",
  "event": {"pattern": "report.due", "payload": {}}
}`;
const MADE = ['version', 'createdAt', 'updatedAt', 'nextRunAt', 'lastRunAt', 'runs', 'skipped', 'pauseReason', 'ended', 'paused', 'tenantId'];

function One({ id, me }: { id: string; me: PageProps['me'] }) {
  const fresh = id === '+';
  const [doc, setDoc] = useState<any>(null);
  const [etag, setEtag] = useState('');
  const [text, setText] = useState(fresh ? FRESH : '');
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState<'remove' | 'trigger' | 'backfill' | null>(null);
  const [from, setFrom] = useState('1h');
  const load = () => ask(`/v2/schedules/${enc(id)}`).then((got) => { setDoc(got.value); setEtag(got.headers.get('ETag') ?? ''); setText(writeJson(Object.fromEntries(Object.entries(got.value).filter(([name]) => !MADE.includes(name))))); setError(null); }).catch(setError);
  useEffect(() => { if (!fresh) void load(); }, [id]);
  const ledger = useAsk((signal) => fresh ? Promise.resolve({ items: [] }) : get(`/v2/schedules/${enc(id)}/runs`, { limit: 100 }, signal), [id], 5000);
  const next = useAsk((signal) => fresh ? Promise.resolve({ items: [] }) : get(`/v2/schedules/${enc(id)}/preview`, { n: 10 }, signal), [id, doc?.version]);
  const write = may(me, 'schedules:write');
  const save = async () => {
    try {
      const body = asObject(text);
      if (fresh) { const made = await post('/v2/schedules', body); say('Created'); return go(`/schedules/${enc(made.id)}`); }
      await ask(`/v2/schedules/${enc(id)}`, { method: 'PUT', body, headers: etag ? { 'If-Match': etag } : {} });
      say('Saved');
      await load();
    } catch (why) { setError(why as Error); }
  };
  const verb = (name: string) => ask(`/v2/schedules/${enc(id)}/${name}`, { method: 'POST' }).then(() => load()).catch(setError);
  return <Page title={<><a href="#/schedules">Schedules</a> / {fresh ? 'new' : doc?.name || id}</>} sub={doc && <><Status is={stateOf(doc)} /> {doc.pauseReason ?? ''} <code>{when(doc)}</code> {doc.timezone}</>}
    actions={!fresh && doc && write && <><Button tone="main" onClick={() => setAsking('trigger')}>Run now{'\u2026'}</Button><Button onClick={() => verb(doc.paused ? 'resume' : 'pause')}>{doc.paused ? 'Resume' : 'Pause'}</Button><Button onClick={() => setAsking('backfill')}>Backfill{'\u2026'}</Button><Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button></>}><Fault error={error} />
    <div class="cols even"><section class="card"><header><h2>Document</h2>{write && <Button class="right" tone="main" onClick={save}>{fresh ? 'Create' : 'Save'}</Button>}</header><Editor label="The schedule as JSON" language="json" value={text} set={setText} rows={18} /></section>
      {!fresh && <div><section class="card"><header><h2>Next ten</h2></header><Fault error={next.error} />{next.value?.items.length ? <table aria-label="Next times"><thead><tr><th scope="col">By its own clock</th><th scope="col">UTC</th><th scope="col">In</th></tr></thead><tbody>{next.value.items.map((one: any, i: number, all: any[]) => <tr><td class="nowrap">{one.local}{i > 0 && one.local.slice(-6) !== all[i - 1].local.slice(-6) && <> <span class="status wait">the clocks change</span></>}</td><td class="nowrap">{one.at}</td><td class="nowrap"><Time at={one.at} /></td></tr>)}</tbody></table> : <p class="dim">None.</p>}</section>
        {doc && <section class="card"><Rows of={[['Fired', count(doc.runs)], ['Skipped', count(doc.skipped)], ['Last', <Time at={doc.lastRunAt} />], ['If one still runs', doc.overlap], ['If one was missed', doc.catchUp?.mode]]} /></section>}</div>}</div>
    {!fresh && <section class="card list"><header><h2>Ledger</h2></header><Fault error={ledger.error} />{ledger.value?.items.length ? <Table label="What became of each time, newest first" rows={ledger.value.items} keyOf={(line: any) => String(line.seq)} href={(line: any) => line.eventId ? href('/events', { id: line.eventId }) : '#'} columns={[
      { name: 'Due', class: 'nowrap', cell: (l) => l.dueAt }, { name: 'What', cell: (l) => <Status is={l.status} /> }, { name: 'Rule', cell: (l) => <>{l.rule ?? ''}{l.until && <span class="dim"> until {l.until}, {l.count ?? 'many'} times</span>}</> }, { name: 'Late', class: 'num', cell: (l) => l.status === 'fired' ? `${count(l.lateMs)} ms` : '' }, { name: 'Event', narrow: true, cell: (l) => <code class="id">{l.eventId}</code> }]} /> : !ledger.loading && <Empty title="Nothing yet" />}</section>}
    {asking === 'trigger' && <Confirm title="Run it now" verb="Run" onClose={() => setAsking(null)} run={async () => { const told = await post(`/v2/schedules/${enc(id)}/trigger`, undefined); say(`Fired: ${told.eventId}`); ledger.again(); }}><p>Whatever its times are; the next one stays as it is.</p></Confirm>}
    {asking === 'backfill' && <Backfill id={id} from={from} setFrom={setFrom} onClose={() => setAsking(null)} done={ledger.again} />}
    {asking === 'remove' && <Confirm title={`Remove ${doc?.name || id}`} verb="Remove" danger onClose={() => setAsking(null)} run={async () => { await ask(`/v2/schedules/${enc(id)}`, { method: 'DELETE' }); say('Removed'); go('/schedules'); }}><p>Its ledger goes with it.</p></Confirm>}</Page>;
}

function Backfill({ id, from, setFrom, onClose, done }: { id: string; from: string; setFrom: (text: string) => void; onClose: () => void; done: () => void }) {
  const dry = useAsk(() => post(`/v2/schedules/${enc(id)}/backfill`, { from, to: new Date().toISOString(), dryRun: true }), [from]);
  return <Confirm title="Fire the times of a range once more" verb="Fire them" onClose={onClose} run={async () => { const told = await post(`/v2/schedules/${enc(id)}/backfill`, { from, to: new Date().toISOString() }); say(`${count(told.count)} are fired`); done(); }}>
    <Field label="From" hint="as long ago (6h) or as a time; to now"><input value={from} onInput={(e) => setFrom(e.currentTarget.value.trim())} /></Field><Fault error={dry.error} />{dry.value && <p><b>{count(dry.value.count)}</b> times lie in it.</p>}</Confirm>;
}
