//! The changes of a batch beside its events. Each is applied inside the transaction of its batch. Another host may change the same at
//! the same time: every change is one statement that waits for the other and then sees what it did.

use tokio_postgres::Client;
use uuid::Uuid;

use super::{
    append::{BatchError, Heads},
    rows::{self, position},
    statements::Statements,
};
use crate::{
    domain::{Digest, Generation, TenantId, TenantRecord, Timestamp},
    engine::chain,
    store::{Change, CommitError, Document, GenerationRecord, KvScope, tenant_defaults},
};

pub(super) async fn apply(
    client: &Client,
    statements: &Statements,
    heads: &mut Heads,
    change: &Change,
) -> Result<(), BatchError> {
    let changer = Changer { client, statements };
    match change {
        Change::AddTenant(record) => {
            changer.add_tenant(record).await?;
            let begin = (0, chain::genesis(record.tenant.as_str()));
            heads.insert(record.tenant.clone(), begin);
            Ok(())
        }
        Change::SetTenantActive { tenant, active } => changer.set_tenant_active(tenant, *active).await,
        Change::BindIdentity { expected, record } => changer.bind_identity(*expected, record).await,
        Change::KvPut {
            scope,
            key,
            value,
            quota,
        } => changer.kv_put(scope, key, value, *quota).await,
        Change::KvDelete { scope, key } => changer.kv_delete(scope, key).await,
        Change::PutDocument(document) => changer.put_document(document).await,
    }
}

struct Changer<'c> {
    client: &'c Client,
    statements: &'c Statements,
}

