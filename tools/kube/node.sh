#!/bin/bash
# node.sh start|stop|purge N: containerd, kubelet and kube-proxy of node N in the network namespace and control group knN.
# `stop` ends the daemons and leaves the pods, as a restart of a real kubelet does; `purge` ends everything of the node.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
N=${2:-}
[ -n "$N" ] || fail "usage: node.sh start|stop|purge N"
NAME=kn$N
DIR=$RUN/$NAME
SOCKET=$DIR/containerd.sock

groups() {
  for kind in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do mkdir -p "/sys/fs/cgroup/$kind/$NAME"; done
  for kind in freezer pids cpuacct memory; do mkdir -p "/sys/fs/cgroup/$kind/$NAME/system"; done
  cat /sys/fs/cgroup/cpuset/cpuset.cpus >"/sys/fs/cgroup/cpuset/$NAME/cpuset.cpus"
  cat /sys/fs/cgroup/cpuset/cpuset.mems >"/sys/fs/cgroup/cpuset/$NAME/cpuset.mems"
}

configure() {
  mkdir -p "$DIR"/{containerd,state,kubelet,cni,podlogs,ipam} "$RUN/registries/_default"
  cat >"$DIR/cni/10-bridge.conflist" <<EOF
{"cniVersion":"1.0.0","name":"kube","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
  "ipam":{"type":"host-local","dataDir":"$DIR/ipam","ranges":[[{"subnet":"$POD_NET.$N.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
EOF
  # An image that was not loaded fails at once, and no look-up leaves the machine.
  printf 'server = "http://127.0.0.1:9"\n[host."http://127.0.0.1:9"]\n  capabilities = ["pull", "resolve"]\n' \
    >"$RUN/registries/_default/hosts.toml"
  # restrict_oom_score_adj: in a virtual machine without CAP_SYS_RESOURCE no sandbox would start.
  cat >"$DIR/containerd.toml" <<EOF
version = 3
root = "$DIR/containerd"
state = "$DIR/state"
[grpc]
  address = "$SOCKET"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/local/pause:1"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "$RUN/registries"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "$BIN/runc"
      SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$BIN"]
    conf_dir = "$DIR/cni"
EOF
  printf 'nameserver 127.0.0.1\noptions ndots:5\n' >"$RUN/resolv.conf"
  cat >"$DIR/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$NAME.crt
tlsPrivateKeyFile: $PKI/$NAME.key
containerRuntimeEndpoint: unix://$SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /$NAME
failCgroupV1: false
failSwapOn: false
maxOpenFiles: 20000
clusterDNS: [$DNS_ADDRESS]
clusterDomain: cluster.local
resolvConf: $RUN/resolv.conf
podLogsDir: $DIR/podlogs
volumePluginDir: $DIR/volume-plugins
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: "100Mi", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
maxPods: 100
serializeImagePulls: false
${KUBELET_EXTRA:-}
EOF
  cat >"$DIR/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $POD_NET.0.0/16
clientConnection: {kubeconfig: $RUN/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
EOF
}

start() {
  configure
  groups
  spawn "$NAME-containerd" "$NAME" "$BIN/containerd" -c "$DIR/containerd.toml" -l warn
  wait_for 30 "$BIN/ctr" -a "$SOCKET" -n k8s.io version
  spawn "$NAME-kubelet" "$NAME" "$BIN/kubelet" --config="$DIR/kubelet.yaml" --kubeconfig="$RUN/$NAME.kubeconfig" \
    --hostname-override="$NAME" --node-ip="$NODE_NET.1$N" --root-dir="$DIR/kubelet" --v=2
  spawn "$NAME-proxy" "$NAME" "$BIN/kube-proxy" --config="$DIR/proxy.yaml" --hostname-override="$NAME" --v=2
}

stop() {
  halt "$NAME-proxy" 3
  halt "$NAME-kubelet" 3
  halt "$NAME-containerd" 3
}

# By the pids in the node's own control groups, never by name.
purge() {
  stop
  local pids
  for _ in 1 2 3; do
    pids=$(find "/sys/fs/cgroup/pids/$NAME" "/sys/fs/cgroup/freezer/$NAME" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086
    kill -9 $pids 2>/dev/null || true
    sleep 0.3
  done
  unmount_all
  rm -rf "$DIR/state" "$DIR"/ipam/*
  for group in /sys/fs/cgroup/*/"$NAME"; do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
}

unmount_all() {
  for path in $(awk -v dir="$DIR/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r); do umount -l "$path"; done
}

case $1 in
  start | stop | purge) "$1" ;;
  *) fail "usage: node.sh start|stop|purge N" ;;
esac
