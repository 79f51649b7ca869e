"""What can go wrong, a class for each code of the contract."""


class MillraceError(Exception):
    """An answer that is no success. `retry_after` is in seconds, None where nobody said."""

    code = "UNKNOWN"

    def __init__(self, message, status=0, code=None, details=None, request_id=None,
                 retry_after=None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code or type(self).code
        self.details = details or {}
        self.request_id = request_id
        self.retry_after = retry_after


class ValidationError(MillraceError):
    code = "VALIDATION_ERROR"


class Unauthorized(MillraceError):
    code = "UNAUTHORIZED"


class Forbidden(MillraceError):
    code = "FORBIDDEN"


class NotFound(MillraceError):
    code = "NOT_FOUND"


class MethodNotAllowed(MillraceError):
    code = "METHOD_NOT_ALLOWED"


class Conflict(MillraceError):
    code = "CONFLICT"


class Gone(MillraceError):
    """The past that was asked for is no longer kept."""

    code = "GONE"


class PayloadTooLarge(MillraceError):
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(MillraceError):
    code = "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(MillraceError):
    code = "RATE_LIMIT_EXCEEDED"


class InternalError(MillraceError):
    code = "INTERNAL_ERROR"


class Unavailable(MillraceError):
    code = "UNAVAILABLE"


class RequestTimeout(MillraceError):
    code = "REQUEST_TIMEOUT"


class UriTooLong(MillraceError):
    code = "URI_TOO_LONG"


class ExpectationFailed(MillraceError):
    code = "EXPECTATION_FAILED"


class HeadersTooLarge(MillraceError):
    code = "HEADERS_TOO_LARGE"


class NotSupported(MillraceError):
    code = "NOT_SUPPORTED"


class HttpVersionNotSupported(MillraceError):
    code = "HTTP_VERSION_NOT_SUPPORTED"


class ConnectionFailed(MillraceError):
    """No answer came: whether the call was done is unknown."""

    code = "CONNECTION_FAILED"


class SignatureError(MillraceError):
    """A webhook that is not signed right, too old or too new."""

    code = "SIGNATURE_FAILED"


BY_CODE = {kind.code: kind for kind in (
    ValidationError, Unauthorized, Forbidden, NotFound, MethodNotAllowed, Conflict,
    Gone, PayloadTooLarge, UnsupportedMediaType, RateLimited, InternalError, Unavailable,
    RequestTimeout, UriTooLong, ExpectationFailed, HeadersTooLarge, NotSupported,
    HttpVersionNotSupported)}


def error_of(status, body, headers):
    """The error that an answer means, whatever its body is."""
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    code = told.get("code") or ("UNAVAILABLE" if status >= 500 else "UNKNOWN")
    try:
        retry_after = float(headers.get("retry-after", ""))
    except ValueError:
        retry_after = None
    return BY_CODE.get(code, MillraceError)(
        told.get("message") or f"HTTP status {status}", status=status, code=code,
        details=told.get("details"), request_id=headers.get("x-request-id"),
        retry_after=retry_after)
