//! What is remembered of a slot beside its value: two bytes.

/// The exponent that says "not as a decimal".
pub(super) const RAW: u8 = 31;

/// Which of its last steps a slot changed at, as far as known: from the newest back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct History(u8);

impl History {
    /// Number of histories.
    pub(super) const COUNT: usize = 8;

    /// By step: after no change, after a change. Nothing known; one step known: not, changed; two
    /// steps: not not, not changed, changed not, changed changed; never, for three steps and more.
    const NEXT: [[u8; 2]; History::COUNT] = [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 4],
        [5, 6],
        [3, 4],
        [5, 6],
        [7, 4],
    ];

    /// As an index.
    #[inline]
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    #[inline]
    fn then(self, changed: bool) -> History {
        History(History::NEXT[self.index()][usize::from(changed)])
    }
}

/// A slot's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct State {
    /// Exponent in the low five bits, history above.
    form: u8,
    /// Length of the last step in the low six bits, its sign above; zero before the first.
    step: u8,
}

const EXPONENT: u8 = 0x1f;
const LENGTH: u8 = 0x3f;
const NEGATIVE: u8 = 0x40;

impl State {
    /// The decimal exponent, or [`RAW`].
    #[inline]
    pub(super) fn exponent(self) -> u8 {
        self.form & EXPONENT
    }

    /// With another exponent, and nothing known of steps.
    pub(super) fn with_exponent(self, exponent: u8) -> State {
        State {
            form: self.form & !EXPONENT | exponent & EXPONENT,
            step: 0,
        }
    }

    /// When it changed.
    #[inline]
    pub(super) fn history(self) -> History {
        History(self.form >> 5)
    }

    /// One step later.
    #[inline]
    pub(super) fn then(self, changed: bool) -> State {
        State {
            form: self.form & EXPONENT | self.history().then(changed).0 << 5,
            ..self
        }
    }

    /// The state of a slot that has no past: the exponent of the one before it.
    #[inline]
    pub(super) fn fresh(self) -> State {
        State {
            form: self.form & EXPONENT,
            step: 0,
        }
    }

    /// Bits of the last step's size; zero if nothing is known.
    #[inline]
    pub(super) fn length(self) -> u32 {
        u32::from(self.step & LENGTH)
    }

    /// Whether the last step led downwards.
    #[inline]
    pub(super) fn was_negative(self) -> bool {
        self.step & NEGATIVE != 0
    }

    /// After a step of that many bits (1 to 54).
    #[inline]
    pub(super) fn stepped(self, length: u32, negative: bool) -> State {
        let sign = if negative { NEGATIVE } else { 0 };
        State {
            step: length as u8 & LENGTH | sign,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_follow_the_last_steps() {
        let after = |steps: &[bool]| {
            let state = steps
                .iter()
                .fold(State::default(), |state, step| state.then(*step));
            state.history().index()
        };
        assert_eq!(after(&[]), 0);
        assert_eq!([after(&[false]), after(&[true])], [1, 2]);
        for past in [&[false, true][..], &[true, true, false, true]] {
            assert_eq!(after(past), 4);
        }
        assert_eq!(after(&[true, false]), 5);
        assert_eq!(after(&[false, true, true]), 6);
        assert_eq!(after(&[true, false, false]), 3);
        assert_eq!(after(&[true, false, false, false]), 7);
        assert_eq!(after(&[false; 9]), 7);
    }

    #[test]
    fn parts_of_a_state_do_not_touch_one_another() {
        let state = State::default()
            .with_exponent(17)
            .then(true)
            .stepped(54, true);
        assert_eq!(state.exponent(), 17);
        assert_eq!((state.length(), state.was_negative()), (54, true));
        assert_eq!(state.history().index(), 2);
        assert_eq!(state.with_exponent(RAW).length(), 0);
        assert_eq!(state.fresh(), State::default().with_exponent(17));
    }
}
