// Calls to the server this page comes from. Who is asking is the browser's cookie's business.
import { parseJson, writeJson } from './json';

export interface ErrorBody { message: string; code: string; statusCode: number; details: Record<string, any> }

export class ApiError extends Error {
  constructor(readonly status: number, readonly body: ErrorBody) { super(body.message); }
  get code() { return this.body.code; }
}

type Query = Record<string, string | number | boolean | undefined | null>;
export interface Ask { method?: string; body?: unknown; query?: Query; headers?: Record<string, string>; signal?: AbortSignal }

let signedOut: () => void = () => {};
export const onSignedOut = (listen: () => void) => { signedOut = listen; };

export function pathOf(path: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== null && value !== '') pairs.set(name, String(value));
  const text = pairs.toString();
  return text ? `${path}?${text}` : path;
}

export async function ask(path: string, options: Ask = {}): Promise<{ value: any; text: string; headers: Headers }> {
  const { body } = options;
  let response: Response;
  try {
    response = await fetch(pathOf(path, options.query), {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...options.headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : writeJson(body, 0),
      signal: options.signal,
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError(0, { message: 'The server does not answer.', code: 'UNREACHABLE', statusCode: 0, details: {} });
  }
  const text = await response.text();
  let value: any = null;
  try { value = text ? parseJson(text) : null; } catch { value = null; }
  if (response.ok) return { value, text, headers: response.headers };
  const told = value?.error ?? { message: `${response.status} ${response.statusText}`, code: 'HTTP', statusCode: response.status, details: {} };
  if (response.status === 401) signedOut();
  throw new ApiError(response.status, told);
}

export const get = async (path: string, query?: Query, signal?: AbortSignal): Promise<any> => (await ask(path, { query, signal })).value;
export const post = async (path: string, body: unknown = {}, query?: Query): Promise<any> => (await ask(path, { method: 'POST', body, query })).value;
export const enc = encodeURIComponent;
