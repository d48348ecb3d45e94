-- SPDX-License-Identifier: Apache-2.0 OR MIT
-- The site and its directory. `restored_unix_ms`: when the database was last put back from a backup.
-- Ids are UUIDs as text, times are wall milliseconds since 1970, yes and
-- no are 1 and 0. `BLOB` becomes `BYTEA` for PostgreSQL. See docs/formats/central-database.md.

CREATE TABLE site (
    one BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    generation BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    keys BIGINT NOT NULL,
    card_keys BLOB NOT NULL,
    settings TEXT NOT NULL,
    restored_unix_ms BIGINT NOT NULL
);

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
);

CREATE TABLE objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX objects_by_revision ON objects (revision);
CREATE INDEX objects_gone ON objects (gone, revision);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    name TEXT NOT NULL,
    number TEXT,
    active BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_by_number ON users (number);
CREATE INDEX users_by_login ON users (login);

-- Login names and aliases in their normal form: each means one person.
CREATE TABLE names (
    name_key TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    is_login BIGINT NOT NULL,
    name TEXT NOT NULL
);
CREATE INDEX names_by_user ON names (user_id);

CREATE TABLE groups_of_people (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL
);
CREATE UNIQUE INDEX groups_by_name ON groups_of_people (name_key);

CREATE TABLE memberships (
    user_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX memberships_by_group ON memberships (group_id);

-- `lookup`: keyed hash of a card or code. `secret`: Argon2id of a PIN or password.
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    lookup BLOB,
    secret TEXT,
    part TEXT,
    template BLOB,
    with_pin BIGINT NOT NULL,
    proved BIGINT NOT NULL,
    until_unix_ms BIGINT,
    provisional BIGINT NOT NULL
);
CREATE UNIQUE INDEX credentials_by_lookup ON credentials (lookup);
CREATE INDEX credentials_by_user ON credentials (user_id);
CREATE INDEX credentials_by_end ON credentials (until_unix_ms);

-- Wrong tries of a credential or an administrator since the last right one.
CREATE TABLE tries (
    subject TEXT PRIMARY KEY,
    failed BIGINT NOT NULL,
    locked_until_unix_ms BIGINT NOT NULL
);

CREATE TABLE quotas (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    covers TEXT NOT NULL,
    covered TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount BIGINT NOT NULL,
    period TEXT NOT NULL,
    when_spent TEXT NOT NULL
);
CREATE INDEX quotas_by_covered ON quotas (covered);

CREATE TABLE prices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    printer TEXT NOT NULL,
    side_monochrome BIGINT NOT NULL,
    side_color BIGINT NOT NULL,
    sheet BIGINT NOT NULL
);
CREATE UNIQUE INDEX prices_by_printer ON prices (printer);

CREATE TABLE rules (
    id TEXT PRIMARY KEY,
    place BIGINT NOT NULL,
    text TEXT NOT NULL
);
