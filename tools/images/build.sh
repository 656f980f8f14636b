#!/bin/bash
# build.sh [TARGET...=twinpost]: builds targets of the Dockerfile and writes each as $IMAGES_DIR/TARGET.tar, a docker archive, beside its
# SBOM and the digest; the path of every archive is printed. With docker or podman where they run, on the bases that the Dockerfile
# names; else with buildah, which needs no daemon, on the bases of base.sh. TWINPOST_BUILDER=docker|podman|buildah chooses,
# TWINPOST_BASE and TWINPOST_BASE_BUILDER name other bases, TWINPOST_REGISTRY and TWINPOST_VERSION name the images.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
NODE=$ROOT/.tools/node/bin/node
targets=("$@")
[ $# -gt 0 ] || targets=(twinpost)

builder=${TWINPOST_BUILDER:-}
for candidate in docker podman buildah; do
  [ -z "$builder" ] || break
  if [ "$candidate" = buildah ]; then command -v buildah >/dev/null && builder=buildah; else "$candidate" info >/dev/null 2>&1 && builder=$candidate; fi || true
done
[ -n "$builder" ] || fail "nothing here can build images: install docker, podman, or buildah (apt-get install buildah)"

options=()
base=${TWINPOST_BASE:-} base_builder=${TWINPOST_BASE_BUILDER:-}
if [ "$builder" = buildah ]; then
  export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
  if [ -z "$base" ]; then
    case " ${targets[*]} " in
      *' nats '* | *' openldap '* | *' resolver '*)
        "$HERE/base.sh" servers
        options=(--build-arg "SYSTEM=$LOCAL_SYSTEM" --build-arg "GO=$LOCAL_GO")
        ;;
      *) "$HERE/base.sh" ;;
    esac
    base=$LOCAL_BASE base_builder=$LOCAL_BUILDER
  fi
fi

mkdir -p "$IMAGES_DIR"
revision=$(git -C "$ROOT" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
options+=(--build-arg "VERSION=$VERSION" --build-arg "REVISION=$revision" --file "$ROOT/Dockerfile")
[ -z "$base" ] || options+=(--build-arg "BASE=$base" --build-arg "BUILDER=${base_builder:-$base}")
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  # An authority of this network: lent to the build, part of no image.
  options+=(--build-arg NODE_EXTRA_CA_CERTS=/etc/ssl/lent.pem --build-arg SSL_CERT_FILE=/etc/ssl/lent.pem)
  [ "$builder" = docker ] && fail "docker cannot lend NODE_EXTRA_CA_CERTS to a build: use TWINPOST_BUILDER=buildah"
  options+=(--volume "$NODE_EXTRA_CA_CERTS:/etc/ssl/lent.pem:ro")
fi

for target in "${targets[@]}"; do
  name=$REGISTRY/$target:$VERSION archive=$IMAGES_DIR/$target.tar
  began=$(date +%s)
  case $builder in
    buildah)
      # One layer less that differs from build to build: files carry the time of the commit, not of this minute.
      nice -n 10 buildah bud --quiet --layers --network host --timestamp 1767225600 "${options[@]}" --target "$target" --tag "$name" "$ROOT" >/dev/null
      rm -f "$archive.new"
      buildah push --quiet "$name" "docker-archive:$archive.new:$name" >/dev/null
      ;;
    *)
      "$builder" build --quiet "${options[@]}" --target "$target" --tag "$name" "$ROOT" >/dev/null
      "$builder" save --output "$archive.new" "$name"
      ;;
  esac
  mv "$archive.new" "$archive"
  "$NODE" "$HERE/sbom.ts" "$archive" "$target" "$VERSION" >"$IMAGES_DIR/$target.spdx.json"
  say "images: $name with $builder in $(($(date +%s) - began)) s, $(($(stat -c %s "$archive") / 1000000)) MB"
  printf '%s\n' "$archive"
done
