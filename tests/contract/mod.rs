//! One suite for each port, which every adapter of it passes.

mod payment_gateway;
