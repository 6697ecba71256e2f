//! The parameters of a request: query string and form together, names in any case. DALI 1.1 section 2.4 and 3.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, header};

use crate::fault::{Fault, Kind};

/// A request's body at most, in bytes.
const BODY_BYTES: usize = 2 << 20;
/// The same of a request with very many ids.
const LONG_BODY_BYTES: usize = 32 << 20;
/// Parameters of a request at most.
const PARAMETERS: usize = 1_000_000;
/// How long a client may take to send its body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query string and, of a POST, the form.
    ///
    /// # Errors
    /// [`Fault`] for a body that is too large, too slow, or no form.
    pub(crate) async fn read(request: Request) -> Result<Self, Fault> {
        Self::read_bounded(request, BODY_BYTES).await
    }

    /// As [`Parameters::read`], of a request that may have very many ids.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub(crate) async fn read_long(request: Request) -> Result<Self, Fault> {
        Self::read_bounded(request, LONG_BODY_BYTES).await
    }

    async fn read_bounded(request: Request, most_bytes: usize) -> Result<Self, Fault> {
        let mut parameters = Self::default();
        for encoded in encoded(request, most_bytes).await? {
            parameters.add(&encoded)?;
        }
        Ok(parameters)
    }

    /// Reads a query string or a form.
    pub(crate) fn add(&mut self, encoded: &[u8]) -> Result<(), Fault> {
        for (name, value) in form_urlencoded::parse(encoded) {
            self.push(&name, value.into_owned())?;
        }
        Ok(())
    }

    /// These parameters, names in upper case.
    pub(crate) fn of(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(given.into_iter().collect())
    }

    /// Adds one more.
    ///
    /// # Errors
    /// [`Fault`] when there are too many.
    pub(crate) fn push(&mut self, name: &str, value: String) -> Result<(), Fault> {
        if self.0.len() == PARAMETERS {
            return Err(Fault::usage(format!("a request takes at most {PARAMETERS} parameters")));
        }
        self.0.push((name.to_ascii_uppercase(), value));
        Ok(())
    }

    /// All but some, in the order in which they were given.
    pub(crate) fn without(&self, names: &[&str]) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// All values of a parameter; `name` in upper case.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The one value of a parameter that can have only one. An empty value is none.
    ///
    /// # Errors
    /// [`Fault`] when it is given with different values.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut values = self.all(name).filter(|value| !value.trim().is_empty());
        let first = values.next();
        match values.find(|value| Some(*value) != first) {
            Some(_) => Err(Fault::usage(format!("{name} is given more than once, with different values"))),
            None => Ok(first),
        }
    }

    /// A truth value, false where it is not given. DALI 1.1 section 3.1.2.
    ///
    /// # Errors
    /// [`Fault`] for another text.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.one(name)?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Fault::usage(format!("{name} is true or false"))),
        }
    }

    /// A number that is not negative.
    ///
    /// # Errors
    /// [`Fault`] for another text.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let wrong = |text: &str| {
            let shown: String = text.chars().take(40).collect();
            Fault::usage(format!("{name} is a whole number from 0, not {shown:?}"))
        };
        self.one(name)?.map(|text| text.trim().parse().map_err(|_| wrong(text))).transpose()
    }
}

/// The query string and, of a POST, the form, as they are encoded.
///
/// # Errors
/// [`Fault`] for a body that is too large, too slow, or no form.
pub(crate) async fn encoded(request: Request, most_bytes: usize) -> Result<[bytes::Bytes; 2], Fault> {
    let query = bytes::Bytes::copy_from_slice(request.uri().query().unwrap_or_default().as_bytes());
    if request.method() != Method::POST {
        return Ok([query, bytes::Bytes::new()]);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    require_form(content_type.unwrap_or_default())?;
    Ok([query, body(request.into_body(), most_bytes).await?])
}

fn require_form(content_type: &str) -> Result<(), Fault> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let message = match media_type.as_str() {
        "" | "application/x-www-form-urlencoded" => return Ok(()),
        "multipart/form-data" => {
            "multipart/form-data is taken where tables can be uploaded; send the parameters as \
             application/x-www-form-urlencoded"
        }
        _ => "send the parameters as application/x-www-form-urlencoded",
    };
    Err(Fault { kind: Kind::MediaType, message: message.to_owned() })
}

async fn body(body: Body, most_bytes: usize) -> Result<bytes::Bytes, Fault> {
    let too_large = |_| Fault {
        kind: Kind::TooLarge,
        message: format!("the request's body breaks off, or is larger than {} MiB", most_bytes >> 20),
    };
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, most_bytes)).await;
    read.map_err(|_| Fault::usage("the request's body took too long to arrive"))?.map_err(too_large)
}

#[cfg(test)]
impl From<&str> for Parameters {
    fn from(text: &str) -> Self {
        let mut parameters = Self::default();
        parameters.add(text.as_bytes()).unwrap();
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_any_case_and_values_as_given() {
        let p = Parameters::from("query=SELECT+1%2B1&Lang=ADQL&id=a&ID=b&ID=a");
        assert_eq!(p.one("QUERY"), Ok(Some("SELECT 1+1")));
        assert_eq!(p.one("LANG"), Ok(Some("ADQL")));
        assert_eq!(p.all("ID").collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(p.one("MAXREC"), Ok(None));
    }

    #[test]
    fn one_value_may_be_repeated_but_not_contradicted() {
        assert_eq!(Parameters::from("a=1&A=1&a=").one("A"), Ok(Some("1")));
        assert!(Parameters::from("a=1&A=2").one("A").unwrap_err().message.contains("more than once"));
    }

    #[test]
    fn numbers_and_flags_are_checked() {
        assert_eq!(Parameters::from("MAXREC=+5").number("MAXREC"), Ok(Some(5)));
        for wrong in ["-1", "1e3", "x", "99999999999999999999"] {
            assert!(Parameters::from(format!("MAXREC={wrong}").as_str()).number("MAXREC").is_err(), "{wrong}");
        }
        assert_eq!(Parameters::from("f=TRUE").flag("F"), Ok(true));
        assert_eq!(Parameters::from("").flag("F"), Ok(false));
        assert!(Parameters::from("f=yes").flag("F").is_err());
    }

    #[tokio::test]
    async fn a_post_is_a_form_of_bounded_size() {
        let post = |content_type: &str, body: String| {
            let request = Request::post("/tap/sync?LANG=ADQL").header("content-type", content_type);
            Parameters::read(request.body(Body::from(body)).unwrap())
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let read = post(form, "QUERY=q".to_owned()).await.unwrap();
        assert_eq!((read.one("LANG"), read.one("QUERY")), (Ok(Some("ADQL")), Ok(Some("q"))));
        assert_eq!(post(form, "x".repeat(BODY_BYTES + 1)).await.unwrap_err().status(), 413);
        assert_eq!(post("multipart/form-data; boundary=x", String::new()).await.unwrap_err().status(), 415);
    }
}
