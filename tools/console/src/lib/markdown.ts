// As much of Markdown as the pages of help are written in, as blocks; what becomes of them is the page's business.
export type Block =
  | { is: 'heading'; level: number; text: string }
  | { is: 'text'; text: string }
  | { is: 'code'; text: string }
  | { is: 'list'; items: string[] }
  | { is: 'table'; head: string[]; rows: string[][] };

// A bar in `code` is no border, nor is \|.
function cells(line: string): string[] {
  const row: string[] = [''];
  let code = false;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '`') code = !code;
    if (line[i] === '\\' && line[i + 1] === '|') { row[row.length - 1] += '|'; i++; }
    else if (line[i] === '|' && !code) row.push('');
    else row[row.length - 1] += line[i];
  }
  const out = row.slice(1).map((cell) => cell.trim());
  if (out[out.length - 1] === '') out.pop();
  return out;
}

export function blocks(page: string): Block[] {
  const lines = page.split('\n');
  const out: Block[] = [];
  let at = 0;
  const take = (fits: (line: string) => boolean): string[] => {
    const begin = at;
    while (at < lines.length && fits(lines[at])) at++;
    return lines.slice(begin, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = /^(#+) +(.*)/.exec(line);
    if (!line.trim()) at++;
    else if (heading) { out.push({ is: 'heading', level: heading[1].length, text: heading[2] }); at++; }
    else if (line.startsWith('```')) { at++; out.push({ is: 'code', text: take((one) => !one.startsWith('```')).join('\n') }); at++; }
    else if (line.startsWith('|')) {
      const [head, , ...rows] = take((one) => one.startsWith('|')).map(cells);
      out.push({ is: 'table', head, rows });
    } else if (line.startsWith('    ')) out.push({ is: 'code', text: take((one) => one.startsWith('    ') || !one.trim()).map((one) => one.slice(4)).join('\n').trimEnd() });
    else if (/^[-*] /.test(line)) {
      const items: string[] = [];
      for (const one of take((next) => /^([-*] |  +\S)/.test(next))) {
        if (/^[-*] /.test(one)) items.push(one.slice(2)); else items[items.length - 1] += ` ${one.trim()}`;
      }
      out.push({ is: 'list', items });
    } else out.push({ is: 'text', text: take((one) => !/^(\s*$|#+ |\||```|    |[-*] )/.test(one)).join(' ') });
  }
  return out;
}
