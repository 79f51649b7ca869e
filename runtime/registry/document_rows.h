// What: how a document stands among the registry's rows: its row, one for each version that is
//       kept, and the counter that gives out numbers. Rows of the registry's family:
//           <kind>           tenant/id             {"number","tenant","version",...,"body"}
//           <kind>_version   tenant/id/version     the same
//           counter          kind                  its version is the next number
//       Ids hold no '/', so that tenant, id and version can not run into each other.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "core/json_writer.h"
#include "runtime/registry/document_kinds.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kDocumentCounterKind = "counter";

inline std::string document_row_id(core::TenantId tenant, std::string_view id) {
    return std::to_string(tenant.value) + "/" + std::string(id);
}

template <typename T>
std::string version_row_id(const T& document) {
    std::string digits = std::to_string(document.version);
    return document_row_id(document.tenant, document.id) + "/" +
           std::string(10 - digits.size(), '0') + digits;
}

template <typename T>
std::string version_kind() {
    return std::string(document_kind<T>().name) + "_version";
}

template <typename T>
std::string document_row_text(const T& document) {
    const DocumentKind<T>& kind = document_kind<T>();
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("number", document.number.value);
    json.field("tenant", document.tenant.value).field("version", document.version);
    json.field("createdAtUs", document.created_at_us).field("updatedAtUs", document.updated_at_us);
    if (kind.write_row) kind.write_row(json, document);
    json.raw_field("body", kind.show(document)).end_object();
    return out;
}

}  // namespace millrace::runtime
