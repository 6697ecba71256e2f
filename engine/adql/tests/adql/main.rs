//! Queries as data files: what becomes of the valid ones, what is said about the invalid ones, and where the bounds are.

mod bounds;
mod corpus;
mod gaia;
