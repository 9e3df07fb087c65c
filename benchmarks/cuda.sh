#!/usr/bin/env bash
# On a machine with a GPU and nvcc: builds the CUDA backend, verifies every kernel on the device, runs the device's tests
# (under compute-sanitizer where it is installed), and measures.
#
#     bash benchmarks/cuda.sh [FOLDER FOR THE RESULTS]
#
# Needs Python 3.11+, g++, nvcc 12 or 13, and what `pip install ".[test]"` fetches. CMAKE_CUDA_ARCHITECTURES is the
# machine's own unless it is set.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-benchmarks/results}"
mkdir -p "$out"
name="$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1 | tr ' /' '--')"
stem="$out/$(date +%F)-$name"

python -m venv build/cuda-venv
. build/cuda-venv/bin/activate
pip install --quiet ".[test]" -C cmake.define.VERIGRAD_CUDA=ON \
  -C cmake.define.CMAKE_CUDA_ARCHITECTURES="${CMAKE_CUDA_ARCHITECTURES:-native}"

verigrad verify --device cuda --json "$stem-verify.json"
pytest -q tests/device
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 python -m pytest -q -n 0 tests/device
  done
else
  echo "compute-sanitizer was not found: its checks were not run"
fi
python benchmarks/cuda.py --json "$stem.json"
