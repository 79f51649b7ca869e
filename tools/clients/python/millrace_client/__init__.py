"""Client of Millrace: sends events, follows them, makes any call of the API."""
from .client import Client
from .batcher import Batcher
from .errors import (Conflict, ConnectionFailed, Forbidden, InternalError, MethodNotAllowed,
                     MillraceError, NotFound, PayloadTooLarge, RateLimited, SignatureError,
                     Unauthorized, Unavailable, UnsupportedMediaType, ValidationError)
from .stream import Message
from .webhook import verify_webhook

__all__ = ["Client", "Batcher", "Message", "verify_webhook", "MillraceError", "ValidationError",
           "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "Conflict",
           "PayloadTooLarge", "UnsupportedMediaType", "RateLimited", "InternalError",
           "Unavailable", "ConnectionFailed", "SignatureError"]
