#![doc = include_str!("ARCHITECTURE.md")]

pub mod app;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod domain;
pub mod jobs;
pub mod knowledge;
pub mod llm;
pub mod ops;
pub mod retrieval;
pub mod store;
pub mod telemetry;
pub mod web;
