#include "tools/cli/confirm.h"

#include "tools/cli/json.h"

#include <iostream>

namespace millrace::tools {

int confirm(CliContext& context, std::string_view what, bool yes, Unasked unasked) {
    const std::string text = printable(what);
    if (yes) {
        context.note("going to " + text);
        return kExitOk;
    }
    if (!context.asks()) {
        if (unasked == Unasked::kNeedsYes)
            return context.usage("this would " + std::string(what) + "; say --yes to do it");
        context.note("going to " + text);
        return kExitOk;
    }
    context.err() << "This will " << text << ". Go on? [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "Y" || answer == "yes") return kExitOk;
    context.err() << "nothing was done\n";
    return kExitFailed;
}

void add_yes(CLI::App& verb, bool& yes) { verb.add_flag("-y,--yes", yes, "do not ask"); }

bool count_selected(CliContext& context, const Query& selection, std::int64_t& count) {
    std::string cursor;
    count = 0;
    do {
        Query page = selection;
        page.add("count", "1").add("cursor", cursor);
        const auto reply = context.get("/v2/events" + page.str());
        if (reply == nullptr) return false;
        count += number_at(reply->root, "count");
        cursor = text_at(reply->root, "next");
    } while (!cursor.empty());
    return true;
}

}  // namespace millrace::tools
