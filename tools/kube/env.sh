# Settings of the cluster of tools/kube; source it: `. tools/kube/env.sh` also sets KUBECONFIG and puts kubectl on PATH.
TWINPOST_KUBE_DIR=${TWINPOST_KUBE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/twinpost-kube}
export TWINPOST_KUBE_DIR
BIN=$TWINPOST_KUBE_DIR/bin       # what build.sh made
IMAGES=$TWINPOST_KUBE_DIR/images # what images.sh made
RUN=$TWINPOST_KUBE_DIR/run       # all state of the cluster: gone after down.sh
PKI=$RUN/pki
LOGS=$TWINPOST_KUBE_DIR/logs     # stays after down.sh

NODE_NET=172.29.0 # node N is .1N, the host is .1
POD_NET=10.244    # node N has .N.0/24
SERVICE_CIDR=10.96.0.0/16
DNS_ADDRESS=10.96.0.10
API_PORT=6443
NODES_MAX=3

export KUBECONFIG=$RUN/admin.kubeconfig
case ":$PATH:" in
  *":$BIN:"*) ;;
  *) export PATH="$BIN:$PATH" ;;
esac
