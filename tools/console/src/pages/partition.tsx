// One partition of a cluster: its copies, how far each is, and to whom it may go.
import { useState } from 'preact/hooks';
import { enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { usePace, useSeen } from '../lib/pace';
import { behindOf, endOf, lagOf, stateOf, type Cluster, type Copy, type Partition } from '../lib/cluster';
import { compact, count, dash, span } from '../lib/format';
import { href } from '../lib/route';
import { Button, Confirm, Fault, Field, Page, Rows, say, Status, Table } from '../ui/parts';
import { Chart } from '../ui/chart';
import { may, type PageProps } from '../lib/me';

const POLL_MS = 1500;
const TONES = ['water', 'wait', 'violet', 'sky', 'bad', 'ok'];
const SAYS: Record<string, string> = {
  owner: 'does the work, and writes', standby: 'writes what the owner has written, runs no handlers', 'catching-up': 'reads what it does not have yet',
  fenced: 'thought that it owned while another did; begins anew by itself', diverged: 'has on disk what the log does not: deletes nothing, and waits for a heal', down: 'its node or its process is not there',
};

export function One({ partition: id, me }: { partition: string; me: PageProps['me'] }) {
  const cluster = useAsk<Cluster>((signal) => get('/v2/cluster', undefined, signal), [], 5000);
  const seen = useAsk<Partition>((signal) => get(`/v2/cluster/partitions/${enc(id)}`, undefined, signal), [id], POLL_MS);
  const one = seen.value;
  const [asking, setAsking] = useState<'move' | 'heal' | null>(null);
  const paces = usePace(one, (value: Partition) => [['log', endOf(value)] as [string, number], ...value.copies.map((copy): [string, number] => [copy.node, copy.applied ?? 0])]);
  const series = useSeen(one, (value: Partition) => Object.fromEntries([['log', paces.get('log')?.perSecond ?? 0], ...value.copies.map((copy) => [`of ${copy.node}`, behindOf(value, copy) ?? 0])]));
  const title = <><a href="#/cluster">Cluster</a> / partition {id}</>;
  if (!one || !cluster.value) return <Page title={title}><Fault error={seen.error ?? cluster.error} /></Page>;
  const state = stateOf(one, cluster.value.replicas);
  const write = may(me, 'backups:write');
  const diverged = one.copies.filter((copy) => copy.role === 'diverged');
  // How long a copy still reads, at the pace of the last look.
  const left = (copy: Copy) => {
    const gains = (paces.get(copy.node)?.perSecond ?? 0) - (paces.get('log')?.perSecond ?? 0);
    return copy.role === 'catching-up' && copy.lag && gains > 0 ? `about ${span(copy.lag / gains * 1000)} left` : '';
  };
  return <Page title={title} help="cluster" sub={<><Status is={state} /> {one.owner ? <>owned by <b>{one.owner}</b></> : <b class="bad">nobody owns it</b>}, epoch {count(one.epoch)}{one.movingTo && <>, on its way to <b>{one.movingTo}</b></>}</>}
    actions={write && <>{diverged.length > 0 && <Button tone="danger" onClick={() => setAsking('heal')}>Heal{'\u2026'}</Button>}<Button disabled={!!one.movingTo} onClick={() => setAsking('move')}>Move{'\u2026'}</Button></>}><Fault error={seen.error ?? cluster.error} />
    {diverged.length > 0 && <div class="fault" role="alert"><strong>{diverged.length === 1 ? 'A copy has' : `${diverged.length} copies have`} diverged.</strong> NATS has gone back behind what {diverged.map((copy) => copy.node).join(' and ')} {diverged.length === 1 ? 'has' : 'have'} on disk. Nothing is deleted; the partition stands still until somebody says which copy counts.</div>}
    {!one.owner && !diverged.length && <div class="fault" role="alert"><strong>Nobody owns it.</strong> Requests of its tenants wait 2 s, then get 503. The most advanced copy takes over by itself, if one is there.</div>}
    <section class="card list"><header><h2>Copies</h2></header><Table label="Copies of the partition" rows={one.copies} keyOf={(copy) => copy.node} columns={[
      { name: 'Node', cell: (copy) => <b>{copy.node}</b> }, { name: 'Role', cell: (copy) => <><Status is={copy.role} /><div class="dim">{SAYS[copy.role] ?? ''}{copy.needsSnapshot && ' (is filled with a copy of the whole folder first)'}{copy.inSync === false && ' (is not in sync: nobody waits for it)'}</div>{copy.error && <div class="bad wrap">{copy.error}</div>}</> },
      { name: 'Behind', class: 'num nowrap', cell: (copy) => <>{count(behindOf(one, copy))}<div class="dim">{left(copy)}</div></> }, { name: 'Applied', class: 'num', cell: (copy) => count(copy.applied) }, { name: 'On disk', class: 'num', narrow: true, cell: (copy) => count(copy.fsynced) }, { name: 'Knows of', class: 'num', narrow: true, cell: (copy) => count(copy.appended) }, { name: 'Epoch', class: 'num', narrow: true, cell: (copy) => count(copy.epoch) },
      { name: 'Last unit', narrow: true, cell: (copy) => copy.unit === undefined ? dash : <>{count(copy.unit)} <code class="id" title="what its chain hashes to: two copies at one unit have one hash, or one of them is another history">{copy.hash}</code></> }]} /></section>
    <div class="grid"><Chart title="Written" series={series} seconds={120} lines={[{ name: 'log', label: 'messages a second', tone: 'sky', fill: true }]} note="Since this page was opened." />
      <Chart title="Behind" series={series} seconds={120} lines={one.copies.map((copy, i) => ({ name: `of ${copy.node}`, label: copy.node, tone: TONES[i % TONES.length] }))} note="Messages of the log that a copy has not applied." /></div>
    <section class="card narrow"><Rows of={[['Log ends at', count(endOf(one))], ['Furthest behind', count(lagOf(one))], ['Backup', <>its owner's folder, on the owner's machine: <code>POST /v2/backups?partition={id}</code></>]]} /></section>
    {asking === 'move' && <Move one={one} cluster={cluster.value} onClose={() => setAsking(null)} done={() => { seen.again(); cluster.again(); }} />}
    {asking === 'heal' && <Heal one={one} copies={diverged} onClose={() => setAsking(null)} done={seen.again} />}</Page>;
}

function Move({ one, cluster, onClose, done }: { one: Partition; cluster: Cluster; onClose: () => void; done: () => void }) {
  const copyAt = (node: string) => one.copies.find((copy) => copy.node === node);
  const places = cluster.nodes.filter((node) => node.live && node.node !== one.owner).sort((a, b) => Number(copyAt(b.node)?.role === 'standby') - Number(copyAt(a.node)?.role === 'standby') || Number(a.draining) - Number(b.draining));
  const [to, setTo] = useState(places[0]?.node ?? '');
  const copy = copyAt(to);
  const extra = !copy && one.copies.length >= cluster.replicas;
  return <Confirm title={`Move partition ${one.partition}`} verb="Move" onClose={onClose} run={async () => { if (!to) throw new Error('there is no other node'); const told = await post(`/v2/cluster/partitions/${one.partition}/move`, { to }); say(told.id === 'none' ? 'It is there already' : `Partition ${one.partition} goes to ${to}`); done(); }}>
    {places.length ? <Field label="To"><select value={to} onChange={(e) => setTo(e.currentTarget.value)}>{places.map((node) => <option value={node.node}>{node.node}: {copyAt(node.node)?.role ?? 'no copy yet'}{node.draining ? ', is drained' : ''}</option>)}</select></Field> : <p class="fault">No other node is heard.</p>}
    {copy?.role === 'standby' && <p>It has a copy that is there with the log: requests of the partition's tenants <b>wait the moment that it changes hands</b>, streams are cut and come back.</p>}
    {copy && copy.role !== 'standby' && <p><b>Its copy is {copy.role}{copy.lag ? `, ${count(copy.lag)} messages behind` : ''}</b>: it is handed over when that has caught up, and stays where it is until then.</p>}
    {to && !copy && <p><b>There is no copy yet: one is made first</b>, which reads {count(endOf(one))} messages of the log, or a folder, over the network; the partition stays where it is until then.</p>}
    {extra && <p class="note-box">With it there is one copy more than the {cluster.replicas} that are kept: when it has moved, the last of the others is removed.</p>}
    {one.partition === 0 && <p class="note-box">Keys, tenants and <b>browsers' sessions</b> are in partition 0: sessions end, this one too where a key is needed.</p>}</Confirm>;
}

// Nothing is as final: what only others have is gone, and how much that is stands here.
function Heal({ one, copies, onClose, done }: { one: Partition; copies: Copy[]; onClose: () => void; done: () => void }) {
  const furthest = [...copies].sort((a, b) => (b.unit ?? 0) - (a.unit ?? 0))[0];
  const [from, setFrom] = useState(furthest?.node ?? '');
  const chosen = copies.find((copy) => copy.node === from);
  const ahead = one.copies.filter((copy) => copy.node !== from && (copy.unit ?? 0) > (chosen?.unit ?? 0));
  const others = one.copies.filter((copy) => copy.node !== from && copy.unit === chosen?.unit && copy.hash && chosen?.hash && copy.hash !== chosen.hash);
  return <Confirm title={`Heal partition ${one.partition}`} verb={`The copy of ${from} counts`} danger type={from} onClose={onClose} run={async () => { await post(`/v2/cluster/partitions/${one.partition}/heal`, { from }); say(`The copy of ${from} counts`); done(); }}>
    <p><b>What only other copies have is lost, and nothing brings it back.</b> With a node ended, the partition's folder of its data can be copied before.</p>
    <Field label="Which copy counts" hint={furthest ? `${furthest.node} has the most` : ''}><select value={from} onChange={(e) => setFrom(e.currentTarget.value)}>{copies.map((copy) => <option value={copy.node}>{copy.node}: {count(copy.unit)} units, {count(copy.fsynced)} on disk</option>)}</select></Field>
    {ahead.map((copy) => <p class="fault" key={copy.node}><b>{copy.node} has {count((copy.unit ?? 0) - (chosen?.unit ?? 0))} units more</b>: they are lost.</p>)}
    {others.map((copy) => <p class="fault" key={copy.node}><b>{copy.node} has another history</b> at the same unit: what differs there is lost.</p>)}
    {!ahead.length && !others.length && chosen?.unit !== undefined && <p class="note-box">As far as copies say where they are, none has more than this one. <span class="dim">{compact(chosen.unit)} units.</span></p>}
    <p class="dim"><a href={href('/help/cluster')}>What diverged means</a></p></Confirm>;
}
