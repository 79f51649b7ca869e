// Other systems that events come from and go to: what each is at, and what wants somebody.
import { enc, get } from '../lib/http';
import { useAsk } from '../lib/live';
import { usePace, type Pace } from '../lib/pace';
import { compact, count, dash } from '../lib/format';
import { lettersOf, placeOf, throughOf, waitsOf, wantsSomebody, wayOf } from '../lib/links';
import { href, setQuery } from '../lib/route';
import { Empty, Fault, Page, Status, Table, Tabs, Time } from '../ui/parts';
import { Tile } from '../ui/tile';
import { may, type PageProps } from '../lib/me';
import { Edge, Edges } from './edges';
import { Link } from './link';

export function Links({ route, me }: PageProps) {
  if (route.path[1] === 'edge' && route.path[2]) return <Edge id={route.path[2]} me={me} key={route.path[2]} />;
  return route.path[1] ? <Link id={route.path[1]} me={me} key={route.path[1]} /> : <All route={route} me={me} />;
}

// Those first that somebody has to look at.
const ORDER = ['stopped', 'retrying', 'waiting', 'connecting', 'paused', 'running'];
const perSecond = (pace: Pace | undefined, unit = '') => pace?.perSecond === null || pace?.perSecond === undefined ? dash : `${compact(pace.perSecond)}${unit}`;
const sum = (rows: any[], of: (row: any) => number | null | undefined) => rows.reduce((all, row) => all + (of(row) ?? 0), 0);

function All({ route, me }: PageProps) {
  const tab = route.query.get('tab') === 'edges' ? 'edges' : 'links';
  const tabs = <Tabs label="What" of={[['links', 'Links'], ['edges', 'Edges']]} now={tab} pick={(next) => setQuery({ tab: next === 'edges' ? 'edges' : undefined, q: undefined, show: undefined })} />;
  return tab === 'edges' ? <Edges me={me} route={route} tabs={tabs} /> : <List me={me} route={route} tabs={tabs} />;
}

