// What: the stored documents that can not be read. They are kept where they are, the server goes on
//       without them, and whoever looks after it is told: in the log, in /readyz, by a gauge.
// Threads: any. Lifetime: borrows the log.
// Limits: kNamedMax are named, all are counted; a name for each kind of row.
// Failure: none.
#pragma once

#include "core/log.h"
#include "core/result.h"

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class SetAside {
public:
    static constexpr std::size_t kNamedMax = 20;

    struct Row {
        std::string kind;
        std::string id;
        std::string why;
    };

    explicit SetAside(core::Log& log) : log_(log) {}

    void add(std::string_view kind, std::string_view id, const core::Error& why) {
        log_.error("a stored document can not be read: it is kept, and left out",
                   {{"kind", std::string(kind)}, {"id", std::string(id)}, {"error", why.message}});
        const std::lock_guard lock(mutex_);
        if (!kinds_.contains(kind)) kinds_.emplace(kind);
        if (count_++ < kNamedMax)
            rows_.push_back({std::string(kind), std::string(id), why.message});
    }

    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return count_;
    }
    // Whether one of this kind is among them: what was kept for a document that is nowhere may be
    // that one's, and stays.
    bool any_of(std::string_view kind) const {
        const std::lock_guard lock(mutex_);
        return kinds_.contains(kind);
    }
    // The first kNamedMax.
    std::vector<Row> rows() const {
        const std::lock_guard lock(mutex_);
        return rows_;
    }

private:
    core::Log& log_;
    mutable std::mutex mutex_;
    std::size_t count_ = 0;
    std::vector<Row> rows_;
    std::set<std::string, std::less<>> kinds_;
};

}  // namespace millrace::runtime
