-- State beside the chains: commands, tickets, accounts. Each change adds one to the revision and is told by an event.

CREATE TABLE documents (
    collection text   COLLATE "C" NOT NULL,
    tenant     text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    revision   bigint NOT NULL CHECK (revision > 0),
    status     text   COLLATE "C" NOT NULL,
    rank       bigint NOT NULL,
    due_at     bigint,
    body       text   NOT NULL,
    PRIMARY KEY (collection, tenant, id)
);

CREATE INDEX documents_status ON documents (collection, status, tenant, rank);

CREATE FUNCTION documents_count_on() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
        IF TG_OP = 'INSERT' AND NEW.revision <> 1 THEN
            RAISE EXCEPTION 'a document begins at revision 1' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'UPDATE' AND (NEW.collection, NEW.tenant, NEW.id, NEW.revision)
                IS DISTINCT FROM (OLD.collection, OLD.tenant, OLD.id, OLD.revision + 1) THEN
            RAISE EXCEPTION 'each change of a document adds one to its revision, and its place stays'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

CREATE TRIGGER documents_count_on BEFORE INSERT OR UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION documents_count_on();
CREATE TRIGGER documents_are_never_deleted BEFORE DELETE OR TRUNCATE ON documents
    EXECUTE FUNCTION refuse('a document is never deleted');

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kora FROM PUBLIC;
GRANT SELECT ON documents TO kora_writer, kora_reader, kora_auditor;
GRANT INSERT ON documents TO kora_writer;
GRANT UPDATE ON documents TO kora_writer;

ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
CREATE POLICY writer ON documents TO kora_writer USING (true) WITH CHECK (true);
CREATE POLICY everybody ON documents FOR SELECT TO kora_auditor USING (true);
CREATE POLICY of_one_tenant ON documents FOR SELECT TO kora_reader USING (tenant = current_setting('kora.tenant', true));
