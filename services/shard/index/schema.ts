/**
 * Tables of the index. Every message belongs to a mailbox by its integer key; deleted mailboxes and accounts keep their rows
 * (`gone` is the LSN of the deletion), so that deleting costs one row, and compaction knows since when nobody needs a body. Another `INDEX_SCHEMA_VERSION` means: put the file aside and rebuild from the log.
 *
 * `messages` is WITHOUT ROWID on (mailbox, uid): a scan of one mailbox reads neighbouring pages (100,000 rows in 30 ms; with
 * row ids 90 ms). Header blocks (some 600 bytes) would push that apart and cost 10 µs per letter in it; in a table of their
 * own, appended in row order, they cost 2 µs, and COPY and FETCH need no second read from the log.
 */
export const INDEX_SCHEMA_VERSION = 2

export const INDEX_TABLES = [
  'state',
  'accounts',
  'mailboxes',
  'subscriptions',
  'keywords',
  'messages',
  'expunged',
  'header_blocks',
  'deliveries',
] as const

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
  uid_validity_max INTEGER NOT NULL
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
  size INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX mailboxes_of_account ON mailboxes (account);
CREATE TABLE subscriptions (account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID;
CREATE TABLE keywords (mailbox INTEGER NOT NULL, keyword TEXT NOT NULL, PRIMARY KEY (mailbox, keyword)) STRICT, WITHOUT ROWID;
CREATE TABLE messages (${MESSAGE_COLUMNS}, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE TABLE expunged (${MESSAGE_COLUMNS}, expunged_mod_seq INTEGER NOT NULL, expunged_lsn INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;
CREATE TABLE header_blocks (key INTEGER PRIMARY KEY, block BLOB NOT NULL) STRICT;
CREATE TABLE deliveries (
  id BLOB PRIMARY KEY,
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${INDEX_SCHEMA_VERSION};
`
