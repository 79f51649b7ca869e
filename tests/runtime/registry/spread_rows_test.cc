// Goal: whoever follows a home has in the end what is registered there, with the same numbers,
// whatever order and size the pages came in, and whatever was made, changed and removed meanwhile;
// taking it again changes nothing; places of the log are the follower's own. Method: a home with a
// real store, a follower with another one, random changes, pages that are asked for at any moment.
#include "runtime/registry/spread_rows.h"

#include "runtime/event/partition_of.h"
#include "runtime/event/tenant_names.h"
#include "runtime/registry/copied_rows.h"
#include "runtime/registry/registry.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::size_t kFolders = 3;
constexpr std::uint64_t kFolderSeed = 5;
constexpr core::TenantId kOwner{0};

// One partition's folder and registry.
class Folder {
public:
    explicit Folder(std::size_t partition) : rule(partition, kFolders, kFolderSeed) { open(); }
    ~Folder() { close(); }
    void open() {
        store::Database::Options options;
        options.path = folder_.path();
        options.shards = 1;
        options.clock = &clock;
        options.reserve_bytes = 0;
        options.ballast_bytes = 0;
        auto opened = store::Database::open(options);
        ASSERT_TRUE(opened) << opened.error().message;
        database = std::move(*opened);
        stored = std::make_unique<StoreRegistryRows>(*database, aside);
        rows = std::make_unique<SpreadRegistryRows>(*stored, rule);
        Registry::Options with;
        with.number_step = kFolders;
        with.number_at = static_cast<std::uint32_t>(rule.partition());
        registry = *Registry::open(*rows, clock, random, std::move(with));
    }
    void close() {
        registry.reset();
        rows.reset();
        stored.reset();
        if (database) {
            EXPECT_TRUE(database->close());
        }
        database.reset();
    }
    core::Result<SpreadPage> page(std::uint64_t after, std::string_view next) const {
        return read_spread_page(database->registry(), rule, stored->revision(), after, next);
    }

    const SpreadRule rule;
    core::ManualClock clock;
    core::Random random{9};
    core::Log log{clock, core::LogLevel::kOff};
    SetAside aside{log};
    std::unique_ptr<store::Database> database;
    std::unique_ptr<StoreRegistryRows> stored;
    std::unique_ptr<SpreadRegistryRows> rows;
    std::unique_ptr<Registry> registry;

private:
    store::test::TempFolder folder_;
};

class SpreadRowsTest : public ::testing::Test {
protected:
    static std::size_t home_number() {
        return partition_of_tenant("default", kFolderSeed, kFolders);
    }
    static std::size_t other_number() { return (home_number() + 1) % kFolders; }

