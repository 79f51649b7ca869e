#include "runtime/registry/copied_rows.h"

#include "runtime/registry/document_rows.h"
#include "store/rows/registry_store.h"

#include <charconv>
#include <string_view>

namespace millrace::runtime {
namespace {

// Of one commit: a unit of a replicated log has a bound, and what is copied whole may be more.
constexpr std::size_t kCommitBytes = 4u << 20;

// Tenant, id and, of a version, which one.
struct RowName {
    core::TenantId tenant;
    std::string_view id;
    std::uint32_t version = 0;
};

template <typename Number>
bool read_number(std::string_view text, Number& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool split(std::string_view row, RowName& out) {
    const std::size_t first = row.find('/');
    if (first == std::string_view::npos || !read_number(row.substr(0, first), out.tenant.value))
        return false;
    out.id = row.substr(first + 1);
    const std::size_t second = out.id.find('/');
    if (second == std::string_view::npos) return true;
    const std::string_view version = out.id.substr(second + 1);
    out.id = out.id.substr(0, second);
    return read_number(version, out.version);
}

class CopyTaker {
public:
    CopyTaker(Registry& registry, const SpreadRows& rows, const ChangeContext& context,
              const RunsLeft& runs_left)
        : registry_(registry), rows_(rows), context_(context), runs_left_(runs_left) {}

    // Each kind needs only those before it, and what goes is needed by none that stays.
    core::Result<CopiesTaken> take() {
        put<Tenant>();
        put<Script>();
        take_canaries();
        put<Secret>();
        put<Action>();
        put<EventSchema>();
        put<Hook>();
        put<Link>();
        put<Workflow>();
        put<Subscription>();
        close_gone();
        drop<Workflow>();
        drop<Link>();
        drop<Hook>();
        drop<EventSchema>();
        drop<Action>();
        drop<Secret>();
        drop<Script>();
        drop<Tenant>();
        if (!written_) return core::fail(std::move(written_.error()));
        return std::move(out_);
    }

private:
    template <typename F>
    void each_of(const std::string& kind, bool there, F&& visit) {
        for (auto at = rows_.lower_bound({kind, ""}); at != rows_.end() && at->first.first == kind;
             ++at) {
            if (at->second.json.has_value() != there) continue;
            if (!written_) return;
            visit(at->second);
            part_bytes_ += at->first.second.size() + (there ? at->second.json->size() : 0);
            if (part_bytes_ >= kCommitBytes) end_part();
        }
    }
    // What is written before the end is asked for again, if the end is not reached: it changes
    // nothing then.
    void end_part() {
        written_ = registry_.end_one();
        registry_.begin_one();
        part_bytes_ = 0;
    }
    void leave_out(const SpreadRow& row, const core::Error& why) {
        out_.left_out.push_back(row.kind + " " + row.id + ": " + why.message);
    }
    template <typename T>
    void note(const DocumentChange<T>& change) {
        if (change.before || change.after) out_.changes.emplace_back(change);
    }

    template <typename T>
    void put() {
        DocumentTable<T>& table = registry_.table<T>();
        each_of(std::string(document_kind<T>().name), true, [&](const SpreadRow& row) {
            auto taken = table.take_copy(context_, *row.json);
            if (!taken && taken.error().code == core::ErrorCode::kConflict) {
                // It was removed there, and another one has its id.
                RowName name;
                if (!split(row.id, name)) return leave_out(row, taken.error());
                auto gone = table.drop_copy(name.tenant, name.id, DocumentTable<T>::Drop::kAlways);
                if (!gone) return leave_out(row, gone.error());
                note(*gone);
                taken = table.take_copy(context_, *row.json);
            }
            if (!taken) return leave_out(row, taken.error());
            note(*taken);
            if constexpr (std::is_same_v<T, Subscription>) {
                if (taken->after && taken->after->closing != Closing::kNo &&
                    (!taken->before || taken->before->closing == Closing::kNo))
                    out_.closing.push_back(taken->after);
            }
        });
        if (document_kind<T>().versions_kept == 0) return;
        each_of(version_kind<T>(), true, [&](const SpreadRow& row) {
            if (auto taken = table.take_version_copy(*row.json); !taken)
                leave_out(row, taken.error());
            else
                note_version<T>(row);
        });
    }
    // Whoever lets runs go on is shown all versions, also where the newest is what it was.
    template <typename T>
    void note_version(const SpreadRow& row) {
        if constexpr (std::is_same_v<T, Workflow>) {
            RowName name;
            if (!split(row.id, name)) return;
            const auto now = registry_.table<T>().find(name.tenant, name.id);
            if (now) out_.changes.emplace_back(DocumentChange<T>{now, now});
        }
    }
    void take_canaries() {
        const std::string kind(kCanaryKind);
        const auto take = [&](const SpreadRow& row) {
            written_ =
                row.json
                    ? registry_.write_row({kind, row.id, row.version, row.updated_at_us, *row.json},
                                          row.updated_at_us, kPlatform, "")
                    : registry_.erase_row({kind, row.id}, row.updated_at_us, kPlatform, "");
            if (written_) out_.canaries.push_back(row);
        };
        each_of(kind, true, take);
        each_of(kind, false, take);
    }
    // Runs are pinned to what they began with, and some of this folder have not ended.
    template <typename T>
    bool is_run_by(const RowName& name) const {
        if constexpr (std::is_same_v<T, Workflow>)
            return runs_left_ && runs_left_(name.tenant, name.id, name.version);
        else
            return false;
    }

    template <typename T>
    void drop() {
        DocumentTable<T>& table = registry_.table<T>();
        if (document_kind<T>().versions_kept > 0) {
            each_of(version_kind<T>(), false, [&](const SpreadRow& row) {
                RowName name;
                if (!split(row.id, name) || is_run_by<T>(name)) return;
                if (auto gone = table.drop_version_copy(name.tenant, name.id, name.version); !gone)
                    leave_out(row, gone.error());
                else
                    note_version<T>(row);
            });
        }
        each_of(std::string(document_kind<T>().name), false, [&](const SpreadRow& row) {
            RowName name;
            if (!split(row.id, name) || is_run_by<T>(name)) return;
            auto gone = table.drop_copy(name.tenant, name.id, DocumentTable<T>::Drop::kIfUnused);
            if (!gone) return leave_out(row, gone.error());
            note(*gone);
        });
    }

    // What waits for it here becomes dead letters first, unless its removal was heard of before and
    // said something else; then it goes by itself.
    void close_gone() {
        DocumentTable<Subscription>& table = registry_.table<Subscription>();
        each_of("subscription", false, [&](const SpreadRow& row) {
            RowName name;
            if (!split(row.id, name)) return;
            const SubscriptionRef here = table.find_copy(name.tenant, name.id);
            if (!here || here->closing != Closing::kNo) return;
            ChangeContext context = context_;
            context.tenant = name.tenant;
            auto closed = table.amend(context, name.id, "", [&](Subscription& next) {
                next.closing = Closing::kDeadLetter;
                if (next.active) next.off_periods.push_back({context_.log_ends, {}});
                next.active = false;
                return core::Status{};
            });
            if (!closed) return leave_out(row, closed.error());
            note(*closed);
            out_.closing.push_back(closed->after);
        });
    }

    Registry& registry_;
    const SpreadRows& rows_;
    const ChangeContext& context_;
    const RunsLeft& runs_left_;
    CopiesTaken out_;
    std::size_t part_bytes_ = 0;
    core::Status written_;
};

}  // namespace

core::Result<CopiesTaken> take_copies(Registry& registry, const SpreadRows& rows,
                                      const ChangeContext& context, std::size_t home,
                                      std::uint64_t revision, const RunsLeft& runs_left) {
    registry.begin_one();
    auto out = CopyTaker(registry, rows, context, runs_left).take();
    core::Status marked;
    if (out) {
        const RegistryRow mark{std::string(kSpreadFromKind), std::to_string(home), revision, 0,
                               "{}"};
        marked = registry.write_row(mark, 0, kPlatform, "");
    }
    if (auto written = registry.end_one(); !written) return core::fail(std::move(written.error()));
    if (!marked) return core::fail(std::move(marked.error()));
    return out;
}

core::Status add_gone(store::RegistryStore& here, const SpreadRule& rule, std::size_t home,
                      SpreadRows& rows) {
    for (const std::string_view kind : spread_kinds()) {
        auto read = here.each(kind, [&](const store::RegistryDocumentView& row) {
            std::pair<std::string, std::string> name(kind, row.id);
            if (rule.home_of_row(kind, row.id) != home || rows.contains(name)) return;
            rows.emplace(name, SpreadRow{name.first, name.second, 0, 0, std::nullopt});
        });
        if (!read) return read;
    }
    return {};
}

}  // namespace millrace::runtime
