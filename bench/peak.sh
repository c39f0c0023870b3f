# shellcheck shell=bash
# For the scripts beside this one. peak_of COMMAND...: runs a command without output and prints its
# peak resident memory, by whichever tool is there.
peak_of() {
  local kib=""
  if [[ -x /usr/bin/time ]]; then
    kib=$(/usr/bin/time -f %M bash -c '"$@" >/dev/null 2>&1' _ "$@" 2>&1 | tail -n 1)
  elif type -P python3 >/dev/null; then
    kib=$(python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@")
  fi
  if [[ $kib =~ ^[0-9]+$ ]]; then
    awk -v kib="$kib" 'BEGIN { printf "%.1f MiB\n", kib / 1024 }'
  else
    echo "unknown (needs /usr/bin/time or python3)"
  fi
}
