//! The product's words as types: pure, no I/O, no async, no vendor.

pub mod answer;
pub mod audience;
pub mod embedding;
pub mod ids;
pub mod message;
pub mod passage;
pub mod people;
pub mod redact;
pub mod request;
pub mod service;
