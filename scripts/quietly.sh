#!/bin/sh
# Run one step with its output in a log; show the log's end only when the step fails.
# Usage: quietly.sh LOG MESSAGE COMMAND [ARGUMENT ...]
log=$1 message=$2
shift 2
mkdir -p "$(dirname "$log")"
printf '%s … ' "$message"
start=$(date +%s)
if "$@" >"$log" 2>&1; then
  echo "$(($(date +%s) - start)) s"
else
  status=$?
  echo 'failed'
  tail -n 40 "$log" >&2
  echo "The whole output is in $log; run the same command again to go on from here." >&2
  exit $status
fi
