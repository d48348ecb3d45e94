-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- Releases of the boxes' image, and what each box runs.

-- What a box runs and how far its update is, a JSON object; empty before it said so.
ALTER TABLE nodes ADD COLUMN running TEXT NOT NULL DEFAULT '';

-- Revision at which the offers of releases changed last; 0 for never.
ALTER TABLE site ADD COLUMN offers_revision BIGINT NOT NULL DEFAULT 0;

-- `state`: uploading, kept, offered, paused. `touched_unix_ms`: when it was added, or last grew.
-- `times`: when boxes may start anew for it, a JSON object; empty for always.
CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    compatible TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 BLOB NOT NULL,
    notes TEXT NOT NULL,
    state TEXT NOT NULL,
    touched_unix_ms BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    share_percent BIGINT NOT NULL,
    times TEXT NOT NULL,
    allow_older BIGINT NOT NULL,
    pause_on_failure BIGINT NOT NULL,
    paused_for TEXT NOT NULL
);
CREATE INDEX releases_by_version ON releases (compatible, version);

-- The bundle in parts of 1 MiB; the last one may be shorter.
CREATE TABLE release_chunks (
    release TEXT NOT NULL,
    place BIGINT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (release, place)
);
