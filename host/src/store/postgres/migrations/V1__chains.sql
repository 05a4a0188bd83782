-- Chains of events, in the schema `kora`. What keeps them append-only stands here, so that it holds for every role, the owner's too.
-- The owner can still drop these triggers: that is what verification and checkpoints are for.
--
--   owner         migrates, owns everything below; the host steps down from it before it works
--   kora_writer   appends by functions that check what they write; changes what stands beside the chains
--   kora_reader   reads one tenant: the one that `kora.tenant` names in its transaction
--   kora_auditor  reads everything, changes nothing

CREATE TABLE events (
    pos                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant              text   COLLATE "C" NOT NULL,
    seq                 bigint NOT NULL CHECK (seq > 0),
    event_id            uuid   NOT NULL,
    event_type          text   COLLATE "C" NOT NULL,
    occurred_at         bigint NOT NULL, -- microseconds since 1970 UTC, as hashed
    actor_kind          text,
    actor_id            text,
    source              text   NOT NULL,
    identity_generation bigint CHECK (identity_generation >= 0),
    idempotency_key     bytea, -- UTF-8; text has no room for U+0000
    payload             text   NOT NULL,
    prev_hash           bytea  NOT NULL CHECK (octet_length(prev_hash) = 32),
    this_hash           bytea  NOT NULL CHECK (octet_length(this_hash) = 32)
);

