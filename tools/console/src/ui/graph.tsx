// Boxes and arrows, from above to below. Who sees no picture has a list beside it, with the same in it.
import { useMemo } from 'preact/hooks';
import { curve, layered, type Arrow } from '../lib/layers';
import { signOf } from './parts';

export type { Arrow };
export interface Box { id: string; name: string; note?: string; is?: string; href?: string; away?: boolean }
export const BOXES_MAX = 300;
const WIDTH = 178;
const HEIGHT = 44;
const cut = (text: string, most: number) => text.length <= most ? text : `${text.slice(0, most - 1)}\u2026`;

export function Graph({ boxes, arrows, label, chosen }: { boxes: Box[]; arrows: Arrow[]; label: string; chosen?: string }) {
  const about = JSON.stringify([boxes.map((box) => box.id), arrows]);
  const at = useMemo(() => boxes.length > BOXES_MAX ? null : layered(boxes.map((box) => box.id), arrows, WIDTH, HEIGHT), [about]);
  if (!at) return <p class="note-box">{boxes.length.toLocaleString('en')} boxes are more than a picture shows: see the list.</p>;
  return <div class="scroll graph" tabIndex={0} role="group" aria-label={label}>
    <svg width={at.width + 8} height={at.height + 8} viewBox={`-4 -4 ${at.width + 8} ${at.height + 8}`}>
      {at.ways.map(({ arrow, points }) => {
        const end = points[points.length - 1];
        const first = points[0];
        return <g class={`way ${arrow.dim ? 'dim' : ''}`}><path d={curve(points)} /><path class="head" d={`M${end.x - 4} ${end.y - 7}L${end.x} ${end.y - 1}L${end.x + 4} ${end.y - 7}`} />
          {arrow.label && <text x={first.x + (points[1].x - first.x) * 0.3 + 5} y={first.y + 17}>{arrow.label}</text>}</g>;
      })}
      {boxes.map((box) => {
        const spot = at.boxes.get(box.id)!;
        const [tone, sign] = box.is ? signOf(box.is) : ['off', ''];
        const inner = <><title>{[box.name, box.is, box.note].filter(Boolean).join(', ')}</title><rect width={WIDTH} height={HEIGHT} rx="9" />
          {box.is && <text class="sign" x="16" y="27">{sign}</text>}
          <text class="name" x={box.is ? 30 : 12} y="19">{cut(box.name, box.is ? 20 : 23)}</text><text class="note" x={box.is ? 30 : 12} y="34">{cut(box.note ?? '', 24)}</text></>;
        const name = `node ${tone} ${box.away ? 'away' : ''} ${chosen === box.id ? 'chosen' : ''}`;
        const place = `translate(${spot.x} ${spot.y})`;
        return box.href ? <g key={box.id} transform={place}><a href={box.href} class={name} aria-current={chosen === box.id ? 'true' : undefined}>{inner}</a></g>
          : <g key={box.id} class={name} transform={place}>{inner}</g>;
      })}
    </svg></div>;
}
