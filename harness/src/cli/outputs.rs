//! What a run leaves beside its page: reports and the line that moves. Places are tried before the run, and written after.

use super::Failure;
use crate::event::Observer;
use crate::redact::Secrets;
use crate::report::kinds::{Kind, Wanted};
use crate::report::model::Run;
use crate::report::ndjson::{Beginning, Stream};
use crate::report::place::Place;
use std::sync::Arc;

/// The reports that were asked for, each with a place that can be written.
#[derive(Debug)]
pub(super) struct Outputs {
    whole: Vec<(Kind, Place)>,
    streams: Vec<Place>,
    owns_stdout: bool,
}

impl Outputs {
    /// Tries every place.
    pub(super) fn prepare(wanted: &[Wanted]) -> Result<Self, Failure> {
        let mut outputs = Self { whole: Vec::new(), streams: Vec::new(), owns_stdout: false };
        for (index, one) in wanted.iter().enumerate() {
            if wanted.iter().take(index).any(|other| other.path == one.path) {
                let name = one
                    .path
                    .as_ref()
                    .map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
                return Err(Failure::usage(format!("--report: two reports would go to {name}")));
            }
            let place = Place::prepare(one.path.as_deref())
                .map_err(|problem| Failure::usage(format!("--report {}: {problem}", one.kind.word())))?;
            outputs.owns_stdout |= one.path.is_none();
            match one.kind {
                Kind::Ndjson => outputs.streams.push(place),
                kind => outputs.whole.push((kind, place)),
            }
        }
        Ok(outputs)
    }

    /// Whether standard output belongs to a report, and everything else has to go elsewhere.
    pub(super) fn owns_stdout(&self) -> bool {
        self.owns_stdout
    }

    /// Opens the streams, now that the run begins.
    pub(super) fn begin(self, beginning: &Beginning) -> Result<Begun, Failure> {
        let mut streams = Vec::new();
        for place in self.streams {
            let out = place.stream().map_err(Failure::usage)?;
            streams.push(Arc::new(Stream::new(out, beginning.clone())));
        }
        Ok(Begun { whole: self.whole, streams })
    }
}

/// Reports of a run that goes on.
#[derive(Debug)]
pub(super) struct Begun {
    whole: Vec<(Kind, Place)>,
    streams: Vec<Arc<Stream>>,
}

impl Begun {
    /// Those who write while the run goes on.
    pub(super) fn observers(&self) -> Vec<Arc<dyn Observer>> {
        self.streams.iter().map(|stream| Arc::clone(stream) as Arc<dyn Observer>).collect()
    }

    /// Writes every report; one that fails does not keep the others from it.
    pub(super) fn finish(self, run: &Run) -> Result<(), Failure> {
        let mut problems = Vec::new();
        for stream in &self.streams {
            if let Err(problem) = stream.finish(run) {
                problems.push(format!("events could not be written to the end: {problem}"));
            }
        }
        for (kind, place) in self.whole {
            if let Err(problem) = kind.write(run).and_then(|text| place.write(&text)) {
                problems.push(format!("--report {}: {problem}", kind.word()));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Failure::usage(problems.join("\n"))) }
    }
}

/// What events begin with.
pub(super) fn beginning(about: &crate::report::page::About, secrets: &Secrets) -> Beginning {
    Beginning {
        url: about.url.clone(),
        started_at: crate::report::gather::rfc3339(about.started_at),
        seed: about.seed,
        cases: about.cases,
        secrets: secrets.clone(),
    }
}
