//! What the parts of narthex allocate, counted by the allocator itself.

mod counting;
mod log;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
