// Question: what does reading cost once there is much: start, lookup, search, filter, scan, replay
// through match and Lua, deduplication, retries that wait?
// Unit: events of about 345 bytes in a folder that is filled first and may be used again.
// Budget: issue of the store: start <= 1 s with 10 GB, lookup p99 <= 200 us, search of 10 M <= 50
// ms, scan >= 10 M/s, filter >= 2 M/s, match + Lua >= 1.5 M/s, each on one core.
// Command: build/release/bench/store_volume_bench FOLDER fill EVENTS [PADDING_BYTES]
//          (fill_unnamed: ids made by the server)
//          build/release/bench/store_volume_bench FOLDER start|lookup|search|filter|scan|replay|
//              dedup|retries ...
#include "bench/volume.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

int main(int argc, char** argv) {
    using namespace millrace::bench;
    std::vector<std::string> arguments(argv + 1, argv + argc);
    std::string own_folder;
    if (arguments.empty()) {
        // The smallest run of everything: shows that it still works.
        std::string pattern = (std::filesystem::current_path() / "store-volume-XXXXXX").string();
        own_folder = ::mkdtemp(pattern.data());
        arguments = {own_folder + "/data",
                     "fill",
                     "20000",
                     "start",
                     "lookup",
                     "search",
                     "filter",
                     "scan",
                     "replay",
                     "dedup",
                     "retries"};
    }
    int code = 0;
    for (std::size_t i = 1; i < arguments.size() && code == 0; ++i) {
        const std::string& phase = arguments[i];
        const auto number = [&](std::uint64_t otherwise) {
            if (i + 1 >= arguments.size() || arguments[i + 1].find_first_not_of("0123456789") == 0)
                return otherwise;
            return static_cast<std::uint64_t>(std::stoull(arguments[++i]));
        };
        if (phase == "fill" || phase == "fill_unnamed") {
            const std::uint64_t events = number(20'000);
            code = fill(arguments[0], events, number(0),
                        phase == "fill" ? Ids::kOfClient : Ids::kOfServer);
        } else if (!run_phase(arguments[0], phase, code)) {
            std::fprintf(stderr, "no phase '%s'\n", phase.c_str());
            code = 2;
        }
    }
    if (!own_folder.empty()) std::filesystem::remove_all(own_folder);
    return code;
}
