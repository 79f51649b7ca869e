// Workflows: what leads to what; runs: where they are, what each step got and gave, and what can be done.
import { useEffect, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { count, span } from '../lib/format';
import { go, href, setQuery } from '../lib/route';
import { Graph, type Arrow, type Box } from '../ui/graph';
import { asObject, Button, Confirm, Empty, Fault, Field, Id, JsonView, Page, Rows, say, Status, Table, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';

export function Workflows({ route, me }: PageProps) {
  if (route.path[1] === 'runs' && route.path[2]) return <Run id={route.path[2]} route={route} me={me} key={route.path[2]} />;
  return route.path[1] ? <One id={route.path[1]} route={route} me={me} key={route.path[1]} /> : <All route={route} />;
}

const STATUSES = ['running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'compensating', 'compensated', 'compensation_failed'];
const OVER = ['completed', 'failed', 'cancelled', 'compensated', 'compensation_failed'];

function All({ route }: { route: PageProps['route'] }) {
  const tab = route.query.get('tab') === 'runs' ? 'runs' : 'definitions';
  return <Page title="Workflows" help="workflows" actions={<Tabs label="What" of={[['definitions', 'Definitions'], ['runs', 'Runs']]} now={tab} pick={(next) => setQuery({ tab: next === 'runs' ? next : undefined })} />}>
    {tab === 'runs' ? <Runs route={route} /> : <Definitions />}</Page>;
}

function Definitions() {
  const list = useAsk((signal) => get('/v2/workflows', { limit: 200 }, signal), [], 10_000);
  const rows = list.value?.items ?? [];
  return <><Fault error={list.error} /><section class="card list">{rows.length ? <Table label="Workflows" rows={rows} keyOf={(w: any) => w.id} href={(w: any) => href(`/workflows/${enc(w.id)}`)} columns={[
    { name: 'Workflow', cell: (w) => <><b>{w.name || w.id}</b>{w.name && w.name !== w.id && <div class="dim mono">{w.id}</div>}</> }, { name: 'Version', class: 'num', cell: (w) => w.version }, { name: 'Steps', class: 'num', cell: (w) => w.steps?.length ?? '' },
    { name: 'Runs', cell: (w) => <a href={href('/workflows', { tab: 'runs', workflowId: w.id })}>runs</a> }, { name: 'Changed', class: 'nowrap', narrow: true, cell: (w) => <Time at={w.updatedAt ?? w.createdAt} /> }]} />
    : !list.loading && <Empty title="No workflows">Several steps as JSON (<code>millrace workflow create @order.json</code>), or a script of type workflow. <a href="#/help/workflows">More</a></Empty>}</section></>;
}

function Runs({ route }: { route: PageProps['route'] }) {
  const status = route.query.get('status') ?? '';
  const workflowId = route.query.get('workflowId') ?? '';
  const query = { status: status || undefined, workflowId: workflowId || undefined, limit: 100 };
  const first = useAsk((signal) => get('/v2/workflow-runs', query, signal), [status, workflowId], 5000);
  const [more, setMore] = useState<{ rows: any[]; next: string | null } | null>(null);
  useEffect(() => setMore(null), [status, workflowId]);
  const rows = more?.rows ?? first.value?.items ?? [];
  const next = more ? more.next : first.value?.next;
  return <><div class="bar"><input class="grow mono" aria-label="Workflow" placeholder="workflow id" value={workflowId} onChange={(e) => setQuery({ workflowId: e.currentTarget.value.trim() || undefined })} />
    <select aria-label="Status" value={status} onChange={(e) => setQuery({ status: e.currentTarget.value || undefined })}><option value="">any status</option>{STATUSES.map((one) => <option value={one}>{one}</option>)}</select></div>
    <Fault error={first.error} /><section class="card list">{rows.length ? <Table label="Runs, newest first" rows={rows} keyOf={(r: any) => r.runId} href={(r: any) => href(`/workflows/runs/${enc(r.runId)}`)} columns={[
      { name: 'Status', cell: (r) => <Status is={r.status} title={r.code ?? ''} /> }, { name: 'Workflow', cell: (r) => <>{r.workflowId} <span class="dim">v{r.version}</span></> }, { name: 'Run', cell: (r) => <Id of={r.runId} most={24} /> }, { name: 'Took', class: 'num nowrap', narrow: true, cell: (r) => r.endedAt ? span(new Date(r.endedAt).getTime() - new Date(r.startedAt).getTime()) : '' }, { name: 'Begun', class: 'nowrap', cell: (r) => <Time at={r.startedAt} /> }]} />
      : !first.loading && <Empty title="No runs" />}{next && <Button onClick={() => get('/v2/workflow-runs', { ...query, cursor: next }).then((page) => setMore({ rows: rows.concat(page.items), next: page.next }))}>More</Button>}</section></>;
}

// ---- what leads to what

const namesOf = (value: unknown): string[] => [value ?? []].flat().map((one: any) => typeof one === 'string' ? one : one?.id ?? one?.step ?? '').filter(Boolean);
const nextOf = (step: any) => namesOf(step.next_steps ?? step.nextSteps);

// The steps that a branch of a parallel step goes through.
function reach(from: string[], steps: Map<string, any>): Set<string> {
  const seen = new Set<string>();
  const open = [...from];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const step = steps.get(id);
    if (!step || seen.has(id)) continue;
    seen.add(id);
    open.push(...nextOf(step), ...namesOf(step.branches));
  }
  return seen;
}

export function arrowsOf(list: any[]): Arrow[] {
  const steps = new Map<string, any>(list.map((step) => [step.id, step]));
  const arrows: Arrow[] = [];
  for (const step of list) {
    const next = nextOf(step);
    const branches = namesOf(step.branches).filter((id) => steps.has(id));
    if (step.type === 'parallel' && branches.length) {
      branches.forEach((to) => arrows.push({ from: step.id, to }));
      // What follows the parallel step follows the ends of its branches.
      for (const end of reach(branches, steps)) if (nextOf(steps.get(end)).length === 0) next.forEach((to) => arrows.push({ from: end, to }));
    } else if (step.type === 'condition') next.forEach((to, i) => arrows.push({ from: step.id, to, label: i === 0 ? 'yes' : 'no' }));
    else next.forEach((to) => arrows.push({ from: step.id, to }));
  }
  return arrows;
}

const doesOf = (step: any): string => step.action ?? step.event ?? step.signal ?? step.workflow_id ?? step.workflowId ?? step.duration ?? step.until ?? '';

// A step that is named and not there: the path ends.
function boxesOf(list: any[], arrows: Arrow[], href: (id: string) => string, states?: Map<string, any>): Box[] {
  const known = new Set(list.map((step) => step.id));
  const lost = [...new Set(arrows.map((arrow) => arrow.to))].filter((id) => !known.has(id));
  return [...list.map((step): Box => {
    const state = states?.get(step.id);
    return { id: step.id, name: step.name || step.id, note: [step.type, doesOf(step)].filter(Boolean).join(' '), is: state?.status, away: states && (!state || state.status === 'pending' || state.status === 'skipped'), href: href(step.id) };
  }), ...lost.map((id): Box => ({ id, name: id, note: 'is not there', away: true }))];
}

function One({ id, route, me }: PageProps & { id: string }) {
  const version = route.query.get('version') ?? '';
  const flow = useAsk((signal) => get(`/v2/workflows/${enc(id)}`, { version: version || undefined }, signal), [id, version]);
  const versions = useAsk((signal) => get(`/v2/workflows/${enc(id)}/versions`, undefined, signal), [id]);
  const [asking, setAsking] = useState<'run' | 'remove' | null>(null);
  const [input, setInput] = useState('{}');
  const view = route.query.get('view') ?? 'graph';
  const w = flow.value;
  const steps: any[] = w?.steps ?? [];
  const arrows = arrowsOf(steps);
  const chosen = route.query.get('step') ?? undefined;
  const step = steps.find((one) => one.id === chosen);
  const to = (one: string) => href(`/workflows/${enc(id)}`, { version: version || undefined, view: view === 'graph' ? undefined : view, step: one });
  return <Page title={<><a href="#/workflows">Workflows</a> / {w?.name ?? id}</>} sub={w && <>version {w.version}, <Time at={w.createdAt} /></>}
    actions={w && <><Tabs label="View" of={[['graph', 'Graph'], ['list', 'List'], ['json', 'JSON']]} now={view} pick={(next) => setQuery({ view: next === 'graph' ? undefined : next })} />
      <a class="button" href={href('/workflows', { tab: 'runs', workflowId: id })}>Runs</a>{may(me, 'workflows:run') && <Button tone="main" onClick={() => setAsking('run')}>Begin a run{'\u2026'}</Button>}{may(me, 'workflows:write') && <Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button>}</>}>
    <Fault error={flow.error} />
    {w?.warnings?.map((warning: string) => <p class="note-box">{warning}</p>)}
    {versions.value?.items?.length > 1 && <div class="bar"><select aria-label="Version" value={version} onChange={(e) => setQuery({ version: e.currentTarget.value || undefined })}><option value="">newest version</option>{versions.value.items.map((one: any) => <option value={String(one.version)}>version {one.version}</option>)}</select></div>}
    {w && <div class={step ? 'cols' : ''}><div>{view === 'json' ? <section class="card"><JsonView value={w} /></section>
      : steps.length === 0 ? <section class="card"><Empty title="Its code says what it does">A script of type workflow has no steps before it runs: see its runs.</Empty></section>
      : view === 'graph' ? <section class="card"><Graph label="What leads to what" boxes={boxesOf(steps, arrows, to)} arrows={arrows} chosen={chosen} /></section>
      : <section class="card list"><Table label="Steps" rows={steps} keyOf={(s: any) => s.id} href={(s: any) => to(s.id)} chosen={chosen} columns={[{ name: 'Step', cell: (s) => <b>{s.name || s.id}</b> }, { name: 'Is', cell: (s) => s.type }, { name: 'Does', cell: (s) => <code>{doesOf(s)}</code> }, { name: 'Then', cell: (s) => <span class="mono">{[...namesOf(s.branches), ...nextOf(s)].join(', ')}</span> }]} /></section>}</div>
      {step && <aside class="card drawer" aria-label="Step"><header><h2>{step.name || step.id}</h2><Button class="right" tone="quiet" aria-label="Close the step" onClick={() => setQuery({ step: undefined })}>{'\u2715'}</Button></header><JsonView value={step} /></aside>}</div>}
    {asking === 'run' && <Confirm title={`Begin a run of ${w?.name ?? id}`} verb="Begin" onClose={() => setAsking(null)} run={async () => { const made = await post(`/v2/workflows/${enc(id)}/execute`, { input: asObject(input), ...(version ? { version: Number(version) } : {}) }); say('The run has begun'); go(`/workflows/runs/${enc(made.runId)}`); }}><Field label="Input, as JSON"><textarea rows={8} spellcheck={false} value={input} onInput={(e) => setInput(e.currentTarget.value)} /></Field></Confirm>}
    {asking === 'remove' && <Confirm title={`Remove ${w?.name ?? id}`} verb="Remove" danger onClose={() => setAsking(null)} run={async () => { await ask(`/v2/workflows/${enc(id)}`, { method: 'DELETE' }); say('Removed'); go('/workflows'); }}><p>All its versions go. One with runs under way is not removed.</p></Confirm>}</Page>;
}

// ---- a run

const ORDERS: Record<string, [title: string, verb: string, said: string, about: string]> = {
  pause: ['Pause this run', 'Pause', 'Paused', 'What is under way ends; nothing further begins until it is resumed.'],
  cancel: ['Cancel this run', 'Cancel the run', 'Cancelled', 'It ends, and what it has begun is undone by its compensation.'],
  terminate: ['Terminate this run', 'Terminate', 'Terminated', 'It ends at once, and nothing is undone.'],
};

function Run({ id, route, me }: PageProps & { id: string }) {
  const run = useAsk((signal) => get(`/v2/workflow-runs/${enc(id)}`, undefined, signal), [id], 2000);
  const r = run.value;
  const flow = useAsk((signal) => r ? get(`/v2/workflows/${enc(r.workflowId)}`, { version: r.version }, signal).catch(() => null) : Promise.resolve(null), [r?.workflowId, r?.version]);
  const [asking, setAsking] = useState<string | null>(null);
  const [signal, setSignal] = useState({ name: '', payload: '{}' });
  const [error, setError] = useState<Error | null>(null);
  const view = route.query.get('view') ?? 'graph';
  const steps: any[] = r?.steps ?? [];
  const defined: any[] = flow.value?.steps?.length ? flow.value.steps : steps;
  const states = new Map<string, any>(steps.map((step) => [step.id, step]));
  const ways = arrowsOf(defined).map((arrow): Arrow => ({ ...arrow, dim: ['pending', 'skipped'].includes(states.get(arrow.to)?.status ?? 'pending') }));
  const chosen = route.query.get('step') ?? undefined;
  const step = steps.find((one) => one.id === chosen);
  const to = (one: string) => href(`/workflows/runs/${enc(id)}`, { view: view === 'graph' ? undefined : view, step: one });
  const order = (verb: string, body: unknown, told: string) => post(`/v2/workflow-runs/${enc(id)}/${verb}`, body).then(() => { say(told); setError(null); run.again(); });
  const over = r && OVER.includes(r.status);
  const rights = may(me, 'workflows:run');
  return <Page title={<><a href={href('/workflows', { tab: 'runs' })}>Runs</a> / {id}</>} sub={r && <><Status is={r.status} /> <a href={href(`/workflows/${enc(r.workflowId)}`, { version: String(r.version) })}>{r.workflowId}</a> version {r.version}, <Time at={r.startedAt} /></>}
    actions={r && <><Tabs label="View" of={[['graph', 'Graph'], ['list', 'List'], ['json', 'JSON']]} now={view} pick={(next) => setQuery({ view: next === 'graph' ? undefined : next })} />
      {rights && !over && <>{r.status === 'paused' ? <Button tone="main" onClick={() => order('resume', {}, 'It goes on').catch(setError)}>Resume</Button> : <Button onClick={() => setAsking('pause')}>Pause{'\u2026'}</Button>}<Button onClick={() => setAsking('signal')}>Signal{'\u2026'}</Button><Button tone="danger" onClick={() => setAsking('cancel')}>Cancel{'\u2026'}</Button><Button tone="danger" onClick={() => setAsking('terminate')}>Terminate{'\u2026'}</Button></>}</>}>
    <Fault error={run.error ?? error} />
    {r?.pauseReason && <p class="note-box">Paused: {r.pauseReason}</p>}
    {r?.error && <p class="fault wrap"><strong>{r.error.code}</strong> {r.error.message}</p>}
    {r?.differs && <p class="fault wrap">At entry {r.differs.index} this program would have gone another way: expected {r.differs.expected}, found {r.differs.found}.</p>}
    {r && <div class={step ? 'cols' : ''}><div>{view === 'json' ? <section class="card"><JsonView value={r} /></section>
      : view === 'graph' && ways.length > 0 ? <section class="card"><Graph label="How far it is" boxes={boxesOf(defined, ways, to, states)} arrows={ways} chosen={chosen} /></section>
      : <section class="card list">{steps.length ? <Table label="Steps" rows={steps} keyOf={(s: any) => s.id} href={(s: any) => to(s.id)} chosen={chosen} columns={[{ name: 'Status', cell: (s) => <Status is={s.status} /> }, { name: 'Step', cell: (s) => <b>{s.name || s.id}</b> }, { name: 'Is', narrow: true, cell: (s) => s.type }, { name: 'Attempts', class: 'num', cell: (s) => s.attempt }, { name: 'Took', class: 'num nowrap', cell: (s) => s.startedAt && s.endedAt ? span(new Date(s.endedAt).getTime() - new Date(s.startedAt).getTime()) : '' }, { name: 'Begun', class: 'nowrap', narrow: true, cell: (s) => <Time at={s.startedAt} /> }]} /> : <Empty title="No step yet" />}</section>}
      <div class="grid"><section class="card"><header><h2>Input</h2></header><JsonView value={r.input} /></section><section class="card"><header><h2>Output</h2></header><JsonView value={r.output} /></section></div></div>
      {step && <StepOf step={step} paused={rights && r.status === 'paused'} again={() => order('resume', { fromStep: step.id }, `It goes on from ${step.id}`).catch(setError)} />}</div>}
    <History id={id} />
    {asking && ORDERS[asking] && <Confirm title={ORDERS[asking][0]} verb={ORDERS[asking][1]} danger={asking !== 'pause'} onClose={() => setAsking(null)} run={() => order(asking, {}, ORDERS[asking][2])}><p>{ORDERS[asking][3]}</p></Confirm>}
    {asking === 'signal' && <Confirm title="Tell the run something" verb="Send" onClose={() => setAsking(null)} run={() => order('signal', { name: signal.name.trim(), payload: asObject(signal.payload) }, 'Told')}><Field label="Signal" hint="what a step of it waits for, or will"><input value={signal.name} onInput={(e) => setSignal({ ...signal, name: e.currentTarget.value })} /></Field><Field label="Payload, as JSON"><textarea rows={5} spellcheck={false} value={signal.payload} onInput={(e) => setSignal({ ...signal, payload: e.currentTarget.value })} /></Field></Confirm>}</Page>;
}

function StepOf({ step, paused, again }: { step: any; paused: boolean; again: () => void }) {
  return <aside class="card drawer" aria-label="Step"><header><h2>{step.name || step.id}</h2><Status is={step.status} /><Button class="right" tone="quiet" aria-label="Close the step" onClick={() => setQuery({ step: undefined })}>{'\u2715'}</Button></header>
    {paused && step.startedAt && <div class="bar"><Button tone="main" onClick={again}>Go on from here</Button><span class="dim">this step and what follows it run again</span></div>}
    {step.error && <pre class="wrap fault">{step.error.code}: {step.error.message}</pre>}
    <Rows of={[['Step', <code>{step.id}</code>], ['Is', step.type], ['Attempts', count(step.attempt)], ['Begun', <Time at={step.startedAt} />], ['Ended', <Time at={step.endedAt} />], ...(step.nextAt ? [['Next', <Time at={step.nextAt} />] as [string, any]] : [])]} />
    <h3>Input</h3><JsonView value={step.input} /><h3>Output</h3><JsonView value={step.output} /></aside>;
}

// What only the clock has done, and that a step began, is folded away unless it is asked for.
const NOISE = ['time', 'step_began', 'asked'];
function History({ id }: { id: string }) {
  const [all, setAll] = useState(false);
  const history = useAsk((signal) => get(`/v2/workflow-runs/${enc(id)}/history`, undefined, signal), [id], 5000);
  const items: any[] = history.value?.items ?? [];
  const shown = items.filter((entry) => all || !NOISE.includes(entry.kind));
  if (items.length === 0) return <Fault error={history.error} />;
  return <section class="card"><header><h2>History</h2>{items.length > shown.length || all ? <Button class="right small" aria-pressed={all} onClick={() => setAll(!all)}>{all ? 'Fold' : `${items.length - shown.length} folded`}</Button> : null}</header>
    <ol class="feed">{shown.map((entry) => <li><span class="dim num">{entry.index}</span><span>{entry.kind.replace('_', ' ')}</span>{entry.stepId && <code>{entry.stepId}</code>}<span class="grow">{entry.error ? <span class="status bad">{entry.error.code}: {entry.error.message}</span> : entry.name ?? ''}<span class="dim"> {entry.events?.map((one: any) => one.pattern).join(', ')}</span></span><Time at={entry.at} /></li>)}</ol></section>;
}
