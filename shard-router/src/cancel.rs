//! Statements that end when nobody waits for them any more.

use deadpool_postgres::Object;
use tokio_postgres::NoTls;

/// A connection whose statement is cancelled when nobody waits for its end any more.
pub(crate) struct CancelOnDrop(Option<Object>);

impl CancelOnDrop {
    pub(crate) fn new(connection: Object) -> Self {
        Self(Some(connection))
    }

    #[allow(clippy::expect_used)]
    pub(crate) fn client(&self) -> &Object {
        self.0.as_ref().expect("the connection is only taken at the end")
    }

    #[allow(clippy::expect_used)]
    pub(crate) fn client_mut(&mut self) -> &mut Object {
        self.0.as_mut().expect("the connection is only taken at the end")
    }

    /// The statement came to its end; the connection may serve another one.
    pub(crate) fn finished(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else { return };
        let cancel = connection.cancel_token();
        // It is in the middle of an answer, so it does not go back to the pool.
        drop(Object::take(connection));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = cancel.cancel_query(NoTls).await {
                    tracing::debug!(%error, "a statement could not be cancelled");
                }
            });
        }
    }
}
