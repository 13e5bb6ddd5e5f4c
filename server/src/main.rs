//! `countersign-server`: everything is in the library.

fn main() -> std::process::ExitCode {
    countersign_server::cli::main()
}
