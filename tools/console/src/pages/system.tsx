// The engine itself, and who changed what.
import { useState } from 'preact/hooks';
import { ask, get } from '../lib/http';
import { useAsk } from '../lib/live';
import { bytes, count, span } from '../lib/format';
import { href, setQuery } from '../lib/route';
import { Button, Empty, Fault, JsonView, Missing, Page, Rows, Status, Table, Tabs, Time } from '../ui/parts';
import type { PageProps } from '../lib/me';

const TABS: ['engine' | 'cost' | 'settings' | 'log' | 'sources' | 'endpoints' | 'schemas' | 'audit' | 'raw', string][] = [['engine', 'Engine'], ['cost', 'Cost'], ['settings', 'Settings'], ['log', 'Log'], ['sources', 'Webhooks in'], ['endpoints', 'Endpoints'], ['schemas', 'Schemas'], ['audit', 'Audit'], ['raw', 'Figures']];

export function System({ route }: PageProps) {
  const tab = TABS.find(([name]) => name === route.query.get('tab'))?.[0] ?? 'engine';
  return <Page title="System" help="operation" actions={<Tabs label="What" of={TABS} now={tab} pick={(next) => setQuery({ tab: next === 'engine' ? undefined : next })} />}>
    {tab === 'engine' && <Engine />}{tab === 'cost' && <Cost />}{tab === 'settings' && <Settings route={route} />}{tab === 'log' && <LogTail route={route} />}{tab === 'audit' && <Audit route={route} />}{tab === 'raw' && <Raw />}
    {tab === 'sources' && <Documents path="/v2/sources" none="No sources of webhooks" columns={(one) => [one.scheme, one.url]} />}{tab === 'endpoints' && <Documents path="/v2/endpoints" none="No endpoints" columns={(one) => [`${one.method} ${one.route}`, one.scriptId]} />}{tab === 'schemas' && <Documents path="/v2/schemas" none="No schemas" columns={(one) => [one.pattern, one.mode]} />}</Page>;
}

