#!/usr/bin/env bash
# Checks a GPU through the real libraries, on a machine with CUDA, g++ and CMake. Prints a short table last.
#   native/tests/cuda/gpu/run.sh [GOLDEN_DIRECTORY [DEVICE]]
# NBIT_CUDA_RUNTIME_LIBRARY, NBIT_BITSANDBYTES_LIBRARY and NBIT_TRANSFORMER_ENGINE_LIBRARY name the libraries where they are
# not in the Python environment that is active.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../../.."
golden="${1:-${NBIT_GOLDEN_DIR:-tests/data/golden}}"
build=artifacts/gpu-check
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DNBIT_TESTS=OFF -DNBIT_BENCH=OFF -DNBIT_GPU_CHECK=ON \
  --log-level=WARNING >/dev/null
cmake --build "$build" --target nbit_gpu_check --parallel "${NBIT_BUILD_JOBS:-2}" >"$build/build.log" 2>&1 || {
  tail -40 "$build/build.log" >&2
  exit 1
}
code=0
"$build/bin/nbit_gpu_check" "$golden" "${2:-0}" || code=$?
[ "$code" -eq 77 ] || exit "$code"
