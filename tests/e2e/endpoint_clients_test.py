#!/usr/bin/env python3
"""Goal: what programs of others send to an endpoint arrives as they mean it: curl, fetch of Node, and
the forms of a browser (their two encodings). Method: the programs themselves against a script that
answers with what it has seen; where one is not installed its cases are skipped."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import harness

ECHO = "return function(event) return {body = event.body, raw = event.rawBody, bytes = event.rawBodyBase64, " \
       "query = event.query, type = event.headers['content-type'], method = event.endpoint.method} end"
PICTURE = bytes(range(256))


class ClientCase(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        script = cls.server.create_script(ECHO, type="endpoint")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            reply = cls.server.post("/v2/endpoints", {"method": method, "route": "echo/*", "scriptId": script})
            assert reply.status == 201, reply
        cls.folder = tempfile.mkdtemp(prefix="millrace-clients-")
        cls.picture = os.path.join(cls.folder, "a picture.bin")
        with open(cls.picture, "wb") as file:
            file.write(PICTURE)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)

    def url(self, method, rest="x"):
        return f"http://{self.server.ready['http']}/v2/endpoint/{method}/echo/{rest}"

    def run_program(self, *command):
        done = subprocess.run(command, capture_output=True, timeout=60, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class Curl(ClientCase):
    def curl(self, method, *options, rest="x"):
        return json.loads(self.run_program("curl", "-sS", "--fail-with-body", *options, self.url(method, rest)))

    def test_json(self):
        seen = self.curl("post", "-H", "Content-Type: application/json; charset=utf-8", "-d", '{"a": [1, "\u00e9"]}')
        self.assertEqual((seen["body"], seen["raw"]), ({"a": [1, "\u00e9"]}, '{"a": [1, "\u00e9"]}'))

    def test_a_form_as_d_sends_it(self):
        seen = self.curl("put", "-X", "PUT", "-d", "a=1&b=x+y", "--data-urlencode", "c=\u00e4&=", "-d", "a=2")
        self.assertEqual(seen["body"], {"a": ["1", "2"], "b": "x y", "c": "\u00e4&="})
        self.assertEqual(seen["method"], "PUT")

    def test_a_query_as_G_sends_it(self):
        seen = self.curl("get", "-G", "--data-urlencode", "q=a b", "-d", "n=1", "-d", "n=2")
        self.assertEqual((seen["query"], seen.get("body")), ({"q": "a b", "n": ["1", "2"]}, None))

    def test_a_form_with_files(self):
        seen = self.curl("post", "-F", "who=Ann", "-F", f"file=@{self.picture}", "-F",
                         "note=hi;filename=n.html;type=text/html", "-F", "who=Bob")
        body = seen["body"]
        self.assertEqual(body["who"], ["Ann", "Bob"])
        self.assertEqual((body["file"]["filename"], body["file"]["contentType"]),
                         ("a picture.bin", "application/octet-stream"))
        self.assertEqual(base64.b64decode(body["file"]["contentBase64"]), PICTURE)
        self.assertEqual(body["note"], {"filename": "n.html", "contentType": "text/html", "content": "hi"})
        self.assertIn(PICTURE, base64.b64decode(seen["bytes"]))

    def test_bytes(self):
        seen = self.curl("patch", "-X", "PATCH", "-H", "Content-Type: application/octet-stream",
                         "--data-binary", f"@{self.picture}")
        self.assertEqual(base64.b64decode(seen["bytes"]), PICTURE)

    def test_a_chunked_body_and_expect(self):
        big = os.path.join(self.folder, "big.json")
        with open(big, "w") as file:
            json.dump({"text": "x" * 200_000}, file)
        for header in ("Transfer-Encoding: chunked", "Expect: 100-continue"):
            seen = self.curl("post", "-H", "Content-Type: application/json", "-H", header, "--data-binary", f"@{big}")
            self.assertEqual(len(seen["body"]["text"]), 200_000)

    def test_status_and_head(self):
        head = self.run_program("curl", "-sS", "-I", self.url("get")).decode()
        self.assertTrue(head.startswith("HTTP/1.1 200"), head)
        status = self.run_program("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                                  f"http://{self.server.ready['http']}/v2/endpoint/get/nowhere")
        self.assertEqual(status, b"404")


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class Node(ClientCase):
    def node(self, source):
        return json.loads(self.run_program("node", "--input-type=module", "-e", source))

    def test_fetch_sends_json(self):
        seen = self.node(f"""
            const reply = await fetch("{self.url('post')}?q=1", {{method: "POST",
                headers: {{"content-type": "application/json"}}, body: JSON.stringify({{n: 1.5, s: "\\u00e9"}})}});
            console.log(JSON.stringify({{status: reply.status, seen: await reply.json()}}));""")
        self.assertEqual((seen["status"], seen["seen"]["body"], seen["seen"]["query"]),
                         (200, {"n": 1.5, "s": "\u00e9"}, {"q": "1"}))

    def test_fetch_sends_a_browsers_forms(self):
        seen = self.node(f"""
            const plain = await fetch("{self.url('post')}", {{method: "POST",
                body: new URLSearchParams([["a", "1"], ["a", "2"], ["b", "x y&"]])}});
            const form = new FormData();
            form.append("a", "1");
            form.append('q"x', "two\\r\\nlines");
            form.append("file", new Blob([Uint8Array.from({{length: 256}}, (_, i) => i)], {{type: "image/png"}}), "p.png");
            const files = await fetch("{self.url('post')}", {{method: "POST", body: form}});
            console.log(JSON.stringify([await plain.json(), await files.json()]));""")
        plain, files = seen
        self.assertEqual(plain["body"], {"a": ["1", "2"], "b": "x y&"})
        body = files["body"]
        self.assertEqual((body["a"], body['q"x']), ("1", "two\r\nlines"))
        self.assertEqual((body["file"]["filename"], body["file"]["contentType"]), ("p.png", "image/png"))
        self.assertEqual(base64.b64decode(body["file"]["contentBase64"]), PICTURE)


    def test_fetch_of_a_page_of_another_origin(self):
        script = self.server.create_script("return function() return 1 end", type="endpoint")
        urls = {}
        for name, members in (("named", {"cors": {"origins": ["https://shop.example"]}}), ("any", {"cors": True, "auth": "optional"}),
                              ("known", {"cors": True}), ("none", {})):
            reply = self.server.post("/v2/endpoints", {"method": "POST", "route": f"page/{name}", "scriptId": script, **members})
            self.assertEqual(reply.status, 201, reply)
            urls[name] = f"http://{self.server.ready['http']}/v2/endpoint/post/page/{name}"
        seen = self.node(f"""
            const call = async (url, origin, method = "POST", headers = {{}}) => {{
                const reply = await fetch(url, {{method, headers: {{origin, ...headers}}}});
                await reply.arrayBuffer();
                return [reply.status, reply.headers.get("access-control-allow-origin")];
            }};
            const urls = {json.dumps(urls)}, shop = "https://shop.example", other = "https://other.example";
            const asks = {{"access-control-request-method": "POST"}};
            const out = {{}};
            for (const name of Object.keys(urls)) {{
                out[name] = [await call(urls[name], shop), await call(urls[name], other),
                             await call(urls[name], shop, "OPTIONS", asks), await call(urls[name], other, "OPTIONS", asks)];
            }}
            console.log(JSON.stringify(out));""")
        shop = "https://shop.example"
        self.assertEqual(seen["named"], [[200, shop], [403, None], [204, shop], [403, None]])
        self.assertEqual(seen["any"], [[200, "*"], [200, "*"], [204, "*"], [204, "*"]])
        self.assertEqual(seen["known"], [[401, "*"], [401, "*"], [204, "*"], [204, "*"]], "a page is not this machine's user")
        self.assertEqual(seen["none"], [[403, None]] * 4)


class Forms(ClientCase):
    """Byte for byte as Chromium sends a page's form."""

    def submit(self, content_type, body):
        return self.server.request("POST", "/v2/endpoint/post/echo/x", body, content_type=content_type, headers={
            "Accept": "text/html,application/xhtml+xml;q=0.9", "Upgrade-Insecure-Requests": "1",
            "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"})

    def test_urlencoded(self):
        reply = self.submit("application/x-www-form-urlencoded", "name=J%C3%BCrgen+K&agree=on&empty=")
        self.assertEqual(reply.json()["body"], {"name": "J\u00fcrgen K", "agree": "on", "empty": ""})

    def test_multipart(self):
        mark = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
        body = (f"--{mark}\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nJ\u00fcrgen\r\n"
                f"--{mark}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"\"\r\n"
                f"Content-Type: application/octet-stream\r\n\r\n\r\n--{mark}--\r\n")
        reply = self.submit(f"multipart/form-data; boundary={mark}", body)
        self.assertEqual(reply.json()["body"], {"name": "J\u00fcrgen", "upload": {
            "filename": "", "contentType": "application/octet-stream", "content": ""}})

    def test_what_is_no_form_is_told(self):
        for content_type, body, mentions in (
                ("multipart/form-data", "--x--", "boundary"),
                ("multipart/form-data; boundary=x", "a=1", "does not begin"),
                ("multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n--x--", "Content-Disposition"),
                ("application/x-www-form-urlencoded", "a=%zz", "body")):
            self.assert_error(self.submit(content_type, body), 400, "VALIDATION_ERROR", mentions)


if __name__ == "__main__":
    unittest.main(verbosity=2)
