// Where boxes go so that arrows lead from above to below, and cross as little as a few looks make them.
export interface Arrow { from: string; to: string; label?: string; dim?: boolean }
export interface Spot { x: number; y: number }
export interface Layout { width: number; height: number; boxes: Map<string, Spot>; ways: { arrow: Arrow; points: Spot[] }[] }

const GAP_X = 26;
const GAP_Y = 52;
const LANE = 14;  // what an arrow takes that passes a row by

interface Node { id: string; width: number; above: Node[]; below: Node[]; x: number; row: number }

// The longest way from a beginning; what lies in a circle stands below what led to it first.
function rowsOf(ids: string[], arrows: Arrow[]): Map<string, number> {
  const incoming = new Map(ids.map((id) => [id, 0]));
  for (const { to } of arrows) incoming.set(to, incoming.get(to)! + 1);
  const row = new Map<string, number>();
  const ready = ids.filter((id) => incoming.get(id) === 0);
  const left = new Set(ids);
  while (left.size) {
    const id = ready.shift() ?? [...left].find((one) => row.has(one)) ?? left.values().next().value!;
    if (!left.delete(id)) continue;
    if (!row.has(id)) row.set(id, 0);
    for (const { from, to } of arrows) {
      if (from !== id || !left.has(to)) continue;
      row.set(to, Math.max(row.get(to) ?? 0, row.get(id)! + 1));
      incoming.set(to, incoming.get(to)! - 1);
      if (incoming.get(to) === 0) ready.push(to);
    }
  }
  return row;
}

const mean = (nodes: Node[]) => nodes.reduce((sum, node) => sum + node.x, 0) / nodes.length;

// As near to what they hang on as their order and the room between them let them.
function settle(row: Node[], near: (node: Node) => Node[]) {
  const wanted = row.map((node) => near(node).length ? mean(near(node)) : node.x);
  const room = (a: Node, b: Node) => (a.width + b.width) / 2 + GAP_X;
  row.forEach((node, i) => { node.x = i === 0 ? wanted[i] : Math.max(wanted[i], row[i - 1].x + room(row[i - 1], node)); });
  const drift = row.reduce((sum, node, i) => sum + wanted[i] - node.x, 0) / row.length;
  row.forEach((node) => { node.x += drift; });
}

export function layered(ids: string[], all: Arrow[], width: number, height: number): Layout {
  const known = new Set(ids);
  const arrows = all.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
  const row = rowsOf(ids, arrows);
  const rows: Node[][] = [];
  const add = (id: string, at: number, wide: number): Node => {
    const node: Node = { id, width: wide, above: [], below: [], x: 0, row: at };
    (rows[at] ??= []).push(node);
    return node;
  };
  const nodes = new Map(ids.map((id) => [id, add(id, row.get(id)!, width)]));
  const join = (a: Node, b: Node) => { a.below.push(b); b.above.push(a); };
  const ways = arrows.map((arrow) => {
    const way = [nodes.get(arrow.from)!];
    // An arrow of a circle leads upwards, straight.
    for (let at = row.get(arrow.from)! + 1; at < row.get(arrow.to)!; at++) way.push(add('', at, LANE));
    way.push(nodes.get(arrow.to)!);
    if (row.get(arrow.to)! > row.get(arrow.from)!) way.slice(1).forEach((node, i) => join(way[i], node));
    return { arrow, way };
  });
  for (const line of rows) line.forEach((node, i) => { node.x = (i - (line.length - 1) / 2) * (width + GAP_X); });
  for (let look = 0; look < 6; look++) {
    const down = look % 2 === 0;
    for (const line of down ? rows : [...rows].reverse()) {
      const near = (node: Node) => down ? node.above : node.below;
      const key = new Map(line.map((node) => [node, near(node).length ? mean(near(node)) : node.x]));
      line.sort((a, b) => key.get(a)! - key.get(b)!);
      settle(line, near);
    }
  }
  const every = rows.flat();
  const least = Math.min(0, ...every.map((node) => node.x - node.width / 2));
  const most = Math.max(0, ...every.map((node) => node.x + node.width / 2));
  const x = (node: Node) => node.x - least;
  const y = (at: number) => at * (height + GAP_Y);
  return {
    width: most - least, height: Math.max(0, rows.length * (height + GAP_Y) - GAP_Y),
    boxes: new Map(ids.map((id) => [id, { x: x(nodes.get(id)!) - width / 2, y: y(row.get(id)!) }])),
    ways: ways.map(({ arrow, way }) => ({
      arrow,
      points: way.flatMap((node, i) => i === 0 ? [{ x: x(node), y: y(node.row) + height }]
        : i === way.length - 1 ? [{ x: x(node), y: y(node.row) }]
        : [{ x: x(node), y: y(node.row) }, { x: x(node), y: y(node.row) + height }]),
    })),
  };
}

// Through its points, each met from above and left downwards.
export function curve(points: Spot[]): string {
  const [first, ...rest] = points;
  let from = first;
  let out = `M${first.x.toFixed(1)} ${first.y.toFixed(1)}`;
  for (const to of rest) {
    const bend = (to.y - from.y) / 2;
    out += to.x === from.x ? `V${to.y.toFixed(1)}` : `C${from.x.toFixed(1)} ${(from.y + bend).toFixed(1)} ${to.x.toFixed(1)} ${(to.y - bend).toFixed(1)} ${to.x.toFixed(1)} ${to.y.toFixed(1)}`;
    from = to;
  }
  return out;
}
