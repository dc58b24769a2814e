//! Metrics over HTTP: `GET /metrics` for Prometheus and whoever reads OpenMetrics. State is read at each scrape;
//! nothing is kept.

mod text;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use crate::{
    Error, Result,
    dataplane::{Dataplane, InstanceName},
};

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 16;
/// For a client to say what it wants.
const HEADERS: Duration = Duration::from_secs(5);
/// For a connection from beginning to end.
const CONNECTION: Duration = Duration::from_secs(30);
/// After a failed accept, which is out of file descriptors mostly.
const PAUSE: Duration = Duration::from_millis(200);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Listens.
pub(super) async fn bind(addr: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(Error::system(format!("serve metrics on {addr}")))
}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, instance: InstanceName) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, instance.clone()));
                }
                Err(e) => {
                    warn!("metrics: cannot accept a connection: {e}");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, instance: InstanceName) {
    let service = service_fn(move |request| answer(request, instance.clone()));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => debug!("metrics: {e}"),
        Err(_) => debug!("metrics: a client took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    instance: InstanceName,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(response(StatusCode::NOT_FOUND, PLAIN, "metrics are at /metrics\n".to_owned()));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET it\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    // On a thread that may wait: large tables take a while to count.
    let scraped = spawn_blocking(move || scrape(&instance)).await;
    Ok(match scraped.unwrap_or_else(|e| Err(Error::invalid("the scrape", e.to_string()))) {
        Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
        Err(e) => {
            warn!("metrics: {e}");
            response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{e}\n"))
        }
    })
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Readers need no lock, so a handle of its own does not disturb the daemon's.
fn scrape(instance: &InstanceName) -> Result<String> {
    let dataplane = Dataplane::open(instance)?;
    text::encode(dataplane.stats()?, dataplane.status()?)
}

#[cfg(test)]
mod tests;
