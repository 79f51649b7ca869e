#include "tools/cli/remove.h"

#include "tools/cli/confirm.h"
#include "tools/cli/json.h"

#include <memory>

namespace millrace::tools {

namespace {

int remove_document(CliContext& context, const ResourceKind& kind, const std::string& id) {
    const std::string path = std::string(kind.path) + "/" + url_escaped(id);
    const auto reply = context.call({.method = "DELETE", .path = path});
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.out() << JsonObject().text("id", id).flag("removed", true).str() << '\n';
        return kExitOk;
    }
    context.out() << "removed " << printable(id);
    // What still waited for a handler is told, and what became of it.
    for (const char* member : {"deadLettered", "discarded"}) {
        if (const std::int64_t count = number_at(reply->root, member); count > 0)
            context.out() << "  " << count << ' ' << member;
    }
    context.out() << '\n';
    return kExitOk;
}

}  // namespace

int remove_documents(CliContext& context, const ResourceKind& kind,
                     const std::vector<std::string>& texts, bool yes) {
    std::vector<std::string> ids;
    std::string listed;
    for (const std::string& text : texts) {
        ids.push_back(resolve(context, kind, text));
        if (ids.back().empty()) return kExitFailed;
        listed += (listed.empty() ? " " : ", ") + text;
        if (text != ids.back()) listed += " (" + ids.back() + ")";
    }
    if (context.asks() && !yes) {
        const std::string what =
            "remove the " + std::string(kind.noun) + (ids.size() > 1 ? "s" : "") + listed;
        if (const int code = confirm(context, what, yes, Unasked::kGoesOn); code != kExitOk)
            return code;
    }
    for (const std::string& id : ids) {
        if (const int code = remove_document(context, kind, id); code != kExitOk) return code;
    }
    return kExitOk;
}

void add_remove(CLI::App& noun, CliContext& context, const ResourceKind& kind, const char* what) {
    auto texts = std::make_shared<std::vector<std::string>>();
    auto yes = std::make_shared<bool>(false);
    CLI::App* verb = noun.add_subcommand("remove", what);
    verb->add_option("id", *texts, "ids, names or the beginnings of ids")->required();
    add_yes(*verb, *yes);
    verb->callback([&context, kind, texts, yes] {
        context.action = [&context, kind, texts, yes] {
            return remove_documents(context, kind, *texts, *yes);
        };
    });
}

}  // namespace millrace::tools