function Engine() {
  const stats = useAsk((signal) => get('/v2/stats', undefined, signal), [], 2000);
  const executors = useAsk((signal) => get('/v2/executors', undefined, signal), [], 2000);
  const s = stats.value;
  return <><Fault error={stats.error ?? executors.error} /><Missing of={s?.missing} />
    {s && <div class="grid"><section class="card"><header><h2>Server</h2></header><Rows of={[['State', <><Status is={s.ready ? 'active' : 'failed'} /> {s.reason ?? ''}</>], ['Version', s.version ?? ''], ['Up', span((s.uptimeSeconds ?? 0) * 1000)], ['Events kept', count(s.events?.kept)], ['On disk', bytes(s.store?.bytes ?? 0)], ['Disk free', s.disk ? `${bytes(s.disk.freeBytes)}, ${bytes(s.disk.reserveBytes)} are a reserve` : ''], ['Acknowledged, not synced', bytes(s.store?.unsyncedBytes ?? 0)], ['Set aside', count(s.setAside)]]} /></section>
      <section class="card"><header><h2>Matcher</h2></header>{s.matcher && <Rows of={[['Subscriptions', count(s.matcher.subscriptions)], ['Memory', bytes(s.matcher.bytes)], ['Paths looked at', count(s.matcher.paths)], ['Entries an event', count(s.matcher.entriesPerEvent)], ['Looked at for each event', count(s.matcher.unpivotedClauses)], ['Regex failures', count(s.matcher.regexFailures)]]} />}</section>
      {s.memory && <Memory of={s.memory} />}</div>}
    <section class="card list"><header><h2>Executors</h2></header>{executors.value && <Table label="Executors" rows={executors.value.items} keyOf={(e: any) => e.type} columns={[{ name: 'Type', cell: (e) => <b>{e.type}</b> }, { name: 'State', cell: (e) => <Status is={e.enabled ? 'enabled' : 'disabled'} /> }, { name: 'Running', class: 'num', cell: (e) => `${count(e.running)} of ${count(e.limit)}` }, { name: 'Waiting', class: 'num', cell: (e) => count(e.waiting) }, { name: 'Breakers open', class: 'num', cell: (e) => count(e.breakersOpen) }]} />}</section>
    {s?.shards && <section class="card list"><header><h2>Shards</h2></header><Table label="Shards" rows={s.shards.map((one: any, i: number) => ({ ...one, i }))} keyOf={(one: any) => String(one.i)} columns={[{ name: s.shards[0]?.partition === undefined ? 'Shard' : 'Partition', class: 'num', cell: (one) => one.partition ?? one.i }, { name: 'Log ends at', class: 'num', cell: (one) => count(one.nextOffset) }, { name: 'Delivered to', class: 'num', cell: (one) => count(one.cursor) }, { name: 'Behind', class: 'num', cell: (one) => count(one.nextOffset - one.cursor) }, { name: 'Waiting', class: 'num', cell: (one) => count(one.waitingDeliveries) }, { name: 'Read back', cell: (one) => one.cold ? <Status is="waiting" title="deliveries are read back from the log" /> : 'no' }, { name: 'Connections', class: 'num', narrow: true, cell: (one) => count(one.httpConnections + one.socketConnections) }]} /></section>}
    {s?.behind?.length > 0 && <section class="card list"><header><h2>Behind, alone</h2></header><Table label="Subscriptions that are behind" rows={s.behind} keyOf={(b: any) => `${b.subscriptionId}/${b.partition ?? ''}/${b.shard}`} columns={[{ name: 'Subscription', cell: (b) => b.subscriptionId }, { name: s.behind[0]?.partition === undefined ? 'Shard' : 'Partition', class: 'num', cell: (b) => b.partition ?? b.shard }, { name: 'Is at', class: 'num', cell: (b) => count(b.position) }]} /></section>}
    {s?.errors?.length > 0 && <section class="card list"><header><h2>What went wrong in the server</h2></header><Table label="Errors of the server" rows={s.errors} keyOf={(e: any) => e.site + e.message} columns={[{ name: 'Level', cell: (e) => <Status is={e.level === 'error' ? 'failed' : 'waiting'} /> }, { name: 'What', cell: (e) => <span class="wrap">{e.message}</span> }, { name: 'Times', class: 'num', cell: (e) => count(e.count) }, { name: 'Last', class: 'nowrap', cell: (e) => <Time at={e.last} /> }]} /></section>}</>;
}

// What the process holds, and how the limit is shared out to its parts.
const SHARES: Record<string, string> = { program: 'Program and threads', writeBuffers: 'Write buffers', identities: 'Identities', bodies: 'Bodies of requests', queues: 'Queues to the lanes', scripts: 'Scripts', answers: 'Answers not yet read', caches: 'Caches', spareBuffers: 'Spare buffers', unshared: 'Not shared out' };

function Memory({ of: memory }: { of: any }) {
  const limit = memory.limitBytes;
  const whole: [string, any][] = limit ? [['Level', <Status is={memory.level} title="tight: free memory goes back to the system; short: events are refused until there is room" />], ['Held', `${bytes(memory.heldBytes)} of ${bytes(limit)}`]] : [['Held', bytes(memory.heldBytes)], ['Limit', 'none: neither memory.max nor a control group names one']];
  return <section class="card"><header><h2>Memory</h2></header><Rows of={[...whole, ...Object.entries<number>(memory.shares ?? {}).map(([name, share]): [string, string] => [SHARES[name] ?? name, bytes(share)])]} /></section>;
}

