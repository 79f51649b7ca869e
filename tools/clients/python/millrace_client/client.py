"""The client: events, lists, streams, and any call by its path."""
import os
import time
import urllib.parse

from .batcher import Batcher
from .identity import with_id
from .parts import send_in_parts
from .stream import stream
from .transport import Transport

DEFAULT_URL = "http://127.0.0.1:7070"


class Client:
    """Any thread may use it; each keeps a connection of its own. The key is never printed."""

    def __init__(self, url=None, api_key=None, timeout=30.0, retries=2, backoff=(0.5, 5.0)):
        self._transport = Transport(url or os.environ.get("MILLRACE_URL") or DEFAULT_URL,
                                    api_key or os.environ.get("MILLRACE_API_KEY"),
                                    timeout, retries, backoff)

    def __repr__(self):
        return f"<millrace_client.Client {self._transport!r}>"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Of the calling thread's connection."""
        self._transport.close()

    def call(self, method, path, body=None, query=None, headers=None):
        """Any call of /openapi.json; the answer's JSON."""
        return self._transport.call(method, path, body, query, headers)[0]

    def send(self, events, atomic=False, durability=None):
        """One event or many; the answer names each one's place. What is refused of many is in
        `rejected`; when all are, it is a ValidationError. What a cluster can not take at the
        moment is sent again like a call that is refused for now."""
        query = {"atomic": 1 if atomic else None, "durability": durability}

        def send_once(body):
            return self._transport.call("POST", "/v2/events", body, query, repeatable=True)[0]

        if isinstance(events, dict):
            return send_once(with_id(events))
        return send_in_parts([with_id(event) for event in events], send_once,
                             self._transport.retries,
                             lambda turn: time.sleep(self._transport.pause(turn)))

    def batcher(self, **options):
        return Batcher(self, **options)

    def event(self, event_id, **query):
        return self.call("GET", "/v2/events/" + _quote(event_id), query=query)

    def list(self, path, **query):
        """Each item of a list, page after page. Names that Python keeps end with _: from_."""
        query = {name.rstrip("_"): value for name, value in query.items()}
        while True:
            page = self.call("GET", path, query=query)
            yield from page["items"]
            if not page.get("next"):
                return
            query["cursor"] = page["next"]

    def stream(self, pattern=None, filter=None, from_=None, last_event_id=None, reconnect=True,
               **query):
        """Messages with .position and .event, from a place in history through to live; a
        connection that ends is opened again where it was."""
        query = {"pattern": pattern, "filter": filter, "from": from_, **query}
        return stream(self._transport, query, last_event_id, reconnect)


def _quote(text):
    return urllib.parse.quote(text, safe="")
