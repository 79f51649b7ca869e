// Deliver what is in the log again: said first what it would do, then done.
import { useEffect, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { count, span } from '../lib/format';
import { go, href } from '../lib/route';
import { Button, Confirm, Empty, Fault, Field, JsonView, Page, Rows, say, Status, Table, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';

export function Replays({ route, me }: PageProps) {
  if (route.path[1] === '+') return <Wizard route={route} me={me} />;
  return route.path[1] ? <One id={route.path[1]} me={me} /> : <All me={me} />;
}

function All({ me }: { me: PageProps['me'] }) {
  const list = useAsk((signal) => get('/v2/replays', { limit: 200 }, signal), [], 3000);
  const rows = list.value?.items ?? [];
  return <Page title="Replays" help="replay" actions={may(me, 'replays:write') && <a class="button main" href="#/replays/+">New replay</a>}><Fault error={list.error} />
    <section class="card list">{rows.length ? <Table label="Replays, newest first" rows={rows} keyOf={(r: any) => r.id} href={(r: any) => href(`/replays/${enc(r.id)}`)} columns={[
      { name: 'Status', cell: (r) => <><Status is={r.status} />{r.dryRun && <span class="dim"> dry run</span>}</> }, { name: 'Replay', cell: (r) => <code>{r.id}</code> }, { name: 'Scanned', class: 'num', narrow: true, cell: (r) => count(r.scanned) }, { name: 'Matched', class: 'num', cell: (r) => count(r.matched) }, { name: 'Delivered', class: 'num', cell: (r) => count(r.delivered) }, { name: 'Failed', class: 'num', cell: (r) => count(r.failed) }, { name: 'Begun', class: 'nowrap', cell: (r) => <Time at={r.createdAt} /> }]} />
      : !list.loading && <Empty title="No replays">A replay delivers a range of the log again, to those you choose. Try it dry first.</Empty>}</section></Page>;
}

interface Plan { from: string; to: string; pattern: string; filter: string; who: string[]; all: boolean; pace: string }
const bodyOf = (plan: Plan, dryRun: boolean) => ({ ...(plan.from ? { from: plan.from } : {}), ...(plan.to ? { to: plan.to } : {}), ...(plan.pattern ? { pattern: plan.pattern } : {}), ...(plan.filter ? { filter: plan.filter } : {}), subscriptionIds: plan.all ? 'all' : plan.who, pace: /^\d+$/.test(plan.pace) ? Number(plan.pace) : plan.pace, ...(dryRun ? { dryRun: true } : {}) });
const DONE = ['completed', 'failed', 'cancelled'];

function Wizard({ route, me }: PageProps) {
  const [step, setStep] = useState(0);
  const [plan, setPlan] = useState<Plan>({ from: route.query.get('from') ?? '1h', to: route.query.get('to') ?? '', pattern: route.query.get('pattern') ?? '', filter: '', who: route.query.get('subscriptionId') ? [route.query.get('subscriptionId')!] : [], all: false, pace: 'instant' });
  const [dry, setDry] = useState<any>(null);
  const [dryMs, setDryMs] = useState(0);
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState(false);
  const subscriptions = useAsk((signal) => get('/v2/subscriptions', { limit: 1000 }, signal), []);
  const change = (part: Partial<Plan>) => { setPlan({ ...plan, ...part }); setDry(null); setError(null); };
  const rehearse = async () => {
    setError(null);
    setStep(2);
    const begun = performance.now();
    try {
      const { id } = await post('/v2/replays', bodyOf(plan, true));
      for (;;) {
        const now = await get(`/v2/replays/${enc(id)}`);
        setDry(now);
        setDryMs(performance.now() - begun);
        if (DONE.includes(now.status)) break;
        await new Promise((wait) => setTimeout(wait, 500));
      }
    } catch (why) { setError(why as Error); }
  };
  const ready = plan.all || plan.who.length > 0;
  // A number of events a second says it; the pace they came at is theirs; else the dry run has shown it.
  const takes = !dry ? '' : /^\d+$/.test(plan.pace) ? `about ${span(dry.matched / Number(plan.pace) * 1000)}, at ${plan.pace} a second` : plan.pace === 'instant' ? `about ${span(dryMs)}, as the dry run has` : 'as long as they took to come, at the pace that is asked for';
  const finished = dry && DONE.includes(dry.status);
  return <Page title={<><a href="#/replays">Replays</a> / new</>}><ol class="steps">{['What', 'To whom', 'Dry run', 'Go'].map((name, i) => <li aria-current={step === i ? 'step' : undefined}>{name}</li>)}</ol><Fault error={error} />
    {step === 0 && <section class="card narrow"><div class="pair"><Field label="Received from" hint="as long ago (1h, 2d) or as a time: 2026-01-31T12:00:00Z"><input value={plan.from} onInput={(e) => change({ from: e.currentTarget.value.trim() })} /></Field><Field label="to, exclusive" hint="empty: now"><input value={plan.to} onInput={(e) => change({ to: e.currentTarget.value.trim() })} /></Field></div>
      <Field label="Pattern" hint="stars are wildcards; empty: all"><input class="mono" value={plan.pattern} onInput={(e) => change({ pattern: e.currentTarget.value.trim() })} /></Field><Field label="Filter" hint="an expression, as $.payload.amount > 100"><input class="mono" value={plan.filter} onInput={(e) => change({ filter: e.currentTarget.value })} /></Field>
      <Field label="Pace" hint="instant, original, 10x, or a number of events a second"><input value={plan.pace} onInput={(e) => change({ pace: e.currentTarget.value.trim() || 'instant' })} /></Field><Button tone="main" onClick={() => setStep(1)}>Next</Button></section>}
    {step === 1 && <section class="card narrow"><label class="check"><input type="checkbox" checked={plan.all} onChange={(e) => change({ all: e.currentTarget.checked })} /> Every subscription that wants them</label>
      {!plan.all && <ul class="feed">{subscriptions.value?.items.map((one: any) => <li><label class="check"><input type="checkbox" checked={plan.who.includes(one.id)} onChange={(e) => change({ who: e.currentTarget.checked ? [...plan.who, one.id] : plan.who.filter((id) => id !== one.id) })} /> <b>{one.name || one.id}</b> <span class="pattern dim">{typeof one.pattern === 'string' ? one.pattern : one.pattern?.value}</span></label></li>)}</ul>}
      <div class="bar"><Button onClick={() => setStep(0)}>Back</Button><Button tone="main" disabled={!ready} onClick={rehearse}>Dry run</Button></div></section>}
    {step === 2 && <section class="card" aria-live="polite"><p>Handlers run beside, with nothing done: kv is a copy, events are only told. What would come out differently than it did is counted.</p>
      {dry ? <Told of={dry} /> : <p class="dim">Starting{'\u2026'}</p>}{finished && dry.status === 'completed' && <p>It would take {takes}.</p>}{finished && dry.diff?.different > 0 && <Differences id={dry.id} />}
      <div class="bar"><Button onClick={() => setStep(1)}>Back</Button><Button onClick={rehearse} disabled={dry && !finished}>Dry run again</Button>{may(me, 'replays:write') && <Button tone="main" disabled={!finished || dry.status !== 'completed'} onClick={() => { setStep(3); setAsking(true); }}>Go{'\u2026'}</Button>}</div></section>}
    {step === 3 && <section class="card"><Told of={dry} /><Button onClick={() => setStep(2)}>Back</Button></section>}
    {asking && dry && <Confirm title={`Deliver ${count(dry.matched)} events again`} verb="Start the replay" type={String(dry.matched)} onClose={() => setAsking(false)} run={async () => { const made = await post('/v2/replays', bodyOf(plan, false)); say('The replay runs'); go(`/replays/${enc(made.id)}`); }}><p>To {plan.all ? <b>every subscription that wants them</b> : plan.who.join(', ')}. What handlers do is done again. It takes {takes}. It can be cancelled, what was delivered by then can not be taken back.</p></Confirm>}</Page>;
}

function Told({ of }: { of: any }) {
  const { diff } = of;
  return <><p><Status is={of.status} /> {count(of.scanned)} looked at, <b>{count(of.matched)}</b> match{of.notDue ? `, ${count(of.notDue)} not due yet` : ''}</p>{of.error && <p class="fault">{of.error}</p>}
    {diff && <Rows of={[['Compared', count(diff.compared)], ['As before', count(diff.same)], ['Different', <b>{count(diff.different)}</b>], ...(diff.different ? [['Of these', `status ${count(diff.status)}, error ${count(diff.error)}, result ${count(diff.result)}, events ${count(diff.emitted)}, kv ${count(diff.kv)}`] as [string, any]] : [])]} />}</>;
}

function Differences({ id }: { id: string }) {
  const list = useAsk((signal) => get(`/v2/replays/${enc(id)}/diff`, { limit: 20 }, signal), [id]);
  return <><Fault error={list.error} />{list.value?.items.map((one: any) => <details><summary><code>{one.eventId}</code> {one.subscriptionId}</summary><JsonView value={one} /></details>)}</>;
}

function One({ id, me }: { id: string; me: PageProps['me'] }) {
  const replay = useAsk((signal) => get(`/v2/replays/${enc(id)}`, undefined, signal), [id], 1500);
  const [asking, setAsking] = useState(false);
  const [begun, setBegun] = useState<{ at: number; scanned: number } | null>(null);
  const r = replay.value;
  useEffect(() => { if (r && !begun) setBegun({ at: Date.now(), scanned: r.scanned }); }, [r]);
  const rate = begun && r && Date.now() > begun.at ? (r.scanned - begun.scanned) / (Date.now() - begun.at) * 1000 : 0;
  // The range and how far it has come are offsets by shard.
  const sum = (value: any, name: string) => Array.isArray(value) ? value.reduce((all: number, one: any) => all + Number(one?.[name] ?? 0), 0) : 0;
  const whole = sum(r?.range, 'to') - sum(r?.range, 'from');
  const share = r ? DONE.includes(r.status) ? 1 : whole > 0 ? Math.min(1, r.scanned / whole) : 0 : 0;
  return <Page title={<><a href="#/replays">Replays</a> / {id}</>} actions={r && !DONE.includes(r.status) && may(me, 'replays:write') && <Button tone="danger" onClick={() => setAsking(true)}>Cancel{'\u2026'}</Button>}><Fault error={replay.error} />
    {r && <><section class="card" aria-live="polite"><Told of={r} /><div class="progress" role="progressbar" aria-label="Progress" aria-valuenow={Math.round(share * 100)} aria-valuemin={0} aria-valuemax={100}><svg viewBox="0 0 100 8" preserveAspectRatio="none"><rect width={share * 100} height="8" /></svg></div>
      <Rows of={[['Delivered', count(r.delivered)], ['Failed', count(r.failed)], ['Rate', rate > 0 ? `${count(Math.round(rate))} events a second` : ''], ['Left', rate > 0 && whole > r.scanned ? span((whole - r.scanned) / rate * 1000) : ''], ['Begun', <Time at={r.createdAt} />]]} /></section>
      {r.diff?.different > 0 && <section class="card"><header><h2>Differences</h2></header><Differences id={id} /></section>}
      <section class="card"><header><h2>Asked for</h2></header><JsonView value={r.request ?? {}} /></section></>}
    {asking && <Confirm title="Cancel this replay" verb="Cancel the replay" danger onClose={() => setAsking(false)} run={async () => { await ask(`/v2/replays/${enc(id)}`, { method: 'DELETE' }); say('Cancelled'); replay.again(); }}><p>What was delivered stays delivered.</p></Confirm>}</Page>;
}
