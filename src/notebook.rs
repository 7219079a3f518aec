//! The notebook: questions in SQL answered at once, and cells in Rust run by a kernel of its own (DESIGN, notebook).
//!
//! | module | what |
//! |---|---|
//! | [`document`] | cells, how they stand and what they gave; which are stale |
//! | [`runner`] | what runs next, and what becomes of what the kernel says; knows no process and no screen |
//! | [`kernel_client`] | how the kernel stands and what it can be asked |
//! | [`kernel_process`] | the kernel's process: found, started, listened to, ended |
//! | [`desk`] | the kernel's process and the hub that its cells ask, together |
//! | [`protocol`] | what the two say to each other |
//! | [`question`] | questions in SQL and how their answers are drawn; [`asked`] makes outputs of them |
//! | [`hub`] | what cells ask for everything that is not in their own process |
//! | [`shown`] | pictures, plots and tables that a cell shows |
//! | [`code`] | Rust and SQL as tokens, for colours and names |
//! | [`names`] | which cell uses what which other cell defines |
//! | [`history`] | what was run, over all sessions |
//! | [`ipynb`] | export for Jupyter |
//!
//! The text of a notebook and what its cells gave lie in [`session::notebook`](crate::session::notebook), where reports
//! find them too.

pub mod asked;
pub mod code;
pub mod desk;
pub mod document;
pub mod history;
pub mod hub;
pub mod ipynb;
pub mod kernel_client;
pub mod kernel_process;
pub mod names;
pub mod protocol;
pub mod question;
pub mod runner;
pub mod shown;
