#!/bin/sh
# Everything on this machine: an emulated log service with 1000 logs, a real S3 server, the job killed once and started again.
#   S3_ENDPOINT=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… sh run.sh   takes your server
#   sh run.sh                                                                                starts one (needs Go)
set -eu
cd "$(dirname "$0")"
millrace=../../bin/millrace
scratch=$(mktemp -d)
emulator=
trap 'kill $emulator 2>/dev/null || true; rm -rf "$scratch"' EXIT
if [ -z "${S3_ENDPOINT:-}" ]; then
  S3_ENDPOINT=$(node ../../scripts/bootstrap.cjs scripts/services/main.ts s3 start)
  export S3_ENDPOINT AWS_ACCESS_KEY_ID=millrace AWS_SECRET_ACCESS_KEY=millrace-secret
fi
s3() { # method, path
  curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -X "$1" "$S3_ENDPOINT/$BUCKET$2"
}
if [ -z "${BUCKET:-}" ]; then # a bucket that is there may be named
  export BUCKET="lake-$$"
  s3 PUT ''
fi

# The log service, with two shards. Its first line says where it listens.
$millrace emulate sls --logstore access --shards 2 --json >"$scratch/sls" &
emulator=$!
until grep -q controlUrl "$scratch/sls"; do sleep 0.1; done
SLS_ENDPOINT=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$scratch/sls")
control=$(sed -n 's/.*"controlUrl":"\([^"]*\)".*/\1/p' "$scratch/sls")
export SLS_ENDPOINT SLS_END=latest XDG_STATE_HOME="$scratch" # the job's socket; its log is in the bucket

for shard in 0 1; do
  awk -v shard=$shard 'BEGIN {
    printf "{\"groups\":[{\"source\":\"web-%d\",\"logs\":[", shard
    for (i = 0; i < 500; i++) {
      printf "%s{\"time\":%d,\"contents\":[[\"id\",\"%d\"],[\"path\",\"/item/%d\"],[\"status\",\"200\"],[\"micros\",\"%d\"]]}", \
        i ? "," : "", 1763690000 + 300 * i, 2 * i + shard, i % 40, 900 + i
    }
    print "]}]}"
  }' | curl -sSf -o "$scratch/answer" -d @- "$control/logstores/access/shards/$shard/groups"
done

echo "First start, killed when its checkpoint is published and not yet committed:"
MILLRACE_FAILPOINTS=commit:before@1=kill $millrace run pipeline.yaml || echo "ended with $?"
echo "Second start:"
$millrace run pipeline.yaml
$millrace checkpoints pipeline.yaml
echo "In the bucket $BUCKET of $S3_ENDPOINT:"
s3 GET '?list-type=2&prefix=access_logs%2F' | sed 's/<Key>/\n&/g' | sed -n 's/^<Key>\([^<]*\.\(parquet\|commit\)\)<.*/  \1/p'