CREATE UNIQUE INDEX events_tenant_seq ON events (tenant, seq);
CREATE UNIQUE INDEX events_event_id ON events (event_id);
CREATE UNIQUE INDEX events_idempotency_key ON events (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Where each chain ends. A chain without events ends at 0 with its genesis hash; without a row here there is no chain.
-- Each group of appends changes a row, in place as long as its page has room.
CREATE TABLE heads (
    tenant text   COLLATE "C" NOT NULL PRIMARY KEY,
    seq    bigint NOT NULL CHECK (seq >= 0),
    hash   bytea  NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);

CREATE FUNCTION genesis(tenant text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT sha256('kora.genesis.v1'::bytea || '\x00'::bytea || convert_to(tenant, 'UTF8')) $$;

CREATE FUNCTION field(bytes bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT coalesce(int4send(octet_length(bytes)) || bytes, '\xffffffff'::bytea) $$;

-- The hash that a record must have: its fields, each with its length before it.
CREATE FUNCTION record_hash(of events) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT sha256('kora.event.v1'::bytea || '\x00'::bytea || (of).prev_hash
            || field(convert_to((of).tenant, 'UTF8')) || field(int8send((of).seq)) || field(uuid_send((of).event_id))
            || field(convert_to((of).event_type, 'UTF8')) || field(int8send((of).occurred_at))
            || field(convert_to((of).actor_kind, 'UTF8')) || field(convert_to((of).actor_id, 'UTF8'))
            || field(convert_to((of).source, 'UTF8')) || field(int8send((of).identity_generation))
            || field((of).idempotency_key) || field(convert_to((of).payload, 'UTF8')))
    $$;

CREATE FUNCTION refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
    EXECUTE FUNCTION refuse('an event is never changed');
CREATE TRIGGER events_are_never_deleted BEFORE DELETE OR TRUNCATE ON events
    EXECUTE FUNCTION refuse('an event is never deleted');
CREATE TRIGGER heads_are_never_deleted BEFORE DELETE OR TRUNCATE ON heads
    EXECUTE FUNCTION refuse('the head of a chain is never deleted');

-- Looks at all that one statement inserts: each record has its hash, follows the one before it, and the first of each chain
-- follows its head, which moves to the last.
CREATE FUNCTION events_continue_their_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = kora, pg_temp
    AS $$
    DECLARE
        chains bigint;
        moved  bigint;
    BEGIN
        IF EXISTS (
            SELECT FROM (
                SELECT record, lag((record).seq) OVER chain AS last_seq, lag((record).this_hash) OVER chain AS last_hash
                FROM (SELECT inserted::events AS record FROM inserted) AS records
                WINDOW chain AS (PARTITION BY (record).tenant ORDER BY (record).pos)
            ) AS linked
            WHERE (record).this_hash <> record_hash(record)
               OR last_seq IS NOT NULL AND ((record).seq <> last_seq + 1 OR (record).prev_hash <> last_hash)
        ) THEN
            RAISE EXCEPTION 'an event must continue its chain and have its hash'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        SELECT count(DISTINCT tenant) INTO chains FROM inserted;
        UPDATE heads SET seq = ends.last_seq, hash = ends.last_hash
            FROM (
                SELECT tenant, min(seq) AS first_seq, max(seq) AS last_seq,
                       (array_agg(prev_hash ORDER BY seq))[1] AS first_prev,
                       (array_agg(this_hash ORDER BY seq DESC))[1] AS last_hash
                FROM inserted GROUP BY tenant
            ) AS ends
            WHERE heads.tenant = ends.tenant AND heads.seq = ends.first_seq - 1 AND heads.hash = ends.first_prev;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> chains THEN
            RAISE EXCEPTION 'an event must continue its chain' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER events_continue_their_chain AFTER INSERT ON events
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION events_continue_their_chain();

CREATE FUNCTION heads_begin_empty() RETURNS trigger
    LANGUAGE plpgsql SET search_path = kora, pg_temp
    AS $$ BEGIN
        IF NEW.seq <> 0 OR NEW.hash <> genesis(NEW.tenant) THEN
            RAISE EXCEPTION 'a chain begins without events' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

CREATE TRIGGER heads_begin_empty BEFORE INSERT ON heads FOR EACH ROW EXECUTE FUNCTION heads_begin_empty();

CREATE FUNCTION heads_follow_their_chain() RETURNS trigger
    LANGUAGE plpgsql SET search_path = kora, pg_temp
    AS $$ BEGIN
        IF NEW.tenant <> OLD.tenant OR NEW.seq <= OLD.seq OR NOT EXISTS (
            SELECT FROM events WHERE tenant = NEW.tenant AND seq = NEW.seq AND this_hash = NEW.hash
        ) THEN
            RAISE EXCEPTION 'a head moves only to the end of its chain' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;

CREATE TRIGGER heads_follow_their_chain BEFORE UPDATE ON heads FOR EACH ROW EXECUTE FUNCTION heads_follow_their_chain();

-- The host's own chain.
INSERT INTO heads VALUES ('host', 0, genesis('host'));

-- Locks where these chains end, in one order for everybody, and says where. What has no chain is not answered.
CREATE FUNCTION lock_heads(tenants text[]) RETURNS SETOF heads
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = kora, pg_temp
    AS $$ BEGIN
        RETURN QUERY SELECT * FROM heads WHERE heads.tenant = ANY (tenants) ORDER BY heads.tenant FOR NO KEY UPDATE;
    END $$;

-- Appends events in the order of the arrays. What each must be is checked by the triggers above.
CREATE FUNCTION append(
    tenants text[], seqs bigint[], event_ids uuid[], event_types text[], occurred_ats bigint[], actor_kinds text[],
    actor_ids text[], sources text[], identity_generations bigint[], idempotency_keys bytea[], payloads text[],
    prev_hashes bytea[], this_hashes bytea[]
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = kora, pg_temp
    AS $$ BEGIN
        INSERT INTO events (tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source,
                            identity_generation, idempotency_key, payload, prev_hash, this_hash)
        SELECT tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source,
               identity_generation, idempotency_key, payload, prev_hash, this_hash
        FROM unnest(tenants, seqs, event_ids, event_types, occurred_ats, actor_kinds, actor_ids, sources,
                    identity_generations, idempotency_keys, payloads, prev_hashes, this_hashes) WITH ORDINALITY
             AS appended (tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source,
                          identity_generation, idempotency_key, payload, prev_hash, this_hash, place)
        ORDER BY place;
    END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kora FROM PUBLIC;
GRANT USAGE ON SCHEMA kora TO kora_writer, kora_reader, kora_auditor;
GRANT SELECT ON events, heads TO kora_writer, kora_reader, kora_auditor;
GRANT EXECUTE ON FUNCTION lock_heads, append TO kora_writer;

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE heads ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON events FOR SELECT TO kora_writer, kora_auditor USING (true);
CREATE POLICY everybody ON heads FOR SELECT TO kora_writer, kora_auditor USING (true);
CREATE POLICY of_one_tenant ON events FOR SELECT TO kora_reader USING (tenant = current_setting('kora.tenant', true));
CREATE POLICY of_one_tenant ON heads FOR SELECT TO kora_reader USING (tenant = current_setting('kora.tenant', true));
