// What: what the one table of documents has to know of a kind: its words, its limits, how a body
//       becomes an object and an object a row. A new kind is a struct with the members of Document,
//       one of these, its line in document_kinds.h and its routes.
// Threads: constants. Lifetime: static.
// Limits: documents_max of a tenant, versions_kept beside the current one's row.
// Failure: read and seal say what is wrong by the member's name.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/identity/quotas.h"

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::core {
class JsonObject;
class JsonWriter;
}  // namespace millrace::core

namespace millrace::runtime {

using LogEnds = std::vector<core::LogOffset>;  // by shard: the offset the next event will get

// What the server keeps of each document, whatever its kind.
template <typename T>
concept Document = requires(T document) {
    { document.number.value } -> std::same_as<std::uint32_t&>;  // never used again in this folder
    { document.tenant } -> std::same_as<core::TenantId&>;
    { document.version } -> std::same_as<std::uint32_t&>;  // grows by one with each change
    { document.id } -> std::same_as<std::string&>;
    { document.name } -> std::same_as<std::string&>;
    { document.created_at_us } -> std::same_as<std::int64_t&>;
    { document.updated_at_us } -> std::same_as<std::int64_t&>;
};

// Another document that one needs: it must exist, and is not removed while it is needed.
struct DocumentReference {
    std::string_view kind;
    std::string_view id;
    std::string_view member;  // "executor.scriptId"
    std::uint32_t number = 0;
    // What it is looked for as where nothing of `kind` has the id.
    std::string_view or_kind = {};
};
using VisitReference = std::function<void(const DocumentReference&)>;

// For whom and on which condition a change is made.
struct ChangeContext {
    core::TenantId tenant;
    LogEnds log_ends = {};
    // By shard: everything before it has been handled, for whomever.
    LogEnds handled_to = {};
    std::string_view if_match = {};  // as the header says it; empty: whatever is there
    // The server completes what is half there already: no quota stands in its way.
    bool completes = false;
    // Only whether it can be made: nothing is.
    bool dry_run = false;
};

// What a document without an id is called.
enum class MadeId : std::uint8_t { kRandom, kName };

template <typename T>
struct DocumentKind {
    std::string_view name;       // "script": in rows, in the audit log, in errors
    std::string_view id_prefix;  // "scr_"
    std::size_t documents_max = 0;
    std::size_t versions_kept = 0;
    // What of a tenant's quotas bounds how many it may have.
    std::optional<identity::Quota> quota = std::nullopt;
    MadeId made_id = MadeId::kRandom;
    // Members ("config.filter": one below another) that a merge patch replaces as they are given,
    // not member by member: where null is a value, or an old part beside a new one makes no sense.
    std::span<const std::string_view> replaced_whole = {};

    // Lays a body (a client's, or a row's) over `out`: members that it leaves out keep what `out`
    // holds.
    core::Status (*read)(std::string_view body, T& out) = nullptr;
    // The document as clients see it: one JSON object.
    std::string (*show)(const T& document) = nullptr;

    // The rest may be null.
    // What the audit log keeps of a document, where that is not all that clients see.
    std::string (*audit)(const T& document) = nullptr;
    // What a merge patch leaves as it is because show() does not show it.
    void (*carry)(const T& old, T& next) = nullptr;
    // When the body is read; `old` is null for a new document.
    core::Status (*settle)(const T* old, const ChangeContext& context, T& next) = nullptr;
    // Last: what show() is made of.
    core::Status (*seal)(std::string_view body, T& next) = nullptr;
    // What a row keeps beside the document.
    void (*write_row)(core::JsonWriter& json, const T& document) = nullptr;
    void (*read_row)(core::JsonObject& row, T& out) = nullptr;
    // A whole row that this program has written itself, quickly: what was checked once is not
    // checked again. False: it is another's; then it is read in full.
    bool (*read_own_row)(std::string_view row, T& out) = nullptr;
    // Bodies say which version they are; the number that this one gets (`old` is null for a new
    // document). Null: versions are counted.
    core::Result<std::uint32_t> (*own_version)(const T* old, const T& next) = nullptr;
    // It is on its way out: nobody finds it any more, and its id is not free yet.
    bool (*hidden)(const T& document) = nullptr;
    void (*references)(const T& document, const VisitReference& visit) = nullptr;
    void (*link)(const DocumentReference& found, T& next) = nullptr;
    // A copy of a document whose truth is in another folder: what of it is this one's own (places
    // of its log). `old` is the copy that is here; null: there is none yet.
    core::Status (*adopt)(const T* old, const ChangeContext& context, T& next) = nullptr;
};

}  // namespace millrace::runtime
