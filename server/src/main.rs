//! `countersign-server`: everything is in the library.

/// Chosen here, for a program has one and a library must not choose it for others.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    countersign_server::cli::main()
}
