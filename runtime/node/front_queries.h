// What: queries of GraphQL at a front: the calls that their fields stand for the front asks itself,
//       which answers for all partitions together.
// Threads: the front's. Lifetime: a query's; borrows the front. Limits: the front's.
// Failure: as the calls tell it.
#pragma once

#include "runtime/graphql/query.h"
#include "runtime/node/front_calls.h"

#include <functional>
#include <string>
#include <utility>

namespace millrace::runtime::node {

class FrontQueries final : public graphql::QueryPort {
public:
    FrontQueries(FrontCalls& calls, CallerRef caller) : calls_(calls), caller_(std::move(caller)) {}

    void call(const identity::Principal& who, graphql::QueryCall&& call, Told told) override;
    void position(const identity::Principal& who,
                  std::function<void(core::Result<std::string>&&)> told) override;
    std::string position_of(const core::JsonElement& event) override {
        return position_behind(event, calls_.partitions());
    }
    // Behind it in its own partition; in the others from when it came in.
    static std::string position_behind(const core::JsonElement& event, std::size_t partitions);

private:
    FrontCalls& calls_;
    const CallerRef caller_;
};

}  // namespace millrace::runtime::node
