// What a link's document and its status come to, in words.
import { count, dash } from './format';

export const throughOf = (link: any): number => link.direction === 'in' ? link.status.taken ?? 0 : link.status.sent ?? 0;
export const isStream = (link: any): boolean => link.mode === 'stream';
// Of a sink that subscriptions name, dead letters are theirs.
export const lettersOf = (link: any): number | null => link.direction === 'in' ? link.status.rejected : isStream(link) ? link.status.failed : null;
export const wantsSomebody = (link: any): boolean => ['stopped', 'retrying'].includes(link.status.state) || link.status.gaps > 0 || (lettersOf(link) ?? 0) > 0;
export const wayOf = (link: any): string => link.direction === 'in' ? '\u2192 in' : isStream(link) ? '\u2190 out, the log' : '\u2190 out';
export const waitsOf = (link: any): string => {
  if (link.direction === 'out' && !isStream(link)) return `${count(link.status.pending)} under way`;
  return link.status.lag === null || link.status.lag === undefined ? dash : `${count(link.status.lag)} ${link.status.lagUnit ?? ''}`;
};
export function placeOf(link: any): string {
  const c = link.config ?? {};
  const host = c.host ? `${c.host}:${c.port}` : '';
  const what = c.path ?? c.stream ?? c.topic ?? c.queue ?? c.channel ?? c.exchange ?? '';
  return [c.brokers ?? c.connection ?? host, what, c.subject ?? c.routingKey].filter(Boolean).join(' / ');
}
