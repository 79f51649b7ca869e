#include "tools/cli/show.h"

#include <memory>

namespace millrace::tools {

namespace {

int show_document(CliContext& context, const ResourceKind& kind, const std::string& text) {
    const std::string id = resolve(context, kind, text);
    if (id.empty()) return kExitFailed;
    const auto reply = context.get(std::string(kind.path) + "/" + url_escaped(id));
    if (reply == nullptr) return kExitFailed;
    context.print_pretty(*reply);
    return kExitOk;
}

}  // namespace

void add_show(CLI::App& noun, CliContext& context, const ResourceKind& kind, const char* what) {
    auto text = std::make_shared<std::string>();
    CLI::App* verb = noun.add_subcommand("show", what);
    verb->add_option("id", *text, "id, name or the beginning of an id")->required();
    verb->callback([&context, kind, text] {
        context.action = [&context, kind, text] { return show_document(context, kind, *text); };
    });
}

}  // namespace millrace::tools
