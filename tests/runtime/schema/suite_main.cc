// Goal: both drafts as their authors understand them: every required case of the official suite.
// Method: suite_main SUITE_FOLDER DRAFT ... reads tests/DRAFT/*.json and remotes/ of the suite;
// what fails is named. tests/DRAFT/optional is run as well: what fails of it has to stand in
// tests/data/schema/DRAFT-optional.txt, and what stands there has to fail.
// What the quick check lets pass has to fit as well.
// (A suite of another date may lack some.) "--unlisted" only names them.
#include "core/json_reader.h"
#include "runtime/schema/compiler.h"
#include "runtime/schema/quick_check.h"
#include "runtime/schema/validator.h"
#include "tests/runtime/schema/placed_value.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace millrace;
using runtime::schema::Dialect;

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Count {
    std::size_t cases = 0;
    std::vector<std::string> failed;
    std::set<std::string> names;
    std::size_t fitting = 0;
    std::size_t quick = 0;  // of those: that the quick check knew
};

// The cases of a list: a line each, those that begin with '#' are words about them.
std::set<std::string> read_list(const fs::path& path) {
    std::set<std::string> out;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && line.front() != '#') out.insert(line);
    }
    return out;
}

// Both ways.
bool fits_list(const Count& count, const std::set<std::string>& listed) {
    const std::set<std::string> failed(count.failed.begin(), count.failed.end());
    bool fine = true;
    for (const std::string& name : failed) {
        if (listed.contains(name)) continue;
        std::printf("  fails and is not listed: %s\n", name.c_str());
        fine = false;
    }
    for (const std::string& name : listed) {
        if (failed.contains(name) || !count.names.contains(name)) continue;
        std::printf("  is listed and does not fail: %s\n", name.c_str());
        fine = false;
    }
    return fine;
}

class Suite {
public:
    Suite(fs::path folder, std::string draft)
        : folder_(std::move(folder)), draft_(std::move(draft)) {
        options_.dialect = draft_ == "draft7" ? Dialect::kDraft7 : Dialect::kDraft2020;
        options_.resolver = [this](std::string_view uri) -> std::optional<std::string> {
            constexpr std::string_view kHost = "http://localhost:1234/";
            if (!uri.starts_with(kHost)) return std::nullopt;
            const fs::path file = folder_ / "remotes" / uri.substr(kHost.size());
            if (!fs::is_regular_file(file)) return std::nullopt;
            return read_file(file);
        };
    }

    Count run(const fs::path& folder) {
        Count count;
        std::vector<fs::path> files;
        for (const auto& entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() == ".json") files.push_back(entry.path());
        }
        std::sort(files.begin(), files.end());
        for (const fs::path& file : files) run_file(file, count);
        return count;
    }

private:
    static std::string text_of(core::JsonElement object, std::string_view name) {
        core::JsonElement member;
        std::string_view text;
        if (object.find(name, member)) (void)member.get(text);
        return std::string(text);
    }

    void run_file(const fs::path& file, Count& count) {
        core::JsonDom dom;
        const auto groups = dom.parse(read_file(file));
        if (!groups) return (void)count.failed.push_back(file.filename().string() + ": no JSON");
        for (const core::JsonElement group : core::JsonArray(*groups)) {
            core::JsonElement schema, tests;
            if (!group.find("schema", schema) || !group.find("tests", tests)) continue;
            const std::string name =
                file.filename().string() + ": " + text_of(group, "description");
            const auto program = runtime::schema::compile_schema(schema.raw(), options_);
            for (const core::JsonElement test : core::JsonArray(tests)) {
                ++count.cases;
                const std::string full = name + ": " + text_of(test, "description");
                core::JsonElement data, valid;
                bool wanted = false;
                if (!test.find("data", data) || !test.find("valid", valid) || !valid.get(wanted))
                    continue;
                count.names.insert(full);
                if (!program || runtime::schema::validate(**program, data).empty() != wanted)
                    count.failed.push_back(full);
                if (program) ask_quickly(**program, data, full, count);
            }
        }
    }

    // Nothing else may pass than what the validator lets pass.
    static void ask_quickly(const runtime::schema::Program& program, core::JsonElement data,
                            const std::string& name, Count& count) {
        using namespace runtime::schema;
        const bool fine = fits(program, data);
        const PlacedValue placed(data.raw());
        const bool quick = fits_quickly(QuickProgram(program), placed.place());
        count.fitting += fine;
        count.quick += quick;
        if (quick && !fine) count.failed.push_back("quickly: " + name);
    }

    const fs::path folder_;
    const std::string draft_;
    runtime::schema::CompileOptions options_;
};

}  // namespace

int main(int argc, char** argv) {
    bool fine = true;
    const bool unlisted = argc > 2 && std::string_view(argv[2]) == "--unlisted";
    for (int i = unlisted ? 3 : 2; i < argc; ++i) {
        const fs::path tests = fs::path(argv[1]) / "tests" / argv[i];
        Suite suite(argv[1], argv[i]);
        const Count required = suite.run(tests);
        std::printf(
            "%s: %zu required cases, %zu failed; of %zu that fit the quick check let %zu "
            "pass\n",
            argv[i], required.cases, required.failed.size(), required.fitting, required.quick);
        for (const std::string& name : required.failed) std::printf("  %s\n", name.c_str());
        fine = fine && required.cases > 0 && required.failed.empty();
        if (!fs::is_directory(tests / "optional")) continue;
        const Count optional = suite.run(tests / "optional");
        std::printf("%s: %zu optional cases, %zu failed\n", argv[i], optional.cases,
                    optional.failed.size());
        if (unlisted) {
            for (const std::string& name : optional.failed) std::printf("  %s\n", name.c_str());
            continue;
        }
        const fs::path lists = fs::path(MILLRACE_SOURCE_DIR) / "tests/data/schema";
        fine = fits_list(optional, read_list(lists / (std::string(argv[i]) + "-optional.txt"))) &&
               fine;
    }
    return fine ? 0 : 1;
}
