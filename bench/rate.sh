#!/usr/bin/env bash
# How many rows per second does `planner estimate` get through, from file to file? Needs a release
# build; PLANNER names another binary. Arguments: numbers of rows (1000000 4000000).
set -euo pipefail
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
planner=${PLANNER:-$root/build/release/bin/planner}
runs=5
export LC_ALL=C
# shellcheck source=bench/peak.sh
source "$root/bench/peak.sh"
(($# > 0)) || set -- 1000000 4000000

# Files in memory, so that the disk is not what is measured.
folder=/dev/shm
[[ -w $folder ]] || folder=${TMPDIR:-/tmp}
scratch=$(mktemp -d -p "$folder")
trap 'rm -rf -- "$scratch"' EXIT

# A table of distinct rows: name, size of the model, tokens and devices vary.
make_table() {
  awk -v rows="$1" -v header="$(head -n 1 -- "$root/db/database.csv")" 'BEGIN {
    print header
    for (i = 0; i < rows; ++i) {
      params = 10 + i % 491 / 2
      tokens = 200 + i % 997
      devices = 64 * (1 + i % 157)
      printf "run-%d,dense,%.1f,,%d,0.429,1.1,V100,300,330,125,24.6,0.197,%d,%.2f,14.8,552.1,1287\n",
        i, params, tokens, devices, params * tokens * 0.006
    }
  }'
}

for rows in "$@"; do
  make_table "$rows" >"$scratch/in.csv"
  command=("$planner" estimate "$scratch/in.csv" --format csv --samples 0)
  for ((i = 0; i < runs; ++i)); do
    TIMEFORMAT='%R %U %S'
    # Exit 2 would mean that rows could not be computed: stop then.
    { time "${command[@]}" >"$scratch/out" 2>"$scratch/errors"; } 2>>"$scratch/times" || {
      cat -- "$scratch/errors" >&2
      exit 1
    }
  done
  sort -n -- "$scratch/times" | awk -v rows="$rows" '
    { wall[NR] = $1; cpu[NR] = $2 + $3 }
    END {
      middle = int((NR + 1) / 2)
      printf "%d rows: best %.2f M rows/s, median %.2f M rows/s of %d runs; ", rows,
        rows / wall[1] / 1e6, rows / wall[middle] / 1e6, NR
      printf "best %.2f s, user + system %.2f s\n", wall[1], cpu[1]
    }'
  rm -- "$scratch/times"
  awk 'END { print "  lines of output: " NR }' "$scratch/out"
  echo "  peak memory: $(peak_of "${command[@]}")"
done
