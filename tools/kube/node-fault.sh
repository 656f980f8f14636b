#!/bin/bash
# node-fault.sh cut|heal|freeze|thaw|crash|boot N: what happens to node N, and to no other.
#   cut, heal     the network cable          freeze, thaw  a machine that hangs, with all of its pods
#   crash, boot   power loss, and power again
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
NAME=kn${2:?usage: node-fault.sh cut|heal|freeze|thaw|crash|boot N}
FREEZER=/sys/fs/cgroup/freezer/$NAME/freezer.state

case $1 in
  cut) ip link set "v$NAME" down ;;
  heal) ip link set "v$NAME" up ;;
  freeze) echo FROZEN >"$FREEZER" ;;
  thaw) echo THAWED >"$FREEZER" ;;
  crash)
    # All at once: frozen first, so that nothing sees another process die.
    echo FROZEN >"$FREEZER"
    for pid in $(find "/sys/fs/cgroup/pids/$NAME" -name cgroup.procs -exec cat {} +); do kill -9 "$pid"; done
    echo THAWED >"$FREEZER"
    rm -f "$RUN/pids/$NAME"-*
    for path in $(awk -v dir="$RUN/$NAME/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r); do umount -l "$path"; done
    rm -rf "$RUN/$NAME/state" "$RUN/$NAME"/ipam/* # what a machine that boots does not have
    ;;
  boot) "$HERE/node.sh" start "$2" ;;
  *) fail "usage: node-fault.sh cut|heal|freeze|thaw|crash|boot N" ;;
esac
