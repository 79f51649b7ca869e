#include "runtime/graphql/introspection.h"

#include "core/json_writer.h"

namespace millrace::runtime::graphql {
namespace {

std::string_view kind_of(std::string_view type) {
    if (is_non_null(type)) return "NON_NULL";
    if (is_list(type)) return "LIST";
    switch (schema_type(type)->kind) {
        case SchemaKind::kScalar: return "SCALAR";
        case SchemaKind::kObject: return "OBJECT";
        case SchemaKind::kEnum: break;
    }
    return "ENUM";
}

// Each function writes one object; a member that the thing does not have is null.
class SchemaWriter {
public:
    explicit SchemaWriter(std::string& out) : out_(out), begin_(out.size()), json_(out) {}

    void schema(const PlannedField& of) {
        members(of, [&](const PlannedField& field, std::string_view name) {
            if (name == "types") {
                list(schema_types(), [&](const SchemaType& one) { type(field, one.name); });
            } else if (name == "queryType") {
                type(field, kQueryType);
            } else if (name == "subscriptionType") {
                type(field, kSubscriptionType);
            } else if (name == "directives") {
                list(schema_directives(),
                     [&](const SchemaDirective& one) { directive(field, one); });
            } else {
                json_.value(nullptr);
            }
        });
    }

    // A type as it is named: "[Event!]!".
    void type(const PlannedField& of, std::string_view type_text) {
        const bool wraps = is_non_null(type_text) || is_list(type_text);
        const SchemaType* const known = wraps ? nullptr : schema_type(type_text);
        if (!wraps && !known) {
            json_.value(nullptr);
            return;
        }
        members(of, [&](const PlannedField& field, std::string_view name) {
            if (name == "kind") {
                json_.value(kind_of(type_text));
            } else if (wraps) {
                if (name == "ofType")
                    type(field,
                         is_non_null(type_text) ? nullable(type_text) : item_type(type_text));
                else
                    json_.value(nullptr);
            } else {
                type_member(field, name, *known);
            }
        });
    }

private:
    // With `write(field, name)` for each that is no __typename.
    template <typename Write>
    void members(const PlannedField& of, Write&& write) {
        json_.begin_object();
        for (const PlannedField& field : of.fields) {
            if (is_full()) break;
            json_.key(field.key);
            if (field.field->name == "__typename")
                json_.value(field.parent);
            else
                write(field, field.field->name);
        }
        json_.end_object();
    }
    template <typename Rows, typename Write>
    void list(const Rows& rows, Write&& write) {
        json_.begin_array();
        for (const auto& row : rows) {
            if (is_full()) break;
            write(row);
        }
        json_.end_array();
    }
    bool is_full() const { return out_.size() - begin_ > kIntrospectionBytesMax; }
    void text_or_null(std::string_view text) {
        if (text.empty())
            json_.value(nullptr);
        else
            json_.value(text);
    }

    void type_member(const PlannedField& field, std::string_view name, const SchemaType& of) {
        if (name == "name") {
            json_.value(of.name);
        } else if (name == "description") {
            text_or_null(of.doc);
        } else if (name == "fields" && of.kind == SchemaKind::kObject) {
            list(of.fields, [&](const SchemaField& one) { field_of(field, one); });
        } else if (name == "interfaces" && of.kind == SchemaKind::kObject) {
            json_.raw("[]");
        } else if (name == "enumValues" && of.kind == SchemaKind::kEnum) {
            list(of.values, [&](const SchemaValue& one) {
                members(field, [&](const PlannedField&, std::string_view member) {
                    common(member, one.name, one.doc);
                });
            });
        } else {
            json_.value(nullptr);
        }
    }

    void field_of(const PlannedField& of, const SchemaField& row) {
        members(of, [&](const PlannedField& field, std::string_view name) {
            if (name == "args")
                list(row.arguments, [&](const SchemaArgument& one) { argument(field, one); });
            else if (name == "type")
                type(field, row.type);
            else
                common(name, row.name, row.doc);
        });
    }

    void argument(const PlannedField& of, const SchemaArgument& row) {
        members(of, [&](const PlannedField& field, std::string_view name) {
            if (name == "type")
                type(field, row.type);
            else if (name == "defaultValue")
                text_or_null(row.absent);
            else
                common(name, row.name, row.doc);
        });
    }

    void directive(const PlannedField& of, const SchemaDirective& row) {
        members(of, [&](const PlannedField& field, std::string_view name) {
            if (name == "args")
                list(row.arguments, [&](const SchemaArgument& one) { argument(field, one); });
            else if (name == "locations")
                list(row.locations, [&](std::string_view one) { json_.value(one); });
            else
                common(name, row.name, row.doc);
        });
    }

    void common(std::string_view member, std::string_view name, std::string_view doc) {
        if (member == "name")
            json_.value(name);
        else if (member == "description")
            text_or_null(doc);
        else if (member.starts_with("is"))
            json_.value(false);  // nothing is deprecated, no directive repeatable
        else
            json_.value(nullptr);
    }

    std::string& out_;
    const std::size_t begin_;  // what stands before it is of other fields
    core::JsonWriter json_;
};

}  // namespace

bool is_introspection(const PlannedField& field) {
    return field.field->name == "__schema" || field.field->name == "__type";
}

bool write_introspection(const PlannedField& field, std::string& out) {
    const std::size_t before = out.size();
    SchemaWriter writer(out);
    if (field.field->name == "__schema")
        writer.schema(field);
    else
        writer.type(field, schema_type(field.argument("name")) ? field.argument("name") : "");
    return out.size() - before <= kIntrospectionBytesMax;
}

}  // namespace millrace::runtime::graphql
