# Settings and words of the scripts here; source it.
# shellcheck disable=SC2034 # used by the scripts that source it
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
IMAGES_DIR=${TWINPOST_IMAGES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/twinpost-images}
# Where images are named: a registry of your own, if they are to be pushed.
REGISTRY=${TWINPOST_REGISTRY:-localhost/twinpost}
VERSION=${TWINPOST_VERSION:-$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$ROOT/package.json")}
LOCAL_BASE=localhost/twinpost-base:1
LOCAL_BUILDER=localhost/twinpost-builder:1
LOCAL_SYSTEM=localhost/twinpost-system:1
LOCAL_GO=localhost/twinpost-go:1

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "images: $1"
  exit 1
}
