-- Where the types of events stand in a chain: in which blocks of 256 events each of them is. What is rare in a long chain is found
-- by it without reading the chain. An index over (tenant, event_type, seq) would answer the same and cost a page for each event;
-- a row here is written once for a type in a block.

PRAGMA user_version = 6;

CREATE TABLE event_type_blocks (
    tenant     TEXT    NOT NULL,
    event_type TEXT    NOT NULL,
    block      INTEGER NOT NULL CHECK (block >= 0), -- seq >> 8
    PRIMARY KEY (tenant, event_type, block)
) STRICT, WITHOUT ROWID;

INSERT INTO event_type_blocks SELECT DISTINCT tenant, event_type, seq >> 8 FROM events;

CREATE TRIGGER events_note_their_type AFTER INSERT ON events BEGIN
    INSERT OR IGNORE INTO event_type_blocks VALUES (NEW.tenant, NEW.event_type, NEW.seq >> 8);
END;

CREATE TRIGGER event_type_blocks_are_never_changed BEFORE UPDATE ON event_type_blocks BEGIN
    SELECT RAISE(ABORT, 'where a type of events stands is never changed');
END;

CREATE TRIGGER event_type_blocks_are_never_deleted BEFORE DELETE ON event_type_blocks BEGIN
    SELECT RAISE(ABORT, 'where a type of events stands is never deleted');
END;
