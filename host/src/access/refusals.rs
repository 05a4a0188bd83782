//! Which refusals stand in the audit: whoever asks for many can neither fill the disk nor hide what others were refused.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use super::{AuditEntry, AuditLog, AuditResult, Details, Seam, Source};
use crate::domain::{Clock, TenantId, TokenBucket};

/// Refusals of one sort that are noted one by one; of more, the audit says how many there were.
const BURST: u32 = 100;
const PER_SECOND: f64 = 10.0;

/// A sort of refusals: by which way they came, and why.
type Sort = (&'static str, &'static str);

/// What may be noted of one sort.
struct Allowance {
    bucket: TokenBucket,
    source: Source,
    result: AuditResult,
    left_out: usize,
}

/// The way to the audit for what was turned away before anybody looked at what it asks for.
pub struct Refusals {
    audit: AuditLog,
    clock: Arc<dyn Clock>,
    /// As few as there are ways and results.
    allowances: Mutex<BTreeMap<Sort, Allowance>>,
}

impl Refusals {
    /// None so far.
    pub fn new(audit: AuditLog, clock: Arc<dyn Clock>) -> Self {
        Self {
            audit,
            clock,
            allowances: Mutex::default(),
        }
    }

    /// Notes one under the host, or counts it where there are too many of its sort. Answers whether it was noted.
    ///
    /// Cancel safe: it is noted whole, or not yet.
    pub async fn note(&self, seam: Seam, source: Source, result: AuditResult, details: Details) -> bool {
        if !self.may_note(source, &result) {
            return false;
        }
        self.write(seam, source, result, details).await;
        true
    }

    /// Says of each sort how many were left out since this was said last. Whoever opens the audit has it said now and then, and at the end.
    pub async fn tell_left_out(&self) {
        for (source, result, left_out) in self.take_left_out() {
            let details = Details {
                left_out,
                ..Details::default()
            };
            self.write(Seam::LinesLeftOut, source, result, details).await;
        }
    }

    fn may_note(&self, source: Source, result: &AuditResult) -> bool {
        let now = self.clock.monotonic();
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = allowances
            .entry((source.as_str(), result.word()))
            .or_insert_with(|| Allowance {
                bucket: TokenBucket::new(BURST, PER_SECOND, now),
                source,
                result: result.clone(),
                left_out: 0,
            });
        let noted = allowance.bucket.take(now);
        allowance.left_out += usize::from(!noted);
        noted
    }

    fn take_left_out(&self) -> Vec<(Source, AuditResult, usize)> {
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let with_some = allowances.values_mut().filter(|allowance| allowance.left_out > 0);
        let taken = with_some.map(|allowance| {
            let left_out = mem::take(&mut allowance.left_out);
            (allowance.source, allowance.result.clone(), left_out)
        });
        taken.collect()
    }

    async fn write(&self, seam: Seam, source: Source, result: AuditResult, details: Details) {
        let entry = AuditEntry {
            emitted_at: self.clock.now(),
            tenant: TenantId::host(),
            seam,
            source,
            result,
            details,
        };
        self.audit.note(entry).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        access::{AuditFilter, AuditOptions, read_audit},
        domain::Timestamp,
    };

    /// Stands still, so that no allowance grows again.
    struct StandingClock;

    impl Clock for StandingClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[tokio::test]
    async fn many_of_one_sort_are_counted_and_hide_none_of_another() {
        let home = tempfile::tempdir().unwrap();
        let options = AuditOptions {
            directory: home.path().to_owned(),
            batch: 100,
            delay: Duration::from_secs(3600),
            max_bytes: 1024 * 1024,
            keep: 1,
        };
        let (log, end) = AuditLog::start(options, Arc::new(StandingClock)).unwrap();
        let refusals = Refusals::new(log, Arc::new(StandingClock));
        let note = async |source, result| {
            let details = Details::default();
            refusals.note(Seam::RequestRefused, source, result, details).await
        };
        let mut noted = 0;
        for _ in 0..150 {
            noted += u32::from(note(Source::Http, AuditResult::RateLimited).await);
        }
        assert_eq!(noted, 100);
        assert!(note(Source::Http, AuditResult::Unauthorized).await);
        assert!(note(Source::Webhook, AuditResult::RateLimited).await);
        refusals.tell_left_out().await;
        // There is nothing more to tell of.
        refusals.tell_left_out().await;
        tokio::task::spawn_blocking(|| end.join()).await.unwrap();

        let all = AuditFilter {
            since: None,
            seam: Some(Seam::LinesLeftOut.to_string()),
            contains: None,
            limit: usize::MAX,
        };
        let (lines, _) = read_audit(home.path(), &TenantId::host(), &all).unwrap();
        let [line] = lines.as_slice() else {
            panic!("one line, of the one sort: {lines:?}");
        };
        let told = [
            &line["source"],
            &line["details"]["result"],
            &line["details"]["left_out"],
        ];
        assert_eq!(
            told.map(ToString::to_string),
            ["\"http\"", "\"rate_limited\"", "50"]
        );
    }
}
