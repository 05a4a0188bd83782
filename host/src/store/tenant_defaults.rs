//! What a tenant starts with: a charter and policies. Only the values: a backend writes them when it adds the tenant.

/// The schema of the charter's sections.
pub const CHARTER_SCHEMA_VERSION: u32 = 1;

/// The version of the charter that a tenant starts with.
pub const CHARTER_VERSION: u32 = 1;

/// The charter that a tenant starts with, in Markdown: one second-level heading for each section.
pub const CHARTER: &str = include_str!("default_charter.md");

/// The policies that a tenant starts with: path and JSON value.
pub const POLICIES: [(&str, &str); 5] = [
    // The agent may work.
    ("policy.kora_disabled", "false"),
    // A handful: an override is an exception, and somebody has to read about each.
    ("policy.kora_max_nonsecurity_overrides_per_24h", "3"),
    // Bytes of one answer: as much as one event may hold.
    ("policy.kora_output_size_cap_pull", "65536"),
    // Calls a minute: one a second, far above what a person follows and far below what a loop does.
    ("policy.kora_rate_limit_per_minute", "60"),
    // Tokens of context: leaves a quarter of a window of 200,000 for the answer.
    ("policy.kora_context_assembler_token_ceiling.opus", "150000"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_policy_is_a_json_value() {
        for (path, value) in POLICIES {
            assert!(serde_json::from_str::<serde_json::Value>(value).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_default_charter_has_every_section() {
        for section in [
            "identity",
            "authority_can_do",
            "authority_cannot_do",
            "override_preconditions",
            "escalation_triggers",
            "per_session_discipline",
            "audit_attribution",
            "charter_modification",
            "effective_date_clause",
        ] {
            assert!(CHARTER.contains(&format!("\n## {section}\n")), "{section}");
        }
    }
}