    // As the follower does it; `between` happens before each further page.
    void catch_up(const std::function<void()>& between = {}) {
        SpreadRows rows;
        bool whole = false;
        std::uint64_t after = revision_, whole_at = 0;
        std::string next;
        for (;;) {
            auto page = home.page(after, next);
            ASSERT_TRUE(page) << page.error().message;
            const auto read = parse_spread_page(spread_page_text(*page));
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(*read, *page);
            if (page->whole && next.empty()) {
                rows.clear();
                whole = true;
                whole_at = page->revision;
            }
            for (SpreadRow& row : page->rows)
                rows.insert_or_assign({row.kind, row.id}, std::move(row));
            next = page->next;
            if (page->whole)
                after = page->more ? 0 : whole_at;
            else
                after = page->revision;
            if (!page->whole && !page->more) break;
            if (between) between();
        }
        if (whole) {
            ASSERT_TRUE(add_gone(other.database->registry(), other.rule, home_number(), rows));
        }
        taken_.clear();
        const ChangeContext context{.tenant = {}, .log_ends = {core::LogOffset(other_end_)}};
        auto taken = take_copies(*other.registry, rows, context, home_number(), after, runs_left_);
        ASSERT_TRUE(taken) << taken.error().message;
        for (const std::string& row : taken->left_out) ADD_FAILURE() << "left out: " << row;
        for (const SubscriptionRef& one : taken->closing) closing_.push_back(one);
        taken_ = std::move(taken->changes);
        canaries_ = std::move(taken->canaries);
        revision_ = after;
    }
    // What waited for them is cleared away.
    void bury() {
        for (const SubscriptionRef& one : closing_)
            EXPECT_TRUE(other.registry->table<Subscription>().remove_hidden(one->tenant, one->id));
        closing_.clear();
    }
    template <typename T>
    void expect_same() {
        std::vector<std::string> there, here;
        home.registry->table<T>().list(kOwner, "", [&](const std::shared_ptr<const T>& one) {
            there.push_back(std::to_string(one->number.value) + " " +
                            document_kind<T>().show(*one));
            return true;
        });
        other.registry->table<T>().list(kOwner, "", [&](const std::shared_ptr<const T>& one) {
            here.push_back(std::to_string(one->number.value) + " " + document_kind<T>().show(*one));
            EXPECT_EQ(home.registry->table<T>().versions(kOwner, one->id).size(),
                      other.registry->table<T>().versions(kOwner, one->id).size())
                << document_kind<T>().name << " " << one->id;
            return true;
        });
        EXPECT_TRUE(there == here) << document_kind<T>().name << ": " << there.size()
                                   << " at home, " << here.size() << " here";
    }
    void expect_all_same() {
        expect_same<Script>();
        expect_same<Secret>();
        expect_same<Action>();
        expect_same<EventSchema>();
        expect_same<Link>();
        expect_same<Workflow>();
        expect_same<Subscription>();
    }
    void script(const std::string& id, const std::string& source = "return 1") {
        auto made = home.registry->create_script(
            kOwner, R"({"id":")" + id + R"(","source":")" + source + R"("})");
        ASSERT_TRUE(made) << made.error().message;
    }
    void workflow(std::uint32_t version) {
        const std::string body = R"({"id":"w","name":"w","version":)" + std::to_string(version) +
                                 R"(,"steps":[{"id":"s","type":"wait","signal":"go"}]})";
        auto& table = home.registry->table<Workflow>();
        const ChangeContext context{.tenant = kOwner};
        auto made =
            table.find(kOwner, "w") ? table.put(context, "w", body) : table.create(context, body);
        ASSERT_TRUE(made) << made.error().message;
    }
    static std::string subscription_body(const std::string& id, const std::string& script_id) {
        return R"({"id":")" + id + R"(","pattern":"a.b","executor":{"type":"script","scriptId":")" +
               script_id + "\"}}";
    }
    void subscription(const std::string& id, const std::string& script_id) {
        auto made = home.registry->create_subscription(kOwner, subscription_body(id, script_id),
                                                       {core::LogOffset(1000)});
        ASSERT_TRUE(made) << made.error().message;
    }

    Folder home{home_number()};
    Folder other{other_number()};
    std::uint64_t revision_ = 0;
    std::uint64_t other_end_ = 7;
    RunsLeft runs_left_;
    std::vector<RegistryChange> taken_;
    std::vector<SpreadRow> canaries_;
    std::vector<SubscriptionRef> closing_;
};

TEST_F(SpreadRowsTest, AHomeWithNothingIsFollowedAtOnce) {
    catch_up();
    EXPECT_EQ(revision_, home.stored->revision() + 1);
    EXPECT_TRUE(taken_.empty());
    script("first");
    catch_up();
    expect_all_same();
    EXPECT_EQ(taken_.size(), 1u);
}

TEST_F(SpreadRowsTest, NumbersOfTwoHomesNeverMeet) {
    script("a");
    auto here = other.registry->create_script(kOwner, R"({"id":"b","source":"return 1"})");
    ASSERT_TRUE(here);
    const std::uint32_t theirs = home.registry->find_script(kOwner, "a")->number.value;
    EXPECT_EQ(theirs % kFolders, home_number());
    EXPECT_EQ((*here)->number.value % kFolders, other_number());
    catch_up();
    EXPECT_EQ(other.registry->find_script(kOwner, "a")->number.value, theirs);
    auto next = other.registry->create_script(kOwner, R"({"id":"c","source":"return 1"})");
    ASSERT_TRUE(next);
    EXPECT_EQ((*next)->number.value % kFolders, other_number());
    EXPECT_GT((*next)->number.value, (*here)->number.value);
}

