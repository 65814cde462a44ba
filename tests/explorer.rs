//! The crash explorer alone, so that it is built fast although it is optimised: `make explore`.

mod explore;
