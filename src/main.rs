//! The `narthex` binary: hands the command line to the library and its status to the system.

use std::process::ExitCode;

use narthex::sys::memory::Allocator;

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Small;
#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Small;

#[global_allocator]
static ALLOCATOR: Allocator<Small> = Allocator::new(Small);

fn main() -> ExitCode {
    narthex::cli::main()
}
