#include "runtime/graphql/result_writer.h"

#include <utility>

namespace millrace::runtime::graphql {
namespace {

class ResultWriter {
public:
    ResultWriter(const ResultContext& context, std::string& out)
        : context_(context), out_(out), json_(out) {}

    bool value(const PlannedField& field, std::string_view type, const core::JsonElement& from,
               bool outermost) {
        if (from.is_null()) return raw("null");
        if (is_list(type)) {
            core::JsonArray items;
            if (!from.get(items)) return raw("null");
            json_.begin_array();
            for (const core::JsonElement item : items) {
                if (!value(field, item_type(type), item, false)) return false;
            }
            json_.end_array();
            return true;
        }
        if (schema_type(nullable(type))->kind == SchemaKind::kObject)
            return object(field, from, outermost);
        return scalar(nullable(type), from);
    }

private:
    bool raw(std::string_view text) {
        json_.raw(text);
        return out_.size() <= context_.bytes_max;
    }

    bool object(const PlannedField& of, const core::JsonElement& from, bool outermost) {
        if (!from.is_object()) return raw("null");
        json_.begin_object();
        for (const PlannedField& field : of.fields) {
            json_.key(field.key);
            if (!member(field, from, outermost)) return false;
        }
        json_.end_object();
        return out_.size() <= context_.bytes_max;
    }

    bool member(const PlannedField& field, const core::JsonElement& from, bool outermost) {
        const std::string_view name = field.field->name;
        if (name == "__typename") {
            json_.value(field.parent);
            return true;
        }
        if (name == "position") {
            write_position(field.parent, from, outermost);
            return true;
        }
        if (name == "envelope") return raw(from.raw());
        core::JsonElement found;
        if (!from.find(name, found)) return raw("null");
        return value(field, field.field->type, found, false);
    }

    void write_position(std::string_view type, const core::JsonElement& from, bool outermost) {
        std::string position;
        if (outermost && !context_.position.empty())
            position = context_.position;
        else if (type == "Event" && context_.position_of)
            position = position_behind(from);
        if (position.empty())
            json_.value(nullptr);
        else
            json_.value(position);
    }

    // Working it out reads the log: once for an event, under however many names it is asked for.
    const std::string& position_behind(const core::JsonElement& event) {
        if (std::exchange(behind_of_, event.raw().data()) != event.raw().data())
            behind_ = context_.position_of(event);
        return behind_;
    }

    // What the sender wrote may be of another kind than the schema says.
    bool scalar(std::string_view type, const core::JsonElement& from) {
        std::string_view text;
        bool truth = false;
        if (type == "JSON") return raw(from.raw());
        if (type == "Int" || type == "Long" || type == "Float")
            return raw(from.is_number() ? from.raw() : "null");
        if (type == "Boolean") return raw(from.get(truth) ? from.raw() : "null");
        json_.value(from.get(text) ? text : from.raw());
        return out_.size() <= context_.bytes_max;
    }

    const ResultContext& context_;
    std::string& out_;
    core::JsonWriter json_;
    const char* behind_of_ = nullptr;  // the event whose position is `behind_`
    std::string behind_;
};

}  // namespace

bool write_result(const PlannedField& field, const core::JsonElement& value,
                  const ResultContext& context, std::string& out) {
    return ResultWriter(context, out).value(field, field.field->type, value, true);
}

}  // namespace millrace::runtime::graphql
