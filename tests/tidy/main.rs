//! The rules of this repository, held by reading its files.
//!
//! What a compiler and clippy cannot see: which room may use which, that every file says what it
//! is, that limits are used, that metrics and flags are documented, that links lead somewhere.
//! Every rule is a function from text to complaints and is tried on small snippets first.

#[cfg(test)]
mod docs;
#[cfg(test)]
mod ranks;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod source;
