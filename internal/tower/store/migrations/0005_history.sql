-- What happened, to breaches and to the tower; written with what it tells of. An
-- event of the tower has the appointment 0 and no locator. Times are in seconds
-- since 1970. Ids only grow: who reads on from one misses nothing.
CREATE TABLE events (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    height         INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    appointment_id INTEGER NOT NULL,
    locator        BLOB,
    detail         TEXT    NOT NULL,
    repeats        INTEGER NOT NULL
);
CREATE INDEX events_by_appointment ON events (appointment_id);

-- What proves that the tower did its work: the appointment of a breach that is
-- over, as it was signed. bytes is the size of this one and all before it, so that
-- what is too much is found by one comparison.
CREATE TABLE evidence (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    appointment_id INTEGER NOT NULL UNIQUE,
    dialect        INTEGER NOT NULL,
    dispute_txid   BLOB    NOT NULL,
    encrypted_blob BLOB    NOT NULL,
    user_signature BLOB    NOT NULL,
    start_block    INTEGER NOT NULL,
    bytes          INTEGER NOT NULL
);
CREATE INDEX evidence_by_dispute ON evidence (dispute_txid);
CREATE INDEX evidence_by_bytes   ON evidence (bytes);
CREATE INDEX resolutions_by_locator ON resolutions (locator);
