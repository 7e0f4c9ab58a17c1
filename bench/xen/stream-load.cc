// A server and a client for any byte stream, in two domains: `stream-load serve ADDRESS`, and as
// client `stream-load throughput ADDRESS WRITE_SIZE BYTES` (prints MiB a second), `roundtrip
// ADDRESS SIZE COUNT` (mean microseconds), `connect ADDRESS COUNT` (connections with a question and
// an answer, a second). ADDRESS is unix:PATH or tcp:IPV4:PORT. Nothing relies on half-closing,
// which not every route can carry.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// What the client sends first: of `total` bytes, each `chunk` is answered with as many, or with one
// byte in the end.
struct Request {
    std::uint64_t total;
    std::uint32_t chunk;
    std::uint32_t echo;
};

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

class Socket {
  public:
    explicit Socket(int fd) : fd_(fd) {
        if (fd < 0) {
            fail("socket");
        }
    }
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&&) = delete;
    ~Socket() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int fd() const { return fd_; }

    void write_all(const void* data, std::size_t length) const {
        for (const char* at = static_cast<const char*>(data); length > 0;) {
            const ssize_t count = ::send(fd_, at, length, MSG_NOSIGNAL);
            if (count <= 0) {
                fail("send");
            }
            at += count;
            length -= static_cast<std::size_t>(count);
        }
    }
    // False: the other end has closed before the first byte.
    bool read_all(void* data, std::size_t length) const {
        for (std::size_t done = 0; done < length;) {
            const ssize_t count = ::recv(fd_, static_cast<char*>(data) + done, length - done, 0);
            if (count == 0 && done == 0) {
                return false;
            }
            if (count <= 0) {
                errno = count == 0 ? ECONNRESET : errno;
                fail("recv");
            }
            done += static_cast<std::size_t>(count);
        }
        return true;
    }

  private:
    int fd_;
};

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    explicit Address(const std::string& text) {
        if (text.starts_with("unix:")) {
            auto& un = reinterpret_cast<sockaddr_un&>(storage);
            un.sun_family = AF_UNIX;
            std::strncpy(un.sun_path, text.c_str() + 5, sizeof un.sun_path - 1);
            length = sizeof un;
            return;
        }
        const std::size_t colon = text.rfind(':');
        auto& in = reinterpret_cast<sockaddr_in&>(storage);
        in.sin_family = AF_INET;
        in.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
        if (!text.starts_with("tcp:") ||
            ::inet_pton(AF_INET, text.substr(4, colon - 4).c_str(), &in.sin_addr) != 1) {
            throw std::invalid_argument("no address: " + text);
        }
        length = sizeof in;
    }
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] Socket open() const {
        Socket socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        if (storage.ss_family == AF_INET) {
            ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        }
        ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        return socket;
    }
    [[nodiscard]] Socket connect() const {
        Socket socket = open();
        if (::connect(socket.fd(), get(), length) != 0) {
            fail("connect");
        }
        return socket;
    }
};

void answer(const Socket& socket) {
    std::vector<char> buffer(1 << 20);
    Request request{};
    while (socket.read_all(&request, sizeof request)) {
        for (std::uint64_t done = 0; done < request.total;) {
            const std::size_t length = request.echo != 0
                                           ? request.chunk
                                           : std::min<std::uint64_t>(65536, request.total - done);
            socket.read_all(buffer.data(), length);
            if (request.echo != 0) {
                socket.write_all(buffer.data(), length);
            }
            done += length;
        }
        if (request.echo == 0) {
            socket.write_all("!", 1);
        }
    }
}

int serve(const Address& address) {
    const Socket listener = address.open();
    if (::bind(listener.fd(), address.get(), address.length) != 0 ||
        ::listen(listener.fd(), 128) != 0) {
        fail("listen");
    }
    for (;;) {
        std::thread([socket = Socket(::accept(listener.fd(), nullptr, nullptr))] {
            try {
                answer(socket);
            } catch (const std::system_error& error) {
                std::fprintf(stderr, "a client broke off: %s\n", error.what());
            }
        }).detach();
    }
}

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

void throughput(const Address& address, std::size_t size, std::uint64_t bytes) {
    const Socket socket = address.connect();
    const std::vector<char> data(size, 'x');
    const auto begin = Clock::now();
    const Request request{bytes / size * size, 0, 0};
    socket.write_all(&request, sizeof request);
    for (std::uint64_t done = 0; done < request.total; done += size) {
        socket.write_all(data.data(), size);
    }
    char byte = 0;
    socket.read_all(&byte, 1);
    std::printf("%.3f\n", static_cast<double>(request.total) / (1 << 20) / seconds_since(begin));
}

void round_trip(const Address& address, std::uint32_t size, std::uint32_t count) {
    const Socket socket = address.connect();
    std::vector<char> data(size, 'x');
    const Request request{std::uint64_t{size} * count, size, 1};
    socket.write_all(&request, sizeof request);
    std::vector<double> times;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto begin = Clock::now();
        socket.write_all(data.data(), size);
        socket.read_all(data.data(), size);
        times.push_back(seconds_since(begin) * 1e6);
    }
    // The clock of a domain may stand still for a while: the mean, not the median, is what adds up.
    double sum = 0;
    for (const double time : times) {
        sum += time;
    }
    std::printf("%.1f\n", sum / count);
}

void connections(const Address& address, std::uint32_t count) {
    const auto begin = Clock::now();
    for (std::uint32_t i = 0; i < count; ++i) {
        const Socket socket = address.connect();
        const Request request{1, 1, 1};
        char byte = 'x';
        socket.write_all(&request, sizeof request);
        socket.write_all(&byte, 1);
        socket.read_all(&byte, 1);
    }
    std::printf("%.2f\n", count / seconds_since(begin));
}

int run(const std::vector<std::string>& words) {
    if (words.size() == 2 && words[0] == "serve") {
        return serve(Address(words[1]));
    }
    if (words.size() == 4 && words[0] == "throughput") {
        throughput(Address(words[1]), std::stoul(words[2]), std::stoull(words[3]));
    } else if (words.size() == 4 && words[0] == "roundtrip") {
        round_trip(Address(words[1]), static_cast<std::uint32_t>(std::stoul(words[2])),
                   static_cast<std::uint32_t>(std::stoul(words[3])));
    } else if (words.size() == 3 && words[0] == "connect") {
        connections(Address(words[1]), static_cast<std::uint32_t>(std::stoul(words[2])));
    } else {
        throw std::invalid_argument("usage: see the head of stream-load.cc");
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "stream-load: %s\n", error.what());
        return 1;
    }
}
