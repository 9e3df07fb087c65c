// Copies between the host and devices, page-locked memory, streams and events. A copy from or to page-locked memory is
// done late here, so that what is used too early shows.
#include <cstdlib>
#include <thread>

#include "core/backend.h"
#include "cuda_fixture.h"
#include "memory.h"
#include "stream.h"

using namespace cuda_test;

namespace {

constexpr Device kFirst{DeviceType::CUDA, 0}, kSecond{DeviceType::CUDA, 1};
constexpr std::int64_t kSmall = 4000, kLarge = std::int64_t{3} << 20;  // bytes: staged, and not

Backend& first() { return backend(kFirst); }

/// Page-locked memory of the host that is full of one byte.
struct Pinned {
  std::int64_t bytes;
  void* data;
  Pinned(std::int64_t bytes_, int value) : bytes(bytes_), data(first().allocate_host(0, bytes_)) { fill(value); }
  ~Pinned() { first().free_host(data); }
  void fill(int value) { std::memset(data, value, static_cast<std::size_t>(bytes)); }
};

/// Memory of a device.
struct OnDevice {
  int device;
  std::int64_t bytes;
  void* data;
  explicit OnDevice(std::int64_t bytes_, int device_ = 0)
      : device(device_), bytes(bytes_), data(first().allocate(device_, bytes_)) {}
  ~OnDevice() { first().free(device, data); }
  void write(const void* host, bool non_blocking) { first().from_host(device, data, host, bytes, non_blocking); }
  /// Whether all bytes are `value`.
  bool holds(int value) const {
    std::vector<unsigned char> host(static_cast<std::size_t>(bytes));
    first().to_host(device, host.data(), data, bytes, false);
    return std::count(host.begin(), host.end(), value) == bytes;
  }
};

bool holds(const Pinned& host, int value) {
  const auto* begin = static_cast<const unsigned char*>(host.data);
  return std::count(begin, begin + host.bytes, value) == host.bytes;
}

/// Memory that another library has page-locked.
struct Registered {
  std::vector<unsigned char> bytes;
  Registered(std::int64_t count, unsigned char value) : bytes(static_cast<std::size_t>(count), value) {
    cudaHostRegister(bytes.data(), bytes.size(), cudaHostRegisterDefault);
  }
  ~Registered() { cudaHostUnregister(bytes.data()); }
};

TEST(a_copy_that_waits_has_read_the_host_memory) {
  for (const std::int64_t bytes : {kSmall, kLarge}) {
    OnDevice there(bytes);
    Pinned pinned(bytes, 1);
    there.write(pinned.data, false);
    pinned.fill(2);
    CHECK(there.holds(1));

    Registered registered(bytes, 3);
    CHECK(first().page_locked(registered.bytes.data() + bytes - 1));
    there.write(registered.bytes.data(), false);
    registered.bytes.assign(registered.bytes.size(), 4);
    CHECK(there.holds(3));

    for (const bool non_blocking : {false, true}) {
      std::vector<unsigned char> pageable(static_cast<std::size_t>(bytes), 5);
      CHECK(!first().page_locked(pageable.data()));
      there.write(pageable.data(), non_blocking);
      pageable.assign(pageable.size(), 6);
      CHECK(there.holds(5));
    }
  }
}

TEST(a_copy_that_does_not_wait_is_done_later) {
  for (const std::int64_t bytes : {kSmall, kLarge}) {
    OnDevice there(bytes);
    Pinned pinned(bytes, 1), back(bytes, 7);
    there.write(pinned.data, true);
    pinned.fill(2);
    CHECK(there.holds(2));  // the copy had not been done
    first().to_host(0, back.data, there.data, bytes, true);
    CHECK(holds(back, 7));
    first().synchronize(0);
    CHECK(holds(back, 2));

    Registered registered(bytes, 3);
    there.write(registered.bytes.data(), true);
    registered.bytes.assign(registered.bytes.size(), 4);
    CHECK(there.holds(4));
  }
}

TEST(page_locked_memory_is_not_used_again_before_its_copies_are_done) {
  first().empty_cache();
  OnDevice there(kSmall), inner(16);
  void* before = nullptr;
  {
    const Pinned pinned(kSmall, 1);
    before = pinned.data;
    there.write(pinned.data, true);
  }
  {
    Pinned other(kSmall, 2);
    CHECK(other.data != before);
  }
  CHECK(there.holds(1));
  {
    const Pinned again(kSmall, 3);  // the copies are done: nothing new is taken from the driver
    CHECK(again.data == before);
    first().empty_cache();  // the next could only get this block
    // The address that is copied may be anywhere in the block.
    first().from_host(0, inner.data, static_cast<char*>(again.data) + 100, 16, true);
  }
  const Pinned other(kSmall, 4);
  CHECK(other.data != before);
  CHECK(inner.holds(3));
}

TEST(page_locked_memory_that_is_written_is_not_used_again_before_that) {
  first().empty_cache();
  OnDevice there(kSmall);
  const std::vector<unsigned char> ones(static_cast<std::size_t>(kSmall), 1);
  there.write(ones.data(), false);
  {
    const Pinned receiver(kSmall, 0);
    first().to_host(0, receiver.data, there.data, kSmall, true);
  }
  const Pinned other(kSmall, 9);
  first().synchronize(0);
  CHECK(holds(other, 9));
}

TEST(the_copies_of_each_stream_count) {
  first().empty_cache();
  OnDevice a(kSmall), b(kSmall);
  const std::uint64_t stream = first().new_stream(0);
  void* before = nullptr;
  {
    const Pinned pinned(kSmall, 5);
    before = pinned.data;
    a.write(pinned.data, true);
    first().set_stream(0, stream);
    b.write(pinned.data, true);
    first().set_stream(0, 0);
  }
  first().wait_stream(0, stream);
  {
    const Pinned other(kSmall, 6);  // the default stream has not been there
    CHECK(other.data != before);
  }
  CHECK(a.holds(5) && b.holds(5));
  first().delete_stream(0, stream);
}

TEST(emptying_the_cache_waits_for_the_copies) {
  OnDevice there(kSmall);
  {
    const Pinned pinned(kSmall, 8);
    there.write(pinned.data, true);
  }
  first().empty_cache();
  CHECK(there.holds(8));
}

TEST(without_page_locked_memory_the_cache_is_given_back_and_then_an_error) {
  const std::int64_t limit = std::int64_t{1} << 30;  // of the emulation
  first().free_host(first().allocate_host(0, limit / 5 * 3));
  first().free_host(first().allocate_host(0, limit / 5 * 4));
  CHECK_THROWS(first().allocate_host(0, 2 * limit), OutOfMemoryError);
  CHECK_THROWS(first().allocate_host(0, std::int64_t{1} << 60), OutOfMemoryError);
  first().empty_cache();

  // What cannot be staged is waited for.
  OnDevice there(kSmall);
  std::vector<unsigned char> pageable(static_cast<std::size_t>(kSmall), 5);
  setenv("VERIGRAD_EMULATED_MEMORY", "0", 1);
  there.write(pageable.data(), true);
  unsetenv("VERIGRAD_EMULATED_MEMORY");
  pageable.assign(pageable.size(), 6);
  CHECK(there.holds(5));
}

TEST(many_copies_take_a_bounded_part_of_the_memory) {
  first().empty_cache();
  const std::size_t before = emulation::page_locked_bytes();
  std::vector<std::unique_ptr<OnDevice>> all;
  emulation::set_queries_help(false);
  const std::vector<unsigned char> mebibyte(std::size_t{1} << 20, 3);
  for (int k = 0; k < 100; ++k) {
    all.push_back(std::make_unique<OnDevice>(std::int64_t{1} << 20));
    all.back()->write(mebibyte.data(), false);
  }
  emulation::set_queries_help(true);
  CHECK_EQ(emulation::page_locked_bytes() - before, std::size_t{64} << 20);
  for (const auto& there : all) CHECK(there->holds(3));
  first().empty_cache();
  CHECK_EQ(emulation::page_locked_bytes(), before);
}

TEST(copies_between_devices_come_after_the_work_of_both) {
  first().empty_cache();
  const int events = emulation::live_events();
  OnDevice here(kSmall), there(kSmall, 1);
  {
    const Pinned ones(kSmall, 1), twos(kSmall, 2);
    here.write(ones.data, true);
    first().between(1, there.data, 0, here.data, kSmall);
    here.write(twos.data, true);  // must not come before it was read
    CHECK(here.holds(2) && there.holds(1));
  }
  first().empty_cache();
  CHECK(emulation::live_events() == events);
}

TEST(a_copy_that_fails_leaves_no_event) {
  OnDevice here(kSmall), there(kSmall, 1);
  const std::uint64_t stream = first().new_stream(0);
  const int events = emulation::live_events();
  for (const int device : {0, 1}) {
    // No stream, and one of the other device.
    for (const std::uint64_t wrong : {std::uint64_t{0x1234}, device == 1 ? stream : 0x5678}) {
      first().set_stream(device, wrong);
      CHECK_THROWS(first().between(1, there.data, 0, here.data, kSmall), RuntimeError);
      first().set_stream(device, 0);
      CHECK_THROWS(StreamGuard(device == 0 ? kFirst : kSecond, wrong), RuntimeError);
    }
  }
  CHECK(emulation::live_events() == events);
  first().delete_stream(0, stream);
}

TEST(the_default_stream_is_that_of_the_device) {
  OnDevice there(kSmall, 1);
  Pinned pinned(kSmall, 1);
  first().from_host(1, there.data, pinned.data, kSmall, true);
  first().wait_stream(0, 0);
  pinned.fill(2);
  first().wait_stream(1, 0);
  pinned.fill(3);
  CHECK(there.holds(2));
  first().from_host(1, there.data, pinned.data, kSmall, true);
  CHECK(!first().stream_done(1, 0) && first().stream_done(1, 0));
}

TEST(copies_to_another_device_than_that_of_the_last_kernel) {
  first().enter(0, "test");
  for (const std::int64_t bytes : {kSmall, kLarge}) {
    first().empty_cache();  // so that the driver is asked for memory in between
    OnDevice there(bytes, 1);
    const std::vector<unsigned char> pageable(static_cast<std::size_t>(bytes), 5);
    there.write(pageable.data(), false);
    CHECK(there.holds(5));
    const Pinned pinned(bytes, 6);
    there.write(pinned.data, true);
    CHECK(there.holds(6));
  }
}

TEST(events_and_streams_know_what_is_done) {
  OnDevice there(kSmall);
  Pinned pinned(kSmall, 1);
  const std::uint64_t event = first().new_event(0, false), stream = first().new_stream(0);
  there.write(pinned.data, true);
  first().record_event(0, event, 0);
  first().stream_waits(0, stream, event);
  CHECK(!first().event_done(0, event) && first().event_done(0, event));
  there.write(pinned.data, true);
  first().record_event(0, event, 0);
  pinned.fill(2);
  first().stream_waits(0, stream, event);
  first().wait_stream(0, stream);  // by way of the event
  pinned.fill(3);
  CHECK(first().event_done(0, event) && there.holds(2));
  const int events = emulation::live_events();
  first().delete_event(0, event);
  CHECK_EQ(emulation::live_events(), events - 1);
  first().delete_stream(0, stream);
}

TEST(an_error_is_told_once) {
  // A launch asks CUDA for the last error, whatever call it comes from.
  first().enter(0, "test");
  OnDevice there(kSmall);
  auto* data = static_cast<std::int32_t*>(there.data);
  const auto launch = [&] {
    cuda_table().binary(BinaryOp::add, DType::Int32, flat_loop(there.bytes / 4, {data, data, data}));
  };
  const Pinned pinned(kSmall, 1);
  const std::uint64_t start = first().new_event(0, true), end = first().new_event(0, true),
                      other = first().new_stream(0);
  first().record_event(0, start, 0);
  there.write(pinned.data, true);
  first().record_event(0, end, 0);
  emulation::set_queries_help(false);
  CHECK_THROWS(first().elapsed(0, start, end), RuntimeError);
  first().set_stream(0, other);
  launch();
  CHECK(!first().event_done(0, end) && !first().stream_done(0, 0));
  launch();
  first().set_stream(0, 0);
  emulation::set_queries_help(true);
  for (const std::uint64_t event : {start, end}) first().delete_event(0, event);
  first().delete_stream(0, other);
}

TEST(a_kernel_comes_after_the_copies_of_its_stream) {
  OnDevice there(4 * 100);
  Pinned pinned(4 * 100, 0);
  auto* values = static_cast<std::int32_t*>(pinned.data);
  std::fill(values, values + 100, 21);
  there.write(pinned.data, true);
  first().enter(0, "test");
  auto* data = static_cast<std::int32_t*>(there.data);
  cuda_table().binary(BinaryOp::add, DType::Int32, flat_loop(100, {data, data, data}));
  first().to_host(0, pinned.data, there.data, there.bytes, false);
  CHECK(std::count(values, values + 100, 42) == 100);
}

TEST(memory_of_streams_that_nobody_holds_is_used_by_others) {
  emulation::set_exact_blocks(false);
  const std::uint64_t stream = first().new_stream(0), other = first().new_stream(0);
  first().set_stream(0, stream);
  void* block = first().allocate(0, kLarge);
  first().free(0, block);
  first().set_stream(0, 0);
  void* held = first().allocate(0, kLarge);
  CHECK(held != block);  // somebody may go on with the stream

  Pinned pinned(kSmall, 1);
  OnDevice there(kSmall);
  first().set_stream(0, stream);
  there.write(pinned.data, true);
  first().set_stream(0, 0);
  first().delete_stream(0, stream);
  void* busy = first().allocate(0, kLarge);
  CHECK(busy != block);  // its work was not done
  first().wait_stream(0, stream);
  void* now = first().allocate(0, kLarge);
  CHECK(now == block);
  for (void* data : {held, busy, now}) first().free(0, data);

  const std::uint64_t again = first().new_stream(0);
  CHECK(again == stream && again != other);  // none is destroyed
  first().delete_stream(0, again);
  first().delete_stream(0, other);
  first().empty_cache();
  emulation::set_exact_blocks(true);
}

TEST(page_locked_memory_is_shared_by_threads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int id = 1; id <= 4; ++id) {
    threads.emplace_back([id, &wrong] {
      OnDevice there(kSmall);
      for (int k = 0; k < 50; ++k) {
        {
          const Pinned pinned(kSmall, 10 * id + k % 10);
          there.write(pinned.data, true);
        }
        if (!there.holds(10 * id + k % 10)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace
