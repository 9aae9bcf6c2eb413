-- Everything the tower must not forget. Hashes and keys are raw bytes,
-- transaction ids in the order in which they are serialised. Heights are block
-- heights, 0 where there is none.

CREATE TABLE identity (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- No id of a user or an appointment is given twice: what is noted of one that is
-- gone (a try, a resolution) must not be taken for another's.
CREATE TABLE users (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key          BLOB    NOT NULL UNIQUE,
    dialect             INTEGER NOT NULL,
    available_slots     INTEGER NOT NULL,
    subscription_start  INTEGER NOT NULL,
    subscription_expiry INTEGER NOT NULL
);
CREATE INDEX users_by_expiry ON users (subscription_expiry);

CREATE TABLE appointments (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    locator        BLOB    NOT NULL,
    user_id        INTEGER NOT NULL REFERENCES users (id),
    encrypted_blob BLOB    NOT NULL,
    to_self_delay  INTEGER NOT NULL,
    user_signature BLOB    NOT NULL,
    start_block    INTEGER NOT NULL,
    UNIQUE (locator, user_id)
);
CREATE INDEX appointments_by_user ON appointments (user_id);

-- A tracker is an appointment that was triggered; it has the same id.
CREATE TABLE trackers (
    id             INTEGER PRIMARY KEY REFERENCES appointments (id),
    dispute_txid   BLOB    NOT NULL,
    dispute_tx     BLOB,
    dispute_height INTEGER NOT NULL,
    penalty_tx     BLOB    NOT NULL,
    judged_height  INTEGER NOT NULL,
    spend          INTEGER NOT NULL,
    spender_txid   BLOB    NOT NULL,
    spent_height   INTEGER NOT NULL,
    tries          INTEGER NOT NULL,
    tried_height   INTEGER NOT NULL,
    accepted       INTEGER NOT NULL,
    reason         TEXT    NOT NULL
);
CREATE INDEX trackers_by_judged ON trackers (judged_height);
CREATE INDEX trackers_by_spend  ON trackers (spend, spent_height);
CREATE INDEX trackers_by_tries  ON trackers (spend, tries);

-- Outputs whose spender decides what became of a tracker.
CREATE TABLE watches (
    txid       BLOB    NOT NULL,
    vout       INTEGER NOT NULL,
    tracker_id INTEGER NOT NULL REFERENCES trackers (id),
    of_dispute INTEGER NOT NULL,
    PRIMARY KEY (tracker_id, txid, vout)
);
CREATE INDEX watches_by_output ON watches (txid, vout);

-- Breaches that are over.
CREATE TABLE resolutions (
    id            INTEGER PRIMARY KEY,
    user_id       INTEGER NOT NULL,
    locator       BLOB    NOT NULL,
    dispute_txid  BLOB    NOT NULL,
    penalty_txid  BLOB    NOT NULL,
    spend         INTEGER NOT NULL,
    spender_txid  BLOB    NOT NULL,
    spent_height  INTEGER NOT NULL,
    tries         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    resolved_at   TEXT    NOT NULL
);

CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL,
    prev   BLOB NOT NULL
);

-- The transactions of the last blocks, each under its locator in either
-- dialect, for appointments that come after their dispute. By height first: a
-- block is then written and cut as one run. By locator first, its rows would lie
-- all over the table, and each block would rewrite most of its pages.
CREATE TABLE recent_transactions (
    locator BLOB    NOT NULL,
    height  INTEGER NOT NULL,
    txid    BLOB    NOT NULL,
    PRIMARY KEY (height, locator)
) WITHOUT ROWID;

-- Blocks that were never seen, both ends included.
CREATE TABLE blind_ranges (
    from_height INTEGER PRIMARY KEY,
    to_height   INTEGER NOT NULL
);
