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
-- And up to which height the trackers are judged whose own says 2^32: most are, and
-- need not be rewritten with each block.
CREATE TABLE totals (
    appointments INTEGER NOT NULL,
    judged       INTEGER NOT NULL
);
INSERT INTO totals SELECT (SELECT COUNT(*) FROM appointments), COALESCE((SELECT MAX(height) FROM blocks), 0);

CREATE INDEX resolutions_by_spend ON resolutions (spend);
