// What handlers did: in one list with what still waits, and each attempt of one.
import { useEffect, useState } from 'preact/hooks';
import { enc, get, pathOf, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { count, span } from '../lib/format';
import { href, setQuery } from '../lib/route';
import { Button, Empty, Fault, Id, JsonView, Page, Rows, say, Status, Table, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';

const PRESETS: [string, string][] = [['', 'All'], ['waiting', 'In flight'], ['completed', 'Completed'], ['dead', 'Dead'], ['failed', 'Failed calls']];

export function Executions({ route, me }: PageProps) {
  const status = route.query.get('status') ?? '';
  const scriptId = route.query.get('scriptId') ?? '';
  const subscriptionId = route.query.get('subscriptionId') ?? '';
  const from = route.query.get('from') ?? '';
  const id = route.query.get('id');
  return <Page title="Executions" actions={<Tabs label="Which" of={PRESETS} now={status} pick={(next) => setQuery({ status: next || undefined, id: undefined }, true)} />}>
    <div class="bar"><input class="grow mono" aria-label="Subscription" placeholder="subscription id" value={subscriptionId} onChange={(e) => setQuery({ subscriptionId: e.currentTarget.value.trim() || undefined })} />
      <input class="mono" aria-label="Script" placeholder="script id" value={scriptId} onChange={(e) => setQuery({ scriptId: e.currentTarget.value.trim() || undefined })} />
      <select aria-label="Since when" value={from} onChange={(e) => setQuery({ from: e.currentTarget.value || undefined })}>{[['', 'any time'], ['5m', 'last 5 minutes'], ['1h', 'last hour'], ['24h', 'last day']].map(([value, name]) => <option value={value}>{name}</option>)}</select></div>
    <div class={id ? 'cols' : ''}>{status === 'waiting' ? <Waiting /> : <List query={{ status, scriptId, subscriptionId, from }} chosen={id} />}{id && <Detail id={id} me={me} />}</div></Page>;
}

const took = (run: any) => (run.attempts ?? []).reduce((sum: number, attempt: any) => sum + attempt.durationUs / 1000, 0);

function List({ query, chosen }: { query: Record<string, string>; chosen: string | null }) {
  const [more, setMore] = useState<{ rows: any[]; next: string | null } | null>(null);
  const path = pathOf('/v2/executions', { ...query, limit: 100 });
  const first = useAsk((signal) => get(path, undefined, signal), [path], more ? 0 : 5000);
  useEffect(() => setMore(null), [path]);
  const rows = more?.rows ?? first.value?.items ?? [];
  const next = more ? more.next : first.value?.next;
  return <section class="card list"><Fault error={first.error} />
    {rows.length ? <Table label="Executions, newest first" rows={rows} keyOf={(run: any) => run.id} chosen={chosen ?? undefined} open={(run) => setQuery({ id: run.id })} href={(run) => href('/executions', { id: run.id })} columns={[
      { name: 'Status', cell: (run) => <Status is={run.status} /> },
      { name: 'Subscription', cell: (run) => <span class="mono">{run.subscriptionId ?? <span class="dim">call</span>}</span> },
      { name: 'Script', narrow: true, cell: (run) => <span class="mono">{run.scriptId}{run.scriptVersion ? <span class="dim"> v{run.scriptVersion}</span> : null}</span> },
      { name: 'Event', narrow: true, cell: (run) => run.eventId ? <Id of={run.eventId} /> : '' },
      { name: 'Attempts', class: 'num', cell: (run) => run.attempts?.length ?? 0 }, { name: 'Took', class: 'num nowrap', cell: (run) => span(took(run)) },
      { name: 'When', class: 'nowrap', cell: (run) => <Time at={run.attempts?.at(-1)?.at} /> }]} />
      : !first.loading && <Empty title="None">{first.value?.scanned !== undefined && `${count(first.value.scanned)} were looked at.`}</Empty>}
    {next && <Button onClick={() => get('/v2/executions', { ...query, limit: 100, cursor: next }).then((page) => setMore({ rows: rows.concat(page.items), next: page.next }))}>More</Button>}</section>;
}

function Waiting() {
  const retries = useAsk((signal) => get('/v2/retries', { limit: 200 }, signal), [], 3000);
  const rows = retries.value?.items ?? [];
  return <section class="card list"><Fault error={retries.error} />{rows.length ? <Table label="Deliveries that wait, by due time" rows={rows} keyOf={(row: any) => row.executionId} open={(row) => setQuery({ id: row.executionId })} columns={[
    { name: 'Why', cell: (row) => <Status is={row.held ? 'paused' : row.parked ? 'parked' : 'retrying'} title={row.held ? 'its subscription gets nothing now' : row.parked ? 'an earlier event of its key is retried' : ''} /> },
    { name: 'Due', class: 'nowrap', cell: (row) => <Time at={row.dueAt} /> }, { name: 'Subscription', cell: (row) => <span class="mono">{row.subscriptionId}</span> }, { name: 'Event', narrow: true, cell: (row) => <span class="pattern">{row.eventType}</span> },
    { name: 'Attempts', class: 'num', cell: (row) => row.attempt }, { name: 'Last error', class: 'cut', narrow: true, cell: (row) => <span class="dim">{row.error}</span> }]} /> : !retries.loading && <Empty title="Nothing waits">Retries, events behind them in their key's order and what a paused subscription holds would be here.</Empty>}</section>;
}

function Detail({ id, me }: { id: string; me: PageProps['me'] }) {
  const run = useAsk((signal) => get(`/v2/executions/${enc(id)}`, undefined, signal), [id], 5000);
  const value = run.value;
  const [error, setError] = useState<Error | null>(null);
  const again = async () => {
    try {
      const letters = await get('/v2/dlq', { subscriptionId: value.subscriptionId, limit: 1000 });
      const letter = letters.items.find((one: any) => one.eventId === value.eventId);
      if (!letter) throw new Error('Its dead letter is gone: it was delivered again or removed.');
      await post(`/v2/dlq/${enc(letter.id)}/replay`, undefined);
      say('On its way again');
      run.again();
    } catch (why) { setError(why as Error); }
  };
  return <aside class="card drawer" aria-label="Execution"><header><h2>{value?.subscriptionId ?? value?.scriptId ?? 'Execution'}</h2>{value && <Status is={value.status} />}<Button class="right" tone="quiet" aria-label="Close the execution" onClick={() => setQuery({ id: undefined })}>{'\u2715'}</Button></header>
    <Fault error={run.error ?? error} />
    {value && <><div class="bar">{value.eventId && <><a class="button" href={href('/events', { id: value.eventId })}>Event</a><a class="button" href={href(`/trace/${enc(value.eventId)}`)}>Trace</a></>}{value.scriptId && <a class="button" href={href(`/scripts/${enc(value.scriptId)}`)}>Script</a>}{value.status === 'dead' && may(me, 'dlq:replay') && <Button tone="main" onClick={again}>Deliver again</Button>}</div>
      <Rows of={[['Id', <code>{value.id}</code>], ['Subscription', value.subscriptionId ? <a href={href(`/subscriptions/${enc(value.subscriptionId)}`)}>{value.subscriptionId}</a> : 'none: a call'], ['Script', value.scriptId ? `${value.scriptId} v${value.scriptVersion ?? '?'}` : '']]} />
      <h3>Attempts</h3><ol class="feed">{(value.attempts ?? []).map((attempt: any) => <li><Status is={attempt.error ? 'failed' : 'completed'} /><span class="grow wrap">{attempt.error ?? ''}</span><span class="dim nowrap">{span(attempt.durationUs / 1000)}</span><Time at={attempt.at} /></li>)}</ol>
      {value.logs?.length > 0 && <><h3>Log</h3><ul class="feed">{value.logs.map((line: any) => <li><span class="dim">{line.level}</span><span class="grow wrap mono">{line.message ?? line.text ?? JSON.stringify(line)}</span></li>)}</ul></>}
      <h3>Result</h3><JsonView value={value.result} />
      {value.replays?.length > 0 && <><h3>Replays</h3><JsonView value={value.replays} /></>}</>}</aside>;
}
