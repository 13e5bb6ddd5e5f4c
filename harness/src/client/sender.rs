//! One connection under either version of HTTP.

use super::Body;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// The sending end of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    /// HTTP/1.1.
    One(http1::SendRequest<Body>),
    /// HTTP/2.
    Two(http2::SendRequest<Body>),
}

impl Sender {
    /// Begins HTTP/1.1 on a stream.
    pub(super) async fn one<S>(stream: S) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // How a connection ends is told by the exchange that was on it.
            drop(connection.await);
        });
        Ok(Self::One(sender))
    }

    /// Begins HTTP/2 on a stream.
    pub(super) async fn two<S>(stream: S) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let begun = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = begun?;
        tokio::spawn(async move {
            drop(connection.await);
        });
        Ok(Self::Two(sender))
    }

    /// Whether it can take a request now.
    pub(super) async fn is_ready(&mut self) -> bool {
        match self {
            Self::One(sender) => sender.ready().await.is_ok(),
            Self::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Whether the connection is over.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::One(sender) => sender.is_closed(),
            Self::Two(sender) => sender.is_closed(),
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send_request(
        &mut self,
        request: http::Request<Body>,
    ) -> Result<http::Response<hyper::body::Incoming>, hyper::Error> {
        match self {
            Self::One(sender) => sender.send_request(request).await,
            Self::Two(sender) => sender.send_request(request).await,
        }
    }
}
