//! The notebook's kernel.

fn main() {}
