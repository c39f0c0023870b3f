#!/usr/bin/env bash
# What does `planner measure` take beside a run that does nothing, ten readings a second? With the
# simulated driver of the tests, which answers in 10 ms (./dev test builds it); SECONDS_OF is the
# length of the run, PLANNER and NVML name another program and driver.
set -euo pipefail
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
planner=${PLANNER:-$root/build/release/bin/planner}
seconds=${SECONDS_OF:-20}
export PLANNER_NVML=${NVML:-$root/build/release/tests/libsim_nvml.so}
[[ -e $PLANNER_NVML ]] || { echo "overhead.sh: no simulated driver: run ./dev test first" >&2; exit 2; }
[[ -x /usr/bin/time ]] || { echo "overhead.sh: needs /usr/bin/time (package time)" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
for devices in 1 8; do
  NVML_SIM="devices=$devices watts=300 delay_ms=10" /usr/bin/time -f "%U %S %e %M" \
    "$planner" measure -q --period 0.1 -o "$folder/$devices.jsonl" -- sleep "$seconds" \
    2>"$folder/time"
  awk -v n="$devices" '{ printf "%d devices: %.2f%% of a core, %.1f MiB\n", n, 100 * ($1 + $2) / $3,
                         $4 / 1024 }' "$folder/time"
done
