#include "runtime/grpc/reflection.h"

#include "runtime/grpc/methods.h"
#include "runtime/grpc/status.h"
#include "runtime/grpc/wire.h"

#include <set>

namespace millrace::runtime::grpc {

namespace {

// ServerReflectionRequest and -Response, by their numbers.
enum Asked : std::uint32_t {
    kHost = 1,
    kFileByName = 3,
    kFileOfSymbol = 4,
    kFileOfExtension = 5,
    kExtensionsOf = 6,
    kServices = 7,
};
enum Answered : std::uint32_t {
    kValidHost = 1,
    kOriginal = 2,
    kFiles = 4,
    kExtensions = 5,
    kServiceList = 6,
    kError = 7,
};

// Of FileDescriptorProto, DescriptorProto and ServiceDescriptorProto.
constexpr std::uint32_t kName = 1, kPackage = 2, kMessageType = 4, kEnumType = 5, kService = 6;
constexpr std::uint32_t kNestedType = 3, kNestedEnum = 4, kMethod = 2, kMessageField = 2;

std::string name_in(std::string_view message) {
    WireReader wire(message);
    while (wire.next()) {
        if (wire.is(kName, WireType::kBytes)) return std::string(wire.bytes());
    }
    return {};
}

// Whether what is described at `message`, or something in it, has this full name.
bool names(std::string_view message, const std::string& scope, std::string_view symbol,
           std::span<const std::uint32_t> inner) {
    const std::string own = scope + "." + name_in(message);
    if (own == symbol) return true;
    if (!symbol.starts_with(own + ".")) return false;
    WireReader wire(message);
    while (wire.next()) {
        for (const std::uint32_t field : inner) {
            if (wire.is(field, WireType::kBytes) && own + "." + name_in(wire.bytes()) == symbol)
                return true;
        }
    }
    return false;
}

bool declares(std::string_view descriptor, std::string_view symbol) {
    constexpr std::uint32_t kInMessage[] = {kNestedType, kNestedEnum, kMessageField};
    constexpr std::uint32_t kInService[] = {kMethod};
    std::string package;
    WireReader head(descriptor);
    while (head.next()) {
        if (head.is(kPackage, WireType::kBytes)) package = head.bytes();
    }
    WireReader wire(descriptor);
    while (wire.next()) {
        if ((wire.is(kMessageType, WireType::kBytes) &&
             names(wire.bytes(), package, symbol, kInMessage)) ||
            (wire.is(kEnumType, WireType::kBytes) && names(wire.bytes(), package, symbol, {})) ||
            (wire.is(kService, WireType::kBytes) &&
             names(wire.bytes(), package, symbol, kInService)))
            return true;
    }
    return false;
}

void append_not_found(std::string& out, std::string_view what, std::string_view name) {
    std::string error;
    append_number_field(error, 1, static_cast<std::uint64_t>(Code::kNotFound));
    append_text_field(
        error, 2,
        std::string(what) + " '" + std::string(name.substr(0, 128)) + "' is not known here");
    append_bytes_field(out, kError, error);
}

// None of the files imports another one: one is all there is to it.
template <typename Is>
void append_file(std::string& out, std::string_view what, std::string_view name, const Is& is) {
    for (const ProtoFile& file : proto_files()) {
        if (!is(file)) continue;
        std::string files;
        append_bytes_field(files, 1, file.descriptor);
        return append_bytes_field(out, kFiles, files);
    }
    append_not_found(out, what, name);
}

void append_services(std::string& out) {
    std::set<std::string_view> services;
    for (const Method& method : methods()) services.insert(method.service);
    std::string list;
    for (const std::string_view service : services) {
        std::string one;
        append_text_field(one, 1, service);
        append_bytes_field(list, 1, one);
    }
    append_bytes_field(out, kServiceList, list);
}

void append_answer(std::string& out, std::uint32_t asked, std::string_view value) {
    switch (asked) {
        case kFileByName:
            return append_file(out, "the file", value,
                               [&](const ProtoFile& file) { return file.name == value; });
        case kFileOfSymbol:
            return append_file(out, "the symbol", value, [&](const ProtoFile& file) {
                return declares(file.descriptor, value);
            });
        case kFileOfExtension: return append_not_found(out, "an extension of", name_in(value));
        case kExtensionsOf: {
            for (const ProtoFile& file : proto_files()) {
                if (!declares(file.descriptor, value)) continue;
                std::string none;
                append_text_field(none, 1, value);
                return append_bytes_field(out, kExtensions, none);
            }
            return append_not_found(out, "the message", value);
        }
        case kServices: return append_services(out);
        default: return append_not_found(out, "what is asked for,", {});
    }
}

}  // namespace

core::Result<std::string> reflect(std::string_view request) {
    std::string host;
    std::uint32_t asked = 0;
    std::string_view value;
    WireReader wire(request);
    while (wire.next()) {
        if (!wire.is(wire.field(), WireType::kBytes)) continue;
        if (wire.field() == kHost) host = wire.bytes();
        // Of several the last one counts.
        if (wire.field() < kFileByName || wire.field() > kServices) continue;
        asked = wire.field();
        value = wire.bytes();
    }
    if (wire.failed()) {
        return core::fail(core::ErrorCode::kValidation,
                          "ServerReflectionRequest: the message does not read");
    }
    std::string out;
    append_text_field(out, kValidHost, host);
    append_bytes_field(out, kOriginal, request);
    append_answer(out, asked, value);
    return out;
}

}  // namespace millrace::runtime::grpc
