#include "io/router.h"

#include "core/assert.h"

#include <utility>

namespace millrace::io {

namespace {

constexpr std::uint32_t kNoRoute = ~0u;

std::size_t index_of(Method method) { return static_cast<std::size_t>(method); }

// The next segment of a path that begins with a slash.
std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const std::size_t end = path.find('/');
    const std::string_view segment = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
    return segment;
}

// Dots as segments and coded zeros could mean another path to someone behind us.
bool is_segment(std::string_view raw, std::string& decoded) {
    return percent_decode(raw, PlusIsSpace::kNo, decoded) && decoded != "." && decoded != "..";
}
// A wildcard's segments are joined to a path again: there a coded slash must not make new ones. In
// a parameter it is a letter like any other: ids may hold it.
bool is_safe_segment(std::string_view raw, std::string& decoded) {
    return is_segment(raw, decoded) && decoded.find_first_of("/\\") == std::string::npos;
}

}  // namespace

struct Router::Node {
    Node() { routes.fill(kNoRoute); }

    std::array<std::uint32_t, kMethodCount> routes;  // kNoRoute where nothing ends here
    std::array<std::array<std::string, kRouteParamsMax>, kMethodCount> names;
    std::array<std::size_t, kMethodCount> name_counts{};
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> children;
    std::unique_ptr<Node> parameter;
    std::unique_ptr<Node> wildcard;

    bool ends() const {
        for (const std::uint32_t route : routes) {
            if (route != kNoRoute) return true;
        }
        return false;
    }
    std::uint32_t route_of(Method method) const {
        const std::uint32_t route = routes[index_of(method)];
        return route == kNoRoute && method == Method::kHead ? routes[index_of(Method::kGet)]
                                                            : route;
    }
    std::string allow() const {
        std::string text;
        for (std::size_t i = 0; i < kMethodCount; ++i) {
            if (route_of(static_cast<Method>(i)) == kNoRoute || i == index_of(Method::kOptions))
                continue;
            text += method_text(static_cast<Method>(i));
            text += ", ";
        }
        return text + "OPTIONS";
    }

    Node& child(std::string_view segment) {
        for (auto& [name, node] : children) {
            if (name == segment) return *node;
        }
        children.emplace_back(std::string(segment), std::make_unique<Node>());
        return *children.back().second;
    }

    // Static before parameter before wildcard, with a way back: a path is looked for in every
    // branch that could hold it. Depth is bounded by the longest pattern.
    // NOLINTNEXTLINE(misc-no-recursion): one level a segment of the longest pattern
    const Node* find(std::string_view path, Method method, RouteMatch& out,
                     const Node*& other_method) const {
        if (path.empty()) {
            if (!ends()) return nullptr;
            if (route_of(method) != kNoRoute) return this;
            if (!other_method) other_method = this;
            return nullptr;
        }
        std::string_view rest = path;
        const std::string_view segment = take_segment(rest);
        for (const auto& [name, node] : children) {
            if (name != segment) continue;
            if (const Node* found = node->find(rest, method, out, other_method)) return found;
        }
        if (parameter && !segment.empty() && out.param_count < kRouteParamsMax) {
            if (!is_segment(segment, out.param_values[out.param_count])) {
                out.outcome = RouteOutcome::kBadPath;
                return nullptr;
            }
            ++out.param_count;
            if (const Node* found = parameter->find(rest, method, out, other_method)) return found;
            --out.param_count;
        }
        return wildcard && out.param_count < kRouteParamsMax
                   ? find_wild(path, method, out, other_method)
                   : nullptr;
    }

    const Node* find_wild(std::string_view path, Method method, RouteMatch& out,
                          const Node*& other_method) const {
        std::string& value = out.param_values[out.param_count];
        std::string decoded;
        value.clear();
        while (!path.empty()) {
            if (!is_safe_segment(take_segment(path), decoded)) {
                out.outcome = RouteOutcome::kBadPath;
                return nullptr;
            }
            if (!value.empty()) value.push_back('/');
            value += decoded;
        }
        if (wildcard->route_of(method) == kNoRoute) {
            if (!other_method) other_method = wildcard.get();
            return nullptr;
        }
        ++out.param_count;
        return wildcard.get();
    }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

std::string_view RouteMatch::param(std::string_view name) const {
    for (std::size_t i = 0; i < param_count; ++i) {
        if (param_names[i] == name) return param_values[i];
    }
    return {};
}

void Router::add(Method method, std::string_view pattern, std::uint32_t route) {
    MR_ASSERT(!pattern.empty() && pattern.front() == '/' && route != kNoRoute);
    std::array<std::string, kRouteParamsMax> names;
    std::size_t count = 0;
    Node* node = root_.get();
    std::string_view rest = pattern;
    while (!rest.empty()) {
        const std::string_view segment = take_segment(rest);
        if (segment == "*") {
            MR_ASSERT(rest.empty() && count < kRouteParamsMax);
            names[count++] = "*";
            if (!node->wildcard) node->wildcard = std::make_unique<Node>();
            node = node->wildcard.get();
        } else if (segment.size() > 2 && segment.front() == '{' && segment.back() == '}') {
            MR_ASSERT(count < kRouteParamsMax);
            names[count++] = segment.substr(1, segment.size() - 2);
            if (!node->parameter) node->parameter = std::make_unique<Node>();
            node = node->parameter.get();
        } else {
            node = &node->child(segment);
        }
    }
    MR_ASSERT(node->routes[index_of(method)] == kNoRoute);
    node->routes[index_of(method)] = route;
    node->names[index_of(method)] = std::move(names);
    node->name_counts[index_of(method)] = count;
}

RouteOutcome Router::match(Method method, std::string_view path, RouteMatch& out) const {
    out.outcome = RouteOutcome::kNotFound;
    out.param_count = 0;
    out.allow.clear();
    if (path.empty() || path.front() != '/') return out.outcome;
    const Node* other_method = nullptr;
    const Node* found = root_->find(path, method, out, other_method);
    if (found) {
        std::size_t by = index_of(method);
        if (found->routes[by] == kNoRoute) by = index_of(Method::kGet);
        out.route = found->routes[by];
        for (std::size_t i = 0; i < found->name_counts[by]; ++i)
            out.param_names[i] = found->names[by][i];
        return out.outcome = RouteOutcome::kFound;
    }
    out.param_count = 0;
    if (out.outcome == RouteOutcome::kBadPath || !other_method) return out.outcome;
    out.allow = other_method->allow();
    return out.outcome = RouteOutcome::kMethodNotAllowed;
}

}  // namespace millrace::io