function List({ route, me, tabs }: PageProps & { tabs: preact.JSX.Element }) {
  const q = (route.query.get('q') ?? '').toLowerCase();
  const show = route.query.get('show') ?? '';
  const list = useAsk((signal) => get('/v2/links', { limit: 1000 }, signal), [], 2000);
  const all: any[] = list.value?.items ?? [];
  const paces = usePace(list.value, (value: any) => value.items.map((link: any): [string, number] => [link.id, throughOf(link)]));
  const whole = usePace(list.value, (value: any) => ['in', 'out'].map((way): [string, number] => [way, sum(value.items.filter((link: any) => link.direction === way), throughOf)]));
  const rows = all.filter((link) => (!q || [link.id, link.name, link.type, placeOf(link), link.config?.pattern].some((text) => String(text ?? '').toLowerCase().includes(q)))
    && (!show || (show === 'wants' ? wantsSomebody(link) : link.direction === show)))
    .sort((a, b) => ORDER.indexOf(a.status.state) - ORDER.indexOf(b.status.state) || String(a.name || a.id).localeCompare(String(b.name || b.id)));
  const stopped = all.filter((link) => link.status.state === 'stopped');
  const wants = all.filter(wantsSomebody).length;
  const lag = sum(all, (link) => link.status.lag);
  const letters = sum(all, lettersOf);
  const gaps = sum(all, (link) => link.status.gaps);
  const running = all.filter((link) => link.status.state === 'running').length;
  return <Page title="Links" help="links" sub="Other systems that events come from and go to" actions={<>{tabs}{may(me, 'links:write') && <a class="button main" href="#/links/+">New link</a>}</>}><Fault error={list.error} />
    {stopped.slice(0, 3).map((link) => <div class="fault" role="alert" key={link.id}><strong><a href={href(`/links/${enc(link.id)}`)}>{link.name || link.id}</a> has stopped.</strong> <span class="wrap">{link.status.reason}.</span> Nothing is read or skipped until somebody resumes or resets it.</div>)}
    {stopped.length > 3 && <p class="fault">{count(stopped.length - 3)} more have stopped.</p>}
    {all.length > 0 && <div class="tiles six">
      <Tile name="Running" value={`${running} of ${all.length}`} tone={stopped.length ? 'bad' : running < all.length ? 'wait' : ''} note={wants ? `${wants} want somebody` : 'none wants anybody'} to={wants ? href('/links', { show: 'wants' }) : undefined} />
      <Tile name="In" value={perSecond(whole.get('in'), '/s')} values={whole.get('in')?.past} line="sky" />
      <Tile name="Out" value={perSecond(whole.get('out'), '/s')} values={whole.get('out')?.past} />
      <Tile name="Behind" value={compact(lag)} note="entries not read, events not sent" tone={lag > 10_000 ? 'wait' : ''} />
      <Tile name="Gaps" value={compact(gaps)} note="what a peer no longer had" tone={gaps ? 'bad' : ''} />
      <Tile name="Dead letters" value={compact(letters)} note="what could be no event, or was refused" tone={letters ? 'bad' : ''} to={letters ? href('/dlq') : undefined} />
    </div>}
    <div class="bar"><input class="grow" aria-label="Filter" placeholder="name, type, place or pattern" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value || undefined })} />
      <select aria-label="Show" value={show} onChange={(e) => setQuery({ show: e.currentTarget.value || undefined })}>{[['', 'all'], ['in', 'in'], ['out', 'out'], ['wants', 'what wants somebody']].map(([value, name]) => <option value={value}>{name}</option>)}</select></div>
    <section class="card list">{rows.length ? <Table label="Links, those that want somebody first" rows={rows} keyOf={(link: any) => link.id} href={(link: any) => href(`/links/${enc(link.id)}`)} columns={[
      { name: 'State', class: 'nowrap', cell: (l) => <><Status is={l.status.state} title={l.status.reason ?? ''} /><div class="dim since"><Time at={l.status.since} /></div></> },
      { name: 'Link', cell: (l) => <><b>{l.name || l.id}</b><div class="dim mono">{placeOf(l)}</div></> },
      { name: 'Way', class: 'nowrap', narrow: true, cell: (l) => wayOf(l) }, { name: 'Type', class: 'nowrap', narrow: true, cell: (l) => l.type },
      { name: 'Behind', class: 'num nowrap', cell: (l) => waitsOf(l) }, { name: 'A second', class: 'num', cell: (l) => perSecond(paces.get(l.id)) },
      { name: 'Through', class: 'num', narrow: true, cell: (l) => count(throughOf(l)) }, { name: 'Duplicates', class: 'num', narrow: true, cell: (l) => l.direction === 'in' ? count(l.status.duplicates) : dash },
      { name: 'Gaps', class: 'num', narrow: true, cell: (l) => l.status.gaps ? <b class="bad">{count(l.status.gaps)}</b> : l.status.gaps === undefined ? dash : '0' },
      { name: 'Dead letters', class: 'num', narrow: true, cell: (l) => lettersOf(l) === null ? <span class="dim" title="attempts that failed; what becomes of them its subscriptions say">{count(l.status.failed)} failed</span> : lettersOf(l) ? <b class="bad">{count(lettersOf(l))}</b> : '0' },
      { name: 'Last error', narrow: true, cell: (l) => l.status.lastError ? <><span class="wrap cut3" title={l.status.lastError.message}>{l.status.lastError.message}</span> <span class="dim nowrap"><Time at={l.status.lastError.at} /></span></> : <span class="dim">none</span> }]} />
      : !list.loading && <Empty title={q || show ? 'None of these' : 'No links'}>{!q && !show && <>A link reads a file, a topic, a stream or a queue of another system into the log, or writes events there. {may(me, 'links:write') && <a href="#/links/+">Make the first</a>}</>}</Empty>}{list.value?.next && <p class="dim bar">The first 1,000 are shown.</p>}</section></Page>;
}
