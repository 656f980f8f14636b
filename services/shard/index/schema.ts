/**
 * Tables of the index. Every message belongs to a mailbox by its integer key; deleted mailboxes and accounts keep their rows
 * (`gone` is the LSN of the deletion), so that deleting costs one row, and compaction knows since when nobody needs a body. Another `INDEX_SCHEMA_VERSION` means: put the file aside and rebuild from the log.
 *
 * `messages` is WITHOUT ROWID on (mailbox, uid): a scan of one mailbox reads neighbouring pages (100,000 rows in 30 ms; with
 * row ids 90 ms). Header blocks (some 600 bytes) would push that apart and cost 10 µs per letter in it; in a table of their
 * own, appended in row order, they cost 2 µs, and COPY and FETCH need no second read from the log.
 *
 * The indexes by MODSEQ make a resynchronisation (RFC 7162) cost what changed, not what is there: without them SELECT of a
 * mailbox of 100,000 reads all of it (12 ms and more), and an old account its whole history of expunges. The index of messages with
 * \Deleted is for EXPUNGE, which would read as much; few messages are in it at a time.
 *
 * `metadata` has 0 for the mailbox where an annotation is of the account as a whole. Names that no client can say hold what the shard keeps
 * beside annotations (`mailbox/grants.ts`); grants are found by whom they are for.
 *
 * `moves` are those under way: of accounts that are to leave (direction 0) or to come (1). `arrivals` says how far the messages of a
 * mailbox that comes are copied, `copied_lsn` when the last of them came: they do not come in the order of their UIDs. `home` of an
 * account is the shard where it is, if that is not this one. Ids of deliveries are found by mailbox when an account leaves.
 *
 * `uid_gaps` are the UIDs that a recovery jump passed over: clients may know messages there that are lost, so they count as
 * expunged with the MODSEQ of the jump.
 */
export const INDEX_SCHEMA_VERSION = 6

export const INDEX_TABLES = [
  'state',
  'accounts',
  'mailboxes',
  'subscriptions',
  'keywords',
  'metadata',
  'messages',
  'expunged',
  'uid_gaps',
  'header_blocks',
  'deliveries',
  'moves',
  'arrivals',
  'queue',
  'queue_recipients',
  'queue_counts', // last: its triggers count what is taken out of the two before
] as const

/** Columns of an expunged message whose facts compaction dropped: what is left is that it is gone, and since when. */
export const FORGOTTEN = {
  mod_seq: '0',
  flags: '0',
  keywords: 'NULL',
  internal_ms: '0',
  save_ms: '0',
  size: '0',
  email_id: "''",
  header: 'NULL',
  body: "x''",
  body_size: '0',
  fact_lsn: '0',
} as const

const MESSAGE_COLUMNS = `
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  mod_seq INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  keywords TEXT,
  internal_ms INTEGER NOT NULL,
  save_ms INTEGER NOT NULL,
  size INTEGER NOT NULL,
  email_id TEXT NOT NULL,
  header INTEGER,
  body NOT NULL,
  body_size INTEGER NOT NULL,
  fact_lsn INTEGER NOT NULL`

