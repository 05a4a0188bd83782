//! Every key there is, in one table. Reading the file, the effective values, what a reload may change, the reference and
//! the file that `kora init` writes are all made from it.

use serde::Serialize;

use super::Kind;

/// When a changed value takes effect. What is said of a plugin that is not loaded, or of a tenant for whom nobody speaks, takes effect
/// with the next reload whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// With the next reload.
    Live,
    /// When the host starts again.
    NeedsRestart,
}

/// One key, or all keys of one form.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands. `<plugin>`, `<tenant>`, `<secret>` and `<key>` stand for any name of that sort.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its default as it would stand in the file; absent if there is none.
    pub default: Option<&'static str>,
    /// What one might write instead.
    pub example: &'static str,
    /// When a change takes effect.
    pub applies: Applies,
    /// What it means.
    pub meaning: &'static str,
}

impl Key {
    pub(super) fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    /// Whether its path holds no name of the operator's choosing.
    pub(super) fn is_fixed(&self) -> bool {
        !self.path.contains('<')
    }
}

/// A day: a daemon that needs longer to start, tick or stop is not a daemon.
const TIMEOUT: Kind = Kind::Seconds { min: 1, max: 86_400 };

/// Below a minute nobody could keep up; a provider's figure of last quarter says nothing of this one.
const STALE_AFTER: Kind = Kind::Seconds {
    min: 60,
    max: 7_776_000,
};

/// The last rung begins at 100, and nothing can be below the first.
const THRESHOLD: Kind = Kind::Percent { min: 1, max: 99 };

/// One daemon must not use up the time that all have to stop.
const SHUTDOWN_TIMEOUT: Kind = Kind::Seconds { min: 1, max: 30 };

/// More events than this between two checkpoints would leave too much to a later change.
const CHECKPOINT_EVENTS: Kind = Kind::Count {
    min: 1,
    max: 1_000_000,
};

/// 64 MiB: what is larger is no request.
const BODY_BYTES: Kind = Kind::Count {
    min: 1024,
    max: 67_108_864,
};

use Applies::{Live, NeedsRestart};

