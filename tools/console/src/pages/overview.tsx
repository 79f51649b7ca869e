// What goes in, what comes of it, and what wants somebody.
import { get } from '../lib/http';
import { useAsk, useSeries } from '../lib/live';
import { bytes, compact, count, span } from '../lib/format';
import { href, setQuery } from '../lib/route';
import { Chart } from '../ui/chart';
import { Tile } from '../ui/tile';
import { Empty, Fault, Missing, Page, Status, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { useNames } from '../lib/names';

const WINDOWS: ['60' | '300' | '900', string][] = [['60', '1 min'], ['300', '5 min'], ['900', '15 min']];

export function Overview({ route, me }: PageProps) {
  const whole = me.tenantId === 'default' && may(me, 'stats:read');
  return whole ? <Whole route={route} me={me} /> : <Page title="Overview" sub={`Tenant ${me.tenantId}`}><Wants me={me} whole={false} /></Page>;
}

function Whole({ route, me }: PageProps) {
  const windowText = WINDOWS.find(([value]) => value === route.query.get('window'))?.[0] ?? '900';
  const { series, newest, error } = useSeries(Number(windowText));
  const stats = useAsk((signal) => get('/v2/stats', undefined, signal), [], 5000);
  const now = (name: string) => newest?.[name] ?? series?.[name]?.at(-1) ?? 0;
  const oldest = now('oldestMs');
  const free = stats.value?.disk?.freeBytes ?? 0;
  const reserve = stats.value?.disk?.reserveBytes ?? 0;
  return <Page title="Overview" sub={stats.value ? `up ${span(stats.value.uptimeSeconds * 1000)}, ${count(stats.value.events.kept)} events kept, ${bytes(stats.value.store.bytes)} on disk` : ' '}
    actions={<Tabs label="Window" of={WINDOWS} now={windowText} pick={(value) => setQuery({ window: value === '900' ? undefined : value })} />}>
    {stats.value && !stats.value.ready && <div class="fault" role="alert"><strong>Not ready:</strong> {stats.value.reason}</div>}
    <Fault error={error ?? stats.error} /><Missing of={stats.value?.missing} />
    <div class="tiles">
      <Tile name="Events in" value={`${compact(now('receivedPerSecond'))}/s`} to={href('/events', { live: '1' })} values={series?.receivedPerSecond} line="sky" />
      <Tile name="Handled" value={`${compact(now('processedPerSecond'))}/s`} to={href('/executions')} values={series?.processedPerSecond} />
      <Tile name="Oldest waits" value={oldest ? span(oldest) : 'none'} tone={oldest > 60_000 ? 'bad' : oldest > 5000 ? 'wait' : ''} to={href('/system', { tab: 'engine' })} values={series?.oldestMs} line="wait" note="for its first attempt" />
      <Tile name="Handler p99" value={span(now('runMsP99'))} values={series?.runMsP99} />
      <Tile name="Waiting" value={compact(now('waiting'))} values={series?.waiting} line="wait" to={href('/executions', { status: 'waiting' })} />
      <Tile name="Retries due" value={compact(now('retries'))} values={series?.retries} line="wait" to={href('/executions', { status: 'waiting' })} />
      <Tile name="Dead letters" value={compact(now('deadLetters'))} tone={now('deadLetters') ? 'bad' : ''} values={series?.deadLetters} line="bad" to={href('/dlq')} />
      <Tile name="Disk free" value={bytes(free)} tone={free && free < reserve * 2 ? 'bad' : ''} note={now('unsyncedBytes') ? `${bytes(now('unsyncedBytes'))} unsynced` : 'all synced'} to={href('/system')} />
    </div>
    <div class="grid">
      <Chart title="Flow" series={series} seconds={Number(windowText)} show={(v) => `${compact(v)}`} lines={[{ name: 'receivedPerSecond', label: 'in /s', tone: 'sky', fill: true }, { name: 'processedPerSecond', label: 'handled /s', tone: 'water' }, { name: 'emittedPerSecond', label: 'emitted /s', tone: 'violet', dashed: true }]} />
      <Chart title="Attempts" href={href('/executions')} series={series} seconds={Number(windowText)} lines={[{ name: 'completedPerSecond', label: 'completed /s', tone: 'ok', fill: true }, { name: 'retryingPerSecond', label: 'retrying /s', tone: 'wait' }, { name: 'deadPerSecond', label: 'dead /s', tone: 'bad' }]} />
      <Chart title="Time" series={series} seconds={Number(windowText)} show={span} lines={[{ name: 'runMsP99', label: 'handler p99', tone: 'water' }, { name: 'waitedMsP99', label: 'until first attempt p99', tone: 'wait' }, { name: 'commitMsP99', label: 'commit p99', tone: 'violet', dashed: true }]} note="Upper bounds of the histogram's buckets." />
      <Chart title="Backlog" series={series} seconds={Number(windowText)} lines={[{ name: 'waiting', label: 'deliveries waiting', tone: 'wait', fill: true }, { name: 'retries', label: 'retries', tone: 'violet' }, { name: 'deadLetters', label: 'dead letters', tone: 'bad' }]} />
    </div>
    <Wants me={me} whole stats={stats.value} />
  </Page>;
}

// Everything that waits for a person, and nothing else.
function Wants({ me, whole, stats }: { me: PageProps['me']; whole: boolean; stats?: any }) {
  const named = useNames(me);
  const groups = useAsk((signal) => may(me, 'dlq:read') ? get('/v2/dlq/groups', { state: 'open', limit: 6 }, signal) : Promise.resolve({ items: [] }), [], 15_000);
  const executors = useAsk((signal) => whole ? get('/v2/executors', undefined, signal) : Promise.resolve({ items: [] }), [whole], 10_000);
  const paused = useAsk((signal) => may(me, 'subscriptions:read') ? get('/v2/subscriptions', { limit: 1000 }, signal) : Promise.resolve({ items: [] }), [], 30_000);
  const broken = (executors.value?.items ?? []).filter((one: any) => one.breaker === 'open');
  const held = (paused.value?.items ?? []).filter((one: any) => one.paused).slice(0, 6);
  const errors = (stats?.errors ?? []).slice(-5).reverse();
  const quiet = !groups.value?.items.length && !broken.length && !held.length && !errors.length;
  return <section class="card wants" aria-label="What wants somebody"><header><h2>What wants somebody</h2></header>
    <Fault error={groups.error} />
    {quiet && <Empty title="Nothing">Dead letters, paused subscriptions, receivers that fail and the server's own errors would be here.</Empty>}
    <ul class="feed">
      {groups.value?.items.map((group: any) => <li><Status is="dead" /><b>{count(group.count)}</b><a class="grow" href={href(`/dlq/${encodeURIComponent(group.fingerprint)}`)}>{group.error}</a><span class="dim">{group.subscriptionIds.map(named).join(', ')}</span><Time at={group.lastAt} /></li>)}
      {broken.map((one: any) => <li><Status is="open" /><span class="grow">{one.breakersOpen === 1 ? 'A receiver' : `${one.breakersOpen} receivers`} of {one.type} {one.breakersOpen === 1 ? 'is' : 'are'} left alone for a while after failing again and again</span><a href={href('/system')}>Executors</a></li>)}
      {held.map((one: any) => <li><Status is="paused" /><a class="grow" href={href(`/subscriptions/${encodeURIComponent(one.id)}`)}>{one.name || one.id}</a><span class="dim">keeps its place in the log</span></li>)}
      {errors.map((one: any) => <li><Status is={one.level === 'error' ? 'failed' : 'waiting'} /><span class="grow" title={one.message}>{one.message}</span><span class="dim">{count(one.count)} times</span><Time at={one.last} /></li>)}
    </ul></section>;
}
