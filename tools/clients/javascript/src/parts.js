// Of a batch that a cluster cuts up by key, what nobody can take at the moment stands in `rejected` with 503 (or 429), while
// the rest is taken: it is sent again by itself, and one answer is made of all.
import { MillraceError } from './errors.js';

export const REFUSED = new Set([429, 503]);  // nothing was done: may be tried again, whatever it was

const spread = (answer, count) => {
  const refused = new Map(answer.rejected.map((entry) => [entry.index, entry]));
  const taken = answer.events[Symbol.iterator]();
  return Array.from({ length: count }, (_, at) => (refused.has(at) ? { refused: refused.get(at) } : { event: taken.next().value }));
};

// `sendOnce(events)`: the answer to these; `pause(turn)`: resolves when it may be tried again.
export async function sendInParts(events, sendOnce, turns, pause) {
  const answer = await sendOnce(events);
  const outcomes = spread(answer, events.length);
  for (let turn = 0; turn < turns; turn++) {
    const left = [...outcomes.keys()].filter((at) => REFUSED.has(outcomes[at].refused?.error.statusCode));
    if (!left.length) break;
    await pause(turn);
    let more;
    try {
      more = await sendOnce(left.map((at) => events[at]));
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;  // whoever called has ended it
      break;  // what was refused stays so: the rest was taken, and has to be told
    }
    spread(more, left.length).forEach((outcome, at) => { outcomes[left[at]] = outcome; });
    answer.accepted += more.accepted;
    answer.duplicates += more.duplicates;
    if (answer.partitions && more.partitions) answer.partitions.push(...more.partitions);
  }
  answer.events = outcomes.filter((one) => one.event).map((one) => one.event);
  answer.rejected = [...outcomes.keys()].filter((at) => outcomes[at].refused).map((at) => ({ ...outcomes[at].refused, index: at }));
  return answer;
}
