//! A WebSocket that is opened within a time limit, with our own trust.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::Cause;

/// A farewell takes at most this long; the other side may be gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What the other side sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    /// A ping, a pong, or bytes that mean nothing here: the other side lives.
    Sign,
    /// The end, with its code where there is one.
    Closed(Option<u16>),
}

impl Socket {
    /// Opens `ws://` or `wss://` within `limit`, TLS and upgrade included.
    ///
    /// # Errors
    /// What stood in the way.
    pub async fn open(address: &str, tls: &Arc<ClientConfig>, limit: Duration) -> Result<Self, Cause> {
        let connector = Connector::Rustls(Arc::clone(tls));
        let opening = connect_async_tls_with_config(address, None, false, Some(connector));
        match tokio::time::timeout(limit, opening).await {
            Err(_) => Err(Cause::TimedOut),
            Ok(Err(error)) => Err(Cause::of(&error)),
            Ok(Ok((stream, _))) => Ok(Self { stream }),
        }
    }

    /// The next frame. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn next(&mut self) -> Result<Frame, Cause> {
        match self.stream.next().await {
            None => Ok(Frame::Closed(None)),
            Some(Ok(Message::Text(text))) => Ok(Frame::Text(text.as_str().to_owned())),
            Some(Ok(Message::Close(frame))) => Ok(Frame::Closed(frame.map(|frame| frame.code.into()))),
            Some(Ok(_)) => Ok(Frame::Sign),
            Some(Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed)) => {
                Ok(Frame::Closed(None))
            }
            Some(Err(error)) => Err(Cause::of(&error)),
        }
    }

    /// Sends text within `limit`.
    ///
    /// # Errors
    /// When the connection broke, or takes nothing in.
    pub async fn send(&mut self, text: String, limit: Duration) -> Result<(), Cause> {
        self.put(Message::Text(text.into()), limit).await
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn ping(&mut self, limit: Duration) -> Result<(), Cause> {
        self.put(Message::Ping(Vec::new().into()), limit).await
    }

    async fn put(&mut self, message: Message, limit: Duration) -> Result<(), Cause> {
        match tokio::time::timeout(limit, self.stream.send(message)).await {
            Err(_) => Err(Cause::TimedOut),
            Ok(sent) => sent.map_err(|error| Cause::of(&error)),
        }
    }

    /// Says goodbye with a code, and waits for nothing.
    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        let _ = tokio::time::timeout(FAREWELL, self.stream.close(Some(frame))).await;
    }
}

/// Does anything take a connection there?
///
/// # Errors
/// What stands in the way.
pub async fn knock(host: &str, port: u16, limit: Duration) -> Result<(), Cause> {
    match tokio::time::timeout(limit, TcpStream::connect((host, port))).await {
        Err(_) => Err(Cause::TimedOut),
        Ok(Err(error)) => Err(Cause::of(&error)),
        Ok(Ok(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{config::server::Network, wire::tls};

    fn trust() -> Arc<ClientConfig> {
        Arc::new(tls(&Network { ca_file: String::new() }).unwrap())
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}/", listener.local_addr().unwrap());
        let opened = Socket::open(&address, &trust(), Duration::from_millis(50)).await;
        assert_eq!(opened.unwrap_err(), Cause::TimedOut);
    }

    #[tokio::test]
    async fn what_stands_in_the_way_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let limit = Duration::from_secs(5);
        let opened = Socket::open(&format!("ws://{address}/"), &trust(), limit).await;
        assert_eq!(opened.unwrap_err(), Cause::Refused);
        let opened = Socket::open("ws://no-such-host.invalid/", &trust(), limit).await;
        assert_eq!(opened.unwrap_err(), Cause::Unresolved);
    }

    /// A WebSocket server behind TLS, with a certificate of an authority that no machine trusts.
    async fn behind_tls() -> String {
        let read = |name: &str| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        let chain = CertificateDer::pem_file_iter(read("localhost.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(read("localhost.key")).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                    socket.send(Message::Text("hello".into())).await.unwrap();
                }
            }
        });
        format!("wss://localhost:{port}/")
    }

    #[tokio::test]
    async fn an_authority_of_the_configuration_is_trusted() {
        let address = behind_tls().await;
        let limit = Duration::from_secs(5);
        let Err(Cause::Tls(reason)) = Socket::open(&address, &trust(), limit).await else { panic!("nobody vouches") };
        assert!(reason.contains("UnknownIssuer"), "{reason}");
        let ca_file = format!("{}/tests/fixtures/tls/ca.pem", env!("CARGO_MANIFEST_DIR"));
        let trust = Arc::new(tls(&Network { ca_file }).unwrap());
        let mut socket = Socket::open(&address, &trust, limit).await.unwrap();
        assert_eq!(socket.next().await, Ok(Frame::Text("hello".to_owned())));
    }
}
