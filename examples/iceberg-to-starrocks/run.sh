#!/bin/sh
# Everything on this machine: a small table that Spark wrote, an emulated StarRocks, the job killed once and started again.
set -eu
cd "$(dirname "$0")"
millrace=../../bin/millrace
scratch=$(mktemp -d)
emulator=
trap 'kill $emulator 2>/dev/null || true; rm -rf "$scratch"' EXIT
export STATE="$scratch/state"

# The warehouse. Its first line says where it listens.
$millrace emulate starrocks --table-file tables.yaml --json >"$scratch/starrocks" &
emulator=$!
until grep -q controlUrl "$scratch/starrocks"; do sleep 0.1; done
STARROCKS_URL=$(sed -n 's/.*"urls":\["\([^"]*\)".*/\1/p' "$scratch/starrocks")
control=$(sed -n 's/.*"controlUrl":"\([^"]*\)".*/\1/p' "$scratch/starrocks")
export STARROCKS_URL

readers_see() {
  curl -sSf "$control/tables/demo/orders/rows" >"$scratch/rows"
  echo "Readers see $(wc -l <"$scratch/rows") rows, $(sort -u "$scratch/rows" | wc -l) different ones"
}

echo "First start, killed when its checkpoint is published and not yet committed:"
MILLRACE_FAILPOINTS=commit:before@1=kill $millrace run pipeline.yaml || echo "ended with $?"
readers_see
echo "Second start:"
$millrace run pipeline.yaml
$millrace checkpoints pipeline.yaml
readers_see
sed -n 1,3p "$scratch/rows"
