// Goal: an attempt that is under way is given out once, whether it is answered, overdue or not
// wanted any more. Method: the book alone, with times made up.
#include "runtime/orchestrator/attempt_book.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

RunName tried_run(const std::string& id) { return {core::TenantId(1), id}; }

StepAttempt attempt_of(const std::string& id, workflow::StepIndex step) {
    StepAttempt out;
    out.run = tried_run(id);
    out.step = step;
    return out;
}

TEST(AttemptBook, GivesAnAttemptOutOnceHoweverItEnds) {
    AttemptBook book;
    const std::uint64_t first = book.make_ticket(), second = book.make_ticket();
    EXPECT_NE(first, second);
    book.add(first, attempt_of("a", 1));
    book.add(second, attempt_of("b", 2));
    EXPECT_FALSE(book.next_deadline_ns());
    book.set_deadline(first, 100);
    book.set_deadline(second, 50);
    EXPECT_EQ(book.next_deadline_ns(), 50);
    EXPECT_EQ(book.overdue(49), 0u);
    EXPECT_EQ(book.overdue(50), second);
    ASSERT_TRUE(book.take(second));
    EXPECT_FALSE(book.take(second));  // its answer comes too late
    EXPECT_EQ(book.overdue(99), 0u);  // its time went with it
    EXPECT_EQ(book.overdue(100), first);
    EXPECT_EQ(book.take(first)->run, tried_run("a"));
    EXPECT_FALSE(book.next_deadline_ns());
}

TEST(AttemptBook, LetsGoOfAllAttemptsOfAStepAndOfNoOther) {
    AttemptBook book;
    std::vector<std::uint64_t> tickets;
    for (const auto& [id, step] : {std::pair("a", 1u), {"a", 2u}, {"b", 1u}, {"a", 1u}}) {
        tickets.push_back(book.make_ticket());
        book.add(tickets.back(), attempt_of(id, step));
        book.set_deadline(tickets.back(), 10);
    }
    std::size_t left = 0;
    book.take_of(tried_run("a"), 1, [&](std::uint64_t ticket, StepAttempt& one) {
        EXPECT_TRUE(ticket == tickets[0] || ticket == tickets[3]);
        EXPECT_EQ(one.step, 1u);
        ++left;
    });
    EXPECT_EQ(left, 2u);
    EXPECT_FALSE(book.take(tickets[0]));
    EXPECT_TRUE(book.take(tickets[1]));
    EXPECT_TRUE(book.take(tickets[2]));
    EXPECT_EQ(book.overdue(1000), 0u);
}

}  // namespace
}  // namespace millrace::runtime
