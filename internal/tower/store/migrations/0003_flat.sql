-- A block's transactions are one row: their ids one after the other. As rows of
-- their own each block cost thousands of them, and each appointment a look-up in
-- every recent block.
CREATE TABLE recent_blocks (
    height INTEGER PRIMARY KEY,
    txids  BLOB NOT NULL
);
INSERT INTO recent_blocks
    SELECT height, unhex(group_concat(hex(txid), ''))
    FROM (SELECT DISTINCT height, txid FROM recent_transactions)
    GROUP BY height;
DROP TABLE recent_transactions;

-- How many appointments there are: counting them takes as long as there are many.
CREATE TABLE totals (appointments INTEGER NOT NULL);
INSERT INTO totals SELECT COUNT(*) FROM appointments;

CREATE INDEX resolutions_by_spend ON resolutions (spend);
