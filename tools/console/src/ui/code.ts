// CodeMirror, where somebody writes: loaded with the first editor. It lives in a shadow root, whose styles are
// adopted sheets: the page's policy lets no style element in.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import { json } from '@codemirror/legacy-modes/mode/javascript';
import { lua } from '@codemirror/legacy-modes/mode/lua';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';

export type Language = 'json' | 'lua';
export interface Mark { line: number; text: string }
export interface Code { put: (text: string) => void; mark: (at: Mark | null) => void; end: () => void }

const theme = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--ground)', fontSize: '12.5px', minHeight: 'var(--least)', maxHeight: '70vh' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '18px' },
  '.cm-content': { caretColor: 'var(--text)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--ground)', color: 'var(--dim)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--raise) 55%, transparent)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important' },
  '.cm-matchingBracket': { backgroundColor: 'color-mix(in srgb, var(--accent) 24%, transparent)' },
  '.cm-tooltip': { backgroundColor: 'var(--card)', color: 'var(--text)', border: '1px solid var(--line)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)' },
});
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.atom, tags.bool, tags.null], color: 'var(--wait)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ok)' },
  { tag: tags.number, color: 'var(--violet)' },
  { tag: tags.comment, color: 'var(--dim)', fontStyle: 'italic' },
  { tag: [tags.propertyName, tags.standard(tags.variableName)], color: 'var(--sky)' },
]);

export function edit(host: HTMLElement, options: { text: string; language: Language; label: string; changed: (text: string) => void }): Code {
  let telling = true;
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(), lintGutter(), indentUnit.of('  '), theme, syntaxHighlighting(colours),
        StreamLanguage.define(options.language === 'lua' ? lua : json),
        // Escape, then Tab, leaves: CodeMirror's own rule.
        keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
        // Its place in the tab order is said: whoever judges pages does not see that one can write there.
        EditorView.contentAttributes.of({ 'aria-label': options.label, tabindex: '0', spellcheck: 'false', autocapitalize: 'off', autocorrect: 'off' }),
        EditorView.updateListener.of((update) => { if (update.docChanged && telling) options.changed(update.state.doc.toString()); }),
      ],
    }),
  });
  return {
    put: (text) => {
      if (text === view.state.doc.toString()) return;
      telling = false;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      telling = true;
    },
    mark: (at) => {
      const line = at && at.line >= 1 && at.line <= view.state.doc.lines ? view.state.doc.line(at.line) : null;
      view.dispatch(setDiagnostics(view.state, line && at ? [{ from: line.from, to: line.to, severity: 'error', message: at.text }] : []));
      if (line) view.dispatch({ effects: EditorView.scrollIntoView(line.from, { y: 'center' }) });
    },
    end: () => { view.destroy(); root.replaceChildren(); },
  };
}
