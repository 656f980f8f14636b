#!/bin/bash
# The certificates of the cluster, made once per cluster: one authority for all, one for the aggregated API, elliptic keys, so that it
# takes less than a second.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -f "$PKI/ca.crt" ] && exit 0
mkdir -p "$PKI"
cd "$PKI"
umask 077

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
}

# certificate NAME AUTHORITY SUBJECT [ALTERNATIVE NAMES]
certificate() {
  key "$1"
  {
    echo keyUsage=critical,digitalSignature,keyEncipherment
    echo extendedKeyUsage=clientAuth,serverAuth
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$1.ext"
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

# access NAME SUBJECT [ALTERNATIVE NAMES]: a certificate and a kubeconfig that uses it
access() {
  certificate "$1" ca "$2" "${3:-}"
  cat >"$RUN/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: twinpost, cluster: {certificate-authority: $PKI/ca.crt, server: "https://$NODE_NET.1:$API_PORT"}}]
users: [{name: $1, user: {client-certificate: $PKI/$1.crt, client-key: $PKI/$1.key}}]
contexts: [{name: twinpost, context: {cluster: twinpost, user: $1}}]
current-context: twinpost
EOF
}

authority ca
authority front-proxy-ca
openssl genrsa -out sa.key 2048 2>/dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
certificate apiserver ca /CN=kube-apiserver \
  "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$NODE_NET.1,IP:10.96.0.1"
certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client
access admin /O=system:masters/CN=admin
access controller-manager /CN=system:kube-controller-manager
access scheduler /CN=system:kube-scheduler
access proxy /CN=system:kube-proxy
for n in $(seq "$NODES_MAX"); do
  access "kn$n" "/O=system:nodes/CN=system:node:kn$n" "DNS:kn$n,IP:$NODE_NET.1$n"
done
