#!/usr/bin/env bash
# The only command to learn: ./build.sh TARGET (demo, test, golden, bench, bindings, pack, proof, coverage, sanitize,
# fuzz, arm64, format, api).
# Installs what is missing (as root or with sudo; otherwise it prints the line to run), then hands over to build.cake.
set -euo pipefail
cd "$(dirname "$0")"

target=test
if [[ $# -gt 0 && $1 != -* ]]; then
  target=$1
  shift
fi

# command that must exist -> Debian package that brings it
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need cmake cmake
need ninja ninja-build
need g++ g++
need nm binutils
[[ -n $(compgen -c clang | grep -xE 'clang(-[0-9]+)?' || true) ]] || missing+=(clang-14)
[[ -e /usr/include/gtest/gtest.h || -e /usr/local/include/gtest/gtest.h ]] || missing+=(libgtest-dev)
if [[ $target == format ]]; then need clang-format clang-format; fi
if [[ $target == fuzz || $target == proof ]]; then
  need clang++-19 clang-19
  [[ -n $(compgen -G '/usr/lib/llvm-19/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a' || true) ]] ||
    missing+=(libclang-rt-19-dev)
fi
if [[ $target == arm64 || $target == proof ]]; then
  need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
  need qemu-aarch64 qemu-user
  [[ -e /usr/src/googletest ]] || missing+=(googletest)
fi

if ((${#missing[@]})); then
  as_root=()
  if [[ $(id -u) != 0 ]]; then as_root=(sudo -n); fi
  if ! command -v apt-get >/dev/null || { ((${#as_root[@]})) && ! sudo -n true 2>/dev/null; }; then
    echo "NBit needs these packages to build; please run: sudo apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v dotnet >/dev/null; then
  echo "NBit needs the .NET SDK 10 on the PATH: see https://dotnet.microsoft.com/download" >&2
  exit 1
fi

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
dotnet tool restore >/dev/null
exec dotnet cake build.cake --target="$target" --verbosity=quiet --no-report --settings_enablescriptcache=true \
  --paths_cache=artifacts/cake -- "$@"
