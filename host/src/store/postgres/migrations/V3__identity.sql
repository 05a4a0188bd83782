-- The identities that spoke for a tenant. Their bytes are kept for ever, so that a rollback is exact.

CREATE TABLE generations (
    tenant         text   COLLATE "C" NOT NULL,
    generation     bigint NOT NULL CHECK (generation > 0),
    provider       text,
    plugin_version text,
    plugin_digest  bytea CHECK (octet_length(plugin_digest) = 32),
    snapshot_hash  bytea  NOT NULL CHECK (snapshot_hash = sha256(convert_to(snapshot, 'UTF8'))),
    snapshot       text   NOT NULL,
    event_id       uuid   NOT NULL,
    created_at     bigint NOT NULL,
    PRIMARY KEY (tenant, generation)
);

CREATE TRIGGER generations_are_never_changed BEFORE UPDATE ON generations
    EXECUTE FUNCTION refuse('an identity generation is never changed');
CREATE TRIGGER generations_are_never_deleted BEFORE DELETE OR TRUNCATE ON generations
    EXECUTE FUNCTION refuse('an identity generation is never deleted');

CREATE FUNCTION generations_count_on() RETURNS trigger
    LANGUAGE plpgsql SET search_path = kora, pg_temp
    AS $$ BEGIN
        IF NEW.generation > 1 AND NOT EXISTS (
            SELECT FROM generations WHERE tenant = NEW.tenant AND generation = NEW.generation - 1
        ) THEN
            RAISE EXCEPTION 'an identity generation must follow the newest of its tenant'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

CREATE TRIGGER generations_count_on BEFORE INSERT ON generations FOR EACH ROW EXECUTE FUNCTION generations_count_on();

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kora FROM PUBLIC;
GRANT SELECT ON generations TO kora_writer, kora_reader, kora_auditor;
GRANT INSERT ON generations TO kora_writer;

ALTER TABLE generations ENABLE ROW LEVEL SECURITY;
CREATE POLICY writer ON generations TO kora_writer USING (true) WITH CHECK (true);
CREATE POLICY everybody ON generations FOR SELECT TO kora_auditor USING (true);
CREATE POLICY of_one_tenant ON generations FOR SELECT TO kora_reader USING (tenant = current_setting('kora.tenant', true));
