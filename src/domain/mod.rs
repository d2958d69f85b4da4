//! The product's words as types: pure, no I/O, no async, no vendor.

pub mod access;
pub mod answer;
pub mod audience;
pub mod cluster;
pub mod digest;
pub mod embedding;
pub mod feedback;
pub mod file;
pub mod gap;
pub mod hours;
pub mod ids;
pub mod incident;
pub mod injection;
pub mod instrument;
pub mod measures;
pub mod message;
pub mod passage;
pub mod people;
pub mod promise;
pub mod redact;
pub mod request;
pub mod rota;
pub mod service;
pub mod statistics;
pub mod theme;
