"""Goal: the console in the repository is what its sources make, and light enough.
Method: the hash of the sources that build.mjs wrote into the manifest is made again; what the manifest
names is there, unpacks, and has the hash that it says. Needs no Node.
"""
import gzip
import hashlib
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "console")
FIRST_LOAD_MAX = 70 * 1024
ALL_MAX = 300 * 1024


def sha(data):
    return hashlib.sha256(data).hexdigest()


def read(*path):
    with open(os.path.join(ROOT, *path), "rb") as file:
        return file.read()


def sources_hash():
    names = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"]
    for folder, _, files in os.walk(os.path.join(ROOT, "src")):
        names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(f"{name} {sha(read(name))}\n".encode())
    return total.hexdigest()


class DistTest(unittest.TestCase):
    def setUp(self):
        self.manifest = read("dist", "manifest.txt").decode()
        self.rows = [line.split("|") for line in self.manifest.splitlines() if line[0] == "/"]

    def test_it_is_made_of_these_sources(self):
        told = re.search(r"^# sources (\w+)$", self.manifest, re.M)[1]
        self.assertEqual(told, sources_hash(),
                         "tools/console: run `npm ci && npm run build` and commit dist/")

    def test_every_file_is_what_the_manifest_says(self):
        for path, kind, immutable, name, etag in self.rows:
            data = gzip.decompress(read("dist", name))
            self.assertEqual(sha(data)[:20], etag, path)
        there = set(os.listdir(os.path.join(ROOT, "dist")))
        self.assertEqual(there, {row[3] for row in self.rows} | {"manifest.txt"})

    def test_it_is_light(self):
        told = int(re.search(r"^# first (\d+)$", self.manifest, re.M)[1])
        page = read("dist", "index.html.gz")
        files = {row[0]: row[3] for row in self.rows}
        eager = re.findall(r'(?:src|href)="(/console/[^"]+)"', gzip.decompress(page).decode())
        first = len(page) + sum(len(read("dist", files[path])) for path in eager)
        whole = sum(len(read("dist", row[3])) for row in self.rows)
        self.assertEqual(first, told)
        self.assertLessEqual(first, FIRST_LOAD_MAX)
        self.assertLessEqual(whole, ALL_MAX)

    def test_nothing_is_loaded_from_elsewhere(self):
        page = gzip.decompress(read("dist", "index.html.gz")).decode()
        for target in re.findall(r'(?:src|href)="([^"]+)"', page):
            self.assertRegex(target, r"^(/console/|data:)")

    def test_the_lock_names_no_host(self):
        self.assertNotIn(b'"resolved"', read("package-lock.json"))


if __name__ == "__main__":
    unittest.main()
