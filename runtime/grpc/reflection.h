// What: grpc.reflection.v1 and v1alpha, which are one but for their names: which services there
//       are, and the files that describe them, as protoc compiles them (descriptors.cc).
// Threads: pure. Lifetime: none. Limits: none; answers are of a few KiB.
// Failure: what is not known is an answer of its own, as the protocol has it; a message that does
//       not read is an Error.
#pragma once

#include "core/result.h"

#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::grpc {

// A file of tools/clients/proto: its name there, and its FileDescriptorProto.
struct ProtoFile {
    std::string_view name;
    std::string_view descriptor;
};
std::span<const ProtoFile> proto_files();

// A ServerReflectionResponse.
core::Result<std::string> reflect(std::string_view request);

}  // namespace millrace::runtime::grpc
