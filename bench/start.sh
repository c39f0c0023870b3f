#!/usr/bin/env bash
# How long does `planner estimate db/database.csv` take from start to end? Needs a release build;
# PLANNER names another binary, STARTS another number of starts.
set -euo pipefail
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
planner=${PLANNER:-$root/build/release/bin/planner}
starts=${STARTS:-200}
export LC_ALL=C  # EPOCHREALTIME has a decimal point
# shellcheck source=bench/peak.sh
source "$root/bench/peak.sh"

# Microseconds of each start, sorted.
time_starts() {
  local i from to
  for ((i = 0; i < starts; ++i)); do
    from=$EPOCHREALTIME
    "$@" >/dev/null 2>&1
    to=$EPOCHREALTIME
    echo $((${to/./} - ${from/./}))
  done | sort -n
}

report() {
  local name=$1
  shift
  time_starts "$@" | awk -v name="$name" -v starts="$starts" '
    { us[NR] = $1 }
    END { printf "%-28s minimum %.2f ms, median %.2f ms of %d starts\n", name, us[1] / 1000,
          us[int((NR + 1) / 2)] / 1000, starts }'
}

report "a program that does nothing" "$(type -P true)"
report "planner estimate" "$planner" estimate "$root/db/database.csv"
echo "peak memory: $(peak_of "$planner" estimate "$root/db/database.csv")"
