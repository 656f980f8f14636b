# Processes of the cluster: started with a pid file and a log, ended by pid, never by name. Source it from a script here.
# shellcheck source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
NODE=$ROOT/.tools/node/bin/node

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "kube: $1"
  exit 1
}

# spawn NAME NAMESPACE|- COMMAND...: in the background, in a session of its own. A node's daemons also join the node's control
# group, so that freezing or crashing the node takes them too.
spawn() {
  local name=$1 namespace=$2 enter=()
  shift 2
  mkdir -p "$RUN/pids" "$LOGS"
  [ "$namespace" = - ] || enter=(nsenter "--net=/run/netns/$namespace")
  # shellcheck disable=SC2016 # the inner shell expands it
  setsid nohup bash -c '
    group=$1; shift
    for kind in freezer pids cpuacct memory; do
      [ -d "/sys/fs/cgroup/$kind/$group/system" ] && echo $$ >"/sys/fs/cgroup/$kind/$group/system/cgroup.procs"
    done
    exec "$@"' spawn "$namespace" "${enter[@]}" "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
  echo $! >"$RUN/pids/$name"
}

# gone PID: a zombie counts as gone, process 1 of a container may be slow to reap it
gone() {
  local state
  state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 0
  [ -z "$state" ] || [ "${state:0:1}" = Z ]
}

# halt NAME [SECONDS]: TERM, then KILL
halt() {
  local file=$RUN/pids/$1 pid tries=$((${2:-10} * 20))
  [ -f "$file" ] || return 0
  pid=$(cat "$file")
  rm -f "$file"
  kill "$pid" 2>/dev/null || return 0
  while [ "$tries" -gt 0 ]; do
    gone "$pid" && return 0
    sleep 0.05
    tries=$((tries - 1))
  done
  kill -9 "$pid" 2>/dev/null || true
}

# wait_for SECONDS COMMAND...
wait_for() {
  local tries=$(($1 * 5))
  shift
  while [ "$tries" -gt 0 ]; do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.2
    tries=$((tries - 1))
  done
  fail "this did not come true in time: $*"
}

nodes_up() { seq 1 "$(cat "$RUN/nodes" 2>/dev/null || echo 0)"; }
