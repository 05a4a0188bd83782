-- Values that plugins keep, each for one tenant, and how much of its quota each scope takes.

CREATE TABLE plugin_values (
    plugin text  COLLATE "C" NOT NULL,
    tenant text  COLLATE "C" NOT NULL,
    key    bytea NOT NULL, -- UTF-8; text has no room for U+0000
    value  bytea NOT NULL,
    PRIMARY KEY (plugin, tenant, key)
);

-- The bytes of all keys and values of a scope: adding them up at each write would let one plugin stall everybody's writer.
CREATE TABLE plugin_usage (
    plugin text   COLLATE "C" NOT NULL,
    tenant text   COLLATE "C" NOT NULL,
    bytes  bigint NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (plugin, tenant)
);

GRANT SELECT ON plugin_values, plugin_usage TO kora_writer, kora_reader, kora_auditor;
GRANT INSERT, UPDATE, DELETE ON plugin_values TO kora_writer;
GRANT INSERT, UPDATE ON plugin_usage TO kora_writer;

DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['plugin_values', 'plugin_usage'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY writer ON %I TO kora_writer USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY everybody ON %I FOR SELECT TO kora_auditor USING (true)', name);
        EXECUTE format('CREATE POLICY of_one_tenant ON %I FOR SELECT TO kora_reader
                        USING (tenant = current_setting(''kora.tenant'', true))', name);
    END LOOP;
END $$;
