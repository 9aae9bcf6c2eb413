-- What a user has stored, so that limits and listings cost no count: appointments,
-- the slots that they fill, the bytes of their blobs; the times, in Unix seconds, of
-- the first registration and of the last appointment, 0 where they are not known.
ALTER TABLE users ADD COLUMN appointments     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN filled_slots     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN stored_bytes     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN since            INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_appointment INTEGER NOT NULL DEFAULT 0;
UPDATE users SET (appointments, filled_slots, stored_bytes) = (
    SELECT COUNT(*), COALESCE(SUM(MAX(1, (LENGTH(encrypted_blob) + 2047) / 2048)), 0), COALESCE(SUM(LENGTH(encrypted_blob)), 0)
    FROM appointments WHERE user_id = users.id);

ALTER TABLE totals ADD COLUMN users        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET users        = (SELECT COUNT(*) FROM users),
                  stored_bytes = (SELECT COALESCE(SUM(stored_bytes), 0) FROM users);

-- An invitation admits so many keys. Of its token only the SHA-256 is kept. Slots
-- and blocks are what a registration adds, 0 where the tower's terms hold.
CREATE TABLE invitations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB    NOT NULL UNIQUE,
    slots      INTEGER NOT NULL,
    blocks     INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    note       TEXT    NOT NULL
);

-- Keys that may register where not everybody may, through an invitation, whose terms
-- they keep, or allowed by the operator (0); and those that may not in any case.
CREATE TABLE admissions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key    BLOB    NOT NULL UNIQUE,
    invitation_id INTEGER NOT NULL,
    slots         INTEGER NOT NULL,
    blocks        INTEGER NOT NULL,
    refused       INTEGER NOT NULL DEFAULT 0,
    admitted_at   INTEGER NOT NULL,
    note          TEXT    NOT NULL
);

-- Keys that tried to register and may not.
CREATE TABLE knocks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key BLOB    NOT NULL UNIQUE,
    address    TEXT    NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    times      INTEGER NOT NULL
);
CREATE INDEX knocks_by_address ON knocks (address, last_at);
