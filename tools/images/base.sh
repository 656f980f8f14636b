#!/bin/bash
# base.sh [servers]: the bases of the Dockerfile without a registry, as buildah images: a Debian from this machine's own package sources
# with the Node of tools/bootstrap.sh, and the same with npm; with `servers` also a Debian with apt, and that with Go. Made once and
# kept; remove $IMAGES_DIR/base to make them anew.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
SUITE=${TWINPOST_BASE_SUITE:-bookworm}
KEPT=$IMAGES_DIR/base
node=$(readlink -f "$ROOT/.tools/node/bin/node") || fail "there is no Node yet: run make bootstrap"
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"

mkdir -p "$KEPT"
# debian NAME VARIANT PACKAGES: unless it is there
debian() {
  [ ! -e "$KEPT/$1.tar" ] || return 0
  say "images: making a base of Debian $SUITE ($2)"
  local skip=(man locale doc info lintian bash-completion)
  # Without times of this machine: the same packages give the same bytes.
  # shellcheck disable=SC2016 # $1 is mmdebstrap's
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600} mmdebstrap --quiet --format=tar --variant="$2" \
    --include="$3" "${skip[@]/#/--dpkgopt=path-exclude=/usr/share/}" \
    --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/log/* "$1"/var/lib/apt/lists/*' "$SUITE" "$KEPT/$1.new"
  mv "$KEPT/$1.new" "$KEPT/$1.tar"
}
debian rootfs essential ca-certificates,libstdc++6,tzdata,netbase

# made NAME FROM SOURCE TARGET [SOURCE TARGET]: unless what it is made of is what it was
made() {
  local name=$1 from=$2 stamp container
  shift 2
  stamp=$(for ((i = 1; i < $#; i += 2)); do stat -Lc '%n %s %Y' "${!i}"; done | sha256sum | cut -c 1-32)
  [ "$(buildah inspect --format '{{index .ImageAnnotations "stamp"}}' "$name" 2>/dev/null)" != "$stamp" ] || return 0
  container=$(buildah from "$from")
  while [ $# -gt 0 ]; do
    buildah add --quiet "$container" "$1" "$2" >/dev/null
    shift 2
  done
  buildah config --annotation "stamp=$stamp" --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" "$name" >/dev/null
  say "images: made $name"
}
made "$LOCAL_BASE" scratch "$KEPT/rootfs.tar" / "$node" /usr/local/bin/node
made "$LOCAL_BUILDER" "$LOCAL_BASE" "$npm" /usr/local/lib/node_modules/npm "$HERE/npm.sh" /usr/local/bin/npm
if [ "${1:-}" = servers ]; then
  command -v go >/dev/null || fail "go is missing: nats-server is built from its module"
  debian system apt ca-certificates,netbase
  made "$LOCAL_SYSTEM" scratch "$KEPT/system.tar" /
  made "$LOCAL_GO" "$LOCAL_SYSTEM" "$(go env GOROOT)" /usr/local/go "$HERE/go.sh" /usr/local/bin/go
fi
