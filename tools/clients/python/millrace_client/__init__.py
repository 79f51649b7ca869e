"""Client of Millrace: sends events, follows them, makes any call of the API."""
from .client import Client
from .batcher import Batcher
from .errors import (Conflict, ConnectionFailed, ExpectationFailed, Forbidden, Gone,
                     HeadersTooLarge, HttpVersionNotSupported, InternalError, MethodNotAllowed,
                     MillraceError, NotFound, NotSupported, PayloadTooLarge, RateLimited,
                     RequestTimeout, SignatureError, Unauthorized, Unavailable,
                     UnsupportedMediaType, UriTooLong, ValidationError)
from .stream import Message
from .webhook import verify_webhook

__all__ = ["Client", "Batcher", "Message", "verify_webhook", "MillraceError", "ValidationError",
           "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "Conflict", "Gone",
           "PayloadTooLarge", "UnsupportedMediaType", "RateLimited", "InternalError",
           "Unavailable", "RequestTimeout", "UriTooLong", "ExpectationFailed", "HeadersTooLarge",
           "NotSupported", "HttpVersionNotSupported", "ConnectionFailed", "SignatureError"]
