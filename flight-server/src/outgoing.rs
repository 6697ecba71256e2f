//! The way of an answer to its client: a short channel, given up when the client stops reading.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

/// Chunks under way to the client at most.
const CHUNKS: usize = 4;

/// A chunk of an HTTP body; an error breaks the transfer, so that nobody takes it for whole.
pub(crate) type Chunk = Result<Bytes, std::io::Error>;

/// The sending end.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    sender: mpsc::Sender<T>,
    stall: Duration,
}

/// The client has left, or has not read for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// A sending end, and what the client reads from.
pub(crate) fn channel<T: Send + 'static>(stall: Duration) -> (Outgoing<T>, impl Stream<Item = T> + Send + 'static) {
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    (Outgoing { sender, stall }, futures::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

impl<T: Send + 'static> Outgoing<T> {
    /// Sends one thing on its way; waits while the client is slow.
    ///
    /// # Errors
    /// [`Gone`] when there is no use in going on.
    pub(crate) async fn send(&self, item: T) -> Result<(), Gone> {
        match tokio::time::timeout(self.stall, self.sender.send(item)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone),
            Err(_) => {
                tracing::info!(stall_s = self.stall.as_secs(), "client stopped reading, answer given up");
                Err(Gone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_stops_reading_or_leaves_is_gone() {
        let (out, body) = channel(Duration::from_secs(60));
        for n in 0..CHUNKS {
            assert_eq!(out.send(n).await, Ok(()));
        }
        assert_eq!(out.send(9).await, Err(Gone));
        drop(out);
        assert_eq!(body.collect::<Vec<_>>().await, [0, 1, 2, 3]);
        let (out, body) = channel(Duration::from_secs(60));
        drop(body);
        assert_eq!(out.send(1).await, Err(Gone));
    }
}
