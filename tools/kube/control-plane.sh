#!/bin/bash
# control-plane.sh start|stop: etcd, API server, controller manager and scheduler on the host itself.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start() {
  mkdir -p "$RUN/etcd"
  chmod 700 "$RUN/etcd"
  spawn etcd - "$BIN/etcd" --name=default --data-dir="$RUN/etcd" --unsafe-no-fsync=true --log-level=warn \
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 --listen-peer-urls=http://127.0.0.1:2380
  # shellcheck disable=SC2086 # extra flags are words
  spawn kube-apiserver - "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port="$API_PORT" \
    --advertise-address="$NODE_NET.1" --service-cluster-ip-range="$SERVICE_CIDR" --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true --client-ca-file="$PKI/ca.crt" \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$PKI/apiserver-kubelet-client.key" --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$PKI/sa.pub" \
    --service-account-signing-key-file="$PKI/sa.key" --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" \
    --requestheader-allowed-names=front-proxy-client --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key" \
    --enable-aggregator-routing=true --v=1 ${APISERVER_EXTRA:-}
  wait_for 90 kubectl get --raw /readyz
  # shellcheck disable=SC2086
  spawn kube-controller-manager - "$BIN/kube-controller-manager" --kubeconfig="$RUN/controller-manager.kubeconfig" \
    --authentication-kubeconfig="$RUN/controller-manager.kubeconfig" --authorization-kubeconfig="$RUN/controller-manager.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/sa.key" \
    --use-service-account-credentials=true --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --v=1 ${CONTROLLER_MANAGER_EXTRA:-}
  spawn kube-scheduler - "$BIN/kube-scheduler" --kubeconfig="$RUN/scheduler.kubeconfig" \
    --authentication-kubeconfig="$RUN/scheduler.kubeconfig" --authorization-kubeconfig="$RUN/scheduler.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false --v=1
}

case ${1:-} in
  start) start ;;
  stop)
    halt kube-scheduler
    halt kube-controller-manager
    halt kube-apiserver 2
    halt etcd
    ;;
  # An API server that hangs: connections stay open and nobody answers, which is worse for clients than a refusal.
  pause) kill -STOP "$(cat "$RUN/pids/kube-apiserver")" ;;
  resume) kill -CONT "$(cat "$RUN/pids/kube-apiserver")" ;;
  *) fail "usage: control-plane.sh start|stop|pause|resume" ;;
esac
