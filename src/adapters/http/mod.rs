//! What operators and orchestrators ask over HTTP: is it alive, is it ready, how is it going; and what the
//! payment provider tells.

pub mod server;
pub mod webhooks;
