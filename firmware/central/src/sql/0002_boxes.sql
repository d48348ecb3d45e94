-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Boxes, how they became members, and what they recorded.

-- `branch`: where the last push went. `leases_taken`: the highest serial that the box ever said it took.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    enrolled_unix_ms BIGINT NOT NULL,
    seen_unix_ms BIGINT NOT NULL,
    skew_ms BIGINT NOT NULL,
    clock_trusted BIGINT NOT NULL,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    branch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    head BIGINT NOT NULL,
    lease_serial BIGINT NOT NULL,
    leases_taken BIGINT NOT NULL,
    awaited BIGINT NOT NULL
);

CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    issued_unix_ms BIGINT NOT NULL,
    until_unix_ms BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE INDEX certificates_by_node ON certificates (node);

CREATE TABLE enrolments (
    node TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    asked_unix_ms BIGINT NOT NULL,
    csr BLOB NOT NULL,
    nonce BLOB NOT NULL,
    proof BLOB NOT NULL,
    answer BLOB,
    answer_proof BLOB
);

CREATE TABLE journal (
    node TEXT NOT NULL,
    branch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    hash BLOB NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    at_elapsed_ms BIGINT NOT NULL,
    at_trusted BIGINT NOT NULL,
    received_unix_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    raw BLOB NOT NULL,
    PRIMARY KEY (node, branch, sequence)
);
CREATE INDEX journal_by_sequence ON journal (node, sequence);

-- The journal of a box is a tree: a branch begins behind entry `base_sequence` of another one.
CREATE TABLE branches (
    node TEXT NOT NULL,
    branch BIGINT NOT NULL,
    base_sequence BIGINT NOT NULL,
    base_hash BLOB NOT NULL,
    head_sequence BIGINT NOT NULL,
    head_hash BLOB NOT NULL,
    PRIMARY KEY (node, branch)
);

CREATE TABLE logins (
    node TEXT NOT NULL,
    branch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    user_id TEXT,
    method TEXT,
    place TEXT NOT NULL,
    source TEXT,
    refused TEXT,
    PRIMARY KEY (node, branch, sequence)
);
CREATE INDEX logins_by_time ON logins (at_unix_ms);
CREATE INDEX logins_by_user ON logins (user_id, at_unix_ms);
