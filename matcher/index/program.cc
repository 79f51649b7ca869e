#include "matcher/index/program.h"

#include <string>

namespace millrace::matcher {

namespace {

bool is_group(TokenKind kind) {
    return kind == TokenKind::kAnd || kind == TokenKind::kOr || kind == TokenKind::kNot;
}

}  // namespace

const Token* skip_subtree(const Token* program) {
    for (std::size_t open = 1; open > 0; --open) {
        const Token token = *program++;
        if (is_group(kind_of(token))) open += number_of(token);
    }
    return program;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the predicate (kFilterDepthMax).

std::size_t positive_leaves(const Token* program) {
    const TokenKind kind = kind_of(*program);
    if (kind == TokenKind::kLeaf) return 1;
    if (kind != TokenKind::kAnd && kind != TokenKind::kOr) return 0;
    std::size_t sum = 0;
    const Token* child = program + 1;
    for (std::uint32_t i = number_of(*program); i > 0; --i) {
        sum += positive_leaves(child);
        child = skip_subtree(child);
    }
    return sum;
}

core::Status encode(const Predicate& predicate, LeafStore& store,
                    const std::function<std::uint32_t(const Path&)>& slot_of,
                    HugeVector<Token>& out) {
    switch (predicate.kind) {
        case Predicate::Kind::kTrue: out.push_back(make_token(TokenKind::kTrue, 0)); return {};
        case Predicate::Kind::kFalse: out.push_back(make_token(TokenKind::kFalse, 0)); return {};
        case Predicate::Kind::kLeaf: {
            const std::uint32_t slot = slot_of(predicate.leaf.path);
            if (slot == core::kNoSlot) {
                return core::fail(
                    core::Error(core::ErrorCode::kValidation,
                                "all subscriptions together name more different paths than " +
                                    std::to_string(core::kFieldSlotsMax))
                        .bound(core::kFieldSlotsMax));
            }
            auto leaf = store.add(predicate.leaf, slot);
            if (!leaf) return core::fail(std::move(leaf.error()));
            out.push_back(make_token(TokenKind::kLeaf, *leaf));
            return {};
        }
        default: break;
    }
    const TokenKind kind = predicate.kind == Predicate::Kind::kAnd  ? TokenKind::kAnd
                           : predicate.kind == Predicate::Kind::kOr ? TokenKind::kOr
                                                                    : TokenKind::kNot;
    out.push_back(make_token(kind, static_cast<std::uint32_t>(predicate.children.size())));
    // What must hold comes before what has alternatives: it rules most of them out.
    for (const bool with_alternatives : {false, true}) {
        for (const Predicate& child : predicate.children) {
            const bool later = kind == TokenKind::kAnd && child.kind == Predicate::Kind::kOr;
            if (later != with_alternatives) continue;
            if (core::Status encoded = encode(child, store, slot_of, out); !encoded) return encoded;
        }
    }
    return {};
}

// NOLINTEND(misc-no-recursion)

}  // namespace millrace::matcher
