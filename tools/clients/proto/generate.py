#!/usr/bin/env python3
"""Writes runtime/grpc/descriptors.cc: what protoc makes of the files here, for reflection. With --check it only
says whether that is what stands there."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[2] / "runtime/grpc/descriptors.cc"
FILES = sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*.proto"))


def descriptor_of(name):
    """The FileDescriptorProto; a FileDescriptorSet of one file is a tag and a length before it."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "set"
        subprocess.run(["protoc", f"-I{HERE}", f"--descriptor_set_out={out}", name], check=True)
        data = out.read_bytes()
    assert data[0] == 0x0A, name
    at, size, shift = 1, 0, 0
    while True:
        byte = data[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    assert at + size == len(data), name
    return data[at:]


def array_of(name):
    return "k" + "".join(part.capitalize() for part in name.removesuffix(".proto").replace("/", "_").split("_"))


def source():
    out = ["// Made by tools/clients/proto/generate.py from the files beside it.",
           '#include "runtime/grpc/reflection.h"', "", "#include <iterator>", "",
           "namespace millrace::runtime::grpc {", "", "namespace {", ""]
    for name in FILES:
        data = descriptor_of(name)
        out.append(f"constexpr unsigned char {array_of(name)}[] = {{")
        for at in range(0, len(data), 16):
            out.append("    " + " ".join(f"0x{byte:02x}," for byte in data[at:at + 16]))
        out += ["};", ""]
    out += ["std::string_view text_of(std::span<const unsigned char> bytes) {",
            "    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};", "}", "",
            "}  // namespace", "", "std::span<const ProtoFile> proto_files() {",
            "    static const ProtoFile own_files[] = {"]
    out += [f'        {{"{name}", text_of({array_of(name)})}},' for name in FILES]
    out += ["    };", "    return own_files;", "}", "", "}  // namespace millrace::runtime::grpc", ""]
    return "\n".join(out)


def main():
    made = subprocess.run(["clang-format-14", f"--assume-filename={TARGET}"], input=source(), text=True,
                          capture_output=True, check=True).stdout
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(made)
    elif TARGET.read_text() != made:
        sys.exit(f"{TARGET} is not what {pathlib.Path(__file__).name} makes; run it")


if __name__ == "__main__":
    main()
