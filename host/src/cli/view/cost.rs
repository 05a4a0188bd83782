//! What a tenant spent.

use super::{
    table::{Table, fields},
    text::{one_line, or_nothing},
};
use crate::service::api::{CostReconciled, CostState, UsageRecorded};

/// The account, and what it is made of.
pub(in crate::cli) fn state(state: &CostState) -> String {
    let spent = format!("{} of {} USD", state.spent_to_date_usd, state.credit_pool_usd);
    let period = format!("{} to {}", state.billing_period_start, state.billing_period_end);
    let projected = state.projected_usd.map_or_else(
        || "the period is over: `kora cost refresh` once credit was granted anew".to_owned(),
        |projected| format!("{projected} USD at the end of the period"),
    );
    let reconciled = match (state.last_reconciled_usd, &state.last_reconciled_at) {
        (Some(figure), Some(at)) => format!("{figure} USD, {at}"),
        _ => "never in this period".to_owned(),
    };
    let ramp = if state.ramp_due {
        Some("due, once it takes work again")
    } else {
        state.ramp_began_at.as_deref()
    };
    let account = fields([
        ("tenant", state.tenant.clone()),
        ("rung", state.rung.clone()),
        ("unknown", or_nothing(state.unknown.as_deref())),
        ("spent", spent),
        ("recorded", format!("{} USD", state.recorded_usd)),
        ("period", period),
        ("last 24 h", format!("{} USD", state.burn_rate_usd_per_day)),
        ("projected", projected),
        ("provider says", reconciled),
        ("slow start", or_nothing(ramp)),
    ]);
    let usages = Table::new(["ROUTE", "MODEL", "USAGES", "INPUT TOKENS", "OUTPUT TOKENS", "USD"])
        .rows(&state.usages, |line| {
            [
                line.route.clone(),
                line.model.clone(),
                line.usages.to_string(),
                line.input_tokens.to_string(),
                line.output_tokens.to_string(),
                line.cost_usd.to_string(),
            ]
        })
        .to_text("nothing was recorded in this period");
    format!("{account}\n{usages}")
}

/// A usage that was counted.
pub(in crate::cli) fn recorded(recorded: &UsageRecorded) -> String {
    let before = if recorded.repeated {
        "; it was recorded before"
    } else {
        ""
    };
    format!(
        "{}: {} USD spent, `{}`{before}\n",
        one_line(&recorded.tenant),
        recorded.spent_to_date_usd,
        one_line(&recorded.rung)
    )
}

/// A provider's figure that was compared.
pub(in crate::cli) fn reconciled(reconciled: &CostReconciled) -> String {
    let within = if reconciled.within_tolerance {
        "agrees with"
    } else {
        "differs from"
    };
    format!(
        "{}: {} USD spent, `{}`; the provider's {} USD {within} what was counted, which went up by {} USD\n",
        one_line(&reconciled.tenant),
        reconciled.spent_to_date_usd,
        one_line(&reconciled.rung),
        reconciled.last_reconciled_usd,
        reconciled.bumped_by_usd,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::UsageLine;

    #[test]
    fn an_account_is_shown_with_what_it_is_made_of() {
        let usd = |text: &str| text.parse().unwrap();
        let shown = CostState {
            tenant: "acme".to_owned(),
            rung: "warn_75".to_owned(),
            unknown: None,
            credit_pool_usd: usd("200"),
            spent_to_date_usd: usd("160"),
            recorded_usd: usd("150.25"),
            billing_period_start: "2026-11-01T00:00:00Z".to_owned(),
            billing_period_end: "2026-12-01T00:00:00Z".to_owned(),
            last_reconciled_at: Some("2026-11-20T10:00:00Z".to_owned()),
            last_reconciled_usd: Some(usd("160")),
            burn_rate_usd_per_day: usd("4.5"),
            projected_usd: Some(usd("205")),
            ramp_due: false,
            ramp_began_at: None,
            usages: vec![UsageLine {
                route: "slack_dm".to_owned(),
                model: "claude-opus-4-7".to_owned(),
                usages: 3,
                input_tokens: 1200,
                output_tokens: 300,
                cost_usd: usd("150.25"),
            }],
        };
        insta::assert_snapshot!(state(&shown), @r"
        tenant         acme
        rung           warn_75
        unknown        -
        spent          160.00 of 200.00 USD
        recorded       150.25 USD
        period         2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z
        last 24 h      4.50 USD
        projected      205.00 USD at the end of the period
        provider says  160.00 USD, 2026-11-20T10:00:00Z
        slow start     -

        ROUTE     MODEL            USAGES  INPUT TOKENS  OUTPUT TOKENS  USD
        slack_dm  claude-opus-4-7  3       1200          300            150.25
        ");
    }
}
