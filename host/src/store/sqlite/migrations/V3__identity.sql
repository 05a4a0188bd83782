-- The identities that spoke for a tenant. Their bytes are kept for ever, so that a rollback is exact.

PRAGMA user_version = 3;

CREATE TABLE generations (
    tenant         TEXT    NOT NULL,
    generation     INTEGER NOT NULL CHECK (generation > 0),
    provider       TEXT,
    plugin_version TEXT,
    plugin_digest  BLOB CHECK (octet_length(plugin_digest) = 32),
    snapshot_hash  BLOB    NOT NULL CHECK (octet_length(snapshot_hash) = 32),
    snapshot       TEXT    NOT NULL,
    event_id       BLOB    NOT NULL CHECK (octet_length(event_id) = 16),
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, generation)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER generations_are_never_changed BEFORE UPDATE ON generations BEGIN
    SELECT RAISE(ABORT, 'an identity generation is never changed');
END;

CREATE TRIGGER generations_are_never_deleted BEFORE DELETE ON generations BEGIN
    SELECT RAISE(ABORT, 'an identity generation is never deleted');
END;

-- INSERT OR REPLACE fires no DELETE trigger; the next number is never taken.
CREATE TRIGGER generations_count_on BEFORE INSERT ON generations BEGIN
    SELECT RAISE(ABORT, 'an identity generation must follow the newest of its tenant')
        WHERE NEW.generation <> 1 + (SELECT coalesce(max(generation), 0) FROM generations WHERE tenant = NEW.tenant);
END;
