#include "tools/cli/remove.h"

#include "tools/cli/json.h"

namespace millrace::tools {

int remove_document(CliContext& context, const ResourceKind& kind, const std::string& id) {
    const std::string path = std::string(kind.path) + "/" + url_escaped(id);
    if (context.call({.method = "DELETE", .path = path}) == nullptr) return kExitFailed;
    if (context.json())
        context.out() << JsonObject().text("id", id).flag("removed", true).str() << '\n';
    else
        context.out() << "removed " << printable(id) << '\n';
    return kExitOk;
}

int remove_documents(CliContext& context, const ResourceKind& kind,
                     const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
        const std::string id = resolve(context, kind, text);
        if (id.empty()) return kExitFailed;
        if (const int code = remove_document(context, kind, id); code != kExitOk) return code;
    }
    return kExitOk;
}

}  // namespace millrace::tools
