// Releases, on a thread of its own, the pages and ports of links that have ended: unmapping many
// pages takes long, and a hypervisor may not answer at all. No pump waits for either.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace xsock::pump {

class Releaser {
  public:
    using Task = std::packaged_task<void()>;  // a callable that owns what it releases

    Releaser();
    Releaser(const Releaser&) = delete;
    Releaser& operator=(const Releaser&) = delete;
    ~Releaser() { stop(); }

    // Runs `task` after those that were added before. Any thread; not after stop().
    void add(Task task);
    // Runs the remaining tasks, and ends the thread. Idempotent.
    void stop();

  private:
    void run();

    std::mutex mutex_;
    std::condition_variable added_;
    std::deque<Task> tasks_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace xsock::pump
