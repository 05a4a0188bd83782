//! Accounts and usages as documents of the store.

use serde::{Deserialize, Serialize};

use super::CostError;
use crate::{
    domain::{BillingPeriod, Money, TenantId, Timestamp},
    engine::cost::{Account, Usage},
    store::{Collection, Document, DocumentFilter, DocumentKey, DocumentOrder, Store},
};

/// The status of an account whose period is over. The status of the current one is its rung.
const CLOSED: &str = "closed";
/// The status of every usage.
const COUNTED: &str = "counted";

/// The current account of a tenant, with the revision that the next change is based on.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub account: Account,
    /// 0 if it is not there yet.
    pub revision: u64,
}

impl Held {
    /// The account of the newest period; a fresh one of this month if there is none.
    pub async fn read(store: &dyn Store, tenant: &TenantId, now: Timestamp) -> Result<Self, CostError> {
        let filter = DocumentFilter {
            limit: 1,
            ..DocumentFilter::of(Collection::CostAccounts).tenant(tenant)
        };
        match store.documents(filter).await?.pop() {
            Some(document) => Self::parse(&document),
            None => Ok(Self {
                account: Account::fresh(BillingPeriod::month_of(now)),
                revision: 0,
            }),
        }
    }

    fn parse(document: &Document) -> Result<Self, CostError> {
        let unreadable = |detail: String| CostError::Unreadable {
            id: document.key.id.clone(),
            detail,
        };
        let account: Account =
            serde_json::from_str(&document.body).map_err(|error| unreadable(error.to_string()))?;
        account.check().map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            account,
            revision: document.revision,
        })
    }

    /// The next revision of this period's document.
    pub fn becoming(&self, tenant: &TenantId, account: &Account) -> Document {
        document(tenant, account, self.revision + 1, account.rung.as_str())
    }

    /// This period's document once the next period began; absent if there is none to close.
    pub fn closed(&self, tenant: &TenantId) -> Option<Document> {
        (self.revision > 0).then(|| document(tenant, &self.account, self.revision + 1, CLOSED))
    }
}

/// The first revision of a new period's document.
pub(super) fn first(tenant: &TenantId, account: &Account) -> Document {
    document(tenant, account, 1, account.rung.as_str())
}

fn document(tenant: &TenantId, account: &Account, revision: u64, status: &str) -> Document {
    Document {
        key: DocumentKey {
            collection: Collection::CostAccounts,
            tenant: tenant.clone(),
            // Times of one length sort as text as they follow in time: the newest period is the last id.
            id: account.billing_period_start.to_rfc3339(),
        },
        revision,
        status: status.to_owned(),
        rank: 0,
        due_at: Some(account.period().end()),
        body: written(account),
    }
}

/// A usage as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageRecord {
    /// What was used.
    pub usage: Usage,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Into which period it was counted.
    pub billing_period_start: Timestamp,
    /// What was recorded ever, with this.
    pub lifetime_usd: Money,
    /// Who told of it.
    pub source: String,
}

pub(super) fn usage_key(tenant: &TenantId, id: &str) -> DocumentKey {
    DocumentKey {
        collection: Collection::Usages,
        tenant: tenant.clone(),
        id: id.to_owned(),
    }
}

/// Usages lie with the latest first, so that what was recorded before a moment is found without reading all of them.
pub(super) fn usage_document(key: DocumentKey, record: &UsageRecord) -> Document {
    Document {
        key,
        revision: 1,
        status: COUNTED.to_owned(),
        rank: record.recorded_at.as_micros().saturating_neg(),
        due_at: Some(record.recorded_at),
        body: written(record),
    }
}

pub(super) fn parse_usage(document: &Document) -> Result<UsageRecord, CostError> {
    serde_json::from_str(&document.body).map_err(|error| CostError::Unreadable {
        id: document.key.id.clone(),
        detail: error.to_string(),
    })
}

/// What was recorded ever, up to and at this moment.
pub(super) async fn lifetime_at(
    store: &dyn Store,
    tenant: &TenantId,
    moment: Timestamp,
) -> Result<Money, CostError> {
    let filter = DocumentFilter {
        due_by: Some(moment),
        order: DocumentOrder::Ranked,
        limit: 1,
        ..DocumentFilter::of(Collection::Usages)
            .tenant(tenant)
            .statuses([COUNTED])
    };
    let last = store.documents(filter).await?.pop();
    last.map_or(Ok(Money::ZERO), |last| Ok(parse_usage(&last)?.lifetime_usd))
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers can always be written")
}
