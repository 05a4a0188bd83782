//! Hosts on one database tell each other where chains end, by `NOTIFY`, on a connection of its own.
//!
//! A notice is a hint: it comes after the commit, many commits to one notice, and may be lost with the connection or with the host that
//! would have sent it. So the ends of all chains are also looked at now and then, and whoever hears reads from where it was. It is not
//! part of the commit: the server lets one transaction that notifies commit after another.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{interval, sleep},
};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    PostgresPlace,
    append::Heads,
    fault::{store_error, words},
    rows,
    session::{self, Role},
};
use crate::{
    domain::TenantId,
    store::{ChainMoved, StoreError},
};

/// One channel for each database.
const CHANNEL: &str = "kora_heads";

/// The shortest time between two notices: a person who follows sees no difference, and a busy host does not hold up the others.
const AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// How often the ends of all chains are looked at, for notices that were lost.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long after a failed connection the next attempt comes. Following is slow meanwhile, nothing else.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// The most chains of one notice: the server takes 8000 bytes, and a tenant with its number has at most 85.
const CHAINS_OF_A_NOTICE: usize = 80;

/// How many moves a listener may be behind before it looks at all ends instead.
const MOVES_QUEUE: usize = 1024;

/// What is to be told, and who listens.
pub(super) struct Notices {
    /// Tells its own notices from those of others.
    host: Uuid,
    to_tell: Mutex<BTreeMap<TenantId, u64>>,
    something_to_tell: Notify,
    moves: broadcast::Sender<ChainMoved>,
}

impl Notices {
    pub(super) fn new() -> Self {
        Self {
            host: Uuid::new_v4(),
            to_tell: Mutex::default(),
            something_to_tell: Notify::new(),
            moves: broadcast::Sender::new(MOVES_QUEUE),
        }
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<ChainMoved> {
        self.moves.subscribe()
    }

    /// Lets other hosts know, soon, where these chains end.
    pub(super) fn tell(&self, moved: &Heads) {
        let ends = moved.iter().map(|(tenant, (seq, _))| (tenant.clone(), *seq));
        self.to_tell().extend(ends);
        self.something_to_tell.notify_one();
    }

    /// Tells and hears until `closing`.
    pub(super) async fn run(self: Arc<Self>, place: PostgresPlace, closing: CancellationToken) {
        let mut known = None;
        let work = async {
            loop {
                if let Err(error) = self.serve(&place, &mut known).await {
                    tracing::debug!("hosts do not hear of each other: {error}");
                }
                // If it never got as far as to look, what others append meanwhile is not known: the first look tells of all there is.
                known.get_or_insert_default();
                sleep(RECONNECT_AFTER).await;
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = work => {}
        }
    }

    /// Serves on one connection until it is gone.
    async fn serve(
        &self,
        place: &PostgresPlace,
        known: &mut Option<BTreeMap<TenantId, u64>>,
    ) -> Result<(), StoreError> {
        let failed = |error| store_error(&error);
        let (client, mut connection) = session::connect(place).await?;
        let (heard, mut notices) = mpsc::unbounded_channel();
        let carry = async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(notice)) => drop(heard.send(notice.payload().to_owned())),
                    Ok(_) => {}
                    Err(error) => return words(&error),
                }
            }
            "the connection was closed".to_owned()
        };
        let talk = async {
            let listen = format!("{}; LISTEN {CHANNEL}", Role::Auditor.settings());
            client.batch_execute(&listen).await.map_err(failed)?;
            let mut looks = interval(LOOK_EVERY);
            looks.tick().await; // the first comes at once
            self.look(&client, known).await?;
            loop {
                tokio::select! {
                    _ = looks.tick() => self.look(&client, known).await?,
                    Some(notice) = notices.recv() => {
                        let mut named = self.named_in(&notice);
                        while let Ok(notice) = notices.try_recv() {
                            named.extend(self.named_in(&notice));
                        }
                        self.hear(&client, named, known).await?;
                    }
                    () = self.something_to_tell.notified() => {
                        self.notify(&client, known).await?;
                        sleep(AT_MOST_EVERY).await;
                    }
                }
            }
        };
        tokio::select! {
            cause = carry => Err(StoreError::Unavailable(cause)),
            ended = talk => ended,
        }
    }

    /// Tells of every chain that has gone on since its end was known. The very first look only learns.
    async fn look(
        &self,
        client: &Client,
        known: &mut Option<BTreeMap<TenantId, u64>>,
    ) -> Result<(), StoreError> {
        let found = client.query("SELECT tenant, seq, hash FROM heads", &[]).await;
        let found = found.map_err(|error| store_error(&error))?;
        let is_first = known.is_none();
        let known = known.get_or_insert_default();
        for row in &found {
            let head = rows::head(row)?;
            if is_first {
                known.insert(head.tenant, head.seq);
            } else {
                self.moved(known, head.tenant, head.seq);
            }
        }
        Ok(())
    }

    /// The chains of `HOST TENANT=SEQ TENANT=SEQ …`, unless it is a notice of our own.
    fn named_in(&self, notice: &str) -> BTreeSet<String> {
        let mut words = notice.split(' ');
        if words.next() == Some(self.host.to_string().as_str()) {
            return BTreeSet::new();
        }
        let named = words.filter_map(|word| word.split_once('='));
        named.map(|(tenant, _)| tenant.to_owned()).collect()
    }

    /// Tells of chains that are said to have gone on. Anybody who may connect can say anything: where they end is looked up.
    async fn hear(
        &self,
        client: &Client,
        named: BTreeSet<String>,
        known: &mut Option<BTreeMap<TenantId, u64>>,
    ) -> Result<(), StoreError> {
        if named.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = named.into_iter().collect();
        let ends = "SELECT tenant, seq, hash FROM heads WHERE tenant = ANY ($1)";
        let found = client.query(ends, &[&named]).await;
        let known = known.get_or_insert_default();
        for row in &found.map_err(|error| store_error(&error))? {
            let head = rows::head(row)?;
            self.moved(known, head.tenant, head.seq);
        }
        Ok(())
    }

    fn moved(&self, known: &mut BTreeMap<TenantId, u64>, tenant: TenantId, seq: u64) {
        let before = known.insert(tenant.clone(), seq);
        if before.is_none_or(|before| before < seq) {
            // Nobody listening is no fault.
            drop(self.moves.send(ChainMoved { tenant, seq }));
        }
    }

    async fn notify(
        &self,
        client: &Client,
        known: &mut Option<BTreeMap<TenantId, u64>>,
    ) -> Result<(), StoreError> {
        let ends: Vec<_> = std::mem::take(&mut *self.to_tell()).into_iter().collect();
        for ends in ends.chunks(CHAINS_OF_A_NOTICE) {
            let mut notice = self.host.to_string();
            for (tenant, seq) in ends {
                notice += &format!(" {tenant}={seq}");
            }
            let told = client
                .execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &notice])
                .await;
            told.map_err(|error| store_error(&error))?;
        }
        // Subscribers of this host hear of these from its own log.
        known.get_or_insert_default().extend(ends);
        Ok(())
    }

    fn to_tell(&self) -> MutexGuard<'_, BTreeMap<TenantId, u64>> {
        self.to_tell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
