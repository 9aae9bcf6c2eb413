-- A dispute may be that of ten thousand appointments: its bytes are kept once. A
-- penalty is what the appointment's blob holds: its bytes are not kept again.
CREATE TABLE disputes (
    txid BLOB PRIMARY KEY,
    raw  BLOB NOT NULL
);
INSERT OR IGNORE INTO disputes SELECT dispute_txid, dispute_tx FROM trackers WHERE dispute_tx IS NOT NULL;
ALTER TABLE trackers DROP COLUMN dispute_tx;
ALTER TABLE trackers DROP COLUMN penalty_tx;
CREATE INDEX trackers_by_dispute ON trackers (dispute_txid);
-- A penalty whose scripts are not known to be right, for the outputs that it
-- spends, is tried after those that are.
ALTER TABLE trackers ADD COLUMN penalty_txid  BLOB NOT NULL DEFAULT x'';
ALTER TABLE trackers ADD COLUMN spent_outputs BLOB;
ALTER TABLE trackers ADD COLUMN doubtful      INTEGER NOT NULL DEFAULT 0;

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
