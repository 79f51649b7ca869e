"""Server-Sent Events that go on where they were."""
import http.client
import json
import time
from collections import namedtuple

from .errors import ConnectionFailed, MillraceError, error_of

Message = namedtuple("Message", "position event")

# The server says something every 15 s: silence longer than this is a dead connection.
SILENCE_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 16 << 20


def messages(answer):
    """(kind, id, data) of each message of one connection."""
    kind, position, data = "message", None, []
    while True:
        line = answer.readline(LINE_BYTES_MAX)
        if not line:
            return
        line = line.rstrip(b"\r\n")
        if not line:
            if data:
                yield kind, position, b"\n".join(data)
            kind, position, data = "message", None, []
            continue
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"event":
            kind = value.decode()
        elif name == b"id":
            position = value.decode()
        elif name == b"data":
            data.append(value)


def stream(transport, query, last_event_id, reconnect):
    turn = 0
    while True:
        connection = transport.connect(SILENCE_SECONDS_MAX)
        try:
            headers = transport.headers({"Accept": "text/event-stream"})
            if last_event_id:
                headers["Last-Event-ID"] = last_event_id
            connection.request("GET", transport.path("/v2/events/stream", query), headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                told = {name.lower(): value for name, value in answer.getheaders()}
                text = answer.read()
                try:
                    body = json.loads(text)
                except ValueError:
                    body = None
                raise error_of(answer.status, body, told)
            for kind, position, data in messages(answer):
                turn = 0
                if position:
                    last_event_id = position
                if kind == "error":
                    raise error_of(0, {"error": json.loads(data)}, {})
                if kind == "message":
                    yield Message(position, json.loads(data))
            failed = ConnectionFailed("the stream has ended")
        except (OSError, http.client.HTTPException) as error:
            failed = ConnectionFailed(f"stream: {type(error).__name__}: {error}")
        except MillraceError as error:
            if error.status not in (429, 503):
                raise
            failed = error
        finally:
            connection.close()
        if not reconnect:
            if isinstance(failed, ConnectionFailed):
                return
            raise failed
        time.sleep(transport.pause(min(turn, 6), failed.retry_after))
        turn += 1
