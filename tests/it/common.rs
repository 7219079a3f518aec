//! What tests of every kind share.

use std::fs;
use std::time::Duration;

/// Nothing here waits that long; a hang becomes a failure.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Session id of a process, from `/proc`. Not by `getsid`: that is 0 for a leader outside the container, which no `Pid`
/// can hold.
pub fn process_session(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields after the name, which is in brackets: state, parent, group, session.
    stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap()
}
