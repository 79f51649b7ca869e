// What handlers did: in one list with what still waits, and each attempt of one.
import { useEffect, useState } from 'preact/hooks';
import { enc, get, pathOf, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { count, span } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { Button, Empty, Fault, Id, JsonView, Page, Rows, say, Status, Table, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { useNames, type Named } from '../lib/names';

const PRESETS: [string, string][] = [['', 'All'], ['waiting', 'In flight'], ['completed', 'Completed'], ['dead', 'Dead'], ['failed', 'Failed calls']];

export function Executions({ route, me }: PageProps) {
  const status = route.query.get('status') ?? '';
  const scriptId = route.query.get('scriptId') ?? '';
  const subscriptionId = route.query.get('subscriptionId') ?? '';
  const from = route.query.get('from') ?? '';
  const id = route.query.get('id');
  const named = useNames(me);
  return <Page title="Executions" actions={<Tabs label="Which" of={PRESETS} now={status} pick={(next) => setQuery({ status: next || undefined, id: undefined }, true)} />}>
    <div class="bar"><Pick label="Subscription" path="/v2/subscriptions" class="grow mono" value={subscriptionId} named={named} set={(value) => setQuery({ subscriptionId: value })} />
      <Pick label="Script" path="/v2/scripts" class="mono" value={scriptId} named={named} set={(value) => setQuery({ scriptId: value })} />
      <select aria-label="Since when" value={from} onChange={(e) => setQuery({ from: e.currentTarget.value || undefined })}>{[['', 'any time'], ['5m', 'last 5 minutes'], ['1h', 'last hour'], ['24h', 'last day']].map(([value, name]) => <option value={value}>{name}</option>)}</select></div>
    <div class={id ? 'cols' : ''}>{status === 'waiting' ? <Waiting named={named} /> : <List query={{ status, scriptId, subscriptionId, from }} chosen={id} named={named} />}{id && <Detail id={id} me={me} named={named} />}</div></Page>;
}

// By name, which is what people know, or by id, which is what stands in the address.
function Pick(props: { label: string; path: string; class: string; value: string; named: Named; set: (value: string | undefined) => void }) {
  const list = useAsk((signal) => get(props.path, { limit: 1000 }, signal).catch(() => ({ items: [] })), [props.path]);
  const items: any[] = list.value?.items ?? [];
  const choose = (text: string) => props.set(text ? (items.find((one) => one.id === text) ?? items.find((one) => one.name === text))?.id ?? text : undefined);
  const known = `known${props.path.replace(/\W/g, '-')}`;
  return <><input class={props.class} list={known} aria-label={props.label} placeholder={`${props.label.toLowerCase()}: name or id`} value={props.named(props.value)} onChange={(e) => choose(e.currentTarget.value.trim())} />
    <datalist id={known}>{items.map((one) => <option value={one.name || one.id} />)}</datalist></>;
}

const took = (run: any) => (run.attempts ?? []).reduce((sum: number, attempt: any) => sum + attempt.durationUs / 1000, 0);

function List({ query, chosen, named }: { query: Record<string, string>; chosen: string | null; named: Named }) {
  const [more, setMore] = useState<{ rows: any[]; next: string | null } | null>(null);
  const path = pathOf('/v2/executions', { ...query, limit: 100 });
  const first = useAsk((signal) => get(path, undefined, signal), [path], more ? 0 : 5000);
  useEffect(() => setMore(null), [path]);
  const rows = more?.rows ?? first.value?.items ?? [];
  const next = more ? more.next : first.value?.next;
  return <section class="card list"><Fault error={first.error} />
    {rows.length ? <Table label="Executions, newest first" rows={rows} keyOf={(run: any) => run.id} chosen={chosen ?? undefined} open={(run) => setQuery({ id: run.id })} href={(run) => href('/executions', { id: run.id })} columns={[
      { name: 'Status', cell: (run) => <Status is={run.status} /> },
      { name: 'Subscription', cell: (run) => <span class="mono" title={run.subscriptionId}>{run.subscriptionId ? named(run.subscriptionId) : <span class="dim">call</span>}</span> },
      { name: 'Script', narrow: true, cell: (run) => <span class="mono" title={run.scriptId}>{named(run.scriptId)}{run.scriptVersion ? <span class="dim"> v{run.scriptVersion}</span> : null}</span> },
      { name: 'Event', narrow: true, cell: (run) => run.eventId ? <Id of={run.eventId} /> : '' },
      { name: 'Attempts', class: 'num', cell: (run) => run.attempts?.length ?? 0 }, { name: 'Took', class: 'num nowrap', cell: (run) => span(took(run)) },
      { name: 'When', class: 'nowrap', cell: (run) => <Time at={run.attempts?.at(-1)?.at} /> }]} />
      : !first.loading && <Empty title="None">{first.value?.scanned !== undefined && `${count(first.value.scanned)} were looked at.`}</Empty>}
    {next && <Button onClick={() => get('/v2/executions', { ...query, limit: 100, cursor: next }).then((page) => setMore({ rows: rows.concat(page.items), next: page.next }))}>More</Button>}</section>;
}

function Waiting({ named }: { named: Named }) {
  const retries = useAsk((signal) => get('/v2/retries', { limit: 200 }, signal), [], 3000);
  const rows = retries.value?.items ?? [];
  return <section class="card list"><Fault error={retries.error} />{rows.length ? <Table label="Deliveries that wait, by due time" rows={rows} keyOf={(row: any) => row.executionId} open={(row) => setQuery({ id: row.executionId })} columns={[
    { name: 'Why', cell: (row) => <Status is={row.held ? 'paused' : row.parked ? 'parked' : 'retrying'} title={row.held ? 'its subscription gets nothing now' : row.parked ? 'an earlier event of its key is retried' : ''} /> },
    { name: 'Due', class: 'nowrap', cell: (row) => <Time at={row.dueAt} /> }, { name: 'Subscription', cell: (row) => <span class="mono" title={row.subscriptionId}>{named(row.subscriptionId)}</span> }, { name: 'Event', narrow: true, cell: (row) => <span class="pattern">{row.eventType}</span> },
    ...(rows[0]?.partition === undefined ? [] : [{ name: 'Partition', class: 'num', narrow: true, cell: (row: any) => row.partition }]),
    { name: 'Attempts', class: 'num', cell: (row) => row.attempt }, { name: 'Last error', class: 'cut', narrow: true, cell: (row) => <span class="dim">{row.error}</span> }]} /> : !retries.loading && <Empty title="Nothing waits">Retries, events behind them in their key's order and what a paused subscription holds would be here.</Empty>}</section>;
}

function Detail({ id, me, named }: { id: string; me: PageProps['me']; named: Named }) {
  const run = useAsk((signal) => get(`/v2/executions/${enc(id)}`, undefined, signal), [id], 5000);
  const value = run.value;
  const [error, setError] = useState<Error | null>(null);
  const again = async () => {
    try {
      let letter: any;
      for (let cursor: string | null | undefined; !letter && cursor !== null;) {
        const letters: any = await get('/v2/dlq', { subscriptionId: value.subscriptionId, limit: 1000, cursor });
        letter = letters.items.find((one: any) => one.eventId === value.eventId);
        cursor = letters.next ?? null;
      }
      if (!letter) throw new Error('Its dead letter is gone: it was delivered again or removed.');
      await post(`/v2/dlq/${enc(letter.id)}/replay`, undefined);
      say('On its way again');
      run.again();
    } catch (why) { setError(why as Error); }
  };
  // The event alone: from the moment it came to the next.
  const replay = async () => {
    try {
      const event = await get(`/v2/events/${enc(value.eventId)}`, { sourceId: value.sourceId });
      go(href('/replays/+', { from: event.receivedAt, to: new Date(new Date(event.receivedAt).getTime() + 1).toISOString(), pattern: event.pattern, subscriptionId: value.subscriptionId }).slice(1));
    } catch (why) { setError(why as Error); }
  };
  return <aside class="card drawer" aria-label="Execution"><header><h2>{named(value?.subscriptionId ?? value?.scriptId) || 'Execution'}</h2>{value && <Status is={value.status} />}<Button class="right" tone="quiet" aria-label="Close the execution" onClick={() => setQuery({ id: undefined })}>{'\u2715'}</Button></header>
    <Fault error={run.error ?? error} />
    {value && <><div class="bar">{value.eventId && <><a class="button" href={href('/events', { id: value.eventId })}>Event</a><a class="button" href={href(`/trace/${enc(value.eventId)}`)}>Trace</a></>}{value.scriptId && <a class="button" href={href(`/scripts/${enc(value.scriptId)}`)}>Script</a>}{value.status === 'dead' && may(me, 'dlq:replay') && <Button tone="main" onClick={again}>Deliver again</Button>}{value.status === 'completed' && value.eventId && value.subscriptionId && may(me, 'replays:write') && <Button onClick={replay}>Run again{'\u2026'}</Button>}</div>
      <Rows of={[['Id', <code>{value.id}</code>], ['Subscription', value.subscriptionId ? <a href={href(`/subscriptions/${enc(value.subscriptionId)}`)}>{named(value.subscriptionId)}</a> : 'none: a call'], ['Script', value.scriptId ? `${named(value.scriptId)} v${value.scriptVersion ?? '?'}` : '']]} />
      <h3>Attempts</h3><ol class="feed">{(value.attempts ?? []).map((attempt: any) => <li><Status is={attempt.error ? 'failed' : 'completed'} /><span class="grow wrap">{attempt.error ?? ''}</span><span class="dim nowrap">{span(attempt.durationUs / 1000)}</span><Time at={attempt.at} /></li>)}</ol>
      {value.logs?.length > 0 && <><h3>Log</h3><ul class="feed">{value.logs.map((line: any) => <li><span class="dim">{line.level}</span><span class="grow wrap mono">{line.message ?? line.text ?? JSON.stringify(line)}</span></li>)}</ul></>}
      <h3>Result</h3><JsonView value={value.result} />
      {value.replays?.length > 0 && <><h3>Replays</h3><JsonView value={value.replays} /></>}</>}</aside>;
}
