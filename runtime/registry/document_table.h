// What: all documents of one kind: reads bodies, checks them, writes rows and audit entry in one
//       commit, and only then shows the change. One class for every kind; what differs is said by
//       its DocumentKind.
// Threads: the registry's owner.
// Lifetime: borrows its host. Documents are immutable and shared; they outlive the table if
//       somebody holds them.
// Limits: those of the kind.
// Failure: kValidation names the member; a taken id, a document in use and an If-Match that is of
//       another version are kConflict; one over the quota is kRateLimited. A row that can't be
//       read is set aside, told to the host, and its id stays taken until it is removed.
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "core/result.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

// What a table asks of the registry that holds it.
class DocumentHost {
public:
    virtual ~DocumentHost() = default;
    virtual RegistryRows& rows() = 0;
    virtual const core::Clock& clock() const = 0;
    virtual core::Random& random() = 0;
    virtual std::string_view actor() const = 0;
    // What else the audit log tells of whoever acts: members of an object, "" when nothing.
    virtual std::string_view actor_members() const = 0;
    // What a tenant may have.
    virtual identity::Quotas quotas_of(core::TenantId tenant) const = 0;
    // 0: there is none.
    virtual std::uint32_t number_of(std::string_view kind, core::TenantId tenant,
                                    std::string_view id) const = 0;
    // Calls `visit` with kind and id of each document that needs this one.
    using VisitUser = std::function<void(std::string_view kind, std::string_view id)>;
    virtual void users_of(std::string_view kind, std::uint32_t number,
                          const VisitUser& visit) const = 0;
    virtual void publish(const RegistryChange& change) = 0;
    // The first number from this one on that may be given to a new document.
    virtual std::uint32_t next_number(std::uint32_t from) const { return from; }
    virtual void set_aside(std::string_view kind, std::string_view row_id,
                           const core::Error& why) = 0;
};

template <typename T>
class DocumentTable {
public:
    using Ref = std::shared_ptr<const T>;
    using Change = DocumentChange<T>;
    using Check = std::function<core::Status(const T&)>;

    // `fresh` holds the defaults of a new document; `check` refuses what only others can judge.
    DocumentTable(DocumentHost& host, T fresh, Check check)
        : host_(host), fresh_(std::move(fresh)), check_(std::move(check)) {}
    DocumentTable(const DocumentTable&) = delete;
    DocumentTable& operator=(const DocumentTable&) = delete;

    core::Status load(NumberedTable<T>& into);

    // `furnish` adds what no body says, or refuses.
    core::Result<Change> create(const ChangeContext& context, std::string_view body,
                                const std::function<core::Status(T&)>& furnish = {});
    // Members that the body leaves out stay as they are; so do those that the server makes: a
    // document that was read a while ago may be edited and sent back.
    // `agree` refuses what only the caller can judge of the document as it would be.
    core::Result<Change> put(const ChangeContext& context, std::string_view id,
                             std::string_view body, const Check& agree = {});
    // JSON merge patch (RFC 7386) on the document as it is shown.
    core::Result<Change> patch(const ChangeContext& context, std::string_view id,
                               std::string_view patch, const Check& agree = {});
    // A change that the server makes itself, named so in the audit log: `edit` changes what no body
    // says. Nothing happens when it refuses.
    core::Result<Change> amend(const ChangeContext& context, std::string_view id,
                               std::string_view action,
                               const std::function<core::Status(T&)>& edit);
    core::Result<Change> remove(const ChangeContext& context, std::string_view id);
    // One of the versions that are kept and not the current one.
    core::Status remove_version(const ChangeContext& context, std::string_view id,
                                std::uint32_t version);
    // One that is hidden goes for good.
    core::Result<Change> remove_hidden(core::TenantId tenant, std::string_view id);
    // Takes back the change that was made last to this document: what others could not follow.
    core::Result<Change> undo(const Change& change);

    // Of a document whose truth is in another folder (copied_rows.h): its row as it stands there,
    // number and version included; nothing of it is decided again. One that is here already, or
    // is not, changes nothing: neither `before` nor `after`. No line in the audit log.
    core::Result<Change> take_copy(const ChangeContext& context, std::string_view row);
    // kIfUnused: one that something here still needs (a subscription on its way out) stays.
    enum class Drop : std::uint8_t { kIfUnused, kAlways };
    core::Result<Change> drop_copy(core::TenantId tenant, std::string_view id, Drop when);
    // Of its versions that are kept.
    core::Status take_version_copy(std::string_view row);
    core::Status drop_version_copy(core::TenantId tenant, std::string_view id,
                                   std::uint32_t version);

    Ref find(core::TenantId tenant, std::string_view id) const;
    // The same, and of one that is on its way out.
    Ref find_copy(core::TenantId tenant, std::string_view id) const { return find_any(tenant, id); }
    std::size_t size(core::TenantId tenant) const;
    // Whether there ever was one, of any tenant.
    bool ever_made() const { return number_next_ > 1; }
    // Visits the rows that are kept and do not read: whose, the id ("" where the row has none) and
    // the number, 0 where it does not say it.
    using VisitSetAside =
        std::function<void(core::TenantId, std::string_view id, std::uint32_t number)>;
    void each_set_aside(const VisitSetAside& visit) const;
    // The newest versions_kept, oldest first, the current one last.
    std::span<const Ref> versions(core::TenantId tenant, std::string_view id) const;
    // In the order of ids, those behind `after` ("" = from the first); stops when visit says false.
    void list(core::TenantId tenant, std::string_view after,
              const std::function<bool(const Ref&)>& visit) const;
    void each_user_of(std::string_view kind, std::uint32_t number,
                      const DocumentHost::VisitUser& visit) const;

private:
    using Key = std::pair<std::uint32_t, std::string>;  // tenant, id

    core::Status load_documents(NumberedTable<T>& into);
    core::Status load_versions();
    core::Status load_counter();
    core::Result<T> read_row(std::string_view text) const;
    core::Status link(T& document) const;
    core::Result<Ref> current(const ChangeContext& context, std::string_view id) const;
    core::Result<Change> replace(const ChangeContext& context, const Ref& old, T&& next,
                                 std::string_view body, const Check& agree);
    core::Result<Change> keep(const Ref& old, T&& next, std::string_view body,
                              std::string_view action);
    core::Status check_unused(const T& document) const;
    core::Result<Change> erase(const Ref& old, std::string_view action);
    Ref find_any(core::TenantId tenant, std::string_view id) const;
    core::Status within_bounds(const ChangeContext& context) const;
    static bool is_hidden(const T& document) {
        return document_kind<T>().hidden && document_kind<T>().hidden(document);
    }
    core::Result<Change> forget_set_aside(core::TenantId tenant, std::string_view id);
    void append_erases(const T& document, std::vector<RegistryRowName>& erases) const;
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::string_view action, const T& document, const Ref& before);
    void count(core::TenantId tenant, int change);

    DocumentHost& host_;
    const T fresh_;
    const Check check_;
    std::map<Key, Ref> documents_;
    std::map<Key, std::vector<Ref>> versions_;
    std::map<std::uint32_t, std::size_t> counts_;  // by tenant
    std::map<Key, std::uint32_t> set_aside_;       // their numbers, 0: not known
    std::size_t nameless_set_aside_ = 0;
    std::uint32_t number_next_ = 1;
};

// "17-3": number and version. A document that was removed and made again has another one.
template <typename T>
std::string document_etag(const T& document) {
    return std::to_string(document.number.value) + "-" + std::to_string(document.version);
}

}  // namespace millrace::runtime
