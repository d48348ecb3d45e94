-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Administrators, what they are shown and what they did.

CREATE TABLE administrators (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    secret TEXT NOT NULL,
    active BIGINT NOT NULL,
    created_unix_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX administrators_by_name ON administrators (name_key);

-- `lookup`: keyed hash of the token, which is shown once and not kept.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    lookup BLOB NOT NULL,
    administrator TEXT NOT NULL,
    label TEXT NOT NULL,
    session BIGINT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    until_unix_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX tokens_by_lookup ON tokens (lookup);
CREATE INDEX tokens_by_administrator ON tokens (administrator);

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    at_unix_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    node TEXT,
    object TEXT,
    detail TEXT NOT NULL,
    settled_unix_ms BIGINT,
    settled_by TEXT
);
CREATE INDEX alerts_by_time ON alerts (at_unix_ms);

CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,
    at_unix_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
);

CREATE TABLE audit_end (
    one BIGINT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash BLOB NOT NULL
);
