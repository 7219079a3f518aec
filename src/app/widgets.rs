//! What screens are made of: each draws plain data into a buffer and knows nothing of the application.

pub mod chart;
