// Times of one kind, and the percentiles of them that are printed.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace load {

class Latencies {
  public:
    void add(double seconds) { microseconds_.push_back(seconds * 1e6); }

    // `"p50":1.2,"p99":...` in microseconds, each name with the prefix.
    std::string json(const std::string& prefix = "") {
        std::sort(microseconds_.begin(), microseconds_.end());
        char text[256];
        std::snprintf(text, sizeof text,
                      "\"%ssamples\":%zu,\"%sp50\":%.2f,\"%sp99\":%.2f,\"%sp999\":%.2f",
                      prefix.c_str(), microseconds_.size(), prefix.c_str(), quantile(0.5),
                      prefix.c_str(), quantile(0.99), prefix.c_str(), quantile(0.999));
        return text;
    }

  private:
    double quantile(double share) const {
        if (microseconds_.empty()) {
            return 0;
        }
        const double index = share * static_cast<double>(microseconds_.size() - 1);
        return microseconds_[static_cast<std::size_t>(index)];
    }
    std::vector<double> microseconds_;
};

}  // namespace load
