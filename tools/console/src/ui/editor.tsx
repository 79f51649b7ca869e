// A text that somebody writes. CodeMirror comes when the first one is shown; until then, and where it does not
// come, it is a plain field, so that nobody waits to type.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Code, Language, Mark } from './code';

export function Editor(props: { value: string; set: (text: string) => void; label: string; language: Language; rows?: number; mark?: Mark | null }) {
  const { value, label, language, rows = 12, mark = null } = props;
  const host = useRef<HTMLDivElement>(null);
  const code = useRef<Code | null>(null);
  // What was written here comes back as a value a moment later, when more may have been written.
  const written = useRef<string[]>([]);
  const [ready, setReady] = useState(false);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let gone = false;
    import('./code').then(({ edit }) => {
      if (gone || !host.current) return;
      code.current = edit(host.current, { text: latest.current.value, language, label, changed: (text) => { written.current.push(text); latest.current.set(text); } });
      code.current.mark(latest.current.mark ?? null);
      // Who was typing meanwhile goes on typing.
      if (host.current.parentElement?.contains(document.activeElement)) host.current.shadowRoot?.querySelector<HTMLElement>('.cm-content')?.focus();
      setReady(true);
    }, () => { /* the plain field stays */ });
    return () => { gone = true; code.current?.end(); code.current = null; setReady(false); };
  }, [language, label]);
  useEffect(() => {
    const own = written.current.lastIndexOf(value);
    written.current = own < 0 ? [] : written.current.slice(own + 1);
    if (own < 0) code.current?.put(value);
  }, [value]);
  useEffect(() => { code.current?.mark(mark); }, [mark?.line, mark?.text]);
  return <div class="editor" style={{ '--least': `${rows * 18 + 16}px` }}>
    <div ref={host} class={ready ? 'code' : 'hidden'} />
    {!ready && <textarea spellcheck={false} autocapitalize="off" autocomplete="off" wrap="off" aria-label={label} rows={rows} value={value} onInput={(e) => props.set(e.currentTarget.value)} />}
    {mark && !ready && <p class="fault wrap">Line {mark.line}: {mark.text}</p>}
  </div>;
}
