// What copying alone costs, without a switch between programs or a wake-up: one thread writes
// pieces into sockets, carries them through a ring of 1 MiB as two daemons do, and reads them at
// the other end. No bridge of unmodified programs can carry more on one CPU, however it is
// scheduled.
//
// usage: floor [PIECE_BYTES]...
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <system_error>
#include <vector>

#if __has_include(<liburing.h>)
#include <liburing.h>
#define FLOOR_HAS_IO_URING 1
#endif

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kRing = std::size_t{1} << 20;
constexpr std::chrono::duration<double> kTime{0.3};
constexpr int kRepetitions = 5;

template <typename Result>
Result checked(Result result, const char* call) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), call);
    }
    return result;
}

using Pair = std::array<int, 2>;

Pair socket_pair() {
    Pair fds{};
    checked(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), "socketpair");
    return fds;
}

// The streams' sockets at both ends, and the ring between them.
struct Path {
    Path(std::size_t streams, std::size_t piece_bytes) : piece(piece_bytes) {
        for (std::size_t i = 0; i < streams; ++i) {
            front.push_back(socket_pair());
            back.push_back(socket_pair());
        }
        const int memory = checked(::memfd_create("ring", 0), "memfd_create");
        checked(::ftruncate(memory, kRing), "ftruncate");
        void* const mapped =
            ::mmap(nullptr, kRing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
        checked(mapped == MAP_FAILED ? -1 : 0, "mmap");
        ring = static_cast<char*>(mapped);
        ::close(memory);
    }
    Path(const Path&) = delete;
    Path& operator=(const Path&) = delete;
    ~Path() {
        for (const auto* pairs : {&front, &back}) {
            for (const Pair& pair : *pairs) {
                ::close(pair[0]);
                ::close(pair[1]);
            }
        }
        ::munmap(ring, kRing);
    }
    [[nodiscard]] char* place(std::size_t stream) const {
        return ring + (offset + stream * piece) % kRing;
    }

    std::size_t piece;
    std::vector<Pair> front;
    std::vector<Pair> back;
    char* ring = nullptr;
    std::size_t offset = 0;
};

void receive_all(int fd, char* to, std::size_t bytes) {
    while (bytes > 0) {
        const auto got = static_cast<std::size_t>(checked(::recv(fd, to, bytes, 0), "recv"));
        to += got;
        bytes -= got;
    }
}

void send_all(int fd, const char* from, std::size_t bytes) {
    while (bytes > 0) {
        const auto sent = static_cast<std::size_t>(checked(::send(fd, from, bytes, 0), "send"));
        from += sent;
        bytes -= sent;
    }
}

// How the pieces get from the front to the back; `direct` leaves them where they are.
class Carrier {
  public:
    virtual ~Carrier() = default;
    virtual void carry(const Path& path) = 0;
    [[nodiscard]] virtual bool direct() const { return false; }
};

class Direct final : public Carrier {
    void carry(const Path&) override {}
    [[nodiscard]] bool direct() const override { return true; }
};

class Copies final : public Carrier {
    void carry(const Path& path) override {
        for (std::size_t i = 0; i < path.front.size(); ++i) {
            receive_all(path.front[i][1], path.place(i), path.piece);
        }
        for (std::size_t i = 0; i < path.back.size(); ++i) {
            send_all(path.back[i][0], path.place(i), path.piece);
        }
    }
};

// The ring's pages go into the delivering socket, as vmsplice and splice do it: three copies. A
// program that splices them on keeps them, and sees what other streams write there later.
class Pages final : public Carrier {
  public:
    Pages() {
        checked(::pipe(pipe_.data()), "pipe");
        checked(::fcntl(pipe_[1], F_SETPIPE_SZ, kRing), "F_SETPIPE_SZ");
    }

