// Several machines as one: who is there, who owns what, how far each copy is.
import { useEffect, useState } from 'preact/hooks';
import { ask, enc, get, post } from '../lib/http';
import { useAsk } from '../lib/live';
import { usePace } from '../lib/pace';
import { alarmsOf, behindOf, copiesOf, endOf, inCluster, lagOf, nodeState, ownedBy, stateOf, STATES, type Cluster as View, type ClusterNode, type Copy, type Partition } from '../lib/cluster';
import { compact, count, span } from '../lib/format';
import { href, setQuery } from '../lib/route';
import { Button, Confirm, Empty, Fault, Page, say, signOf, Status, Table } from '../ui/parts';
import { Tile } from '../ui/tile';
import { may, type PageProps } from '../lib/me';
import { One } from './partition';

const POLL_MS = 1500;
const heard = (node: ClusterNode) => node.heardMsAgo === undefined ? 'never' : node.heardMsAgo < 1000 ? 'just now' : `${span(node.heardMsAgo)} ago`;

export function Cluster({ route, me }: PageProps) {
  const [here, setHere] = useState<boolean | null>(null);
  useEffect(() => { void inCluster().then(setHere); }, []);
  if (here === false) return <Alone />;
  if (here === null) return null;
  return route.path[1] ? <One partition={route.path[1]} me={me} key={route.path[1]} /> : <All route={route} me={me} />;
}

function Alone() {
  return <Page title="Cluster" help="cluster"><section class="card"><Empty title="This server is alone">In a cluster several servers are one, so that the death of a machine loses nothing that was acknowledged: it begins with <code>[cluster]</code> in the settings of each and <code>millrace cluster init</code>, and <a href="#/help/cluster">help says what it needs</a>.</Empty></section></Page>;
}

