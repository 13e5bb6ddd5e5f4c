//! Help of the flags that test runners pass to every test, in the words of this program.

use clap::Arg;
use clap::builder::Resettable;

/// The flag as `--help` shows it; one that is not libtest's own stays as it is.
pub(super) fn reworded(arg: Arg) -> Arg {
    let (heading, help) = match arg.get_id().as_str() {
        "filter" => ("Selection", "Run checks only whose names hold this"),
        "exact" => ("Selection", "FILTER and --skip are whole names"),
        "skip" => ("Selection", "Leave out checks whose names hold this; may be repeated"),
        "list" => ("Selection", "Print the names of the selected checks and send nothing"),
        "test_threads" => {
            ("Judgement", "Checks that run at the same time, in place of the profile's http.concurrency")
        }
        "logfile" => ("Output", "Write the lines of checks to this file in place of standard output"),
        "color" => ("Output", "Colour of the lines of checks"),
        "format" => (
            "Output",
            "Lines of checks: pretty has one for each, terse a character, json an event; with --list, too",
        ),
        "quiet" => ("Output", "The same as --format terse"),
        // Taken because runners pass them; they change nothing, or nothing that a person would ask for.
        "include_ignored" | "ignored" | "test" | "bench" | "nocapture" | "show_output" | "unstable_flags" => {
            return arg.hide(true);
        }
        _ => return arg,
    };
    let takes_value = arg.get_action().takes_values();
    let arg = arg.help(help).long_help(Resettable::Reset).hide_possible_values(takes_value);
    // A positional argument has a place of its own.
    if arg.is_positional() { arg } else { arg.help_heading(heading) }
}
