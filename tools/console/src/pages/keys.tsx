// Who may come in: keys, shown once, and the tenants they are of.
import { useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { setQuery } from '../lib/route';
import { Button, Confirm, Copy, Dialog, Empty, Fault, Field, JsonView, Page, Rows, say, Status, Table, Tabs, Time } from '../ui/parts';
import { may, type PageProps } from '../lib/me';

// What one may look at, and the one thing that mends.
const PORTAL = ['api:read', 'events:read', 'executions:read', 'dlq:read', 'dlq:replay', 'subscriptions:read', 'scripts:read', 'schedules:read', 'replays:read', 'stats:read', 'audit:read'];
const ROLES = ['viewer', 'publisher', 'developer', 'operator', 'admin'];

export function Keys({ route, me }: PageProps) {
  const tab = route.query.get('tab') === 'tenants' ? 'tenants' : 'keys';
  return <Page title="Keys and tenants" help="keys" sub={`You are ${me.user ?? me.keyId ?? 'on this machine'}, ${me.role} of ${me.tenantId}`} actions={<Tabs label="What" of={[['keys', 'Keys'], ['tenants', 'Tenants']]} now={tab} pick={(next) => setQuery({ tab: next === 'keys' ? undefined : next })} />}>
    {me.mode === 'local' && <p class="note-box"><b>No key was ever created.</b> Whoever is on this machine may do everything, and nobody else is let in. From the first key on every call needs one, this page too: make it on the machine with <code>millrace key create --bootstrap</code>, or here, as an admin, and sign in with it.</p>}
    {tab === 'keys' ? <KeyList me={me} /> : <Tenants me={me} />}</Page>;
}

const stateOf = (key: any) => key.expiresAt && new Date(key.expiresAt) < new Date() ? 'expired' : 'active';

function KeyList({ me }: { me: PageProps['me'] }) {
  const list = useAsk((signal) => get('/v2/keys', { limit: 1000 }, signal), [], 10_000);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<any>(null);
  const [inviting, setInviting] = useState(false);
  const [asking, setAsking] = useState<{ key: any; verb: 'rotate' | 'revoke' } | null>(null);
  const rows = list.value?.items ?? [];
  const write = may(me, 'keys:write');
  return <><div class="bar">{write && <><Button tone="main" onClick={() => setMaking(true)}>New key{'\u2026'}</Button>{me.mode === 'key' && <Button onClick={() => setInviting(true)}>Let somebody in{'\u2026'}</Button>}</>}</div><Fault error={list.error} />
    <section class="card list">{rows.length ? <Table label="Keys" rows={rows} keyOf={(k: any) => k.id} columns={[
      { name: 'State', cell: (k) => <Status is={stateOf(k)} /> }, { name: 'Key', cell: (k) => <><b>{k.name || k.id}</b><div class="mono dim">{k.prefix}{'\u2026'}{k.last4}</div></> }, { name: 'Role', cell: (k) => k.role }, { name: 'Tenant', narrow: true, cell: (k) => k.tenantId }, { name: 'Only from', narrow: true, cell: (k) => k.ips?.join(', ') || <span class="dim">anywhere</span> }, { name: 'Expires', class: 'nowrap', narrow: true, cell: (k) => k.expiresAt ? <Time at={k.expiresAt} /> : <span class="dim">never</span> }, { name: 'Last used', class: 'nowrap', cell: (k) => <><Time at={k.lastUsedAt} /> <span class="dim">{k.lastUsedIp}</span></> },
      { name: '', cell: (k) => write && <><Button class="small" onClick={() => setAsking({ key: k, verb: 'rotate' })}>Rotate{'\u2026'}</Button> <Button class="small" tone="danger" onClick={() => setAsking({ key: k, verb: 'revoke' })}>Revoke{'\u2026'}</Button></> }]} />
      : !list.loading && <Empty title="No keys" />}</section>
    {inviting && <Invite me={me} onClose={() => setInviting(false)} />}
    {making && <Make onClose={() => setMaking(false)} done={(key) => { setMade(key); list.again(); }} />}
    {made && <Dialog title="The key, this once" onClose={() => setMade(null)} actions={<><Copy label="Copy the key" text={() => made.key} /><Button tone="main" onClick={() => setMade(null)}>I have it</Button></>}><p>It is nowhere kept and never shown again.</p><pre class="wrap" tabIndex={0}>{made.key}</pre></Dialog>}
    {asking?.verb === 'rotate' && <Confirm title={`Rotate ${asking.key.name || asking.key.id}`} verb="Rotate" onClose={() => setAsking(null)} run={async () => { setMade(await post(`/v2/keys/${enc(asking.key.id)}/rotate`, { overlap: '24h' })); list.again(); }}><p>It gets a new text; the old one is taken for 24 hours more.</p></Confirm>}
    {asking?.verb === 'revoke' && <Confirm title={`Revoke ${asking.key.name || asking.key.id}`} verb="Revoke" danger type={asking.key.last4} onClose={() => setAsking(null)} run={async () => { await ask(`/v2/keys/${enc(asking.key.id)}`, { method: 'DELETE' }); say('Revoked'); list.again(); }}><p>Whoever uses it is let out at once, streams too. Its last four characters say that you mean this one.</p></Confirm>}</>;
}

// The console for somebody else: an address that works once, with what is ticked and nothing more.
function Invite({ me, onClose }: { me: PageProps['me']; onClose: () => void }) {
  const scopes = PORTAL.filter((one) => may(me, one));
  const [picked, setPicked] = useState(scopes.filter((one) => /^(api|events|executions|dlq|subscriptions):read$/.test(one)));
  const [tenant, setTenant] = useState(me.tenantId);
  const [ttl, setTtl] = useState('1h');
  const [made, setMade] = useState<any>(null);
  const [error, setError] = useState<Error | null>(null);
  const send = () => post('/v2/portal', { tenantId: tenant, scopes: picked, ttl }).then(setMade).catch(setError);
  const address = made ? `${location.origin}${made.url}` : '';
  return <Dialog title="Let somebody in" onClose={onClose} actions={made ? <><Copy label="Copy the address" text={() => address} /><Button tone="main" onClick={onClose}>Done</Button></> : <><Button onClick={onClose}>Cancel</Button><Button tone="main" disabled={!picked.length} onClick={send}>Make the address</Button></>}>
    {made ? <><p>It lets one browser in, once, and must be opened in ten minutes. The access ends <Time at={made.key.expiresAt} />.</p><pre class="wrap" tabIndex={0}>{address}</pre></>
      : <><div class="pair"><Field label="Tenant"><input value={tenant} onInput={(e) => setTenant(e.currentTarget.value.trim())} /></Field><Field label="For how long" hint="1m to 24h"><input value={ttl} onInput={(e) => setTtl(e.currentTarget.value.trim())} /></Field></div>
        <fieldset><legend>What they may</legend>{scopes.map((one) => <label class="check"><input type="checkbox" checked={picked.includes(one)} onChange={(e) => setPicked(e.currentTarget.checked ? [...picked, one] : picked.filter((name) => name !== one))} /> <code>{one}</code></label>)}</fieldset></>}
    <Fault error={error} /></Dialog>;
}

function Make({ onClose, done }: { onClose: () => void; done: (key: any) => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState('developer');
  const [days, setDays] = useState('');
  const [ips, setIps] = useState('');
  return <Confirm title="New key" verb="Create" onClose={onClose} run={async () => done(await post('/v2/keys', { ...(name ? { name } : {}), role, ...(Number(days) > 0 ? { expiresAt: new Date(Date.now() + Number(days) * 86_400_000).toISOString() } : {}), ...(ips.trim() ? { ips: ips.split(/[\s,]+/).filter(Boolean) } : {}) }))}>
    <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field><Field label="Role"><select value={role} onChange={(e) => setRole(e.currentTarget.value)}>{ROLES.map((one) => <option>{one}</option>)}</select></Field>
    <div class="pair"><Field label="Days until it expires" hint="empty: never"><input inputMode="numeric" value={days} onInput={(e) => setDays(e.currentTarget.value)} /></Field><Field label="Only from" hint="addresses or networks"><input value={ips} onInput={(e) => setIps(e.currentTarget.value)} /></Field></div></Confirm>;
}

function Tenants({ me }: { me: PageProps['me'] }) {
  const list = useAsk((signal) => get('/v2/tenants', { limit: 1000 }, signal), [], 10_000);
  const [chosen, choose] = useState<any>(null);
  const usage = useAsk((signal) => get(`/v2/tenants/${enc(chosen?.id ?? me.tenantId)}/usage`, undefined, signal), [chosen?.id]);
  const [making, setMaking] = useState(false);
  const [id, setId] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const rows = list.value?.items ?? [];
  const write = may(me, 'tenants:write');
  return <><div class="bar">{write && <Button tone="main" onClick={() => setMaking(true)}>New tenant{'\u2026'}</Button>}</div><Fault error={list.error ?? error} />
    <div class="cols"><section class="card list">{rows.length > 0 && <Table label="Tenants" rows={rows} keyOf={(t: any) => t.id} open={choose} chosen={chosen?.id} columns={[{ name: 'Status', cell: (t) => <Status is={t.status} title={t.reason} /> }, { name: 'Tenant', cell: (t) => <b>{t.name || t.id}</b> }, { name: 'Since', class: 'nowrap', narrow: true, cell: (t) => <Time at={t.createdAt} /> },
      { name: '', cell: (t) => write && t.id !== 'default' && <Button class="small" onClick={() => ask(`/v2/tenants/${enc(t.id)}`, { method: 'PATCH', body: { status: t.status === 'active' ? 'suspended' : 'active' } }).then(list.again).catch(setError)}>{t.status === 'active' ? 'Suspend' : 'Let in again'}</Button> }]} />}</section>
      <aside class="card"><header><h2>What {chosen?.id ?? me.tenantId} uses</h2></header><Fault error={usage.error} />{usage.value && <JsonView value={usage.value} />}{chosen && <Rows of={[['Id', <code>{chosen.id}</code>]]} />}</aside></div>
    {making && <Confirm title="New tenant" verb="Create" onClose={() => setMaking(false)} run={async () => { await post('/v2/tenants', { id: id.trim() }); say('Created'); list.again(); }}><Field label="Id"><input value={id} onInput={(e) => setId(e.currentTarget.value)} /></Field></Confirm>}</>;
}