function Audit({ route }: { route: PageProps['route'] }) {
  const kind = route.query.get('kind') ?? '';
  const [verified, setVerified] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  const list = useAsk((signal) => get('/v2/audit', { kind: kind || undefined, limit: 200 }, signal), [kind]);
  const rows = (list.value?.items ?? []).map((row: any, i: number) => ({ ...row, i }));
  return <><div class="bar"><input class="grow" aria-label="Kind" placeholder="kind, as subscription or script" value={kind} onChange={(e) => setQuery({ kind: e.currentTarget.value.trim() || undefined })} /><Button onClick={() => get('/v2/audit/verify').then(setVerified).catch(setError)}>Verify the chain</Button></div><Fault error={list.error ?? error} />
    {verified && <p class={verified.valid ? 'note-box' : 'fault'} role="status"><Status is={verified.valid ? 'completed' : 'failed'} /> {verified.valid ? `${count(verified.checked)} rows checked: nothing was changed, taken out or put in.` : `broken: ${verified.broken?.reason ?? ''}`}</p>}
    <section class="card list">{rows.length ? <Table label="Who changed what, newest first" rows={rows} keyOf={(r: any) => String(r.i)} columns={[{ name: 'When', class: 'nowrap', cell: (r) => <Time at={r.at} /> }, { name: 'Who', cell: (r) => r.actor?.user ?? r.actor?.id ?? r.entry?.by ?? r.actor?.type ?? '' }, { name: 'Did', cell: (r) => r.action }, { name: 'What', cell: (r) => <>{r.target?.type} <code>{r.target?.id}</code></> }, { name: 'From', narrow: true, cell: (r) => <span class="dim">{r.ip}</span> }, { name: '', cell: (r) => <details><summary>Row</summary><JsonView value={Object.fromEntries(Object.entries(r).filter(([name]) => name !== 'i'))} /></details> }]} /> : !list.loading && <Empty title="No rows" />}</section></>;
}

function Documents({ path, none, columns }: { path: string; none: string; columns: (one: any) => unknown[] }) {
  const list = useAsk((signal) => get(path, { limit: 500 }, signal), [path], 10_000);
  const rows = list.value?.items ?? [];
  return <><Fault error={list.error} /><section class="card list">{rows.length ? <Table label={none.replace('No ', '')} rows={rows} keyOf={(one: any) => one.id} columns={[{ name: 'Name', cell: (one) => <b>{one.name || one.id}</b> }, { name: '', cell: (one) => <code>{String(columns(one)[0] ?? '')}</code> }, { name: '', cell: (one) => String(columns(one)[1] ?? '') }, { name: '', cell: (one) => <details><summary>Document</summary><JsonView value={one} /></details> }]} /> : !list.loading && <Empty title={none} />}</section></>;
}

function Raw() {
  const stats = useAsk((signal) => get('/v2/stats', undefined, signal), [], 2000);
  return <section class="card"><Fault error={stats.error} /><p class="dim">As <a href="/v2/stats">/v2/stats</a> says it; <a href="/metrics">/metrics</a> has all of it for Prometheus, <a href="/openapi.json">/openapi.json</a> the calls.</p>{stats.value && <JsonView value={stats.value} />}</section>;
}

// Of a setting its value and what has said so; those that are as they come are many.
function Settings({ route }: { route: PageProps['route'] }) {
  const q = (route.query.get('q') ?? '').toLowerCase();
  const all = route.query.get('all') === '1';
  const list = useAsk((signal) => get('/v2/config', undefined, signal), []);
  const rows = (list.value?.items ?? []).filter((one: any) => (all || q || one.from !== 'default') && (!q || one.key.includes(q) || String(one.value).toLowerCase().includes(q)));
  return <><div class="bar"><input class="grow mono" aria-label="Filter" placeholder="a setting or a value" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value || undefined })} /><Button aria-pressed={all} onClick={() => setQuery({ all: all ? undefined : '1' })}>{all ? 'Only what somebody has said' : 'All of them'}</Button></div><Fault error={list.error} />
    <section class="card list">{rows.length ? <Table label="Settings" rows={rows} keyOf={(one: any) => one.key} columns={[{ name: 'Setting', cell: (one) => <code>{one.key}</code> }, { name: 'Value', cell: (one) => <span class="wrap mono">{String(one.value)}</span> }, { name: 'Said by', cell: (one) => one.from === 'default' ? <span class="dim">as it comes</span> : one.from }]} /> : !list.loading && <Empty title={q ? 'None of that name' : 'Every setting is as it comes'} />}</section>
    <p class="dim">As it was at the start. <code>millrace serve --print-config</code> tells what each means.</p></>;
}

