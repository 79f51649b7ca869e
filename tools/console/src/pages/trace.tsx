// One event with what caused it and what it caused: when each thing ran, and when it only waited.
import { useEffect, useState } from 'preact/hooks';
import { enc, get } from '../lib/http';
import { span } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { Graph, type Arrow, type Box } from '../ui/graph';
import { Button, Empty, Fault, Page, Status, Table, Tabs, Time } from '../ui/parts';
import type { PageProps } from '../lib/me';
import { useNames, type Named } from '../lib/names';

interface Bar { from: number; to: number; kind: 'event' | 'run' | 'bad' | 'gap' }
interface Line { name: string; to: string; depth: number; bars: Bar[]; status?: string; at: string; took: number; note: string }

const ms = (time: string) => new Date(time).getTime();

// Events with their deliveries behind them, causes first, effects below their causes.
function linesOf(trace: any, named: Named): Line[] {
  const nodes = [...[...trace.causes].reverse(), { event: trace.event, deliveries: trace.deliveries, causedBy: trace.causedBy, partition: trace.partition }, ...trace.caused];
  const depth = new Map<string, number>();
  const lines: Line[] = [];
  for (const node of nodes) {
    const { event } = node;
    const own = node.causedBy && depth.has(node.causedBy) ? Math.min(3, depth.get(node.causedBy)! + 1) : 0;
    depth.set(event.eventId, own);
    const came = ms(event.receivedAt);
    lines.push({ name: event.pattern, to: href('/events', { id: event.eventId }), depth: own, bars: [{ from: came, to: came, kind: 'event' }], at: event.receivedAt, took: 0, note: node.partition === undefined ? event.eventId : `${event.eventId}, partition ${node.partition}` });
    for (const run of node.deliveries ?? []) {
      const bars: Bar[] = [];
      let before = came;
      for (const attempt of run.attempts ?? []) {
        const from = ms(attempt.at);
        const to = from + attempt.durationUs / 1000;
        if (from > before) bars.push({ from: before, to: from, kind: 'gap' });
        bars.push({ from, to, kind: attempt.error ? 'bad' : 'run' });
        before = to;
      }
      lines.push({ name: named(run.subscriptionId ?? run.scriptId) || 'delivery', to: href('/executions', { id: run.id }), depth: Math.min(3, own + 1), bars, status: run.status, at: run.attempts?.[0]?.at ?? event.receivedAt, took: (run.attempts ?? []).reduce((sum: number, a: any) => sum + a.durationUs / 1000, 0), note: run.attempts?.findLast?.((a: any) => a.error)?.error ?? '' });
    }
  }
  return lines;
}

// Causes above, effects below; an event's deliveries hang on it.
function graphOf(trace: any, named: Named): { boxes: Box[]; arrows: Arrow[] } {
  const nodes = [...[...trace.causes].reverse(), { event: trace.event, deliveries: trace.deliveries, causedBy: trace.causedBy }, ...trace.caused];
  const boxes: Box[] = [];
  const arrows: Arrow[] = [];
  const known = new Set(nodes.map((node) => node.event.eventId));
  for (const { event, deliveries, causedBy } of nodes) {
    boxes.push({ id: event.eventId, name: event.pattern, note: event.eventId, href: href('/events', { id: event.eventId }) });
    const cause = causedBy ?? event.metadata?.causationId;
    if (cause && known.has(cause)) arrows.push({ from: cause, to: event.eventId, label: 'caused' });
    for (const run of deliveries ?? []) {
      const tries = run.attempts?.length ?? 0;
      boxes.push({ id: run.id, name: named(run.subscriptionId ?? run.scriptId) || 'delivery', note: tries > 1 ? `${tries} attempts` : '', is: run.status, href: href('/executions', { id: run.id }) });
      arrows.push({ from: event.eventId, to: run.id });
    }
  }
  return { boxes, arrows };
}

// Times on an axis in which hours in which nothing runs are as wide as a twentieth of it.
function scale(lines: Line[]): { x: (at: number) => number; folded: { at: number; ms: number }[]; whole: number } {
  const marks = [...new Set(lines.flatMap((line) => line.bars.filter((bar) => bar.kind !== 'gap').flatMap((bar) => [bar.from, bar.to])))].sort((a, b) => a - b);
  const busy = lines.flatMap((line) => line.bars.filter((bar) => bar.kind === 'run' || bar.kind === 'bad')).reduce((sum, bar) => sum + bar.to - bar.from, 0);
  const fold = Math.max(200, busy * 2);
  const places = new Map<number, number>();
  const folded: { at: number; ms: number }[] = [];
  let place = 0;
  marks.forEach((mark, i) => {
    const gap = i === 0 ? 0 : mark - marks[i - 1];
    const idle = gap > fold;
    if (idle) folded.push({ at: place, ms: gap });
    place += idle ? fold / 4 : gap;
    places.set(mark, place);
  });
  const whole = Math.max(place, 1e-6);
  folded.forEach((one) => { one.at = one.at / whole * 100; });
  return { x: (at) => (places.get(at) ?? 0) / whole * 100, folded, whole: marks.length ? marks[marks.length - 1] - marks[0] : 0 };
}