export const INDEX_SCHEMA = `
CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 1), applied_lsn INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0);
CREATE TABLE accounts (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  generation INTEGER NOT NULL,
  quota INTEGER,
  status INTEGER NOT NULL,
  mod_seq INTEGER NOT NULL,
  uid_validity_max INTEGER NOT NULL,
  home TEXT
) STRICT;
CREATE TABLE mailboxes (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account INTEGER NOT NULL,
  name TEXT NOT NULL,
  uid_validity INTEGER NOT NULL,
  special_use TEXT,
  gone INTEGER NOT NULL DEFAULT 0,
  uid_next INTEGER NOT NULL DEFAULT 1,
  highest_mod_seq INTEGER NOT NULL,
  recent_up_to INTEGER NOT NULL DEFAULT 0,
  messages INTEGER NOT NULL DEFAULT 0,
  unseen INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  recent INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL DEFAULT 0,
  copied_lsn INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX mailboxes_of_account ON mailboxes (account);
CREATE TABLE subscriptions (account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID;
CREATE TABLE keywords (mailbox INTEGER NOT NULL, keyword TEXT NOT NULL, PRIMARY KEY (mailbox, keyword)) STRICT, WITHOUT ROWID;
CREATE TABLE metadata (
  account INTEGER NOT NULL,
  mailbox INTEGER NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (account, mailbox, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX metadata_grants ON metadata (name) WHERE name >= '/acl/' AND name < '/acl0';
CREATE TABLE messages (${MESSAGE_COLUMNS}, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE TABLE expunged (${MESSAGE_COLUMNS}, expunged_mod_seq INTEGER NOT NULL, expunged_lsn INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE INDEX messages_deleted ON messages (mailbox, uid) WHERE flags & 4;
CREATE INDEX messages_by_mod_seq ON messages (mailbox, mod_seq);
CREATE INDEX expunged_by_mod_seq ON expunged (mailbox, expunged_mod_seq);
CREATE TABLE uid_gaps (
  mailbox INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  mod_seq INTEGER NOT NULL,
  PRIMARY KEY (mailbox, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE header_blocks (key INTEGER PRIMARY KEY, block BLOB NOT NULL) STRICT;
CREATE TABLE deliveries (
  id BLOB PRIMARY KEY,
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_of_mailbox ON deliveries (mailbox, uid);
CREATE TABLE moves (
  account TEXT PRIMARY KEY,
  direction INTEGER NOT NULL,
  peer TEXT NOT NULL,
  generation INTEGER NOT NULL,
  move TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  phase INTEGER NOT NULL DEFAULT 0,
  up_to INTEGER NOT NULL DEFAULT 0,
  suspended INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  status_before INTEGER NOT NULL,
  home_before TEXT
) STRICT;
CREATE TABLE arrivals (
  mailbox INTEGER PRIMARY KEY,
  mod_seq INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gone_mod_seq INTEGER NOT NULL,
  gone_uid INTEGER NOT NULL,
  delivery_uid INTEGER NOT NULL
) STRICT;
CREATE TABLE queue (
  entry INTEGER PRIMARY KEY,
  account TEXT,
  kind INTEGER NOT NULL,
  reverse_path TEXT NOT NULL,
  trace TEXT NOT NULL,
  added_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  delivery_id BLOB,
  eight_bit INTEGER NOT NULL,
  utf8 INTEGER NOT NULL,
  ret TEXT,
  envid TEXT,
  header BLOB NOT NULL,
  body NOT NULL,
  body_size INTEGER NOT NULL,
  recipients INTEGER NOT NULL,
  open INTEGER NOT NULL,
  done_lsn INTEGER NOT NULL DEFAULT 0,
  done_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX queue_of_account ON queue (account, added_ms);
CREATE INDEX queue_done ON queue (done_ms) WHERE done_ms > 0;
CREATE INDEX queue_expiry ON queue (expires_ms) WHERE open > 0;
CREATE INDEX queue_open ON queue (added_ms) WHERE open > 0;
CREATE INDEX queue_delivery ON queue (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE TABLE queue_recipients (
  entry INTEGER NOT NULL,
  place INTEGER NOT NULL,
  address TEXT NOT NULL,
  destination TEXT NOT NULL,
  notify TEXT,
  orcpt TEXT,
  state INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  warned INTEGER NOT NULL,
  reply TEXT NOT NULL,
  remote TEXT NOT NULL,
  PRIMARY KEY (entry, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_due ON queue_recipients (destination, due_ms) WHERE state = 0;
CREATE INDEX queue_attempting ON queue_recipients (attempt) WHERE state = 1;
-- Rows by state, and in row 9 the entries that are open: a scrape must not walk a million rows.
CREATE TABLE queue_counts (state INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
CREATE TRIGGER queue_recipient_in AFTER INSERT ON queue_recipients BEGIN
  INSERT INTO queue_counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER queue_recipient_changed AFTER UPDATE OF state ON queue_recipients WHEN old.state <> new.state BEGIN
  UPDATE queue_counts SET count = count - 1 WHERE state = old.state;
  INSERT INTO queue_counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER queue_recipient_out AFTER DELETE ON queue_recipients BEGIN
  UPDATE queue_counts SET count = count - 1 WHERE state = old.state;
END;
CREATE TRIGGER queue_entry_in AFTER INSERT ON queue WHEN new.open > 0 BEGIN
  INSERT INTO queue_counts VALUES (9, 1) ON CONFLICT (state) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER queue_entry_done AFTER UPDATE OF open ON queue WHEN old.open > 0 AND new.open = 0 BEGIN
  UPDATE queue_counts SET count = count - 1 WHERE state = 9;
END;
PRAGMA user_version = ${INDEX_SCHEMA_VERSION};
`
