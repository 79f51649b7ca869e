// Lines that came and went between two texts: longest common subsequence, bounded.
export type Change = [kind: ' ' | '+' | '-', line: string];

export function diff(before: string, after: string): Change[] {
  const a = before.split('\n');
  const b = after.split('\n');
  if (a.length * b.length > 4_000_000) return [...a.map((line): Change => ['-', line]), ...b.map((line): Change => ['+', line])];
  const width = b.length + 1;
  const most = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      most[i * width + j] = a[i] === b[j] ? most[(i + 1) * width + j + 1] + 1 : Math.max(most[(i + 1) * width + j], most[i * width + j + 1]);
  const out: Change[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push([' ', a[i++]]); j++; }
    else if (j >= b.length || (i < a.length && most[(i + 1) * width + j] >= most[i * width + j + 1])) out.push(['-', a[i++]]);
    else out.push(['+', b[j++]]);
  }
  return out;
}
