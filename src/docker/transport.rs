//! One HTTP client per engine, over whatever reaches it.
//!
//! Every connection to an engine, bollard's included, is made here: so that connecting is bounded
//! in time, that connections are used again, and that the negotiated version goes into every
//! path (bollard asks without one, and an engine would then answer as its newest).

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::Stream;
use http_body_util::{BodyExt, Either, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::meter::{Allowance, Meter, Metered, TooLong};
use super::{EngineError, EngineResult};

/// Longest wait for a connection, TLS handshake included.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for the answer to a question.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Connections kept open for the next request.
const IDLE_CONNECTIONS: usize = 16;
/// How long an idle connection is kept. Short: a firewall may forget it without a word.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// The header that carries a registry's credentials to an engine.
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");
/// Longest error message taken from an engine, in bytes.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// Longest message of an engine that is passed on, in bytes.
const MESSAGE_BYTES: usize = 4 * 1024;

/// The body of a request: bytes, or a stream of them. Bollard's own type, by its structure.
pub type Body = Either<
    Full<Bytes>,
    StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>>,
>;

/// How an engine is reached.
#[derive(Clone)]
pub enum Dial {
    /// A unix socket.
    Unix(PathBuf),
    /// TCP, `HOST:PORT`.
    Tcp(String),
    /// TLS over TCP.
    Tls {
        /// `HOST:PORT`.
        address: String,
        /// The name that the engine's certificate must bear.
        name: ServerName<'static>,
        /// Whom to trust, and who we are.
        config: Arc<rustls::ClientConfig>,
    },
}

/// Adds to an error what only the way to the engine knows, such as what ssh wrote.
pub type Explain = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What a transport's owner says of it.
#[derive(Clone)]
pub struct Route {
    /// How the engine is reached.
    pub dial: Dial,
    /// The endpoint as the config writes it, for messages.
    pub endpoint: String,
    /// Why the way itself may be broken.
    pub explain: Option<Explain>,
}

/// An HTTP client for one engine. Clones share its connections.
#[derive(Clone)]
pub struct Transport {
    client: Client<Dialer, Body>,
    route: Route,
    version: Option<Arc<str>>,
}

impl Transport {
    /// A client that asks without a version, until [`Self::with_version`].
    #[must_use]
    pub fn new(route: Route) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(Dialer(route.dial.clone()));
        Self {
            client,
            route,
            version: None,
        }
    }

    /// The same client, asking in this version of the API (`1.41`).
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The endpoint as the config writes it.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.route.endpoint
    }

    /// Sends a request and waits for the head of its answer, without a bound of its own beyond
    /// that of connecting.
    ///
    /// # Errors
    /// A text that says why the engine cannot be reached.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, String> {
        let (mut parts, body) = request.into_parts();
        let asked = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let asked = without_version(asked).to_owned();
        parts.uri = self.versioned(&asked)?;
        let method = parts.method.clone();
        let sent = self.client.request(Request::from_parts(parts, body)).await;
        let response = sent.map_err(|error| self.broken(&error))?;
        if let Some(meter) = response.extensions().get::<Meter>() {
            meter.allow(Allowance::to(&method, &asked, response.status()));
        }
        Ok(response)
    }

    /// What to say when the way to the engine broke.
    #[must_use]
    pub fn broken(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let mut text = format!("{}: {}", self.route.endpoint, innermost(error));
        if let Some(more) = self.route.explain.as_ref().and_then(|explain| explain()) {
            text.push_str(": ");
            text.push_str(&more);
        }
        text
    }

    /// The failure of an answer that broke off: a longer one than is read is the engine's fault,
    /// anything else the way's.
    #[must_use]
    pub fn broke(&self, error: &(dyn std::error::Error + 'static)) -> EngineError {
        match TooLong::within(error) {
            Some(long) => EngineError::Failed(format!("{}: {long}", self.route.endpoint)),
            None => EngineError::Unreachable(self.broken(error)),
        }
    }

    /// What to say when the engine took too long.
    #[must_use]
    pub fn silent(&self, waited: Duration) -> EngineError {
        EngineError::Unreachable(format!(
            "{}: the engine did not answer within {} s",
            self.route.endpoint,
            waited.as_secs()
        ))
    }

    /// Asks for something and gives the answer once its head is there: a success, or the
    /// engine's own words. The body may go on for ever.
    ///
    /// # Errors
    /// [`EngineError`], by what the engine answered.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> EngineResult<Response<Incoming>> {
        let request = Self::request(method, path, body, false)?;
        self.answer(ANSWER_WAIT, request).await
    }

    /// The same for what takes the engine its own time to begin with (a registry is asked first),
    /// with credentials for that registry as the engine takes them.
    ///
    /// # Errors
    /// [`EngineError`], by what the engine answered.
    pub async fn begin(
        &self,
        wait: Duration,
        method: Method,
        path: &str,
        auth: Option<&String>,
    ) -> EngineResult<Response<Incoming>> {
        let mut request = Self::request(method, path, None, false)?;
        if let Some(auth) = auth {
            let mut value = HeaderValue::from_str(auth).map_err(|error| {
                EngineError::Refused(format!("cannot send the registry's credentials: {error}"))
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(REGISTRY_AUTH, value);
        }
        self.answer(wait, request).await
    }

    /// Asks for something and reads the whole answer as JSON (null if it is empty).
    ///
    /// # Errors
    /// [`EngineError`], by what the engine answered.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> EngineResult<serde_json::Value> {
        let response = self.open(method, path, body).await?;
        self.read(response, path).await
    }

    /// Reads a whole answer as JSON (null if it is empty).
    ///
    /// # Errors
    /// [`EngineError`] if it breaks off or is no JSON.
    pub async fn read(
        &self,
        response: Response<Incoming>,
        path: &str,
    ) -> EngineResult<serde_json::Value> {
        let read = response.into_body().collect();
        let bytes = match timeout(ANSWER_WAIT, read).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(self.broke(&error)),
            Err(_) => return Err(self.silent(ANSWER_WAIT)),
        };
        if bytes.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            EngineError::Failed(format!(
                "{}: the answer to {path} is not JSON ({error}); is this a Docker Engine?",
                self.route.endpoint
            ))
        })
    }

    /// Asks for something and takes over the connection: what comes and goes on it from then on
    /// is the program's own.
    ///
    /// # Errors
    /// [`EngineError`], by what the engine answered.
    pub async fn upgrade(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> EngineResult<TokioIo<hyper::upgrade::Upgraded>> {
        let request = Self::request(Method::POST, path, Some(body), true)?;
        let response = self.answer(ANSWER_WAIT, request).await?;
        match timeout(ANSWER_WAIT, hyper::upgrade::on(response)).await {
            Ok(Ok(upgraded)) => Ok(TokioIo::new(upgraded)),
            Ok(Err(error)) => Err(EngineError::Unreachable(self.broken(&error))),
            Err(_) => Err(self.silent(ANSWER_WAIT)),
        }
    }

    fn request(
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        upgrade: bool,
    ) -> EngineResult<Request<Body>> {
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("http://docker{path}"));
        if body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        if upgrade {
            builder = builder.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        builder
            .body(Either::Left(Full::new(bytes)))
            .map_err(|error| EngineError::Refused(format!("cannot ask for {path}: {error}")))
    }

    async fn answer(
        &self,
        wait: Duration,
        request: Request<Body>,
    ) -> EngineResult<Response<Incoming>> {
        let response = match timeout(wait, self.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(text)) => return Err(EngineError::Unreachable(text)),
            Err(_) => return Err(self.silent(wait)),
        };
        let status = response.status();
        if status.is_success()
            || status == StatusCode::NOT_MODIFIED
            || status == StatusCode::SWITCHING_PROTOCOLS
        {
            return Ok(response);
        }
        let read = Limited::new(response.into_body(), ERROR_BODY_BYTES).collect();
        let text = match timeout(ANSWER_WAIT, read).await {
            Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            _ => String::new(),
        };
        Err(error_of_status(status.as_u16(), message_of(&text)))
    }

    fn versioned(&self, asked: &str) -> Result<Uri, String> {
        let path = match &self.version {
            Some(version) => format!("http://docker/v{version}{asked}"),
            None => format!("http://docker{asked}"),
        };
        path.parse()
            .map_err(|error| format!("cannot ask for {asked}: {error}"))
    }
}

