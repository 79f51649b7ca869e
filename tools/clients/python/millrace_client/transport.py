"""HTTP/1.1 with kept connections, one a thread, and the rule of what may be tried again."""
import http.client
import json
import random
import ssl
import threading
import time
import urllib.parse

from .errors import ConnectionFailed, error_of

RETRY_AFTER_SECONDS_MAX = 60.0
REFUSED = (429, 503)          # nothing was done: may be tried again, whatever it was
UNKNOWN = (500, 502, 504)     # may be tried again where twice is as good as once


class Transport:
    def __init__(self, url, api_key, timeout, retries, backoff):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._key = api_key
        self._timeout = timeout
        self.retries = retries
        self._backoff = backoff
        self._local = threading.local()

    def __repr__(self):
        return f"<Transport {self._host}:{self._port}>"

    def connect(self, timeout=None):
        timeout = timeout or self._timeout
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout,
                                               context=ssl.create_default_context())
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def headers(self, more=None):
        headers = {"Accept": "application/json", "User-Agent": "millrace-python/1"}
        if self._key:
            headers["X-API-Key"] = self._key
        headers.update(more or {})
        return headers

    def path(self, path, query=None):
        pairs = [(name, value) for name, value in (query or {}).items() if value is not None]
        text = urllib.parse.urlencode([(n, str(v).lower() if isinstance(v, bool) else v)
                                       for n, v in pairs])
        return self._prefix + path + ("?" + text if text else "")

    def call(self, method, path, body=None, query=None, headers=None, repeatable=None):
        """The answer's value and headers. `repeatable`: twice is as good as once."""
        if repeatable is None:
            repeatable = method in ("GET", "HEAD", "PUT", "DELETE")
        more = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body, separators=(",", ":"), allow_nan=False)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            more.setdefault("Content-Type", "application/json")
        target = self.path(path, query)
        for turn in range(self.retries + 1):
            try:
                return self._once(method, target, body, self.headers(more))
            except (OSError, http.client.HTTPException) as error:
                failed = ConnectionFailed(f"{method} {path}: {type(error).__name__}: {error}")
                failed.__cause__ = error
                again = repeatable
            except Exception as error:
                status = getattr(error, "status", 0)
                failed = error
                again = status in REFUSED or (repeatable and status in UNKNOWN)
            if not again or turn == self.retries:
                raise failed
            time.sleep(self.pause(turn, getattr(failed, "retry_after", None)))
        raise AssertionError("unreachable")

    def pause(self, turn, retry_after=None):
        if retry_after is not None:
            return min(retry_after, RETRY_AFTER_SECONDS_MAX)
        first, most = self._backoff
        return min(most, first * 2 ** turn) * random.uniform(0.5, 1.0)

    def _once(self, method, target, body, headers):
        connection = getattr(self._local, "connection", None)
        fresh = connection is None
        if fresh:
            connection = self._local.connection = self.connect()
        try:
            try:
                connection.request(method, target, body=body, headers=headers)
                answer = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                # A kept connection that the server closed while it idled: nothing was taken by it.
                connection.close()
                if fresh:
                    raise
                connection.request(method, target, body=body, headers=headers)
                answer = connection.getresponse()
            text = answer.read()
        except BaseException:
            self.close()
            raise
        told = {name.lower(): value for name, value in answer.getheaders()}
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = None
        if answer.status >= 400:
            raise error_of(answer.status, value, told)
        return value, told

    def close(self):
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()