// It is no document: its row and what is told of it is all there is.
TEST_F(SpreadRowsTest, WhatIsTriedIsToldWithItsScript) {
    script("s");
    ASSERT_TRUE(home.registry->update_script(kOwner, "s", R"({"source":"return 2"})"));
    const std::string id = std::to_string(home.registry->find_script(kOwner, "s")->number.value);
    EXPECT_EQ(home.rule.home_of_row(kCanaryKind, id), home_number());
    const RegistryRow row{std::string(kCanaryKind), id, 1, 17, R"({"percent":5})"};
    ASSERT_TRUE(home.registry->write_row(row, 17, kOwner, ""));
    catch_up();
    ASSERT_EQ(canaries_.size(), 1u);
    EXPECT_EQ(canaries_[0].id, id);
    EXPECT_EQ(canaries_[0].json, row.json);
    const auto kept = other.database->registry().get(kCanaryKind, id);
    ASSERT_TRUE(kept && *kept);
    EXPECT_EQ((*kept)->json, row.json);
    catch_up();
    EXPECT_TRUE(canaries_.empty()) << "nothing is new";

    ASSERT_TRUE(home.registry->erase_row({row.kind, row.id}, 18, kOwner, ""));
    catch_up();
    ASSERT_EQ(canaries_.size(), 1u);
    EXPECT_FALSE(canaries_[0].json);
    EXPECT_FALSE(other.database->registry().get(kCanaryKind, id)->has_value());
}

TEST_F(SpreadRowsTest, WhatIsNotTriedAnyMoreIsFoundByAWholeCopy) {
    script("s");
    const std::string id = std::to_string(home.registry->find_script(kOwner, "s")->number.value);
    ASSERT_TRUE(
        home.registry->write_row({std::string(kCanaryKind), id, 1, 17, "{}"}, 17, kOwner, ""));
    catch_up();
    ASSERT_TRUE(home.registry->erase_row({std::string(kCanaryKind), id}, 18, kOwner, ""));
    revision_ = 0;
    catch_up();
    ASSERT_EQ(canaries_.size(), 1u);
    EXPECT_FALSE(canaries_[0].json);
    EXPECT_FALSE(other.database->registry().get(kCanaryKind, id)->has_value());
}

TEST_F(SpreadRowsTest, TakingItAgainChangesNothing) {
    script("s");
    subscription("one", "s");
    catch_up();
    EXPECT_EQ(taken_.size(), 2u);
    revision_ = 0;
    catch_up();
    EXPECT_TRUE(taken_.empty());
    expect_all_same();
}

TEST_F(SpreadRowsTest, ASubscriptionBeginsWhereTheFollowersLogIs) {
    script("s");
    subscription("one", "s");
    other_end_ = 42;
    catch_up();
    const auto first = other.registry->find_subscription(kOwner, "one");
    ASSERT_TRUE(first);
    EXPECT_EQ(first->effective_from, LogEnds{core::LogOffset(42)});
    other_end_ = 50;
    ASSERT_TRUE(home.registry->patch_subscription(kOwner, "one", R"({"active":false})", {}));
    catch_up();
    const auto off = other.registry->find_subscription(kOwner, "one");
    EXPECT_EQ(off->effective_from, LogEnds{core::LogOffset(42)});
    ASSERT_EQ(off->off_periods.size(), 1u);
    EXPECT_EQ(off->off_periods[0].from, LogEnds{core::LogOffset(50)});
    EXPECT_TRUE(off->off_periods[0].to.empty());
    other_end_ = 60;
    ASSERT_TRUE(home.registry->patch_subscription(kOwner, "one", R"({"active":true})", {}));
    catch_up();
    const auto on = other.registry->find_subscription(kOwner, "one");
    ASSERT_EQ(on->off_periods.size(), 1u);
    EXPECT_EQ(on->off_periods[0].to, LogEnds{core::LogOffset(60)});
    other.close();
    other.open();
    const auto again = other.registry->find_subscription(kOwner, "one");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->effective_from, LogEnds{core::LogOffset(42)});
    EXPECT_EQ(again->off_periods.size(), 1u);
    expect_all_same();
}

TEST_F(SpreadRowsTest, AWorkflowIsThereWithItsVersionsBeforeWhoeverBeginsIt) {
    workflow(1);
    workflow(2);
    ASSERT_TRUE(home.registry->create_subscription(
        kOwner, R"({"id":"one","pattern":"a.b","executor":{"type":"workflow","workflowId":"w"}})",
        {}));
    catch_up();
    expect_all_same();
    EXPECT_EQ(other.registry->table<Workflow>().versions(kOwner, "w").size(), 2u);
    workflow(3);
    catch_up();
    EXPECT_EQ(other.registry->table<Workflow>().find(kOwner, "w")->version, 3u);
    ASSERT_TRUE(home.registry->table<Workflow>().remove_version({.tenant = kOwner}, "w", 1));
    catch_up();
    expect_all_same();
    EXPECT_FALSE(taken_.empty()) << "whoever lets runs go on is shown what is left";
}

