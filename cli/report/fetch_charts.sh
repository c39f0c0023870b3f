#!/usr/bin/env bash
# Puts Apache ECharts, the library that draws the charts of reports, and its licence into a folder:
#   fetch_charts.sh FOLDER
# by npm, checked against the known content. Without npm, or without a network, the files are empty
# and reports have their tables alone.
set -euo pipefail
folder=$1
version=6.1.0
sum=b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0
mkdir -p -- "$folder"
if [[ -s $folder/echarts.min.js ]] && sha256sum <"$folder/echarts.min.js" | grep -q "^$sum"; then
  touch -- "$folder/echarts.min.js" "$folder/echarts_licence.txt"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
give_up() {
  echo "fetch_charts.sh: $1: reports will have no charts" >&2
  : >"$folder/echarts.min.js"
  : >"$folder/echarts_licence.txt"
  exit 0
}
type -P npm >/dev/null || give_up "npm is not there"
(cd -- "$scratch" && npm pack --silent "echarts@$version" >/dev/null 2>&1) || give_up "npm could not fetch echarts"
tar -xzf "$scratch/echarts-$version.tgz" -C "$scratch" package/dist/echarts.min.js package/LICENSE package/NOTICE
found=$(sha256sum <"$scratch/package/dist/echarts.min.js")
[[ ${found%% *} == "$sum" ]] || give_up "echarts $version is not what it was"
cat -- "$scratch/package/NOTICE" "$scratch/package/LICENSE" >"$folder/echarts_licence.txt"
cp -- "$scratch/package/dist/echarts.min.js" "$folder/echarts.min.js"