function LogTail({ route }: { route: PageProps['route'] }) {
  const level = route.query.get('level') ?? '';
  const list = useAsk((signal) => get('/v2/log', { level: level || undefined, limit: 200 }, signal), [level], 2000);
  const rows = (list.value?.items ?? []).map((line: any, i: number) => ({ ...line, i }));
  const fields = (line: any) => Object.entries(line).filter(([name]) => !['time', 'level', 'message', 'i'].includes(name)).map(([name, value]) => `${name}: ${value}`).join(', ');
  return <><div class="bar"><select aria-label="Level" value={level} onChange={(e) => setQuery({ level: e.currentTarget.value || undefined })}>{[['', 'every line'], ['warn', 'warnings and errors'], ['error', 'errors']].map(([value, name]) => <option value={value}>{name}</option>)}</select></div><Fault error={list.error} /><Missing of={list.value?.missing} />
    <section class="card list log">{rows.length ? <Table label="The last lines of the log, newest first" rows={rows} keyOf={(line: any) => `${line.time} ${line.i}`} columns={[{ name: 'When', class: 'nowrap', cell: (line) => <Time at={line.time} /> }, { name: 'Level', cell: (line) => <Status is={line.level} /> }, { name: 'Message', cell: (line) => <span class="wrap">{line.message} <span class="dim">{fields(line)}</span></span> }]} /> : !list.loading && <Empty title="Nothing was said" />}</section></>;
}

interface Sample { name: string; labels: Record<string, string>; value: number }
function samplesOf(text: string): Sample[] {
  const out: Sample[] = [];
  for (const line of text.split('\n')) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (!found) continue;
    const labels: Record<string, string> = {};
    for (const one of (found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[one[1]] = one[2].replace(/\\(.)/g, '$1');
    out.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return out;
}

// Whose time it is, and which figures have the most series.
function Cost() {
  const metrics = useAsk((signal) => ask('/metrics', { signal }).then((got) => samplesOf(got.text)), [], 5000);
  const samples = metrics.value ?? [];
  const base = 'script_event_processing_duration_seconds';
  const scripts = new Map<string, { id: string; seconds: number; runs: number }>();
  for (const { name, labels, value } of samples) {
    if (name !== `${base}_sum` && name !== `${base}_count`) continue;
    const row = scripts.get(labels.script_id) ?? { id: labels.script_id ?? '', seconds: 0, runs: 0 };
    if (name.endsWith('_sum')) row.seconds += value; else row.runs += value;
    scripts.set(labels.script_id, row);
  }
  const top = [...scripts.values()].filter((row) => row.runs > 0).sort((a, b) => b.seconds - a.seconds).slice(0, 20);
  const whole = top.reduce((sum, row) => sum + row.seconds, 0);
  const series = new Map<string, number>();
  for (const { name } of samples) series.set(name, (series.get(name) ?? 0) + 1);
  const most = [...series].map(([name, n]) => ({ name, n })).sort((a, b) => b.n - a.n).slice(0, 12);
  return <><Fault error={metrics.error} /><section class="card list"><header><h2>Scripts by the time they took since the start</h2></header>{top.length ? <Table label="Scripts by time" rows={top} keyOf={(row) => row.id} href={(row) => href(`/scripts/${encodeURIComponent(row.id)}`)} columns={[{ name: 'Script', cell: (row) => <b>{row.id}</b> }, { name: 'Time', class: 'num nowrap', cell: (row) => span(row.seconds * 1000) }, { name: 'Share', class: 'num', cell: (row) => `${(whole ? row.seconds / whole * 100 : 0).toFixed(1)} %` }, { name: 'Runs', class: 'num', cell: (row) => count(row.runs) }, { name: 'A run', class: 'num nowrap', cell: (row) => span(row.seconds / row.runs * 1000) }]} /> : !metrics.loading && <Empty title="No script has run" />}</section>
    <section class="card list"><header><h2>Series of figures</h2><span class="dim right">{count(samples.length)} in all</span></header><Table label="Figures by the number of their series" rows={most} keyOf={(row) => row.name} columns={[{ name: 'Figure', cell: (row) => <code>{row.name}</code> }, { name: 'Series', class: 'num', cell: (row) => count(row.n) }]} /></section></>;
}
