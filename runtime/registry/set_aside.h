// What: the stored documents that can not be read. They are kept where they are, the server goes on
//       without them, and whoever looks after it is told: in the log, in /readyz, by a gauge.
// Threads: any. Lifetime: borrows the log.
// Limits: kNamedMax are named, all are counted.
// Failure: none.
#pragma once

#include "core/log.h"
#include "core/result.h"

#include <cstddef>
#include <mutex>
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
        if (count_++ < kNamedMax)
            rows_.push_back({std::string(kind), std::string(id), why.message});
    }

    std::size_t count() const {
        const std::lock_guard lock(mutex_);
        return count_;
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
};

}  // namespace millrace::runtime
