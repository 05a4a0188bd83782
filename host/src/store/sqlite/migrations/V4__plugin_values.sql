-- Values that plugins keep, each for one tenant, and how much of its quota each scope takes.

PRAGMA user_version = 4;

CREATE TABLE plugin_values (
    plugin TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (plugin, tenant, key)
) STRICT;

-- The bytes of all keys and values of a scope: adding them up at each write would let one plugin stall everybody's writer.
CREATE TABLE plugin_usage (
    plugin TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (plugin, tenant)
) STRICT, WITHOUT ROWID;
