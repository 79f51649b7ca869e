"""An HTTP server for tests that looks at what the server under test calls: a path answers as it is
told, and what came is kept."""
import http.server
import threading
import time

import harness


class Request:
    def __init__(self, handler, body):
        self.method = handler.command
        self.path = handler.path
        self.headers = {k.lower(): v for k, v in handler.headers.items()}
        self.body = body
        self.at = time.monotonic()


class Sink:
    def __init__(self):
        self.requests = []
        self.answers = {}  # path: (status, headers, body), a list of them, or a function(request)
        self.lock = threading.Lock()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                request = Request(self, body)
                with sink.lock:
                    sink.requests.append(request)
                    how = sink.answers.get(self.path.split("?")[0], (204, {}, b""))
                    if isinstance(how, list):
                        how = how.pop(0) if len(how) > 1 else how[0]
                if callable(how):
                    how = how(request)
                status, headers, text = how
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if status != 204:
                        self.send_header("content-length", str(len(text)))
                    self.end_headers()
                    if status != 204:
                        self.wfile.write(text)
                except OSError:
                    pass

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *args):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a connection that the other side let go
            request_queue_size = 256

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, path):
        with self.lock:
            return [r for r in self.requests if r.path.split("?")[0] == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SinkCase(harness.ServerCase):
    """A server that may call the sink beside it."""
    ARGS = ("--set", "http_client.allow=127.0.0.1")

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.sink.close()
