-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- One-time codes that were used, and a column to search people by.

-- `node`: where it was used: that box says so once more in its journal, and may ask again when it got
-- no answer.
CREATE TABLE used_codes (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    node TEXT NOT NULL,
    lookup BLOB NOT NULL,
    used_unix_ms BIGINT NOT NULL
);
CREATE INDEX used_codes_by_lookup ON used_codes (lookup);
CREATE INDEX used_codes_by_time ON used_codes (used_unix_ms);

-- `folded`: login name and name in lower case. The program fills it in: SQLite knows ASCII only.
ALTER TABLE users ADD COLUMN folded TEXT NOT NULL DEFAULT '';
