#include "runtime/registry/document_table.h"

#include "runtime/event/snake_names.h"
#include "runtime/identity/limits.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_rows.h"

#include <algorithm>
#include <array>

namespace millrace::runtime {
namespace {

using core::ErrorCode;

// A document stands in the audit log, so that what it was can be read there.
constexpr std::size_t kAuditDocumentBytesMax = 64u << 10;
constexpr std::size_t kUsersNamedMax = 10;
// What a damaged counter's numbers may have reached at most, so that none is used twice.
constexpr std::uint32_t kNumbersSkipped = 1u << 16;

// "7/orders" and, of a version, "7/orders/0000000003": tenant and id.
bool split_row_id(std::string_view row, std::uint32_t& tenant, std::string_view& id) {
    const std::size_t mark = row.find('/');
    if (mark == std::string_view::npos) return false;
    const auto read = std::from_chars(row.data(), row.data() + mark, tenant);
    if (read.ec != std::errc() || read.ptr != row.data() + mark) return false;
    id = row.substr(mark + 1);
    id = id.substr(0, id.find('/'));
    return true;
}

tl::unexpected<core::Error> not_found(std::string_view kind, std::string_view id) {
    return core::fail(ErrorCode::kNotFound, "no " + std::string(kind) + " has the id \"" +
                                                std::string(id.substr(0, 128)) + "\"");
}

template <typename T>
std::string audit_entry(std::string_view action, const DocumentHost& host, const T& document,
                        const std::shared_ptr<const T>& before) {
    const DocumentKind<T>& kind = document_kind<T>();
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("action", action).field("kind", kind.name);
    json.field("id", document.id).field("version", document.version).field("by", host.actor());
    const auto shown = [&](std::string_view name, const T& version) {
        const std::string text = kind.audit ? kind.audit(version) : kind.show(version);
        if (text.size() <= kAuditDocumentBytesMax) json.raw_field(name, text);
    };
    if (before) shown("before", *before);
    if (action != "delete") shown("document", document);
    json.end_object();
    if (const std::string_view members = host.actor_members(); !members.empty())
        out.insert(out.size() - 1, "," + std::string(members));
    return out;
}

}  // namespace

// ---- rows

template <typename T>
core::Result<T> DocumentTable<T>::read_row(std::string_view text) const {
    const DocumentKind<T>& kind = document_kind<T>();
    T out = fresh_;
    if (kind.read_own_row) {
        if (kind.read_own_row(text, out)) return out;
        out = fresh_;
    }
    core::JsonDocument document;
    auto in = document.parse_object(text, "row");
    if (!in) return core::fail(std::move(in.error()));
    in->integer_as("number", out.number.value, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("tenant", out.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("version", out.version, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer("createdAtUs", out.created_at_us, INT64_MIN, INT64_MAX);
    in->integer("updatedAtUs", out.updated_at_us, INT64_MIN, INT64_MAX);
    if (kind.read_row) kind.read_row(*in, out);
    const std::string body = member_text(*in, "body");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    if (auto status = kind.read(body, out); !status) return core::fail(std::move(status.error()));
    if (kind.seal) {
        if (auto status = kind.seal(body, out); !status)
            return core::fail(std::move(status.error()));
    }
    return out;
}

template <typename T>
core::Status DocumentTable<T>::load(NumberedTable<T>& into) {
    if (auto status = load_documents(into); !status) return status;
    // Rows of an id that has a document too are told, and in nobody's way.
    std::erase_if(set_aside_, [this](const auto& row) { return documents_.contains(row.first); });
    if (auto status = load_versions(); !status) return status;
    return load_counter();
}

template <typename T>
core::Status DocumentTable<T>::load_documents(NumberedTable<T>& into) {
    const std::string_view kind = document_kind<T>().name;
    return host_.rows().each(kind, [&](const RegistryRow& row) {
        auto read = read_row(row.json);
        std::uint32_t number = 0;
        if (read) {
            number = read->number.value;
            if (auto linked = link(*read); !linked) read = core::fail(linked.error());
        }
        if (!read) {
            std::uint32_t tenant = 0;
            std::string_view id;
            if (split_row_id(row.id, tenant, id))
                set_aside_.emplace(Key(tenant, id), number);
            else
                ++nameless_set_aside_;
            number_next_ = std::max(number_next_, number + 1);
            host_.set_aside(kind, row.id, read.error());
            return;
        }
        auto document = std::make_shared<const T>(std::move(*read));
        number_next_ = std::max(number_next_, document->number.value + 1);
        into.load(document->number.value, document);
        count(document->tenant, 1);
        // Within a tenant rows come in the order of ids.
        Key key(document->tenant.value, document->id);
        documents_.emplace_hint(documents_.end(), std::move(key), std::move(document));
    });
}

template <typename T>
core::Status DocumentTable<T>::load_versions() {
    if (document_kind<T>().versions_kept == 0) return {};
    auto rows = host_.rows().load_all(version_kind<T>());
    if (!rows) return core::fail(std::move(rows.error()));
    for (const RegistryRow& row : *rows) {
        auto read = read_row(row.json);
        if (!read) {
            host_.set_aside(version_kind<T>(), row.id, read.error());
            continue;
        }
        auto document = std::make_shared<const T>(std::move(*read));
        versions_[Key(document->tenant.value, document->id)].push_back(std::move(document));
    }
    return {};
}

template <typename T>
core::Status DocumentTable<T>::load_counter() {
    auto counters = host_.rows().load_all(kDocumentCounterKind);
    if (!counters) return core::fail(std::move(counters.error()));
    bool found = false;
    for (const RegistryRow& row : *counters) {
        if (row.id != document_kind<T>().name) continue;
        number_next_ = std::max(number_next_, static_cast<std::uint32_t>(row.version));
        found = true;
    }
    if (!found && (!documents_.empty() || !set_aside_.empty())) number_next_ += kNumbersSkipped;
    return {};
}

// ---- changes

template <typename T>
core::Status DocumentTable<T>::link(T& document) const {
    const DocumentKind<T>& kind = document_kind<T>();
    if (!kind.references) return {};
    std::vector<DocumentReference> found;
    core::Status status;
    kind.references(document, [&](const DocumentReference& reference) {
        found.push_back(reference);
        found.back().number = host_.number_of(reference.kind, document.tenant, reference.id);
        if (found.back().number == 0 && !reference.or_kind.empty()) {
            found.back().number = host_.number_of(reference.or_kind, document.tenant, reference.id);
            found.back().kind = reference.or_kind;
        }
        if (found.back().number != 0 || !status) return;
        const std::string member(reference.member);
        status = core::fail(core::Error(ErrorCode::kValidation,
                                        member + " is \"" + std::string(reference.id) + "\"; no " +
                                            std::string(reference.kind) + " has that id")
                                .in(member));
    });
    if (!status) return status;
    for (const DocumentReference& reference : found) kind.link(reference, document);
    return {};
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::create(
    const ChangeContext& context, std::string_view sent,
    const std::function<core::Status(T&)>& furnish) {
    const DocumentKind<T>& kind = document_kind<T>();
    const auto named = camel_case_body(sent);
    if (!named) return core::fail(named.error());
    const std::string& body = *named;
    T next = fresh_;
    next.tenant = context.tenant;
    if (!kind.own_version) {
        if (auto status = refuse_server_members(body, {}); !status)
            return core::fail(status.error());
    }
    if (auto status = kind.read(body, next); !status) return core::fail(status.error());
    if (furnish) {
        if (auto status = furnish(next); !status) return core::fail(status.error());
    }
    if (next.id.empty() && kind.made_id == MadeId::kName && is_resource_id(next.name))
        next.id = next.name;
    if (next.id.empty()) next.id = make_document_id(kind.id_prefix, host_.random());
    if (next.name.empty()) next.name = next.id;
    if (auto status = link(next); !status) return core::fail(status.error());
    const std::string what = std::string(kind.name) + " \"" + next.id + "\"";
    if (const Ref there = find_any(context.tenant, next.id)) {
        const bool leaves = is_hidden(*there);
        return core::fail(core::Error(ErrorCode::kConflict,
                                      what + (leaves ? " is being removed" : " exists already"))
                              .in("id"));
    }
    if (set_aside_.contains(Key(context.tenant.value, next.id))) {
        return core::fail(core::Error(ErrorCode::kConflict,
                                      what + " is kept but can not be read; remove it first")
                              .in("id"));
    }
    if (auto status = within_bounds(context); !status) return core::fail(status.error());
    if (check_) {
        if (auto status = check_(next); !status) return core::fail(status.error());
    }
    next.number.value = host_.next_number(number_next_);
    if (kind.own_version) {
        const auto version = kind.own_version(nullptr, next);
        if (!version) return core::fail(version.error());
        next.version = *version;
    }
    next.created_at_us = next.updated_at_us = host_.clock().wall_us();
    if (kind.settle) {
        if (auto status = kind.settle(nullptr, context, next); !status)
            return core::fail(status.error());
    }
    if (context.dry_run) {
        if (auto status = kind.seal ? kind.seal(body, next) : core::Status{}; !status)
            return core::fail(status.error());
        return Change{nullptr, std::make_shared<const T>(std::move(next))};
    }
    return keep(nullptr, std::move(next), body, "create");
}

template <typename T>
core::Status DocumentTable<T>::within_bounds(const ChangeContext& context) const {
    const DocumentKind<T>& kind = document_kind<T>();
    const std::size_t held = size(context.tenant);
    if (held >= kind.documents_max) {
        return core::fail(core::Error(ErrorCode::kConflict, "there are " + std::to_string(held) +
                                                                " " + std::string(kind.name) +
                                                                "s, which is the limit")
                              .bound(static_cast<std::int64_t>(kind.documents_max)));
    }
    if (!kind.quota || context.completes) return {};
    return identity::within_quota(*kind.quota, static_cast<std::int64_t>(held),
                                  host_.quotas_of(context.tenant).of(*kind.quota));
}

template <typename T>
core::Result<std::shared_ptr<const T>> DocumentTable<T>::current(const ChangeContext& context,
                                                                 std::string_view id) const {
    Ref document = find(context.tenant, id);
    if (!document) return not_found(document_kind<T>().name, id);
    if (auto agreed = check_precondition(context.if_match, document_etag(*document)); !agreed)
        return core::fail(agreed.error());
    return document;
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::put(const ChangeContext& context,
                                                      std::string_view id, std::string_view sent,
                                                      const Check& agree) {
    const auto old = current(context, id);
    if (!old) return core::fail(old.error());
    const auto body = camel_case_body(sent);
    if (!body) return core::fail(body.error());
    T next = **old;
    return replace(context, *old, std::move(next), *body, agree);
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::patch(const ChangeContext& context,
                                                        std::string_view id, std::string_view sent,
                                                        const Check& agree) {
    const DocumentKind<T>& kind = document_kind<T>();
    const auto old = current(context, id);
    if (!old) return core::fail(old.error());
    const auto named = camel_case_body(sent);
    if (!named) return core::fail(named.error());
    const std::string& patch = *named;
    const std::string shown = kind.show(**old);
    if (!kind.own_version) {
        if (auto status = refuse_server_members(patch, shown); !status)
            return core::fail(status.error());
    }
    auto merged = merge_document(shown, patch, kind.replaced_whole);
    if (!merged) return core::fail(std::move(merged.error()));
    const auto read_alone = [&](std::string_view body) {
        T probe = fresh_;
        return kind.read(body, probe);
    };
    const auto read = [&](std::string_view body) {
        T probe = fresh_;
        if (kind.carry) kind.carry(**old, probe);
        return kind.read(body, probe);
    };
    if (auto known =
            refuse_absent_nulls(shown, patch, *merged, kind.replaced_whole, read, read_alone);
        !known)
        return core::fail(std::move(known.error()));
    T next = fresh_;
    if (kind.carry) kind.carry(**old, next);
    return replace(context, *old, std::move(next), *merged, agree);
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::amend(
    const ChangeContext& context, std::string_view id, std::string_view action,
    const std::function<core::Status(T&)>& edit) {
    const auto old = current(context, id);
    if (!old) return core::fail(old.error());
    T next = **old;
    if (auto status = edit(next); !status) return core::fail(status.error());
    next.version = (*old)->version + 1;
    next.updated_at_us = host_.clock().wall_us();
    return keep(*old, std::move(next), document_kind<T>().show(**old), action);
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::replace(const ChangeContext& context,
                                                          const Ref& old, T&& next,
                                                          std::string_view body,
                                                          const Check& agree) {
    const DocumentKind<T>& kind = document_kind<T>();
    next.tenant = context.tenant;
    if (auto status = kind.read(body, next); !status) return core::fail(status.error());
    if (next.id != old->id) {
        return core::fail(
            core::Error(ErrorCode::kValidation, "id is \"" + next.id + "\"; the id of a " +
                                                    std::string(kind.name) + " never changes")
                .in("id"));
    }
    if (next.name.empty()) next.name = next.id;
    if (auto status = link(next); !status) return core::fail(status.error());
    if (agree) {
        if (auto status = agree(next); !status) return core::fail(status.error());
    }
    if (check_) {
        if (auto status = check_(next); !status) return core::fail(status.error());
    }
    next.number = old->number;
    next.version = old->version + 1;
    if (kind.own_version) {
        const auto version = kind.own_version(old.get(), next);
        if (!version) return core::fail(version.error());
        next.version = *version;
    }
    next.created_at_us = old->created_at_us;
    next.updated_at_us = host_.clock().wall_us();
    if (kind.settle) {
        if (auto status = kind.settle(old.get(), context, next); !status)
            return core::fail(status.error());
    }
    return keep(old, std::move(next), body, "update");
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::keep(const Ref& old, T&& next,
                                                       std::string_view body,
                                                       std::string_view action) {
    const DocumentKind<T>& kind = document_kind<T>();
    if (kind.seal) {
        if (auto status = kind.seal(body, next); !status) return core::fail(status.error());
    }
    const auto document = std::make_shared<const T>(std::move(next));
    const Key key(document->tenant.value, document->id);
    const std::int64_t now_us = document->updated_at_us;
    const std::string row = document_row_text(*document);
    std::vector<RegistryRow> puts;
    std::vector<RegistryRowName> erases;
    puts.push_back({std::string(kind.name), document_row_id(document->tenant, document->id),
                    document->version, now_us, row});
    const auto versions = versions_.find(key);
    if (kind.versions_kept > 0) {
        puts.push_back(
            {version_kind<T>(), version_row_id(*document), document->version, now_us, row});
        if (versions != versions_.end() && versions->second.size() >= kind.versions_kept)
            erases.push_back({version_kind<T>(), version_row_id(*versions->second.front())});
    }
    if (!old) {
        const std::uint32_t number = document->number.value + 1;
        puts.push_back({std::string(kDocumentCounterKind), std::string(kind.name), number, now_us,
                        "{\"next\":" + std::to_string(number) + "}"});
    }
    if (auto status = commit(puts, erases, action, *document, old); !status)
        return core::fail(status.error());
    if (!erases.empty()) versions->second.erase(versions->second.begin());
    if (kind.versions_kept > 0) versions_[key].push_back(document);
    if (!old) {
        number_next_ = document->number.value + 1;
        count(document->tenant, 1);
    }
    documents_[key] = document;
    Change change{old, document};
    host_.publish(change);
    return change;
}

template <typename T>
void DocumentTable<T>::append_erases(const T& document,
                                     std::vector<RegistryRowName>& erases) const {
    erases.push_back(
        {std::string(document_kind<T>().name), document_row_id(document.tenant, document.id)});
    for (const Ref& version : versions(document.tenant, document.id))
        erases.push_back({version_kind<T>(), version_row_id(*version)});
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::remove(const ChangeContext& context,
                                                         std::string_view id) {
    if (set_aside_.contains(Key(context.tenant.value, id)))
        return forget_set_aside(context.tenant, id);
    const auto old = current(context, id);
    if (!old) return core::fail(old.error());
    if (auto status = check_unused(**old); !status) return core::fail(status.error());
    return erase(*old, "delete");
}

template <typename T>
core::Status DocumentTable<T>::remove_version(const ChangeContext& context, std::string_view id,
                                              std::uint32_t version) {
    const auto now = current(context, id);
    if (!now) return core::fail(now.error());
    std::vector<Ref>& kept = versions_[Key(context.tenant.value, id)];
    const auto at = std::find_if(kept.begin(), kept.end(),
                                 [&](const Ref& one) { return one->version == version; });
    if (at == kept.end())
        return not_found("version " + std::to_string(version) + " of " +
                             std::string(document_kind<T>().name) + " " + std::string(id),
                         std::to_string(version));
    if (version == (*now)->version) {
        return core::fail(
            core::Error(ErrorCode::kConflict, "version: " + std::to_string(version) +
                                                  " is the newest one; it goes with the whole")
                .in("version"));
    }
    const RegistryRowName row{version_kind<T>(), version_row_id(**at)};
    if (auto status = commit({}, {&row, 1}, "delete", **at, *at); !status) return status;
    kept.erase(at);
    return {};
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::remove_hidden(core::TenantId tenant,
                                                                std::string_view id) {
    const Ref old = find_any(tenant, id);
    if (!old || !is_hidden(*old)) return not_found(document_kind<T>().name, id);
    return erase(old, "");  // the audit log has it since it was hidden
}

template <typename T>
core::Status DocumentTable<T>::check_unused(const T& document) const {
    const DocumentKind<T>& kind = document_kind<T>();
    std::string users;
    std::size_t user_count = 0;
    host_.users_of(kind.name, document.number.value, [&](std::string_view, std::string_view user) {
        if (user_count++ < kUsersNamedMax) users += (users.empty() ? "" : ", ") + std::string(user);
    });
    if (user_count == 0) return {};
    if (user_count > kUsersNamedMax)
        users += " and " + std::to_string(user_count - kUsersNamedMax) + " more";
    return core::fail(ErrorCode::kConflict, std::string(kind.name) + " \"" + document.id +
                                                "\" is used by " + std::to_string(user_count) +
                                                " subscription(s): " + users +
                                                "; remove them first");
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::erase(const Ref& old, std::string_view action) {
    std::vector<RegistryRowName> erases;
    append_erases(*old, erases);
    if (auto status = commit({}, erases, action, *old, old); !status)
        return core::fail(status.error());
    const Key key(old->tenant.value, old->id);
    versions_.erase(key);
    documents_.erase(key);
    count(old->tenant, -1);
    Change change{old, nullptr};
    host_.publish(change);
    return change;
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::forget_set_aside(core::TenantId tenant,
                                                                   std::string_view id) {
    T gone = fresh_;
    gone.tenant = tenant;
    gone.id = id;
    std::vector<RegistryRowName> erases;
    append_erases(gone, erases);
    if (auto status = commit({}, erases, "delete", gone, nullptr); !status)
        return core::fail(status.error());
    set_aside_.erase(Key(tenant.value, id));
    versions_.erase(Key(tenant.value, id));
    host_.publish(Change{});
    return Change{};
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::undo(const Change& change) {
    const DocumentKind<T>& kind = document_kind<T>();
    const Ref& now = change.after;
    const Ref& old = change.before;
    const T& document = old ? *old : *now;
    const Key key(document.tenant.value, document.id);
    std::vector<RegistryRow> puts;
    std::vector<RegistryRowName> erases;
    if (old) {
        puts.push_back({std::string(kind.name), document_row_id(old->tenant, old->id), old->version,
                        old->updated_at_us, document_row_text(*old)});
    } else {
        erases.push_back({std::string(kind.name), document_row_id(now->tenant, now->id)});
    }
    if (now && kind.versions_kept > 0) erases.push_back({version_kind<T>(), version_row_id(*now)});
    if (!now && kind.versions_kept > 0) {  // of a removed one, the current version comes back
        puts.push_back({version_kind<T>(), version_row_id(*old), old->version, old->updated_at_us,
                        puts.front().json});
    }
    if (auto status = commit(puts, erases, "undo", document, now); !status)
        return core::fail(status.error());
    if (!now && kind.versions_kept > 0) versions_[key] = {old};
    if (now && kind.versions_kept > 0) {
        std::vector<Ref>& versions = versions_[key];
        std::erase(versions, now);
        if (versions.empty()) versions_.erase(key);
    }
    if (old)
        documents_[key] = old;
    else
        documents_.erase(key);
    count(document.tenant, (old != nullptr) - (now != nullptr));
    Change back{now, old};
    host_.publish(back);
    return back;
}

template <typename T>
core::Status DocumentTable<T>::commit(std::span<const RegistryRow> puts,
                                      std::span<const RegistryRowName> erases,
                                      std::string_view action, const T& document,
                                      const Ref& before) {
    return host_.rows().commit(
        puts, erases, host_.clock().wall_us(), document.tenant,
        action.empty() ? std::string() : audit_entry(action, host_, document, before));
}

template <typename T>
void DocumentTable<T>::count(core::TenantId tenant, int change) {
    counts_[tenant.value] += static_cast<std::size_t>(change);
}

// ---- looking

template <typename T>
std::size_t DocumentTable<T>::size(core::TenantId tenant) const {
    const auto held = counts_.find(tenant.value);
    return held == counts_.end() ? 0 : held->second;
}

template <typename T>
void DocumentTable<T>::each_set_aside(const VisitSetAside& visit) const {
    for (std::size_t i = 0; i < nameless_set_aside_; ++i) visit({}, "", 0);
    for (const auto& [key, number] : set_aside_)
        visit(core::TenantId(key.first), key.second, number);
}

template <typename T>
std::shared_ptr<const T> DocumentTable<T>::find(core::TenantId tenant, std::string_view id) const {
    const Ref document = find_any(tenant, id);
    return document && is_hidden(*document) ? nullptr : document;
}

template <typename T>
std::shared_ptr<const T> DocumentTable<T>::find_any(core::TenantId tenant,
                                                    std::string_view id) const {
    const auto found = documents_.find(Key(tenant.value, id));
    return found == documents_.end() ? nullptr : found->second;
}

template <typename T>
std::span<const std::shared_ptr<const T>> DocumentTable<T>::versions(core::TenantId tenant,
                                                                     std::string_view id) const {
    const auto found = versions_.find(Key(tenant.value, id));
    return found == versions_.end() ? std::span<const Ref>{} : std::span<const Ref>(found->second);
}

template <typename T>
void DocumentTable<T>::list(core::TenantId tenant, std::string_view after,
                            const std::function<bool(const Ref&)>& visit) const {
    for (auto at = documents_.upper_bound(Key(tenant.value, after)); at != documents_.end(); ++at) {
        if (at->first.first != tenant.value) return;
        if (!is_hidden(*at->second) && !visit(at->second)) return;
    }
}

template <typename T>
void DocumentTable<T>::each_user_of(std::string_view kind, std::uint32_t number,
                                    const DocumentHost::VisitUser& visit) const {
    if (!document_kind<T>().references) return;
    for (const auto& entry : documents_) {
        const T& document = *entry.second;
        document_kind<T>().references(document, [&](const DocumentReference& reference) {
            if (reference.number == number && reference.kind == kind)
                visit(document_kind<T>().name, document.id);
        });
    }
}

// ---- copies

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::take_copy(const ChangeContext& context,
                                                            std::string_view row) {
    const DocumentKind<T>& kind = document_kind<T>();
    auto next = read_row(row);
    if (!next) return core::fail(std::move(next.error()));
    if (auto linked = link(*next); !linked) return core::fail(std::move(linked.error()));
    const Ref old = find_any(next->tenant, next->id);
    if (old && old->number.value != next->number.value)
        return core::fail(ErrorCode::kConflict, std::string(kind.name) + " \"" + next->id +
                                                    "\" is here under another number");
    if (kind.adopt) {
        if (auto adopted = kind.adopt(old.get(), context, *next); !adopted)
            return core::fail(std::move(adopted.error()));
    }
    const auto document = std::make_shared<const T>(std::move(*next));
    const std::string text = document_row_text(*document);
    if (old && document_row_text(*old) == text) return Change{};
    const RegistryRow put{std::string(kind.name), document_row_id(document->tenant, document->id),
                          document->version, document->updated_at_us, text};
    if (auto status = commit({&put, 1}, {}, "", *document, nullptr); !status)
        return core::fail(status.error());
    if (!old) count(document->tenant, 1);
    number_next_ = std::max(number_next_, document->number.value + 1);
    const Key key(document->tenant.value, document->id);
    set_aside_.erase(key);
    documents_[key] = document;
    Change change{old, document};
    host_.publish(change);
    return change;
}

template <typename T>
core::Result<DocumentChange<T>> DocumentTable<T>::drop_copy(core::TenantId tenant,
                                                            std::string_view id, Drop when) {
    if (set_aside_.contains(Key(tenant.value, id))) return forget_set_aside(tenant, id);
    const Ref old = find_any(tenant, id);
    if (!old || (when == Drop::kIfUnused && !check_unused(*old))) return Change{};
    return erase(old, "");
}

template <typename T>
core::Status DocumentTable<T>::take_version_copy(std::string_view row) {
    auto next = read_row(row);
    if (!next) return core::fail(std::move(next.error()));
    const auto document = std::make_shared<const T>(std::move(*next));
    std::vector<Ref>& kept = versions_[Key(document->tenant.value, document->id)];
    const auto at = std::lower_bound(
        kept.begin(), kept.end(), document,
        [](const Ref& one, const Ref& other) { return one->version < other->version; });
    const bool there = at != kept.end() && (*at)->version == document->version;
    const RegistryRow put{version_kind<T>(), version_row_id(*document), document->version,
                          document->updated_at_us, document_row_text(*document)};
    if (there && document_row_text(**at) == put.json) return {};
    if (auto status = commit({&put, 1}, {}, "", *document, nullptr); !status) return status;
    if (there)
        *at = document;
    else
        kept.insert(at, document);
    return {};
}

template <typename T>
core::Status DocumentTable<T>::drop_version_copy(core::TenantId tenant, std::string_view id,
                                                 std::uint32_t version) {
    const auto of = versions_.find(Key(tenant.value, id));
    if (of == versions_.end()) return {};
    std::vector<Ref>& kept = of->second;
    const auto at = std::find_if(kept.begin(), kept.end(),
                                 [&](const Ref& one) { return one->version == version; });
    if (at == kept.end()) return {};
    const RegistryRowName row{version_kind<T>(), version_row_id(**at)};
    if (auto status = commit({}, {&row, 1}, "", **at, *at); !status) return status;
    kept.erase(at);
    if (kept.empty()) versions_.erase(of);
    return {};
}

#define X(Type, table) template class DocumentTable<Type>;
MILLRACE_DOCUMENT_KINDS(X)
#undef X

}  // namespace millrace::runtime
