-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Jobs, charges, and slices of quotas.

-- `owner` and `name` are sealed.
CREATE TABLE jobs (
    job TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    number BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    user_id TEXT,
    owner BLOB NOT NULL,
    name BLOB NOT NULL,
    format TEXT NOT NULL,
    octets BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    printer TEXT,
    count_json TEXT,
    created_unix_ms BIGINT NOT NULL
);
CREATE INDEX jobs_by_time ON jobs (created_unix_ms);
CREATE INDEX jobs_by_user ON jobs (user_id, created_unix_ms);
CREATE INDEX jobs_by_node ON jobs (node, created_unix_ms);

-- One row a job, for ever: the key is what makes a charge happen once.
CREATE TABLE charges (
    job TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    branch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    user_id TEXT,
    printer TEXT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    at_trusted BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    count_json TEXT,
    octets BIGINT NOT NULL,
    impressions BIGINT,
    confirmed_by TEXT,
    cost BIGINT,
    prices TEXT
);
CREATE INDEX charges_by_time ON charges (at_unix_ms);
CREATE INDEX charges_by_user ON charges (user_id, at_unix_ms);

-- `above`: what no lease covers.
CREATE TABLE shares (
    job TEXT NOT NULL,
    place BIGINT NOT NULL,
    quota TEXT NOT NULL,
    user_id TEXT NOT NULL,
    period BIGINT NOT NULL,
    lease TEXT,
    amount BIGINT NOT NULL,
    above BIGINT NOT NULL,
    PRIMARY KEY (job, place)
);
CREATE INDEX shares_by_quota ON shares (quota, user_id, period);

-- A job that was released twice: the second one is kept here and not charged.
CREATE TABLE double_releases (
    node TEXT NOT NULL,
    branch BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    job TEXT NOT NULL,
    user_id TEXT,
    printer TEXT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    count_json TEXT,
    PRIMARY KEY (node, branch, sequence)
);
CREATE INDEX double_releases_by_time ON double_releases (at_unix_ms);

-- `counts`: how much of it counts against the quota: all of it while it is open, what was spent
-- afterwards. `user_id` is empty for a quota that is shared.
CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    serial BIGINT NOT NULL,
    quota TEXT NOT NULL,
    user_id TEXT NOT NULL,
    period BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    counts BIGINT NOT NULL,
    state TEXT NOT NULL,
    doubtful BIGINT NOT NULL,
    recalled BIGINT NOT NULL,
    granted_unix_ms BIGINT NOT NULL,
    ended_unix_ms BIGINT
);
CREATE UNIQUE INDEX leases_by_serial ON leases (node, serial);
CREATE INDEX leases_by_quota ON leases (quota, user_id, period);
CREATE INDEX leases_by_state ON leases (node, state);