impl Changer<'_> {
    async fn require_tenant(&self, tenant: &TenantId) -> Result<(), BatchError> {
        let found = self
            .client
            .query_opt(&self.statements.has_chain, &[&tenant.as_str()])
            .await?;
        found.map(drop).ok_or_else(|| unknown(tenant))
    }

    async fn add_tenant(&self, record: &TenantRecord) -> Result<(), BatchError> {
        let (tenant, created_at) = (record.tenant.as_str(), record.created_at.as_micros());
        if record.tenant.is_host() {
            return Err(CommitError::TenantExists {
                tenant: TenantId::host(),
            }
            .into());
        }
        let add = &self.statements.add_tenant;
        if self
            .client
            .execute(add, &[&tenant, &record.active, &created_at])
            .await?
            == 0
        {
            let taken = self
                .client
                .query_one(&self.statements.taken_by, &[&tenant])
                .await?;
            let tenant = rows::tenant_id(&taken)?;
            return Err(CommitError::TenantExists { tenant }.into());
        }
        for actor in &record.actors {
            let add = &self.statements.add_actor;
            self.client
                .execute(
                    add,
                    &[
                        &tenant,
                        &actor.actor_id,
                        &actor.kind,
                        &actor.name,
                        &actor.active,
                        &actor.canonical,
                    ],
                )
                .await?;
        }
        self.add_defaults(tenant, created_at).await
    }

    async fn add_defaults(&self, tenant: &str, created_at: i64) -> Result<(), BatchError> {
        let hash = Digest::of(tenant_defaults::CHARTER.as_bytes());
        let versions = [
            tenant_defaults::CHARTER_SCHEMA_VERSION,
            tenant_defaults::CHARTER_VERSION,
        ];
        let [schema, charter] = versions.map(|version| i32::try_from(version).unwrap_or(i32::MAX));
        self.client
            .execute(
                &self.statements.add_charter,
                &[
                    &Uuid::now_v7(),
                    &tenant,
                    &schema,
                    &charter,
                    &tenant_defaults::CHARTER,
                    &hash.as_bytes().as_slice(),
                    &created_at,
                ],
            )
            .await?;
        let (paths, values): (Vec<&str>, Vec<&str>) = tenant_defaults::POLICIES.into_iter().unzip();
        let add = &self.statements.add_policies;
        self.client
            .execute(add, &[&tenant, &paths, &values, &created_at])
            .await?;
        Ok(())
    }

    async fn set_tenant_active(&self, tenant: &TenantId, active: bool) -> Result<(), BatchError> {
        let set = &self.statements.set_active;
        match self.client.execute(set, &[&tenant.as_str(), &active]).await? {
            0 => Err(unknown(tenant)),
            _ => Ok(()),
        }
    }

    async fn bind_identity(&self, expected: Generation, record: &GenerationRecord) -> Result<(), BatchError> {
        self.require_tenant(&record.tenant).await?;
        let found = self.newest_generation(&record.tenant).await?;
        // Both must fit: what the caller knows, and the number that it gives to the new one.
        for expected in [expected, record.generation.saturating_sub(1)] {
            if found != expected {
                return Err(generation_conflict(record, expected, found));
            }
        }
        let tenant = record.tenant.as_str();
        let provider = record.provider.as_ref().map(|provider| provider.as_str());
        let plugin_digest = record
            .plugin_digest
            .as_ref()
            .map(|digest| digest.as_bytes().as_slice());
        let added = self
            .client
            .execute(
                &self.statements.add_generation,
                &[
                    &tenant,
                    &position(record.generation),
                    &provider,
                    &record.plugin_version,
                    &plugin_digest,
                    &record.snapshot_hash.as_bytes().as_slice(),
                    &record.snapshot,
                    &Uuid::from_bytes(*record.event_id.as_bytes()),
                    &record.created_at.as_micros(),
                ],
            )
            .await?;
        if added == 0 {
            // Another host was quicker.
            let found = self.newest_generation(&record.tenant).await?;
            return Err(generation_conflict(record, expected, found));
        }
        Ok(())
    }

    async fn newest_generation(&self, tenant: &TenantId) -> Result<Generation, BatchError> {
        let newest = self
            .client
            .query_one(&self.statements.newest_generation, &[&tenant.as_str()])
            .await?;
        Ok(rows::count(&newest, 0)?)
    }

    async fn kv_put(&self, scope: &KvScope, key: &str, value: &[u8], quota: u64) -> Result<(), BatchError> {
        self.require_tenant(&scope.tenant).await?;
        let (plugin, tenant) = (&scope.plugin, scope.tenant.as_str());
        let used = self
            .client
            .query_one(&self.statements.lock_usage, &[plugin, &tenant])
            .await?;
        let used = rows::count(&used, 0)?;
        let freed = self.size_of(scope, key).await?;
        let taken = used.saturating_sub(freed) + key.len() as u64 + value.len() as u64;
        if taken > quota {
            return Err(CommitError::QuotaExceeded { quota, used }.into());
        }
        let put = &self.statements.put_value;
        self.client
            .execute(put, &[plugin, &tenant, &key.as_bytes(), &value])
            .await?;
        self.set_used(scope, taken).await
    }

    async fn kv_delete(&self, scope: &KvScope, key: &str) -> Result<(), BatchError> {
        let (plugin, tenant) = (&scope.plugin, scope.tenant.as_str());
        let used = self
            .client
            .query_one(&self.statements.lock_usage, &[plugin, &tenant])
            .await?;
        let freed = self.size_of(scope, key).await?;
        let delete = &self.statements.delete_value;
        self.client
            .execute(delete, &[plugin, &tenant, &key.as_bytes()])
            .await?;
        self.set_used(scope, rows::count(&used, 0)?.saturating_sub(freed))
            .await
    }

    /// The bytes that one key and its value take.
    async fn size_of(&self, scope: &KvScope, key: &str) -> Result<u64, BatchError> {
        let (plugin, tenant) = (&scope.plugin, scope.tenant.as_str());
        let size = &self.statements.size_of_value;
        let found = self
            .client
            .query_opt(size, &[plugin, &tenant, &key.as_bytes()])
            .await?;
        Ok(found.map_or(Ok(0), |row| rows::count(&row, 0))?)
    }

    async fn set_used(&self, scope: &KvScope, bytes: u64) -> Result<(), BatchError> {
        let set = &self.statements.set_usage;
        self.client
            .execute(set, &[&scope.plugin, &scope.tenant.as_str(), &position(bytes)])
            .await?;
        Ok(())
    }

    async fn put_document(&self, document: &Document) -> Result<(), BatchError> {
        let key = &document.key;
        self.require_tenant(&key.tenant).await?;
        let put = match document.revision {
            0 => return Err(self.revision_conflict(document).await?),
            1 => &self.statements.add_document,
            _ => &self.statements.change_document,
        };
        let put = self
            .client
            .execute(
                put,
                &[
                    &key.collection.as_str(),
                    &key.tenant.as_str(),
                    &key.id,
                    &position(document.revision),
                    &document.status,
                    &document.rank,
                    &document.due_at.map(Timestamp::as_micros),
                    &document.body,
                ],
            )
            .await?;
        if put == 0 {
            return Err(self.revision_conflict(document).await?);
        }
        Ok(())
    }

    async fn revision_conflict(&self, document: &Document) -> Result<BatchError, BatchError> {
        let key = &document.key;
        let place: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&key.collection.as_str(), &key.tenant.as_str(), &key.id];
        let found = self.client.query_opt(&self.statements.revision, &place).await?;
        let found = found.map_or(Ok(0), |row| rows::count(&row, 0))?;
        let refusal = CommitError::RevisionConflict {
            collection: key.collection,
            id: key.id.clone(),
            expected: document.revision.saturating_sub(1),
            found,
        };
        Ok(refusal.into())
    }
}

fn unknown(tenant: &TenantId) -> BatchError {
    CommitError::TenantUnknown {
        tenant: tenant.clone(),
    }
    .into()
}

fn generation_conflict(record: &GenerationRecord, expected: Generation, found: Generation) -> BatchError {
    let tenant = record.tenant.clone();
    CommitError::GenerationConflict {
        tenant,
        expected,
        found,
    }
    .into()
}
