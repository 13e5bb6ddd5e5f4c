//! What the specification promises its readers: good data, mistakes that are named, documents that tools accept.

mod data;
mod loader;
mod openapi;
mod texts;
