#!/bin/sh
# Builds the programs of a Kubernetes from the Go modules that build/go.mod pins: no Docker, no image registry, no download of
# binaries. `build.sh control-plane`: etcd and kube-apiserver, all that tests of the API need. `build.sh all`: what `up.sh`
# needs besides. A part whose sources have not changed is only looked at. Wants go, for runc gcc, pkg-config and libseccomp-dev.
set -eu
cd "$(dirname "$0")/build"

KUBE_VERSION=1.37.2 # as k8s.io/kubernetes in go.mod
ROOT=${TWINPOST_KUBE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/twinpost-kube}
BIN=$ROOT/bin

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "kube: $1"
  exit 1
}

command -v go >/dev/null || fail "go is missing: install Go >= 1.24, it gets the version that go.mod names by itself"
mkdir -p "$BIN"
# Five gigabytes that nothing else shares: kept apart, and removed when all is built.
export GOCACHE="$ROOT/go-build" CGO_ENABLED=0

version_flags() {
  minor=${KUBE_VERSION#*.}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s ' "$package" "$KUBE_VERSION" "$package" "$package" "${minor%%.*}"
  done
}

# stamp NAME FLAGS: what decides whether the part NAME is as it should be
stamp() {
  {
    cat go.mod go.sum
    [ ! -d "$1" ] || cat "$1"/*.go
    go env GOOS GOARCH
    printf '%s' "$*"
  } | sha256sum | cut -d ' ' -f 1
}

# part NAME PACKAGE [go build flags]: builds beside and renames, so that a half-built program is never run
part() {
  name=$1 package=$2
  shift 2
  wanted=$(stamp "$name" "$package" "$@")
  if [ -x "$BIN/$name" ] && [ "$(cat "$BIN/.$name.stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
  began=$(date +%s)
  go build -trimpath "$@" -o "$BIN/.$name.new" "$package" || fail "could not build $name ($package)"
  mv "$BIN/.$name.new" "$BIN/$name"
  printf '%s' "$wanted" >"$BIN/.$name.stamp"
  say "kube: built $name in $(($(date +%s) - began)) s"
}

links() {
  program=$1
  shift
  for name in "$@"; do ln -sfn "$program" "$BIN/$name"; done
}

control_plane() {
  part control-plane ./control-plane -ldflags "-s -w $(version_flags)"
  links control-plane etcd kube-apiserver
}

cluster() {
  part hyperkube ./hyperkube -ldflags "-s -w $(version_flags)"
  links hyperkube kubectl kubelet kube-controller-manager kube-scheduler kube-proxy
  part coredns ./coredns -ldflags '-s -w'
  part pause ./pause -ldflags '-s -w'
  for package in github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 \
    github.com/containerd/containerd/v2/cmd/ctr github.com/containernetworking/plugins/plugins/main/bridge \
    github.com/containernetworking/plugins/plugins/main/loopback github.com/containernetworking/plugins/plugins/ipam/host-local \
    github.com/containernetworking/plugins/plugins/meta/portmap github.com/rancher/local-path-provisioner \
    sigs.k8s.io/metrics-server/cmd/metrics-server helm.sh/helm/v4/cmd/helm; do
    part "$(basename "$package")" "$package" -ldflags '-s -w'
  done
  part nats-server github.com/nats-io/nats-server/v2 -ldflags '-s -w'
  # Without seccomp in runc every pod with `seccompProfile: RuntimeDefault` fails.
  CGO_ENABLED=1
  part runc github.com/opencontainers/runc -tags seccomp -ldflags '-s -w'
  CGO_ENABLED=0
}

case ${1:-all} in
  control-plane) control_plane ;;
  all)
    control_plane
    cluster
    rm -rf "$GOCACHE"
    ;;
  *) fail "usage: build.sh [control-plane|all]" ;;
esac