/// A path without the version that a library may have put before it.
fn without_version(path: &str) -> &str {
    let rest = path
        .strip_prefix("/v")
        .and_then(|rest| Some((rest.find('/')?, rest)));
    match rest {
        Some((end, rest)) if rest[..end].bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            &rest[end..]
        }
        _ => path,
    }
}

/// The engine's message out of an error's body.
fn message_of(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| body.trim().to_owned())
}

/// An engine's words, no longer than anybody reads: they are kept, and shown.
#[must_use]
pub fn bounded(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        let mut ends = (0..=MESSAGE_BYTES).rev();
        let end = ends.find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push_str(" … (cut here)");
    }
    message
}

/// What an engine's refusal means for the caller, with the engine's own message.
#[must_use]
pub fn error_of_status(status: u16, message: String) -> EngineError {
    let message = if message.is_empty() {
        format!("the engine answered with HTTP status {status} and no message")
    } else {
        bounded(message)
    };
    match status {
        404 => EngineError::NotFound(message),
        409 => EngineError::Conflict(message),
        400..=499 => EngineError::Refused(message),
        _ => EngineError::Failed(message),
    }
}

/// The last cause of an error: hyper's own words say little, the system's say what it was.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let (mut error, mut outer) = (error, None);
    while let Some(source) = error.source() {
        outer = Some(error);
        error = source;
    }
    match (error.to_string(), outer) {
        (text, Some(outer)) if text.is_empty() => outer.to_string(),
        (text, _) => text,
    }
}

