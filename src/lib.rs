pub mod cli;
pub mod engine;
pub mod face;
pub mod media;
pub mod ops;
pub mod work;
