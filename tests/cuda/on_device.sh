#!/usr/bin/env bash
# on_device.sh PROGRAM [ARGS]: runs on the GPU if there is one, else in the emulator, whose checks stop
# the program at the first violation.
set -euo pipefail
[[ ! -e /dev/nvidia0 && ! -e /dev/dxg ]] || exec "$@"
lib=$(dirname "$(readlink -f "$1")")/../cudaemu/lib
[[ -d $lib ]] || { echo "no emulator at $lib" >&2; exit 1; }
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export CUDAEMU_CHECK="${CUDAEMU_CHECK-1}" CUDAEMU_CHECK_FATAL="${CUDAEMU_CHECK_FATAL-1}"
export CUDAEMU_SEED="${CUDAEMU_SEED-1}" CUDAEMU_SHUFFLE_BLOCKS="${CUDAEMU_SHUFFLE_BLOCKS-1}"
exec "$@"