TEST_F(SpreadRowsTest, AVersionWithRunsThatHaveNotEndedStaysHere) {
    workflow(1);
    workflow(2);
    catch_up();
    runs_left_ = [](core::TenantId, std::string_view id, std::uint32_t version) {
        return id == "w" && version != 2;
    };
    ASSERT_TRUE(home.registry->table<Workflow>().remove({.tenant = kOwner}, "w"));
    catch_up();
    EXPECT_TRUE(other.registry->table<Workflow>().find(kOwner, "w"));
    const auto left = other.registry->table<Workflow>().versions(kOwner, "w");
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left.front()->version, 1u);
    other.close();
    other.open();
    EXPECT_EQ(other.registry->table<Workflow>().versions(kOwner, "w").size(), 1u);
    runs_left_ = {};
    revision_ = 0;
    catch_up();
    expect_all_same();
    EXPECT_FALSE(other.registry->table<Workflow>().find(kOwner, "w"));
}

TEST_F(SpreadRowsTest, AStreamBeginsWhereTheFollowersLogIs) {
    auto& links = home.registry->table<Link>();
    const ChangeContext at_home{.tenant = kOwner, .log_ends = {core::LogOffset(1000)}};
    ASSERT_TRUE(links.create(at_home,
                             R"({"id":"out","direction":"out","type":"redis","mode":"stream",)"
                             R"("config":{"host":"h","stream":"s","from":"end"}})"));
    other_end_ = 42;
    catch_up();
    const auto here = [this] { return other.registry->table<Link>().find(kOwner, "out"); };
    ASSERT_TRUE(here());
    EXPECT_EQ(here()->begin, LogEnds{core::LogOffset(42)});
    other_end_ = 50;
    ASSERT_TRUE(links.amend(at_home, "out", "pause", [](Link& next) {
        next.paused = true;
        return core::Status{};
    }));
    catch_up();
    EXPECT_TRUE(here()->paused);
    EXPECT_EQ(here()->begin, LogEnds{core::LogOffset(42)});
    const auto reset = [&](const char* to) {
        ASSERT_TRUE(links.amend(at_home, "out", "reset", [to](Link& next) {
            ++next.resets;
            next.reset_to = to;
            return core::Status{};
        }));
        catch_up();
    };
    reset("end");
    EXPECT_EQ(here()->begin, LogEnds{core::LogOffset(50)});
    reset("start");
    EXPECT_TRUE(here()->begin.empty());
    expect_all_same();
}

TEST_F(SpreadRowsTest, OneThatWentIsClearedAwayHereFirst) {
    script("s");
    subscription("one", "s");
    catch_up();
    ASSERT_TRUE(home.registry->remove_subscription(kOwner, "one"));
    ASSERT_TRUE(home.registry->remove_script(kOwner, "s"));
    catch_up();
    EXPECT_FALSE(other.registry->find_subscription(kOwner, "one")) << "nobody sees it any more";
    const auto leaving = other.registry->table<Subscription>().find_copy(kOwner, "one");
    ASSERT_TRUE(leaving);
    EXPECT_EQ(leaving->closing, Closing::kDeadLetter);
    EXPECT_TRUE(other.registry->find_script(kOwner, "s")) << "it still names it";
    ASSERT_EQ(closing_.size(), 1u);
    catch_up();
    EXPECT_EQ(closing_.size(), 1u) << "once";
    bury();
    EXPECT_FALSE(other.registry->table<Subscription>().find_copy(kOwner, "one"));
}

TEST_F(SpreadRowsTest, OneOfTheSameIdIsAnotherOne) {
    script("s");
    subscription("one", "s");
    catch_up();
    const std::uint32_t first = other.registry->find_subscription(kOwner, "one")->number.value;
    ASSERT_TRUE(home.registry->remove_subscription(kOwner, "one"));
    subscription("one", "s");
    catch_up();
    const auto second = other.registry->find_subscription(kOwner, "one");
    ASSERT_TRUE(second);
    EXPECT_NE(second->number.value, first);
    EXPECT_FALSE(other.registry->snapshot()->subscription(core::SubscriptionId(first)));
    expect_all_same();
}

