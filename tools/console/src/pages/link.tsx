// One link: where it is, what it is told to be, and what one may do with it.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { usePace, useSeen } from '../lib/pace';
import { writeJson } from '../lib/json';
import { compact, count, span } from '../lib/format';
import { isStream, lettersOf, placeOf, throughOf, waitsOf, wayOf } from '../lib/links';
import { go, href } from '../lib/route';
import { asObject, Button, Confirm, Empty, Fault, Field, JsonView, Page, Rows, say, Status, Table, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';
import { Chart } from '../ui/chart';
import { Editor } from '../ui/editor';
import { fresh as freshLink, LINK_TYPES } from './link-forms';

const MADE = ['version', 'createdAt', 'updatedAt', 'paused', 'tenantId', 'status'];
const editable = (link: any) => writeJson(Object.fromEntries(Object.entries(link).filter(([name]) => !MADE.includes(name))));

export function Link({ id, me }: { id: string; me: PageProps['me'] }) {
  return id === '+' ? <New /> : <One id={id} me={me} />;
}

function New() {
  const [direction, setDirection] = useState('in');
  const [type, setType] = useState('redis');
  const [mode, setMode] = useState('executor');
  const [text, setText] = useState(freshLink('in', 'redis', 'executor'));
  const [error, setError] = useState<Error | null>(null);
  const choose = (part: { direction?: string; type?: string; mode?: string }) => {
    const next = { direction, type, mode, ...part };
    setDirection(next.direction); setType(next.type); setMode(next.mode);
    setText(freshLink(next.direction, next.type, next.mode));
    setError(null);
  };
  const create = async () => {
    try { const made = await post('/v2/links', asObject(text)); say('Created'); go(`/links/${enc(made.id)}`); } catch (why) { setError(why as Error); }
  };
  return <Page title={<><a href="#/links">Links</a> / new</>} help="links"><Fault error={error} />
    <section class="card narrow"><div class="pair">
      <Field label="Way"><select value={direction} onChange={(e) => choose({ direction: e.currentTarget.value })}><option value="in">in: events come from it</option><option value="out">out: events go to it</option></select></Field>
      <Field label="Type"><select value={type} onChange={(e) => choose({ type: e.currentTarget.value })}>{LINK_TYPES.map(([value, name]) => <option value={value}>{name}</option>)}</select></Field>
      {direction === 'out' && <Field label="What it sends"><select value={mode} onChange={(e) => choose({ mode: e.currentTarget.value })}><option value="executor">what subscriptions hand it</option><option value="stream">the log by itself, in its order</option></select></Field>}</div>
      <p class="dim">A choice begins the document anew. Passwords and tokens stand here only as <code>{'{{secrets.NAME}}'}</code>. <a href="#/help/links">What each type takes</a></p></section>
    <section class="card narrow"><header><h2>Document</h2><Button class="right" tone="main" onClick={create}>Create</Button></header><Editor label="The link as JSON" language="json" value={text} set={setText} rows={16} /></section></Page>;
}

type Asking = 'remove' | 'reset' | null;

function One({ id, me }: { id: string; me: PageProps['me'] }) {
  const path = `/v2/links/${enc(id)}`;
  const seen = useAsk((signal) => ask(path, { signal }), [id], 2000);
  const link = seen.value?.value;
  const [text, setText] = useState('');
  const [base, setBase] = useState({ text: '', etag: '' });  // what the text was made of
  const [error, setError] = useState<Error | null>(null);
  const [asking, setAsking] = useState<Asking>(null);
  const [trial, setTrial] = useState<any>(null);
  const [testing, setTesting] = useState(false);
  useEffect(() => {
    if (!link || (base.etag && text !== base.text)) return;
    const now = editable(link);
    setText(now);
    setBase({ text: now, etag: seen.value!.headers.get('ETag') ?? '' });
  }, [link?.version]);
  const pace = usePace(link ?? null, (one: any) => [['through', throughOf(one)]]);
  const series = useSeen(link ?? null, (one: any) => ({ through: pace.get('through')?.perSecond ?? 0, lag: one.status.lag ?? one.status.pending ?? 0 }));
  const write = may(me, 'links:write');
  const verb = (name: string) => post(`${path}/${name}`, undefined).then(() => { say(name === 'pause' ? 'Paused: it stays where it is' : 'It goes on'); seen.again(); }).catch(setError);
  const test = () => { setTesting(true); setTrial(null); post(`${path}/test`, undefined).then(setTrial).catch(setError).finally(() => setTesting(false)); };
  const save = async () => {
    try {
      const told = await ask(path, { method: 'PUT', body: asObject(text), headers: base.etag ? { 'If-Match': base.etag } : {} });
      setBase({ text, etag: told.headers.get('ETag') ?? '' });
      setError(null);
      say('Saved');
      seen.again();
    } catch (why) {
      setError(why instanceof ApiError && why.status === 409 ? new ApiError(409, { ...why.body, message: 'Somebody has changed it meanwhile. Copy what you have, and load it again.' }) : why as Error);
    }
  };
  if (!link) return <Page title={<><a href="#/links">Links</a> / {id}</>}><Fault error={seen.error} /></Page>;
  const s = link.status;
  const reads = link.direction === 'in';
  const place = reads || isStream(link);  // it has one
  const resettable = isStream(link) || (reads && 'from' in link.config);
  return <Page title={<><a href="#/links">Links</a> / {link.name || link.id}</>} help="links" sub={<><Status is={s.state} /> since <Time at={s.since} />, {link.type} {wayOf(link)}: <code>{placeOf(link)}</code></>}
    actions={write && <>{link.paused ? <Button tone="main" onClick={() => verb('resume')}>Resume</Button> : <Button onClick={() => verb('pause')}>Pause</Button>}{s.state === 'stopped' && <Button tone="main" onClick={() => verb('resume')}>Try again from where it was</Button>}<Button disabled={testing} onClick={test}>{testing ? 'Asking its peer\u2026' : 'Test'}</Button>{resettable && <Button onClick={() => setAsking('reset')}>Reset{'\u2026'}</Button>}<Button tone="danger" onClick={() => setAsking('remove')}>Remove{'\u2026'}</Button></>}>
    <Fault error={error ?? seen.error} />
    {s.reason && <p class={s.state === 'stopped' ? 'fault' : 'note-box'} role="status"><b>{s.state}:</b> <span class="wrap">{s.reason}</span></p>}
    {trial && <p class={trial.success ? 'note-box good' : 'fault'} role="status"><Status is={trial.success ? 'completed' : 'failed'} /> {trial.success ? `Its peer is there and lets us in, after ${span(trial.durationUs / 1000)}.` : <span class="wrap">{trial.error}</span>}</p>}
    <div class="grid"><Chart title={reads ? 'Taken' : 'Sent'} series={series} seconds={120} lines={[{ name: 'through', label: 'a second', tone: reads ? 'sky' : 'water', fill: true }]} note="Since this page was opened." />
      <Chart title="Behind" series={series} seconds={120} lines={[{ name: 'lag', label: place ? s.lagUnit ?? 'not told by its peer' : 'under way', tone: 'wait', fill: true }]} note="Since this page was opened." /></div>
    <div class="cols even"><section class="card"><header><h2>Where it is</h2></header>
      <Rows of={[['State', <><Status is={s.state} /> <span class="dim">since</span> <Time at={s.since} /></>], ['Behind', waitsOf(link)], [reads ? 'Taken' : 'Sent', `${count(throughOf(link))}${pace.get('through')?.perSecond ? `, ${compact(pace.get('through')!.perSecond!)} a second` : ''}`],
        ...(reads ? [['Duplicates', count(s.duplicates)], ['Left out', `${count(s.leftOut)} by its script`]] as [string, string][] : [['Under way', count(s.pending)]] as [string, string][]),
        ...(place ? [['Gaps', s.gaps ? <b class="bad">{count(s.gaps)}, {count(s.missed)} missed</b> : 'none']] as [string, any][] : []),
        lettersOf(link) === null ? ['Failed', <>{count(s.failed)} attempts; <a href={href('/dlq')}>dead letters</a> are its subscriptions'</>] : ['Dead letters', lettersOf(link) ? <a class="bad" href={href('/dlq')}>{count(lettersOf(link))}</a> : 'none'],
        ['Last error', s.lastError ? <><span class="wrap">{s.lastError.message}</span> <Time at={s.lastError.at} /></> : 'none']]} />
      {place && <><h3>Position</h3>{s.position ? <JsonView value={s.position} /> : <p class="dim">None yet: nothing has been {reads ? 'read' : 'sent'}.</p>}</>}
      {s.logs?.length > 0 && <><h3>What its script said last</h3><ul class="feed">{s.logs.map((run: any) => <li key={`${run.id} ${run.at}`}><span class="grow wrap mono" title={run.id}>{(run.logs ?? []).map((line: any) => `${line.level ?? ''} ${line.message ?? line.text ?? JSON.stringify(line)}`.trim()).join('\n') || `${count(run.bytesLeftOut)} bytes were too long to be kept`}</span><Time at={run.at} /></li>)}</ul></>}</section>
      <div><section class="card"><header><h2>What it is told</h2></header><Rows of={Object.entries(link.config).map(([name, value]): [string, any] => [name, <Told name={name} value={value} />])} />
        <Rows of={[['Transform', link.transformScriptId ? <a href={href(`/scripts/${enc(link.transformScriptId)}`)}>{link.transformScriptId}</a> : <span class="dim">nothing reshapes what passes</span>], ['Version', <>{link.version}, changed <Time at={link.updatedAt} /></>],
          ...(reads && link.config.pattern && !link.config.pattern.includes('{') ? [['Events', <a href={href('/events', { q: link.config.pattern })}>{link.config.pattern}</a>]] as [string, any][] : [])]} />
        {!reads && !isStream(link) && <Users id={id} me={me} />}</section>
      <section class="card"><header><h2>Document</h2>{text !== base.text && <span class="dim">not saved</span>}{write && <Button class="right" tone="main" disabled={text === base.text} onClick={save}>Save</Button>}</header><Editor label="The link as JSON" language="json" value={text} set={setText} rows={14} />
        <p class="dim note">Where it reads, its way and its type stay what they were: a position says nothing about another place.</p></section></div></div>
    {asking === 'reset' && <Reset link={link} onClose={() => setAsking(null)} done={() => { setAsking(null); seen.again(); }} />}
    {asking === 'remove' && <Confirm title={`Remove ${link.name || link.id}`} verb="Remove" danger type={place ? link.id : undefined} onClose={() => setAsking(null)} run={async () => { await ask(path, { method: 'DELETE' }); say('Removed'); go('/links'); }}>
      <p>{place ? `Its position is forgotten with it: one that is made anew begins where its "from" says, and what lies between comes again, or never.` : 'What is on its way to its peer now may arrive, and is not waited for.'} Pausing keeps it.</p></Confirm>}</Page>;
}

// Of a secret its name is all that a document holds; what is none is not shown either.
function Told({ name, value }: { name: string; value: unknown }) {
  const text = typeof value === 'object' && value !== null ? writeJson(value, 0) : String(value);
  const secret = /^\{\{\s*secrets\.(.+?)\s*\}\}$/.exec(text);
  if (secret) return <>secret <code>{secret[1]}</code> <span class="dim">never shown</span></>;
  if (text.startsWith('-----BEGIN')) return <details><summary>{count(text.split('-----BEGIN').length - 1)} in PEM</summary><pre class="wrap" tabIndex={0}>{text}</pre></details>;
  return name === 'password' || name === 'token' ? <span class="dim">never shown</span> : <code class="wrap">{text}</code>;
}

function Users({ id, me }: { id: string; me: PageProps['me'] }) {
  const list = useAsk((signal) => may(me, 'subscriptions:read') ? get('/v2/subscriptions', { limit: 1000 }, signal) : Promise.resolve({ items: [] }), [id], 30_000);
  const rows = (list.value?.items ?? []).filter((one: any) => one.executor?.type === 'link' && one.executor.linkId === id);
  return <><h3>Subscriptions that send here</h3>{rows.length ? <Table label="Subscriptions that send here" rows={rows} keyOf={(one: any) => one.id} href={(one: any) => href(`/subscriptions/${enc(one.id)}`)} columns={[{ name: 'State', cell: (one) => <Status is={one.paused ? 'paused' : one.active ? 'active' : 'inactive'} /> }, { name: 'Subscription', cell: (one) => <b>{one.name || one.id}</b> }]} />
    : !list.loading && <Empty title="None">Nothing goes out by it: a subscription has to name it as its executor.</Empty>}</>;
}

function Reset({ link, onClose, done }: { link: any; onClose: () => void; done: () => void }) {
  const [to, setTo] = useState('end');
  const [place, setPlace] = useState('');
  const reads = link.direction === 'in';
  const ids = reads && ['redis', 'nats'].includes(link.type);
  const s = link.status;
  const lag = s.lag ? `${count(s.lag)} ${s.lagUnit ?? ''} wait` : `What waits`;
  const regret = to === 'start'
    ? reads ? <p><b>All that its peer still has is read again</b>: {count(s.taken)} have been taken so far. Entries get the event ids that they had, so what the server remembers counts as duplicates; what it has forgotten by now becomes events a second time.</p>
      : <p><b>All that its pattern takes is sent again</b>, from the beginning of the log: {count(s.sent)} have been sent since the server began. Events keep their ids; whether that makes no difference its peer decides.</p>
    : to === 'end' ? <p><b>{lag} and {s.lag === 1 ? 'is' : 'are'} never {reads ? 'read' : 'sent'}.</b> It goes on with what comes from now on.</p>
      : <p>What lies between there and where it is comes again, or never. What it is told is the last one that is <b>not</b> read.</p>;
  return <Confirm title={`Begin ${link.name || link.id} anew`} verb="Reset" danger type={link.id} onClose={onClose} run={async () => { await post(`/v2/links/${enc(link.id)}/reset`, { to: to === 'place' ? place.trim() : to }); say('It begins anew'); done(); }}>
    <Field label="At"><select value={to} onChange={(e) => setTo(e.currentTarget.value)}><option value="end">the end: what comes from now on</option><option value="start">the start: everything once more</option>{ids && <option value="place">a place</option>}</select></Field>
    {to === 'place' && <Field label="Place" hint={link.type === 'redis' ? 'the id of an entry, as 1700000000000-0' : 'the number of a message'}><input class="mono" value={place} onInput={(e) => setPlace(e.currentTarget.value)} /></Field>}
    {regret}</Confirm>;
}
