#!/bin/bash
# network.sh up N|down: one bridge on the host and one network namespace for each node. Nothing that is meant for the cluster can leave
# by the host's own route, and nodes have no route to anywhere else.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
BRIDGE=kbr0

up() {
  if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
    ip link add "$BRIDGE" type bridge
    ip addr add "$NODE_NET.1/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
  fi
  ip route replace unreachable "$POD_NET.0.0/16" metric 9999
  ip route replace unreachable "$SERVICE_CIDR" metric 9999
  # The host reaches Services by the proxy of node 1.
  ip route replace "$SERVICE_CIDR" via "$NODE_NET.11" onlink dev "$BRIDGE" metric 100
  for n in $(seq "$1"); do
    local node=kn$n
    if ! ip netns list | grep -qw "$node"; then
      ip netns add "$node"
      ip link add "v$node" type veth peer name eth0 netns "$node"
      ip link set "v$node" master "$BRIDGE" up
      ip -n "$node" link set lo up
      ip -n "$node" addr add "$NODE_NET.1$n/24" dev eth0
      ip -n "$node" link set eth0 up
      # Addresses of Services need some route before they are translated.
      ip -n "$node" route add "$SERVICE_CIDR" via "$NODE_NET.1"
      nsenter "--net=/run/netns/$node" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
    fi
    ip route replace "$POD_NET.$n.0/24" via "$NODE_NET.1$n" onlink dev "$BRIDGE"
    for m in $(seq "$NODES_MAX"); do
      [ "$m" = "$n" ] || ip -n "$node" route replace "$POD_NET.$m.0/24" via "$NODE_NET.1$m"
    done
  done
}

down() {
  for n in $(seq "$NODES_MAX"); do
    ip netns del "kn$n" 2>/dev/null || true
    ip link del "vkn$n" 2>/dev/null || true
  done
  ip link del "$BRIDGE" 2>/dev/null || true
  ip route del unreachable "$POD_NET.0.0/16" metric 9999 2>/dev/null || true
  ip route del unreachable "$SERVICE_CIDR" metric 9999 2>/dev/null || true
}

case ${1:-} in
  up) up "$2" ;;
  down) down ;;
  *) fail "usage: network.sh up N|down" ;;
esac
