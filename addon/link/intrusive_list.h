// A first-in-first-out list of objects that contain their own links: insertion and removal allocate
// nothing and cannot fail. An object is in at most one list per hook.
#pragma once

namespace xsock::link {

template <typename T>
struct ListHook {
    T* previous = nullptr;
    T* next = nullptr;
};

template <typename T, ListHook<T> T::*Hook>
class IntrusiveList {
  public:
    [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
    [[nodiscard]] T* front() const noexcept { return head_; }
    [[nodiscard]] bool contains(const T& item) const noexcept {
        const ListHook<T>& hook = item.*Hook;
        return hook.previous != nullptr || hook.next != nullptr || head_ == &item;
    }

    // Does nothing if `item` is in the list already.
    void push_back(T& item) noexcept {
        if (contains(item)) {
            return;
        }
        item.*Hook = {tail_, nullptr};
        (tail_ == nullptr ? head_ : (tail_->*Hook).next) = &item;
        tail_ = &item;
    }
    // Does nothing if `item` is not in the list.
    void remove(T& item) noexcept {
        if (!contains(item)) {
            return;
        }
        ListHook<T>& hook = item.*Hook;
        (hook.previous == nullptr ? head_ : (hook.previous->*Hook).next) = hook.next;
        (hook.next == nullptr ? tail_ : (hook.next->*Hook).previous) = hook.previous;
        hook = {};
    }

  private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
};

}  // namespace xsock::link
