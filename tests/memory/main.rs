//! What the parts of narthex allocate, counted by the allocator itself.

mod counting;
mod log;
mod metadata;
mod own;
#[allow(dead_code, reason = "shared with the benches, which use all of it")]
#[path = "../../benches/support/pages.rs"]
mod pages;
#[allow(dead_code, reason = "shared with the benches, which use all of it")]
#[path = "../../benches/support/paths.rs"]
mod paths;
mod steady;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
