//! The integration tests of the harness, in one binary: the program as people call it, against servers made here.

#[path = "it/command_line.rs"]
mod command_line;
#[path = "it/doctor.rs"]
mod doctor;
#[path = "it/embedded.rs"]
mod embedded;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/findings.rs"]
mod findings;
#[path = "it/generate_own.rs"]
mod generate_own;
#[path = "it/generate_suite.rs"]
mod generate_suite;
#[path = "it/html.rs"]
mod html;
#[path = "it/independent.rs"]
mod independent;
#[path = "it/init.rs"]
mod init;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/needs.rs"]
mod needs;
#[path = "it/passing.rs"]
mod passing;
#[path = "it/profile_reference.rs"]
mod profile_reference;
#[path = "it/program.rs"]
mod program;
#[path = "it/record.rs"]
mod record;
#[path = "it/reports.rs"]
mod reports;
#[path = "it/same_seed.rs"]
mod same_seed;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/siwe.rs"]
mod siwe;
#[path = "it/standards.rs"]
mod standards;
#[path = "it/stub.rs"]
mod stub;
#[path = "it/targets.rs"]
mod targets;
#[path = "it/terminal.rs"]
mod terminal;
#[path = "it/transports.rs"]
mod transports;
#[path = "it/usage.rs"]
mod usage;
#[path = "it/vectors.rs"]
mod vectors;
