//! The time of day, which tests hold still.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where the dashboard has the time from.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// In which zone times are shown.
    pub zone: TimeZone,
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self { read: Arc::new(Timestamp::now), zone: TimeZone::system() }
    }

    /// One that stands still, in UTC.
    pub fn fixed(at: Timestamp) -> Self {
        Self { read: Arc::new(move || at), zone: TimeZone::UTC }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.read)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}
