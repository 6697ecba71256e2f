//! `/healthz` and `/metrics`: for those who keep the service running.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::future::join_all;

use crate::service::Service;

/// How long a node may take to show a sign of life.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who answers and who does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    control: bool,
    down: Vec<String>,
}

impl Health {
    /// True while the control node is up: queries of the other nodes can be planned and run.
    pub(crate) fn answers(&self) -> bool {
        self.control
    }

    /// What is wrong, a sentence each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let control = (!self.control).then(|| "the control database does not answer".to_owned());
        control.into_iter().chain(self.down.iter().map(|node| format!("node {node} does not answer"))).collect()
    }
}

/// Asks the control database and every node for a sign of life.
pub(crate) async fn check(service: &Service) -> Health {
    let router = service.archive.router();
    let control = async {
        let asked = tokio::time::timeout(PATIENCE, router.control().check_version()).await;
        asked.is_ok_and(|answer| answer.is_ok())
    };
    let nodes = join_all(router.nodes().iter().map(|node| async {
        let asked = tokio::time::timeout(PATIENCE, node.ping()).await;
        (!asked.is_ok_and(|answer| answer.is_ok())).then(|| node.name().to_owned())
    }));
    let (control, down) = tokio::join!(control, nodes);
    Health { control, down: down.into_iter().flatten().collect() }
}

/// 200 while queries are answered, 503 when none can be; the names of what does not answer in either case.
pub(crate) async fn healthz(State(service): State<Service>) -> Response<Body> {
    let health = check(&service).await;
    let faults = health.faults();
    let text = if faults.is_empty() { "ok\n".to_owned() } else { format!("{}\n", faults.join("\n")) };
    let mut response = Response::new(Body::from(text));
    // A node that is down is no reason to take the whole service away from those who need the others.
    *response.status_mut() = if health.answers() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    response
}

/// The counters.
pub(crate) async fn metrics(State(service): State<Service>) -> Response<Body> {
    let mut response = Response::new(Body::from(service.metrics.text()));
    let content_type = HeaderValue::from_static("text/plain;version=0.0.4;charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_is_named() {
        let health = |control, down: &[&str]| Health { control, down: down.iter().map(|n| (*n).to_owned()).collect() };
        assert!(health(true, &[]).faults().is_empty());
        assert_eq!(health(true, &["n3"]).faults(), ["node n3 does not answer"]);
        assert!(health(true, &["n3"]).answers() && !health(false, &[]).answers());
        assert_eq!(health(false, &["n1"]).faults().len(), 2);
    }
}
