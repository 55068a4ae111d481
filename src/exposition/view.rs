//! The bytes of a page that are at hand, and how parsing stops short of an item.

use super::error::{Complaint, quote};
use super::lexer::{self, State};
use super::protocol::Format;

/// Input from the start of an item on.
///
/// Prometheus text whose last line lacks its newline is read as if it had one: [`View::byte`]
/// then shows a newline behind the last byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) input: &'a [u8],
    pub(super) format: Format,
    /// No bytes follow `input`.
    pub(super) last: bool,
}

/// Why there is no item.
#[derive(Debug)]
pub(super) enum Stop {
    /// The item may go on in bytes that are not here yet.
    More,
    /// The page is wrong.
    Wrong(Box<Complaint>),
}

impl Stop {
    #[cold]
    pub(super) fn wrong(at: usize, message: String) -> Stop {
        Stop::Wrong(Box::new(Complaint { at, message }))
    }
}

impl<'a> View<'a> {
    /// Length, the shown newline included.
    pub(super) fn len(&self) -> usize {
        let shown = self.last && self.format == Format::Text;
        self.input.len() + usize::from(shown)
    }

    /// The byte at `at`; None behind the end of the page.
    ///
    /// # Errors
    /// [`Stop::More`] where it has not arrived yet.
    #[inline]
    pub(super) fn byte(&self, at: usize) -> Result<Option<u8>, Stop> {
        match self.input.get(at) {
            Some(byte) => Ok(Some(*byte)),
            None if !self.last => Err(Stop::More),
            None if at < self.len() => Ok(Some(b'\n')),
            None => Ok(None),
        }
    }

    /// The first position from `at` on that is no blank. Only Prometheus text has free blanks.
    #[inline]
    pub(super) fn blanks(&self, mut at: usize) -> usize {
        if self.format == Format::Text {
            while let Some(b' ' | b'\t') = self.input.get(at) {
                at += 1;
            }
        }
        at
    }

    /// Quotes `from..to`, cut to what exists.
    pub(super) fn quoted(&self, from: usize, to: usize) -> String {
        let end = to.min(self.input.len());
        let mut bytes = self.input.get(from..end).unwrap_or_default().to_vec();
        if to > end && self.len() > end {
            bytes.push(b'\n');
        }
        quote(&bytes)
    }

    /// The error for a token at `at` that should have been something else, as Prometheus words
    /// it: with one byte more than the token. At the end of the page Prometheus still points at
    /// the token before, which began at `previous`.
    #[cold]
    pub(super) fn unexpected(
        &self,
        expectation: &str,
        state: State,
        at: usize,
        previous: usize,
    ) -> Stop {
        let (token, end) = match lexer::token(self, state, at) {
            Ok(found) => found,
            Err(stop) => return stop,
        };
        if !self.last && end >= self.input.len() {
            return Stop::More;
        }
        let from = if token == lexer::EOF { previous } else { at };
        let (got, line) = (self.quoted(from, end + 1), self.quoted(0, end + 1));
        Stop::wrong(
            at,
            format!("{expectation}, got {got} ({token:?}) while parsing: {line}"),
        )
    }

    /// The error for a failure whose message is complete but for what stands up to `end`.
    #[cold]
    pub(super) fn failed(&self, reason: &str, at: usize, end: usize) -> Stop {
        let line = self.quoted(0, end);
        Stop::wrong(at, format!("{reason} while parsing: {line}"))
    }
}