export function Trace({ route, me }: PageProps) {
  const named = useNames(me);
  const id = route.path[1];
  const [text, setText] = useState(id ?? '');
  const [trace, setTrace] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  const view = route.query.get('view') ?? 'waterfall';
  const [turn, again] = useState(0);
  useEffect(() => {
    setText(id ?? '');
    if (!id) return setTrace(null);
    get(`/v2/events/${enc(id)}/trace`, { sourceId: route.query.get('sourceId') ?? undefined }).then((got) => { setTrace(got); setError(null); }).catch((why) => { setError(why); setTrace(null); });
  }, [id, turn]);
  const lines = trace ? linesOf(trace, named) : [];
  const { x, folded, whole } = scale(lines);
  return <Page title="Trace" sub={trace ? <span class="pattern">{trace.event.pattern}</span> : 'What caused an event, and what it caused'} actions={trace && <><Tabs label="View" of={[['waterfall', 'Waterfall'], ['graph', 'Graph'], ['list', 'List']]} now={view} pick={(next) => setQuery({ view: next === 'waterfall' ? undefined : next })} /><Button onClick={() => again(turn + 1)}>Refresh</Button></>}>
    <form class="bar" onSubmit={(e) => { e.preventDefault(); go(`/trace/${enc(text.trim())}`); }}><input class="grow mono" aria-label="Event id" placeholder="Event id" value={text} onInput={(e) => setText(e.currentTarget.value)} /><Button type="submit">Show</Button></form>
    <Fault error={error} />
    {!trace && !error && <Empty title="Which event?">Paste an id, or open the trace of one from <a href="#/events">events</a>.</Empty>}
    {trace?.truncated && <p class="note-box">There is more than is shown: it was cut.</p>}
    {trace && view === 'waterfall' && <section class="card" aria-label="Waterfall">
      <p class="dim note"><span class="status live"><span aria-hidden="true">{'\u25cf'}</span>event</span> <span class="status ok"><span aria-hidden="true">{'\u25ac'}</span>running</span> <span class="status wait"><span aria-hidden="true">{'\u2571'}</span>waiting</span> in all {span(whole)}{folded.length > 0 && <>; idle time folded: {folded.map((one) => span(one.ms)).join(', ')}</>}</p>
      <div class="water">{lines.map((line) => <>
        <div class={`name d${line.depth}`}>{line.status ? <Status is={line.status} /> : <span class="status live"><span aria-hidden="true">{'\u25cf'}</span></span>} <a class="pattern" href={line.to} title={line.note}>{line.name}</a></div>
        <div class="lane" role="img" aria-label={`${line.name}: ${line.status ?? 'event'}, ${line.took ? span(line.took) : line.at}`} title={`${line.at} ${line.took ? span(line.took) : ''} ${line.note}`}>{line.bars.map((bar) =>
          <i class={bar.kind === 'gap' ? 'gap' : `run ${bar.kind === 'run' ? '' : bar.kind}`} style={{ left: `calc(${x(bar.from)}% ${bar.kind === 'event' ? '- 3px' : ''})`.replace(' )', ')'), width: bar.kind === 'event' ? undefined : `${Math.max(0, x(bar.to) - x(bar.from))}%` }} />)}</div></>)}</div></section>}
    {trace && view === 'graph' && <section class="card"><Graph label="What caused what" {...graphOf(trace, named)} chosen={trace.event.eventId} /></section>}
    {trace && view === 'list' && <section class="card list"><Table label="Steps of the trace" rows={lines} keyOf={(line) => line.to} href={(line) => line.to} columns={[
      { name: 'What', cell: (line) => <span class={`name d${line.depth}`}>{line.status ? <Status is={line.status} /> : <span class="dim">event</span>} <span class="pattern">{line.name}</span></span> },
      { name: 'When', class: 'nowrap', cell: (line) => <Time at={line.at} /> }, { name: 'Took', class: 'num nowrap', cell: (line) => line.took ? span(line.took) : '' }, { name: 'Note', narrow: true, cell: (line) => <span class="wrap dim">{line.note}</span> }]} /></section>}
  </Page>;
}
