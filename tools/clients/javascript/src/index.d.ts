// Of each shape of the API and each call: Api.Subscription, Api.Answer<'GET /v2/scripts/{id}'>.
import type * as Api from './api.js';
export type { Api };

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface NewEvent {
  pattern: string;
  eventId?: string;
  payload?: { [name: string]: Json };
  version?: number | string;
  source?: { type: 'workflow' | 'task' | 'integration' | 'external'; id: string };
  timestamp?: string;
  metadata?: { correlationId?: string; causationId?: string; context?: { type: 'client' | 'user' | 'global'; id: string } };
  partitionKey?: string;
  priority?: number | 'LOW' | 'NORMAL' | 'HIGH' | 'CRITICAL';
  scheduledAt?: string;
  tenantId?: string;
  [extension: `x-${string}`]: Json | undefined;
}
export interface StoredEvent extends NewEvent { eventId: string; tenantId: string; receivedAt: string; shard: number; offset: number }
export interface Taken { eventId: string; shard: number; offset: number; duplicate: boolean }
export interface SendAnswer {
  success: true; accepted: number; duplicates: number; durability: 'fsync' | 'os' | 'memory' | 'replicated';
  rejected: { index: number; error: { message: string; code: string; statusCode: number; details: Record<string, Json> } }[];
  events: Taken[];
}
export interface Message { position: string; event: StoredEvent }
export type Query = Record<string, string | number | boolean | null | undefined>;

export interface ClientOptions {
  url?: string; apiKey?: string; timeoutMs?: number; retries?: number; backoffMs?: [first: number, most: number]; fetch?: typeof fetch;
}
export interface CallOptions { body?: unknown; query?: Query; headers?: Record<string, string>; signal?: AbortSignal; repeatable?: boolean }
export interface BatcherOptions { eventsMax?: number; bytesMax?: number; lingerMs?: number; pendingMax?: number; durability?: string }
export interface StreamOptions { pattern?: string; patternPrefix?: string; filter?: string; from?: string; lastEventId?: string; reconnect?: boolean; signal?: AbortSignal }

export class Client {
  constructor(options?: ClientOptions);
  readonly url: string;
  call<T = any>(method: string, path: string, options?: CallOptions): Promise<T>;
  send(events: NewEvent | NewEvent[], options?: { atomic?: boolean; durability?: string; signal?: AbortSignal }): Promise<SendAnswer>;
  batcher(options?: BatcherOptions): Batcher;
  event(eventId: string, query?: Query): Promise<StoredEvent>;
  list<T = any>(path: string, query?: Query, options?: { signal?: AbortSignal }): AsyncGenerator<T>;
  stream(options?: StreamOptions): AsyncGenerator<Message>;
}
export class Batcher {
  push(event: NewEvent): Promise<{ eventId: string; result: Promise<Taken> }>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
export function verifyWebhook(secrets: string | string[], headers: Headers | Record<string, string | string[] | undefined>, body: string | ArrayBuffer | Uint8Array,
  options?: { toleranceSeconds?: number; now?: number }): Promise<string>;

export class MillraceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Record<string, any>;
  readonly requestId: string | null;
  readonly retryAfter: number | null;
}
export class ValidationError extends MillraceError {}
export class Unauthorized extends MillraceError {}
export class Forbidden extends MillraceError {}
export class NotFound extends MillraceError {}
export class MethodNotAllowed extends MillraceError {}
export class Conflict extends MillraceError {}
export class Gone extends MillraceError {}
export class PayloadTooLarge extends MillraceError {}
export class UnsupportedMediaType extends MillraceError {}
export class RateLimited extends MillraceError {}
export class InternalError extends MillraceError {}
export class Unavailable extends MillraceError {}
export class RequestTimeout extends MillraceError {}
export class UriTooLong extends MillraceError {}
export class ExpectationFailed extends MillraceError {}
export class HeadersTooLarge extends MillraceError {}
export class NotSupported extends MillraceError {}
export class HttpVersionNotSupported extends MillraceError {}
export class ConnectionFailed extends MillraceError {}
export class SignatureError extends MillraceError {}
