#!/bin/bash
# down.sh [keep]: ends every process of the cluster, by pid and control group, and removes its network; without `keep` its data too.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -d "$RUN" ] || exit 0
halt network-policy 2
for n in $(nodes_up); do "$HERE/node.sh" purge "$n" & done
wait
"$HERE/control-plane.sh" stop
for space in $(ip netns list | awk '/^cni-/ { print $1 }'); do
  [ -n "$(ip netns pids "$space")" ] || ip netns del "$space"
done
[ ! -f "$RUN/sysctl.before" ] || sysctl -qp "$RUN/sysctl.before"
# The kubelet's links to pod logs.
for link in /var/log/containers/*; do
  case $(readlink "$link") in "$RUN"/*) rm -f "$link" ;; esac
done
"$HERE/network.sh" down
[ "${1:-}" = keep ] || rm -rf "$RUN"
