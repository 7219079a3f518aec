//! Taps: named places in a forward pass where whoever listens gets what passes. Where nobody does, a tap is one look at a
//! flag of its thread.
//!
//! Names are `<network>/<stage>`, the stage named after the last layer before the tap, by its key in the state dict:
//! `generator/model.4`, `unet/mid_block.attentions.0`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use tch::{TchError, Tensor};

use crate::alerts::Glob;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static RECORD: RefCell<Record> = const { RefCell::new(Record::new()) };
}

/// What was heard.
#[derive(Debug)]
pub struct Record {
    wanted: Vec<Glob>,
    /// Before the stage in the names: which of two passes through the same network it is.
    scope: &'static str,
    room: u64,
    /// What passed, by name, in the order of its first passing; of a stage that was passed more than once, the last.
    pub tensors: Vec<(String, Tensor)>,
    /// Bytes of it, as float32.
    pub bytes: u64,
    name: String,
}

impl Record {
    const fn new() -> Self {
        Self { wanted: Vec::new(), scope: "", room: 0, tensors: Vec::new(), bytes: 0, name: String::new() }
    }

    /// Whether there was no room for all.
    pub fn is_over(&self) -> bool {
        self.bytes > self.room
    }

    /// Whether this is asked for, by its whole name or without the network.
    fn wants(&self, name: &str) -> bool {
        let stage = name.split_once('/').map_or(name, |(_, stage)| stage);
        self.wanted.iter().any(|glob| glob.matches(name) || glob.matches(stage))
    }

    fn note(&mut self, network: &str, stage: fmt::Arguments<'_>, x: &Tensor) {
        self.name.clear();
        // A string takes all that is written.
        let _ = write!(self.name, "{network}/{}{stage}", self.scope);
        if !self.wants(&self.name) {
            return;
        }
        let before = self.tensors.iter().position(|(name, _)| *name == self.name);
        let others = self.bytes - before.map_or(0, |at| 4 * self.tensors[at].1.numel() as u64);
        self.bytes = others + 4 * x.numel() as u64;
        if self.is_over() {
            // Counted, not kept.
            return;
        }
        let Ok(kept) = x.f_detach() else { return };
        match before {
            Some(at) => self.tensors[at].1 = kept,
            None => self.tensors.push((self.name.clone(), kept)),
        }
    }
}

/// Pass `x` by whoever listens.
pub fn tap(network: &str, stage: fmt::Arguments<'_>, x: &Tensor) {
    if IS_ON.get() {
        RECORD.with_borrow_mut(|record| record.note(network, stage, x));
    }
}

/// Whether someone listens on this thread for any of these names.
pub fn is_wanted(mut names: impl Iterator<Item = String>) -> bool {
    IS_ON.get() && names.any(|name| RECORD.with_borrow(|record| record.wants(&name)))
}

/// Do `work` under another scope: what passes is named `<network>/<scope><stage>`.
pub fn within<T>(scope: &'static str, work: impl FnOnce() -> T) -> T {
    let before = RECORD.with_borrow_mut(|record| std::mem::replace(&mut record.scope, scope));
    let done = work();
    RECORD.with_borrow_mut(|record| record.scope = before);
    done
}

/// Do `work` and listen to the stages that `wanted` matches; keep at most `room` bytes of them.
///
/// # Errors
/// What `work` says.
pub fn listen<T>(
    wanted: Vec<Glob>,
    room: u64,
    work: impl FnOnce() -> Result<T, TchError>,
) -> Result<(T, Record), TchError> {
    /// Ends the listening however `work` ends.
    struct On;
    impl Drop for On {
        fn drop(&mut self) {
            IS_ON.set(false);
        }
    }
    RECORD.set(Record { wanted, room, ..Record::new() });
    let on = On;
    IS_ON.set(true);
    let done = work();
    drop(on);
    let record = RECORD.replace(Record::new());
    Ok((done?, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() {
        for stage in ["a", "b", "a"] {
            tap("net", format_args!("{stage}"), &Tensor::from_slice(&[1.0_f32, 2.0]));
        }
        within("real/", || tap("net", format_args!("a"), &Tensor::from_slice(&[1.0_f32])));
    }

    #[test]
    fn what_is_wanted_is_kept_and_the_rest_costs_nothing() {
        pass();
        assert!(RECORD.with_borrow(|record| record.tensors.is_empty()), "nobody listened");
        let ((), record) = listen(vec![Glob::new("net/real/a"), Glob::new("a")], 100, || {
            pass();
            Ok(())
        })
        .unwrap();
        let names: Vec<_> = record.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["net/a", "net/real/a"]);
        assert!(record.bytes == 12 && !record.is_over());
        pass();
        assert!(RECORD.with_borrow(|record| record.tensors.is_empty()), "nobody listens any more");
    }

    #[test]
    fn more_than_fits_is_told_and_an_error_ends_the_listening() {
        let ((), record) = listen(vec![Glob::new("*")], 10, || {
            pass();
            Ok(())
        })
        .unwrap();
        assert!(record.is_over() && record.tensors.len() < 3);
        assert!(listen(vec![Glob::new("*")], 10, || Err::<(), _>(TchError::Kind("no".into()))).is_err());
        assert!(!IS_ON.get());
    }
}