/// Makes connections for hyper's client.
#[derive(Clone)]
struct Dialer(Dial);

/// Either kind of byte stream to an engine.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection to an engine.
struct Line(TokioIo<Metered<Box<dyn Wire>>>);

impl tower_service::Service<Uri> for Dialer {
    type Response = Line;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Line, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.0.clone();
        Box::pin(async move {
            match timeout(CONNECT_WAIT, connect(dial)).await {
                Ok(wire) => Ok(Line(TokioIo::new(Metered::new(wire?)))),
                Err(_) => Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no connection within {} s", CONNECT_WAIT.as_secs()),
                )),
            }
        })
    }
}

async fn connect(dial: Dial) -> std::io::Result<Box<dyn Wire>> {
    match dial {
        Dial::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Dial::Tcp(address) => Ok(Box::new(connect_tcp(&address).await?)),
        Dial::Tls {
            address,
            name,
            config,
        } => {
            let stream = connect_tcp(&address).await?;
            let tls = tokio_rustls::TlsConnector::from(config);
            Ok(Box::new(tls.connect(name, stream).await?))
        }
    }
}

async fn connect_tcp(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        // `Transport::send` finds the meter with the answer's head.
        Connected::new().extra(self.0.inner().meter())
    }
}

impl hyper::rt::Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_is_taken_off_a_path() {
        assert_eq!(without_version("/v1.41/info?x=/y"), "/info?x=/y");
        assert_eq!(without_version("/volumes/v1"), "/volumes/v1");
        assert_eq!(without_version("/version"), "/version");
    }

    #[test]
    fn a_message_is_cut_between_characters_at_its_bound() {
        let whole = "é".repeat(MESSAGE_BYTES / 2);
        assert_eq!(bounded(whole.clone()), whole);
        let cut = bounded(format!("x{whole}"));
        assert_eq!(cut.len(), MESSAGE_BYTES - 1 + " … (cut here)".len());
        assert!(cut.ends_with("é … (cut here)"));
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done_and_keep_the_engines_words() {
        let message = message_of(r#"{"message":"port is already allocated"}"#);
        let error = error_of_status(500, message);
        assert!(matches!(&error, EngineError::Failed(text) if text == "port is already allocated"));
        assert!(matches!(
            error_of_status(404, "x".into()),
            EngineError::NotFound(_)
        ));
        assert!(matches!(
            error_of_status(409, "x".into()),
            EngineError::Conflict(_)
        ));
        assert!(matches!(
            error_of_status(403, "x".into()),
            EngineError::Refused(_)
        ));
        assert_eq!(message_of("plain\n"), "plain");
        assert!(
            error_of_status(502, String::new())
                .to_string()
                .contains("502")
        );
    }
}
