// One figure, what it was a moment ago, and where it leads.
import { Spark } from './chart';

export function Tile(props: { name: string; value: string; note?: string; to?: string; tone?: string; values?: number[]; line?: string }) {
  const inner = <><span>{props.name}</span><b>{props.value}</b>{props.values ? <Spark values={props.values} tone={props.line ?? 'water'} /> : null}{props.note && <small>{props.note}</small>}</>;
  return props.to ? <a class={`tile ${props.tone ?? ''}`} href={props.to}>{inner}</a> : <div class={`tile ${props.tone ?? ''}`}>{inner}</div>;
}
