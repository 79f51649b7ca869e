// The pages that are in the program: what `millrace help TOPIC` prints.
import type { ComponentChildren } from 'preact';
import { useAsk } from '../lib/live';
import { ask, enc } from '../lib/http';
import { blocks, type Block } from '../lib/markdown';
import { Copy, Empty, Fault, Page } from '../ui/parts';
import type { PageProps } from '../lib/me';

const text = (path: string, signal: AbortSignal): Promise<string> => ask(path, { signal }).then((got) => got.text);

// `code` and **bold**; `millrace help TOPIC` leads there.
function inline(line: string): ComponentChildren[] {
  return line.split(/(`[^`]+`|\*\*.+?\*\*)/).map((part) => {
    if (part.startsWith('**') && part.endsWith('**') && part.length > 4) return <b>{inline(part.slice(2, -2))}</b>;
    if (!part.startsWith('`') || part.length < 3) return part;
    const topic = /^`millrace help ([a-z-]+)`$/.exec(part)?.[1];
    return topic ? <a href={`#/help/${topic}`}><code>{part.slice(1, -1)}</code></a> : <code>{part.slice(1, -1)}</code>;
  });
}

function Shown({ block }: { block: Block }) {
  if (block.is === 'heading') return block.level < 3 ? <h2>{inline(block.text)}</h2> : <h3>{inline(block.text)}</h3>;
  if (block.is === 'text') return <p>{inline(block.text)}</p>;
  if (block.is === 'list') return <ul>{block.items.map((item) => <li>{inline(item)}</li>)}</ul>;
  if (block.is === 'code') return <div class="sample"><pre tabIndex={0} aria-label="Example">{block.text}</pre><Copy label="Copy" text={() => block.text} /></div>;
  return <div class="scroll" tabIndex={0} role="group" aria-label={block.head.join(', ')}><table><thead><tr>{block.head.map((cell) => <th scope="col">{inline(cell)}</th>)}</tr></thead>
    <tbody>{block.rows.map((row) => <tr>{block.head.map((_, i) => <td>{inline(row[i] ?? '')}</td>)}</tr>)}</tbody></table></div>;
}

export function Help({ route }: PageProps) {
  const list = useAsk((signal) => text('/console/help.txt', signal), []);
  const topics = (list.value ?? '').split('\n').filter(Boolean).map((line) => line.split('\t'));
  const topic = route.path[1] ?? 'events';
  const page = useAsk((signal) => text(`/console/help-${enc(topic)}.md`, signal), [topic]);
  const [title, ...rest] = page.value ? blocks(page.value) : [];
  return <Page title={title?.is === 'heading' ? title.text : 'Help'} sub="Also in the program: millrace help">
    <div class="cols help"><article class="card"><Fault error={page.error} />{rest.map((block) => <Shown block={block} />)}{!page.value && !page.loading && <Empty title="There is no such page" />}</article>
      <nav class="card" aria-label="Topics"><ul class="feed">{topics.map(([name, about]) => <li><a href={`#/help/${name}`} aria-current={name === topic ? 'page' : undefined}>{about}</a></li>)}</ul></nav></div></Page>;
}
