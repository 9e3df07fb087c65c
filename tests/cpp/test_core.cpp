// Shapes, storage, allocator, generator and promotion.
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/allocator.h"
#include "harness.h"
#include "verigrad/generator.h"
#include "verigrad/ops.h"

using namespace verigrad;

TEST(shape_numel_rejects_what_does_not_fit) {
  CHECK(checked_numel("t", {}) == 1);
  CHECK(checked_numel("t", {3, 0, 5}) == 0);
  CHECK(checked_numel("t", {INT64_MAX, 0}) == 0);
  CHECK_THROWS(checked_numel("t", {-1}), Error);
  CHECK_THROWS(checked_numel("t", {INT64_MAX, 2}), Error);
  CHECK_THROWS(checked_numel("t", {std::int64_t{1} << 32, std::int64_t{1} << 31}), Error);
}

TEST(dims_hold_sixteen_numbers_and_no_more) {
  Dims dims;
  for (int i = 0; i < kMaxDims; ++i) dims.push_back(i);
  CHECK(dims.size() == kMaxDims);
  CHECK_THROWS(dims.push_back(1), Error);
  CHECK(dims.size() == kMaxDims);
}

TEST(shape_broadcast) {
  CHECK((broadcast_shapes("t", {3, 1}, {4}) == Dims{3, 4}));
  CHECK((broadcast_shapes("t", {}, {2, 0}) == Dims{2, 0}));
  CHECK((broadcast_shapes("t", {1}, {0}) == Dims{0}));
  CHECK_THROWS(broadcast_shapes("t", {3}, {4}), Error);
  CHECK((broadcast_strides({3, 1}, {1, 1}, {2, 3, 4}) == Dims{0, 1, 0}));
}

TEST(shape_wrap_dim) {
  CHECK(wrap_dim("t", -1, 3) == 2);
  CHECK(wrap_dim("t", -1, 0) == 0);
  CHECK_THROWS(wrap_dim("t", 3, 3), IndexError);
  CHECK_THROWS(wrap_dim("t", -4, 3), IndexError);
}

TEST(shape_views_exist_exactly_where_memory_allows) {
  Dims strides;
  CHECK(view_strides({2, 3}, {3, 1}, {6}, strides));
  CHECK((strides == Dims{1}));
  CHECK(!view_strides({3, 2}, {1, 3}, {6}, strides));       // transposed
  CHECK(view_strides({3, 2}, {1, 3}, {3, 1, 2}, strides));  // only a new size of 1
  CHECK((strides[0] == 1 && strides[2] == 3));
  CHECK(view_strides({4}, {0}, {2, 2}, strides));  // expanded
  CHECK((strides == Dims{0, 0}));
  CHECK(view_strides({}, {}, {1, 1}, strides));
  CHECK(view_strides({2, 0}, {1, 1}, {0, 7}, strides));
  CHECK((infer_size("t", {2, -1}, 6) == Dims{2, 3}));
  CHECK_THROWS(infer_size("t", {-1, -1}, 6), Error);
  CHECK_THROWS(infer_size("t", {4, -1}, 6), Error);
  CHECK_THROWS(infer_size("t", {0, -1}, 0), Error);
  CHECK_THROWS(infer_size("t", {-2}, 6), Error);
}

TEST(shape_overlap) {
  CHECK(!may_overlap({2, 3}, {3, 1}));
  CHECK(!may_overlap({3, 2}, {1, 3}));
  CHECK(may_overlap({2, 3}, {0, 1}));
  CHECK(may_overlap({3, 3}, {1, 1}));
  CHECK(!may_overlap({1, 3}, {0, 1}));
  CHECK(!may_overlap({0, 3}, {0, 0}));
}

TEST(dtype_promotion_is_the_maximum_of_the_order) {
  CHECK(promote_types(DType::Bool, DType::UInt8) == DType::UInt8);
  CHECK(promote_types(DType::Int64, DType::Float32) == DType::Float32);
  CHECK(can_cast(DType::Int64, DType::UInt8));
  CHECK(!can_cast(DType::Float32, DType::Int64));
  CHECK_THROWS(set_default_dtype(DType::Int32), TypeError);
}

TEST(scalar_conversion_is_defined_for_every_double) {
  CHECK(Scalar(1e300).to<std::int64_t>() == INT64_MIN);
  CHECK(Scalar(0.0 / 0.0).to<std::int32_t>() == 0);
  CHECK(Scalar(-1.5).to<std::int64_t>() == -1);
  CHECK(Scalar(300).to<std::uint8_t>() == 44);
  CHECK(Scalar(0.5).to<bool>());
}