  private:
    void carry(const Path& path) override {
        for (std::size_t i = 0; i < path.front.size(); ++i) {
            receive_all(path.front[i][1], path.place(i), path.piece);
        }
        for (std::size_t i = 0; i < path.back.size(); ++i) {
            const iovec part{path.place(i), path.piece};
            checked(::vmsplice(pipe_[1], &part, 1, 0), "vmsplice");
            for (std::size_t left = path.piece; left > 0;) {
                left -= static_cast<std::size_t>(checked(
                    ::splice(pipe_[0], nullptr, path.back[i][0], nullptr, left, 0), "splice"));
            }
        }
    }
    Pair pipe_{};
};

#ifdef FLOOR_HAS_IO_URING
// All pieces of a turn in two system calls.
class Uring final : public Carrier {
  public:
    Uring() {
        errno = -::io_uring_queue_init(256, &uring_,
                                       IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
        checked(errno == 0 ? 0 : -1, "io_uring_queue_init");
    }

  private:
    void carry(const Path& path) override {
        for (std::size_t i = 0; i < path.front.size(); ++i) {
            ::io_uring_prep_recv(::io_uring_get_sqe(&uring_), path.front[i][1], path.place(i),
                                 path.piece, MSG_WAITALL);
        }
        complete(path.front.size());
        for (std::size_t i = 0; i < path.back.size(); ++i) {
            ::io_uring_prep_send(::io_uring_get_sqe(&uring_), path.back[i][0], path.place(i),
                                 path.piece, MSG_WAITALL);
        }
        complete(path.back.size());
    }
    void complete(std::size_t count) {
        checked(::io_uring_submit_and_wait(&uring_, static_cast<unsigned>(count)), "io_uring");
        ::io_uring_cq_advance(&uring_, static_cast<unsigned>(count));
    }
    io_uring uring_{};
};
#endif

// MiB a second.
double rate(Carrier& carrier, std::size_t streams, std::size_t piece) {
    Path path(streams, piece);
    std::vector<char> source(piece, 'x');
    std::vector<char> target(piece);
    const auto& ends = carrier.direct() ? path.front : path.back;
    std::size_t bytes = 0;
    const auto begin = Clock::now();
    std::chrono::duration<double> time{};
    while ((time = Clock::now() - begin) < kTime) {
        for (const Pair& pair : path.front) {
            send_all(pair[0], source.data(), piece);
        }
        carrier.carry(path);
        for (const Pair& pair : ends) {
            receive_all(pair[1], target.data(), piece);
        }
        path.offset = (path.offset + streams * piece) % kRing;
        bytes += streams * piece;
    }
    return static_cast<double>(bytes) / (1 << 20) / time.count();
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

struct Way {
    const char* name;
    Carrier* carrier;
};

void measure(std::span<const Way> ways, std::size_t piece) {
    for (const std::size_t streams : {1, 8, 64}) {
        std::vector<std::vector<double>> ratios(ways.size());
        double plain = 0;
        for (int i = 0; i < kRepetitions; ++i) {
            for (std::size_t way = 0; way < ways.size(); ++way) {
                const double value = rate(*ways[way].carrier, streams, piece);
                plain = way == 0 ? value : plain;
                ratios[way].push_back(value / plain);
            }
        }
        std::printf("%7zu B, %2zu streams:", piece, streams);
        for (std::size_t way = 0; way < ways.size(); ++way) {
            std::printf("  %s %.2f", ways[way].name, median(ratios[way]));
        }
        std::printf("   (1.00 is %.0f MiB/s)\n", plain);
    }
}

}  // namespace

int main(int argc, char** argv) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    try {
        Direct direct;
        Copies copies;
        Pages pages;
        std::vector<Way> ways{{"plain socket", &direct}, {"four copies", &copies}};
#ifdef FLOOR_HAS_IO_URING
        Uring uring;
        ways.push_back({"by io_uring", &uring});
#endif
        ways.push_back({"three copies (vmsplice)", &pages});
        const std::vector<const char*> sizes = argc > 1
                                                   ? std::vector<const char*>(argv + 1, argv + argc)
                                                   : std::vector<const char*>{"65536", "4096"};
        for (const char* size : sizes) {
            measure(ways, std::strtoul(size, nullptr, 10));
        }
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "floor: %s\n", error.what());
        return 1;
    }
    return 0;
}
