#!/bin/sh
# Submits a file of requests as a batch, waits until it ends, and downloads the results. Needs curl and jq.
#
#     MISTRAL_API_KEY=… ./submit-wait-download.sh requests.jsonl
#
# It prints the paths of the result files, and on standard error how the batch ended. The exit status is 0 only if every request
# succeeded and each file was downloaded whole, and 124 after the time-out.
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

exec batch-tracker download "$job" --wait --timeout "${TIMEOUT:-24h}" --output "${RESULTS:-results}"
