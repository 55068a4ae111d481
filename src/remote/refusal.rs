//! Why samples were given up, and which.

use super::piece::Piece;
use crate::model::loss::LossReason;

/// Why samples were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The receiver has them already: no loss.
    Repeated,
    /// The receiver says that it has them, or newer ones, and cannot have got them from here.
    OutOfOrder,
    /// The receiver refuses them for good.
    Invalid,
    /// Refused together with others; the requests for looking closer were spent.
    Unsearched,
    /// One sample alone is too large.
    TooLarge,
    /// 429, and the configuration says not to retry.
    Throttled,
    /// 401 to 405 or 407, and the configuration says to drop.
    Unauthorized,
    /// Set aside, and then refused, or never taken.
    SetAside,
}

impl Refusal {
    /// The reason in the books of losses; none if nothing is lost.
    #[must_use]
    pub const fn reason(self) -> Option<LossReason> {
        Some(match self {
            Refusal::Repeated => return None,
            Refusal::OutOfOrder => LossReason::OutOfOrder,
            Refusal::Invalid => LossReason::Invalid,
            Refusal::Unsearched => LossReason::Unsearched,
            Refusal::TooLarge => LossReason::TooLarge,
            Refusal::Throttled => LossReason::Throttled,
            Refusal::Unauthorized => LossReason::Unauthorized,
            Refusal::SetAside => LossReason::SetAside,
        })
    }
}

/// Samples that were given up.
#[derive(Debug)]
pub struct GivenUp {
    /// Why.
    pub refusal: Refusal,
    /// Which.
    pub piece: Piece,
}
