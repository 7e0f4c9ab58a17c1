#include "pump/releaser.h"

#include <utility>

#include "sys/thread_name.h"

namespace xsock::pump {

Releaser::Releaser() : thread_([this] { run(); }) {}

void Releaser::add(Task task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    added_.notify_one();
}

void Releaser::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    added_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Releaser::run() {
    sys::name_thread("xsock-release");
    std::unique_lock lock(mutex_);
    for (;;) {
        added_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (tasks_.empty()) {
            return;
        }
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        task = Task();
        lock.lock();
    }
}

}  // namespace xsock::pump
