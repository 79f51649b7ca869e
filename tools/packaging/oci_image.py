#!/usr/bin/env python3
"""A folder as a tar file and as an image of one layer: an OCI layout in a tar, which podman, skopeo and
docker load. The same folder and time make the same bytes.

    tools/packaging/oci_image.py --root DIR --epoch N --version V --architecture A --uid N --tar FILE --image FILE
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import tarfile
import time

DATA = "var/lib/millrace"
MEDIA = "application/vnd.oci.image."


def entries_of(root):
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, root)


def tar_of(root, epoch, uid):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, name in entries_of(root):
            entry = tar.gettarinfo(path, name)
            # The data folder is the only one that the server may write to.
            own = name == DATA
            entry.uid = entry.gid = uid if own else 0
            entry.uname = entry.gname = ""
            entry.mtime = epoch
            if entry.isdir():
                entry.mode = 0o700 if own else 0o1777 if name == "tmp" else 0o755
            if entry.isreg():
                with open(path, "rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    return out.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config_of(told, layer):
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(told.epoch))
    return {
        "created": created, "architecture": told.architecture, "os": "linux",
        "config": {
            "User": f"{told.uid}:{told.uid}",
            "Entrypoint": ["/usr/bin/millrace"],
            "Cmd": ["serve", "--config", "/etc/millrace/millrace.toml"],
            "WorkingDir": "/" + DATA, "Volumes": {"/" + DATA: {}}, "ExposedPorts": {"7070/tcp": {}},
            "StopSignal": "SIGTERM",
            "Labels": {"org.opencontainers.image.title": "Millrace",
                       "org.opencontainers.image.version": told.version}},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": created, "created_by": "tools/package rootfs"}]}


def blob(media, data):
    return {"mediaType": MEDIA + media, "digest": digest(data), "size": len(data)}


def text_of(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def image_of(told, layer, packed):
    config = text_of(config_of(told, layer))
    manifest = text_of({"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                        "config": blob("config.v1+json", config),
                        "layers": [blob("layer.v1.tar+gzip", packed)]})
    named = dict(blob("manifest.v1+json", manifest),
                 platform={"architecture": told.architecture, "os": "linux"},
                 annotations={"org.opencontainers.image.ref.name": told.version})
    files = {"oci-layout": text_of({"imageLayoutVersion": "1.0.0"}),
             "index.json": text_of({"schemaVersion": 2, "manifests": [named]})}
    for data in (config, manifest, packed):
        files["blobs/sha256/" + digest(data).split(":")[1]] = data
    return files


def write_tar(path, files, epoch):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), epoch, 0o644
            tar.addfile(entry, io.BytesIO(data))


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "version", "architecture", "tar", "image"):
        parser.add_argument("--" + name, required=True)
    for name in ("epoch", "uid"):
        parser.add_argument("--" + name, required=True, type=int)
    told = parser.parse_args()
    layer = tar_of(told.root, told.epoch, told.uid)
    packed = gzip.compress(layer, mtime=0)
    with open(told.tar, "wb") as file:
        file.write(packed)
    write_tar(told.image, image_of(told, layer, packed), told.epoch)


if __name__ == "__main__":
    main()
