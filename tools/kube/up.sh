#!/bin/bash
# up.sh [N=1]: a cluster of N nodes with DNS, volumes and network policies, ready when this returns. METRICS=1: also metrics-server.
# Run again after `down.sh keep` it finds what was there. Wants root, Linux with cgroup v1, and what README.md lists.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
COUNT=${1:-1}
[ "$COUNT" -ge 1 ] && [ "$COUNT" -le "$NODES_MAX" ] || fail "between 1 and $NODES_MAX nodes"
[ "$(id -u)" = 0 ] || fail "this needs root: network namespaces, control groups, mounts; as another user use kind"
[ -d /sys/fs/cgroup/freezer ] || fail "this needs the hierarchies of cgroup v1, and here are none: use kind"
for program in nft ip openssl conntrack nsenter; do command -v "$program" >/dev/null || fail "$program is missing, see tools/kube/README.md"; done
[ -x "$BIN/runc" ] || fail "the programs are not built yet: run make kube-tools KUBE=all"
[ -f "$IMAGES/nats.tar" ] || "$HERE/images.sh"

began=$(date +%s%N)
lap() { printf '%6.1f s  %s\n' "$((($(date +%s%N) - began) / 100000000))e-1" "$*"; }

mkdir -p "$RUN"
echo "$COUNT" >"$RUN/nodes"
# The kubelet sets these for the whole machine; down.sh puts them back.
[ -f "$RUN/sysctl.before" ] || sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes \
  >"$RUN/sysctl.before"
"$HERE/certs.sh"
"$HERE/network.sh" up "$COUNT"
"$HERE/control-plane.sh" start
lap "control plane"
jobs=()
for n in $(seq "$COUNT"); do
  "$HERE/node.sh" start "$n" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
images=("$IMAGES"/{pause,base,coredns,local-path}.tar)
[ "${METRICS:-}" != 1 ] || images+=("$IMAGES/metrics-server.tar")
"$HERE/load.sh" "${images[@]}"
for n in $(seq "$COUNT"); do
  kubectl wait --for=create "node/kn$n" --timeout=60s >/dev/null
  kubectl wait --for=condition=Ready "node/kn$n" --timeout=90s >/dev/null
done
lap "$COUNT node(s) Ready"
{
  cat "$HERE/manifests/coredns.yaml"
  echo ---
  sed "s#@RUN@#$RUN#" "$HERE/manifests/local-path.yaml"
  [ "${METRICS:-}" != 1 ] || { echo --- && cat "$HERE/manifests/metrics-server.yaml"; }
} | kubectl apply -f - >/dev/null
spawn network-policy - "$NODE" "$HERE/network-policy.ts" "$COUNT"
kubectl -n kube-system rollout status deploy/coredns --timeout=120s >/dev/null
kubectl -n local-path-storage rollout status deploy/local-path --timeout=120s >/dev/null
[ "${METRICS:-}" != 1 ] || kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=120s >/dev/null
lap "DNS and volumes"
