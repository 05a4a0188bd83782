-- Tenants, who acts in them, and what they start with.

CREATE TABLE tenants (
    tenant     text    COLLATE "C" NOT NULL PRIMARY KEY CHECK (lower(tenant) <> 'host'),
    active     boolean NOT NULL,
    created_at bigint  NOT NULL
);

-- Two ids that differ only in case would be one directory on some machines and one word to every human.
CREATE UNIQUE INDEX tenants_folded ON tenants (lower(tenant));

CREATE TABLE actors (
    place     bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order in which they were added
    actor_id  uuid    NOT NULL,
    tenant    text    COLLATE "C" NOT NULL,
    kind      text    NOT NULL,
    name      text    NOT NULL,
    active    boolean NOT NULL,
    canonical boolean NOT NULL
);

CREATE UNIQUE INDEX actors_tenant_actor ON actors (tenant, actor_id);
CREATE UNIQUE INDEX actors_canonical ON actors (tenant) WHERE canonical;

-- What an agent may do, in words. The one without superseded_at is in force; content_hash is the SHA-256 of content_md.
CREATE TABLE charters (
    charter_id      uuid    NOT NULL PRIMARY KEY,
    tenant          text    COLLATE "C" NOT NULL,
    schema_version  integer NOT NULL,
    charter_version integer NOT NULL CHECK (charter_version > 0),
    content_md      text    NOT NULL,
    content_hash    bytea   NOT NULL CHECK (content_hash = sha256(convert_to(content_md, 'UTF8'))),
    created_at      bigint  NOT NULL,
    superseded_at   bigint
);

CREATE UNIQUE INDEX charters_tenant_version ON charters (tenant, charter_version);
CREATE UNIQUE INDEX charters_in_force ON charters (tenant) WHERE superseded_at IS NULL;

-- Values are JSON texts.
CREATE TABLE policies (
    tenant     text   COLLATE "C" NOT NULL,
    path       text   COLLATE "C" NOT NULL,
    value      text   NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant, path)
);

CREATE FUNCTION tenants_keep_their_id() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
        IF NEW.tenant <> OLD.tenant THEN
            RAISE EXCEPTION 'the id of a tenant is never changed' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

CREATE TRIGGER tenants_keep_their_id BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION tenants_keep_their_id();
CREATE TRIGGER tenants_are_never_deleted BEFORE DELETE OR TRUNCATE ON tenants
    EXECUTE FUNCTION refuse('a tenant is never deleted: disable it');

-- Who may add a tenant may begin its chain, and no other.
CREATE FUNCTION tenants_begin_their_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = kora, pg_temp
    AS $$ BEGIN
        INSERT INTO heads VALUES (NEW.tenant, 0, genesis(NEW.tenant));
        RETURN NULL;
    END $$;

CREATE TRIGGER tenants_begin_their_chain AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION tenants_begin_their_chain();

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kora FROM PUBLIC;
GRANT SELECT ON tenants, actors, charters, policies TO kora_writer, kora_reader, kora_auditor;
GRANT INSERT ON tenants, actors, charters, policies TO kora_writer;
GRANT UPDATE (active) ON tenants, actors TO kora_writer;
GRANT UPDATE (superseded_at) ON charters TO kora_writer;
GRANT UPDATE (value, updated_at) ON policies TO kora_writer;

DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['tenants', 'actors', 'charters', 'policies'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY writer ON %I TO kora_writer USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY everybody ON %I FOR SELECT TO kora_auditor USING (true)', name);
        EXECUTE format('CREATE POLICY of_one_tenant ON %I FOR SELECT TO kora_reader
                        USING (tenant = current_setting(''kora.tenant'', true))', name);
    END LOOP;
END $$;
