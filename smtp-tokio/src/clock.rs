//! The clock of a client, which the core does not have. Its time is counted from when the client was made.

use std::time::Duration;

use tokio::time::Instant;

pub(crate) type Watch = smtp_proto::watch::Watch<Clock>;
pub(crate) type Tracker = smtp_proto::watch::Tracker<Clock>;
pub(crate) type Track = smtp_proto::watch::Track<Clock>;

#[derive(Clone)]
pub(crate) struct Clock {
    pub(crate) began: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now() }
    }
}

impl smtp_proto::watch::Clock for Clock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
