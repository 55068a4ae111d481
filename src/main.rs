//! The `narthex` binary: hands the command line to the library and its status to the system.

use std::process::ExitCode;

use narthex::sys::memory::{Allocator, Heap};

#[global_allocator]
static ALLOCATOR: Allocator<Heap> = Allocator::new(Heap);

fn main() -> ExitCode {
    narthex::cli::main()
}
