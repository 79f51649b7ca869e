// What is due on which day, of all schedules: a week as a list, five weeks as a sheet.
import { enc, get } from '../lib/http';
import { useAsk } from '../lib/live';
import { clock, count } from '../lib/format';
import { href } from '../lib/route';
import { Empty, Fault } from '../ui/parts';

const SCHEDULES_MAX = 60;
const TIMES_MAX = 200;
const FEW = 4;  // a day; more of one schedule are one line
const DAY = 86_400_000;

interface Due { one: any; times: Date[]; on: boolean }  // `on`: there are more than were asked for
interface Line { one: any; from: Date; to: Date; n: number; on: boolean }

const dayOf = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const named = (day: number, month: boolean) => new Date(day).toLocaleDateString('en-GB', month ? { day: 'numeric', month: 'short' } : { weekday: 'long', day: 'numeric', month: 'long' });
const nameOf = (one: any): string => one.name || one.id;

function linesOf(due: Due[], day: number): Line[] {
  const lines: Line[] = [];
  for (const { one, times, on } of due) {
    const mine = times.filter((time) => dayOf(time) === day);
    const last = mine.length > 0 && on && dayOf(times[times.length - 1]) === day;
    if (mine.length > FEW || last) lines.push({ one, from: mine[0], to: mine[mine.length - 1], n: mine.length, on: last });
    else mine.forEach((time) => lines.push({ one, from: time, to: time, n: 1, on: false }));
  }
  return lines.sort((a, b) => a.from.getTime() - b.from.getTime());
}

const when = (line: Line) => line.n === 1 && !line.on ? clock(line.from.getTime(), false) : `${clock(line.from.getTime(), false)} to ${line.on ? 'midnight' : clock(line.to.getTime(), false)}, ${line.on ? 'at least ' : ''}${count(line.n)} times`;

export function Calendar({ rows, month }: { rows: any[]; month: boolean }) {
  const asked = rows.slice(0, SCHEDULES_MAX);
  const due = useAsk<Due[]>((signal) => Promise.all(asked.map(async (one) => {
    const page = await get(`/v2/schedules/${enc(one.id)}/preview`, { n: TIMES_MAX }, signal);
    return { one, times: page.items.map((time: any) => new Date(time.at)), on: page.items.length === TIMES_MAX };
  })), [asked.map((one) => `${one.id} ${one.version}`).join()], 60_000);
  const today = dayOf(new Date());
  // A change of the clocks makes days of 23 and 25 hours.
  const days = Array.from({ length: month ? 35 : 7 }, (_, i) => dayOf(new Date(today + i * DAY + DAY / 2)));
  const told = due.value ?? [];
  const more = rows.length > asked.length && <p class="dim">Of {count(rows.length)} schedules the next {count(asked.length)} are shown.</p>;
  if (month) {
    const lead = (new Date(today).getDay() + 6) % 7;
    const cells: (number | null)[] = [...Array<null>(lead).fill(null), ...days];
    const weeks = Array.from({ length: Math.ceil(cells.length / 7) }, (_, i) => cells.slice(i * 7, i * 7 + 7));
    return <section class="card"><Fault error={due.error} /><div class="scroll" tabIndex={0} role="group" aria-label="Five weeks"><table class="month" aria-label="Five weeks"><thead><tr>{['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].map((name) => <th scope="col">{name}</th>)}</tr></thead>
      <tbody>{weeks.map((week) => <tr>{week.map((day) => <td>{day !== null && <><b class={day === today ? 'today' : 'dim'}>{named(day, true)}</b>{[...new Map(linesOf(told, day).map((line) => [line.one.id, line.one])).values()].slice(0, 4).map((one) => {
        const n = linesOf(told, day).filter((line) => line.one.id === one.id).reduce((sum, line) => sum + line.n, 0);
        return <div class="cell"><a href={href(`/schedules/${enc(one.id)}`)}>{nameOf(one)}</a>{n > 1 && <span class="dim"> {count(n)}</span>}</div>;
      })}</>}</td>)}</tr>)}</tbody></table></div>{more}</section>;
  }
  const full = days.map((day) => ({ day, lines: linesOf(told, day) })).filter(({ lines }) => lines.length > 0);
  return <section class="card"><Fault error={due.error} />{full.map(({ day, lines }) => <><h3>{day === today ? 'Today' : named(day, false)}</h3><ul class="feed">{lines.map((line) => <li><span class="nowrap">{when(line)}</span><a class="grow" href={href(`/schedules/${enc(line.one.id)}`)}>{nameOf(line.one)}</a><code class="dim">{line.one.cron ?? ''}</code></li>)}</ul></>)}
    {full.length === 0 && !due.loading && <Empty title="Nothing is due within a week" />}{more}</section>;
}
