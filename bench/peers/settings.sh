# Where the peers live and listen; sourced by install, start and stop. bench/peers.ts knows the same ports.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
peers=${PEERS_DIR:-$root/.twinpost/peers}
address=127.0.0.1
smtp_port=3025
imap_port=3143
imaps_port=3993
pop3_port=3110
mailboxes=20
domain=peers.test
password=bench-secret
# mdbox (one file for many letters, 2 fsync each) or maildir (one file each); see README.md for what was measured.
mail_format=${PEERS_MAIL_FORMAT:-mdbox}
# Owner of the mail files: an account that every Debian has and nobody logs in with.
mail_user=mail

say() { printf 'bench/peers: %s\n' "$*"; }
fail() { printf 'bench/peers: %s\n' "$*" >&2; exit 1; }
installed() { command -v postfix >/dev/null 2>&1 && command -v dovecot >/dev/null 2>&1; }
