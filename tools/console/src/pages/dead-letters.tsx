// What was given up, by what went wrong: one decision for all that failed in the same way.
import { useRef, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { count } from '../lib/format';
import { writeJson } from '../lib/json';
import { inPortions, type Portions } from '../lib/portions';
import { href, go, setQuery } from '../lib/route';
import { Button, Confirm, Empty, Fault, Field, Id, JsonView, Missing, Page, Rows, Status, Table, Tabs, Time, say } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { useNames } from '../lib/names';

const STATES: [string, string][] = [['open', 'Open'], ['acknowledged', 'Acknowledged'], ['resolved', 'Resolved'], ['ignored', 'Ignored'], ['all', 'All']];

export function DeadLetters({ route, me }: PageProps) {
  return route.path[1] ? <Group fingerprint={route.path[1]} route={route} me={me} /> : <Groups route={route} me={me} />;
}

function Groups({ route, me }: PageProps) {
  const named = useNames(me);
  const state = route.query.get('state') ?? 'open';
  const asked = state === 'all' ? undefined : state;
  const groups = useAsk((signal) => get('/v2/dlq/groups', { state: asked, limit: 500 }, signal), [state], 10_000);
  const rows = groups.value?.items ?? [];
  return <Page title="Dead letters" help="retries" sub={groups.value ? `${count(groups.value.letters)} deliveries given up, ${count(groups.value.groups)} ways to fail` : ' '} actions={<Tabs label="State" of={STATES} now={state} pick={(next) => setQuery({ state: next === 'open' ? undefined : next })} />}>
    <Fault error={groups.error} /><Missing of={groups.value?.missing} />
    <section class="card list">{rows.length ? <Table label="Groups of dead letters, largest first" rows={rows} keyOf={(g: any) => g.fingerprint} href={(g: any) => href(`/dlq/${enc(g.fingerprint)}`)} columns={[
      { name: 'State', cell: (g) => <Status is={g.state} title={g.cameAgain ? 'was resolved, and came again' : ''} /> },
      { name: 'Letters', class: 'num', cell: (g) => <b>{count(g.count)}</b> },
      { name: 'Error', cell: (g) => <span class="wrap">{g.error.slice(0, 240)}</span> },
      { name: 'Of', narrow: true, cell: (g) => <span class="mono">{g.subscriptionIds.map(named).join(', ')}</span> },
      { name: 'Events', narrow: true, cell: (g) => <span class="pattern">{g.eventTypes.join(', ')}</span> },
      { name: 'Last', class: 'nowrap', cell: (g) => <Time at={g.lastAt} /> }]} />
      : !groups.loading && <Empty title={state === 'open' ? 'No open dead letters' : 'None'}>{state === 'open' ? 'Every delivery succeeded, waits for a retry, or somebody has looked at it.' : ''}</Empty>}</section></Page>;
}

function Group({ fingerprint, route, me }: PageProps & { fingerprint: string }) {
  const groups = useAsk((signal) => get('/v2/dlq/groups', { limit: 1000 }, signal), [fingerprint], 10_000);
  const group = groups.value?.items.find((one: any) => one.fingerprint === fingerprint);
  const letters = useAsk((signal) => get('/v2/dlq', { errorFingerprint: fingerprint, limit: 100 }, signal), [fingerprint], 10_000);
  const named = useNames(me);
  const [redrive, setRedrive] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const id = route.query.get('id');
  const letter = letters.value?.items.find((one: any) => one.id === id);
  const [told, setTold] = useState<any>(null);
  const [busy, setBusy] = useState(false);
  const [portions, setPortions] = useState<Portions | null>(null);
  const stop = useRef(false);
  const goInPortions = (percent: number) => {
    stop.current = false;
    setPortions({ total: 0, delivered: 0, failed: 0 });
    inPortions({ errorFingerprint: fingerprint }, percent, setPortions, () => stop.current).then(setPortions).catch((why) => { setError(why); setPortions(null); }).finally(() => { letters.again(); groups.again(); });
  };
  const rehearse = () => {
    setBusy(true);
    post('/v2/dlq/rehearse', { errorFingerprint: fingerprint, sample: 20 }).then((got) => { setTold(got); setError(null); }).catch(setError).finally(() => setBusy(false));
  };
  const set = (state: string) => ask(`/v2/dlq/groups/${enc(fingerprint)}`, { method: 'PATCH', body: { state } }).then(() => { say(`The group is ${state}`); groups.again(); }).catch(setError);
  return <Page title={<><a href="#/dlq">Dead letters</a> / {fingerprint.slice(0, 8)}</>} actions={group && may(me, 'dlq:replay') && <><Button onClick={rehearse} disabled={busy}>{busy ? 'Rehearsing\u2026' : 'Rehearse 20'}</Button><Button tone="main" onClick={() => setRedrive(true)}>Deliver all {count(group.count)} again{'\u2026'}</Button></>}>
    <Fault error={groups.error ?? error} />
    {portions && <section class="card" aria-live="polite"><header><h2>{portions.ended ? 'Delivered in portions' : 'Being delivered in portions'}</h2>{!portions.ended && <Button class="right" onClick={() => { stop.current = true; }}>Stop</Button>}</header><p><b>{count(portions.delivered)}</b> delivered, <b>{count(portions.failed)}</b> failed again, of {count(portions.total)}. {portions.ended ? `It has ended: ${portions.ended}.` : 'It goes on as long as this page is open.'}</p></section>}
    {groups.value && !group && <Empty title="No letters of this kind are left"><a href="#/dlq">All groups</a></Empty>}
    {group && <section class="card"><header><Status is={group.state} />{group.cameAgain && <span class="status bad">it was resolved, and came again</span>}<span class="right">{may(me, 'dlq:write') && <Tabs label="State" of={STATES.filter(([value]) => value !== 'all') as [string, string][]} now={group.state} pick={set} />}</span></header>
      <pre class="wrap">{group.error}</pre>
      <Rows of={[['Letters', count(group.count)], ['Subscriptions', <>{group.subscriptionIds.map((one: string) => <a href={href(`/subscriptions/${enc(one)}`)}>{named(one)} </a>)}</>], ['Scripts', <>{group.scriptIds.map((one: string) => <a href={href(`/scripts/${enc(one)}`)}>{named(one)} </a>)}</>], ['Events', group.eventTypes.join(', ')], ['First, last', <><Time at={group.firstAt} />, <Time at={group.lastAt} /></>], ...(group.stateBy ? [['Marked', <>by {group.stateBy} <Time at={group.stateAt} /></>] as [string, any]] : [])]} /></section>}
    {told && <section class="card" aria-live="polite"><header><h2>If they were delivered now</h2></header><p>{told.passRate === null ? 'None of the sample can be rehearsed.' : <><b>{Math.round(told.passRate * 100)} %</b> of a sample of {count(told.sampled)} would succeed</>}{told.failed > 0 && <>, {count(told.failed)} would fail</>}{told.skipped > 0 && <>, {count(told.skipped)} can not be rehearsed</>}. Nothing was done.</p>
      <ul class="feed">{told.items.filter((one: any) => one.outcome !== 'passed').slice(0, 5).map((one: any) => <li><Status is={one.outcome} /><a href={href(`/dlq/${enc(fingerprint)}`, { id: one.id })}><code>{one.eventId}</code></a><span class="grow wrap">{one.error ?? one.reason}</span>{one.sameError && <span class="dim">as before</span>}</li>)}</ul></section>}
    <div class={letter ? 'cols' : ''}><section class="card list"><Fault error={letters.error} />{letters.value?.items.length > 0 && <Table label="Dead letters, newest first" rows={letters.value.items} keyOf={(l: any) => l.id} chosen={id ?? undefined} open={(l: any) => setQuery({ id: l.id })} columns={[
      { name: 'Given up', class: 'nowrap', cell: (l) => <Time at={l.createdAt} /> }, { name: 'Event', cell: (l) => <span class="pattern">{l.eventType}</span> }, { name: 'Subscription', narrow: true, cell: (l) => <span class="mono" title={l.subscriptionId}>{named(l.subscriptionId)}</span> }, { name: 'Retries', class: 'num', cell: (l) => `${l.retryCount} of ${l.maxRetries}` }, { name: 'Id', narrow: true, cell: (l) => <Id of={l.eventId} /> }]} />}
      {letters.value?.next && <p class="dim bar">The newest 100 are shown; what is done to all is done to all.</p>}</section>
      {letter && <Letter letter={letter} me={me} done={() => { setQuery({ id: undefined }); letters.again(); groups.again(); }} />}</div>
    {redrive && group && <Redrive group={group} inPortions={goInPortions} onClose={() => setRedrive(false)} done={() => { letters.again(); groups.again(); }} />}</Page>;
}

function Letter({ letter, me, done }: { letter: any; me: PageProps['me']; done: () => void }) {
  const [asking, setAsking] = useState<'replay' | 'remove' | 'correct' | null>(null);
  const [text, setText] = useState('');
  return <aside class="card drawer" aria-label="Dead letter"><header><h2 class="pattern">{letter.eventType}</h2><Button class="right" tone="quiet" aria-label="Close the letter" onClick={() => setQuery({ id: undefined })}>{'\u2715'}</Button></header>
    <div class="bar">{may(me, 'dlq:replay') && <Button tone="main" onClick={() => setAsking('replay')}>Deliver again{'\u2026'}</Button>}<a class="button" href={href(`/trace/${enc(letter.eventId)}`)}>Trace</a>{letter.scriptId && <a class="button" href={href(`/scripts/${enc(letter.scriptId)}`)}>Script</a>}{may(me, 'dlq:write') && <>{letter.event && <Button onClick={() => { setText(writeJson(letter.event)); setAsking('correct'); }}>Correct{'\u2026'}</Button>}<Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button></>}</div>
    <pre class="wrap fault">{letter.error}</pre><h3>Attempts</h3><ol class="feed">{(letter.attempts ?? []).map((attempt: any) => <li><Status is="failed" /><span class="grow wrap">{attempt.error}</span><Time at={attempt.at} /></li>)}</ol>
    <h3>Event</h3>{letter.event ? <JsonView value={letter.event} /> : <p class="dim">Retention has taken it.</p>}
    {asking === 'correct' && <Confirm title="Correct its event" verb="Save" onClose={() => setAsking(null)} run={async () => { await ask(`/v2/dlq/${enc(letter.id)}/event`, { method: 'PUT', body: text }); say('Corrected. Deliver it again when it is right.'); done(); }}><p>It is delivered with this from now on; the log keeps what came.</p><textarea class="mono" aria-label="Event" rows={14} spellcheck={false} value={text} onInput={(e) => setText(e.currentTarget.value)} /></Confirm>}
    {asking === 'replay' && <Confirm title="Deliver this one again" verb="Deliver" onClose={() => setAsking(null)} run={async () => { await post(`/v2/dlq/${enc(letter.id)}/replay`, undefined); say('On its way again'); done(); }}><p>It leaves the queue when its delivery succeeds, and comes back with its history when it fails.</p></Confirm>}
    {asking === 'remove' && <Confirm title="Remove this dead letter" verb="Remove" danger onClose={() => setAsking(null)} run={async () => { await ask(`/v2/dlq/${enc(letter.id)}`, { method: 'DELETE' }); say('Removed'); done(); }}><p>The event stays in the log; that it was given up is forgotten.</p></Confirm>}</aside>;
}

// All that match, by the server's own count, not those of a page.
function Redrive({ group, onClose, done, inPortions: inParts }: { group: any; onClose: () => void; done: () => void; inPortions: (percent: number) => void }) {
  const [rate, setRate] = useState('');
  const [percent, setPercent] = useState('');
  const filter = { errorFingerprint: group.fingerprint };
  const dry = useAsk(() => post('/v2/dlq/replay', { ...filter, dryRun: true }), []);
  const total = dry.value?.count ?? 0;
  return <Confirm title={`Deliver ${dry.value ? count(total) : '\u2026'} dead letters again`} verb="Deliver again" type={total > 100 ? String(total) : undefined} onClose={onClose} run={async () => {
    if (!dry.value) throw dry.error ?? new Error('They are still being counted.');
    if (percent.trim()) {
      if (!(Number(percent) >= 0 && Number(percent) <= 100)) throw new Error('A number from 0 to 100 is expected.');
      return inParts(Number(percent));
    }
    const taken = await post('/v2/dlq/replay', { ...filter, expect: total, ...(Number(rate) > 0 ? { ratePerSecond: Number(rate) } : {}) });
    say(`${count(taken.accepted)} are on their way again`);
    done();
    if (taken.accepted === group.count) go('/dlq');
  }}><Fault error={dry.error} /><p>All that failed in this way, not only those on this page. Each leaves the queue when its delivery succeeds, and comes back with its history when it fails.</p>
    {dry.value?.leftOut > 0 && <p class="note-box">{count(dry.value.leftOut)} more are left out: their subscriptions are paused, not active or removed.</p>}
    <div class="pair"><Field label="At most so many a second" hint="empty: as fast as it goes"><input inputMode="numeric" value={rate} disabled={percent.trim() !== ''} onInput={(e) => setRate(e.currentTarget.value)} /></Field>
      <Field label="Stop when more than so many % fail again" hint="ten at first, then more, each awaited; empty: all at once"><input inputMode="numeric" value={percent} onInput={(e) => setPercent(e.currentTarget.value)} /></Field></div></Confirm>;
}
