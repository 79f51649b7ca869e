// Goal: no schema and no value, whatever they are, do more than their limits allow; whether a value
// fits is the same with and without words, and the quick check lets nothing else pass.
#include "runtime/schema/compiler.h"
#include "runtime/schema/quick_check.h"
#include "runtime/schema/validator.h"
#include "tests/runtime/schema/placed_value.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace millrace;

// The first line is the schema, the second the value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\n');
    const auto program = runtime::schema::compile_schema(text.substr(0, end));
    if (!program || end == std::string_view::npos) return 0;
    core::JsonDom dom;
    const auto value = dom.parse(text.substr(end + 1));
    if (!value) return 0;
    const auto failures = runtime::schema::validate(**program, *value);
    if (failures.empty() != runtime::schema::fits(**program, *value)) std::abort();
    if (failures.size() > runtime::schema::kFailuresMax) std::abort();
    const runtime::schema::PlacedValue placed(value->raw());
    const runtime::schema::QuickProgram quick(**program);
    if (runtime::schema::fits_quickly(quick, placed.place()) && !failures.empty()) std::abort();
    return 0;
}
