#!/bin/bash
# load.sh ARCHIVE.tar...: imports images (docker archives) into every node, as `kind load` does. One that a node has is passed over.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

load() {
  local node=$1 archive=$2 marker said
  marker=$RUN/$node/loaded/$(sha256sum "$archive" | cut -c 1-32)
  [ ! -f "$marker" ] || return 0
  said=$("$BIN/ctr" -a "$RUN/$node/containerd.sock" -n k8s.io images import "$archive" 2>&1) || fail "could not load $archive into $node: $said"
  mkdir -p "${marker%/*}"
  touch "$marker"
}

jobs=()
for n in $(nodes_up); do
  for archive in "$@"; do
    load "kn$n" "$archive" &
    jobs+=($!)
  done
done
for job in "${jobs[@]}"; do wait "$job"; done
