-- Tenants, who acts in them, and what they start with.

PRAGMA user_version = 2;

CREATE TABLE tenants (
    tenant     TEXT    NOT NULL PRIMARY KEY CHECK (lower(tenant) <> 'host'),
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;

-- Two ids that differ only in case would be one directory on some machines and one word to every human.
CREATE UNIQUE INDEX tenants_folded ON tenants (lower(tenant));

CREATE TABLE actors (
    actor_id  BLOB    NOT NULL CHECK (octet_length(actor_id) = 16),
    tenant    TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    active    INTEGER NOT NULL CHECK (active IN (0, 1)),
    canonical INTEGER NOT NULL CHECK (canonical IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX actors_tenant_actor ON actors (tenant, actor_id);
CREATE UNIQUE INDEX actors_canonical ON actors (tenant) WHERE canonical = 1;

-- What an agent may do, in words. The one without superseded_at is in force; content_hash is the SHA-256 of content_md.
CREATE TABLE charters (
    charter_id      BLOB    NOT NULL PRIMARY KEY CHECK (octet_length(charter_id) = 16),
    tenant          TEXT    NOT NULL,
    schema_version  INTEGER NOT NULL,
    charter_version INTEGER NOT NULL CHECK (charter_version > 0),
    content_md      TEXT    NOT NULL,
    content_hash    BLOB    NOT NULL CHECK (octet_length(content_hash) = 32),
    created_at      INTEGER NOT NULL,
    superseded_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX charters_tenant_version ON charters (tenant, charter_version);
CREATE UNIQUE INDEX charters_in_force ON charters (tenant) WHERE superseded_at IS NULL;

-- Values are JSON texts.
CREATE TABLE policies (
    tenant     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, path)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tenants_keep_their_id BEFORE UPDATE OF tenant ON tenants BEGIN
    SELECT RAISE(ABORT, 'the id of a tenant is never changed');
END;

CREATE TRIGGER tenants_are_never_deleted BEFORE DELETE ON tenants BEGIN
    SELECT RAISE(ABORT, 'a tenant is never deleted: disable it');
END;

CREATE TRIGGER tenants_are_never_replaced BEFORE INSERT ON tenants BEGIN
    SELECT RAISE(ABORT, 'there is such a tenant already')
        WHERE EXISTS (SELECT 1 FROM tenants WHERE lower(tenant) = lower(NEW.tenant));
END;
