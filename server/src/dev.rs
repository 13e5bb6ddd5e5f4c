//! What only a development server has: a clock that callers move, and forgetting.

use crate::accounts::{Accounts, Seed};
use crate::env::{Clock as _, MovableClock};
use crate::http::problem;
use crate::json;
use crate::store::Store;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The controls of a development server: `POST /__clock` and `POST /__reset`. Without them these paths do not exist.
#[derive(Debug)]
pub struct DevControls {
    /// The clock everything in this server reads.
    pub clock: Arc<MovableClock>,
    /// Everything that can be forgotten.
    pub store: Arc<dyn Store>,
    /// What must be there again afterwards.
    pub accounts: Accounts,
    /// The accounts themselves.
    pub seeds: Vec<Seed>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Control {
    Clock,
    Reset,
}

impl DevControls {
    pub(crate) fn control(&self, path: &str) -> Option<Control> {
        match path {
            "/__clock" => Some(Control::Clock),
            "/__reset" => Some(Control::Reset),
            _ => None,
        }
    }

    pub(crate) async fn act(&self, control: Control, body: &Bytes) -> Response<Full<Bytes>> {
        match control {
            Control::Clock => self.advance(body),
            Control::Reset => self.reset().await,
        }
    }

    fn advance(&self, body: &Bytes) -> Response<Full<Bytes>> {
        let by = json::strict(body)
            .ok()
            .as_ref()
            .and_then(|body| body.get("advance_seconds"))
            .and_then(Value::as_u64);
        let Some(by) = by.filter(|by| *by <= CENTURY) else {
            let text = "send {\"advance_seconds\": N} with a whole N from 0 to 3153600000";
            return problem::generic(StatusCode::BAD_REQUEST, text);
        };
        self.clock.advance(Duration::from_secs(by));
        problem::value(&json!({ "now": self.clock.now().secs() }))
    }

    async fn reset(&self) -> Response<Full<Bytes>> {
        self.clock.reset();
        if let Err(error) = self.store.clear().await {
            return problem::generic(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
        }
        for seed in &self.seeds {
            if let Err(error) = self.accounts.seed(seed).await {
                return problem::generic(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            }
        }
        problem::value(&json!({ "now": self.clock.now().secs() }))
    }
}

/// Seconds the clock moves at most in one step.
const CENTURY: u64 = 100 * 365 * 24 * 3_600;
