-- State beside the chains: commands, tickets, accounts. Each change adds one to the revision and is told by an event.

PRAGMA user_version = 5;

CREATE TABLE documents (
    collection TEXT    NOT NULL,
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    revision   INTEGER NOT NULL CHECK (revision > 0),
    status     TEXT    NOT NULL,
    rank       INTEGER NOT NULL,
    due_at     INTEGER,
    body       TEXT    NOT NULL,
    PRIMARY KEY (collection, tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_status ON documents (collection, status, tenant, rank);

CREATE TRIGGER documents_count_on BEFORE UPDATE ON documents BEGIN
    SELECT RAISE(ABORT, 'each change of a document adds one to its revision, and its place stays')
        WHERE NEW.revision <> OLD.revision + 1
           OR NEW.collection <> OLD.collection OR NEW.tenant <> OLD.tenant OR NEW.id <> OLD.id;
END;

-- INSERT OR REPLACE fires no UPDATE trigger.
CREATE TRIGGER documents_begin_at_one BEFORE INSERT ON documents BEGIN
    SELECT RAISE(ABORT, 'a document begins at revision 1, once')
        WHERE NEW.revision <> 1
           OR EXISTS (SELECT 1 FROM documents
                      WHERE collection = NEW.collection AND tenant = NEW.tenant AND id = NEW.id);
END;

CREATE TRIGGER documents_are_never_deleted BEFORE DELETE ON documents BEGIN
    SELECT RAISE(ABORT, 'a document is never deleted');
END;