TEST_F(SpreadRowsTest, WhatIsNotOfThisHomeIsNotTold) {
    script("a");
    const auto page = home.page(1, "");
    ASSERT_TRUE(page);
    EXPECT_EQ(page->rows.size(), 2u) << "the script and its version";
    catch_up();
    const auto theirs = other.page(0, "");
    ASSERT_TRUE(theirs);
    EXPECT_TRUE(theirs->rows.empty()) << "copies are nobody's truth";
    const auto noted = other.database->registry().load_all(kSpreadKind);
    ASSERT_TRUE(noted);
    EXPECT_TRUE(noted->empty());
}

TEST_F(SpreadRowsTest, WhoeverIsTooFarBehindGetsAll) {
    script("a");
    catch_up();
    ASSERT_TRUE(home.registry->remove_script(kOwner, "a"));
    script("b");
    revision_ = 0;  // as if its notes did not reach back as far
    catch_up();
    expect_all_same();
    EXPECT_FALSE(other.registry->find_script(kOwner, "a"));
    const auto ahead = home.page(home.stored->revision() + 2, "");
    ASSERT_TRUE(ahead);
    EXPECT_TRUE(ahead->whole) << "the home has gone back";
}

TEST_F(SpreadRowsTest, WhatIsLargeComesInPagesAndInCommitsOfTheirSize) {
    const std::string large(700'000, 'x');
    catch_up();
    for (int i = 0; i < 20; ++i) script("s" + std::to_string(i), "-- " + large);
    const auto newer = home.page(revision_, "");
    ASSERT_TRUE(newer);
    EXPECT_TRUE(newer->more);
    EXPECT_LT(newer->rows.size(), 12u);
    int pages = 0;
    catch_up([&pages] { ++pages; });
    EXPECT_GE(pages, 4);
    expect_all_same();
    revision_ = 0;
    for (int i = 0; i < 20; i += 2)
        ASSERT_TRUE(home.registry->remove_script(kOwner, "s" + std::to_string(i)));
    catch_up();
    expect_all_same();
}

TEST_F(SpreadRowsTest, WhateverChangesWhilePagesComeIsThereInTheEnd) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        core::Random random(seed);
        int made = 0;
        std::vector<std::string> scripts, subscriptions;
        const auto change = [&] {
            const std::string name = "n" + std::to_string(seed) + "-" + std::to_string(made++);
            switch (random.below(7)) {
                case 0:
                case 1:
                    script("s" + name, "return " + std::to_string(made));
                    scripts.push_back("s" + name);
                    break;
                case 2:
                    if (scripts.empty()) break;
                    (void)home.registry->update_script(
                        kOwner, scripts[random.below(scripts.size())],
                        R"({"source":"return )" + std::to_string(made) + "\"}");
                    break;
                case 3:
                case 4:
                    if (scripts.empty()) break;
                    subscription("u" + name, scripts[random.below(scripts.size())]);
                    subscriptions.push_back("u" + name);
                    break;
                case 5:
                    if (subscriptions.empty()) break;
                    (void)home.registry->remove_subscription(
                        kOwner, subscriptions[random.below(subscriptions.size())]);
                    break;
                default:
                    if (scripts.empty()) break;
                    // Unless one needs it.
                    const auto gone =
                        scripts.begin() + static_cast<std::ptrdiff_t>(random.below(scripts.size()));
                    if (home.registry->remove_script(kOwner, *gone)) scripts.erase(gone);
            }
        };
        for (int round = 0; round < 12; ++round) {
            for (int i = 0; i < 15; ++i) change();
            if (random.below(4) == 0) revision_ = 0;
            catch_up([&] {
                for (int i = 0; i < 3; ++i) change();
            });
            if (random.below(3) == 0) bury();
            if (random.below(5) == 0) {
                other.close();
                other.open();
            }
        }
        catch_up();
        bury();
        expect_same<Subscription>();
        // What a subscription on its way out still named goes with the next whole copy.
        revision_ = 0;
        catch_up();
        expect_all_same();
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace millrace::runtime
