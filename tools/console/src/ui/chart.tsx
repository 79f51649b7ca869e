// A chart of some series over time, and the same as a table. uPlot comes when the first chart does.
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { clock, compact } from '../lib/format';
import type { Series } from '../lib/live';

export interface Line { name: string; label: string; tone: string; fill?: boolean; dashed?: boolean }
const colour = (tone: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${tone}`).trim();

export function Chart(props: { title: string; lines: Line[]; series: Series | null; seconds?: number; show?: (value: number) => string; height?: number; note?: string; href?: string }) {
  const { lines, series, seconds = 0, show = compact, height = 150 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [asTable, setAsTable] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  const [theme, setTheme] = useState(0);
  const data = (): uPlot.AlignedData => series ? [series.at, ...lines.map((line) => series[line.name] ?? [])] as uPlot.AlignedData : [[], ...lines.map(() => [])] as uPlot.AlignedData;

  // What came while uPlot was on its way is there when it is.
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const change = () => setTheme((n) => n + 1);
    addEventListener('millrace-theme', change);
    return () => removeEventListener('millrace-theme', change);
  }, []);

  useEffect(() => {
    if (asTable) return;
    let gone = false;
    let watch: ResizeObserver | null = null;
    void import('uplot').then(({ default: Plot }) => {
      if (gone || !box.current) return;
      const grid = { stroke: colour('line'), width: 1 };
      const font = '11px ui-sans-serif, system-ui, sans-serif';
      plot.current = new Plot({
        width: box.current.clientWidth || 300, height,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, sync: { key: 'millrace' } },
        padding: [8, 4, 0, 0],
        // As wide as was asked for, however young the server is.
        scales: { x: { range: (_, from, to) => { const most = to ?? Date.now() / 1000, least = from ?? most; return [seconds ? Math.min(least, most - seconds) : least, Math.max(most, least + 1)]; } }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
        axes: [
          { stroke: colour('dim'), grid: { show: false }, ticks: { show: false }, font, size: 22, space: 70, values: (_, ticks) => ticks.map((t) => clock(t * 1000, false)) },
          { stroke: colour('dim'), grid, ticks: { show: false }, font, size: 52, space: 34, values: (_, ticks) => ticks.map((t) => show(t)) },
        ],
        series: [{}, ...lines.map((line) => ({
          stroke: colour(line.tone), width: 1.75, dash: line.dashed ? [5, 4] : undefined,
          fill: line.fill ? colour(line.tone) + '22' : undefined, points: { show: false }, spanGaps: true,
        }))],
        hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)] },
      }, latest.current(), box.current);
      watch = new ResizeObserver(() => { if (box.current) plot.current?.setSize({ width: box.current.clientWidth, height }); });
      watch.observe(box.current);
    });
    return () => { gone = true; watch?.disconnect(); plot.current?.destroy(); plot.current = null; };
  }, [asTable, theme, seconds, lines.map((line) => line.name).join()]);

  useEffect(() => { plot.current?.setData(data()); }, [series]);

  const last = series ? series.at.length - 1 : -1;
  const i = at !== null && at <= last ? at : last;
  return <section class="card chart" aria-label={props.title}>
    <header><h2>{props.href ? <a href={props.href}>{props.title}</a> : props.title}</h2>
      <ul class="legend">{lines.map((line) => <li><i class={`key-${line.tone} ${line.dashed ? 'dashed' : ''}`} aria-hidden="true" />{line.label}
        <b>{i >= 0 ? show(series![line.name]?.[i] ?? 0) : '\u2013'}</b></li>)}</ul>
      <button type="button" class="button quiet small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>{asTable ? 'Chart' : 'Table'}</button></header>
    {asTable
      ? <div class="scroll short" tabIndex={0}><table aria-label={`${props.title}, as a table`}><thead><tr><th scope="col">Time</th>{lines.map((line) => <th scope="col" class="num">{line.label}</th>)}</tr></thead>
        <tbody>{series && series.at.map((t, n) => ({ t, n })).reverse().map(({ t, n }) => <tr><td>{clock(t * 1000)}</td>{lines.map((line) => <td class="num">{show(series[line.name]?.[n] ?? 0)}</td>)}</tr>)}</tbody></table></div>
      : <div ref={box} class="plot" role="img" aria-label={`${props.title}: ${lines.map((line) => `${line.label} ${i >= 0 ? show(series![line.name]?.[i] ?? 0) : 'unknown'}`).join(', ')}`} />}
    {props.note && <p class="dim note">{props.note}</p>}
  </section>;
}

// A line small enough for a tile.
export function Spark({ values, tone }: { values: number[]; tone: string }) {
  const most = Math.max(...values, 1e-9) * (Math.max(...values) === Math.min(...values) ? 2 : 1);
  const last = values.slice(-60);
  const points = last.map((value, i) => `${(i / Math.max(1, last.length - 1) * 100).toFixed(1)},${(23 - value / most * 21).toFixed(1)}`).join(' ');
  return <svg class={`spark stroke-${tone}`} viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">{last.length > 1 && <polyline points={points} />}</svg>;
}
