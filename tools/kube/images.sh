#!/bin/bash
# The images of the cluster itself and the base of our own, as docker archives, without a daemon and without a registry. The base is a
# Debian from this machine's own package sources. What is newer than its parts is kept.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mkdir -p "$IMAGES"
BASE=$IMAGES/rootfs.tar

if [ ! -f "$BASE" ]; then
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
  skip=(--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*')
  mmdebstrap --quiet --variant=minbase --include=busybox,curl,netcat-openbsd,iproute2 "${skip[@]}" bookworm "$BASE.new"
  mv "$BASE.new" "$BASE"
fi

# image NAME TAG PART [OPTIONS]: made anew when PART is newer
image() {
  local archive=$IMAGES/$1.tar
  [ "$archive" -nt "$3" ] || "$NODE" "$HERE/pack-image.ts" "$archive" "$2" "${@:4}"
}

image pause docker.io/local/pause:1 "$BIN/pause" --entrypoint /pause "$BIN/pause=/pause"
image base docker.io/local/base:1 "$BASE" --layer "$BASE" --cmd bash
image coredns docker.io/local/coredns:1 "$BIN/coredns" --entrypoint /coredns "$BIN/coredns=/coredns"
image local-path docker.io/local/local-path-provisioner:1 "$BIN/local-path-provisioner" --entrypoint /local-path-provisioner \
  "$BIN/local-path-provisioner=/local-path-provisioner"
image metrics-server docker.io/local/metrics-server:1 "$BIN/metrics-server" --entrypoint /metrics-server "$BIN/metrics-server=/metrics-server"
image nats docker.io/local/nats:1 "$BIN/nats-server" --entrypoint /nats-server "$BIN/nats-server=/nats-server"
