#!/bin/sh
# reloading.sh FOLDER[:FOLDER...] PROGRAM [ARGUMENT...]: runs a server and tells it by SIGHUP when a file in one of the folders changed:
# certificates and passwords that Kubernetes writes anew. Ends when the server ends, with its status; hands on SIGTERM.
set -eu
folders=$1
shift
LOOK_SECONDS=${LOOK_SECONDS:-10}

sum() {
  (
    IFS=:
    # shellcheck disable=SC2086 # the list is meant to be split
    for folder in $folders; do cat "$folder"/* 2>/dev/null || true; done
  ) | cksum
}

watch() {
  seen=$(sum)
  while sleep "$LOOK_SECONDS"; do
    now=$(sum)
    [ "$now" != "$seen" ] || continue
    seen=$now
    kill -HUP "$1" 2>/dev/null || return 0
  done
}

"$@" &
server=$!
watch "$server" &
watcher=$!
trap 'kill -TERM "$server" 2>/dev/null || true' TERM INT
status=0
# A signal ends the wait and not the server: wait again until it is gone.
while kill -0 "$server" 2>/dev/null; do
  wait "$server" && status=0 || status=$?
done
kill "$watcher" 2>/dev/null || true
exit "$status"
