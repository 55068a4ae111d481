//! What a shard makes of an answer before it is judged: whether the protocol was understood, and how
//! much the endpoint says it has written.

use super::Lane;
use crate::model::time::Mono;
use crate::remote::answer::describe;
use crate::remote::request::Counts;
use crate::remote::speech::Heard;
use crate::remote::transport::Answer;
use crate::wire::version::{Protocol, Version};

impl Lane {
    /// Takes note of what an answer says beside its status. True if the batch has to go again at
    /// once, in another protocol; nothing else has changed then.
    pub(super) fn hear(
        &mut self,
        now: Mono,
        sent: Protocol,
        counts: Counts,
        answer: &Answer,
    ) -> bool {
        let context = &self.context;
        let (metrics, name) = (&context.metrics, &*context.name);
        let speech = &context.speech;
        let heard = if std::mem::take(&mut self.doubted) {
            speech.hear_again(now, answer)
        } else {
            speech.hear(now, sent, answer, counts.all())
        };
        metrics.show_protocol(speech.spoken());
        let wanted = speech.wanted().as_str();
        match heard {
            Heard::Nothing => {}
            Heard::Understood => {
                log::info!(component = "remote", remote_name = name;
                    "the endpoint understands {wanted} now");
            }
            Heard::Doubtful => {
                self.protocol = Some(Protocol::V1);
                self.doubted = true;
                self.shard.send_again();
                return true;
            }
            Heard::FallBack {
                is_news,
                has_arrived,
            } => {
                metrics.misunderstood.inc();
                if is_news {
                    let answer = describe(answer, &context.settings.mask);
                    let spoken = speech.spoken().as_str();
                    log::warn!(component = "remote", remote_name = name, answer;
                        "the endpoint does not understand {wanted}, it gets {spoken}");
                }
                if !has_arrived {
                    self.shard.send_again();
                    return true;
                }
            }
        }
        if sent.version() == Version::V2 {
            self.count_written(now, counts, answer);
        }
        false
    }

    /// Reports a request of which only a part was written. What was not is found by sending halves
    /// if the endpoint refused; after a success nothing says which samples it would be.
    fn count_written(&mut self, now: Mono, counts: Counts, answer: &Answer) {
        let Answer::Http(http) = answer else {
            return;
        };
        let Some(written) = http.written else {
            return;
        };
        let metrics = &self.context.metrics;
        let is_success = (200..300).contains(&http.status);
        let samples = counts.samples.saturating_sub(written.samples);
        let histograms = counts.histograms.saturating_sub(written.histograms);
        let exemplars = counts.exemplars.saturating_sub(written.exemplars);
        let is_partial = if is_success {
            samples + histograms + exemplars > 0
        } else {
            written.all() > 0
        };
        if !is_partial {
            return;
        }
        metrics.partial.inc();
        if !is_success {
            return;
        }
        metrics.unwritten.add((samples + histograms) as f64);
        metrics.exemplars_failed.add(exemplars as f64);
        if let Some(suppressed) = self.partial_complaint.due(now) {
            log::warn!(component = "remote", remote_name = &*self.context.name,
                samples, histograms, exemplars, suppressed;
                "the endpoint accepted a request and says that it did not write all of it");
        }
    }
}