TEST(device_parse) {
  CHECK((Device::parse("cpu") == Device{}));
  CHECK(Device::parse("cuda:3").index == 3);
  for (const char* bad : {"", "gpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "cuda:1000"}) {
    CHECK_THROWS(Device::parse(bad), Error);
  }
}

TEST(allocator_aligns_and_counts) {
  const std::int64_t before = cpu_allocated_bytes();
  for (std::int64_t size : {0, 1, 63, 64, 65, 255, 257, 4096, 5000, 1 << 20, (1 << 20) + 1}) {
    void* block = cpu_allocate(size);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::memset(block, 1, static_cast<std::size_t>(size));  // a sanitizer sees a class that is too small
    CHECK(cpu_allocated_bytes() == before + size);
    cpu_free(block, size);
  }
  CHECK(cpu_allocated_bytes() == before);
  cpu_empty_cache();
}

TEST(allocator_keeps_the_sizes_that_are_in_use) {
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  const auto use = [](std::int64_t size, int blocks) {
    std::vector<void*> live;
    for (int i = 0; i < blocks; ++i) live.push_back(cpu_allocate(size));
    for (void* block : live) cpu_free(block, size);
  };
  cpu_empty_cache();
  use(128 * kMiB, 4);
  const std::int64_t full = cpu_cached_bytes();
  if (full == 0) return;  // a build with a sanitizer
  CHECK(full == 512 * kMiB);
  // Larger than the cache: says nothing of what it should hold.
  for (int i = 0; i < 8; ++i) use(640 * kMiB, 1);
  CHECK(cpu_cached_bytes() == full);
  // Another size is refused until it has been for 512 MiB twice: in the meantime one of the four blocks was used.
  for (int i = 0; i < 15; ++i) {
    use(64 * kMiB, 1);
    CHECK(cpu_cached_bytes() == full);
  }
  use(128 * kMiB, 1);
  use(64 * kMiB, 1);
  CHECK(cpu_cached_bytes() == (128 + 64) * kMiB);
  // Both sizes go on being used, in turn, and stay.
  for (int i = 0; i < 20; ++i) {
    use(64 * kMiB, 1);
    use(128 * kMiB, 1);
  }
  CHECK(cpu_cached_bytes() == (128 + 64) * kMiB);
  // More than the cache holds, over and over: what it holds is used each time.
  cpu_empty_cache();
  use(96 * kMiB, 8);
  for (int i = 0; i < 40; ++i) use(96 * kMiB, 8);
  CHECK(cpu_cached_bytes() == 5 * 96 * kMiB);
  cpu_empty_cache();
  CHECK(cpu_cached_bytes() == 0);
}

TEST(allocator_reports_what_it_cannot_give) {
  CHECK_THROWS(empty_tensor({std::int64_t{1} << 55}, DType::Float32, kHost), Error);
}

TEST(storage_is_freed_with_its_last_tensor) {
  bool released = false;
  float memory[4] = {1, 2, 3, 4};
  {
    Tensor part;
    {
      const Tensor whole(make_ref<TensorImpl>(make_ref<Storage>(memory, 16, kHost, [&] { released = true; }),
                                              DType::Float32, Dims{4}, Dims{1}, 0, 4));
      part = ops::slice(whole, 0, 1, 3);
    }
    CHECK(!released);
    CHECK(part.data_as<float>()[1] == 3);
  }
  CHECK(released);
}

TEST(versions_are_shared_by_views_but_not_by_a_counter_of_its_own) {
  const Tensor x = ops::zeros({4}, DType::Float32, kHost), view = ops::slice(x, 0, 0, 2);
  Tensor data = ops::detach(x);
  data.impl()->own_version = make_ref<Version>();
  ops::fill_(view, 1);
  CHECK(x.version() == 1 && data.version() == 0);
  ops::fill_(data, 2);
  CHECK(x.version() == 1 && data.version() == 1);
  CHECK(alias(data).version() == 1);
}

TEST(generator_continues_from_a_saved_state) {
  const Ref<Generator> g = make_ref<Generator>(kHost);
  g->manual_seed(7);
  ops::rand({5}, g, DType::Float32, kHost);
  const Generator::State state = g->state();
  const Tensor first = ops::randn({9}, g, DType::Float64, kHost);
  g->set_state(state);
  CHECK(ops::equal(first, ops::randn({9}, g, DType::Float64, kHost)));
  CHECK(g->initial_seed() == 7);
  CHECK(!ops::equal(first, ops::randn({9}, g, DType::Float64, kHost)));
}
