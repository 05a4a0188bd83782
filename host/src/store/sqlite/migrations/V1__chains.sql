-- Chains of events. What keeps them append-only stands here, so that it holds for every connection, whatever its pragmas.
-- Who can write the file can still drop these triggers: that is what verification and checkpoints are for.

PRAGMA application_id = 1802465889; -- the bytes of "kora"
PRAGMA user_version = 1;

CREATE TABLE events (
    pos                 INTEGER PRIMARY KEY CHECK (pos > 0),
    tenant              TEXT    NOT NULL,
    seq                 INTEGER NOT NULL CHECK (seq > 0),
    event_id            BLOB    NOT NULL CHECK (octet_length(event_id) = 16),
    event_type          TEXT    NOT NULL,
    occurred_at         INTEGER NOT NULL,
    actor_kind          TEXT,
    actor_id            TEXT,
    source              TEXT    NOT NULL,
    identity_generation INTEGER CHECK (identity_generation >= 0),
    idempotency_key     TEXT,
    payload             TEXT    NOT NULL,
    prev_hash           BLOB    NOT NULL CHECK (octet_length(prev_hash) = 32),
    this_hash           BLOB    NOT NULL CHECK (octet_length(this_hash) = 32)
) STRICT;

CREATE UNIQUE INDEX events_tenant_seq ON events (tenant, seq);
CREATE UNIQUE INDEX events_event_id ON events (event_id);
CREATE UNIQUE INDEX events_idempotency_key ON events (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Where each chain ends. A chain without events ends at 0 with its genesis hash; without a row here there is no chain.
CREATE TABLE heads (
    tenant TEXT    NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL CHECK (seq >= 0),
    hash   BLOB    NOT NULL CHECK (octet_length(hash) = 32)
) STRICT, WITHOUT ROWID;

-- The host's own chain. The hash is SHA-256("kora.genesis.v1" 0x00 "host").
INSERT INTO heads VALUES ('host', 0, X'd92be95fb4c23c5237d3d1e2b5f89c3c4f86fbfc8311392a6d4f9ed7518dcac7');

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'an event is never deleted');
END;

-- INSERT OR REPLACE deletes the row that is in its way without firing a DELETE trigger, so every unique key is checked here too.
-- In a BEFORE INSERT trigger, a pos that SQLite will choose is -1.
CREATE TRIGGER events_continue_their_chain BEFORE INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'an event must continue its chain')
        WHERE NOT EXISTS (SELECT 1 FROM heads WHERE tenant = NEW.tenant AND seq = NEW.seq - 1 AND hash = NEW.prev_hash);
    SELECT RAISE(ABORT, 'an event is never put before or over another')
        WHERE NEW.pos <> -1 AND NEW.pos <= (SELECT max(pos) FROM events);
    SELECT RAISE(ABORT, 'an event is never put over another of its sequence number')
        WHERE EXISTS (SELECT 1 FROM events WHERE tenant = NEW.tenant AND seq = NEW.seq);
    SELECT RAISE(ABORT, 'an event is never put over another of its id')
        WHERE EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id);
    SELECT RAISE(ABORT, 'an event is never put over another of its idempotency key')
        WHERE NEW.idempotency_key IS NOT NULL
          AND EXISTS (SELECT 1 FROM events WHERE tenant = NEW.tenant AND idempotency_key = NEW.idempotency_key);
END;

CREATE TRIGGER events_move_their_head AFTER INSERT ON events BEGIN
    UPDATE heads SET seq = NEW.seq, hash = NEW.this_hash WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER heads_begin_empty BEFORE INSERT ON heads BEGIN
    SELECT RAISE(ABORT, 'a chain begins once, without events')
        WHERE NEW.seq <> 0 OR EXISTS (SELECT 1 FROM heads WHERE tenant = NEW.tenant);
END;

CREATE TRIGGER heads_follow_their_chain BEFORE UPDATE ON heads BEGIN
    SELECT RAISE(ABORT, 'a head moves only to the next event of its chain')
        WHERE NEW.tenant <> OLD.tenant
           OR NEW.seq <> OLD.seq + 1
           OR NOT EXISTS (SELECT 1 FROM events WHERE tenant = NEW.tenant AND seq = NEW.seq AND this_hash = NEW.hash);
END;

CREATE TRIGGER heads_are_never_deleted BEFORE DELETE ON heads BEGIN
    SELECT RAISE(ABORT, 'the head of a chain is never deleted');
END;
