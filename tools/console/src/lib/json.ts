// JSON as it was sent: numbers that a JavaScript number can not hold keep their digits, and what is shown is
// the text, not what it was parsed to.
export class BigNum {
  constructor(readonly text: string) {}
  toString() { return this.text; }
  toJSON() { return Number(this.text); }
}

export type Json = null | boolean | number | string | BigNum | Json[] | { [name: string]: Json };

function exact(text: string): number | BigNum {
  const value = Number(text);
  if (text.length < 16 || String(value) === text) return value;
  return new BigNum(text);
}

const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;

// Most texts hold no number that is long: then the browser's own parser is right, and ten times as fast.
const LONG_NUMBER = /[-+.eE\d]{16,}/;

export function parseJson(text: string): Json {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text) as Json;
  let at = 0;
  const space = () => { while (' \n\r\t'.includes(text[at] ?? 'x')) at++; };
  const string = (): string => {
    const begin = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return JSON.parse(text.slice(begin, ++at)) as string;
  };
  const value = (): Json => {
    space();
    const c = text[at];
    if (c === '"') return string();
    if (c === '{') {
      const out: { [name: string]: Json } = Object.create(null);
      for (at++, space(); text[at] !== '}'; space()) {
        const name = string();
        space(); at++;
        out[name] = value();
        space();
        if (text[at] === ',') { at++; space(); }
      }
      at++;
      return out;
    }
    if (c === '[') {
      const out: Json[] = [];
      for (at++, space(); text[at] !== ']'; space()) {
        out.push(value());
        space();
        if (text[at] === ',') at++;
      }
      at++;
      return out;
    }
    for (const [word, meant] of [['true', true], ['false', false], ['null', null]] as const)
      if (text.startsWith(word, at)) { at += word.length; return meant; }
    NUMBER.lastIndex = at;
    const found = NUMBER.exec(text);
    if (!found) throw new SyntaxError(`JSON: byte ${at}`);
    at = NUMBER.lastIndex;
    return exact(found[0]);
  };
  JSON.parse(text);  // whatever is wrong with it is told by this
  return value();
}

export function writeJson(value: unknown, indent = 2, depth = 0): string {
  if (value instanceof BigNum) return value.text;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const pad = indent ? '\n' + ' '.repeat(indent * (depth + 1)) : '';
  const end = indent ? '\n' + ' '.repeat(indent * depth) : '';
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return '[' + value.map((one) => pad + writeJson(one, indent, depth + 1)).join(',') + end + ']';
  }
  const names = Object.keys(value);
  if (names.length === 0) return '{}';
  return '{' + names.map((name) => pad + JSON.stringify(name) + (indent ? ': ' : ':') +
    writeJson((value as Record<string, unknown>)[name], indent, depth + 1)).join(',') + end + '}';
}
