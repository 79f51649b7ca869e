// Servers that send their events here: when each was heard, how far it is, what it was refused.
import { useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { usePace } from '../lib/pace';
import { ago, compact, count, dash } from '../lib/format';
import { go, href } from '../lib/route';
import { Button, Confirm, Copy, Dialog, Empty, Fault, Field, Page, Rows, say, Status, Table, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';

// An edge is heard each 15 s, and tries at least each 5 minutes.
const QUIET_MS = 60_000;
export function edgeState(edge: any, now = Date.now()): string {
  const { lastSeenAt, lastError } = edge.status;
  if (/\bcloned\b/.test(lastError?.message ?? '') && (!lastSeenAt || lastError.at >= edge.updatedAt)) return 'cloned';
  return !lastSeenAt ? 'never heard' : now - new Date(lastSeenAt).getTime() < QUIET_MS ? 'heard' : 'quiet';
}

function Token({ edge, onClose }: { edge: any; onClose: () => void }) {
  const settings = `[hub]\nurl = "${location.origin}"\nnode = "${edge.node}"\n# and in its environment:\n# MILLRACE_HUB_TOKEN=${edge.token}\n`;
  return <Dialog title="The edge's token, this once" onClose={onClose} actions={<><Copy label="Copy the token" text={() => edge.token} /><Copy label="Copy the settings" text={() => settings} /><Button tone="main" onClick={onClose}>I have it</Button></>}><p>It is nowhere kept and never shown again. At the edge, in its settings:</p><pre class="wrap" tabIndex={0}>{settings}</pre><p class="dim">As this browser reaches this server; the edge may reach it by another address.</p></Dialog>;
}

export function Edges({ me, tabs }: PageProps & { tabs: preact.JSX.Element }) {
  const list = useAsk((signal) => get('/v2/edges', { limit: 1000 }, signal), [], 5000);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<any>(null);
  const [node, setNode] = useState('');
  const [name, setName] = useState('');
  const paces = usePace(list.value, (value: any) => value.items.map((edge: any): [string, number] => [edge.id, edge.status.taken]));
  const rows: any[] = list.value?.items ?? [];
  const write = may(me, 'links:write');
  const cloned = rows.filter((edge) => edgeState(edge) === 'cloned');
  return <Page title="Links" help="edges" sub="Servers that send their events here" actions={<>{tabs}{write && <Button tone="main" onClick={() => setMaking(true)}>Enroll an edge{'\u2026'}</Button>}</>}><Fault error={list.error} />
    {cloned.map((edge) => <div class="fault" role="alert" key={edge.id}><strong><a href={href(`/links/edge/${enc(edge.id)}`)}>{edge.name || edge.node}</a> is two.</strong> A copy of its disk sends other events under its name; what it sends is refused. Enroll each under a name of its own.</div>)}
    <section class="card list">{rows.length ? <Table label="Edges" rows={rows} keyOf={(edge: any) => edge.id} href={(edge: any) => href(`/links/edge/${enc(edge.id)}`)} columns={[
      { name: 'State', cell: (e) => <Status is={edgeState(e)} /> }, { name: 'Edge', cell: (e) => <><b>{e.node}</b>{e.name && e.name !== e.node && <div class="dim">{e.name}</div>}</> }, { name: 'Last heard', class: 'nowrap', cell: (e) => <Time at={e.status.lastSeenAt} /> },
      { name: 'Waits there', class: 'num', cell: (e) => e.status.lag === null ? dash : count(e.status.lag) }, { name: 'A second', class: 'num', narrow: true, cell: (e) => { const pace = paces.get(e.id)?.perSecond; return pace === null || pace === undefined ? dash : compact(pace); } }, { name: 'Taken', class: 'num', cell: (e) => count(e.status.taken) }, { name: 'Duplicates', class: 'num', narrow: true, cell: (e) => count(e.status.duplicates) },
      { name: 'Left there', class: 'num', narrow: true, cell: (e) => count(e.status.skipped) }, { name: 'Dead letters', class: 'num', narrow: true, cell: (e) => e.status.rejected ? <b class="bad">{count(e.status.rejected)}</b> : '0' }, { name: 'Last error', narrow: true, cell: (e) => e.status.lastError ? <><span class="wrap cut3" title={e.status.lastError.message}>{e.status.lastError.message}</span> <span class="dim"><Time at={e.status.lastError.at} /></span></> : <span class="dim">none</span> }]} />
      : !list.loading && !list.error && <Empty title="No edges">An edge is a Millrace in a shop, a machine or a vehicle that sends its events here over a line that may be gone for days. Each event arrives once.</Empty>}</section>
    {making && <Confirm title="Enroll an edge" verb="Enroll" onClose={() => setMaking(false)} run={async () => { const told = await post('/v2/edges', { node: node.trim(), ...(name.trim() ? { name: name.trim() } : {}) }); setMade(told); setNode(''); setName(''); list.again(); }}>
      <p>It gets a token, shown once. From the first subscription with <code>"edges":"*"</code> on, only what one of those matches crosses; without any, everything.</p><Field label="Node" hint="what it is called, here and there: hub.node"><input class="mono" autocomplete="off" spellcheck={false} value={node} onInput={(e) => setNode(e.currentTarget.value)} /></Field><Field label="Name" hint="for people"><input value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field></Confirm>}
    {made && <Token edge={made} onClose={() => setMade(null)} />}</Page>;
}

export function Edge({ id, me }: { id: string; me: PageProps['me'] }) {
  const path = `/v2/edges/${enc(id)}`;
  const seen = useAsk((signal) => get(path, undefined, signal), [id], 2000);
  const [asking, setAsking] = useState<'remove' | 'rotate' | 'backfill' | 'rename' | null>(null);
  const [made, setMade] = useState<any>(null);
  const [overlap, setOverlap] = useState('24h');
  const [name, setName] = useState('');
  const edge = seen.value;
  const write = may(me, 'links:write');
  const back = <><a href="#/links?tab=edges">Edges</a> / {edge?.node ?? id}</>;
  if (!edge) return <Page title={back}><Fault error={seen.error} /></Page>;
  const s = edge.status;
  const shards = s.shards.map((one: any) => ({ ...one, key: `${one.incarnation}/${one.shard}/${one.first}` }));
  const left = (run: any) => `${count(run.from)} to ${count(run.to)}`;
  return <Page title={back} help="edges" sub={<><Status is={edgeState(edge)} /> last heard <Time at={s.lastSeenAt} />{edge.name !== edge.node && <>, {edge.name}</>}</>}
    actions={write && <><Button onClick={() => { setName(edge.name); setAsking('rename'); }}>Rename{'\u2026'}</Button><Button onClick={() => setAsking('rotate')}>New token{'\u2026'}</Button><Button onClick={() => setAsking('backfill')}>Backfill{'\u2026'}</Button><Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button></>}><Fault error={seen.error} />
    {edgeState(edge) === 'cloned' && <p class="fault" role="alert"><b>A copy of its disk sends other events under its name.</b> What it sends is refused: enroll each under a name of its own.</p>}
    <div class="cols even"><section class="card"><header><h2>What it is at</h2></header><Rows of={[['Waits there', s.lag === null ? 'not told since this server began' : `${count(s.lag)} events`], ['Taken', count(s.taken)], ['Duplicates', count(s.duplicates)], ['Left there', `${count(s.skipped)} that no filter wanted`], ['Dead letters', s.rejected ? <a class="bad" href={href('/dlq')}>{count(s.rejected)}</a> : 'none'], ['Last error', s.lastError ? <><span class="wrap">{s.lastError.message}</span> <Time at={s.lastError.at} /></> : 'none']]} /></section>
      <section class="card"><header><h2>Who it is</h2></header><Rows of={[['Node', <code>{edge.node}</code>], ['Name', edge.name || dash], ['Token', <><code>{edge.tokenPrefix}{'\u2026'}</code> <span class="dim">never shown</span></>], ['Enrolled', <Time at={edge.createdAt} />], ['Its events', <a href={href('/events', { q: `$['x-edge'].node == "${edge.node}"` })}>search for them</a>]]} /></section></div>
    <section class="card list"><header><h2>Its shards</h2></header>{shards.length ? <Table label="How far each shard was taken" rows={shards} keyOf={(one: any) => one.key} columns={[{ name: 'Shard', class: 'num', cell: (one) => one.shard }, { name: 'Taken up to', class: 'num', cell: (one) => count(one.to) }, { name: 'Part', cell: (one) => one.first ? 'what goes first' : 'all the rest' }, { name: 'When', class: 'nowrap', cell: (one) => <Time at={one.at} /> }, { name: 'Folder', narrow: true, cell: (one) => <code class="id">{one.incarnation}</code> }, { name: 'Left out', narrow: true, cell: (one) => one.skips?.length ? <span class="dim">{one.skips.slice(-3).map(left).join(', ')}{one.skips.length > 3 && ` and ${one.skips.length - 3} more`}</span> : '' }]} /> : <Empty title="Nothing has come yet">{s.lastSeenAt ? `It was heard ${ago(s.lastSeenAt)}, and has sent no event.` : 'Its settings want hub.url, hub.node and the token.'}</Empty>}</section>
    {s.backfills.length > 0 && <section class="card list"><header><h2>Backfills</h2></header><Table label="What is asked for of the past" rows={s.backfills.map((one: any, i: number) => ({ ...one, i }))} keyOf={(one: any) => String(one.i)} columns={[{ name: 'State', cell: (one) => <Status is={one.done ? 'done' : 'running'} /> }, { name: 'Shard', class: 'num', cell: (one) => one.shard }, { name: 'Offsets', cell: (one) => left(one.run) }, { name: 'Is at', class: 'num', cell: (one) => count(one.to) }, { name: 'Taken', class: 'num', cell: (one) => count(one.taken) }]} /></section>}
    {asking === 'rename' && <Confirm title={`What ${edge.node} is called by people`} verb="Save" onClose={() => setAsking(null)} run={async () => { await ask(path, { method: 'PATCH', body: { name } }); seen.again(); }}><Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field></Confirm>}
    {asking === 'rotate' && <Confirm title={`A new token for ${edge.node}`} verb="Rotate" onClose={() => setAsking(null)} run={async () => { setMade(await post(`${path}/rotate`, { overlap })); seen.again(); }}><p>The edge needs the new one before the old one is no longer taken; until then its events wait there.</p><Field label="The old one counts for" hint="0 to 365d"><input value={overlap} onInput={(e) => setOverlap(e.currentTarget.value.trim())} /></Field></Confirm>}
    {asking === 'backfill' && <Confirm title={`Ask ${edge.node} for what was left out`} verb="Ask for it" onClose={() => setAsking(null)} run={async () => { const told = await post(`${path}/backfill`, undefined); say(told.backfills.length ? `${count(told.backfills.length)} runs of its log are asked for` : 'Nothing was left out that is not asked for already'); seen.again(); }}><p>It sends what is wanted now and was not then, as far as its log still has it, behind what is new. That takes its line; nothing comes twice.</p></Confirm>}
    {asking === 'remove' && <Confirm title={`Remove ${edge.node}`} verb="Remove" danger type={edge.node} onClose={() => setAsking(null)} run={async () => { await ask(path, { method: 'DELETE' }); say('Removed'); go('/links?tab=edges'); }}><p>No more is taken from it, and how far it was is forgotten: {s.lag ? <><b>{count(s.lag)} events that wait there stay there</b>. </> : ''}Enrolled again it begins at the beginning of its log, and what this server no longer remembers comes twice.</p></Confirm>}
    {made && <Token edge={made} onClose={() => setMade(null)} />}</Page>;
}
