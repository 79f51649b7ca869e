// Made by tools/clients/generate.py of /openapi.json: not changed by hand.

export interface Error {
  success: false;
  error: ErrorBody;
}
export interface ErrorBody {
  message: string;
  code: "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "CONFLICT" | "GONE" | "VALIDATION_ERROR" | "PAYLOAD_TOO_LARGE" | "UNSUPPORTED_MEDIA_TYPE" | "RATE_LIMIT_EXCEEDED" | "INTERNAL_ERROR" | "UNAVAILABLE" | "REQUEST_TIMEOUT" | "URI_TOO_LONG" | "EXPECTATION_FAILED" | "HEADERS_TOO_LARGE" | "NOT_SUPPORTED" | "HTTP_VERSION_NOT_SUPPORTED";
  statusCode: number;
  details: {
    field?: string;
    position?: number;
    limit?: number;
  };
}
export interface Success {
  success?: true;
}
export type MergePatch = { [name: string]: any };
export interface Source {
  type: "workflow" | "task" | "integration" | "external";
  id: string;
}
export interface Metadata {
  correlationId?: string;
  causationId?: string;
  context?: {
    type?: "client" | "user" | "global";
    id?: string;
  };
}
export interface NewEvent {
  eventId?: string;
  pattern: string;
  version?: string | number;
  source?: Source;
  timestamp?: string;
  payload?: { [name: string]: any };
  metadata?: Metadata;
  partitionKey?: string;
  priority?: number | string;
  scheduledAt?: string;
  tenantId?: string;
}
export type NewEvents = NewEvent | NewEvent[];
export interface Event {
  eventId: string;
  pattern: string;
  source?: Source;
  timestamp?: string;
  payload?: { [name: string]: any };
  metadata?: Metadata;
  tenantId: string;
  receivedAt: string;
  shard: number;
  offset: number;
  traceparent?: string;
  tracestate?: string;
}
export interface EventCount {
  count: number;
  next: string | null;
  scanned: number;
  searched: number;
}
export interface Taken {
  success: true;
  accepted: number;
  duplicates: number;
  rejected: {
    index: number;
    error: ErrorBody;
  }[];
  durability?: "fsync" | "os" | "memory" | "replicated";
  partition?: OfPartition;
  epoch?: number;
  events?: {
    eventId: string;
    shard: number;
    offset: number;
    duplicate: boolean;
  }[];
}
export interface Trace {
  event: Event;
  causedBy?: string | null;
  deliveries: Execution[];
  causes: { [name: string]: any }[];
  caused: { [name: string]: any }[];
  truncated: boolean;
  partition?: OfPartition;
}
export interface NewScript {
  id?: string;
  name?: string;
  type?: string;
  source: string;
  enabled?: boolean;
  timeoutMs?: number;
  memoryBytes?: number;
  permissions?: ("http" | "kv" | "emit" | "secrets")[];
  recordCalls?: boolean;
  allow?: { [name: string]: any };
}
export interface Script {
  id: string;
  name: string;
  type: string;
  source: string;
  enabled: boolean;
  timeoutMs: number;
  memoryBytes: number;
  permissions: string[];
  version: number;
  createdAt?: string;
  updatedAt?: string;
}
export interface NewCanary {
  version: number;
  percent?: number;
  rollbackOn?: CanaryRules;
}
export interface CanaryRules {
  errorRate?: number;
  p99Factor?: number;
  difference?: number;
  minRuns?: number;
}
export interface CanaryArm {
  version: number;
  runs: number;
  failures: number;
  p99Ms: number;
}
export interface Canary {
  scriptId: string;
  version: number;
  percent: number;
  mode: "canary" | "shadow";
  state: "running" | "rolledBack" | "superseded";
  reason: string | null;
  rollbackOn: CanaryRules;
  candidate: CanaryArm;
  baseline: CanaryArm;
  compared: number;
  different: number;
  missing?: MissingPartitions;
}
export interface ScriptRun {
  scriptId: string;
  query?: { [name: string]: any };
  body?: any;
  event?: { [name: string]: any };
}
export interface ScriptAnswer {
  success: true;
  result: any;
  logs: any[];
  executionId: string;
  durationMs: number;
}
export type Pattern = string | {
  type: "exact" | "prefix" | "suffix" | "wildcard" | "regex";
  value: string;
};
export interface Executor {
  type: "script" | "webhook" | "command" | "workflow" | "link" | "action";
  scriptId?: string;
  linkId?: string;
  url?: string;
  command?: string;
  args?: string[];
  workflowId?: string;
  headers?: { [name: string]: any };
  timeoutMs?: number;
  transformScriptId?: string;
}
export interface Retry {
  maxRetries?: number;
  initialDelayMs?: number;
  maxDelayMs?: number;
  backoffFactor?: number;
  jitter?: boolean;
  schedule?: string;
}
export interface NewSubscription {
  id?: string;
  name?: string;
  pattern: Pattern;
  filters?: { [name: string]: any } | any[];
  filter?: string;
  form?: string;
  executor: Executor;
  priority?: number;
  retry?: Retry;
  ordering?: string;
  edges?: "*" | null;
  active?: boolean;
}
export interface Subscription {
  id: string;
  name: string;
  pattern: Pattern;
  executor: Executor;
  priority?: number;
  retry?: Retry;
  edges?: string;
  active: boolean;
  paused: boolean;
  version: number;
  createdAt?: string;
  updatedAt?: string;
}
export interface Matched {
  matched: string[];
  explain?: { [name: string]: any } | any[];
  nearMisses?: any[];
}
export interface Preview {
  scanned: number;
  matched: number;
  unreadable?: number;
  byPattern: { [name: string]: any }[];
  otherPatterns?: number;
  samples?: {
    eventId: string;
    pattern: string;
  }[];
  nearMisses?: {
    condition: string;
    count: number;
    samples?: {
      eventId: string;
      pattern: string;
    }[];
  }[];
  gained?: number;
  gainedSamples?: {
    eventId: string;
    pattern: string;
  }[];
  lost?: number;
  lostSamples?: {
    eventId: string;
    pattern: string;
  }[];
  indexed?: boolean;
}
export interface Execution {
  id: string;
  eventId?: string | null;
  subscriptionId?: string | null;
  scriptId?: string | null;
  scriptVersion?: number | null;
  status: string;
  attempts: ({
    at: string;
    durationUs: number;
    error: string | null;
  })[];
  logs: any[];
  result: any;
}
export interface RetryRow {
  executionId: string;
  eventId?: string | null;
  subscriptionId?: string | null;
  attempt: number;
  dueAt: string | null;
  parked: boolean;
  held: boolean;
  partition?: OfPartition;
}
export interface DeadLetter {
  id: string;
  tenantId: string;
  subscriptionId: string;
  scriptId?: string | null;
  eventType: string;
  eventId: string;
  event?: { [name: string]: any } | null;
  edited?: {
    at?: string;
    by?: string;
    count?: number;
    original?: { [name: string]: any };
  };
  error: string;
  errorFingerprint: string;
  retryCount: number;
  maxRetries: number;
  nextRetryAt?: string | null;
  attempts: any[];
  createdAt: string;
  updatedAt: string;
}
export interface DeadLetterGroup {
  fingerprint: string;
  count: number;
  state: GroupState;
  cameAgain: boolean;
  stateAt?: string | null;
  stateBy?: string | null;
  error: string;
  firstAt: string;
  lastAt: string;
  subscriptionIds: string[];
  scriptIds?: string[];
  eventTypes: string[];
  sample: string[];
}
export type GroupState = "open" | "acknowledged" | "resolved" | "ignored";
export interface GroupChange {
  state: GroupState;
}
export interface Redrive {
  ids?: string[];
  scriptId?: string;
  subscriptionId?: string;
  pattern?: string;
  errorFingerprint?: string;
  from?: string;
  to?: string;
  ratePerSecond?: number;
  dryRun?: boolean;
  expect?: number;
}
export interface Rehearsal {
  scriptId?: string;
  subscriptionId?: string;
  pattern?: string;
  errorFingerprint?: string;
  from?: string;
  to?: string;
  sample?: number;
  source?: string;
}
export interface Rehearsed {
  sampled: number;
  passed: number;
  failed: number;
  skipped: number;
  passRate: number | null;
  outOfTime?: boolean;
  items: { [name: string]: any }[];
}
export interface NewReplay {
  id?: string;
  from?: string;
  to?: string;
  pattern?: string;
  patternPrefix?: string;
  filter?: string;
  subscriptionIds: "all" | string[];
  pace?: string | number;
  newIds?: boolean;
  expect?: number;
  dryRun?: boolean;
  scriptId?: string;
  scriptVersion?: number;
  against?: string | number;
}
export interface Replay {
  id: string;
  status: string;
  scanned: number;
  matched: number;
  notDue?: number;
  delivered: number;
  failed: number;
  dryRun: boolean;
  diff?: { [name: string]: any };
  createdAt?: string;
  updatedAt?: string;
}
export interface NewSchedules {
  schedules: Schedule[];
  dryRun?: boolean;
  expect?: number;
}
export interface MadeSchedules {
  success: true;
  created: number;
  count: number;
  dryRun: boolean;
  ids: string[];
  rejected: { [name: string]: any }[];
}
export interface Schedule {
  id?: string;
  name?: string;
  type: "cron" | "interval" | "once";
  cron?: string;
  intervalMs?: number;
  at?: string;
  timezone?: string;
  event?: { [name: string]: any };
  executor?: Executor;
  overlap?: "skip" | "queue1" | "queueAll" | "cancel" | "allow";
  catchUp?: { [name: string]: any };
  active?: boolean;
  paused?: boolean;
  nextRunAt?: string | null;
  lastRunAt?: string | null;
}
export interface ScheduleRun {
  seq: number;
  dueAt: string;
  status: "fired" | "skipped";
  rule?: string | null;
  at: string;
  lateMs?: number;
  eventId?: string | null;
}
export interface Key {
  id: string;
  name: string;
  /** its text, in the answer that makes it and nowhere else */
  key?: string;
  prefix: string;
  last4: string;
  tenantId: string;
  role: Role;
  scopes: string[];
  expiresAt?: string | null;
  lastUsedAt?: string | null;
}
export type Role = "viewer" | "publisher" | "developer" | "operator" | "admin";
export interface NewKey {
  id?: string;
  name?: string;
  tenantId?: string;
  role?: Role;
  scopes?: string[];
  patterns?: string[];
  ips?: string[];
  expiresAt?: string | null;
}
export interface Tenant {
  id: string;
  name?: string;
  status?: "active" | "suspended";
  reason?: string;
  quotas?: { [name: string]: any };
}
export interface Me {
  tenantId: string;
  mode: "local" | "key";
  keyId?: string | null;
  user?: string | null;
  role: string;
  scopes: string[];
  actor: string;
}
export interface ExecutorFigures {
  type: string;
  enabled: boolean;
  running: number;
  limit: number;
  waiting: number;
  breaker: "open" | "closed";
  breakersOpen?: number;
}
export interface Setting {
  key: string;
  /** of what is secret only whether it is set */
  value: string;
  /** default, profile, a file's name, environment or flag */
  from: string;
}
export interface LogLine {
  time: string;
  level: "debug" | "info" | "warn" | "error";
  message: string;
  partition?: OfPartition;
}
export interface Stats {
  ready: boolean;
  reason?: string | null;
  subscriptions: number;
  scripts: number;
  events?: { [name: string]: any };
  deliveries?: { [name: string]: any };
  store?: { [name: string]: any };
  disk?: { [name: string]: any };
  memory?: {
    heldBytes: number;
    limitBytes: number | null;
    level?: "calm" | "tight" | "short";
    shares?: { [name: string]: number };
  };
  windowSeconds?: number;
  stepSeconds?: number;
  series?: { [name: string]: number[] };
  missing?: MissingPartitions;
}
export interface AuditRow {
  id: number;
  at: string;
  tenantId?: string;
  action: string;
  target: {
    type?: string;
    id?: string | null;
  };
  outcome: string;
  actor?: {
    type?: string;
    id?: string | null;
  };
  ip?: string;
  prevHash?: string | null;
  hash: string;
  entry: { [name: string]: any };
}
export interface Session {
  success: true;
  expiresAt: string;
}
export interface NewPortal {
  tenantId: string;
  scopes: string[];
  ttl?: string;
}
export interface Portal {
  url: string;
  openBefore: string;
  key: Key;
}
export interface SchemaRule {
  assert?: string;
  in?: {
    field: string;
    kv: string;
  };
  transition?: {
    key: string;
    field: string;
    allowed: { [name: string]: any[] };
  };
  scriptId?: string;
  message?: string;
}
export interface NewSchema {
  id?: string;
  name?: string;
  pattern: string;
  version?: string | number;
  schemaVersion?: string | number;
  schema: { [name: string]: any } | boolean;
  rules?: SchemaRule[];
  mode?: "off" | "warn" | "reject" | "dead-letter";
  compatibility?: "backward" | "forward" | "full" | "none";
}
export interface Schema {
  id: string;
  name: string;
  pattern: string;
  schemaVersion?: string | number;
  schema: { [name: string]: any } | boolean;
  references?: ({
    uri: string;
    id: string;
    version: number;
    schema: { [name: string]: any } | boolean;
  })[];
  rules: SchemaRule[];
  mode: "off" | "warn" | "reject" | "dead-letter";
  compatibility: "backward" | "forward" | "full" | "none";
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface Misfit {
  pointer: string;
  keyword: string;
  schemaPath: string;
  message: string;
}
export interface SchemaTry {
  payload?: { [name: string]: any };
  event?: NewEvent;
}
export interface SchemaTried {
  valid: boolean;
  errors: Misfit[];
}
export interface SchemaCheck {
  schema?: { [name: string]: any } | boolean;
  rules?: SchemaRule[];
  pattern?: string;
  from?: string;
  to?: string;
}
export interface SchemaChecked {
  scanned: number;
  rejected: number;
  complete: boolean;
  byPointer: ({
    pointer: string;
    keyword: string;
    count: number;
    message: string;
    eventId: string | null;
  })[];
}
export interface SchemaViolation {
  at: string;
  outcome: "warned" | "rejected" | "dead-lettered";
  eventId: string | null;
  pattern: string;
  errors: Misfit[];
}
export interface NewWebhookSource {
  id?: string;
  name?: string;
  scheme: "github" | "stripe" | "standard-webhooks" | "slack" | "shopify" | "hmac" | "none";
  secrets?: string[];
  tolerance?: string;
  pattern?: string;
  hmac?: {
    header?: string;
    prefix?: string;
    template?: string;
    encoding?: "hex" | "base64";
    timestampHeader?: string;
  };
  idFrom?: string;
  kindFrom?: string;
  transformScriptId?: string;
  active?: boolean;
}
export interface WebhookSource {
  id: string;
  name: string;
  scheme: "github" | "stripe" | "standard-webhooks" | "slack" | "shopify" | "hmac" | "none";
  secrets: string[];
  tolerance: string;
  pattern?: string;
  hmac?: {
    header?: string;
    prefix?: string;
    template?: string;
    encoding?: "hex" | "base64";
    timestampHeader?: string;
  };
  idFrom?: string;
  kindFrom?: string;
  transformScriptId?: string;
  active: boolean;
  expiring: {
    secret: string;
    expiresAt: string;
  }[];
  url: string;
  /** one that the server made, in the answer that makes it and nowhere else */
  secret?: string;
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface SourceRotation {
  secret?: string;
  overlap?: string;
}
export interface SourceTrial {
  headers?: { [name: string]: string };
  contentType?: string;
  body?: any;
  sign?: boolean;
}
export interface SourceTried {
  verified: boolean;
  reason: string | null;
  event: { [name: string]: any } | null;
  transformed?: any;
}
export interface SourceDelivery {
  at: string;
  outcome: string;
  status: number;
  reason: string | null;
  deliveryId: string | null;
  kind: string | null;
  eventId: string | null;
  bytes: number;
}
export type Webhook = any;
export interface NewEndpoint {
  id?: string;
  name?: string;
  code?: string;
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  route: string;
  scriptId: string;
  auth?: "required" | "optional" | "none";
  rate?: number;
  timeoutMs?: number;
  cors?: boolean | { [name: string]: any };
}
export interface Endpoint {
  id: string;
  name: string;
  code: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  route: string;
  scriptId: string;
  auth: "required" | "optional" | "none";
  rate?: number;
  timeoutMs?: number;
  cors?: boolean | { [name: string]: any };
  version: number;
  createdAt: string;
  updatedAt: string;
}
export type EndpointAnswer = any;
export interface NewEntity {
  id?: string;
  version?: number;
}
export interface Entity {
  id: string;
  version: number;
  createdAt: string;
  updatedAt: string;
  hooks?: HookReport[];
}
export interface HookReport {
  hookId: string;
  status: "completed" | "retrying" | "failed" | "dead" | "waiting";
  executionId?: string;
  error?: string | null;
}
export interface NewHook {
  id?: string;
  name?: string;
  entity: string;
  on: "beforeCreate" | "afterCreate" | "beforeUpdate" | "afterUpdate" | "beforeDelete" | "afterDelete";
  scriptId: string;
  order?: number;
  active?: boolean;
}
export interface Hook {
  id: string;
  name: string;
  entity: string;
  on: "beforeCreate" | "afterCreate" | "beforeUpdate" | "afterUpdate" | "beforeDelete" | "afterDelete";
  scriptId: string;
  order: number;
  active: boolean;
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface HookRun {
  entity: string;
  on: "beforeCreate" | "afterCreate" | "beforeUpdate" | "afterUpdate" | "beforeDelete" | "afterDelete";
  id?: string;
  doc: { [name: string]: any };
  beforeUpdateDoc?: { [name: string]: any };
}
export interface HooksRun {
  success: true;
  doc?: { [name: string]: any };
  payload?: { [name: string]: any };
  hooks?: any[];
  executionId?: string;
  logs?: any[];
  eventId?: string;
}
export interface NewAction {
  id?: string;
  name: string;
  executor: {
    type: "webhook" | "command";
    method?: string;
    url?: string;
    headers?: { [name: string]: string };
    body?: any;
    secret?: string;
    signed?: boolean;
    timeoutMs?: number;
    ratePerSecond?: number;
    concurrency?: number;
    command?: string;
    args?: string[];
    env?: { [name: string]: any };
    cwd?: string;
  };
}
export interface Action {
  id: string;
  name: string;
  executor: {
    type: "webhook" | "command";
    method?: string;
    url?: string;
    headers?: { [name: string]: string };
    body?: any;
    secret?: string;
    signed?: boolean;
    timeoutMs?: number;
    ratePerSecond?: number;
    concurrency?: number;
    command?: string;
    args?: string[];
    env?: { [name: string]: any };
    cwd?: string;
  };
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface ActionCall {
  input?: any;
}
export interface ActionAnswer {
  success: boolean;
  status?: number;
  result: any;
  error?: {
    code: string;
    message: string;
  };
}
export interface NewEdge {
  node: string;
  id?: string;
  name?: string;
}
export interface EnrolledEdge {
  token: string;
  id: string;
  node: string;
  name: string;
  tokenPrefix: string;
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface Edge {
  id: string;
  node: string;
  name: string;
  tokenPrefix: string;
  version: number;
  createdAt: string;
  updatedAt: string;
  status: {
    lastSeenAt: string | null;
    lag: number | null;
    taken: number;
    duplicates: number;
    skipped: number;
    rejected: number;
    shards: {
      incarnation?: string;
      shard?: number;
      to?: number;
      at?: string;
      first?: boolean;
      skips?: {
        filterVersion?: string;
        from?: number;
        to?: number;
      }[];
    }[];
    backfills: {
      incarnation: string;
      shard: number;
      to: number;
      at: string;
      run: {
        filterVersion?: string;
        from?: number;
        to?: number;
      };
      taken: number;
      done: boolean;
    }[];
    lastError: {
      message?: string;
      at?: string;
    } | null;
  };
}
export interface EdgePatch {
  name?: string;
}
export interface EdgeBackfills {
  backfills: {
    incarnation: string;
    shard: number;
    to: number;
    at: string;
    run: {
      filterVersion?: string;
      from?: number;
      to?: number;
    };
    taken: number;
    done: boolean;
  }[];
}
export type EdgeBatch = string;
export interface BatchTaken {
  to: number;
  hash: string;
  events: number;
  window: number;
  filterVersion: string;
}
export interface EdgeFilters {
  version: string;
  all: boolean;
  patterns: string[];
  filters: { [name: string]: any }[];
  traces?: boolean;
}
export interface GraphqlRequest {
  query: string;
  operationName?: string | null;
  variables?: { [name: string]: any } | null;
  extensions?: { [name: string]: any } | null;
}
export interface GraphqlResult {
  data?: { [name: string]: any } | null;
  errors?: {
    message: string;
    locations?: {
      line?: number;
      column?: number;
    }[];
    path?: any[];
    extensions?: { [name: string]: any };
  }[];
  extensions?: { [name: string]: any };
}
export interface NewLink {
  id?: string;
  name?: string;
  direction: "in" | "out";
  type: "file" | "redis" | "postgres-notify" | "nats" | "mqtt" | "kafka" | "amqp";
  config: {
    path?: string;
    host?: string;
    port?: number;
    database?: number;
    user?: string;
    password?: string;
    token?: string;
    stream?: string;
    subject?: string;
    topic?: string;
    clientId?: string;
    qos?: number;
    brokers?: string;
    mechanism?: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
    tls?: boolean;
    vhost?: string;
    queue?: string;
    ignoreMessageIds?: boolean;
    exchange?: string;
    routingKey?: string;
    connection?: string;
    channel?: string;
    field?: string;
    maxLength?: number;
    from?: string;
    format?: "envelope" | "payload" | "text" | "fields";
    pattern?: string;
    filter?: any;
  };
  mode?: "executor" | "stream";
  transformScriptId?: string;
  transform?: string;
}
export interface Link {
  id: string;
  name: string;
  direction: "in" | "out";
  type: "file" | "redis" | "postgres-notify" | "nats" | "mqtt" | "kafka" | "amqp";
  config: { [name: string]: any };
  mode?: "executor" | "stream";
  transformScriptId?: string;
  paused: boolean;
  version: number;
  createdAt: string;
  updatedAt: string;
  status: {
    state: "connecting" | "running" | "waiting" | "retrying" | "stopped" | "paused";
    reason: string | null;
    since: string | null;
    position?: { [name: string]: any } | null;
    lag?: number | null;
    lagUnit?: string | null;
    taken?: number;
    duplicates?: number;
    rejected?: number;
    leftOut?: number;
    missed?: number;
    gaps?: number;
    sent?: number;
    failed?: number;
    pending?: number;
    partitions?: {
      partition: number;
      state: string;
      reason?: string;
      position?: { [name: string]: any };
      lag?: number;
      pending?: number;
    }[];
    lastError: {
      message?: string;
      at?: string;
    } | null;
    logs?: {
      id: string;
      at: string;
      logs?: { [name: string]: any }[];
      bytesLeftOut?: number;
    }[];
  };
}
export interface LinkReset {
  to: string;
}
export interface LinkTested {
  success: boolean;
  linkId: string;
  error: string | null;
  durationUs: number;
}
export interface NewWorkflow {
  id?: string;
  name?: string;
  steps: ({
    id: string;
    name?: string;
    type: "action" | "condition" | "parallel" | "wait" | "sleep" | "workflow";
    action?: string;
    input?: { [name: string]: any };
    conditions?: any[] | { [name: string]: any } | string;
    branches?: string[];
    join?: string | number;
    next_steps?: string[];
    retry_policy?: { [name: string]: any };
  })[];
  actions?: { [name: string]: any };
  error_handling?: { [name: string]: any };
  version?: number;
}
export interface Workflow {
  id: string;
  name: string;
  steps?: ({
    id: string;
    name?: string;
    type: "action" | "condition" | "parallel" | "wait" | "sleep" | "workflow";
    action?: string;
    input?: { [name: string]: any };
    conditions?: any[] | { [name: string]: any } | string;
    branches?: string[];
    join?: string | number;
    next_steps?: string[];
    retry_policy?: { [name: string]: any };
  })[];
  actions?: { [name: string]: any };
  error_handling?: { [name: string]: any };
  warnings: string[];
  dryRun?: boolean;
  version: number;
  createdAt: string;
  updatedAt: string;
}
export interface WorkflowExecute {
  input?: { [name: string]: any };
  version?: number;
  runId?: string;
  correlationId?: string;
}
export interface WorkflowRunHead {
  runId: string;
  workflowId: string;
  version: number;
  status: "pending" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled" | "compensating" | "compensated" | "compensation_failed";
  startedAt: string;
  updatedAt: string;
  endedAt: string | null;
  eventId: string | null;
  correlationId: string | null;
  subscriptionId: string | null;
  parentRunId: string | null;
  code: string | null;
}
export interface WorkflowStep {
  id: string;
  name: string;
  type: string;
  status: "pending" | "running" | "retrying" | "waiting" | "completed" | "failed" | "skipped" | "cancelled" | "compensated";
  attempt: number;
  iteration: number;
  startedAt?: string | null;
  endedAt?: string | null;
  nextAt?: string;
  input: any;
  output: any;
  error?: {
    code: string;
    message: string;
  };
}
export interface WorkflowRun {
  runId: string;
  workflowId: string;
  version: number;
  status: "pending" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled" | "compensating" | "compensated" | "compensation_failed";
  startedAt: string;
  updatedAt: string;
  endedAt: string | null;
  eventId: string | null;
  correlationId: string | null;
  subscriptionId: string | null;
  parentRunId: string | null;
  code: string | null;
  pauseReason?: string | null;
  nextAt?: string | null;
  input?: any;
  output?: any;
  error?: {
    code: string;
    message: string;
  };
  steps?: WorkflowStep[];
  entries?: number;
  bytes?: number;
  limits?: { [name: string]: any };
}
export type WorkflowBegun = {
  runId: string;
  duplicate: boolean;
} | WorkflowRun;
export interface WorkflowRunEntry {
  index: number;
  kind: string;
  at: string;
  stepId?: string;
  iteration?: number;
  attempt?: number;
  name?: string;
  value?: any;
  error?: {
    code: string;
    message: string;
  };
  events: {
    pattern: string;
    stepId?: string;
    code?: string;
  }[];
}
export interface WorkflowRunReason {
  reason?: string;
}
export interface WorkflowRunResume {
  version?: number;
  fromStep?: string;
}
export interface WorkflowRunSignal {
  name: string;
  payload?: { [name: string]: any };
}
export interface WorkflowRunRehearsal {
  version: number;
}
export interface WorkflowRunRehearsed {
  fits: boolean;
  version: number;
  entries: number;
  status?: "pending" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled" | "compensating" | "compensated" | "compensation_failed";
  index?: number;
  message?: string;
}
export interface WorkflowKey {
  version: number;
  current: boolean;
  createdAt: string;
}
export interface WorkflowKeyRotated {
  version: number;
  dryRun?: boolean;
}
export interface Cluster {
  name: string;
  node: string;
  initialized: boolean;
  revision: number;
  metaGone: boolean;
  partitionBy: string;
  replicas: number;
  ack: string;
  nats: {
    connected: boolean;
    version: string;
    error?: string;
  };
  nodes: ClusterNode[];
  partitions: ClusterPartition[];
}
export interface ClusterNode {
  node: string;
  url: string;
  live: boolean;
  draining: boolean;
  heardMsAgo?: number;
}
export interface ClusterPartition {
  partition: number;
  owner: string | null;
  epoch: number;
  movingTo?: string;
  copies: ClusterCopy[];
}
export interface ClusterCopy {
  node: string;
  role: "owner" | "standby" | "catching-up" | "fenced" | "diverged" | "down";
  epoch?: number;
  appended?: number;
  applied?: number;
  fsynced?: number;
  lag?: number;
  unit?: number;
  hash?: string;
  inSync?: boolean;
  needsSnapshot?: boolean;
  error?: string;
}
export interface NewCluster {
  nodes?: string[];
  restore?: boolean;
}
export interface PartitionMove {
  to: string;
}
export interface PartitionHeal {
  from: string;
}
export type OfPartition = number;
export type MissingPartitions = number[];
export interface ClusterOrder {
  id: string;
}

/** Of each call, by "METHOD /path": what goes in and what comes out. */
export interface Calls {
  "GET /": { body: undefined; answer: unknown };
  "GET /console/{file}": { body: undefined; answer: unknown };
  "GET /healthz": { body: undefined; answer: { [name: string]: any } };
  "GET /metrics": { body: undefined; answer: unknown };
  "GET /openapi.json": { body: undefined; answer: { [name: string]: any } };
  "GET /readyz": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/actions": { body: NewAction; answer: Action };
  "GET /v2/actions": { body: undefined; answer: {
    items: Action[];
    next: string | null;
  } };
  "GET /v2/actions/{id}": { body: undefined; answer: Action };
  "PUT /v2/actions/{id}": { body: NewAction; answer: Action };
  "PATCH /v2/actions/{id}": { body: MergePatch; answer: Action };
  "DELETE /v2/actions/{id}": { body: undefined; answer: Success };
  "POST /v2/actions/{id}/call": { body: ActionCall; answer: ActionAnswer };
  "GET /v2/audit": { body: undefined; answer: {
    items: AuditRow[];
    next: string | null;
  } };
  "GET /v2/audit/verify": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/backups": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "GET /v2/cluster": { body: undefined; answer: Cluster };
  "POST /v2/cluster/init": { body: NewCluster; answer: ClusterOrder };
  "POST /v2/cluster/nodes/{n}/drain": { body: { [name: string]: any }; answer: ClusterOrder };
  "DELETE /v2/cluster/nodes/{n}/drain": { body: undefined; answer: ClusterOrder };
  "GET /v2/cluster/partitions/{p}": { body: undefined; answer: ClusterPartition };
  "POST /v2/cluster/partitions/{p}/heal": { body: PartitionHeal; answer: ClusterOrder };
  "POST /v2/cluster/partitions/{p}/move": { body: PartitionMove; answer: ClusterOrder };
  "GET /v2/config": { body: undefined; answer: {
    items: Setting[];
    next: string | null;
  } };
  "GET /v2/dlq": { body: undefined; answer: {
    items: DeadLetter[];
    next: string | null;
  } };
  "GET /v2/dlq/groups": { body: undefined; answer: {
    items: DeadLetterGroup[];
    next: string | null;
    missing?: MissingPartitions;
  } };
  "PATCH /v2/dlq/groups/{fingerprint}": { body: GroupChange; answer: { [name: string]: any } };
  "POST /v2/dlq/rehearse": { body: Rehearsal; answer: Rehearsed };
  "POST /v2/dlq/replay": { body: Redrive; answer: Success };
  "GET /v2/dlq/{id}": { body: undefined; answer: DeadLetter };
  "DELETE /v2/dlq/{id}": { body: undefined; answer: { [name: string]: any } };
  "PUT /v2/dlq/{id}/event": { body: NewEvent; answer: DeadLetter };
  "POST /v2/dlq/{id}/replay": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/edges": { body: NewEdge; answer: EnrolledEdge };
  "GET /v2/edges": { body: undefined; answer: {
    items: Edge[];
    next: string | null;
  } };
  "GET /v2/edges/{id}": { body: undefined; answer: Edge };
  "PATCH /v2/edges/{id}": { body: EdgePatch; answer: Edge };
  "DELETE /v2/edges/{id}": { body: undefined; answer: Success };
  "POST /v2/edges/{id}/backfill": { body: { [name: string]: any }; answer: EdgeBackfills };
  "POST /v2/edges/{id}/batches": { body: undefined; answer: BatchTaken };
  "GET /v2/edges/{id}/filters": { body: undefined; answer: EdgeFilters };
  "POST /v2/edges/{id}/rotate": { body: { [name: string]: any }; answer: EnrolledEdge };
  "GET /v2/endpoint/{method}/*": { body: undefined; answer: EndpointAnswer };
  "POST /v2/endpoint/{method}/*": { body: { [name: string]: any }; answer: EndpointAnswer };
  "PUT /v2/endpoint/{method}/*": { body: { [name: string]: any }; answer: EndpointAnswer };
  "PATCH /v2/endpoint/{method}/*": { body: { [name: string]: any }; answer: EndpointAnswer };
  "DELETE /v2/endpoint/{method}/*": { body: undefined; answer: EndpointAnswer };
  "OPTIONS /v2/endpoint/{method}/*": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/endpoints": { body: NewEndpoint; answer: Endpoint };
  "GET /v2/endpoints": { body: undefined; answer: {
    items: Endpoint[];
    next: string | null;
  } };
  "GET /v2/endpoints/{id}": { body: undefined; answer: Endpoint };
  "PUT /v2/endpoints/{id}": { body: NewEndpoint; answer: Endpoint };
  "PATCH /v2/endpoints/{id}": { body: MergePatch; answer: Endpoint };
  "DELETE /v2/endpoints/{id}": { body: undefined; answer: Success };
  "POST /v2/entities/{type}": { body: NewEntity; answer: Entity };
  "GET /v2/entities/{type}": { body: undefined; answer: {
    items: Entity[];
    next: string | null;
  } };
  "GET /v2/entities/{type}/{id}": { body: undefined; answer: Entity };
  "PUT /v2/entities/{type}/{id}": { body: NewEntity; answer: Entity };
  "PATCH /v2/entities/{type}/{id}": { body: MergePatch; answer: Entity };
  "DELETE /v2/entities/{type}/{id}": { body: undefined; answer: Success };
  "POST /v2/events": { body: NewEvents; answer: Taken };
  "GET /v2/events": { body: undefined; answer: {
    items: Event[];
    next: string | null;
  } | EventCount };
  "GET /v2/events/stream": { body: undefined; answer: unknown };
  "GET /v2/events/ws": { body: undefined; answer: unknown };
  "GET /v2/events/{eventId}": { body: undefined; answer: Event };
  "DELETE /v2/events/{eventId}": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/events/{eventId}/trace": { body: undefined; answer: Trace };
  "GET /v2/executions": { body: undefined; answer: {
    items: Execution[];
    next: string | null;
  } };
  "GET /v2/executions/{id}": { body: undefined; answer: Execution };
  "GET /v2/executors": { body: undefined; answer: {
    items: ExecutorFigures[];
    next: string | null;
    missing?: MissingPartitions;
  } };
  "POST /v2/graphql": { body: GraphqlRequest; answer: GraphqlResult };
  "GET /v2/graphql": { body: undefined; answer: GraphqlResult };
  "POST /v2/hooks": { body: NewHook; answer: Hook };
  "GET /v2/hooks": { body: undefined; answer: {
    items: Hook[];
    next: string | null;
  } };
  "POST /v2/hooks/run": { body: HookRun; answer: HooksRun };
  "GET /v2/hooks/{id}": { body: undefined; answer: Hook };
  "PUT /v2/hooks/{id}": { body: NewHook; answer: Hook };
  "PATCH /v2/hooks/{id}": { body: MergePatch; answer: Hook };
  "DELETE /v2/hooks/{id}": { body: undefined; answer: Success };
  "POST /v2/keys": { body: NewKey; answer: Key };
  "GET /v2/keys": { body: undefined; answer: {
    items: Key[];
    next: string | null;
  } };
  "GET /v2/keys/{id}": { body: undefined; answer: Key };
  "PATCH /v2/keys/{id}": { body: MergePatch; answer: Key };
  "DELETE /v2/keys/{id}": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/keys/{id}/rotate": { body: { [name: string]: any }; answer: Key };
  "GET /v2/kv": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/links": { body: NewLink; answer: Link };
  "GET /v2/links": { body: undefined; answer: {
    items: Link[];
    next: string | null;
  } };
  "GET /v2/links/{id}": { body: undefined; answer: Link };
  "PUT /v2/links/{id}": { body: NewLink; answer: Link };
  "PATCH /v2/links/{id}": { body: MergePatch; answer: Link };
  "DELETE /v2/links/{id}": { body: undefined; answer: Success };
  "POST /v2/links/{id}/pause": { body: { [name: string]: any }; answer: Link };
  "POST /v2/links/{id}/reset": { body: LinkReset; answer: Link };
  "POST /v2/links/{id}/resume": { body: { [name: string]: any }; answer: Link };
  "POST /v2/links/{id}/test": { body: { [name: string]: any }; answer: LinkTested };
  "GET /v2/log": { body: undefined; answer: {
    items: LogLine[];
    next: string | null;
    missing?: MissingPartitions;
  } };
  "GET /v2/me": { body: undefined; answer: Me };
  "POST /v2/portal": { body: NewPortal; answer: Portal };
  "GET /v2/portal/{invitation}": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/replays": { body: NewReplay; answer: { [name: string]: any } };
  "GET /v2/replays": { body: undefined; answer: {
    items: Replay[];
    next: string | null;
  } };
  "GET /v2/replays/{id}": { body: undefined; answer: Replay };
  "DELETE /v2/replays/{id}": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/replays/{id}/diff": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/retries": { body: undefined; answer: {
    items: RetryRow[];
    next: string | null;
  } };
  "POST /v2/schedules": { body: Schedule; answer: Schedule };
  "GET /v2/schedules": { body: undefined; answer: {
    items: Schedule[];
    next: string | null;
  } };
  "POST /v2/schedules/bulk": { body: NewSchedules; answer: MadeSchedules };
  "GET /v2/schedules/{id}": { body: undefined; answer: Schedule };
  "PUT /v2/schedules/{id}": { body: Schedule; answer: Schedule };
  "PATCH /v2/schedules/{id}": { body: MergePatch; answer: Schedule };
  "DELETE /v2/schedules/{id}": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/schedules/{id}/backfill": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/schedules/{id}/pause": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "GET /v2/schedules/{id}/preview": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/schedules/{id}/resume": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "GET /v2/schedules/{id}/runs": { body: undefined; answer: {
    items: ScheduleRun[];
    next: string | null;
  } };
  "POST /v2/schedules/{id}/trigger": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/schemas": { body: NewSchema; answer: Schema };
  "GET /v2/schemas": { body: undefined; answer: {
    items: Schema[];
    next: string | null;
  } };
  "POST /v2/schemas/check": { body: SchemaCheck; answer: SchemaChecked };
  "GET /v2/schemas/{id}": { body: undefined; answer: Schema };
  "PUT /v2/schemas/{id}": { body: NewSchema; answer: Schema };
  "PATCH /v2/schemas/{id}": { body: MergePatch; answer: Schema };
  "DELETE /v2/schemas/{id}": { body: undefined; answer: Success };
  "POST /v2/schemas/{id}/validate": { body: SchemaTry; answer: SchemaTried };
  "GET /v2/schemas/{id}/versions": { body: undefined; answer: {
    items: Schema[];
    next: string | null;
  } };
  "GET /v2/schemas/{id}/versions/{version}": { body: undefined; answer: Schema };
  "GET /v2/schemas/{id}/violations": { body: undefined; answer: {
    items: SchemaViolation[];
    next: string | null;
  } };
  "POST /v2/script/run": { body: ScriptRun; answer: ScriptAnswer };
  "POST /v2/scripts": { body: NewScript; answer: Script };
  "GET /v2/scripts": { body: undefined; answer: {
    items: Script[];
    next: string | null;
  } };
  "GET /v2/scripts/{id}": { body: undefined; answer: Script };
  "PUT /v2/scripts/{id}": { body: NewScript; answer: Script };
  "PATCH /v2/scripts/{id}": { body: MergePatch; answer: Script };
  "DELETE /v2/scripts/{id}": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/scripts/{id}/canary": { body: NewCanary; answer: Canary | Script };
  "GET /v2/scripts/{id}/canary": { body: undefined; answer: Canary };
  "DELETE /v2/scripts/{id}/canary": { body: undefined; answer: Script };
  "POST /v2/scripts/{id}/rollback": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/scripts/{id}/try": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "GET /v2/scripts/{id}/versions": { body: undefined; answer: {
    items: Script[];
    next: string | null;
  } };
  "GET /v2/scripts/{id}/versions/{version}": { body: undefined; answer: Script };
  "POST /v2/secrets": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "GET /v2/secrets": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/secrets/{id}": { body: undefined; answer: { [name: string]: any } };
  "PUT /v2/secrets/{id}": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "PATCH /v2/secrets/{id}": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "DELETE /v2/secrets/{id}": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/secrets/{id}/versions": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/session": { body: { [name: string]: any }; answer: Session };
  "DELETE /v2/session": { body: undefined; answer: Success };
  "POST /v2/sources": { body: NewWebhookSource; answer: WebhookSource };
  "GET /v2/sources": { body: undefined; answer: {
    items: WebhookSource[];
    next: string | null;
  } };
  "GET /v2/sources/{id}": { body: undefined; answer: WebhookSource };
  "PUT /v2/sources/{id}": { body: NewWebhookSource; answer: WebhookSource };
  "PATCH /v2/sources/{id}": { body: MergePatch; answer: WebhookSource };
  "DELETE /v2/sources/{id}": { body: undefined; answer: Success };
  "GET /v2/sources/{id}/deliveries": { body: undefined; answer: {
    items: SourceDelivery[];
    next: string | null;
  } };
  "POST /v2/sources/{id}/rotate": { body: SourceRotation; answer: WebhookSource };
  "POST /v2/sources/{id}/test": { body: SourceTrial; answer: SourceTried };
  "GET /v2/stats": { body: undefined; answer: Stats };
  "GET /v2/stats/stream": { body: undefined; answer: unknown };
  "POST /v2/subscriptions": { body: NewSubscription; answer: Subscription };
  "GET /v2/subscriptions": { body: undefined; answer: {
    items: Subscription[];
    next: string | null;
  } };
  "POST /v2/subscriptions/match": { body: { [name: string]: any }; answer: Matched };
  "POST /v2/subscriptions/preview": { body: { [name: string]: any }; answer: Preview };
  "GET /v2/subscriptions/{id}": { body: undefined; answer: Subscription };
  "PATCH /v2/subscriptions/{id}": { body: MergePatch; answer: Subscription };
  "DELETE /v2/subscriptions/{id}": { body: undefined; answer: { [name: string]: any } };
  "POST /v2/subscriptions/{id}/pause": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/subscriptions/{id}/resume": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/subscriptions/{id}/rotate-secret": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/subscriptions/{id}/test": { body: { [name: string]: any }; answer: { [name: string]: any } };
  "POST /v2/tenants": { body: Tenant; answer: Tenant };
  "GET /v2/tenants": { body: undefined; answer: {
    items: Tenant[];
    next: string | null;
  } };
  "GET /v2/tenants/{id}": { body: undefined; answer: Tenant };
  "PATCH /v2/tenants/{id}": { body: MergePatch; answer: Tenant };
  "DELETE /v2/tenants/{id}": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/tenants/{id}/usage": { body: undefined; answer: {
    missing?: MissingPartitions;
  } };
  "POST /v2/webhooks/{source}": { body: Webhook; answer: Taken };
  "OPTIONS /v2/webhooks/{source}": { body: undefined; answer: { [name: string]: any } };
  "GET /v2/workflow-keys": { body: undefined; answer: {
    items: WorkflowKey[];
    next: string | null;
  } };
  "POST /v2/workflow-keys/rotate": { body: { [name: string]: any }; answer: WorkflowKeyRotated };
  "GET /v2/workflow-runs": { body: undefined; answer: {
    items: WorkflowRunHead[];
    next: string | null;
  } };
  "GET /v2/workflow-runs/{runId}": { body: undefined; answer: WorkflowRun };
  "POST /v2/workflow-runs/{runId}/cancel": { body: WorkflowRunReason; answer: WorkflowRun };
  "GET /v2/workflow-runs/{runId}/history": { body: undefined; answer: {
    items: WorkflowRunEntry[];
    next: string | null;
  } };
  "POST /v2/workflow-runs/{runId}/pause": { body: WorkflowRunReason; answer: WorkflowRun };
  "POST /v2/workflow-runs/{runId}/rehearse": { body: WorkflowRunRehearsal; answer: WorkflowRunRehearsed };
  "POST /v2/workflow-runs/{runId}/resume": { body: WorkflowRunResume; answer: WorkflowRun };
  "POST /v2/workflow-runs/{runId}/signal": { body: WorkflowRunSignal; answer: WorkflowRun };
  "POST /v2/workflow-runs/{runId}/terminate": { body: WorkflowRunReason; answer: WorkflowRun };
  "POST /v2/workflows": { body: NewWorkflow; answer: Workflow };
  "GET /v2/workflows": { body: undefined; answer: {
    items: Workflow[];
    next: string | null;
  } };
  "GET /v2/workflows/{id}": { body: undefined; answer: Workflow };
  "PUT /v2/workflows/{id}": { body: NewWorkflow; answer: Workflow };
  "PATCH /v2/workflows/{id}": { body: MergePatch; answer: Workflow };
  "DELETE /v2/workflows/{id}": { body: undefined; answer: Success };
  "POST /v2/workflows/{id}/execute": { body: WorkflowExecute; answer: WorkflowBegun };
  "GET /v2/workflows/{id}/versions": { body: undefined; answer: {
    items: Workflow[];
    next: string | null;
  } };
}
export type Body<Call extends keyof Calls> = Calls[Call]['body'];
export type Answer<Call extends keyof Calls> = Calls[Call]['answer'];