/// All of them, in the order of the file: the keys of one table stand together.
pub const KEYS: &[Key] = &[
    Key {
        path: "default_identity",
        kind: Kind::Provider,
        default: None,
        example: "\"kora\"",
        applies: Live,
        meaning: "Who speaks for a tenant that names nobody, when it is first added. Afterwards the store decides.",
    },
    Key {
        path: "log.level",
        kind: Kind::Level,
        default: Some("\"info\""),
        example: "\"debug\"",
        applies: Live,
        meaning: "The most verbose level that is kept.",
    },
    Key {
        path: "log.format",
        kind: Kind::Format,
        default: Some("\"text\""),
        example: "\"json\"",
        applies: Live,
        meaning: "Lines for humans, or one JSON object on a line.",
    },
    Key {
        path: "log.plugins.<plugin>",
        kind: Kind::Level,
        default: None,
        example: "\"debug\"",
        applies: Live,
        meaning: "The level of one plugin, instead of `log.level`.",
    },
    Key {
        path: "plugins.directory",
        kind: Kind::Path,
        default: Some("\"plugins\""),
        example: "\"plugins\"",
        applies: NeedsRestart,
        meaning: "Where plugins are found; begins at the home.",
    },
    Key {
        path: "plugins.allow",
        kind: Kind::List(&Kind::Admitted),
        default: Some("[]"),
        example: "[\"kora\", \"marvin\"]",
        applies: Live,
        meaning: "If not empty, only these plugins are admitted, by name or SHA-256. What runs already is not disturbed.",
    },
    Key {
        path: "plugins.disable",
        kind: Kind::List(&Kind::Plugin),
        default: Some("[]"),
        example: "[\"echo\"]",
        applies: Live,
        meaning: "These plugins are not loaded.",
    },
    Key {
        path: "plugins.<plugin>.enabled",
        kind: Kind::Switch,
        default: Some("true"),
        example: "true",
        applies: Live,
        meaning: "Whether the plugin is loaded.",
    },
    Key {
        path: "plugins.<plugin>.daemons",
        kind: Kind::List(&Kind::Daemon),
        default: None,
        example: "[\"heartbeat\", \"snapshot\"]",
        applies: NeedsRestart,
        meaning: "Which of its daemons run. If absent: all.",
    },
    Key {
        path: "plugins.<plugin>.capabilities",
        kind: Kind::List(&Kind::Capability),
        default: None,
        example: "[\"kora__create_sea_ticket\"]",
        applies: Live,
        meaning: "Which capabilities it has where it calls tools. If absent: none; tools that only show need none.",
    },
    Key {
        path: "plugins.<plugin>.tier",
        kind: Kind::Tier,
        default: Some("\"in-process\""),
        example: "\"in-process\"",
        applies: NeedsRestart,
        meaning: "Where its code runs.",
    },
    Key {
        path: "plugins.<plugin>.<key>",
        kind: Kind::Own,
        default: None,
        example: "\"a value that the plugin knows\"",
        applies: NeedsRestart,
        meaning: "Every other key is the plugin's own and is checked against the schema in its manifest.",
    },
    Key {
        path: "plugins.<plugin>.secrets.<secret>",
        kind: Kind::SecretSource,
        default: None,
        example: "\"file:/etc/kora/token\"",
        applies: Live,
        meaning: "Where a secret of the plugin is read, anew each time it is asked for. Never the secret itself.",
    },
    Key {
        path: "tenants.<tenant>.identity",
        kind: Kind::Provider,
        default: None,
        example: "\"kora\"",
        applies: Live,
        meaning: "Who speaks for the tenant when it is first added. Afterwards the store decides; `kora identity swap` changes it.",
    },
    Key {
        path: "tenants.<tenant>.fallback_prompt",
        kind: Kind::Path,
        default: None,
        example: "\"prompts/acme.md\"",
        applies: NeedsRestart,
        meaning: "The prompt that speaks for the tenant when no provider does; begins at the home.",
    },
    Key {
        path: "tenants.<tenant>.agent_name",
        kind: Kind::Text,
        default: None,
        example: "\"Acme's agent\"",
        applies: NeedsRestart,
        meaning: "The name of the agent beside the fallback prompt.",
    },
    Key {
        path: "tenants.<tenant>.plugins",
        kind: Kind::List(&Kind::Plugin),
        default: Some("[]"),
        example: "[\"kora\"]",
        applies: Live,
        meaning: "Plugins that act for the tenant, beside the one that speaks for it.",
    },
    Key {
        path: "tenants.<tenant>.config.<plugin>.<key>",
        kind: Kind::Own,
        default: None,
        example: "\"another value\"",
        applies: NeedsRestart,
        meaning: "What a plugin is configured otherwise for this tenant. Tables are merged, everything else is replaced.",
    },
    Key {
        path: "tenants.<tenant>.secrets.<plugin>.<secret>",
        kind: Kind::SecretSource,
        default: None,
        example: "\"env:ACME_TOKEN\"",
        applies: Live,
        meaning: "Where the tenant's own secret is read, instead of the plugin's.",
    },
    Key {
        path: "tenants.<tenant>.cost.credit_pool_usd",
        kind: Kind::Usd,
        default: None,
        example: "\"50.00\"",
        applies: Live,
        meaning: "What this tenant may spend in a billing period, instead of `cost.credit_pool_usd`.",
    },
    Key {
        path: "tenants.<tenant>.cost.warn_percent",
        kind: THRESHOLD,
        default: None,
        example: "60",
        applies: Live,
        meaning: "Instead of `cost.warn_percent`.",
    },
    Key {
        path: "tenants.<tenant>.cost.downshift_percent",
        kind: THRESHOLD,
        default: None,
        example: "80",
        applies: Live,
        meaning: "Instead of `cost.downshift_percent`.",
    },
    Key {
        path: "tenants.<tenant>.cost.stale_after_seconds",
        kind: STALE_AFTER,
        default: None,
        example: "86400",
        applies: Live,
        meaning: "Instead of `cost.stale_after_seconds`.",
    },
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
    Key {
        path: "http.listen",
        kind: Kind::Listen,
        default: Some("\"127.0.0.1:9119\""),
        example: "\"off\"",
        applies: NeedsRestart,
        meaning: "Where MCP (`/mcp`), the HTTP interface (`/api`) and metrics are. Beyond loopback, put a proxy with TLS before it.",
    },
    Key {
        path: "http.allowed_hosts",
        kind: Kind::List(&Kind::HostName),
        default: Some("[]"),
        example: "[\"kora.example.com\"]",
        applies: NeedsRestart,
        meaning: "What a `Host` header may say beside `localhost` and the addresses of loopback. Others are refused.",
    },
    Key {
        path: "http.allowed_origins",
        kind: Kind::List(&Kind::Origin),
        default: Some("[]"),
        example: "[\"https://ops.example.com\"]",
        applies: NeedsRestart,
        meaning: "Pages of which origins may call and read what is answered, beside those of the host's own address and port. A request with another `Origin` is refused, from this machine too; one without is not from a page.",
    },
    Key {
        path: "http.max_body_bytes",
        kind: BODY_BYTES,
        default: Some("1048576"),
        example: "4194304",
        applies: NeedsRestart,
        meaning: "The largest body of a request.",
    },
    Key {
        path: "http.read_timeout_seconds",
        kind: Kind::Seconds { min: 1, max: 300 },
        default: Some("10"),
        example: "5",
        applies: NeedsRestart,
        meaning: "A request that has not arrived after this long is cut off.",
    },
    Key {
        path: "http.max_connections",
        kind: Kind::Count { min: 1, max: 100_000 },
        default: Some("4096"),
        example: "1000",
        applies: NeedsRestart,
        meaning: "The most connections at once. More wait to be accepted.",
    },
    Key {
        path: "http.max_streams",
        kind: Kind::Count { min: 0, max: 100_000 },
        default: Some("1024"),
        example: "100",
        applies: NeedsRestart,
        meaning: "The most streams at once, of events and of MCP (subscriptions, progress of a tool). Each holds a connection.",
    },
    Key {
        path: "http.max_streams_per_caller",
        kind: Kind::Count { min: 0, max: 100_000 },
        default: Some("64"),
        example: "4",
        applies: NeedsRestart,
        meaning: "The most streams of one caller at once, of events and of MCP together.",
    },
    Key {
        path: "webhooks.listen",
        kind: Kind::Listen,
        default: Some("\"127.0.0.1:9118\""),
        example: "\"off\"",
        applies: NeedsRestart,
        meaning: "Where webhooks for plugins are taken.",
    },
    Key {
        path: "webhooks.allowed_hosts",
        kind: Kind::List(&Kind::HostName),
        default: Some("[]"),
        example: "[\"hooks.example.com\"]",
        applies: NeedsRestart,
        meaning: "What a `Host` header may say beside `localhost` and the addresses of loopback.",
    },
    Key {
        path: "webhooks.requests_per_minute",
        kind: Kind::Count {
            min: 1,
            max: 1_000_000,
        },
        default: Some("60"),
        example: "600",
        applies: Live,
        meaning: "How many webhooks of one address are taken in a minute.",
    },
    Key {
        path: "webhooks.max_body_bytes",
        kind: BODY_BYTES,
        default: Some("1048576"),
        example: "262144",
        applies: NeedsRestart,
        meaning: "The largest webhook.",
    },
    Key {
        path: "access.anonymous_tokens",
        kind: Kind::SecretSource,
        default: None,
        example: "\"file:/etc/kora/tokens\"",
        applies: NeedsRestart,
        meaning: "Where tokens are read that name nobody, joined by commas; they give no capability. Without it: `KORA_MCP_BEARER_TOKEN` of the environment.",
    },
    Key {
        path: "access.requests_per_second",
        kind: Kind::Count {
            min: 0,
            max: 1_000_000,
        },
        default: Some("100"),
        example: "20",
        applies: Live,
        meaning: "How often a caller may ask whose entry in `callers.toml` says nothing else; 0: as often as it likes.",
    },
    Key {
        path: "access.deploy_env",
        kind: Kind::DeployEnv,
        default: Some("\"prd\""),
        example: "\"dev\"",
        applies: Live,
        meaning: "What this host is used for. Tools that are for development alone are refused where it is `prd`.",
    },
    Key {
        path: "audit.batch_size",
        kind: Kind::Count { min: 0, max: 10_000 },
        default: Some("100"),
        example: "1",
        applies: NeedsRestart,
        meaning: "So many lines of the audit are written at once; 0: each as it comes. Denials never wait.",
    },
    Key {
        path: "audit.flush_interval_seconds",
        kind: Kind::Seconds { min: 1, max: 60 },
        default: Some("5"),
        example: "1",
        applies: NeedsRestart,
        meaning: "No line of the audit waits longer to be written.",
    },
    Key {
        path: "audit.max_file_mib",
        kind: Kind::Count { min: 1, max: 10_240 },
        default: Some("64"),
        example: "256",
        applies: NeedsRestart,
        meaning: "A file of the audit that has grown so large is put aside and a new one begun.",
    },
    Key {
        path: "audit.keep_files",
        kind: Kind::Count { min: 0, max: 10_000 },
        default: Some("10"),
        example: "100",
        applies: NeedsRestart,
        meaning: "How many files of each tenant that were put aside are kept; older ones are removed.",
    },
];
