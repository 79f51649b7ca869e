// A cluster as one of its nodes tells it, and what of that wants somebody. What is not told, or not known
// here, is left alone: nodes of another version may say less or more.
export interface Copy { node: string; role: string; epoch?: number; appended?: number; applied?: number; fsynced?: number; lag?: number; unit?: number; hash?: string; error?: string; inSync?: boolean; needsSnapshot?: boolean }
export interface Partition { partition: number; owner: string | null; epoch: number; movingTo?: string; copies: Copy[] }
export interface ClusterNode { node: string; url: string; live: boolean; draining: boolean; heardMsAgo?: number }
export interface Cluster { name: string; node: string; initialized: boolean; revision: number; metaGone: boolean; partitionBy: string; replicas: number; ack: string; nats?: { connected: boolean; version?: string; error?: string }; nodes: ClusterNode[]; partitions: Partition[] }

// Whether this server is a node of a cluster. Its readiness names the partitions there; a server alone is
// not asked for what it would have to refuse.
let asked: Promise<boolean> | null = null;
export function inCluster(): Promise<boolean> {
  asked ??= fetch('/readyz').then((answer) => answer.json()).then((told) => told.partitions !== undefined).catch(() => { asked = null; return false; });
  return asked;
}

// What it is, worst first; who reads a list has it in this order.
export const STATES = ['no owner', 'diverged', 'fenced', 'few copies', 'catching-up', 'moving', 'well'];
const isGood = (copy: Copy) => copy.role === 'owner' || copy.role === 'standby';

export function stateOf(partition: Partition, replicas: number): string {
  const copies = partition.copies ?? [];
  const has = (role: string) => copies.some((copy) => copy.role === role);
  // Where nobody owns because the copies do not agree, that is what there is to say.
  if (has('diverged')) return 'diverged';
  if (!partition.owner) return 'no owner';
  if (has('fenced')) return 'fenced';
  if (partition.movingTo) return 'moving';
  if (has('catching-up')) return 'catching-up';
  return copies.filter(isGood).length < replicas ? 'few copies' : 'well';
}

// Where its log ends, as far as anybody says.
export const endOf = (partition: Partition) => Math.max(0, ...(partition.copies ?? []).map((copy) => copy.appended ?? 0));
// Of a copy that is down its own figure is of the past.
export const behindOf = (partition: Partition, copy: Copy) => copy.role === 'down' ? copy.applied === undefined ? undefined : endOf(partition) - copy.applied : copy.lag;
export const lagOf = (partition: Partition) => Math.max(0, ...(partition.copies ?? []).map((copy) => behindOf(partition, copy) ?? 0));
export const ownedBy = (cluster: Cluster, node: string) => cluster.partitions.filter((one) => one.owner === node);
export const copiesOf = (cluster: Cluster, node: string) => cluster.partitions.filter((one) => one.copies?.some((copy) => copy.node === node));

export function nodeState(node: ClusterNode, cluster: Cluster): string {
  if (!node.live) return 'gone';
  if (node.draining) return ownedBy(cluster, node.node).length ? 'draining' : 'drained';
  return cluster.initialized && !copiesOf(cluster, node.node).length && !ownedBy(cluster, node.node).length ? 'elsewhere' : 'well';
}

export interface Alarm { bad: boolean; what: string; says: string; to?: string }
const numbers = (all: Partition[]) => all.length > 6 ? `${all.slice(0, 6).map((one) => one.partition).join(', ')} and ${all.length - 6} more` : all.map((one) => one.partition).join(', ');
const named = (all: Partition[], one: string, many: string) => all.length === 1 ? `Partition ${all[0].partition} ${one}` : `Partitions ${numbers(all)} ${many}`;

export function alarmsOf(cluster: Cluster): Alarm[] {
  const out: Alarm[] = [];
  const of = (state: string) => cluster.partitions.filter((one) => stateOf(one, cluster.replicas) === state);
  const add = (bad: boolean, found: Partition[], one: string, many: string, says: string) => {
    if (found.length) out.push({ bad, what: named(found, one, many), says, to: found.length === 1 ? `/cluster/${found[0].partition}` : undefined });
  };
  if (cluster.metaGone) out.push({ bad: true, what: 'NATS has lost what this cluster is.', says: 'Partitions go on as they are, nothing can be changed: millrace cluster init --restore writes again what this node knows of it.' });
  if (cluster.nats && !cluster.nats.connected) out.push({ bad: true, what: 'There is no line to NATS.', says: `${cluster.nats.error ?? ''} What is shown is what was known last; nothing is taken meanwhile.`.trim() });
  add(true, of('diverged'), 'has diverged.', 'have diverged.', 'NATS has gone back behind what copies have on disk. They delete nothing and stand still, until somebody says which copy counts: heal.');
  add(true, of('no owner'), 'has no owner.', 'have no owner.', 'Requests of their tenants wait 2 s, then they get 503. The most advanced copy takes over by itself, if one is there.');
  add(true, of('fenced'), 'has a copy that was fenced.', 'have copies that were fenced.', 'It thought that it owned while another did, and has stopped; nothing it had not in the log counts. It begins anew as a standby by itself.');
  for (const node of cluster.nodes.filter((one) => !one.live))
    out.push({ bad: true, what: `Node ${node.node} is gone.`, says: node.heardMsAgo === undefined ? 'It has never been heard by this node.' : 'Others own what it owned, where they have a copy.' });
  add(false, of('few copies'), 'lives in fewer copies than it should.', 'live in fewer copies than they should.', 'Where one is left, another death would stop it. A copy that is down comes back with its node.');
  add(false, of('catching-up'), 'catches up.', 'catch up.', 'A copy reads what it does not have yet; until then it can not take over.');
  return out;
}
