// Work for the pump thread from other threads: a queue and an eventfd that wakes the pump.
// post() and call(): any thread but the pump's. run(): pump thread.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sys/error.h"
#include "sys/unique_fd.h"

namespace xsock::pump {

class CommandQueue {
  public:
    using Command = std::function<void()>;

    CommandQueue() : wake_(sys::check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")) {}

    [[nodiscard]] int fd() const noexcept { return wake_.get(); }

    // Runs `command` on the pump thread; does not wait for it. False: the pump has stopped, the
    // command will never run.
    bool post(Command command) {
        {
            const std::lock_guard lock(mutex_);
            if (closed_) {
                return false;
            }
            commands_.push_back(std::move(command));
        }
        const std::uint64_t one = 1;
        // The counter cannot overflow: the pump reads it.
        [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
        return true;
    }
    // Runs `function` on the pump thread and waits for what it returns or throws.
    // Throws std::system_error ECANCELED when the pump has stopped. The pump keeps no reference to
    // the result or the exception.
    template <typename Function>
    auto call(Function function) -> decltype(function()) {
        using Result = decltype(function());
        std::optional<std::conditional_t<std::is_void_v<Result>, std::monostate, Result>> result;
        std::exception_ptr error;
        // Not std::binary_semaphore: that of GCC 11 and 12 can sleep for ever (GCC bug 104928).
        const auto done = std::make_shared<std::promise<void>>();
        const bool taken = post([&, done] {
            try {
                if constexpr (std::is_void_v<Result>) {
                    function();
                } else {
                    result.emplace(function());
                }
            } catch (...) {
                error = std::current_exception();
            }
            done->set_value();
        });
        if (!taken) {
            sys::throw_errno("pump", ECANCELED);
        }
        done->get_future().wait();
        if (error) {
            std::rethrow_exception(std::move(error));
        }
        if constexpr (!std::is_void_v<Result>) {
            return std::move(*result);
        }
    }

    void run() {
        std::uint64_t count;
        [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
        std::vector<Command> commands;
        {
            const std::lock_guard lock(mutex_);
            commands.swap(commands_);
        }
        for (const Command& command : commands) {
            command();
        }
    }
    // Rejects commands from now on; runs those that were posted before.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        run();
    }

  private:
    sys::UniqueFd wake_;
    std::mutex mutex_;
    std::vector<Command> commands_;
    bool closed_ = false;
};

}  // namespace xsock::pump
