//! Documents in: from a folder, a git repository or a site to passages with headings and links.

pub mod chunk;
pub mod clean;
pub mod front_matter;
pub mod hidden;
pub mod html;
pub mod parse;
pub mod sources;

pub use parse::{Format, ParsedPage, parse};
