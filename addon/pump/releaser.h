// Gives back, on a thread of its own, what links that are over held: unmapping many pages takes
// long, and a hypervisor that does not answer takes as long as it likes. No pump waits for either.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace xsock::pump {

class Releaser {
  public:
    using Task = std::packaged_task<void()>;  // a callable that owns what it gives back

    Releaser();
    Releaser(const Releaser&) = delete;
    Releaser& operator=(const Releaser&) = delete;
    ~Releaser() { stop(); }

    // Runs `task` soon, after those that were added before. Any thread; not after stop().
    void add(Task task);
    // Runs what is left, and ends the thread. Twice is once.
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
