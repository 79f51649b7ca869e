// What a link of each type looks like when nobody has written one yet.
import { writeJson, type Json } from '../lib/json';

export const LINK_TYPES: [string, string][] = [['file', 'file'], ['redis', 'Redis stream'], ['postgres-notify', 'PostgreSQL notifications'], ['nats', 'NATS, JetStream or core'], ['mqtt', 'MQTT 5'], ['kafka', 'Kafka'], ['amqp', 'AMQP: RabbitMQ']];

type Config = { [name: string]: Json };
const AT: Config = { host: '127.0.0.1' };
const SUBJECT: Config = { format: 'payload', pattern: '{subject}' };
const PLACED: Config = { format: 'payload', pattern: 'order.placed' };
const IN: Record<string, Config> = {
  file: { path: '/var/log/app.ndjson', from: 'start', format: 'text', pattern: 'log.line' },
  redis: { ...AT, port: 6379, stream: 'orders', from: 'start', ...PLACED },
  'postgres-notify': { connection: 'main', channel: 'orders', ...PLACED },
  nats: { ...AT, port: 4222, stream: 'ORDERS', from: 'start', ...SUBJECT },
  mqtt: { ...AT, port: 1883, topic: 'shop/+/sold', qos: 1, ...SUBJECT },
  kafka: { brokers: '127.0.0.1:9092', topic: 'orders', from: 'start', ...PLACED },
  amqp: { ...AT, port: 5672, queue: 'orders', ...SUBJECT },
};
const OUT: Record<string, Config> = {
  file: { path: '/var/log/events.ndjson' },
  redis: { ...AT, port: 6379, stream: 'events', maxLength: 100_000 },
  'postgres-notify': { connection: 'main', channel: 'events' },
  nats: { ...AT, port: 4222, stream: 'EVENTS', subject: 'events.{pattern}' },
  mqtt: { ...AT, port: 1883, topic: 'events/{pattern}' },
  kafka: { brokers: '127.0.0.1:9092', topic: 'events' },
  amqp: { ...AT, port: 5672, exchange: 'events', routingKey: '{pattern}' },
};

export function fresh(direction: string, type: string, mode: string): string {
  const out = direction === 'out';
  const config: Config = { ...(out ? OUT : IN)[type], ...(out && mode === 'stream' ? { pattern: 'order.*', from: 'end' } : {}) };
  return writeJson({ name: '', direction, type, ...(out ? { mode } : {}), config });
}
