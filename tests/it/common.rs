//! What tests of every kind share.

use std::time::Duration;

/// Nothing here waits that long; a hang becomes a failure.
pub const PATIENCE: Duration = Duration::from_mins(2);
