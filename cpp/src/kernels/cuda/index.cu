// Reading through indices on a CUDA device: gather, index_select; and positions and nonzero, which make them. An index
// out of range is reported, and its elements are left out.
#include "kernels/cuda/index.cuh"

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/operands.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/place.h"

namespace verigrad::kernels::cuda {
namespace {

/// Operands: output, index, and the source at the beginning of the line that is indexed.
template <class T>
__global__ void gather_kernel(Layout<3> layout, T* out, const std::int64_t* index, const T* src, std::int64_t size,
                              std::int64_t step, Reporter report) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[3];
    layout.offsets(i, at);
    const std::int64_t position = index[at[1]];
    if (!in_range(position, size)) return report(Mistake::position, position, size);
    out[at[0]] = src[at[2] + position * step];
  });
}

/// Indices for which there is nothing to move, but which must be right.
__global__ void check_rows_kernel(const std::int64_t* index, std::int64_t count, std::int64_t size, Mistake mistake,
                                  Reporter report) {
  for_each_element(count, [&](std::int64_t i) {
    if (!in_range(index[i], size)) report(mistake, index[i], size);
  });
}

/// `inner`: units of a row.
template <class T>
__global__ void select_kernel(std::int64_t outer, std::int64_t size, std::int64_t inner, std::int64_t count,
                              const std::int64_t* index, const T* src, T* out, Reporter report) {
  for_each_element(outer * count * inner, [&](std::int64_t i) {
    const Division row = divide(i, inner), item = divide(row.quotient, count);
    const std::int64_t position = index[item.rest];
    if (in_range(position, size)) {
      out[i] = src[(item.quotient * size + position) * inner + row.rest];
    } else if (row.rest == 0 && item.quotient == 0) {
      report(Mistake::row, position, size);
    }
  });
}

/// Operands: output, what is before, index.
__global__ void positions_kernel(Layout<3> layout, std::int64_t* out, Input<std::int64_t> before,
                                 const std::int64_t* index, IndexRange range, std::int64_t step, Mistake mistake,
                                 int dim, Reporter report) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[3];
    layout.offsets(i, at);
    const std::int64_t first = before[at[1]], found = place(range, index[at[2]]);
    if (found < 0) report(mistake, index[at[2]], range.size, dim);
    out[at[0]] = first < 0 || found < 0 ? -1 : first + found * step;
  });
}

// ---- nonzero --------------------------------------------------------------------------------------------------------

/// Neighbouring elements of the mask that a warp takes, 32 at once.
constexpr int kPieceRounds = boundary::cuda_nonzero_rounds;
constexpr std::int64_t kPiece = kPieceRounds * kWarpLanes;

__device__ std::int64_t piece_of_warp() {
  return std::int64_t{blockIdx.x} * kWarps + static_cast<int>(threadIdx.x) / kWarpLanes;
}

/// counts[p]: true elements of piece p; 0 for the one after the last.
__global__ void nonzero_count_kernel(const std::uint8_t* mask, std::int64_t numel, std::int64_t pieces,
                                     std::int64_t* counts) {
  const std::int64_t piece = piece_of_warp();
  if (piece > pieces) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const std::int64_t first = piece * kPiece + lane;
  int count = 0;
  for (int r = 0; r < kPieceRounds; ++r) {
    const std::int64_t i = first + r * kWarpLanes;
    count += i < numel && mask[i] != 0 ? 1 : 0;
  }
  for (int d = kWarpLanes / 2; d > 0; d /= 2) count += __shfl_xor_sync(kAllLanes, count, d);
  if (lane == 0) counts[piece] = count;
}

struct Sizes {
  int rank;
  std::int64_t size[kMaxDims];
};

/// starts[p]: true elements before piece p; one more than there are pieces.
__global__ void nonzero_write_kernel(const std::uint8_t* mask, std::int64_t numel, std::int64_t pieces,
                                     const std::int64_t* starts, Sizes sizes, std::int64_t* out) {
  const std::int64_t piece = piece_of_warp();
  if (piece >= pieces) return;
  const unsigned lane = threadIdx.x % kWarpLanes;
  std::int64_t before = starts[piece];
  const std::int64_t end = starts[piece + 1];
  for (std::int64_t first = piece * kPiece; before < end; first += kWarpLanes) {  // the whole warp
    std::int64_t i = first + lane;
    const unsigned lanes = __ballot_sync(kAllLanes, i < numel && mask[i] != 0);
    if ((lanes >> lane & 1) != 0) {
      std::int64_t* row = out + (before + __popc(lanes & ((1u << lane) - 1))) * sizes.rank;
      for (int d = sizes.rank - 1; d >= 0; --d) {
        const Division at = divide(i, sizes.size[d]);
        row[d] = at.rest;
        i = at.quotient;
      }
    }
    before += __popc(lanes);
  }
}

}  // namespace

void check_rows(const IndexRows& r, Mistake mistake) {
  if (r.count > 0) launch_over(r.count, &check_rows_kernel, r.index, r.count, r.size, mistake, reporter());
}

void gather(DType dtype, const Gather& g) {
  Loop loop = loop_of(g);
  loop.numel = 1;
  for (const std::int64_t n : g.shape) loop.numel *= n;
  if (loop.numel == 0) return;
  std::int64_t step = 0;
  if (!g.shape.empty()) {
    step = g.src_strides[g.dim];
    loop.strides[2][g.dim] = 0;
  }
  const Layout<3> layout(in_memory_order(loop));
  dispatch_width(itemsize(dtype), [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(layout.numel, &gather_kernel<T>, layout, static_cast<T*>(g.out), g.index, static_cast<const T*>(g.src),
                g.size, step, reporter());
  });
}

void index_select(DType dtype, const IndexRows& r) {
  if (r.outer * r.count * r.inner == 0) return check_rows(r, Mistake::row);
  const std::int64_t bytes = r.inner * itemsize(dtype), unit = widest_unit({bytes, address(r.src), address(r.out)});
  const std::int64_t inner = bytes / unit;
  dispatch_unit(unit, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(r.outer * r.count * inner, &select_kernel<T>, r.outer, r.size, inner, r.count, r.index,
                static_cast<const T*>(r.src), static_cast<T*>(r.out), reporter());
  });
}

void positions(const Positions& p) {
  const Loop& loop = p.loop;
  launch_over(loop.numel, &positions_kernel, Layout<3>(loop), static_cast<std::int64_t*>(loop.data[0]),
              Input<std::int64_t>(loop, 1), static_cast<const std::int64_t*>(loop.data[2]), p.range, p.step, p.mistake,
              p.dim, reporter());
}

void nonzero(const Nonzero& z) {
  Sizes sizes{z.shape.size(), {}};
  std::int64_t numel = 1;
  for (int d = 0; d < sizes.rank; ++d) numel *= sizes.size[d] = z.shape[d];
  if (numel == 0 || sizes.rank == 0) return;
  const auto* mask = reinterpret_cast<const std::uint8_t*>(z.mask);
  const std::int64_t pieces = (numel + kPiece - 1) / kPiece;
  const dim3 blocks(static_cast<unsigned>(pieces / kWarps + 1));  // one piece more has a count
  const Scratch<std::int64_t> starts(pieces + 1);
  launch(blocks, dim3(kThreads), &nonzero_count_kernel, mask, numel, pieces, starts.get());
  exclusive_scan(starts.get(), pieces + 1);
  launch(blocks, dim3(kThreads), &nonzero_write_kernel, mask, numel, pieces, starts.get(), sizes, z.out);
}

}  // namespace verigrad::kernels::cuda
