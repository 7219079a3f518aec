//! A reader of the pickles that `torch.save` writes. It executes nothing: a class it does not know becomes an opaque
//! value, which is an error only where a tensor is needed.
//!
//! Values live in one arena and refer to each other by index, so cycles and shared values cost nothing; an opcode makes
//! at most one value and copies nothing of unbounded length, so memory is bounded by the file's size. Opcodes: Python's
//! `pickletools`.

use std::collections::HashMap;

use tch::Kind;

use super::Fault;
use super::storage::Strided;

/// Index of a value in its [`Document`].
pub(super) type Id = usize;

/// What a pickle can hold, as far as state dicts go.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    /// None, numbers that are not needed, sets, and whatever an unknown class would have made.
    Opaque,
    Int(i64),
    Text(&'a str),
    /// Lists and tuples.
    Sequence(Vec<Id>),
    /// Dicts and ordered dicts.
    Dict(Vec<(Id, Id)>),
    /// `module name` of a class or function.
    Global(String),
    Storage(Storage<'a>),
    Tensor(TensorRef<'a>),
    /// An instance of an unknown class.
    Object,
}

/// A storage by its key in the file.
#[derive(Debug, Clone)]
pub(super) struct Storage<'a> {
    key: &'a str,
    kind: Kind,
    /// Where a legacy view begins in its root storage, in elements.
    offset: usize,
}

/// A tensor: a storage seen through size and stride.
#[derive(Debug, Clone)]
pub(super) struct TensorRef<'a> {
    pub key: &'a str,
    pub view: Strided,
}

/// One pickle, read.
#[derive(Debug)]
pub(super) struct Document<'a> {
    values: Vec<Value<'a>>,
    root: Id,
    /// How many bytes it took.
    pub length: usize,
}

/// Dicts inside dicts deeper than this are no state dict.
const DEEPEST: usize = 32;
/// More entries than this are no state dict: shared dicts could otherwise multiply without end.
const MOST_ENTRIES: usize = 1_000_000;
/// Nor are longer names,
const LONGEST_NAME: usize = 1024;
/// or tensors of more dimensions.
const MOST_DIMENSIONS: usize = 64;

impl<'a> Document<'a> {
    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// Every tensor by name, in the file's order: the dict under `state_dict` when there is one, else the whole, with
    /// the keys of nested dicts joined by dots.
    pub fn tensors(&self) -> Result<Vec<(String, TensorRef<'a>)>, Fault> {
        let mut root = self.root;
        if let Value::Dict(entries) = self.value(root) {
            let nested = entries.iter().find(|(key, value)| {
                matches!(self.value(*key), Value::Text("state_dict")) && matches!(self.value(*value), Value::Dict(_))
            });
            root = nested.map_or(root, |(_, value)| *value);
        }
        let mut found = Vec::new();
        let mut budget = MOST_ENTRIES;
        self.collect(root, "", 0, &mut budget, &mut found)?;
        if found.is_empty() {
            return Err(Fault::format(match self.value(self.root) {
                Value::Object => "a whole pickled object, not a state dict; save `model.state_dict()` instead",
                _ => "a pickle that holds no tensors",
            }));
        }
        Ok(found)
    }

    fn collect(
        &self,
        id: Id,
        name: &str,
        depth: usize,
        budget: &mut usize,
        found: &mut Vec<(String, TensorRef<'a>)>,
    ) -> Result<(), Fault> {
        match self.value(id) {
            Value::Tensor(tensor) => found.push((name.to_owned(), tensor.clone())),
            Value::Dict(entries) => {
                if depth == DEEPEST || *budget < entries.len() {
                    return Err(Fault::format("dicts nested beyond any state dict"));
                }
                *budget -= entries.len();
                for (key, value) in entries {
                    let key = match self.value(*key) {
                        Value::Text(text) => (*text).to_owned(),
                        Value::Int(number) => number.to_string(),
                        _ => continue,
                    };
                    let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                    if name.len() > LONGEST_NAME {
                        return Err(Fault::format("a name longer than any state dict's"));
                    }
                    self.collect(*value, &name, depth + 1, budget, found)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The root as a list of texts: the storage keys of a legacy file.
    pub fn texts(&self) -> Option<Vec<&'a str>> {
        let Value::Sequence(items) = self.value(self.root) else { return None };
        items.iter().map(|id| if let Value::Text(text) = self.value(*id) { Some(*text) } else { None }).collect()
    }

    /// The root as a number.
    pub fn int(&self) -> Option<i64> {
        if let Value::Int(number) = self.value(self.root) { Some(*number) } else { None }
    }
}

/// Read one pickle from the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Document<'_>, Fault> {
    Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }.run()
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Stack heights at open marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    fn run(mut self) -> Result<Document<'a>, Fault> {
        loop {
            let opcode = self.take(1)?[0];
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok(Document { values: self.values, root, length: self.at });
            }
            self.step(opcode)?;
        }
    }

