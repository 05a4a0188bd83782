//! What may be spent, as an operator writes it.

use super::*;

#[test]
fn what_a_tenant_may_spend_is_its_own_or_everybodys() {
    let config = sound(
        r#"
        [cost]
        credit_pool_usd = 100
        [tenants.acme.cost]
        credit_pool_usd = "12.50"
        downshift_percent = 80
        [tenants.globex]
        "#,
    );
    let of = |id| {
        let cost = config.cost_of(&tenant(id));
        (
            cost.credit_pool_usd.to_string(),
            cost.warn_percent,
            cost.downshift_percent,
        )
    };
    assert_eq!(of("ACME"), ("12.50".to_owned(), 75, 80));
    assert_eq!(of("globex"), ("100.00".to_owned(), 75, 90));
    assert_eq!(of("nobody"), ("100.00".to_owned(), 75, 90));
}

#[test]
fn money_that_cannot_be_counted_and_thresholds_that_cross_are_refused() {
    let text = r#"
[cost]
credit_pool_usd = 0.1
warn_percent = 100
[tenants.acme.cost]
credit_pool_usd = "-1"
downshift_percent = 70
[tenants.globex.cost]
credit_pool_usd = "1,50"
"#;
    assert_snapshot!(problems(text), @r#"
    /srv/kora/kora.toml:3:19: `cost.credit_pool_usd`: expected dollars as text such as `"12.50"`, or as a whole number; found the number 0.1
     3 | credit_pool_usd = 0.1
       |                   ^^^

    /srv/kora/kora.toml:4:16: `cost.warn_percent`: expected a whole number from 1 to 99; found the number 100
     4 | warn_percent = 100
       |                ^^^

    /srv/kora/kora.toml:6:19: `tenants.acme.cost.credit_pool_usd`: expected dollars as text such as `"12.50"`, or as a whole number; found the text `-1`
     6 | credit_pool_usd = "-1"
       |                   ^^^^

    /srv/kora/kora.toml:7:1: `tenants.acme.cost`: `warn_percent` is 75 and `downshift_percent` 70: expected the first to be less
     7 | downshift_percent = 70
       | ^^^^^^^^^^^^^^^^^

    /srv/kora/kora.toml:9:19: `tenants.globex.cost.credit_pool_usd`: `1,50` is no amount: expected decimal dollars with at most 6 decimals, such as `12.50`
     9 | credit_pool_usd = "1,50"
       |                   ^^^^^^

    5 problems in the configuration; nothing of it was applied
    "#);
    let both = problems("[cost]\nwarn_percent = 90\n[tenants.acme]\n");
    assert_eq!(both.matches("expected the first to be less").count(), 1, "{both}");
}
