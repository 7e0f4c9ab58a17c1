#include "binding/character_device.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "binding/error.h"
#include "sys/error.h"
#include "sys/thread_name.h"

namespace xsock::binding {

void CharacterDevice::init(Napi::Env env, Napi::Object exports) {
    exports.Set("CharacterDevice", DefineClass(env, "CharacterDevice",
                                               {
                                                   InstanceMethod<&CharacterDevice::write>("write"),
                                                   InstanceMethod<&CharacterDevice::close>("close"),
                                               }));
}

CharacterDevice::CharacterDevice(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CharacterDevice>(info) {
    const std::string path = info[0].ToString().Utf8Value();
    translated(info.Env(), [&] {
        device_.reset(
            sys::check(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC), path.c_str()));
        wake_.reset(sys::check(::eventfd(0, EFD_CLOEXEC), "eventfd"));
    });
    on_data_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(),
                                             "xsock device", 0, 1);
    thread_ = std::thread([this] {
        sys::name_thread("xsock-xenbus");
        run();
    });
}

CharacterDevice::~CharacterDevice() {
    stop();
}

void CharacterDevice::stop() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
        thread_.join();
        device_.reset();
    }
}

void CharacterDevice::run() {
    for (;;) {
        std::array<pollfd, 2> waiting{{{device_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
            break;
        }
        if (waiting[1].revents != 0) {
            break;
        }
        if (waiting[0].revents == 0) {
            continue;
        }
        std::array<char, 8192> buffer;
        const ssize_t got = ::read(device_.get(), buffer.data(), buffer.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (got <= 0) {
            on_data_.NonBlockingCall(
                [](Napi::Env env, Napi::Function on_data) { on_data.Call({env.Undefined()}); });
            break;
        }
        auto data = std::make_shared<std::string>(buffer.data(), static_cast<std::size_t>(got));
        on_data_.NonBlockingCall([data](Napi::Env env, Napi::Function on_data) {
            on_data.Call({Napi::Buffer<char>::Copy(env, data->data(), data->size())});
        });
    }
    on_data_.Release();
}

void CharacterDevice::write(const Napi::CallbackInfo& info) {
    const auto buffer = info[0].As<Napi::Buffer<char>>();
    translated(info.Env(), [&] {
        std::size_t done = 0;
        while (done < buffer.Length()) {
            const ssize_t written =
                ::write(device_.get(), buffer.Data() + done, buffer.Length() - done);
            if (written >= 0) {
                done += static_cast<std::size_t>(written);
            } else if (errno == EAGAIN) {
                pollfd room{device_.get(), POLLOUT, 0};
                ::poll(&room, 1, -1);
            } else if (errno != EINTR) {
                sys::throw_errno("write");
            }
        }
    });
}

void CharacterDevice::close(const Napi::CallbackInfo&) {
    stop();
}

}  // namespace xsock::binding
