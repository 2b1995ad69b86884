// The only place that sees simdjson: error codes out, no exceptions, no ownership surprises.
#pragma once
#include <memory>
#include <new>
#include "simdjson.h"

namespace engine_json {
using namespace simdjson;

struct Index {
    std::unique_ptr<internal::dom_parser_implementation> parser;
    ondemand::parser walker;          // bare walk only
    size_t capacity = 0;
};

static inline Index *create(size_t capacity) noexcept {
    Index *self = new (std::nothrow) Index();
    if (!self) return nullptr;
    if (get_active_implementation()->create_dom_parser_implementation(capacity, 64, self->parser) != SUCCESS) {
        delete self;
        return nullptr;
    }
    self->capacity = capacity;
    return self;
}

static inline void destroy(Index *self) noexcept { delete self; }

// Stage 1 reads exactly [text, text + length): its last block is copied, so no padding is needed.
static inline int scan(Index *self, const char *text, size_t length) noexcept {
    if (length > self->capacity) {
        size_t wanted = length + length / 2;
        if (self->parser->set_capacity(wanted) != SUCCESS) return int(MEMALLOC);
        self->capacity = wanted;
    }
    int code = int(self->parser->stage1(reinterpret_cast<const uint8_t *>(text), length, stage1_mode::regular));
    if (code != SUCCESS) return code;
    // A cursor that runs past the last token meets the root's bracket again, which is never what it expects.
    uint32_t *at = self->parser->structural_indexes.get();
    uint32_t n = self->parser->n_structural_indexes;
    for (uint32_t k = 0; k < 4; ++k) at[n + k] = at[0];
    return 0;
}

static inline const uint32_t *positions(Index *self) noexcept { return self->parser->structural_indexes.get(); }
static inline uint32_t count(Index *self) noexcept { return self->parser->n_structural_indexes; }
static inline const char *message(int code) noexcept { return error_message(error_code(code)); }
static inline const char *version() noexcept { return SIMDJSON_VERSION; }

// The bare on-demand walk: every field of a document visited once, nothing kept. The floor of the benchmarks and
// the second opinion on a frame that our own walk refuses.
static inline bool walk_value(ondemand::value value, uint64_t &seen, int depth) noexcept;

static inline bool walk_object(ondemand::object object, uint64_t &seen, int depth) noexcept {
    for (auto &&item : object) {
        ondemand::field field;
        if (std::move(item).get(field)) return false;
        seen += uint8_t(*field.key().raw());
        if (!walk_value(field.value(), seen, depth)) return false;
    }
    return true;
}

static inline bool walk_array(ondemand::array array, uint64_t &seen, int depth) noexcept {
    for (auto &&item : array) {
        ondemand::value value;
        if (std::move(item).get(value)) return false;
        if (!walk_value(value, seen, depth)) return false;
    }
    return true;
}

static inline bool walk_value(ondemand::value value, uint64_t &seen, int depth) noexcept {
    ondemand::json_type type;
    if (depth > 64 || value.type().get(type)) return false;
    switch (type) {
    case ondemand::json_type::object: {
        ondemand::object object;
        return !value.get_object().get(object) && walk_object(object, seen, depth + 1);
    }
    case ondemand::json_type::array: {
        ondemand::array array;
        return !value.get_array().get(array) && walk_array(array, seen, depth + 1);
    }
    case ondemand::json_type::string: {
        ondemand::raw_json_string text;
        if (value.get_raw_json_string().get(text)) return false;
        seen += uint8_t(*text.raw());
        return true;
    }
    default: {
        std::string_view text = value.raw_json_token();
        seen += text.size();
        return true;
    }
    }
}

// text must have SIMDJSON_PADDING readable bytes after length; returns false for a broken document.
static inline bool walk(Index *self, const char *text, size_t length, size_t capacity, uint64_t *seen) noexcept {
    ondemand::document document;
    if (self->walker.iterate(padded_string_view(text, length, capacity)).get(document)) return false;
    ondemand::object object;
    if (document.get_object().get(object)) return false;
    return walk_object(object, *seen, 0);
}
}  // namespace engine_json
