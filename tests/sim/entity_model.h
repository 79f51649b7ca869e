// What: what must be true of entities at every start and at the end: the versions of each life of
//       one are 1, 2, 3 without a gap, each with one event that holds what was there before; the
//       row is what the last event says; what a hook has counted is what the log holds; what was
//       answered is there. The events of a life are told apart by its createdAt.
// Threads: one. Lifetime: of a run, over all starts of the server. Limits: none.
// Failure: the checks return the first thing that is wrong, in words; empty: all is well.
#pragma once

#include "store/database.h"
#include "tests/sim/tenants.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace millrace::sim {

inline constexpr std::string_view kEntityType = "thing";

// A write that was answered: the document says `mark`, which no other write does.
struct AnsweredWrite {
    std::size_t tenant = 0;
    std::string id;
    std::uint64_t mark = 0;
    std::uint64_t version = 0;
    std::string updated_at;
    std::uint64_t based_on = 0;  // the version that it said it was based on; 0: none
};

class EntityModel {
public:
    std::vector<AnsweredWrite>& answered() { return answered_; }

    std::string check(store::Database& database) const;
    std::uint64_t changes(store::Database& database) const;

private:
    struct Change {
        std::string pattern;
        std::uint64_t version = 0;
        std::uint64_t mark = 0;
        std::uint64_t before_version = 0, before_mark = 0;
    };
    // By tenant, id and the createdAt of its life.
    using Lives = std::map<std::tuple<std::size_t, std::string, std::string>, std::vector<Change>>;

    std::string read_lives(store::Database& database, Lives& lives) const;
    std::string check_life(const std::string& who, const std::vector<Change>& changes) const;
    std::string check_rows(store::Database& database, const Lives& lives) const;
    std::string check_answers(const Lives& lives) const;

    std::vector<AnsweredWrite> answered_;
};

}  // namespace millrace::sim
