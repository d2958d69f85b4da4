//! What the product does, one file for each thing. Names no chat system, web framework or search engine.

pub mod compose;
pub mod evaluate;
pub mod knowledge_base;
pub mod understand;
