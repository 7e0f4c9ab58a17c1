// A temporary directory, removed with its contents. Its path is short: sun_path holds 107 bytes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

struct TempDir {
    TempDir() {
        char name[] = "/tmp/xspXXXXXX";
        path = ::mkdtemp(name);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::string path;
};
