// Handlers: their source, what changed, and a run of one.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { diff } from '../lib/diff';
import { writeJson } from '../lib/json';
import { bytes, span } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { asObject, Button, Confirm, Empty, Fault, Field, JsonView, Page, Rows, say, Status, Table, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { Editor } from '../ui/editor';
import { sendable } from './events';

export function Scripts({ route, me }: PageProps) {
  return route.path[1] ? <One id={route.path[1]} route={route} me={me} key={route.path[1]} /> : <All route={route} me={me} />;
}

function All({ route, me }: PageProps) {
  const q = (route.query.get('q') ?? '').toLowerCase();
  const list = useAsk((signal) => get('/v2/scripts', { limit: 1000 }, signal), [], 10_000);
  const rows = (list.value?.items ?? []).filter((one: any) => !q || [one.id, one.name, one.type].some((text) => String(text).toLowerCase().includes(q)));
  return <Page title="Scripts" help="lua" actions={may(me, 'scripts:write') && <a class="button main" href="#/scripts/+">New script</a>}>
    <div class="bar"><input class="grow" aria-label="Filter" placeholder="name or type" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value || undefined })} /></div><Fault error={list.error} />
    <section class="card list">{rows.length ? <Table label="Scripts" rows={rows} keyOf={(one: any) => one.id} href={(one: any) => href(`/scripts/${enc(one.id)}`)} columns={[
      { name: 'State', cell: (one) => <Status is={one.enabled ? 'enabled' : 'disabled'} /> }, { name: 'Script', cell: (one) => <><b>{one.name || one.id}</b>{one.name && one.name !== one.id && <div class="dim mono">{one.id}</div>}</> }, { name: 'Type', cell: (one) => one.type }, { name: 'Version', class: 'num', cell: (one) => one.version }, { name: 'May', narrow: true, cell: (one) => <span class="dim">{one.permissions?.join(', ')}</span> }, { name: 'Changed', class: 'nowrap', narrow: true, cell: (one) => <Time at={one.updatedAt} /> }]} />
      : !list.loading && <Empty title={q ? 'None of that name' : 'No scripts'}>{!q && 'A script is a function in Lua that gets an event.'}</Empty>}</section></Page>;
}

const FRESH = 'return function(event, ctx)\n  sdk.log.info("got " .. event.pattern)\n  return {ok = true}\nend\n';
// "source: line 3: unexpected symbol"
const markOf = (error: Error | null) => {
  const line = Number(/line (\d+)/.exec(error?.message ?? "")?.[1]);
  return line ? { line, text: error!.message } : null;
};

function One({ id, route, me }: PageProps & { id: string }) {
  const fresh = id === '+';
  const [doc, setDoc] = useState<any>(null);
  const [etag, setEtag] = useState('');
  const [source, setSource] = useState(fresh ? FRESH : '');
  const [name, setName] = useState('');
  const [type, setType] = useState('event');
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState(false);
  const versions = useAsk((signal) => fresh ? Promise.resolve({ items: [] }) : get(`/v2/scripts/${enc(id)}/versions`, undefined, signal), [id, doc?.version]);
  const load = () => ask(`/v2/scripts/${enc(id)}`).then((got) => { setDoc(got.value); setEtag(got.headers.get('ETag') ?? ''); setSource(got.value.source); setError(null); }).catch(setError);
  useEffect(() => { if (!fresh) void load(); }, [id]);
  const write = may(me, 'scripts:write');
  const patch = async (body: unknown, told: string) => {
    try {
      await ask(`/v2/scripts/${enc(id)}`, { method: 'PATCH', body, headers: etag ? { 'If-Match': etag } : {} });
      say(told);
      await load();
    } catch (why) {
      setError(why instanceof ApiError && why.status === 409 ? new ApiError(409, { ...why.body, message: 'Somebody has changed it meanwhile. Copy what you have, and load it again.' }) : why as Error);
    }
  };
  const create = () => post('/v2/scripts', { ...(name.trim() ? { name: name.trim(), id: name.trim().toLowerCase().replace(/[^a-z0-9._-]+/g, '-') } : {}), type, source }).then((made) => { say('Created'); go(`/scripts/${enc(made.id)}`); }).catch(setError);
  const other = Number(route.query.get('version')) || 0;
  const old = versions.value?.items?.find((one: any) => one.version === other);
  return <Page title={<><a href="#/scripts">Scripts</a> / {fresh ? 'new' : doc?.name || id}</>} sub={doc && <><Status is={doc.enabled ? 'enabled' : 'disabled'} /> {doc.type}, version {doc.version}, <Time at={doc.updatedAt} /></>}
    actions={!fresh && doc && <><a class="button" href={href('/executions', { scriptId: id })}>Executions</a>{write && <Button onClick={() => patch({ enabled: !doc.enabled }, doc.enabled ? 'Disabled' : 'Enabled')}>{doc.enabled ? 'Disable' : 'Enable'}</Button>}{write && <Button tone="danger" onClick={() => setAsking(true)}>Remove{'\u2026'}</Button>}</>}>
    <Fault error={error} />
    {fresh && <div class="pair card"><Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field><Field label="Type"><select value={type} onChange={(e) => setType(e.currentTarget.value)}>{['event', 'scheduled', 'endpoint', 'api', 'hook', 'workflow'].map((one) => <option>{one}</option>)}</select></Field></div>}
    <div class="cols even"><section class="card"><header><h2>Source</h2>{doc && source !== doc.source && <span class="status wait">changed</span>}{write && <Button class="right" tone="main" disabled={!fresh && source === doc?.source} onClick={() => fresh ? create() : patch({ source }, 'Saved as a new version')}>{fresh ? 'Create' : 'Save new version'}</Button>}</header>
      <Editor label="Source in Lua" language="lua" value={source} set={setSource} rows={22} mark={markOf(error)} />{doc && source !== doc.source && <><h3>Against version {doc.version}</h3><Diff before={doc.source} after={source} /></>}</section>
      <div>{!fresh && <Try id={id} me={me} source={doc && source !== doc.source ? source : undefined} />}{doc && <section class="card"><header><h2>Limits</h2></header><Rows of={[['Time', span(doc.timeoutMs)], ['Memory', bytes(doc.memoryBytes)], ['May', doc.permissions?.join(', ') || 'nothing beyond its event']]} /></section>}
        {versions.value?.items?.length > 1 && <section class="card"><header><h2>Versions</h2></header><ul class="feed">{versions.value.items.map((one: any) => <li><b>v{one.version}</b><Time at={one.updatedAt ?? one.createdAt} /><span class="grow" /><Button class="small" onClick={() => setQuery({ version: other === one.version ? undefined : String(one.version) })}>{other === one.version ? 'Hide' : 'Compare'}</Button>{write && one.version !== doc?.version && <Button class="small" onClick={() => patch({ source: one.source }, `Version ${one.version} is back, as a new version`)}>Roll back</Button>}</li>)}</ul>
          {old && <Diff before={old.source} after={doc?.source ?? ''} />}</section>}</div></div>
    {asking && <Confirm title={`Remove ${doc?.name || id}`} verb="Remove" danger onClose={() => setAsking(false)} run={async () => { await ask(`/v2/scripts/${enc(id)}`, { method: 'DELETE' }); say('Removed'); go('/scripts'); }}><p>All its versions go. A script that a subscription uses is not removed.</p></Confirm>}</Page>;
}

