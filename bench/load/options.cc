#include "options.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace load {

namespace {

template <typename Number>
void read_number(std::string_view key, std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw std::invalid_argument("--" + std::string(key) + ": expected a number, found '" +
                                    std::string(text) + "'");
    }
}

void set(Options& options, std::string_view key, std::string_view value) {
    if (key == "listen") {
        options.listen = value;
    } else if (key == "dial") {
        options.dial = value;
    } else if (key == "client-cpu") {
        read_number(key, value, options.client_cpu);
    } else if (key == "server-cpu") {
        read_number(key, value, options.server_cpu);
    } else if (key == "size") {
        read_number(key, value, options.size);
    } else if (key == "count") {
        read_number(key, value, options.count);
    } else if (key == "seconds") {
        read_number(key, value, options.seconds);
    } else if (key == "warm-up") {
        read_number(key, value, options.warm_up);
    } else {
        throw std::invalid_argument("--" + std::string(key) + ": there is no such option");
    }
}

}  // namespace

Options parse(int argc, char** argv) {
    Options options;
    if (argc < 2) {
        throw std::invalid_argument("expected a mode");
    }
    options.mode = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const std::string_view key = argv[i];
        if (!key.starts_with("--") || i + 1 == argc) {
            throw std::invalid_argument(std::string(key) + ": expected '--key value'");
        }
        set(options, key.substr(2), argv[i + 1]);
    }
    if (options.listen.empty() || options.dial.empty()) {
        throw std::invalid_argument("--listen and --dial are both needed");
    }
    if (options.size == 0 || options.count == 0) {
        throw std::invalid_argument("--size and --count start at 1");
    }
    return options;
}

}  // namespace load
