// Figures as people read them. What is cut for the eye is whole in a title.
export const dash = '\u2013';

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return dash;
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 && value % 1 ? 1 : 0 });
}

export function compact(value: number): string {
  if (Math.abs(value) < 1000) return value % 1 && Math.abs(value) < 100 ? value.toFixed(1) : String(Math.round(value));
  for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const)
    if (Math.abs(value) >= size) return `${(value / size).toFixed(value / size < 10 ? 2 : value / size < 100 ? 1 : 0)}${unit}`;
  return String(value);
}

export function bytes(value: number): string {
  for (const [size, unit] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const)
    if (value >= size) return `${(value / size).toFixed(value / size < 10 ? 1 : 0)} ${unit}`;
  return `${Math.round(value)} B`;
}

export function span(ms: number): string {
  if (ms <= 0) return '0';
  if (ms < 1) return `${Math.round(ms * 1000)} \u00b5s`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${Math.round(ms % 60_000 / 1000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round(ms % 3_600_000 / 60_000)} m`;
  return `${Math.floor(ms / 86_400_000)} d ${Math.round(ms % 86_400_000 / 3_600_000)} h`;
}

export function ago(time: string | number | null | undefined, now = Date.now()): string {
  if (!time) return dash;
  const ms = now - new Date(time).getTime();
  if (Number.isNaN(ms)) return String(time);
  const word = (value: number, unit: string) => `${Math.floor(value)} ${unit}`;
  const size = Math.abs(ms);
  const text = size < 1000 ? 'now' : size < 60_000 ? word(size / 1000, 's') : size < 3_600_000 ? word(size / 60_000, 'min')
    : size < 86_400_000 ? word(size / 3_600_000, 'h') : word(size / 86_400_000, 'd');
  if (text === 'now') return text;
  return ms >= 0 ? `${text} ago` : `in ${text}`;
}

export function clock(time: string | number, seconds = true): string {
  const date = new Date(time);
  return date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: seconds ? '2-digit' : undefined });
}

export const shorten = (id: string, most = 14) => id.length <= most ? id : `${id.slice(0, most - 5)}\u2026${id.slice(-4)}`;
