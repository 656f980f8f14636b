#!/bin/sh
# One OpenLDAP server of a pair in mirror mode: writes its configuration, starts slapd, and looks after it until it ends.
#
#   BASE_DN        suffix of the tree, as o=twinpost
#   SERVER_ID      1 or 2; without it the number at the end of the host's name, plus one
#   PEERS          URL of the other server, or empty; or PEER_PATTERN, with %s for the number in its name
#   DATA_DIR TLS_DIR PASSWORDS_DIR RUN_DIR   volume; tls.crt, tls.key, ca.crt; one file per service; a folder in memory
#   LISTEN         URL to serve at
#
# Invariants: a server is ready (RUN_DIR/ready) only after it has what its peer had when it started: an empty or old copy would say
# "no such account", and mail would bounce. Before that it also writes nothing of its own: a server that lost its volume and writes
# under its number tells its peer that it has all that this number ever wrote. One that has nothing waits for its peer for ever; one
# that has data waits PEER_PATIENCE seconds for a peer that is away. Certificates and passwords are taken when their files change.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
: "${BASE_DN:=o=twinpost}" "${PEERS:=}" "${DATA_DIR:=/var/lib/twinpost}" "${TLS_DIR:=/etc/twinpost/tls}" "${RUN_DIR:=/run/slapd}"
: "${PASSWORDS_DIR:=/etc/twinpost/passwords}" "${LISTEN:=ldaps://:3636/}" "${DB_BYTES_MAX:=17179869184}" "${PEER_PATIENCE:=60}"
: "${SCHEMA_DIR:=/etc/ldap/schema}" "${MODULE_DIR:=/usr/lib/ldap}" "${LOOK_SECONDS:=10}"
if [ -z "${SERVER_ID:-}" ]; then
  name=$(hostname)
  SERVER_ID=$((${name##*-} + 1))
fi
# shellcheck disable=SC2059 # the pattern comes from the chart
[ -z "${PEER_PATTERN:-}" ] || PEERS=$(printf "$PEER_PATTERN" $((2 - SERVER_ID)))
SERVICES_DN=ou=services,$BASE_DN
LOCAL_DN="gidNumber=$(id -g)+uidNumber=$(id -u),cn=peercred,cn=external,cn=auth"
SOCKET=ldapi://$(printf '%s/ldapi' "$RUN_DIR" | sed 's,/,%2F,g')
# Nothing of the machine's own settings of LDAP clients.
export LDAPNOINIT=1
SLAPD=$(command -v slapd || echo /usr/sbin/slapd)

say() { printf '{"level":"info","service":"openldap","msg":"%s"}\n' "$*"; }
fail() {
  printf '{"level":"error","service":"openldap","msg":"%s"}\n' "$*" >&2
  exit 1
}
hash_of() { slappasswd -n -h '{SSHA}' -T "$1"; }
password_of() { tr -d '\r\n' <"$PASSWORDS_DIR/$1"; }
as_local() {
  program=$1
  shift
  "$program" -Q -Y EXTERNAL -H "$SOCKET" "$@"
}
# Clients to a peer, as the replication service: the password comes by a file without a newline.
at_peer() {
  program=$1 url=$2
  shift 2
  # Settings by environment count only without LDAPNOINIT.
  env -u LDAPNOINIT LDAPCONF=/dev/null LDAPTLS_CACERT="$TLS_DIR/ca.crt" LDAPTLS_REQCERT=demand \
    "$program" -x -o nettimeout=3 -H "$url" -D "cn=replication,$SERVICES_DN" -y "$RUN_DIR/replication" "$@"
}

configure() {
  rm -rf "$RUN_DIR/config" "$RUN_DIR/ready" "$RUN_DIR/caught-up"
  mkdir -p "$RUN_DIR/config" "$DATA_DIR/directory"
  umask 077
  password_of replication >"$RUN_DIR/replication"
  [ -s "$RUN_DIR/replication" ] || fail "there is no password in $PASSWORDS_DIR/replication"
  sed "s#@BASE_DN@#$BASE_DN#g" "$HERE/access.ldif" >"$RUN_DIR/access"
  sed "s#@BASE_DN@#$BASE_DN#g" "$HERE/unique.ldif" >"$RUN_DIR/unique"
  : >"$RUN_DIR/syncrepl"
  rid=0
  for peer in $PEERS; do
    rid=$((rid + 1))
    printf 'olcSyncrepl: {%d}rid=%03d provider=%s type=refreshAndPersist searchbase="%s" bindmethod=simple binddn="cn=replication,%s" credentials="%s" retry="1 30 5 +" timeout=5 network-timeout=3 keepalive=10:3:3 tls_cacert=%s tls_reqcert=demand\n' \
      "$((rid - 1))" "$rid" "$peer" "$BASE_DN" "$SERVICES_DN" "$(cat "$RUN_DIR/replication")" "$TLS_DIR/ca.crt" >>"$RUN_DIR/syncrepl"
  done
  [ "$rid" = 0 ] || echo 'olcMultiProvider: TRUE' >>"$RUN_DIR/syncrepl"
  sed -e "/^@ACCESS@\$/{r $RUN_DIR/access
d}" -e "/^@SYNCREPL@\$/{r $RUN_DIR/syncrepl
d}" -e "/^@UNIQUE@\$/{r $RUN_DIR/unique
d}" "$HERE/config.ldif" |
    sed -e "s#@SERVER_ID@#$SERVER_ID#g; s#@TLS_DIR@#$TLS_DIR#g; s#@MODULE_DIR@#$MODULE_DIR#g; s#@SCHEMA_DIR@#$SCHEMA_DIR#g; s#@HERE@#$HERE#g" \
      -e "s#@LOCAL_DN@#$LOCAL_DN#g; s#@DATA_DIR@#$DATA_DIR#g; s#@DB_BYTES_MAX@#$DB_BYTES_MAX#g; s#@BASE_DN@#$BASE_DN#g" >"$RUN_DIR/config.ldif"
  "$SLAPD" -T add -n 0 -F "$RUN_DIR/config" -l "$RUN_DIR/config.ldif" || fail "slapd refused its configuration"
  rm -f "$RUN_DIR/config.ldif" "$RUN_DIR/syncrepl"
}

# The tree without people. UUIDs and times are fixed and of no server: two that begin empty begin alike and have nothing to tell.
seed() {
  {
    entry "$BASE_DN" organization "o: $(printf '%s' "$BASE_DN" | sed 's/^o=\([^,]*\).*/\1/')"
    for unit in people domains shards services; do entry "ou=$unit,$BASE_DN" organizationalUnit "ou: $unit"; done
    for file in "$PASSWORDS_DIR"/*; do
      service=${file##*/}
      password_of "$service" >"$RUN_DIR/password"
      entry "cn=$service,$SERVICES_DN" applicationProcess "cn: $service
objectClass: simpleSecurityObject
userPassword: $(hash_of "$RUN_DIR/password")"
    done
  } >"$RUN_DIR/seed.ldif"
  # -w: with a place in the history, or slapd makes one up at its start, under its own number (see the invariants).
  "$SLAPD" -T add -w -n 1 -F "$RUN_DIR/config" -l "$RUN_DIR/seed.ldif" || fail "the first entries could not be written"
  rm -f "$RUN_DIR/seed.ldif" "$RUN_DIR/password"
  say "the volume was empty: made the tree $BASE_DN"
}
entry() {
  number=$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
  stamp=20260101000000
  printf 'dn: %s\nobjectClass: %s\n%s\nentryUUID: 7477696e-706f-4000-8000-%012d\nentryCSN: %s.000000Z#000000#000#000000\n' "$1" "$2" "$3" "$number" "$stamp"
  printf 'createTimestamp: %sZ\nmodifyTimestamp: %sZ\ncreatorsName: cn=replicator,%s\nmodifiersName: cn=replicator,%s\n\n' "$stamp" "$stamp" "$BASE_DN" "$BASE_DN"
}

# Each service can bind with what is in its file. A service that a later version brings is added by the first server only.
set_passwords() {
  for file in "$PASSWORDS_DIR"/*; do
    service=${file##*/} dn=cn=${file##*/},$SERVICES_DN
    password_of "$service" >"$RUN_DIR/password"
    if ! ldapwhoami -x -H "$SOCKET" -D "$dn" -y "$RUN_DIR/password" >/dev/null 2>&1; then
      hash=$(hash_of "$RUN_DIR/password")
      if as_local ldapsearch -LLL -b "$dn" -s base dn >/dev/null 2>&1; then
        printf 'dn: %s\nchangetype: modify\nreplace: userPassword\nuserPassword: %s\n' "$dn" "$hash" | as_local ldapmodify >/dev/null
      elif [ "$SERVER_ID" = 1 ]; then
        printf 'dn: %s\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: %s\nuserPassword: %s\n' "$dn" "$service" "$hash" | as_local ldapadd >/dev/null
      fi || return 1
      say "set the password of $service"
    fi
  done
  rm -f "$RUN_DIR/password"
}

# What replication has brought: one value for each server that ever wrote.
csn_of() { "$@" -LLL -o ldif-wrap=no -b "$BASE_DN" -s base contextCSN 2>/dev/null | sed -n 's/^contextCSN: //p'; }

# True when the first argument's changes are all in the second: for each server id a value at least as new.
covers() {
  for theirs in $1; do
    id=$(printf '%s' "$theirs" | cut -d '#' -f 3)
    mine=$(printf '%s\n' "$2" | grep "#$id#" || true)
    [ -n "$mine" ] && [ "$(printf '%s\n%s\n' "$theirs" "$mine" | sort | tail -n 1)" = "$mine" ] || return 1
  done
}

# Whether this server may answer: see the invariants above. @ $1: seconds since the start
caught_up() {
  [ ! -f "$RUN_DIR/caught-up" ] || return 0
  for peer in $PEERS; do
    theirs=$(csn_of at_peer ldapsearch "$peer") || theirs=
    if [ -n "$theirs" ]; then
      covers "$theirs" "$(csn_of as_local ldapsearch)" || return 1
    elif [ -f "$DATA_DIR/new" ] || [ "$1" -lt "$PEER_PATIENCE" ]; then
      return 1
    fi
  done
  rm -f "$DATA_DIR/new"
  : >"$RUN_DIR/caught-up"
  say "this server has what its peer has"
}

renew_tls() {
  printf 'dn: cn=config\nchangetype: modify\nreplace: olcTLSCACertificateFile\nolcTLSCACertificateFile: %s/ca.crt\n-\nreplace: olcTLSCertificateFile\nolcTLSCertificateFile: %s/tls.crt\n-\nreplace: olcTLSCertificateKeyFile\nolcTLSCertificateKeyFile: %s/tls.key\n' \
    "$TLS_DIR" "$TLS_DIR" "$TLS_DIR" | as_local ldapmodify >/dev/null && say "took a new certificate"
}
tls_sum() { cat "$TLS_DIR/tls.crt" "$TLS_DIR/ca.crt" | cksum; }

configure
if [ ! -s "$DATA_DIR/directory/data.mdb" ]; then
  : >"$DATA_DIR/new"
  seed
fi
# -d 0: in the foreground, so that this shell is its parent and hears of its end.
"$SLAPD" -d 0 -h "$LISTEN $SOCKET" -F "$RUN_DIR/config" &
server=$!

look_after() {
  seen=$(tls_sum) waited=0
  while :; do
    pause=1
    if as_local ldapwhoami >/dev/null 2>&1 && caught_up "$waited" && set_passwords; then
      : >"$RUN_DIR/ready"
      pause=$LOOK_SECONDS
    fi
    now=$(tls_sum)
    if [ "$now" != "$seen" ] && renew_tls; then seen=$now; fi
    sleep "$pause"
    waited=$((waited + pause))
  done
}
look_after &
watcher=$!
trap 'rm -f "$RUN_DIR/ready"; kill -TERM "$watcher" "$server" 2>/dev/null || true' TERM INT
status=0
# A signal ends the wait and not slapd: wait again until it is gone.
while kill -0 "$server" 2>/dev/null; do
  wait "$server" && status=0 || status=$?
done
kill "$watcher" 2>/dev/null || true
rm -f "$RUN_DIR/ready"
exit "$status"
