"""A server whose first key was made before it started, and what tests do with keys."""
import json
import subprocess

from harness import BINARY, Server, ServerCase, clean_environment


def bootstrap(data, *options):
    done = subprocess.run([BINARY, "key", "create", "--bootstrap", "--data", data, "--output",
                           "json", *options], env=clean_environment(), capture_output=True)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


class KeyedServer(Server):
    """Shows the first key in every request that shows none itself."""

    def start(self, extra=()):
        if self.api_key is None:
            self.admin = bootstrap(self.data)
            self.api_key = self.admin["key"]
        return super().start(extra)


class KeyedCase(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.server = KeyedServer(cls.ARGS, cls.ENV)
        try:
            cls.server.start()
        except BaseException:
            cls.server.close()
            raise

    def make_key(self, **members):
        reply = self.server.post("/v2/keys", members)
        self.assertEqual(reply.status, 201, reply)
        return reply.json()

    def ask(self, key, method, path, body=None):
        return self.server.request(method, path, body, headers={"X-API-Key": key})
