#!/bin/sh
# Submits a file of requests as a batch, waits until it ends, and downloads the results. Needs curl and jq.
#
#     MISTRAL_API_KEY=… ./submit-wait-download.sh requests.jsonl
#
# The exit status is that of `batch-tracker wait`: 0 only if every request succeeded, 124 after the time-out.
set -eu

requests=$1
model=${MODEL:-mistral-small-latest}
base=${MISTRAL_URL:-https://api.mistral.ai}

api() { # the key comes on standard input, so that `ps` does not show it
  printf 'header = "Authorization: Bearer %s"\n' "$MISTRAL_API_KEY" | curl --config - --silent --show-error --fail "$@"
}

file=$(api --form purpose=batch --form "file=@$requests" "$base/v1/files" | jq -er .id)
batch=$(jq -n --arg file "$file" --arg model "$model" '{input_files: [$file], endpoint: "/v1/chat/completions", model: $model}')
job=$(api --header 'content-type: application/json' --data "$batch" "$base/v1/batch/jobs" | jq -er .id)
echo "submitted $job" >&2

status=0
batch-tracker wait "$job" --json --timeout "${TIMEOUT:-24h}" >job.json || status=$?

for kind in output error; do
  file=$(jq -r ".${kind}_file // empty" job.json)
  if [ -n "$file" ]; then
    api --output "$kind.jsonl" "$base/v1/files/$file/content"
    echo "$kind.jsonl" # the file that was downloaded
  fi
done
exit "$status"
