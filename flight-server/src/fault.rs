//! A request that is not answered as asked: what to say, and with which code.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use spolia_catalogue::CatalogueError;
use spolia_exec::{ExecError, SelectionError};
use spolia_formats::{FormatError, error_votable};
use spolia_shard_router::RouterError;

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_S: &str = "10";

/// Whose fault it is, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense.
    Usage,
    /// What it asks for is not there.
    NotFound,
    /// Only those may do it who say who they are.
    Unauthorized,
    /// Whoever asks may not do it.
    Forbidden,
    /// There is something of that name already.
    Conflict,
    /// Its body is too large.
    TooLarge,
    /// Its body is of a form that is not taken.
    MediaType,
    /// Too many requests are under way.
    Busy,
    /// A node does not answer.
    Unavailable,
    /// The archive failed.
    Internal,
}

/// A fault and what the user is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into() }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotFound, message: message.into() }
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unauthorized, message: message.into() }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self { kind: Kind::Forbidden, message: message.into() }
    }

    pub(crate) fn busy() -> Self {
        Self { kind: Kind::Busy, message: "too many requests are being answered; try again soon".to_owned() }
    }

    /// A failure whose detail goes to the log under an id that the user is told.
    pub(crate) fn internal(act: &str, detail: &dyn std::fmt::Debug) -> Self {
        let id = uuid::Uuid::new_v4();
        tracing::error!(%id, act, ?detail, "request failed");
        Self { kind: Kind::Internal, message: format!("the archive could not {act} (its log tells why under {id})") }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Usage => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Busy | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The message as DataLink words it: a term of DataLink 1.1 table 2, a colon, the message.
    pub(crate) fn datalink_message(&self) -> String {
        let word = match self.kind {
            Kind::Usage | Kind::Conflict | Kind::TooLarge | Kind::MediaType => "UsageFault",
            Kind::NotFound => "NotFoundFault",
            Kind::Unauthorized => "AuthenticationFault",
            Kind::Forbidden => "AuthorizationFault",
            Kind::Busy | Kind::Unavailable => "TransientFault",
            Kind::Internal => "FatalFault",
        };
        format!("{word}: {}", self.message)
    }

    /// A VOTable error document. DALI 1.1 section 4.4.
    pub(crate) fn votable(&self) -> Response<Body> {
        self.response("application/x-votable+xml", error_votable(&self.message))
    }

    /// A VOTable error document of a DataLink service.
    pub(crate) fn datalink_votable(&self) -> Response<Body> {
        self.response("application/x-votable+xml", error_votable(&self.datalink_message()))
    }

    /// Plain text, from doors that answer with files.
    pub(crate) fn text(&self) -> Response<Body> {
        self.response("text/plain;charset=utf-8", format!("{}\n", self.datalink_message()).into_bytes())
    }

    /// The same document as something that was asked for.
    pub(crate) fn document(&self) -> Response<Body> {
        let mut response = self.votable();
        *response.status_mut() = StatusCode::OK;
        response
    }

    fn response(&self, content_type: &'static str, document: Vec<u8>) -> Response<Body> {
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.kind == Kind::Busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }

    /// The gRPC status.
    pub(crate) fn grpc(&self) -> tonic::Status {
        let code = match self.kind {
            Kind::Usage | Kind::TooLarge | Kind::MediaType => tonic::Code::InvalidArgument,
            Kind::NotFound => tonic::Code::NotFound,
            Kind::Conflict => tonic::Code::AlreadyExists,
            Kind::Unauthorized => tonic::Code::Unauthenticated,
            Kind::Forbidden => tonic::Code::PermissionDenied,
            Kind::Busy | Kind::Unavailable => tonic::Code::Unavailable,
            Kind::Internal => tonic::Code::Internal,
        };
        tonic::Status::new(code, self.message.clone())
    }
}

