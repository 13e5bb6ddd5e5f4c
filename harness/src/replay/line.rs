//! The way to a finding as one line to paste into a shell.

use super::chain::Chain;
use crate::report::curl;
use crate::report::transport::Transport;

/// Beyond so many exchanges a script is easier to read.
const MOST_STEPS: usize = 4;

/// Beyond so many bytes nobody pastes a line.
const LONGEST: usize = 4_000;

/// A line, and what has to be set in the environment before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub text: String,
    /// Variables that it needs: the secrets.
    pub variables: Vec<String>,
}

/// The line, where the way is short enough for one and needs nothing that only this program can make.
#[must_use]
pub fn write(chain: &Chain, transport: &Transport) -> Option<Line> {
    if chain.cut || chain.steps.is_empty() || chain.steps.len() > MOST_STEPS {
        return None;
    }
    let mut commands = Vec::new();
    let mut made = vec!["ANSWER".to_owned()];
    let mut variables = Vec::new();
    for (index, link) in chain.steps.iter().enumerate() {
        for sign in &link.signs {
            let call = format!("countersign sign personal --key {} --text {}", sign.key, sign.text);
            commands.push(format!("{}=$({call})", sign.variable));
            made.push(sign.variable.clone());
        }
        let call = curl::call(&link.exchange, &chain.secrets, transport, LONGEST);
        let (fed_by, arguments) = (call.fed_by, call.arguments);
        if index + 1 == chain.steps.len() {
            commands.push(format!("{fed_by}curl -sS -i {arguments}"));
        } else if link.takes.is_empty() {
            commands.push(format!("{fed_by}curl -sS -o /dev/null {arguments}"));
        } else {
            commands.push(format!("ANSWER=$({fed_by}curl -sS {arguments})"));
        }
        for taking in &link.takes {
            let name = taking.pointer.rsplit('/').next().unwrap_or_default();
            // A name with more in it than letters needs the script's care.
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return None;
            }
            commands.push(format!(
                "{}=$(printf %s \"$ANSWER\" | tr -d '\\r\\n' | sed -n 's/.*\"{name}\" *: *\"\\([^\"]*\\)\".*/\\1/p')",
                taking.variable
            ));
        }
        let needed = commands.iter().flat_map(|command| curl::variables(command));
        for variable in needed.collect::<Vec<_>>() {
            if !made.contains(&variable) && !variables.contains(&variable) {
                variables.push(variable);
            }
        }
        made.extend(link.takes.iter().map(|taking| taking.variable.clone()));
    }
    let text = commands.join("; ");
    let is_whole = text.len() <= LONGEST && !text.contains("--data-binary @BODY");
    let is_ready = variables.iter().all(|variable| !variable.ends_with("_TOKEN"));
    (is_whole && is_ready).then_some(Line { text, variables })
}
