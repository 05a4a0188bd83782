//! What the host does for every tenant: events, money, health, daemons, the store and its checkpoints, tickets.

use super::{
    Applies::{Live, NeedsRestart},
    Key, STALE_AFTER, THRESHOLD,
};
use crate::config::Kind;

/// A day: a daemon that needs longer to start, tick or stop is not a daemon.
const TIMEOUT: Kind = Kind::Seconds { min: 1, max: 86_400 };

/// One daemon must not use up the time that all have to stop.
const SHUTDOWN_TIMEOUT: Kind = Kind::Seconds { min: 1, max: 30 };

/// More events than this between two checkpoints would leave too much to a later change.
const CHECKPOINT_EVENTS: Kind = Kind::Count {
    min: 1,
    max: 1_000_000,
};

/// From `[events]` to `[tickets]`.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "events.types",
        kind: Kind::List(&Kind::EventType),
        default: Some("[]"),
        example: "[\"ops.deployed\"]",
        applies: Live,
        meaning: "Event types that the operator owns and may append.",
    },
    Key {
        path: "cost.credit_pool_usd",
        kind: Kind::Usd,
        default: Some("\"200\""),
        example: "\"500.00\"",
        applies: Live,
        meaning: "What each tenant may spend in a billing period, in US dollars. With `0` nothing may be spent.",
    },
    Key {
        path: "cost.warn_percent",
        kind: THRESHOLD,
        default: Some("75"),
        example: "60",
        applies: Live,
        meaning: "From this share of the pool on, in hundredths, work that may be done by a smaller model is, and other work waits.",
    },
    Key {
        path: "cost.downshift_percent",
        kind: THRESHOLD,
        default: Some("90"),
        example: "80",
        applies: Live,
        meaning: "From this share of the pool on, in hundredths, work is done by the smallest model, or waits. At 100 the tenant is paused.",
    },
    Key {
        path: "cost.stale_after_seconds",
        kind: STALE_AFTER,
        default: Some("604800"),
        example: "86400",
        applies: Live,
        meaning: "How long spending may go without being compared with the provider's figure (`kora cost reconcile`). After that it counts as unknown, and nothing may be spent. What cost nothing never counts as unknown.",
    },
    Key {
        path: "cost.models",
        kind: Kind::List(&Kind::Text),
        default: Some("[\"opus\", \"sonnet\", \"haiku\"]"),
        example: "[\"opus\", \"haiku\"]",
        applies: Live,
        meaning: "Models, the largest first. Each stands for every model whose name holds it as a word, as `opus` in `claude-opus-4-7`.",
    },
    Key {
        path: "health.probe_interval_seconds",
        kind: Kind::Seconds { min: 1, max: 86_400 },
        default: Some("300"),
        example: "60",
        applies: NeedsRestart,
        meaning: "How often the health of the host is told in its own chain (`kora.health.probe`).",
    },
    Key {
        path: "coordinator.honour_fatal",
        kind: Kind::Switch,
        default: Some("true"),
        example: "false",
        applies: NeedsRestart,
        meaning: "Whether a daemon that declares its start fatal may end the boot.",
    },
    Key {
        path: "coordinator.startup_timeout_seconds",
        kind: TIMEOUT,
        default: Some("30"),
        example: "60",
        applies: NeedsRestart,
        meaning: "How long a daemon may take to start, unless it says otherwise.",
    },
    Key {
        path: "coordinator.tick_timeout_seconds",
        kind: TIMEOUT,
        default: Some("60"),
        example: "120",
        applies: NeedsRestart,
        meaning: "How long one run of a periodic task may take, unless its daemon says otherwise.",
    },
    Key {
        path: "coordinator.shutdown_timeout_seconds",
        kind: SHUTDOWN_TIMEOUT,
        default: Some("5"),
        example: "10",
        applies: NeedsRestart,
        meaning: "How long a daemon may take to stop, unless it says otherwise.",
    },
    Key {
        path: "store.path",
        kind: Kind::Path,
        default: Some("\"data/kora.db\""),
        example: "\"data/kora.db\"",
        applies: NeedsRestart,
        meaning: "The database's file; begins at the home.",
    },
    Key {
        path: "store.url",
        kind: Kind::StoreAddress,
        default: None,
        example: "\"postgres://kora@%2Frun%2Fpostgresql/kora\"",
        applies: NeedsRestart,
        meaning: "Where the store is, instead of in `store.path`: a file, or a PostgreSQL database that hosts may share. Of TLS it takes \
                  `sslmode`, `sslrootcert`, `sslcert` and `sslkey` as libpq does; a server on another machine is verified in full (`verify-full`) \
                  unless it says less.",
    },
    Key {
        path: "store.password",
        kind: Kind::SecretSource,
        default: None,
        example: "\"file:/etc/kora/store-password\"",
        applies: NeedsRestart,
        meaning: "Where the password for `store.url` is read. Never the password itself.",
    },
    Key {
        path: "checkpoints.every_events",
        kind: CHECKPOINT_EVENTS,
        default: Some("1000"),
        example: "100",
        applies: Live,
        meaning: "A chain is signed again after this many events.",
    },
    Key {
        path: "checkpoints.every_seconds",
        kind: TIMEOUT,
        default: Some("300"),
        example: "60",
        applies: Live,
        meaning: "A chain to which something was appended is signed again after this long; and when the host stops.",
    },
    Key {
        path: "disk.warn_free_mib",
        kind: Kind::Count {
            min: 0,
            max: 1_000_000_000,
        },
        default: Some("1024"),
        example: "10240",
        applies: Live,
        meaning: "Warn when less than so many MiB are free where the home or the store lies. Zero: never.",
    },
    Key {
        path: "disk.warn_free_percent",
        kind: Kind::Count { min: 0, max: 100 },
        default: Some("5"),
        example: "10",
        applies: Live,
        meaning: "Warn when a smaller share is free than so many hundredths. Zero: never.",
    },
    Key {
        path: "tickets.lease_seconds",
        kind: Kind::Seconds { min: 1, max: 86_400 },
        default: Some("600"),
        example: "900",
        applies: NeedsRestart,
        meaning: "How long a claim of a ticket lasts unless its holder refreshes it.",
    },
    Key {
        path: "tickets.sweep_seconds",
        kind: Kind::Seconds { min: 1, max: 300 },
        default: Some("5"),
        example: "10",
        applies: NeedsRestart,
        meaning: "How often claims are looked for that ran out.",
    },
    Key {
        path: "tickets.ramp_seconds",
        kind: Kind::Seconds { min: 0, max: 86_400 },
        default: Some("3600"),
        example: "600",
        applies: NeedsRestart,
        meaning: "How long claims are spaced after a tenant was resumed, or has money again; 0: not at all.",
    },
    Key {
        path: "tickets.ramp_spacing_seconds",
        kind: Kind::Seconds { min: 1, max: 3600 },
        default: Some("30"),
        example: "60",
        applies: NeedsRestart,
        meaning: "The least time between two claims of a tenant while they are spaced.",
    },
];
