// What can go wrong, a class for each code of the contract.
export class MillraceError extends Error {
  constructor(message, { status = 0, code = 'UNKNOWN', details = {}, requestId = null, retryAfter = null, cause } = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.status = status;
    this.code = code;
    this.details = details;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}
export class ValidationError extends MillraceError {}
export class Unauthorized extends MillraceError {}
export class Forbidden extends MillraceError {}
export class NotFound extends MillraceError {}
export class MethodNotAllowed extends MillraceError {}
export class Conflict extends MillraceError {}
// The past that was asked for is no longer kept.
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
// No answer came: whether the call was done is unknown.
export class ConnectionFailed extends MillraceError {}
// A webhook that is not signed right, too old or too new.
export class SignatureError extends MillraceError {}

const BY_CODE = {
  VALIDATION_ERROR: ValidationError, UNAUTHORIZED: Unauthorized, FORBIDDEN: Forbidden, NOT_FOUND: NotFound,
  METHOD_NOT_ALLOWED: MethodNotAllowed, CONFLICT: Conflict, GONE: Gone, PAYLOAD_TOO_LARGE: PayloadTooLarge,
  UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaType, RATE_LIMIT_EXCEEDED: RateLimited, INTERNAL_ERROR: InternalError,
  UNAVAILABLE: Unavailable, REQUEST_TIMEOUT: RequestTimeout, URI_TOO_LONG: UriTooLong,
  EXPECTATION_FAILED: ExpectationFailed, HEADERS_TOO_LARGE: HeadersTooLarge, NOT_SUPPORTED: NotSupported,
  HTTP_VERSION_NOT_SUPPORTED: HttpVersionNotSupported,
};

export function errorOf(status, body, headers) {
  const told = body && typeof body === 'object' && body.error && typeof body.error === 'object' ? body.error : {};
  const code = told.code ?? (status >= 500 ? 'UNAVAILABLE' : 'UNKNOWN');
  const after = Number.parseFloat(headers?.get('retry-after') ?? '');
  return new (BY_CODE[code] ?? MillraceError)(told.message ?? `HTTP status ${status}`, {
    status, code, details: told.details ?? {}, requestId: headers?.get('x-request-id') ?? null,
    retryAfter: Number.isFinite(after) ? after : null,
  });
}
