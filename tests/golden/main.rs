//! Golden files: input and expected output side by side; `UPDATE_GOLDEN=1` writes the outputs anew.

mod accept;
mod config;
mod exposition;
mod relabel;
mod remote_write;
