-- What is written at each block (how far a tracker is judged, how often it was
-- tried) lies apart from its transactions, which hardly ever change: ten thousand
-- open breaches must not cost megabytes at each block.
CREATE TABLE tracker_transactions (
    tracker_id    INTEGER PRIMARY KEY REFERENCES trackers (id),
    dispute_tx    BLOB,
    penalty_tx    BLOB NOT NULL,
    spent_outputs BLOB
);
INSERT INTO tracker_transactions (tracker_id, dispute_tx, penalty_tx)
    SELECT id, dispute_tx, penalty_tx FROM trackers;
ALTER TABLE trackers DROP COLUMN dispute_tx;
ALTER TABLE trackers DROP COLUMN penalty_tx;
-- A penalty whose scripts are not known to be right is tried after those that
-- are.
ALTER TABLE trackers ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0;

-- What is over is told as what is open is, by the appointment's id, which is given
-- once. What was noted before has no such id: it gets a negative one.
ALTER TABLE resolutions RENAME TO resolutions_before;
CREATE TABLE resolutions (
    appointment_id INTEGER PRIMARY KEY,
    public_key     BLOB    NOT NULL,
    locator        BLOB    NOT NULL,
    to_self_delay  INTEGER NOT NULL,
    dispute_txid   BLOB    NOT NULL,
    dispute_height INTEGER NOT NULL,
    penalty_txid   BLOB    NOT NULL,
    spend          INTEGER NOT NULL,
    spender_txid   BLOB    NOT NULL,
    spent_height   INTEGER NOT NULL,
    tries          INTEGER NOT NULL,
    tried_height   INTEGER NOT NULL,
    accepted       INTEGER NOT NULL,
    reason         TEXT    NOT NULL,
    doubtful       INTEGER NOT NULL,
    height         INTEGER NOT NULL,
    resolved_at    TEXT    NOT NULL
);
INSERT INTO resolutions
    SELECT -id, COALESCE((SELECT public_key FROM users WHERE users.id = user_id), ZEROBLOB(33)), locator,
           0, dispute_txid, 0, penalty_txid, spend, spender_txid, spent_height, tries, 0, 0, '', 0,
           height, resolved_at
    FROM resolutions_before;
DROP TABLE resolutions_before;
