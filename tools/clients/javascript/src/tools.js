// Ids that the client makes, and waiting.
export const wait = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

// What is sent again is a duplicate at worst.
export function withId(event) {
  if (!event?.pattern) throw new TypeError('an event needs a pattern');
  return event.eventId ? event : { ...event, eventId: crypto.randomUUID() };
}
