#!/usr/bin/env bash
# Calibrates the GPU of this machine, trains real models on it under `planner measure`, writes a run
# table of what was measured, and scores the predictions before and after. What is worth keeping
# goes to validation/measured/DEVICE.csv. Needs PyTorch; no network.
#   validation/measured/run.sh [DEVICE] [OUT] [SECONDS]
#     DEVICE   in the words of the run table [h200-sxm]
#     OUT      folder of the measured files and the table [a new one]
#     SECONDS  of each run: windows of 30 s and more tell power within its errors [35]
# PLANNER=path/to/planner takes another program than the one that ./dev builds; MODELS="124M 355M"
# trains only those, so that each call stays short: all take a quarter of an hour. CALIBRATE=no leaves
# the calibration out.
set -euo pipefail
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$here/../..
device=${1:-h200-sxm}
out=${2:-$(mktemp -d)}
seconds=${3:-35}
planner=${PLANNER:-$root/build/release/bin/planner}
[[ -x $planner ]] || { "$root/dev" --version >/dev/null; }
mkdir -p -- "$out"

# Model, sequences, tokens of a sequence: several of each, so that some can be told from others.
runs=(
  "124M 8 1024" "124M 32 1024" "124M 16 2048"
  "355M 8 1024" "355M 16 2048"
  "774M 8 1024" "774M 8 2048"
  "1.5B 4 1024" "1.5B 8 2048"
  "moe-8x124M 16 1024"
)
table=$out/$device.csv
profile=$out/$device-gpu.yaml
if [[ ${CALIBRATE:-yes} != no ]]; then
  # The libraries that PyTorch brings are those that it uses.
  libraries=$(python3 -c 'import glob, os, nvidia
print(":".join(d for p in nvidia.__path__ for d in glob.glob(os.path.join(p, "*", "lib"))))' || true)
  LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    "$planner" calibrate --name "$device-gpu" --no-store -o "$profile" | tee "$out/calibrate.txt"
fi
python3 "$here/train.py" --header >"$table"
for run in "${runs[@]}"; do
  read -r model batch seq <<<"$run"
  [[ -z ${MODELS:-} || " $MODELS " == *" $model "* ]] || continue
  file=$out/$model-b$batch-s$seq.jsonl
  rm -f -- "$file"
  # A run that does not fit, or fails, leaves the others.
  if "$planner" measure -q --period 0.1 --tokens-per-step $((batch * seq)) --log nanogpt \
      --name "GPT-2 $model" -o "$file" -- \
      python3 "$here/train.py" "$model" --batch "$batch" --seq "$seq" --seconds "$seconds" \
      >"${file%.jsonl}.log" 2>&1; then
    python3 "$here/train.py" "$model" --batch "$batch" --seq "$seq" --device "$device" \
      --row "$file" >>"$table"
    tail -n 1 -- "$table"
  else
    echo "run.sh: $model, batch $batch, sequence $seq: failed, see ${file%.jsonl}.log" >&2
  fi
done
if (($(wc -l <"$table") < 2)); then
  echo "run.sh: nothing was measured" >&2
  exit 1
fi
echo "run.sh: $table"
# What the planner says of them blind; after the calibration of the device, which has seen none of
# them; and after learning from them, each model from the others.
echo "run.sh: blind"
"$planner" validate "$table" | tee "$out/blind.txt" | head -n 20
if [[ -s $profile ]]; then
  echo "run.sh: after the calibration of the device"
  "$planner" validate "$table" --profile "$profile" | tee "$out/calibrated.txt" | head -n 20
fi
echo "run.sh: after learning from the runs, each model from the others"
"$planner" calibrate --from "$table" --name "$device-torch" --no-store -o "$out/learnt.yaml" || true
