//! What operators and orchestrators ask over HTTP: is it alive, is it ready, how is it going.

pub mod server;
