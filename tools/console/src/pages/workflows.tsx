// Workflows and their runs; what of it the server has.
import { ApiError, enc, get } from '../lib/http';
import { useAsk } from '../lib/live';
import { href } from '../lib/route';
import { Empty, Fault, Id, JsonView, Page, Rows, Status, Table, Tabs, Time } from '../ui/parts';
import { setQuery } from '../lib/route';
import type { PageProps } from '../lib/me';

export function Workflows({ route }: PageProps) {
  if (route.path[1] === 'runs' && route.path[2]) return <Run id={route.path[2]} />;
  return route.path[1] ? <One id={route.path[1]} /> : <All route={route} />;
}

function All({ route }: { route: PageProps['route'] }) {
  const tab = route.query.get('tab') === 'runs' ? 'runs' : 'definitions';
  const list = useAsk((signal) => get(tab === 'runs' ? '/v2/workflow-runs' : '/v2/workflows', { limit: 200 }, signal), [tab], 5000);
  const none = list.error instanceof ApiError && (list.error.status === 404 || list.error.status === 405);
  const rows = list.value?.items ?? [];
  return <Page title="Workflows" actions={!none && <Tabs label="What" of={[['definitions', 'Definitions'], ['runs', 'Runs']]} now={tab} pick={(next) => setQuery({ tab: next === 'runs' ? next : undefined })} />}>
    {none ? <Empty title="This server has no workflows">They come with a later version.</Empty> : <Fault error={list.error} />}
    {rows.length > 0 ? <section class="card list">{tab === 'definitions' ? <Table label="Workflows" rows={rows} keyOf={(w: any) => w.id} href={(w: any) => href(`/workflows/${enc(w.id)}`)} columns={[{ name: 'Workflow', cell: (w) => <b>{w.name || w.id}</b> }, { name: 'Version', class: 'num', cell: (w) => w.version }, { name: 'Steps', class: 'num', cell: (w) => w.steps?.length ?? '' }, { name: 'Changed', class: 'nowrap', cell: (w) => <Time at={w.updatedAt ?? w.createdAt} /> }]} />
      : <Table label="Runs" rows={rows} keyOf={(r: any) => r.id ?? r.runId} href={(r: any) => href(`/workflows/runs/${enc(r.id ?? r.runId)}`)} columns={[{ name: 'Status', cell: (r) => <Status is={r.status} /> }, { name: 'Workflow', cell: (r) => r.workflowId }, { name: 'Run', cell: (r) => <Id of={r.id ?? r.runId} /> }, { name: 'Begun', class: 'nowrap', cell: (r) => <Time at={r.startedAt ?? r.createdAt} /> }]} />}</section>
      : !none && !list.error && !list.loading && <Empty title={tab === 'runs' ? 'No runs' : 'No workflows'} />}</Page>;
}

function One({ id }: { id: string }) {
  const flow = useAsk((signal) => get(`/v2/workflows/${enc(id)}`, undefined, signal), [id]);
  const steps = flow.value?.steps ?? [];
  return <Page title={<><a href="#/workflows">Workflows</a> / {flow.value?.name ?? id}</>}><Fault error={flow.error} />
    {flow.value && <><section class="card"><header><h2>Steps</h2></header><ol class="feed">{steps.map((step: any) => <li><code>{step.id ?? step.name}</code><span class="dim">{step.type}</span><span class="grow">{[step.next_steps ?? step.nextSteps ?? step.next ?? []].flat().map((next: any) => typeof next === 'string' ? `\u2192 ${next} ` : '').join('')}</span></li>)}</ol></section>
      <section class="card"><header><h2>Definition</h2></header><JsonView value={flow.value} /></section></>}</Page>;
}

function Run({ id }: { id: string }) {
  const run = useAsk((signal) => get(`/v2/workflow-runs/${enc(id)}`, undefined, signal), [id], 3000);
  const history = useAsk((signal) => get(`/v2/workflow-runs/${enc(id)}/history`, { limit: 500 }, signal), [id], 3000);
  return <Page title={<><a href={href('/workflows', { tab: 'runs' })}>Runs</a> / {id}</>}><Fault error={run.error} />
    {run.value && <section class="card"><Rows of={[['Status', <Status is={run.value.status} />], ['Workflow', <a href={href(`/workflows/${enc(run.value.workflowId)}`)}>{run.value.workflowId}</a>], ['Begun', <Time at={run.value.startedAt ?? run.value.createdAt} />]]} /><JsonView value={run.value} /></section>}
    {history.value?.items && <section class="card"><header><h2>History</h2></header><ol class="feed">{history.value.items.map((entry: any) => <li><span class="dim">{entry.type ?? entry.kind}</span><code>{entry.stepId ?? entry.step ?? ''}</code><span class="grow" /><Time at={entry.at} /></li>)}</ol></section>}</Page>;
}