function Diff({ before, after }: { before: string; after: string }) {
  const changes = diff(before, after);
  if (changes.every(([kind]) => kind === ' ')) return <p class="dim">They are the same.</p>;
  return <div class="diff" role="group" aria-label="Difference" tabIndex={0}>{changes.map(([kind, line]) => <div class={kind === '+' ? 'add' : kind === '-' ? 'del' : ''}>{kind === ' ' ? '  ' : `${kind} `}{line}</div>)}</div>;
}

// What it would do with an event, nothing done; with what is typed beside what is saved.
function Try({ id, me, source }: { id: string; me: PageProps['me']; source?: string }) {
  const [text, setText] = useState('');
  const [result, setResult] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const [real, setReal] = useState(false);
  const eventOf = async () => text.trim().startsWith('{') ? asObject(text) : sendable(await get(`/v2/events/${enc(text.trim())}`), false);
  const run = async (forReal: boolean) => {
    setBusy(true); setError(null); setResult(null);
    try {
      const event = await eventOf();
      if (!forReal) {
        try { setResult(await post(`/v2/scripts/${enc(id)}/try`, { event, ...(source ? { source, compareWith: 'current' } : {}) })); return; }
        catch (why) { if (!(why instanceof ApiError) || (why.status !== 404 && why.status !== 405)) throw why; setReal(true); return; }
      }
      setResult(await post('/v2/script/run', { scriptId: id, event }));
    } catch (why) { setError(why as Error); } finally { setBusy(false); }
  };
  if (!may(me, 'scripts:run')) return null;
  return <section class="card"><header><h2>Try</h2></header><Field label="An event's id, or an event as JSON"><textarea rows={3} spellcheck={false} value={text} placeholder={'{"pattern":"a.b","payload":{}}'} onInput={(e) => setText(e.currentTarget.value)} /></Field>
    <Button tone="main" disabled={busy || !text.trim()} onClick={() => run(false)}>{busy ? 'Running\u2026' : 'Try'}</Button><Fault error={error} />
    {result && <div aria-live="polite"><p>{result.status ? <Status is={result.status} /> : <Status is="completed" />} {source ? 'what is typed' : result.version ? `version ${result.version}` : ''} {result.durationMs !== undefined && span(result.durationMs)}</p>
      {result.error && <pre class="wrap fault">{result.error}</pre>}
      {result.differs && <p class="note-box">{result.differs.length ? `Against what is saved it differs in ${result.differs.join(', ')}.` : 'What is saved does the same.'}</p>}
      {result.logs?.length > 0 && <><h3>Log</h3><ul class="feed">{result.logs.map((line: any) => <li><span class="dim">{line.level}</span><span class="grow wrap mono">{line.message ?? line.text ?? writeJson(line, 0)}</span></li>)}</ul></>}
      <h3>Result</h3><JsonView value={result.result ?? null} />
      {[['emitted', 'Would emit'], ['kv', 'Would write'], ['calls', 'Would call'], ['reads', 'Has read']].map(([name, title]) => result[name]?.length > 0 && <><h3>{title}</h3><JsonView value={result[name]} /></>)}
      {result.compareWith && <details><summary>What is saved does</summary><JsonView value={result.compareWith} /></details>}</div>}
    {real && <Confirm title="Run it for real?" verb="Run" onClose={() => setReal(false)} run={() => run(true)}><p>This server can not only try: the saved version runs, and what it does to kv, events and the outside is done.</p></Confirm>}</section>;
}
