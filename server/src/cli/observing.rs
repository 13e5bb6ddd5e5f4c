//! What watches this program: its audit log, its metrics, and the listener that shows those.

use super::{Problem, told};
use crate::admin::{Admin, Stopping};
use crate::audit::AuditLog;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::observer::Observer;
use crate::store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Everything that watches; it must be closed so that nothing that was told is lost.
#[derive(Debug)]
pub(super) struct Observing {
    pub(super) observer: Observer,
    pub(super) metrics: Metrics,
    audit: Option<AuditLog>,
    tasks: Vec<JoinHandle<()>>,
}

impl Observing {
    /// Opens the audit log, if there is to be one.
    pub(super) fn begin(config: &Config) -> Result<Self, Problem> {
        let metrics = Metrics::new();
        let audit = match &config.audit.file {
            None => None,
            Some(file) => {
                let audit = AuditLog::open(file, config.audit.queue)
                    .map_err(|error| format!("audit.file: {} cannot be opened: {error}", file.display()))?;
                metrics.show_audit(&audit);
                Some(audit)
            }
        };
        if config.audit.required && audit.is_none() {
            return Err("audit.required has no audit.file to be written: give one".into());
        }
        let observer =
            Observer::new(audit.clone(), Some(metrics.clone())).audit_required(config.audit.required);
        Ok(Self { observer, metrics, audit, tasks: Vec::new() })
    }

    /// Opens the audit file again whenever the program is told SIGHUP.
    pub(super) fn follow_hangups(&mut self) -> Result<(), Problem> {
        #[cfg(unix)]
        if let Some(audit) = self.audit.clone() {
            let mut hangups =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map_err(told)?;
            self.tasks.push(tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    audit.reopen();
                }
            }));
        }
        Ok(())
    }

    /// Listens for operators, if asked to.
    pub(super) async fn listen(
        &mut self,
        config: &Config,
        store: Arc<dyn Store>,
        stopping: Stopping,
    ) -> Result<Option<SocketAddr>, Problem> {
        let Some(address) = config.admin.address()? else { return Ok(None) };
        let failed = |error| format!("admin.listen: cannot listen on {address}: {error}");
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let admin = Admin::new(store, self.observer.clone(), stopping);
        self.tasks.push(tokio::spawn(admin.serve(listener)));
        // Its port may have been left to the system.
        Ok(Some(address))
    }

    /// Ends everything; what waits to be written is, if that takes no longer than requests are given. Says
    /// how many events were not.
    pub(super) async fn close(self, config: &Config) -> u64 {
        let limit = Duration::from_secs(config.http.grace_seconds.max(1));
        for task in &self.tasks {
            task.abort();
        }
        let Some(audit) = self.audit else { return 0 };
        let (done, closed) = tokio::sync::oneshot::channel();
        let closing = audit.clone();
        // Not a thread of the runtime, which would wait for it: a pipe that nobody reads may hold it for ever.
        let thread = std::thread::Builder::new().name("countersign-close".into()).spawn(move || {
            closing.close();
            let _ = done.send(());
        });
        if thread.is_ok() && tokio::time::timeout(limit, closed).await.is_ok() {
            return audit.lost();
        }
        let lost = audit.lost().saturating_add(u64::try_from(audit.waiting()).unwrap_or(u64::MAX)).max(1);
        tracing::error!(lost, "the audit log takes nothing, and what waits for it is given up");
        lost
    }
}