    fn broken(&self, what: &str) -> Fault {
        Fault::format(format!("a damaged pickle: {what} at byte {}", self.at))
    }

    /// One opcode and its argument.
    fn step(&mut self, opcode: u8) -> Result<(), Fault> {
        if self.scalar(opcode)? || self.container(opcode)? || self.memory(opcode)? || self.object(opcode)? {
            Ok(())
        } else {
            Err(self.broken(&format!("unknown opcode {opcode:#04x}")))
        }
    }

    /// Protocol, numbers, constants, text and bytes. Whether the opcode was one of them, here and in the next three.
    fn scalar(&mut self, opcode: u8) -> Result<bool, Fault> {
        match opcode {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),                    // a frame's length
            b'N' | 0x88 | 0x89 => self.push(Value::Opaque), // None, True, False
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'J' => {
                let bytes = self.take(4)?;
                self.push(Value::Int(i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))));
            }
            0x8a => {
                let length = self.uint(1)?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.uint(4)?;
                self.long(length)?;
            }
            b'I' | b'L' => {
                let line = self.line()?.trim_end_matches('L');
                self.push(line.parse().map_or(Value::Opaque, Value::Int));
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Opaque);
            }
            b'F' => {
                self.line()?;
                self.push(Value::Opaque);
            }
            // Text and bytes. Python 2 wrote keys as byte strings.
            b'X' | b'T' => self.text(4)?,
            b'U' | 0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'V' => {
                let line = self.line()?;
                self.push(Value::Text(line));
            }
            b'S' => {
                let line = self.line()?.trim_matches(['\'', '"']);
                self.push(Value::Text(line));
            }
            b'B' => self.skip(4)?,
            b'C' => self.skip(1)?,
            0x8e | 0x96 => self.skip(8)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tuples, lists, dicts and sets.
    fn container(&mut self, opcode: u8) -> Result<bool, Fault> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x8f => self.push(Value::Opaque),
            b't' | b'l' => {
                let items = self.since_mark()?;
                self.push(Value::Sequence(items));
            }
            0x91 => {
                self.since_mark()?;
                self.push(Value::Opaque);
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0..opcode - 0x84 {
                    items.insert(0, self.pop()?);
                }
                self.push(Value::Sequence(items));
            }
            b'd' => {
                let items = self.since_mark()?;
                let pairs = self.pairs(&items)?;
                self.push(Value::Dict(pairs));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            0x90 => drop(self.since_mark()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The stack and the memo.
    fn memory(&mut self, opcode: u8) -> Result<bool, Fault> {
        match opcode {
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' => self.store(1)?,
            b'r' => self.store(4)?,
            0x94 => {
                let top = self.top()?;
                self.memo.insert(self.memo.len() as u64, top);
            }
            b'p' => {
                let key = self.line()?.parse().ok().ok_or_else(|| self.broken("a bad memo key"))?;
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            b'h' => {
                let key = self.uint(1)?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.uint(4)?;
                self.recall(key)?;
            }
            b'g' => {
                let key = self.line()?.parse().ok().ok_or_else(|| self.broken("a bad memo key"))?;
                self.recall(key)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Classes, and what they would make.
    fn object(&mut self, opcode: u8) -> Result<bool, Fault> {
        match opcode {
            b'c' => {
                let name = format!("{} {}", self.line()?, self.line()?);
                self.push(Value::Global(name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) if module.len() + name.len() < LONGEST_NAME => {
                        format!("{module} {name}")
                    }
                    _ => return Err(self.broken("a class without a name")),
                };
                self.push(Value::Global(name));
            }
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.call(class, arguments)?;
            }
            0x92 => {
                self.pop()?;
                self.pop()?;
                self.pop()?;
                self.push(Value::Object);
            }
            b'b' => drop(self.pop()?), // attributes: `_metadata` of a state dict, or an unknown object's
            b'i' => {
                self.line()?;
                self.line()?;
                self.since_mark()?;
                self.push(Value::Object);
            }
            b'o' => {
                self.since_mark()?;
                self.push(Value::Object);
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.persistent(id)?;
                self.push(storage);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    // Bytes.

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else { return Err(self.broken("it ends early")) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn uint(&mut self, width: usize) -> Result<u64, Fault> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn sized(&mut self, width: usize) -> Result<&'a [u8], Fault> {
        let length = self.uint(width)?;
        let length = usize::try_from(length).ok().ok_or_else(|| self.broken("a length beyond memory"))?;
        self.take(length)
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(self.broken("a line without an end"));
        };
        let line = std::str::from_utf8(self.take(length)?).ok().ok_or_else(|| self.broken("text that is not UTF-8"))?;
        self.at += 1;
        Ok(line)
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        // A Python 2 byte string need not be text; it is then of no use here.
        let value = std::str::from_utf8(self.sized(width)?).map_or(Value::Opaque, Value::Text);
        self.push(value);
        Ok(())
    }

    fn skip(&mut self, width: usize) -> Result<(), Fault> {
        self.sized(width)?;
        self.push(Value::Opaque);
        Ok(())
    }

    fn number(&mut self, width: usize) -> Result<(), Fault> {
        let number = self.uint(width)?;
        self.push(Value::Int(number as i64));
        Ok(())
    }

    /// A two's-complement number of any length; beyond 64 bits it is of no use here.
    fn long(&mut self, length: u64) -> Result<(), Fault> {
        let bytes = self.take(usize::try_from(length).ok().ok_or_else(|| self.broken("a number beyond memory"))?)?;
        let value = if bytes.len() > 8 {
            Value::Opaque
        } else {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        };
        self.push(value);
        Ok(())
    }

    // The stack.

    fn push(&mut self, value: Value<'a>) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.broken("a value is missing"));
        }
        self.stack.pop().ok_or_else(|| self.broken("a value is missing"))
    }

    fn top(&self) -> Result<Id, Fault> {
        self.stack.last().copied().ok_or_else(|| self.broken("a value is missing"))
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let height = self.marks.pop().ok_or_else(|| self.broken("a mark is missing"))?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    fn store(&mut self, width: usize) -> Result<(), Fault> {
        let key = self.uint(width)?;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), Fault> {
        let id = *self.memo.get(&key).ok_or_else(|| self.broken("an unknown memo key"))?;
        self.stack.push(id);
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, Fault> {
        if !items.len().is_multiple_of(2) {
            return Err(self.broken("a key without a value"));
        }
        Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Fault> {
        let top = self.top()?;
        if let Value::Sequence(list) = &mut self.values[top] {
            list.extend_from_slice(items);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let pairs = self.pairs(items)?;
        let top = self.top()?;
        if let Value::Dict(entries) = &mut self.values[top] {
            entries.extend(pairs);
        }
        Ok(())
    }

    // torch's own vocabulary.

    /// Push what calling `class` with `arguments` would have made.
    fn call(&mut self, class: Id, arguments: Id) -> Result<(), Fault> {
        let (Value::Global(class), Value::Sequence(arguments)) = (&self.values[class], &self.values[arguments]) else {
            self.push(Value::Object);
            return Ok(());
        };
        let made = match (class.as_str(), arguments.as_slice()) {
            ("collections OrderedDict", []) => Value::Dict(Vec::new()),
            // Python 2 gave the items as an argument: a list of pairs.
            ("collections OrderedDict", [items]) => Value::Dict(self.ordered(*items)?),
            ("torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2", arguments) => {
                self.tensor(arguments)?
            }
            // A parameter is its tensor; a size is its tuple.
            (
                "torch Size" | "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state",
                [inner, ..],
            ) => {
                let inner = *inner;
                self.stack.push(inner);
                return Ok(());
            }
            _ => Value::Object,
        };
        self.push(made);
        Ok(())
    }

    fn ordered(&self, items: Id) -> Result<Vec<(Id, Id)>, Fault> {
        let Value::Sequence(items) = &self.values[items] else { return Ok(Vec::new()) };
        let pair = |&id: &Id| match &self.values[id] {
            Value::Sequence(pair) if pair.len() == 2 => Some((pair[0], pair[1])),
            _ => None,
        };
        // Copied, and so the one place where a shared list could multiply; a state dict has few items.
        if items.len() > LONGEST_NAME * MOST_DIMENSIONS || self.values.len() > MOST_ENTRIES {
            return Err(self.broken("an ordered dict beyond any state dict"));
        }
        Ok(items.iter().filter_map(pair).collect())
    }

    /// `(storage, offset, size, stride, ...)`.
    fn tensor(&self, arguments: &[Id]) -> Result<Value<'a>, Fault> {
        let argument = |at: usize| arguments.get(at).map(|&id| &self.values[id]);
        let (Some(Value::Storage(storage)), Some(Value::Int(offset)), Some(size), Some(stride)) =
            (argument(0), argument(1), argument(2), argument(3))
        else {
            return Err(self.broken("a tensor of unknown make"));
        };
        let offset = usize::try_from(*offset).ok().and_then(|offset| offset.checked_add(storage.offset));
        let (Some(offset), Some(size), Some(stride)) = (offset, self.counts(size), self.counts(stride)) else {
            return Err(self.broken("a tensor of negative or unknown size"));
        };
        let view = Strided { kind: storage.kind, offset, size, stride };
        Ok(Value::Tensor(TensorRef { key: storage.key, view }))
    }

    fn counts(&self, value: &Value<'a>) -> Option<Vec<usize>> {
        let Value::Sequence(items) = value else { return None };
        if items.len() > MOST_DIMENSIONS {
            return None;
        }
        items
            .iter()
            .map(|&id| if let Value::Int(n) = self.values[id] { usize::try_from(n).ok() } else { None })
            .collect()
    }

    /// `('storage', class, key, location, count[, view])`; anything else is opaque.
    fn persistent(&self, id: Id) -> Result<Value<'a>, Fault> {
        let Value::Sequence(parts) = &self.values[id] else { return Ok(Value::Opaque) };
        let part = |at: usize| parts.get(at).map(|&id| &self.values[id]);
        let (Some(Value::Text("storage")), Some(class), Some(Value::Text(key))) = (part(0), part(1), part(2)) else {
            return Ok(Value::Opaque);
        };
        let kind = match class {
            Value::Global(class) => storage_kind(class),
            _ => None,
        };
        let Some(kind) = kind else { return Err(self.broken(&format!("a storage of unknown kind {class:?}"))) };
        let offset = match part(5) {
            Some(Value::Sequence(view)) => match view.get(1).map(|&id| &self.values[id]) {
                Some(Value::Int(offset)) => {
                    usize::try_from(*offset).ok().ok_or_else(|| self.broken("a negative offset"))?
                }
                _ => return Err(self.broken("a storage view without an offset")),
            },
            _ => 0,
        };
        Ok(Value::Storage(Storage { key, kind, offset }))
    }
}

fn storage_kind(class: &str) -> Option<Kind> {
    Some(match class.strip_prefix("torch ").or_else(|| class.strip_prefix("torch.cuda "))?.strip_suffix("Storage")? {
        "Float" => Kind::Float,
        "Double" => Kind::Double,
        "Half" => Kind::Half,
        "BFloat16" => Kind::BFloat16,
        "Long" => Kind::Int64,
        "Int" => Kind::Int,
        "Short" => Kind::Int16,
        "Char" => Kind::Int8,
        "Byte" => Kind::Uint8,
        "Bool" => Kind::Bool,
        _ => return None,
    })
}
