// The same file with simdjson: its tree, and on demand with every key and value looked at. Neither refuses duplicate keys.
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

using namespace simdjson;

static double cpu_seconds() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static size_t look_at(ondemand::value value) {
    switch (value.type()) {
    case ondemand::json_type::object: {
        size_t sum = 0;
        for (auto field : value.get_object()) {
            std::string_view key = field.unescaped_key();
            sum += key.size() + look_at(field.value());
        }
        return sum;
    }
    case ondemand::json_type::array: {
        size_t sum = 0;
        for (auto element : value.get_array()) sum += look_at(element.value());
        return sum;
    }
    case ondemand::json_type::string: return std::string_view(value.get_string()).size();
    default: return value.raw_json_token().size();
    }
}

template <class Body> static double fastest(const padded_string &text, Body body) {
    double best = 1e9;
    for (int round = 0; round < 7; round++) {
        double begin = cpu_seconds();
        for (size_t start = 0; start < text.size();) {
            auto *end = static_cast<const char *>(memchr(text.data() + start, '\n', text.size() - start));
            if (end == nullptr) break;
            body(text.data() + start, end - text.data() - start, text.size() - start + SIMDJSON_PADDING);
            start = end - text.data() + 1;
        }
        best = std::min(best, cpu_seconds() - begin);
    }
    return text.size() / best / 1e6;
}

int main(int, char **arguments) {
    padded_string text = padded_string::load(arguments[1]).value();
    size_t seen = 0;
    dom::parser tree;
    double whole = fastest(text, [&](const char *record, size_t length, size_t) {
        dom::element element;
        if (tree.parse(record, length, false).get(element)) abort();
        seen++;
    });
    ondemand::parser parser;
    double each = fastest(text, [&](const char *record, size_t length, size_t capacity) {
        auto document = parser.iterate(record, length, capacity).value();
        for (auto field : document.get_object()) {
            std::string_view key = field.unescaped_key();
            seen += key.size() + look_at(field.value());
        }
    });
    printf("simdjson, tree        %.0f MB/s\nsimdjson, on demand   %.0f MB/s (%zu)\n", whole, each, seen);
}