impl From<ExecError> for Fault {
    fn from(error: ExecError) -> Self {
        let message = error.message();
        let kind = kind_of(&error);
        if matches!(kind, Kind::Unavailable | Kind::Internal) {
            tracing::error!(?error, "request failed");
        }
        Self { kind, message }
    }
}

fn kind_of(error: &ExecError) -> Kind {
    match error {
        ExecError::NotFound(_) | ExecError::Link(_) | ExecError::Router(RouterError::UserTableGone(_)) => {
            Kind::NotFound
        }
        ExecError::Selection(SelectionError::NoRoom) => Kind::TooLarge,
        ExecError::Selection(_) => Kind::Unavailable,
        ExecError::Denied { anonymous, .. } => match anonymous {
            true => Kind::Unauthorized,
            false => Kind::Forbidden,
        },
        ExecError::Catalogue(CatalogueError::Taken(_)) => Kind::Conflict,
        ExecError::Catalogue(CatalogueError::TooManyTables { .. } | CatalogueError::TooMuchSaid { .. }) => {
            Kind::Forbidden
        }
        ExecError::Router(RouterError::Catalogue(CatalogueError::UnknownEpoch(_))) => Kind::NotFound,
        error if error.is_request() => Kind::Usage,
        ExecError::Catalogue(_) | ExecError::Router(_) | ExecError::Queue(_) | ExecError::Scheduler(_) => {
            Kind::Unavailable
        }
        ExecError::Run(error) => kind_in_chain(error),
        _ => Kind::Internal,
    }
}

/// A query that failed while it ran did so on a node, or on a value that an operator of the query cannot take.
fn kind_in_chain(error: &(dyn std::error::Error + 'static)) -> Kind {
    use arrow::error::ArrowError::{ArithmeticOverflow, CastError, DivideByZero, ParseError};
    let mut link = Some(error);
    while let Some(error) = link {
        if error.is::<RouterError>() {
            return Kind::Unavailable;
        }
        let arrow = error.downcast_ref();
        if matches!(arrow, Some(ArithmeticOverflow(_) | CastError(_) | DivideByZero | ParseError(_))) {
            return Kind::Usage;
        }
        link = error.source();
    }
    Kind::Internal
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Unreported { .. }
            | FormatError::WriteJson { .. }
            | FormatError::WriteArrow { .. }
            | FormatError::WriteParquet { .. }
            | FormatError::BatchSchema { .. } => Self::internal("write the result", &error),
            error => Self::usage(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[track_caller]
    fn check(error: impl Into<ExecError>, status: u16, code: tonic::Code) {
        let fault = Fault::from(error.into());
        assert_eq!((fault.status().as_u16(), fault.grpc().code()), (status, code), "{}", fault.message);
    }

    #[test]
    fn the_user_is_told_whose_fault_it_is() {
        check(ExecError::Request("no".to_owned()), 400, tonic::Code::InvalidArgument);
        check(ExecError::NotFound("gone".to_owned()), 404, tonic::Code::NotFound);
        check(RouterError::NoNode(3), 503, tonic::Code::Unavailable);
        check(CatalogueError::Taken("user_ada.t".to_owned()), 409, tonic::Code::AlreadyExists);
        check(ExecError::Denied { message: String::new(), anonymous: true }, 401, tonic::Code::Unauthenticated);
        check(CatalogueError::Empty, 503, tonic::Code::Unavailable);
        check(RouterError::from(CatalogueError::UnknownEpoch(9)), 404, tonic::Code::NotFound);
    }

    #[test]
    fn internal_detail_stays_in_the_log() {
        let fault = Fault::internal("read a file", &"secret path");
        assert!(!fault.message.contains("secret") && fault.message.contains("read a file"));
        assert_eq!(fault.status().as_u16(), 500);
    }

    #[test]
    fn datalink_has_its_own_words() {
        assert_eq!(Fault::not_found("x").datalink_message(), "NotFoundFault: x");
        assert!(Fault::busy().datalink_message().starts_with("TransientFault: "));
        assert_eq!(Fault::busy().text().headers()["retry-after"], RETRY_AFTER_S);
    }
}