function All({ route, me }: PageProps) {
  const seen = useAsk<View>((signal) => get('/v2/cluster', undefined, signal), [], POLL_MS);
  const cluster = seen.value;
  const paces = usePace(cluster, (view: View) => [['all', view.partitions.reduce((all, one) => all + endOf(one), 0)]]);
  const [asking, setAsking] = useState<ClusterNode | null>(null);
  const show = route.query.get('show') ?? '';
  const node = route.query.get('node') ?? '';
  if (!cluster) return <Page title="Cluster"><Fault error={seen.error} /></Page>;
  const alarms = alarmsOf(cluster);
  const write = may(me, 'backups:write');
  const states = cluster.partitions.map((one) => stateOf(one, cluster.replicas));
  const owned = cluster.partitions.filter((one) => one.owner).length;
  const live = cluster.nodes.filter((one) => one.live).length;
  const lag = Math.max(0, ...cluster.partitions.map(lagOf));
  const moving = cluster.partitions.filter((one) => one.movingTo).length;
  const wrong = states.filter((one) => one !== 'well').length;
  const rows = cluster.partitions.filter((one, i) => (!show || (show === 'wrong' ? states[i] !== 'well' : states[i] === show)) && (!node || one.copies.some((copy) => copy.node === node)))
    .sort((a, b) => STATES.indexOf(stateOf(a, cluster.replicas)) - STATES.indexOf(stateOf(b, cluster.replicas)) || a.partition - b.partition);
  return <Page title="Cluster" help="cluster" sub={<><b>{cluster.name}</b>, as node <b>{cluster.node}</b> sees it{cluster.nats?.version && <>, on NATS {cluster.nats.version}</>}{cluster.partitionBy && <>, partitioned by {cluster.partitionBy}</>}</>}>
    {seen.error && <div class="fault" role="alert"><strong>This node does not answer.</strong> <span class="wrap">{seen.error.message}</span> What is shown is what it said last; the console of another node knows more.</div>}
    {!cluster.initialized && <p class="note-box" role="status"><b>The cluster has not been made yet.</b> On a node's machine, when all are up: <code>millrace cluster init {cluster.nodes.map((one) => one.node).join(' ')}</code></p>}
    {alarms.map((alarm) => <div class={alarm.bad ? 'fault' : 'note-box'} role={alarm.bad ? 'alert' : 'status'} key={alarm.what}><strong>{alarm.to ? <a href={href(alarm.to)}>{alarm.what}</a> : alarm.what}</strong> {alarm.says}</div>)}
    <div class="tiles six">
      <Tile name="Nodes" value={`${live} of ${cluster.nodes.length}`} tone={live < cluster.nodes.length ? 'bad' : ''} note={live < cluster.nodes.length ? 'are heard' : 'all are heard'} />
      <Tile name="Partitions owned" value={`${owned} of ${cluster.partitions.length}`} tone={owned < cluster.partitions.length ? 'bad' : ''} note={moving ? `${moving} on the way` : 'none on the way'} />
      <Tile name="Partitions well" value={`${states.length - wrong} of ${states.length}`} tone={alarms.some((one) => one.bad) ? 'bad' : wrong ? 'wait' : ''} note={`${cluster.replicas} copies each`} to={wrong ? href('/cluster', { show: 'wrong' }) : undefined} />
      <Tile name="Written" value={`${compact(paces.get('all')?.perSecond ?? 0)}/s`} values={paces.get('all')?.past} line="sky" note="messages of the log" />
      <Tile name="Furthest behind" value={compact(lag)} tone={lag > 1000 ? 'wait' : ''} note="a copy, in messages" />
      <Tile name="A 202 says" value={cluster.ack === 'replicated-fsync' ? 'two disks' : 'NATS, a disk'} note={cluster.ack} />
    </div>
    <section class="nodes" aria-label="Nodes">{cluster.nodes.map((one) => <NodeCard key={one.node} node={one} cluster={cluster} write={write} chosen={node === one.node} ask={() => setAsking(one)} />)}</section>
    <ul class="copies legend" aria-label="What the signs say">{['owner', 'standby', 'catching-up', 'fenced', 'diverged', 'down'].map((role) => <li><span class={`copy ${role}`} aria-hidden="true">{sign(role)}</span> {role}</li>)}</ul>
    <div class="bar"><select aria-label="Show" value={show} onChange={(e) => setQuery({ show: e.currentTarget.value || undefined })}><option value="">every partition</option><option value="wrong">what is not well</option>{STATES.filter((one) => one !== 'well').map((one) => <option value={one}>{one}</option>)}</select>
      <select aria-label="Node" value={node} onChange={(e) => setQuery({ node: e.currentTarget.value || undefined })}><option value="">of any node</option>{cluster.nodes.map((one) => <option value={one.node}>of {one.node}</option>)}</select></div>
    <section class="card list">{rows.length ? <Table label="Partitions, those that are not well first" rows={rows} keyOf={(one) => String(one.partition)} href={(one) => href(`/cluster/${one.partition}`)} columns={[
      { name: 'Partition', class: 'num', cell: (one) => <b>{one.partition}</b> }, { name: 'State', class: 'nowrap', cell: (one) => <Status is={stateOf(one, cluster.replicas)} /> },
      { name: 'Owner', class: 'nowrap', cell: (one) => <>{one.owner ?? <span class="bad">nobody</span>}{one.movingTo && <span class="dim"> {'\u2192'} {one.movingTo}</span>}</> },
      { name: 'Copies', cell: (one) => <span class="samples">{one.copies.map((copy) => <span class="nowrap"><Status is={copy.role} title={copy.error ?? ''} /> {copy.node}</span>)}</span> },
      { name: 'Epoch', class: 'num', narrow: true, cell: (one) => count(one.epoch) }, { name: 'Appended', class: 'num', narrow: true, cell: (one) => count(endOf(one)) }, { name: 'Applied by all', class: 'num', narrow: true, cell: (one) => count(least(one, 'applied')) }, { name: 'On disk of all', class: 'num', narrow: true, cell: (one) => count(least(one, 'fsynced')) }, { name: 'Behind', class: 'num', cell: (one) => count(lagOf(one)) }]} />
      : <Empty title={show || node ? 'None of these' : 'No partitions yet'} />}</section>
    {asking && <Drain node={asking} cluster={cluster} onClose={() => setAsking(null)} done={seen.again} />}</Page>;
}

const least = (one: Partition, what: 'applied' | 'fsynced') => {
  const told = one.copies.map((copy) => copy[what]).filter((value): value is number => value !== undefined);
  return told.length ? Math.min(...told) : null;
};
const sign = (role: string) => signOf(role)[1];

function NodeCard({ node, cluster, write, chosen, ask: asks }: { node: ClusterNode; cluster: View; write: boolean; chosen: boolean; ask: () => void }) {
  const owns = ownedBy(cluster, node.node);
  const has = copiesOf(cluster, node.node);
  const copyOf = (one: Partition) => one.copies.find((copy) => copy.node === node.node);
  const state = nodeState(node, cluster);
  const lag = Math.max(0, ...has.map((one) => behindOf(one, copyOf(one)!) ?? 0));
  return <article class={`card node-card ${node.live ? '' : 'gone'} ${chosen ? 'picked' : ''}`} aria-label={`Node ${node.node}`}>
    <header><h2>{node.node}</h2><Status is={state} />{write && cluster.initialized && <Button class="right small" onClick={asks}>{node.draining ? 'Let it own again\u2026' : 'Drain\u2026'}</Button>}</header>
    <p class="dim"><code>{node.url}</code> heard {heard(node)}</p>
    <p>owns <b>{owns.length}</b> of {cluster.partitions.length}, has {has.length} {has.length === 1 ? 'copy' : 'copies'}{lag > 0 && <>, up to <b>{compact(lag)}</b> behind</>}</p>
    <ul class="copies" aria-label={`Copies of node ${node.node}`}>{has.map((one) => <CopyChip key={one.partition} partition={one} copy={copyOf(one)!} />)}</ul></article>;
}

function CopyChip({ partition, copy }: { partition: Partition; copy: Copy }) {
  const words = `Partition ${partition.partition}: ${copy.role}${partition.movingTo === copy.node ? ', on its way here' : ''}${behindOf(partition, copy) ? `, ${count(behindOf(partition, copy))} behind` : ''}${copy.error ? `, ${copy.error}` : ''}`;
  return <li><a class={`copy ${copy.role} ${partition.movingTo === copy.node ? 'coming' : ''}`} href={href(`/cluster/${partition.partition}`)} title={words} aria-label={words}><span aria-hidden="true">{sign(copy.role)}</span>{partition.partition}</a></li>;
}

// What it costs is counted from what the node has just said.
function Drain({ node, cluster, onClose, done }: { node: ClusterNode; cluster: View; onClose: () => void; done: () => void }) {
  const owns = ownedBy(cluster, node.node);
  const path = `/v2/cluster/nodes/${enc(node.node)}/drain`;
  const others = cluster.nodes.filter((one) => one.node !== node.node && one.live && !one.draining).length;
  const alone = owns.filter((one) => !one.copies.some((copy) => copy.node !== node.node && (copy.role === 'standby' || copy.role === 'catching-up')));
  if (node.draining) {
    return <Confirm title={`Let ${node.node} own again`} verb="Let it own" onClose={onClose} run={async () => { await ask(path, { method: 'DELETE' }); say(`${node.node} may own again`); done(); }}>
      <p>Nothing moves by that: what others own stays with them until it is moved, or until one of them dies.</p></Confirm>;
  }
  return <Confirm title={`Drain ${node.node}`} verb="Drain" danger type={owns.length > 1 ? String(owns.length) : undefined} onClose={onClose} run={async () => { await post(path, undefined); say(`${node.node} hands over what it owns`); done(); }}>
    <p><b>{owns.length === 1 ? 'One partition is' : `${count(owns.length)} partitions are`} handed over</b>, one after the other. Events go on: requests of a partition wait the moment that it changes hands. Then the node can be ended; its copies stay where they are.</p>
    {!others && <p class="fault">There is no other node that could own them: they stay, and are handed over when one comes.</p>}
    {alone.length > 0 && others > 0 && <p class="note-box">Of {alone.length === 1 ? `partition ${alone[0].partition}` : `${alone.length} partitions`} nobody else has a copy that is ready: it waits for one, or one is made first, which reads the whole partition.</p>}
    {owns.some((one) => one.partition === 0) && <p class="note-box">Partition 0 is among them: <b>browsers' sessions end</b>, this one too where a key is needed, and keys are judged from what nodes remember for that moment.</p>}</Confirm>;
}
