//! What a lane does with samples that are lost: counts them, writes them into the books before
//! their block is settled, and keeps the refused ones in a file.

use super::Lane;
use crate::limits;
use crate::model::loss::{LossReason, Lost};
use crate::model::time::Mono;
use crate::remote::answer::describe;
use crate::remote::piece::Piece;
use crate::remote::refusal::{GivenUp, Refusal};
use crate::remote::rejected::entry::{self, Circumstances};
use crate::remote::request::Counts;
use crate::remote::transport::Answer;

impl Lane {
    /// Counts the samples that the body just made leaves out. Too old ones are lost, and native
    /// histograms that the protocol cannot carry; those that the endpoint is not to get are not.
    pub(super) fn leave_out(&mut self, now: Mono, counts: Counts) {
        for (_, samples) in self.builder.too_old() {
            self.context.metrics.too_old.add(*samples as f64);
        }
        self.lose_of_each(self.builder.too_old(), LossReason::TooOld);
        self.lose_of_each(self.builder.custom_buckets(), LossReason::CustomBuckets);
        let metrics = &self.context.metrics;
        metrics.histograms_unwanted.add(counts.unwanted as f64);
        metrics.histograms_dropped.add(counts.custom_buckets as f64);
        if counts.custom_buckets > 0
            && let Some(suppressed) = self.custom_complaint.due(now)
        {
            log::warn!(component = "remote", remote_name = &*self.context.name,
                histograms = counts.custom_buckets, suppressed;
                "native histograms with custom buckets are lost: remote write 1.0 has none, \
                 protobuf_message: io.prometheus.write.v2.Request does");
        }
    }

    /// Enters samples by index of their piece.
    fn lose_of_each(&self, lost: &[(usize, u64)], reason: LossReason) {
        let batch = self.shard.batch();
        for (index, samples) in lost {
            if let Some(piece) = batch.get(*index) {
                self.lose(piece, reason, *samples);
            }
        }
    }

    fn lose(&self, piece: &Piece, reason: LossReason, samples: u64) {
        self.context.losses.lost(Lost {
            queue: &self.context.name,
            job: &piece.item.block.series.target().job,
            reason,
            sequence: piece.sequence(),
            samples,
        });
    }

    /// Takes care of what the shard gave up, upon that answer if there was one.
    pub(super) fn note_given_up(&mut self, now: Mono, answer: Option<&Answer>) {
        let given_up: Vec<GivenUp> = self.shard.take_given_up().collect();
        for own in &given_up {
            let samples = own.piece.samples;
            let histograms = own.piece.histograms;
            let metrics = &self.context.metrics;
            metrics.count_given_up(own.refusal, samples, histograms);
            if let Some(reason) = own.refusal.reason() {
                self.lose(&own.piece, reason, samples);
            }
        }
        let refused = given_up.iter().filter(|own| own.refusal.reason().is_some());
        let refused: Vec<&GivenUp> = refused.collect();
        if !refused.is_empty() && self.context.rejected.is_some() {
            self.keep_rejected(now, &refused, answer);
        }
    }

    fn keep_rejected(&mut self, now: Mono, refused: &[&GivenUp], answer: Option<&Answer>) {
        let Some(file) = &self.context.rejected else {
            return;
        };
        let (mut lines, mut kept, mut all) = (Vec::new(), 0, 0);
        for own in refused {
            let why = self.circumstances(own.refusal, answer);
            let most = limits::REJECTED_SAMPLES - kept;
            kept += entry::append(&mut lines, &why, &own.piece, most);
            all += own.piece.samples;
        }
        if let Err(error) = file.append(&lines) {
            kept = 0;
            if let Some(suppressed) = self.rejected_complaint.due(now) {
                log::warn!(component = "remote", remote_name = &*self.context.name, error:%,
                    suppressed; "refused samples cannot be kept for a look");
            }
        }
        let metrics = &self.context.metrics;
        metrics.rejected_kept.add(kept as f64);
        metrics
            .rejected_dropped
            .add(all.saturating_sub(kept as u64) as f64);
    }

    fn circumstances(&self, refusal: Refusal, answer: Option<&Answer>) -> Circumstances {
        let status = match answer {
            Some(Answer::Http(http)) => http.status,
            _ => 0,
        };
        let words = match answer {
            // Such answers may echo the credentials that they refuse.
            Some(_) if refusal == Refusal::Unauthorized => format!("HTTP {status}"),
            Some(answer) => describe(answer, &self.context.settings.mask),
            None => String::new(),
        };
        Circumstances {
            at: self.context.clock.wall(),
            endpoint: self.context.name.to_string(),
            reason: refusal.reason().map_or("repeated", LossReason::name),
            status,
            answer: words,
        }
    }
}
