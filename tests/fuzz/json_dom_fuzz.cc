// Fuzzes JsonDom against the event parser's validator: at the same depth they take the same texts,
// and what was read prints to a text that reads as the same.
#include "core/assert.h"
#include "core/json_dom.h"
#include "core/json_reader.h"
#include "core/json_validate.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace millrace::core;
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    JsonDom dom;
    JsonDom::Options options;
    options.duplicates = DuplicateKeys::kRefuse;
    options.depth_max = kJsonDepthMax;
    const auto root = dom.parse(text, options);
    MR_ASSERT(root.has_value() == json_validate(text).has_value());
    if (!root) return 0;
    std::string printed;
    append_json(printed, *root);
    JsonDom again;
    const auto same = again.parse(printed, options);
    MR_ASSERT(same.has_value());
    std::string twice;
    append_json(twice, *same);
    MR_ASSERT(twice == printed);
    if (!root->is_object()) return 0;
    const auto merged = json_merge_patch(printed, "{}");
    MR_ASSERT(merged.has_value() && *merged == printed);
    return 0;
}
