// What: stored rows that do not read any more: between one process and the next a row of a random
//       kind gets another value. The start goes on, the row is set aside and told, and nothing is
//       lost but what the row alone said: the model is told what that may be.
// Threads: one. Lifetime: of a run. Limits: one row at each end of a process.
// Failure: the checks return what is wrong, in words.
#pragma once

#include "core/random.h"
#include "store/database.h"
#include "store/log/format.h"
#include "tests/sim/model.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

class Damage {
public:
    Damage(Model& model, std::uint64_t seed);

    // Right before the process ends.
    void spoil(store::Database& database);
    // After the start, with what the server says it has set aside.
    std::string check_told(std::uint64_t set_aside);
    // Whether a problem that verify() found is one of these.
    bool explains(std::string_view problem) const;
    std::uint64_t rows() const { return rows_.size(); }

private:
    struct Row {
        store::ColumnFamily family = store::ColumnFamily::kDefault;
        std::string key;
        std::string value;
    };
    std::vector<Row> candidates(store::Database& database, store::ColumnFamily family);
    // False: what hangs on the row can not be told apart from a loss.
    bool tell_model(store::Database& database, const Row& row);
    std::string other_value(store::ColumnFamily family, std::string_view value);

    Model& model_;
    core::Random random_;
    bool on_ = false;
    std::vector<Row> rows_;
    bool must_be_told_ = false;  // by the next start
};

}  // namespace millrace::sim
