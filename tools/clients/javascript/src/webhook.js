// Whether a webhook is from this server: Standard Webhooks 1.0, HMAC-SHA256 (v1) or Ed25519 (v1a).
import { SignatureError } from './errors.js';

const refuse = (message) => { throw new SignatureError(message, { code: 'SIGNATURE_FAILED' }); };

function bytesOf(base64) {
  try { return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)); } catch { return refuse('a secret or signature is no base64'); }
}

// Secrets begin with whsec_, public keys with whpk_.
async function fits(secret, text, scheme, signature) {
  if (scheme === 'v1' && !secret.startsWith('whpk_')) {
    const key = await crypto.subtle.importKey('raw', bytesOf(secret.replace(/^whsec_/, '')), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    return crypto.subtle.verify('HMAC', key, signature, text);
  }
  if (scheme === 'v1a' && secret.startsWith('whpk_')) {
    const key = await crypto.subtle.importKey('raw', bytesOf(secret.slice(5)), { name: 'Ed25519' }, false, ['verify']);
    return crypto.subtle.verify('Ed25519', key, signature, text);
  }
  return false;
}

// `secrets`: one or several; `headers`: a Headers or an object; `body`: as it came. Resolves to the delivery's id, which
// is the same when it is sent again.
export async function verifyWebhook(secrets, headers, body, { toleranceSeconds = 300, now = Date.now() / 1000 } = {}) {
  const given = new Headers(headers instanceof Headers ? headers : Object.entries(headers).map(([name, value]) => [name, String(value)]));
  const id = given.get('webhook-id');
  const at = given.get('webhook-timestamp') ?? '';
  const signatures = given.get('webhook-signature') ?? '';
  if (!id || !signatures) refuse('webhook-id, webhook-timestamp and webhook-signature are needed');
  if (!/^\d+$/.test(at)) refuse('webhook-timestamp is no number of seconds');
  if (Math.abs(now - Number(at)) > toleranceSeconds) refuse('the webhook is too old, or from the future');
  const encoder = new TextEncoder();
  const head = encoder.encode(`${id}.${at}.`);
  const rest = typeof body === 'string' ? encoder.encode(body) : new Uint8Array(body);
  const text = new Uint8Array(head.length + rest.length);
  text.set(head);
  text.set(rest, head.length);
  for (const secret of [secrets].flat())
    for (const one of signatures.split(' ')) {
      const comma = one.indexOf(',');
      if (comma > 0 && await fits(secret, text, one.slice(0, comma), bytesOf(one.slice(comma + 1)))) return id;
    }
  return refuse('no signature fits');
}
